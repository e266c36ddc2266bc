#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/json.h"
#include "supervisor/cli.h"

static void print_json(const json_t *doc, size_t flags)
{
    zn_auto_mem char *text = json_dumps(doc, flags);

    puts(text ? text : "null");
}

typedef void (*render_fn)(const json_t *doc, const struct zn_table_style *st, struct zn_buf *ret);

/* GETs path and prints the answer. *ret is the caller's to release, whatever is returned; set if CLI_OK. */
static int show(const struct cli *cli, const char *path, bool json, render_fn render, json_t **ret)
{
    struct zn_table_style st = cli_style();
    zn_auto_buf struct zn_buf out = ZN_BUF(1 << 20);
    int r = cli_ask(cli, "GET", path, 200, ret);

    if (r != CLI_OK)
        return r;
    if (json) {
        print_json(*ret, JSON_INDENT(2));
    } else {
        render(*ret, &st, &out);
        fputs(zn_buf_str(&out) ? zn_buf_str(&out) : "", stdout);
    }
    return CLI_OK;
}

static int one_component(const struct cli *cli, const char *name, bool json)
{
    zn_auto_buf struct zn_buf path = ZN_BUF(256);
    zn_auto_json doc = NULL;
    int ret;

    /* A name is letters, digits and dashes: anything else would change the path. */
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] || strlen(name) > 31) {
        fprintf(stderr, "zane: no such component: %.60s\n", name);
        return CLI_FAILED;
    }
    zn_buf_printf(&path, "/v1/components/%s", name);
    ret = show(cli, zn_buf_str(&path), json, zn_table_component, &doc);
    if (ret != CLI_OK)
        return ret;
    return strcmp(zn_json_str(doc, "state", ""), "ready") == 0 ? CLI_OK : CLI_NOT_READY;
}

static int whole(const struct cli *cli, bool json)
{
    zn_auto_json doc = NULL;
    int ret = show(cli, "/v1/health", json, zn_table_health, &doc);

    if (ret != CLI_OK)
        return ret;
    return json_is_true(json_object_get(doc, "ready")) ? CLI_OK : CLI_NOT_READY;
}

int cli_status(const struct cli *cli, int argc, char **argv)
{
    const char *component = NULL;
    bool watch = false, json = false;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--watch") == 0 || strcmp(argv[i], "-w") == 0) {
            watch = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (argv[i][0] != '-' && !component) {
            component = argv[i];
        } else {
            fprintf(stderr, "zane: status takes [COMPONENT] [--watch] [--json], not %.60s\n",
                    argv[i]);
            return CLI_USAGE;
        }
    }
    if (component && watch) {
        fprintf(stderr, "zane: status --watch shows the whole platform, not one component\n");
        return CLI_USAGE;
    }
    if (component)
        return one_component(cli, component, json);
    return watch ? cli_watch(cli, json) : whole(cli, json);
}
