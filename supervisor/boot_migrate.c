#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/watch.h"

enum { IDLE, REMOVE, CREATE, TASKS, LOGS, CLEAN };
enum { POLL_MS = 150, END_MS = 600000, AGAIN_FIRST_MS = 2000, AGAIN_MAX_MS = 60000 };

static const char tasks_target[] =
    "/tasks?filters=%7B%22service%22%3A%5B%22zn-migrate%22%5D%7D"; /* {"service":["zn-migrate"]} */

static void send_step(struct migration *m);

static void say(struct migration *m, const char *text)
{
    zn_supervisor_say(m->s, ZN_C_API, "%s", text);
}

static void failed(struct migration *m, const char *why)
{
    m->step = IDLE;
    zn_error("migration failed why=\"%s\"", why);
    zn_supervisor_say(m->s, ZN_C_API, "migrations failed: %s", why);
    zn_timer_set(m->s->loop, &m->again,
                 zn_backoff_ms(m->tries++, AGAIN_FIRST_MS, AGAIN_MAX_MS, (uint32_t)zn_now_ms()));
}

static void finished(struct migration *m)
{
    m->step = IDLE;
    m->tries = 0;
    m->s->migrated = true;
    m->s->components[ZN_C_API].blocked_by &= ~ZN_BLOCK_MIGRATION;
    zn_info("migrations are done");
    say(m, "migrations are done");
    zn_supervisor_resolve(m->s);
}

/* State of the one task: complete ends well, any other end is a failure. */
static void on_tasks(struct migration *m, json_t *tasks)
{
    const json_t *status = json_object_get(json_array_get(tasks, 0), "Status");
    const char *state = zn_json_str(status, "State", "");

    if (strcmp(state, "complete") == 0) {
        m->step = CLEAN;
        send_step(m);
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "rejected") == 0 ||
               strcmp(state, "orphaned") == 0 || strcmp(state, "shutdown") == 0) {
        m->step = LOGS;
        send_step(m);
    } else if (zn_now_ms() - m->since_ms > END_MS) {
        failed(m, "no end within ten minutes");
    } else {
        zn_timer_set(m->s->loop, &m->again, POLL_MS);
    }
}

static const char *last_line(char *text)
{
    size_t n = strlen(text);

    while (n && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *nl = strrchr(text, '\n');
    return nl ? nl + 1 : text;
}

static void done(void *arg, const struct zn_engine_reply *r)
{
    struct migration *m = arg;

    if (r->err && !(r->err->code == ZN_NOT_FOUND && (m->step == REMOVE || m->step == CLEAN))) {
        failed(m, r->err->msg);
        return;
    }
    switch (m->step) {
    case REMOVE:
        m->step = CREATE;
        send_step(m);
        break;
    case CREATE:
        m->step = TASKS;
        zn_timer_set(m->s->loop, &m->again, POLL_MS);
        break;
    case TASKS:
        on_tasks(m, r->json);
        break;
    case LOGS: {
        zn_auto_mem char *text = zn_log_text(r->body);

        failed(m, text && *text ? last_line(text) : "zaned migrate ended without a word");
        break;
    }
    case CLEAN:
        finished(m);
        break;
    }
}

static void send_step(struct migration *m)
{
    struct zn_engine_call call = { .method = "GET", .target = tasks_target, .done = done,
                                   .arg = m };
    struct zn_spec_facts facts = zn_boot_facts(m->s, m->s->facts[ZN_C_API].image);

    switch (m->step) {
    case REMOVE:
    case CLEAN:
        call.method = "DELETE";
        call.target = "/services/zn-migrate";
        break;
    case CREATE:
        call.method = "POST";
        call.target = "/services/create";
        call.body = zn_spec_migration(&facts);
        break;
    case LOGS:
        call.target = "/services/zn-migrate/logs?stdout=1&stderr=1&tail=20";
        break;
    }
    zn_engine_send(m->s->engine, &call);
}

static void again(void *arg)
{
    struct migration *m = arg;

    if (m->step == IDLE)
        zn_boot_migrate(m->s);
    else
        send_step(m);
}

void zn_boot_migrate(struct zn_supervisor *s)
{
    struct migration *m = &s->boot->migration;

    if (s->stage != ZN_STAGE_RUN || s->migrated || !s->facts[ZN_C_API].wanted ||
        m->step != IDLE || m->again.armed || s->boot->ops[ZN_C_API].image != ZN_IMG_READY ||
        !zn_component_ready(&s->components[ZN_C_POSTGRES]))
        return;
    m->again.fn = again;
    m->again.arg = m;
    m->step = REMOVE;
    m->since_ms = zn_now_ms();
    zn_info("running the migrations");
    say(m, "running the migrations");
    send_step(m);
}

void zn_boot_migrate_lost(struct zn_supervisor *s)
{
    struct migration *m = &s->boot->migration;

    zn_engine_cancel(s->engine, m);
    zn_timer_clear(s->loop, &m->again);
    m->step = IDLE;
}
