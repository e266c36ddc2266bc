#include "supervisor/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/ip.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/engine.h"

enum { SLOW_MS = 30000, RETRY_MS = 5000, TAKEN_MS = 200, CONNECT_DEADLINE_MS = 30000, BACK_MAX = 8 };

struct zn_edge {
    struct zn_supervisor *s;
    char container[68];
    json_t *attached, *networks;
    unsigned pending, failed, taken;
    unsigned back; /* addresses from the end of a subnet that are passed over */
    struct zn_timer again;
};

static size_t uses(json_t *services, const char *network)
{
    size_t i, k, n = 0;
    json_t *svc, *net;

    json_array_foreach (services, i, svc) {
        json_t *task = json_object_get(json_object_get(svc, "Spec"), "TaskTemplate");

        json_array_foreach (json_object_get(task, "Networks"), k, net)
            n += strcmp(zn_json_str(net, "Target", ""), network) == 0;
    }
    return n;
}

struct rank {
    const char *id;
    size_t uses;
};

static int busier(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    return x->uses < y->uses ? 1 : x->uses > y->uses ? -1 : strcmp(x->id, y->id);
}

/* A connect that failed leaves an entry without an address behind (20.10). */
static bool is_attached(const json_t *attached, const char *network)
{
    return *zn_json_str(json_object_get(attached, network), "IPAddress", "") != '\0';
}

json_t *zn_edge_plan(json_t *networks, json_t *services, json_t *attached)
{
    size_t i, n = 0;
    json_t *net, *ret = json_array();
    zn_auto_mem struct rank *ranks = calloc(json_array_size(networks) + 1, sizeof *ranks);

    json_array_foreach (networks, i, net) {
        const char *id = zn_json_str(net, "Id", ""), *name = zn_json_str(net, "Name", "");

        if (!ranks || !*id || is_attached(attached, name))
            continue;
        /* A service may name its network either way. */
        ranks[n++] = (struct rank){ id, uses(services, id) + uses(services, name) };
    }
    if (ranks)
        qsort(ranks, n, sizeof *ranks, busier);
    for (i = 0; i < n; i++)
        json_array_append_new(ret, json_string(ranks[i].id));
    return ret;
}

static void get(struct zn_edge *e, char *target, zn_engine_done done)
{
    zn_auto_mem char *owned = target;

    zn_engine_send(e->s->engine, &(struct zn_engine_call){ .method = "GET", .target = owned,
                                                           .done = done, .arg = e });
}

static void round_over(struct zn_edge *e)
{
    /* The address may be that of a proxy before, which the swarm has not forgotten: the next one, soon. */
    if (e->taken)
        e->back = (e->back + 1) % BACK_MAX;
    zn_timer_set(e->s->loop, &e->again, e->taken && e->back ? TAKEN_MS : e->failed || e->taken ? RETRY_MS : SLOW_MS);
}

static void connected(void *arg, const struct zn_engine_reply *r)
{
    struct zn_edge *e = arg;

    /* 404: no task on this node uses the network now. Another 403: the worker was quicker. */
    if (r->err && r->status == 403 && strstr(r->err->msg, "ddress already in use")) {
        e->taken++;
    } else if (r->err && r->status != 404 && r->status != 403) {
        zn_warn("attaching the proxy to a network why=\"%s\"", r->err->msg);
        e->failed++;
    } else if (!r->err) {
        zn_debug("proxy attached to a network");
    }
    if (--e->pending == 0)
        round_over(e);
}

/* Body of the connect call. The address is the last one of the subnet: the swarm forgets an attached
 * container's address and gives it to a later task, which then fails once (20.10). */
static json_t *connect_body(const struct zn_edge *e, const char *network)
{
    json_t *body = json_pack("{s:s}", "Container", e->container), *net;
    char address[ZN_IPV4_LEN];
    size_t i;

    json_array_foreach (e->networks, i, net) {
        json_t *config = json_object_get(json_object_get(net, "IPAM"), "Config");

        if (strcmp(zn_json_str(net, "Id", ""), network) == 0 &&
            zn_ipv4_last_host(zn_json_str(json_array_get(config, 0), "Subnet", ""), e->back, address))
            json_object_set_new(body, "EndpointConfig",
                                json_pack("{s:{s:s}}", "IPAMConfig", "IPv4Address", address));
    }
    return body;
}

static void services_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_edge *e = arg;
    size_t i;
    json_t *id;
    char target[160];
    zn_auto_json plan = zn_edge_plan(e->networks, r->err ? NULL : r->json, e->attached);

    e->pending = (unsigned)json_array_size(plan);
    if (!e->pending)
        round_over(e);
    json_array_foreach (plan, i, id) {
        snprintf(target, sizeof target, "/networks/%s/connect", json_string_value(id));
        zn_engine_send(e->s->engine,
                       &(struct zn_engine_call){ .method = "POST", .target = target,
                                                 .body = connect_body(e, json_string_value(id)),
                                                 .deadline_ms = CONNECT_DEADLINE_MS,
                                                 .done = connected, .arg = e });
    }
}

static void networks_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_edge *e = arg;

    if (r->err) {
        e->failed++;
        round_over(e);
        return;
    }
    json_decref(e->networks);
    e->networks = json_incref(r->json);
    if (!json_array_size(e->networks))
        round_over(e);
    else
        get(e, zn_engine_filtered("/services", json_pack("{s:[s]}", "label", "zane.managed=true")),
            services_done);
}

static void container_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_edge *e = arg;

    if (r->err) {
        e->failed++;
        round_over(e);
        return;
    }
    json_decref(e->attached);
    e->attached = json_incref(
        json_object_get(json_object_get(r->json, "NetworkSettings"), "Networks"));
    get(e, zn_engine_filtered("/networks", json_pack("{s:[s]}", "label", "zane.edge=true")),
        networks_done);
}

static void begin(void *arg)
{
    struct zn_edge *e = arg;
    char target[128];

    zn_engine_cancel(e->s->engine, e);
    e->failed = e->pending = e->taken = 0;
    if (e->s->components[ZN_C_CADDY].process != ZN_P_RUNNING)
        return; /* its next start calls */
    snprintf(e->container, sizeof e->container, "%s", e->s->facts[ZN_C_CADDY].container);
    snprintf(target, sizeof target, "/containers/%s/json", e->container);
    get(e, strdup(target), container_done);
}

void zn_edge_attach(struct zn_supervisor *s)
{
    zn_timer_set(s->loop, &s->edge->again, 0);
}

void zn_edge_lost(struct zn_supervisor *s)
{
    zn_engine_cancel(s->engine, s->edge);
    zn_timer_clear(s->loop, &s->edge->again);
}

int zn_edge_open(struct zn_supervisor *s, struct zn_err *err)
{
    struct zn_edge *e = calloc(1, sizeof *e);

    if (!e)
        return zn_fail(err, ZN_INTERNAL, "edge: out of memory");
    e->s = s;
    e->again = (struct zn_timer){ .fn = begin, .arg = e };
    s->edge = e;
    return 0;
}

void zn_edge_close(struct zn_supervisor *s)
{
    if (!s->edge)
        return;
    zn_edge_lost(s);
    json_decref(s->edge->attached);
    json_decref(s->edge->networks);
    free(s->edge);
    s->edge = NULL;
}
