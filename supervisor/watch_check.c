#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/watch_internal.h"

enum { FIRST_MS = 150, RISING_MS = 250, SLOW_RISING_MS = 1000, RISING_FOR_MS = 15000,
       STEADY_MS = 10000, DOUBT_MS = 1000, FAILING_MS = 2000, CHECK_DEADLINE_MS = 6000,
       OUTPUT_MAX = 16384, EVENTS_AGAIN_MS = 1000, MEMORY_MS = 2000, KILL_EXTRA_MS = 15000 };

static struct zn_check *check_of(struct zn_supervisor *s, unsigned i)
{
    return &s->watcher->of[i].check;
}

/* Faster while something is in transition. An exec costs the engine some 50 ms of processor time,
 * so that the steady pace is slow. */
static int64_t pause_of(const struct zn_check *c)
{
    switch (c->s->components[c->id].health) {
    case ZN_H_OK:
        return STEADY_MS;
    case ZN_H_DEGRADED:
        return DOUBT_MS;
    case ZN_H_FAILING:
        return FAILING_MS;
    default:
        return zn_now_ms() - c->begun_ms < RISING_FOR_MS ? RISING_MS : SLOW_RISING_MS;
    }
}

static void result(struct zn_check *c, bool good)
{
    struct zn_supervisor *s = c->s;

    zn_supervisor_feed(s, c->id, good ? ZN_EV_PROBE_GOOD : ZN_EV_PROBE_BAD);
    if (!c->on)
        return;
    if (!good)
        zn_supervisor_say(s, c->id, "check: %s", c->said[0] ? c->said : "no reason given");
    else if (s->components[c->id].health == ZN_H_OK)
        zn_supervisor_say(s, c->id, "%s", "");
    zn_timer_set(s->loop, &c->next, pause_of(c));
}

/* The check could not be carried out: that says nothing about the component, but its task may have
 * ended. */
static void not_done(struct zn_check *c, const struct zn_err *err)
{
    zn_debug("check not done component=%s why=\"%s\"", c->s->components[c->id].def->name,
             err->msg);
    zn_watcher_hint(c->s);
    zn_timer_set(c->s->loop, &c->next, DOUBT_MS);
}

static void ended(void *arg, const struct zn_engine_reply *r)
{
    struct zn_check *c = arg;

    if (r->err)
        not_done(c, r->err);
    else if (json_is_true(json_object_get(r->json, "Running")))
        result(c, false); /* its output ended, itself did not */
    else
        result(c, zn_json_int(r->json, "ExitCode", -1) == 0);
}

static void keep_last_line(struct zn_check *c, struct zn_str body)
{
    zn_auto_mem char *text = malloc(body.n + 1);
    const char *line;
    size_t n = 0;

    if (!text)
        return;
    for (size_t i = 0; i < body.n; i++)
        if (body.s[i] == '\n' || (unsigned char)body.s[i] >= 0x20)
            text[n++] = body.s[i];
    while (n && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    if (zn_utf8_valid(line, strlen(line)))
        snprintf(c->said, sizeof c->said, "%s", line);
}

static void said(void *arg, const struct zn_engine_reply *r)
{
    struct zn_check *c = arg;
    char target[128];

    if (!r->status && zn_engine_up(c->s->engine)) {
        snprintf(c->said, sizeof c->said, "did not end within %d s", CHECK_DEADLINE_MS / 1000);
        result(c, false);
        return;
    }
    if (r->err) {
        not_done(c, r->err);
        return;
    }
    c->said[0] = '\0';
    keep_last_line(c, r->body);
    snprintf(target, sizeof target, "/exec/%s/json", c->exec);
    zn_engine_send(c->s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                           .done = ended, .arg = c });
}

static void made(void *arg, const struct zn_engine_reply *r)
{
    struct zn_check *c = arg;
    char target[128];

    if (r->err) {
        not_done(c, r->err);
        return;
    }
    snprintf(c->exec, sizeof c->exec, "%s", zn_json_str(r->json, "Id", ""));
    snprintf(target, sizeof target, "/exec/%s/start", c->exec);
    zn_engine_send(c->s->engine,
                   &(struct zn_engine_call){ .method = "POST", .target = target,
                                             .body = json_pack("{s:b,s:b}", "Detach", 0, "Tty", 1),
                                             .deadline_ms = CHECK_DEADLINE_MS,
                                             .max_body = OUTPUT_MAX, .done = said, .arg = c });
}

static void run_check(void *arg)
{
    struct zn_check *c = arg;
    struct zn_supervisor *s = c->s;
    json_t *argv = s->boot->ops[c->id].check;
    char target[128];

    if (!argv) { /* its image was not looked at yet */
        zn_timer_set(s->loop, &c->next, RISING_MS);
        return;
    }
    snprintf(target, sizeof target, "/containers/%s/exec", s->facts[c->id].container);
    zn_engine_send(s->engine,
                   &(struct zn_engine_call){ .method = "POST", .target = target,
                                             .body = json_pack("{s:O,s:b,s:b,s:b}", "Cmd", argv,
                                                               "AttachStdout", 1, "AttachStderr",
                                                               1, "Tty", 1),
                                             .done = made, .arg = c });
}

void zn_check_init(struct zn_supervisor *s, unsigned i)
{
    *check_of(s, i) = (struct zn_check){ .s = s, .id = i };
    check_of(s, i)->next = (struct zn_timer){ .fn = run_check, .arg = check_of(s, i) };
}

void zn_check_begin(struct zn_supervisor *s, unsigned i)
{
    struct zn_check *c = check_of(s, i);

    zn_check_end(s, i);
    c->on = true;
    c->begun_ms = zn_now_ms();
    zn_timer_set(s->loop, &c->next, FIRST_MS);
}

void zn_check_end(struct zn_supervisor *s, unsigned i)
{
    struct zn_check *c = check_of(s, i);

    c->on = false;
    zn_engine_cancel(s->engine, c);
    zn_timer_clear(s->loop, &c->next);
}

/* --- last lines ------------------------------------------------------------------------------ */

char *zn_log_text(struct zn_str body)
{
    struct zn_buf b = ZN_BUF(256 * 1024);
    const unsigned char *p = (const unsigned char *)body.s, *end = p + body.n;
    char *ret;

    while (end - p >= 8) {
        size_t n = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];

        p += 8;
        if (n > (size_t)(end - p))
            n = (size_t)(end - p);
        for (size_t i = 0; i < n; i++)
            zn_buf_putc(&b, p[i] == '\n' || p[i] == '\t' || p[i] >= 0x20 ? (char)p[i] : ' ');
        p += n;
    }
    if (b.mem && !zn_utf8_valid(b.mem, b.len))
        for (size_t i = 0; i < b.len; i++)
            if ((unsigned char)b.mem[i] >= 0x80)
                b.mem[i] = '?';
    ret = b.failed ? NULL : zn_buf_take(&b);
    zn_buf_done(&b);
    return ret;
}

static void last_lines(void *arg, const struct zn_engine_reply *r)
{
    struct zn_side_call *l = arg;
    char *text = r->err ? NULL : zn_log_text(r->body);

    if (!text)
        return; /* removed meanwhile: the reason of the end is known without it */
    free(l->s->facts[l->id].last_lines);
    l->s->facts[l->id].last_lines = text;
    zn_supervisor_publish(l->s, l->id);
}

void zn_fetch_last_lines(struct zn_supervisor *s, unsigned i)
{
    struct zn_side_call *l = &s->watcher->of[i].lines;
    char target[160];

    zn_engine_cancel(s->engine, l);
    if (!s->facts[i].container[0])
        return;
    snprintf(target, sizeof target, "/containers/%s/logs?stdout=1&stderr=1&tail=%d",
             s->facts[i].container, ZN_LAST_LINES);
    zn_engine_send(s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                        .max_body = 1 << 20, .done = last_lines,
                                                        .arg = l });
}

void zn_watcher_kill(struct zn_supervisor *s, unsigned i)
{
    char target[160];

    zn_warn("stopping component=%s: it fails its check why=\"%s\"", s->components[i].def->name,
            s->facts[i].message);
    snprintf(target, sizeof target, "/containers/%s/stop?t=%u", s->facts[i].container,
             s->components[i].def->stop_s);
    /* Its end is seen by the poll; a failure of the call shows there as well, by no end. */
    zn_engine_send(s->engine,
                   &(struct zn_engine_call){ .method = "POST", .target = target,
                                             .deadline_ms = s->components[i].def->stop_s * 1000 +
                                                            KILL_EXTRA_MS });
}

/* --- events ---------------------------------------------------------------------------------- */

static int event_bytes(void *arg, const char *p, size_t n)
{
    struct zn_watcher *w = arg;

    (void)p;
    (void)n;
    zn_watcher_hint(w->s); /* what happened is read from the tasks: events may be lost */
    return 0;
}

static void events_ended(void *arg, const struct zn_engine_reply *r)
{
    struct zn_watcher *w = arg;

    (void)r;
    zn_timer_set(w->s->loop, &w->events_again, EVENTS_AGAIN_MS);
}

void zn_watch_events(struct zn_watcher *w)
{
    zn_auto_mem char *target = zn_engine_filtered(
        "/events", json_pack("{s:[s],s:[s,s,s],s:[s]}", "type", "container", "event", "start",
                             "die", "oom", "label", "zane.component"));

    zn_engine_send(w->s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                           .sink = event_bytes,
                                                           .done = events_ended, .arg = w });
    zn_timer_set(w->s->loop, &w->memory, MEMORY_MS);
}

static void events_again(void *arg)
{
    struct zn_watcher *w = arg;

    if (w->s->stage == ZN_STAGE_RUN)
        zn_watch_events(w);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void measured(void *arg, const struct zn_engine_reply *r)
{
    struct zn_side_call *l = arg;
    const json_t *memory = json_object_get(r->json, "memory_stats");
    const json_t *stats = json_object_get(memory, "stats");
    int64_t used = zn_json_int(memory, "usage", 0);
    /* Pages of files that can be dropped at any time are no need of the component's. */
    int64_t cache = zn_json_int(stats, "total_inactive_file",
                                zn_json_int(stats, "inactive_file", 0));

    if (r->err || used <= 0)
        return;
    uint64_t *memory_now = &l->s->facts[l->id].memory, before = *memory_now;
    *memory_now = (uint64_t)(used > cache ? used - cache : used);
    uint64_t by = *memory_now > before ? *memory_now - before : before - *memory_now;
    if (by * 100 >= before && l->s->measured)
        l->s->measured(l->s->changed_arg, l->id);
}

/* One component at a time, so that a round of all takes some 15 s. */
static void measure(void *arg)
{
    struct zn_watcher *w = arg;
    struct zn_supervisor *s = w->s;
    char target[160];

    for (unsigned k = 0; k < ZN_C_MAX; k++) {
        unsigned i = w->memory_at++ % ZN_C_MAX;

        if (s->components[i].process != ZN_P_RUNNING)
            continue;
        snprintf(target, sizeof target, "/containers/%s/stats?stream=false&one-shot=true",
                 s->facts[i].container);
        zn_engine_send(s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                            .done = measured,
                                                            .arg = &w->of[i].memory });
        break;
    }
    zn_timer_set(s->loop, &w->memory, MEMORY_MS);
}

void zn_watch_events_init(struct zn_watcher *w)
{
    w->events_again = (struct zn_timer){ .fn = events_again, .arg = w };
    w->memory = (struct zn_timer){ .fn = measure, .arg = w };
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        w->of[i].lines = w->of[i].memory = (struct zn_side_call){ .s = w->s, .id = i };
}

void zn_watch_side_calls_end(struct zn_watcher *w)
{
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        zn_engine_cancel(w->s->engine, &w->of[i].lines);
        zn_engine_cancel(w->s->engine, &w->of[i].memory);
    }
}
