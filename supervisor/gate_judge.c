#include "supervisor/gate_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

bool zn_gate_hold_note(struct zn_gate_hold *h, int64_t now_ms, bool good)
{
    if (!good)
        h->since_ms = 0;
    else if (!h->since_ms)
        h->since_ms = now_ms;
    return good && now_ms - h->since_ms >= h->hold_ms;
}

unsigned zn_gate_hold_percent(const struct zn_gate_hold *h, int64_t now_ms)
{
    int64_t held = h->since_ms ? now_ms - h->since_ms : 0;

    if (!h->since_ms || held < 0)
        return 0;
    return held >= h->hold_ms ? 100 : (unsigned)(held * 100 / h->hold_ms);
}

__attribute__((format(printf, 2, 3))) static int bad(char why[ZN_GATE_WHY], const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, ZN_GATE_WHY, fmt, ap);
    va_end(ap);
    zn_utf8_mend(why);
    return -1;
}

static bool has_header(const struct zn_engine_reply *r, const char *name)
{
    return r->head && zn_http_header(r->head, name).s;
}

static bool is_type(const struct zn_engine_reply *r, const char *type)
{
    struct zn_str given = r->head ? zn_http_header(r->head, "Content-Type") : (struct zn_str){ 0 };

    return given.n >= strlen(type) && strncasecmp(given.s, type, strlen(type)) == 0;
}

/* What every answer must be. */
static int arrived(const struct zn_engine_reply *r, char why[ZN_GATE_WHY])
{
    if (!r->status)
        return bad(why, "the proxy gave no answer: %.200s", r->err ? r->err->msg : "no reason given");
    if (has_header(r, "Zane-Status"))
        return bad(why, "the status page came instead: zaned-api does not answer the proxy");
    return 0;
}

/* The first message of an error in the API's shape; NULL if it is none. */
static const char *detail_of(const struct zn_engine_reply *r)
{
    return zn_json_str(json_array_get(json_object_get(r->json, "errors"), 0), "detail", NULL);
}

static int answered_200(const struct zn_engine_reply *r, const char *who, char why[ZN_GATE_WHY])
{
    const char *detail = detail_of(r);

    if (arrived(r, why) < 0)
        return -1;
    if (r->status == 200)
        return 0;
    return bad(why, "%s answers %d%s%.200s", who, r->status, detail ? ": " : "", detail ? detail : "");
}

/* Path of the first program that the document names. */
static bool script_in(struct zn_str body, char ret[ZN_GATE_WHY])
{
    static const char before[] = "src=\"/assets/";
    const char *at = body.n ? memmem(body.s, body.n, before, sizeof before - 1) : NULL;
    const char *from = at ? at + strlen("src=\"") : NULL;
    const char *end = from ? memchr(from, '"', (size_t)(body.s + body.n - from)) : NULL;

    if (!end || end - from >= ZN_GATE_WHY)
        return false;
    snprintf(ret, ZN_GATE_WHY, "%.*s", (int)(end - from), from);
    return true;
}

int zn_gate_judge_page(const struct zn_engine_reply *r, char script[ZN_GATE_WHY],
                       char why[ZN_GATE_WHY])
{
    if (answered_200(r, "it", why) < 0)
        return -1;
    if (!is_type(r, "text/html") || !script_in(r->body, script))
        return bad(why, "what came is not the dashboard's page");
    return 0;
}

int zn_gate_judge_script(const struct zn_engine_reply *r, char why[ZN_GATE_WHY])
{
    if (answered_200(r, "it", why) < 0) {
        char what[ZN_GATE_WHY];

        memcpy(what, why, sizeof what);
        return bad(why, "the page came, but not its program: %.200s", what);
    }
    if (!r->body.n || (!is_type(r, "text/javascript") && !is_type(r, "application/javascript")))
        return bad(why, "the page came, but its program is empty or none");
    return 0;
}

int zn_gate_judge_api(const struct zn_engine_reply *r, char why[ZN_GATE_WHY])
{
    if (answered_200(r, "it", why) < 0)
        return -1;
    return json_is_boolean(json_object_get(r->json, "exists"))
               ? 0
               : bad(why, "it answers something else than it was asked");
}

int zn_gate_judge_canary(const struct zn_engine_reply *r, const char *run, char why[ZN_GATE_WHY])
{
    struct zn_str error = r->head ? zn_http_header(r->head, "Zane-Probe-Error") : (struct zn_str){ 0 };

    if (!r->status)
        return arrived(r, why);
    if (error.s)
        return bad(why, "the proxy does not reach it: %.*s", (int)(error.n < 200 ? error.n : 200),
                   error.s);
    if (r->status != 200)
        return bad(why, "it answers %d through the proxy", r->status);
    if (!r->body.n || !memmem(r->body.s, r->body.n, run, strlen(run)))
        return bad(why, "another app answers in its place");
    return 0;
}

int zn_gate_judge_line(const struct zn_engine_reply *r, char why[ZN_GATE_WHY])
{
    const json_t *found = json_object_get(r->json, "found");

    if (answered_200(r, "the API", why) < 0)
        return -1;
    if (!json_is_boolean(found))
        return bad(why, "the API answers something else than it was asked");
    return json_is_true(found);
}

/* --- tasks ------------------------------------------------------------------------------------ */

static int64_t index_of(const json_t *task)
{
    return zn_json_int(json_object_get(task, "Version"), "Index", 0);
}

static const char *state_of(const json_t *task)
{
    return zn_json_str(json_object_get(task, "Status"), "State", "new");
}

static bool wanted(const json_t *task)
{
    const char *desired = zn_json_str(task, "DesiredState", "");

    return strcmp(desired, "running") == 0 || strcmp(desired, "ready") == 0;
}

void zn_gate_judge_tasks(json_t *tasks, char why[ZN_GATE_WHY])
{
    const json_t *now = NULL, *ended = NULL;
    size_t i;
    json_t *task;

    json_array_foreach (tasks, i, task) {
        const json_t **slot = wanted(task) ? &now : &ended;

        if (!*slot || index_of(task) > index_of(*slot))
            *slot = task;
    }
    const char *end = zn_json_str(json_object_get(ended, "Status"), "Err", "");
    bool runs = now && strcmp(state_of(now), "running") == 0;

    if (*end) /* one that runs may have been caught between two ends */
        bad(why, "it does not %s: %.200s", runs ? "stay up" : "start", end);
    else if (runs)
        why[0] = '\0';
    else if (now && *zn_json_str(json_object_get(now, "Status"), "Err", ""))
        bad(why, "it does not start: %.200s", zn_json_str(json_object_get(now, "Status"), "Err", ""));
    else
        bad(why, "the engine has not started it yet%s%s", now ? ": it is " : "", now ? state_of(now) : "");
}
