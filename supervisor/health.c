#include "supervisor/health.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

enum { ENGINE_PATIENCE_MS = 10 * 1000 };

static const char *const stage_words[] = { "engine", "preparing", "running", "stopping",
                                           "stopped" };
static const char *const desired_words[] = { "down", "up" };
static const char *const admin_words[] = { "normal", "held", "owned" };
static const char *const process_words[] = { "none", "starting", "running", "stopping",
                                             "backoff" };
static const char *const health_words[] = { "unknown", "ok", "degraded", "failing" };

/* What a component is for, in a visitor's words. */
static const char *const roles[ZN_C_MAX] = {
    [ZN_C_CADDY] = "web entrance",
    [ZN_C_POSTGRES] = "database",
    [ZN_C_VALKEY] = "sessions and cache",
    [ZN_C_LOKI] = "log storage",
    [ZN_C_FLUENTD] = "log collection",
    [ZN_C_TEMPORAL] = "workflow engine",
    [ZN_C_API] = "dashboard and API",
    [ZN_C_WORKER] = "deployments",
};

/* Adds a value of ours: only memory can run out. Steals v. */
static void put(json_t *o, const char *key, json_t *v)
{
    if (json_object_set_new(o, key, v ? v : json_null()) < 0)
        zn_bug("JSON member %s: out of memory", key);
}

/* Engine messages are not always UTF-8: what is not becomes a question mark. */
static json_t *text(const char *s)
{
    char copy[512];
    size_t n = strnlen(s, sizeof copy);

    if (zn_utf8_valid(s, strlen(s)))
        return json_string(s);
    for (size_t i = 0; i < n; i++)
        copy[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
    return json_stringn(copy, n);
}

static json_t *text_or_null(const char *s)
{
    return s && *s ? text(s) : json_null();
}

static json_t *moment(int64_t wall_ns)
{
    char at[ZN_RFC3339_LEN];

    if (!wall_ns)
        return json_null();
    zn_rfc3339(wall_ns, at);
    return json_string(at);
}

static json_t *blocked_by(const struct zn_supervisor *s, unsigned i)
{
    uint32_t set = s->components[i].blocked_by;
    json_t *list = json_array();

    for (unsigned k = 0; k < ZN_C_MAX; k++)
        if (set & (UINT32_C(1) << k))
            json_array_append_new(list, json_string(zn_supervisor_name(s, k)));
    if (set & ZN_BLOCK_MIGRATION)
        json_array_append_new(list, json_string("migration"));
    return list;
}

json_t *zn_health_component(const struct zn_supervisor *s, unsigned i,
                            const struct zn_health_since *since)
{
    const struct zn_component *c = &s->components[i];
    const struct zn_facts *f = &s->facts[i];
    json_t *o = json_object(), *health = json_object();

    put(health, "state", json_string(health_words[c->health]));
    put(health, "since", moment(since->at_ns));
    put(health, "message", text_or_null(f->message));
    put(o, "id", json_string(zn_supervisor_name(s, i)));
    put(o, "role", json_string(roles[i]));
    put(o, "state", json_string(zn_component_word(c)));
    put(o, "since", moment(f->since_ns));
    put(o, "desired", json_string(desired_words[c->desired]));
    put(o, "admin", json_string(admin_words[c->admin]));
    put(o, "process", json_string(process_words[c->process]));
    put(o, "health", health);
    put(o, "flapping", json_boolean(c->flapping));
    put(o, "blocked_by", blocked_by(s, i));
    put(o, "restarts", json_integer(c->restarts));
    put(o, "memory_bytes", f->memory ? json_integer((json_int_t)f->memory) : json_null());
    put(o, "memory_cap_bytes", f->memory_cap ? json_integer((json_int_t)f->memory_cap)
                                             : json_null());
    put(o, "image", text_or_null(f->image));
    put(o, "version", text_or_null(f->version));
    return o;
}

void zn_health_count(const struct zn_supervisor *s, unsigned *ready, unsigned *wanted)
{
    *ready = *wanted = 0;
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        *wanted += s->facts[i].wanted;
        *ready += s->facts[i].wanted && zn_component_ready(&s->components[i]);
    }
}

static bool is_broken(const struct zn_component *c)
{
    return c->admin == ZN_HELD || (c->process == ZN_P_RUNNING && c->health == ZN_H_FAILING);
}

/* One sentence about the whole. */
static json_t *summary(const struct zn_supervisor *s)
{
    unsigned ready, wanted;
    bool broken = false, again = false;

    zn_health_count(s, &ready, &wanted);
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        const struct zn_component *c = &s->components[i];

        if (!s->facts[i].wanted || zn_component_ready(c))
            continue;
        broken |= is_broken(c);
        again |= c->process == ZN_P_BACKOFF || c->restarts;
    }
    switch (s->stage) {
    case ZN_STAGE_ENGINE:
        return json_string("Zane is waiting for the container engine");
    case ZN_STAGE_PREPARE:
        return json_string("Zane is preparing to start");
    case ZN_STAGE_STOP:
        return json_string("Zane is stopping");
    case ZN_STAGE_STOPPED:
        return json_string("Zane is stopped");
    case ZN_STAGE_RUN:
        break;
    }
    if (s->ready_ns)
        return json_string("Zane is ready");
    return json_sprintf("%s: %u of %u parts are ready",
                        broken ? "Zane needs attention"
                               : again ? "Zane is recovering" : "Zane is starting", ready, wanted);
}

/* Since when `ready` is what it is: a platform that is not ready misses something since the
 * earliest moment at which one of its components changed to what keeps it from being so. */
static int64_t readiness_since(const struct zn_supervisor *s)
{
    int64_t at = 0;

    if (s->ready_ns)
        return s->ready_ns;
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        int64_t t = s->facts[i].since_ns;

        if (s->facts[i].wanted && !zn_component_ready(&s->components[i]) && t &&
            (!at || t < at))
            at = t;
    }
    return at ? at : s->started_ns;
}

json_t *zn_health_platform(const struct zn_supervisor *s, const char *collector)
{
    json_t *o = json_object();

    put(o, "version", text_or_null(s->version));
    put(o, "ready", json_boolean(s->ready_ns != 0));
    put(o, "since", moment(readiness_since(s)));
    put(o, "started", moment(s->started_ns));
    put(o, "seq", json_integer((json_int_t)s->seq));
    put(o, "stage", json_string(stage_words[s->stage]));
    put(o, "message", text_or_null(s->stage_message));
    put(o, "summary", summary(s));
    put(o, "log_collector", collector ? json_string(collector) : json_null());
    return o;
}

/* The lines of a text as an array, for people and programs alike. */
static json_t *lines(const char *s)
{
    json_t *list = json_array();

    while (s && *s) {
        size_t n = strcspn(s, "\n");

        if (n) {
            json_t *line = zn_utf8_valid(s, n) ? json_stringn(s, n) : NULL;
            json_array_append_new(list, line ? line : json_string("(not text)"));
        }
        s += n + (s[n] == '\n');
    }
    return list;
}

static json_t *retry_suggestion(const char *name)
{
    return json_pack("{s:s, s:o, s:s, s:o, s:o}", "id", "retry", "text",
                     json_sprintf("start %s again", name), "method", "POST", "path",
                     json_sprintf("/v1/components/%s/retry", name), "command",
                     json_sprintf("zane retry %s", name));
}

/* An issue without facts and suggestions. */
static json_t *issue(const char *kind, const char *component, const char *severity, json_t *title)
{
    json_t *o = json_object();

    put(o, "id", component ? json_sprintf("%s:%s", kind, component) : json_string(kind));
    put(o, "component", component ? json_string(component) : json_null());
    put(o, "severity", json_string(severity));
    put(o, "title", title);
    put(o, "facts", json_object());
    put(o, "suggestions", json_array());
    return o;
}

static void component_issue(const struct zn_supervisor *s, unsigned i, json_t *list)
{
    const struct zn_component *c = &s->components[i];
    const struct zn_facts *f = &s->facts[i];
    const char *name = zn_supervisor_name(s, i);
    bool held = c->admin == ZN_HELD;
    json_t *o, *facts;

    if (held)
        o = issue("held", name, "error",
                  json_sprintf("%s ended %d times within %d minutes and is left stopped", name,
                               ZN_LOOP_EXITS, ZN_LOOP_WINDOW_MS / 60000));
    else
        o = issue("failing", name, "warning", json_sprintf("%s runs but fails its check", name));
    facts = json_object_get(o, "facts");
    put(facts, "message", text_or_null(f->message));
    put(facts, "since", moment(f->since_ns));
    put(facts, "restarts", json_integer(c->restarts));
    put(facts, "last_lines", lines(f->last_lines));
    if (held)
        json_array_append_new(json_object_get(o, "suggestions"), retry_suggestion(name));
    json_array_append_new(list, o);
}

static json_t *issues(const struct zn_supervisor *s)
{
    json_t *list = json_array();

    if (s->stage == ZN_STAGE_ENGINE &&
        zn_wall_ns() - s->started_ns > ENGINE_PATIENCE_MS * INT64_C(1000000)) {
        json_t *o = issue("engine", NULL, "error",
                          json_string("the container engine does not answer"));

        put(json_object_get(o, "facts"), "message", text_or_null(s->stage_message));
        put(json_object_get(o, "facts"), "socket", text(s->config.engine));
        json_array_append_new(list, o);
    }
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted && is_broken(&s->components[i]))
            component_issue(s, i, list);
    return list;
}

json_t *zn_health_json(const struct zn_supervisor *s, const struct zn_health_since *since,
                       const char *collector)
{
    json_t *o = zn_health_platform(s, collector), *list = json_array();

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted)
            json_array_append_new(list, zn_health_component(s, i, &since[i]));
    put(o, "components", list);
    put(o, "issues", issues(s));
    return o;
}

static json_t *history(const struct zn_supervisor *s, unsigned i)
{
    const struct zn_facts *f = &s->facts[i];
    unsigned n = f->nhistory < ZN_HISTORY ? f->nhistory : ZN_HISTORY;
    json_t *list = json_array();

    for (unsigned k = 0; k < n; k++) {
        const struct zn_change *h = &f->history[(f->nhistory - n + k) % ZN_HISTORY];
        json_t *o = json_object();

        put(o, "seq", json_integer((json_int_t)h->seq));
        put(o, "at", moment(h->at_ns));
        put(o, "state", json_string(h->word));
        put(o, "message", text_or_null(h->message));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *zn_health_detail(const struct zn_supervisor *s, unsigned i,
                         const struct zn_health_since *since)
{
    json_t *o = zn_health_component(s, i, since);

    put(o, "history", history(s, i));
    put(o, "last_lines", lines(s->facts[i].last_lines));
    return o;
}

/* How a display word is shown to a visitor. */
static const struct shown {
    const char *word, *kind, *label;
} shown[] = {
    { "ready", "ok", "Ready" },        { "starting", "busy", "Starting" },
    { "stopping", "busy", "Stopping" }, { "backoff", "warn", "Restarting" },
    { "waiting", "wait", "Waiting" },  { "stopped", "wait", "Stopped" },
    { "degraded", "warn", "Degraded" }, { "failing", "bad", "Failing" },
    { "held", "bad", "Held" },
};

static const struct shown *show(const char *word)
{
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i].word, word) == 0)
            return &shown[i];
    zn_bug("no label for component state %s", word);
}

static void add_names(struct zn_buf *b, const json_t *names)
{
    size_t n = json_array_size(names);

    for (size_t k = 0; k < n; k++) {
        const char *name = json_string_value(json_array_get(names, k));

        zn_buf_printf(b, "%s%s%s", k == 0 ? "" : k + 1 == n ? " and " : ", ",
                      strcmp(name, "migration") == 0 ? "the database " : "", name);
    }
}

/* Why a part is as it is and what happens next, in a visitor's words; null if it is ready. Never
 * log lines: anybody may read this. */
static json_t *why(const struct zn_supervisor *s, unsigned i, const json_t *blockers)
{
    const struct zn_component *c = &s->components[i];
    const char *word = zn_component_word(c), *message = s->facts[i].message;
    zn_auto_buf struct zn_buf b = ZN_BUF(1024);

    if (strcmp(word, "ready") == 0)
        return json_null();
    if (strcmp(word, "waiting") == 0 && json_array_size(blockers)) {
        zn_buf_puts(&b, "Waits for ");
        add_names(&b, blockers);
        zn_buf_puts(&b, ".");
    } else if (message[0]) {
        zn_buf_printf(&b, "%c%s%s", message[0] >= 'a' && message[0] <= 'z' ? message[0] - 32
                                                                          : message[0],
                      message + 1, zn_ends_with(message, ".") ? "" : ".");
    }
    if (c->admin == ZN_HELD)
        zn_buf_printf(&b, " It ended %d times within %d minutes and stays stopped until the "
                      "administrator runs this command:", ZN_LOOP_EXITS,
                      ZN_LOOP_WINDOW_MS / 60000);
    else if (strcmp(word, "failing") == 0)
        zn_buf_printf(&b, " It runs but fails its check. It is restarted if that lasts for %d s.",
                      ZN_LIVENESS_MS / 1000);
    else if (strcmp(word, "backoff") == 0)
        zn_buf_puts(&b, " It is started again within a minute.");
    else if (strcmp(word, "degraded") == 0)
        zn_buf_puts(&b, " It goes on serving and is checked more often.");
    return b.len ? text(zn_buf_str(&b) + (b.mem[0] == ' ')) : json_null();
}

/* What the visitor can expect of the page. */
static json_t *note(const struct zn_supervisor *s)
{
    static const char live[] = "This page updates by itself. The API answers under /api/ as soon as "
                               "everything is ready.";

    if (s->stage >= ZN_STAGE_STOP)
        return json_string("The administrator stopped the platform.");
    if (s->ready_ns)
        return json_string("Every component is running. The API answers under /api/.");
    if (s->stage != ZN_STAGE_RUN && s->stage_message[0] &&
        zn_utf8_valid(s->stage_message, strlen(s->stage_message)))
        return json_sprintf("Now: %s. %s", s->stage_message, live);
    return json_string(live);
}

static json_t *public_component(const struct zn_supervisor *s, unsigned i)
{
    const struct shown *how = show(zn_component_word(&s->components[i]));
    json_t *c = json_object(), *blockers = blocked_by(s, i);

    put(c, "id", json_string(zn_supervisor_name(s, i)));
    put(c, "role", json_string(roles[i]));
    put(c, "state", json_string(how->word));
    put(c, "kind", json_string(how->kind));
    put(c, "label", json_string(how->label));
    put(c, "since", moment(s->facts[i].since_ns));
    put(c, "since_ns", json_integer(s->facts[i].since_ns));
    put(c, "why", why(s, i, blockers));
    put(c, "command", s->components[i].admin == ZN_HELD
                          ? json_sprintf("zane retry %s", zn_supervisor_name(s, i))
                          : json_null());
    put(c, "blocked_by", blockers);
    return c;
}

json_t *zn_health_public(const struct zn_supervisor *s)
{
    json_t *o = json_object(), *list = json_array();
    unsigned ready, wanted;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted)
            json_array_append_new(list, public_component(s, i));
    zn_health_count(s, &ready, &wanted);
    put(o, "ready", json_boolean(s->ready_ns != 0));
    put(o, "since", moment(readiness_since(s)));
    put(o, "now", moment(zn_wall_ns()));
    put(o, "seq", json_integer((json_int_t)s->seq));
    put(o, "stage", json_string(stage_words[s->stage]));
    put(o, "summary", summary(s));
    put(o, "note", note(s));
    put(o, "ready_parts", json_integer(ready));
    put(o, "wanted", json_integer(wanted));
    put(o, "components", list);
    return o;
}
