/* Bodies of change requests and of the one-call deploy: what is accepted holds the rules that the proxy
 * and the engine rely on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/domain/change.h"
#include "zaned/domain/rules.h"
#include "zaned/domain/values.h"
#include "zaned/domain/wanted.h"

static int taken(void *self, const char *domain, const char *base_path, bool *ret, struct zn_err *err)
{
    (void)self;
    (void)domain;
    (void)base_path;
    (void)err;
    *ret = false;
    return 0;
}

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void url_is_safe(const json_t *url)
{
    const char *domain = zn_json_str(url, "domain", "a.test");

    must(!strpbrk(domain, "{}/ :\r\n") && strlen(domain) <= ZN_MAX_DOMAIN + 2);
    must(!strpbrk(zn_json_str(url, "base_path", ""), "{}* \r\n%"));
    must(!strpbrk(zn_json_str(json_object_get(url, "redirect_to"), "url", ""), "{} \r\n"));
    must(json_is_object(json_object_get(url, "redirect_to")) ||
         zn_json_int(url, "associated_port", 0) > 0);
}

static void path_is_safe(const char *path)
{
    must(*path == '/' && strlen(path) > 1 && !strstr(path, "/../") && !strpbrk(path, "\r\n"));
}

static void change_is_safe(const json_t *change)
{
    const json_t *v = json_object_get(change, "new_value");
    const char *field = zn_json_str(change, "field", ""), *host = zn_json_str(v, "host_path", NULL);

    if (strcmp(field, "urls") == 0 && json_is_object(v))
        url_is_safe(v);
    if (host)
        must(!strstr(host, "..") && strcmp(zn_json_str(v, "mode", ""), "READ_ONLY") == 0);
    if (json_is_object(v) && (strcmp(field, "volumes") == 0 || strcmp(field, "shared_volumes") == 0))
        path_is_safe(zn_json_str(v, "container_path", ""));
    if (json_is_object(v) && strcmp(field, "configs") == 0)
        path_is_safe(zn_json_str(v, "mount_path", ""));
    if (json_is_object(v) && strcmp(field, "ports") == 0)
        must(zn_json_int(v, "host", 0) > 0 && zn_json_int(v, "forwarded", 0) > 0);
    if (json_is_object(v) && json_is_object(json_object_get(v, "memory")))
        must(zn_memory_bytes(json_object_get(v, "memory")) >= ZN_MIN_MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_arena a = { .limit = 4 << 20 };
    struct zn_err err = { 0 };
    const struct zn_state_rules rules = { .arena = &a, .root_domain = "root.test",
                                          .app_domain = "dash.test", .url_taken = taken };
    zn_auto_json body = NULL;
    zn_auto_json change = NULL;
    zn_auto_json next = NULL;
    zn_auto_json after = NULL;
    zn_auto_json state = json_pack("{s:n,s:n,s:n,s:[],s:[],s:[]}", "image", "command", "healthcheck",
                                   "volumes", "env_variables", "urls");
    struct zn_change_plan plan;
    struct zn_wanted w = { 0 };

    if (zn_json_parse((const char *)data, size, &body, &err) < 0)
        return 0;
    if (zn_change_parse(&a, body, &change, &err) == 0) {
        change_is_safe(change);
        if (zn_change_check(&rules, state, NULL, "new.root.test", change, &plan, &err) == 0)
            change_is_safe(change);
    }
    memset(&err, 0, sizeof err);
    if (zn_wanted_parse(&a, body, &w, &err) == 0 &&
        zn_wanted_apply(&rules, &w, state, "new.root.test", &next, &err) == 0) {
        zn_auto_json changes = zn_state_diff(state, next);
        size_t i;
        json_t *url;

        must(zn_state_overlay(state, changes, &after, &err) == 0 && json_equal(after, next));
        json_array_foreach (json_object_get(next, "urls"), i, url)
            url_is_safe(url);
        must(zn_state_check(&rules, next, &err) == 0);
    }
    zn_wanted_done(&w);
    zn_arena_done(&a);
    return 0;
}
