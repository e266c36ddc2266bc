#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/watch.h"

enum { LOOK, LEAVE, INIT, NETWORKS, CONTROL, EDGE, SECRETS, SECRET };
enum { STALE_MS = 30000, STALE_LOOK_MS = 150, ABSENT_MS = 1000, INIT_DEADLINE_MS = 60000, AGAIN_FIRST_MS = 500, AGAIN_MAX_MS = 15000 };

static const long long TEN_YEARS_NS = 315360000000000000LL;

static void next(struct prepare *p);

static void again(struct prepare *p, const struct zn_err *err)
{
    zn_supervisor_say(p->s, ZN_CHANGED_PLATFORM, "%s", err->msg);
    zn_timer_set(p->s->loop, &p->again,
                 zn_backoff_ms(p->tries++, AGAIN_FIRST_MS, AGAIN_MAX_MS, (uint32_t)zn_now_ms()));
}

static void restart(void *arg)
{
    struct prepare *p = arg;

    p->step = LOOK;
    next(p);
}

static void continue_step(void *arg)
{
    struct prepare *p = arg;

    p->again.fn = restart;
    next(p);
}

static bool overlaps(uint32_t net_a, uint32_t mask_a, uint32_t net_b, uint32_t mask_b)
{
    uint32_t common = mask_a & mask_b;

    return (net_a & common) == (net_b & common);
}

bool zn_pool_pick(const char *routes, char *ret, size_t size)
{
    static const struct {
        const char *text;
        uint32_t net, mask;
    } pools[] = { { "10.208.0.0/12", 0x0ad00000, 0xfff00000 },
                  { "10.144.0.0/12", 0x0a900000, 0xfff00000 },
                  { "10.64.0.0/12", 0x0a400000, 0xfff00000 },
                  { "172.24.0.0/14", 0xac180000, 0xfffc0000 },
                  { "192.168.128.0/17", 0xc0a88000, 0xffff8000 } };

    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        bool free_pool = true;

        for (const char *line = routes; line && *line && free_pool;) {
            unsigned long net, mask;

            /* Interface, destination, gateway, flags, refcnt, use, metric, mask: the two numbers
             * are in network byte order as this machine would print them. */
            if (sscanf(line, "%*s %lx %*s %*s %*s %*s %*s %lx", &net, &mask) == 2 && mask)
                free_pool = !overlaps(pools[i].net, pools[i].mask,
                                      __builtin_bswap32((uint32_t)net),
                                      __builtin_bswap32((uint32_t)mask));
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
        if (free_pool) {
            snprintf(ret, size, "%s", pools[i].text);
            return true;
        }
    }
    return false;
}

static json_t *init_body(struct prepare *p)
{
    zn_auto_buf struct zn_buf routes = ZN_BUF(1 << 20);
    struct zn_err err = { 0 };
    char pool[24];
    json_t *body = json_pack("{s:s,s:s,s:s,s:{s:{s:I}}}", "ListenAddr", "127.0.0.1:2377",
                             "AdvertiseAddr", "127.0.0.1", "DataPathAddr", "127.0.0.1", "Spec",
                             "CAConfig", "NodeCertExpiry", (json_int_t)TEN_YEARS_NS);

    if (zn_read_file("/proc/net/route", &routes, &err) < 0)
        zn_warn("routes unknown why=\"%s\"", err.msg);
    const char *text = zn_buf_str(&routes);
    if (zn_pool_pick(text ? text : "", pool, sizeof pool)) {
        json_object_set_new(body, "DefaultAddrPool", json_pack("[s]", pool));
        json_object_set_new(body, "SubnetSize", json_integer(24));
        zn_info("swarm initialised on 127.0.0.1 pool=%s", pool);
    } else {
        zn_supervisor_say(p->s, ZN_CHANGED_PLATFORM,
                          "every address pool overlaps a route of this host; "
                          "the engine's default is used");
    }
    return body;
}

/* The swarm is ours to leave only if we made it: this file says so. */
static void own_swarm_path(const struct prepare *p, char *ret, size_t size)
{
    snprintf(ret, size, "%s/own-swarm", p->s->config.state);
}

static bool own_swarm(const struct prepare *p)
{
    char path[128];

    own_swarm_path(p, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void claim_swarm(const struct prepare *p)
{
    static const char text[] = "The platform made this machine's swarm and may leave it.\n";
    char path[128];
    struct zn_err err = { 0 };

    own_swarm_path(p, path, sizeof path);
    if (zn_write_file(path, text, sizeof text - 1, 0644, &err) < 0)
        zn_warn("noting that the swarm is ours why=\"%s\"", err.msg);
}

/* What /info says of the swarm decides the step. */
static int look_done(struct prepare *p, const struct zn_engine_reply *r, struct zn_err *err)
{
    const json_t *swarm = json_object_get(r->json, "Swarm");
    const char *state = zn_json_str(swarm, "LocalNodeState", "");

    if (strcmp(state, "active") == 0) {
        if (!json_is_true(json_object_get(swarm, "ControlAvailable")))
            return zn_fail(err, ZN_CONFLICT,
                           "this machine is a worker of another swarm; `docker swarm leave` frees "
                           "it");
        p->step = NETWORKS;
    } else if (strcmp(state, "inactive") == 0) {
        p->step = INIT;
    } else if (strcmp(state, "error") == 0) {
        if (!own_swarm(p))
            return zn_fail(err, ZN_CONFLICT,
                           "this machine's swarm, which the platform did not make, is broken: %.120s",
                           zn_json_str(swarm, "Error", ""));
        /* The swarm is a cache (DESIGN 2): what it held is made again from what we know. */
        zn_warn("swarm is broken and is built anew why=\"%s\"", zn_json_str(swarm, "Error", ""));
        p->step = LEAVE;
    } else {
        return zn_fail(err, ZN_UNAVAILABLE, "the swarm is in state '%s'", state);
    }
    return 0;
}

static bool has_network(json_t *list, const char *name)
{
    size_t i;
    json_t *n;

    json_array_foreach (list, i, n) /* the engine's filter matches parts of names */
        if (strcmp(zn_json_str(n, "Name", ""), name) == 0 &&
            strcmp(zn_json_str(n, "Driver", ""), "overlay") == 0)
            return true;
    return false;
}

static void note_secrets(struct prepare *p, json_t *list)
{
    struct zn_secrets *own = &p->s->boot->secrets;
    size_t i;
    json_t *s;

    for (unsigned k = 0; k < ZN_SECRETS; k++)
        own->all[k].id[0] = '\0';
    json_array_foreach (list, i, s)
        for (unsigned k = 0; k < ZN_SECRETS; k++)
            if (strcmp(zn_json_str(json_object_get(s, "Spec"), "Name", ""),
                       own->all[k].engine_name) == 0)
                snprintf(own->all[k].id, sizeof own->all[k].id, "%s", zn_json_str(s, "ID", ""));
}

/* Names of the step after this one; the swarm part is done when the secrets are. */
static int advance(struct prepare *p, const struct zn_engine_reply *r, struct zn_err *err)
{
    struct zn_secrets *own = &p->s->boot->secrets;

    switch (p->step) {
    case LOOK:
        return look_done(p, r, err);
    case LEAVE:
        p->step = INIT;
        break;
    case INIT:
        claim_swarm(p);
        p->step = NETWORKS;
        p->fresh = true;
        p->fresh_until_ms = zn_now_ms() + STALE_MS;
        break;
    case NETWORKS:
        p->edge = has_network(r->json, "zn-edge");
        p->step = !has_network(r->json, "zn-control") ? CONTROL : !p->edge ? EDGE : SECRETS;
        break;
    case CONTROL:
        p->fresh = false;
        p->step = p->edge ? SECRETS : EDGE;
        break;
    case EDGE:
        p->step = SECRETS;
        break;
    case SECRETS:
        note_secrets(p, r->json);
        p->secret = 0;
        p->step = SECRET;
        break;
    default:
        snprintf(own->all[p->secret].id, sizeof own->all[p->secret].id, "%s",
                 zn_json_str(r->json, "ID", ""));
    }
    return 0;
}

static void done(void *arg, const struct zn_engine_reply *r)
{
    struct prepare *p = arg;
    struct zn_err err = { 0 };

    if (r->err && r->err->code == ZN_CONFLICT && (p->step == CONTROL || p->step == EDGE)) {
        restart(p); /* made in the meantime */
        return;
    }
    if (r->err) {
        again(p, r->err);
        return;
    }
    if (p->step == NETWORKS && p->fresh &&
        (has_network(r->json, "zn-control") || has_network(r->json, "zn-edge"))) {
        /* The node still lists the networks of the swarm that it left, until their last container
         * is gone; they are none of the new swarm's, whose services would not find them. */
        if (zn_now_ms() > p->fresh_until_ms) {
            zn_fail(&err, ZN_BUSY, "containers of the former swarm still hold its networks");
            again(p, &err);
            return;
        }
        p->again.fn = continue_step;
        zn_timer_set(p->s->loop, &p->again, STALE_LOOK_MS);
        return;
    }
    if (advance(p, r, &err) < 0) {
        again(p, &err);
        return;
    }
    next(p);
}

static void call(struct prepare *p, const char *method, const char *target, json_t *body)
{
    zn_engine_send(p->s->engine,
                   &(struct zn_engine_call){ .method = method, .target = target, .body = body,
                                             .deadline_ms = INIT_DEADLINE_MS, .done = done,
                                             .arg = p });
}

static json_t *network(const char *name)
{
    return json_pack("{s:s,s:s,s:b,s:b,s:{s:s}}", "Name", name, "Driver", "overlay",
                     "CheckDuplicate", 1, "Attachable", 0, "Labels", "zane.platform", "true");
}

static json_t *secret(const struct zn_secret *s)
{
    zn_auto_buf struct zn_buf data = ZN_BUF(1024);
    const char *text;
    json_t *ret;

    zn_base64_add(&data, s->value, strlen(s->value), false);
    text = zn_buf_str(&data);
    ret = json_pack("{s:s,s:{s:s},s:s}", "Name", s->engine_name, "Labels", "zane.platform", "true",
                    "Data", text ? text : "");
    if (data.mem)
        explicit_bzero(data.mem, data.cap);
    return ret;
}

static void next_secret(struct prepare *p)
{
    struct zn_secrets *own = &p->s->boot->secrets;

    while (p->secret < ZN_SECRETS && own->all[p->secret].id[0])
        p->secret++;
    if (p->secret < ZN_SECRETS) {
        call(p, "POST", "/secrets/create", secret(&own->all[p->secret]));
        return;
    }
    p->tries = 0;
    zn_supervisor_say(p->s, ZN_CHANGED_PLATFORM, "looking at what runs");
    zn_watcher_survey(p->s);
}

static void next(struct prepare *p)
{
    static const char *const words[] = {
        [LOOK] = "looking at the swarm",       [LEAVE] = "leaving the broken swarm",
        [INIT] = "initialising the swarm",     [NETWORKS] = "looking at the networks",
        [CONTROL] = "making network zn-control", [EDGE] = "making network zn-edge",
        [SECRETS] = "looking at the secrets",  [SECRET] = "giving the secrets to the engine",
    };

    zn_supervisor_say(p->s, ZN_CHANGED_PLATFORM, "%s", words[p->step]);
    switch (p->step) {
    case LOOK:
        call(p, "GET", "/info", NULL);
        break;
    case LEAVE:
        call(p, "POST", "/swarm/leave?force=true", NULL);
        break;
    case INIT:
        call(p, "POST", "/swarm/init", init_body(p));
        break;
    case NETWORKS: /* {"name":["zn-control","zn-edge"]} */
        call(p, "GET",
             "/networks?filters=%7B%22name%22%3A%5B%22zn-control%22%2C%22zn-edge%22%5D%7D", NULL);
        break;
    case CONTROL:
        call(p, "POST", "/networks/create", network("zn-control"));
        break;
    case EDGE:
        call(p, "POST", "/networks/create", network("zn-edge"));
        break;
    case SECRETS: /* {"label":["zane.platform=true"]} */
        call(p, "GET", "/secrets?filters=%7B%22label%22%3A%5B%22zane.platform%3Dtrue%22%5D%7D",
             NULL);
        break;
    default:
        next_secret(p);
    }
}

static void prepare_again(void *arg)
{
    struct prepare *p = arg;

    zn_boot_prepare(p->s);
}

void zn_boot_prepare_later(struct zn_supervisor *s, const char *why)
{
    struct prepare *p = &s->boot->prepare;

    zn_warn("preparing anew why=\"%s\"", why);
    zn_supervisor_stage(s, ZN_STAGE_PREPARE);
    zn_supervisor_lost(s);
    zn_supervisor_say(s, ZN_CHANGED_PLATFORM, "%s", why);
    p->again.fn = prepare_again;
    zn_timer_set(s->loop, &p->again, ABSENT_MS);
}

void zn_boot_prepare(struct zn_supervisor *s)
{
    struct prepare *p = &s->boot->prepare;

    zn_boot_lost(s);
    p->s = s;
    p->step = LOOK;
    p->again.fn = restart;
    p->again.arg = p;
    zn_supervisor_stage(s, ZN_STAGE_PREPARE);
    next(p);
}
