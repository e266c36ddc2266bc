/* A round asks one thing after the other, so that one slow answer is told apart from the next. The app is made
 * in the first round and stays until the end. */
#include "supervisor/gate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/gate_judge.h"

enum { ROUND_MS = 3000, TICK_MS = 500, AGAIN_MS = 500, ASK_MS = 10000, LOAD_MS = 120000,
       FIND_MS = 30000 /* longer than zaned waits for the log store: it says what is wrong with that */ };
enum { CANARY_MS = 45000, /* until the app answers for the first time */
       LINE_MS = 20000 }; /* from a line's being written to its being found */

enum check { PARTS, PAGE, API, CANARY, LINE, CHECKS };
static const struct {
    const char *id, *title;
} checks[CHECKS] = {
    [PARTS] = { "components", "the components" },
    [PAGE] = { "login-page", "the login page" },
    [API] = { "api", "the API" },
    [CANARY] = { "canary", "an app behind the proxy" },
    [LINE] = { "log-line", "the app's log" },
};

/* What is asked next, or was asked last. */
enum step { IDLE, CLEAR, INSPECT, LOAD, CREATE, ASK_PAGE, ASK_SCRIPT, ASK_API, ASK_CANARY, TASKS, FIND,
            REMOVE };

enum state { NONE, RUNNING, ENDING, PASSED, FAILED };

struct result {
    enum { WAITING, GOOD, BAD } state;
    int64_t ms;
    char why[ZN_GATE_WHY];
};

struct zn_gate {
    struct zn_supervisor *s;
    struct zn_gate_opts o;
    zn_gate_done done;
    enum state state;
    enum step step;
    struct zn_gate_hold hold;
    struct result results[CHECKS];
    bool made, answered, loaded;  /* the app: its service; once at all; its image, in this run */
    int64_t check_ms;             /* when the check under way began */
    char run[33], nonce[33];      /* what the app shows, and what it writes next */
    char image[80], script[ZN_GATE_WHY], message[512];
    unsigned told;                /* percent */
    char told_obstacle[ZN_GATE_WHY + 64];
    struct zn_timer next, tick, deadline;
    void (*after)(struct zn_gate *g);
};

static void send_step(struct zn_gate *g, enum step step);
static void round_begin(struct zn_gate *g);
static void ask_page(struct zn_gate *g);
static void ask_api(struct zn_gate *g);
static void ask_canary(struct zn_gate *g);
static void end(struct zn_gate *g, bool passed, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- telling ---------------------------------------------------------------------------------- */

/* The first thing that is not good, or NULL. */
static const struct result *obstacle(const struct zn_gate *g)
{
    for (unsigned i = 0; i < CHECKS; i++)
        if (g->results[i].state == BAD)
            return &g->results[i];
    return NULL;
}

static void say_obstacle(const struct zn_gate *g, char *ret, size_t size)
{
    const struct result *o = obstacle(g);

    ret[0] = '\0';
    if (o)
        snprintf(ret, size, "%s: %s", checks[o - g->results].title, o->why);
}

static void tell(struct zn_gate *g)
{
    unsigned percent = zn_gate_hold_percent(&g->hold, zn_now_ms());
    char text[sizeof g->told_obstacle];

    say_obstacle(g, text, sizeof text);
    if (percent == g->told && strcmp(text, g->told_obstacle) == 0)
        return;
    if (strcmp(text, g->told_obstacle) != 0)
        zn_info("gate: %s", text[0] ? text : "all good");
    g->told = percent;
    memcpy(g->told_obstacle, text, sizeof text);
    if (g->o.progress)
        g->o.progress(g->o.arg, percent, text);
}

static void after(struct zn_gate *g, int64_t ms, void (*fn)(struct zn_gate *g))
{
    g->after = fn;
    zn_timer_set(g->s->loop, &g->next, ms);
}

static void wake(void *arg)
{
    struct zn_gate *g = arg;

    g->after(g);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void note(struct zn_gate *g, enum check check, bool good, const char *why)
{
    struct result *r = &g->results[check];

    r->state = good ? GOOD : BAD;
    r->ms = zn_now_ms() - g->check_ms;
    snprintf(r->why, sizeof r->why, "%s", good ? "" : why);
    g->check_ms = zn_now_ms();
}

/* Which of the components are not ready. */
static bool parts_ready(const struct zn_gate *g, char why[ZN_GATE_WHY])
{
    const struct zn_supervisor *s = g->s;
    size_t n = 0;

    why[0] = '\0';
    if (s->stage != ZN_STAGE_RUN) {
        snprintf(why, ZN_GATE_WHY, "the platform is %.200s", s->stage_message);
        return false;
    }
    for (unsigned i = 0; i < ZN_C_MAX && n < ZN_GATE_WHY; i++) {
        const char *message = s->facts[i].message;

        if (!s->facts[i].wanted || zn_component_ready(&s->components[i]))
            continue;
        n += (size_t)snprintf(why + n, ZN_GATE_WHY - n, "%s%s is %s%s%.80s", n ? "; " : "",
                              zn_supervisor_name(s, i), zn_component_word(&s->components[i]),
                              *message ? ": " : "", message);
    }
    zn_utf8_mend(why);
    return n == 0;
}

static void round_end(struct zn_gate *g)
{
    const struct result *o = obstacle(g);
    char text[ZN_GATE_WHY + 64];

    g->step = IDLE;
    if (zn_gate_hold_note(&g->hold, zn_now_ms(), !o)) {
        tell(g);
        end(g, true, "%s", "");
        return;
    }
    tell(g);
    say_obstacle(g, text, sizeof text);
    if (o && !g->o.hold_ms)
        end(g, false, "%s", text);
    else
        after(g, ROUND_MS, round_begin);
}

static void round_begin(struct zn_gate *g)
{
    char why[ZN_GATE_WHY];
    bool ready;

    g->check_ms = zn_now_ms();
    ready = parts_ready(g, why);
    note(g, PARTS, ready, why);
    /* While something starts, the rest would only say the same in other words; a single round looks at all. */
    if (!ready && g->o.hold_ms)
        round_end(g);
    else
        ask_page(g);
}

static void ask_page(struct zn_gate *g)
{
    send_step(g, ASK_PAGE);
}

static void ask_api(struct zn_gate *g)
{
    send_step(g, ASK_API);
}

static void canary_bad(struct zn_gate *g, const char *why)
{
    note(g, CANARY, false, why);
    g->results[LINE] = (struct result){ .state = WAITING };
    round_end(g);
}

static void new_nonce(char ret[33])
{
    unsigned char random[16];

    zn_random(random, sizeof random);
    zn_hex(random, sizeof random, ret);
}

/* Its service is made first; then it is asked, and writes a line of its log about that. */
static void ask_canary(struct zn_gate *g)
{
    new_nonce(g->made ? g->nonce : g->run);
    send_step(g, g->made ? ASK_CANARY : CLEAR);
}

static void find_line(struct zn_gate *g)
{
    send_step(g, FIND);
}

/* An app that has never answered may still be starting. */
static void canary_answered(struct zn_gate *g, const struct zn_engine_reply *r)
{
    char why[ZN_GATE_WHY];

    if (zn_gate_judge_canary(r, g->run, why) == 0) {
        g->answered = true;
        note(g, CANARY, true, "");
        find_line(g);
    } else if (!g->answered && zn_now_ms() - g->check_ms < CANARY_MS) {
        after(g, AGAIN_MS, ask_canary);
    } else {
        g->answered = false;
        memcpy(g->results[CANARY].why, why, sizeof why);
        send_step(g, TASKS); /* they may know better why */
    }
}

static void tasks_seen(struct zn_gate *g, const struct zn_engine_reply *r)
{
    char why[ZN_GATE_WHY] = "", said[ZN_GATE_WHY];

    memcpy(said, g->results[CANARY].why, sizeof said);
    if (r->err ? r->err->code == ZN_NOT_FOUND : !json_array_size(r->json))
        g->made = false; /* somebody removed it: made anew in the next round */
    else if (r->err)
        snprintf(why, sizeof why, "%.250s", r->err->msg);
    else
        zn_gate_judge_tasks(r->json, why);
    canary_bad(g, why[0] ? why : said);
}

static void line_answered(struct zn_gate *g, const struct zn_engine_reply *r)
{
    char why[ZN_GATE_WHY];
    int found = zn_gate_judge_line(r, why);

    if (found > 0) {
        note(g, LINE, true, "");
        round_end(g);
    } else if (zn_now_ms() - g->check_ms < LINE_MS) {
        after(g, AGAIN_MS, find_line); /* the log store may be busy for a moment */
    } else {
        if (found == 0)
            snprintf(why, sizeof why, "a line that it wrote was not found within %d s; see zane status for %s",
                     LINE_MS / 1000, "fluentd and loki");
        note(g, LINE, false, why);
        round_end(g);
    }
}

/* --- the app ---------------------------------------------------------------------------------- */

static void image_seen(struct zn_gate *g, const struct zn_engine_reply *r)
{
    if (!r->err)
        send_step(g, CREATE);
    else if (r->err->code == ZN_NOT_FOUND && !g->loaded)
        send_step(g, LOAD);
    else if (r->err->code == ZN_NOT_FOUND)
        canary_bad(g, "the archive of its image holds another image");
    else
        canary_bad(g, r->err->msg);
}

static void image_loaded(struct zn_gate *g, const struct zn_engine_reply *r)
{
    zn_auto_mem char *error = r->err ? strdup(r->err->msg) : zn_load_error(r->body);
    char why[ZN_GATE_WHY];

    if (error) {
        snprintf(why, sizeof why, "its image cannot be loaded: %.200s", error);
        canary_bad(g, why);
        return;
    }
    g->loaded = true;
    send_step(g, INSPECT);
}

/* What was there is gone. */
static void cleared(struct zn_gate *g, const struct zn_engine_reply *r)
{
    zn_auto_json doc = NULL;
    struct zn_err err = { 0 };

    if (r->err && r->err->code != ZN_NOT_FOUND) {
        canary_bad(g, r->err->msg);
        return;
    }
    if (zn_boot_image(g->s, "example", &doc, &err) < 0) {
        canary_bad(g, err.msg);
        return;
    }
    snprintf(g->image, sizeof g->image, "%s", zn_json_str(doc, "id", ""));
    g->loaded = false;
    send_step(g, INSPECT);
}

static void created(struct zn_gate *g, const struct zn_engine_reply *r)
{
    if (r->err) {
        canary_bad(g, r->err->msg);
        return;
    }
    g->made = true;
    g->answered = false;
    ask_canary(g);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void answered(void *arg, const struct zn_engine_reply *r)
{
    struct zn_gate *g = arg;
    char why[ZN_GATE_WHY] = "";

    switch (g->step) {
    case CLEAR:
        cleared(g, r);
        break;
    case INSPECT:
        image_seen(g, r);
        break;
    case LOAD:
        image_loaded(g, r);
        break;
    case CREATE:
        created(g, r);
        break;
    case ASK_PAGE:
        if (zn_gate_judge_page(r, g->script, why) == 0) {
            send_step(g, ASK_SCRIPT);
            break;
        }
        note(g, PAGE, false, why);
        ask_api(g);
        break;
    case ASK_SCRIPT:
        note(g, PAGE, zn_gate_judge_script(r, why) == 0, why);
        ask_api(g);
        break;
    case ASK_API:
        note(g, API, zn_gate_judge_api(r, why) == 0, why);
        ask_canary(g);
        break;
    case ASK_CANARY:
        canary_answered(g, r);
        break;
    case TASKS:
        tasks_seen(g, r);
        break;
    case FIND:
        line_answered(g, r);
        break;
    case REMOVE: /* what did not work is left to the next run */
    case IDLE:
        g->step = IDLE;
        g->state = g->message[0] ? FAILED : PASSED;
        if (g->done)
            g->done(g->o.arg, g->state == PASSED, g->message);
        break;
    }
}

/* Where the proxy listens for us: "edge" is the public HTTP server, "probe" dials what it is told. */
static void proxy_socket(const struct zn_supervisor *s, const char *name, char ret[108])
{
    snprintf(ret, 108, "%s/caddy/%s.sock", s->config.run, name);
}

static void call_engine(struct zn_gate *g, const char *method, const char *target, json_t *body)
{
    zn_engine_send(g->s->engine, &(struct zn_engine_call){ .method = method, .target = target,
                                                           .body = body, .done = answered, .arg = g });
}

/* GET through the proxy. */
static void call_proxy(struct zn_gate *g, const char *socket, const char *target, const char *headers)
{
    int64_t limit = g->step == FIND ? FIND_MS : ASK_MS;
    char path[108];

    proxy_socket(g->s, socket, path);
    zn_engine_send(g->s->engine,
                   &(struct zn_engine_call){ .method = "GET", .target = target, .socket = path,
                                             .host = g->s->config.app_domain, .headers = headers,
                                             .deadline_ms = limit, .done = answered, .arg = g });
}

static void load_image(struct zn_gate *g)
{
    char archive[ZN_ARCHIVE_MAX];

    zn_boot_archive(g->s, "example", archive);
    zn_engine_send(g->s->engine,
                   &(struct zn_engine_call){ .method = "POST", .target = "/images/load?quiet=1",
                                             .upload = archive, .deadline_ms = LOAD_MS,
                                             .done = answered, .arg = g });
}

static void create(struct zn_gate *g)
{
    struct zn_spec_facts facts = zn_boot_facts(g->s, g->image);

    call_engine(g, "POST", "/services/create", zn_spec_canary(&facts, g->run));
}

/* zaned takes the platform's own token for it. */
static void find(struct zn_gate *g)
{
    const struct zn_secret *token = zn_secrets_find(&g->s->boot->secrets, "ingest_token");
    zn_auto_buf struct zn_buf clear = ZN_BUF(1024), headers = ZN_BUF(2048);
    char target[128];

    zn_buf_printf(&clear, "zane:%s", token->value);
    zn_buf_puts(&headers, "Authorization: Basic ");
    zn_base64_add(&headers, clear.mem, clear.len, false);
    zn_buf_puts(&headers, "\r\n");
    snprintf(target, sizeof target, "/api/_gate/logs/?nonce=%s", g->nonce);
    call_proxy(g, "edge", target, zn_buf_str(&headers));
    explicit_bzero(clear.mem, clear.len);
    explicit_bzero(headers.mem, headers.len);
}

static void send_step(struct zn_gate *g, enum step step)
{
    char target[160];

    g->step = step;
    switch (step) {
    case CLEAR:
    case REMOVE:
        call_engine(g, "DELETE", "/services/" ZN_CANARY, NULL);
        break;
    case INSPECT:
        snprintf(target, sizeof target, "/images/%s/json", g->image);
        call_engine(g, "GET", target, NULL);
        break;
    case LOAD:
        load_image(g);
        break;
    case CREATE:
        create(g);
        break;
    case ASK_PAGE:
        call_proxy(g, "edge", "/", NULL);
        break;
    case ASK_SCRIPT:
        call_proxy(g, "edge", g->script, NULL);
        break;
    case ASK_API: /* it asks the database */
        call_proxy(g, "edge", "/api/auth/check-user-existence/", NULL);
        break;
    case ASK_CANARY: /* the app writes what it is asked for */
        snprintf(target, sizeof target, "/?gate=%s", g->nonce);
        call_proxy(g, "probe", target, "Zane-Dial: " ZN_CANARY ":8080\r\n");
        break;
    case TASKS: /* {"service":["zn-canary"]} */
        call_engine(g, "GET", "/tasks?filters=%7B%22service%22%3A%5B%22" ZN_CANARY "%22%5D%7D", NULL);
        break;
    case FIND:
        find(g);
        break;
    case IDLE:
        break;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void quiet(struct zn_gate *g)
{
    zn_engine_cancel(g->s->engine, g);
    zn_timer_clear(g->s->loop, &g->next);
    zn_timer_clear(g->s->loop, &g->tick);
    zn_timer_clear(g->s->loop, &g->deadline);
}

/* The app goes first, then the owner is told. */
static void end(struct zn_gate *g, bool passed, const char *fmt, ...)
{
    va_list ap;

    quiet(g);
    va_start(ap, fmt);
    vsnprintf(g->message, sizeof g->message, fmt, ap);
    va_end(ap);
    if (passed)
        zn_info("gate passed");
    else
        zn_warn("gate failed why=\"%s\"", g->message);
    g->state = ENDING;
    g->made = false;
    send_step(g, REMOVE);
}

static void late(void *arg)
{
    struct zn_gate *g = arg;
    char text[ZN_GATE_WHY + 64];
    long long hold = g->o.hold_ms / 1000, limit = g->o.deadline_ms / 1000;

    say_obstacle(g, text, sizeof text);
    if (text[0])
        end(g, false, "%s (not all was good for %lld s in a row within %lld s)", text, hold, limit);
    else
        end(g, false, "the time was up after %lld s, with all good for less than %lld s in a row", limit,
            hold);
}

/* Components are looked at between the rounds too: one that is away for a second breaks the row. */
static void tick(void *arg)
{
    struct zn_gate *g = arg;
    char why[ZN_GATE_WHY];

    if (!parts_ready(g, why)) {
        g->results[PARTS].state = BAD;
        memcpy(g->results[PARTS].why, why, sizeof why);
        zn_gate_hold_note(&g->hold, zn_now_ms(), false);
    }
    tell(g);
    zn_timer_set(g->s->loop, &g->tick, TICK_MS);
}

int zn_gate_open(struct zn_supervisor *s, struct zn_err *err)
{
    struct zn_gate *g = calloc(1, sizeof *g);

    if (!g)
        return zn_fail(err, ZN_INTERNAL, "gate: out of memory");
    g->s = s;
    g->next = (struct zn_timer){ .fn = wake, .arg = g };
    g->tick = (struct zn_timer){ .fn = tick, .arg = g };
    g->deadline = (struct zn_timer){ .fn = late, .arg = g };
    s->gate = g;
    return 0;
}

void zn_gate_close(struct zn_supervisor *s)
{
    if (!s->gate)
        return;
    if (s->engine)
        quiet(s->gate);
    free(s->gate);
    s->gate = NULL;
}

static bool under_way(const struct zn_gate *g)
{
    return g->state == RUNNING || g->state == ENDING;
}

int zn_gate_start(struct zn_supervisor *s, const struct zn_gate_opts *o, zn_gate_done done,
                  struct zn_err *err)
{
    struct zn_gate *g = s->gate;

    if (under_way(g))
        return zn_fail(err, ZN_CONFLICT, "the platform is being checked already");
    if (s->stage == ZN_STAGE_STOP || s->stage == ZN_STAGE_STOPPED)
        return zn_fail(err, ZN_CONFLICT, "the platform is being stopped");
    g->o = *o;
    if (!g->o.deadline_ms)
        g->o.deadline_ms = ZN_GATE_DEADLINE_MS;
    g->done = done;
    g->state = RUNNING;
    g->hold = (struct zn_gate_hold){ .hold_ms = o->hold_ms };
    memset(g->results, 0, sizeof g->results);
    g->made = g->answered = false;
    g->message[0] = g->told_obstacle[0] = '\0';
    g->told = 0;
    zn_info("gate begins hold_ms=%" PRId64 " deadline_ms=%" PRId64, g->o.hold_ms, g->o.deadline_ms);
    zn_timer_set(s->loop, &g->deadline, g->o.deadline_ms);
    zn_timer_set(s->loop, &g->tick, TICK_MS);
    after(g, 0, round_begin);
    return 0;
}

void zn_gate_tidy(struct zn_supervisor *s)
{
    /* Most often there is none. */
    if (!under_way(s->gate))
        zn_engine_send(s->engine, &(struct zn_engine_call){ .method = "DELETE",
                                                            .target = "/services/" ZN_CANARY });
}

void zn_gate_cancel(struct zn_supervisor *s)
{
    struct zn_gate *g = s->gate;

    if (!under_way(g))
        return;
    quiet(g);
    g->state = FAILED;
    snprintf(g->message, sizeof g->message, "it was given up");
    zn_gate_tidy(s);
}

json_t *zn_gate_json(const struct zn_supervisor *s)
{
    static const char *const states[] = { "none", "running", "running", "passed", "failed" };
    static const char *const words[] = { "waiting", "good", "bad" };
    const struct zn_gate *g = s->gate;
    json_t *list = json_array();

    for (unsigned i = 0; i < CHECKS; i++) {
        const struct result *r = &g->results[i];

        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:I}", "id", checks[i].id, "title",
                                              checks[i].title, "state", words[r->state], "message",
                                              r->why, "ms", (json_int_t)r->ms));
    }
    return json_pack("{s:s,s:i,s:s,s:o}", "state", states[g->state], "percent", (int)g->told, "message",
                     g->state == FAILED ? g->message : g->told_obstacle, "checks", list);
}
