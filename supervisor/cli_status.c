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

static int one_component(const struct cli *cli, const char *name, bool json)
{
    struct zn_table_style st = cli_style();
    zn_auto_buf struct zn_buf out = ZN_BUF(1 << 20);
    zn_auto_buf struct zn_buf path = ZN_BUF(256);
    zn_auto_json doc = NULL;
    struct zn_err err = { 0 };
    int status;

    /* A name is letters, digits and dashes: anything else would change the path. */
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] || strlen(name) > 31) {
        fprintf(stderr, "zane: no such component: %.60s\n", name);
        return CLI_FAILED;
    }
    zn_buf_printf(&path, "/v1/components/%s", name);
    if (cli_call(cli, "GET", zn_buf_str(&path), &status, &doc, &err) < 0)
        return cli_complain(&err);
    if (status != 200) {
        fprintf(stderr, "zane: %s\n", cli_message(doc));
        return CLI_FAILED;
    }
    if (json) {
        print_json(doc, JSON_INDENT(2));
    } else {
        zn_table_component(doc, &st, &out);
        fputs(zn_buf_str(&out) ? zn_buf_str(&out) : "", stdout);
    }
    return strcmp(zn_json_str(doc, "state", ""), "ready") == 0 ? CLI_OK : CLI_NOT_READY;
}

static int whole(const struct cli *cli, bool json)
{
    struct zn_table_style st = cli_style();
    zn_auto_buf struct zn_buf out = ZN_BUF(1 << 20);
    zn_auto_json doc = NULL;
    struct zn_err err = { 0 };
    int status;

    if (cli_call(cli, "GET", "/v1/health", &status, &doc, &err) < 0)
        return cli_complain(&err);
    if (status != 200) {
        fprintf(stderr, "zane: %s\n", cli_message(doc));
        return CLI_FAILED;
    }
    if (json) {
        print_json(doc, JSON_INDENT(2));
    } else {
        zn_table_health(doc, &st, &out);
        fputs(zn_buf_str(&out) ? zn_buf_str(&out) : "", stdout);
    }
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
