/* Removing overlay networks whole (measured with engine 20.10.24; docs/decisions/0006). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "zaned/swarm/engine.h"

static const int64_t VISIT_MS = 20000, POLL_FIRST_MS = 50, POLL_MAX_MS = 500;

/* Whether this node has its half of the network: then it lists the half's own endpoint. ZN_NOT_FOUND: there
 * is no such network at all. */
static int is_here(struct zn_engine *e, const char *network, bool *ret, struct zn_err *err)
{
    zn_auto_json doc = NULL;

    if (zn_engine_call_named(e, "GET", "/networks/", network, "", NULL, &doc, err) < 0)
        return -1;
    *ret = json_object_size(json_object_get(doc, "Containers")) > 0;
    return 0;
}

static int start_visitor(struct zn_engine *e, const char *name, const char *network, const char *image,
                         struct zn_err *err)
{
    zn_auto_json spec = json_pack(
        "{s:s,s:{s:s},s:{s:{s:s,s:[s,s]},s:{s:s},s:[{s:s}]},s:{s:{s:i}},s:{s:s}}", "Name", name, "Labels",
        "zane.visitor", network, "TaskTemplate", "ContainerSpec", "Image", image, "Command",
        "/usr/bin/zaned", "--version", "RestartPolicy", "Condition", "none", "Networks", "Target", network,
        "Mode", "Replicated", "Replicas", 1, "EndpointSpec", "Mode", "dnsrr");

    if (zn_engine_service_remove(e, name, err) < 0) /* of an earlier try */
        return -1;
    return zn_engine_call(e, "POST", "/services/create", spec, NULL, err);
}

/* Until its task has run, however that ended. */
static int await_visit(struct zn_engine *e, const char *name, struct zn_err *err)
{
    int64_t end = zn_now_ms() + VISIT_MS;
    struct zn_task_view v;

    for (unsigned i = 0; zn_now_ms() < end; i++) {
        if (zn_engine_service_tasks(e, name, &v, err) < 0)
            return -1;
        if (v.failed || v.running)
            return 0;
        zn_pause_ms(zn_backoff_ms(i, POLL_FIRST_MS, POLL_MAX_MS, 0));
    }
    return zn_fail(err, ZN_BUSY, "%s has not run yet", name);
}

static int await_gone(struct zn_engine *e, const char *network, struct zn_err *err)
{
    int64_t end = zn_now_ms() + VISIT_MS;
    bool here = true;

    for (unsigned i = 0; zn_now_ms() < end; i++) {
        if (is_here(e, network, &here, err) < 0)
            return -1;
        if (!here)
            return 0;
        zn_pause_ms(zn_backoff_ms(i, POLL_FIRST_MS, POLL_MAX_MS, 0));
    }
    return zn_fail(err, ZN_BUSY, "the engine still holds network %s", network);
}

static int visit(struct zn_engine *e, const char *network, const char *image, struct zn_err *err)
{
    char name[128];

    snprintf(name, sizeof name, "%.100s-visitor", network);
    if (start_visitor(e, name, network, image, err) < 0)
        return zn_wrap(err, "visitor");
    int r = await_visit(e, name, err);
    struct zn_err e2 = { 0 };
    if (zn_engine_service_remove(e, name, &e2) < 0 && r == 0) {
        *err = e2;
        r = -1;
    }
    return r < 0 ? r : await_gone(e, network, err);
}

int zn_engine_network_remove(struct zn_engine *e, const char *name, const char *image,
                             struct zn_err *err)
{
    bool here = false;
    int r = is_here(e, name, &here, err);

    if (r == 0 && here)
        r = visit(e, name, image, err);
    if (r == 0)
        r = zn_engine_call_named(e, "DELETE", "/networks/", name, "", NULL, NULL, err);
    if (r < 0 && err->code == ZN_NOT_FOUND) {
        memset(err, 0, sizeof *err);
        return 0;
    }
    return r;
}
