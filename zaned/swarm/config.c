/* Swarm configs, and what an image says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "zaned/swarm/engine.h"

enum { CONTENTS_MAX = 1 << 20 };

static int find(struct zn_engine *e, const char *name, char ret[64], struct zn_err *err)
{
    zn_auto_json doc = NULL;

    if (zn_engine_call_named(e, "GET", "/configs/", name, "", NULL, &doc, err) < 0)
        return -1;
    snprintf(ret, 64, "%s", zn_json_str(doc, "ID", ""));
    return 0;
}

int zn_engine_config_ensure(struct zn_engine *e, const char *name, const char *service_id,
                            const char *contents, char ret[64], struct zn_err *err)
{
    zn_auto_buf struct zn_buf data = ZN_BUF(CONTENTS_MAX);
    zn_auto_json made = NULL;

    if (find(e, name, ret, err) == 0)
        return 0;
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    zn_base64_add(&data, contents, strlen(contents), false);
    if (data.failed)
        return zn_fail(err, ZN_INVALID, "the config %s is too large", name);
    zn_auto_json body = json_pack("{s:s,s:{s:s,s:s},s:s}", "Name", name, "Labels", "zane.managed", "true",
                                  "zane.service", service_id, "Data", data.len ? zn_buf_str(&data) : "");
    if (zn_engine_call(e, "POST", "/configs/create", body, &made, err) == 0) {
        snprintf(ret, 64, "%s", zn_json_str(made, "ID", ""));
        return 0;
    }
    if (err->code != ZN_CONFLICT) /* else somebody made it meanwhile */
        return -1;
    memset(err, 0, sizeof *err);
    return find(e, name, ret, err);
}

int zn_engine_config_remove(struct zn_engine *e, const char *name, struct zn_err *err)
{
    if (zn_engine_call_named(e, "DELETE", "/configs/", name, "", NULL, NULL, err) == 0)
        return 0;
    /* Measured with 20.10.24: 400 "config 'x' is in use by the following service: y". */
    if (err->code != ZN_NOT_FOUND && !strstr(err->msg, "in use"))
        return -1;
    memset(err, 0, sizeof *err);
    return 0;
}

int zn_engine_configs_of(struct zn_engine *e, const char *service_id, json_t **ret, struct zn_err *err)
{
    zn_auto_json list = NULL;
    zn_auto_json filters = service_id ? json_pack("{s:[s+]}", "label", "zane.service=", service_id)
                                      : json_pack("{s:[s]}", "label", "zane.service");
    zn_auto_mem char *text = json_dumps(filters, JSON_COMPACT);
    json_t *out = json_array(), *one;
    size_t i;

    if (zn_engine_call_named(e, "GET", "/configs?filters=", text ? text : "", "", NULL, &list, err) < 0) {
        json_decref(out);
        return -1;
    }
    json_array_foreach (list, i, one) {
        const json_t *spec = json_object_get(one, "Spec");

        json_array_append_new(out, json_pack("{s:O,s:O}", "name", json_object_get(spec, "Name"), "owner",
                                             json_object_get(json_object_get(spec, "Labels"), "zane.service")));
    }
    *ret = out;
    return 0;
}

int zn_engine_image_ports(struct zn_engine *e, const char *image, json_t **ret, struct zn_err *err)
{
    zn_auto_json doc = NULL;
    json_t *list, *ignored;
    const char *port;

    if (zn_engine_call_named(e, "GET", "/images/", image, "/json", NULL, &doc, err) < 0)
        return -1;
    list = json_array();
    json_object_foreach (json_object_get(json_object_get(doc, "Config"), "ExposedPorts"), port, ignored) {
        const char *slash = strchr(port, '/');

        json_array_append_new(list, json_pack("{s:i,s:s}", "port_number", (int)strtol(port, NULL, 10), "protocol",
                                              slash ? slash + 1 : "tcp"));
    }
    *ret = list;
    return 0;
}
