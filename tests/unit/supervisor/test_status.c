/* What is shown: events and their resumption, the health documents, the page. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "supervisor/events.h"
#include "supervisor/health.h"
#include "supervisor/status.h"

/* --- events ------------------------------------------------------------------------------------ */

static struct zn_events events;

static void add(uint64_t seq)
{
    zn_auto_json doc = json_pack("{s:I}", "n", (json_int_t)seq);

    cr_assert_not_null(zn_events_add(&events, seq, "component", doc).s);
}

/* What a client gets that resumes with this id: "no", or the events as "<n> <n> …". */
static const char *resume(const char *id, uint64_t seq)
{
    static char out[4096];
    zn_auto_buf struct zn_buf b = ZN_BUF(1 << 20);
    size_t n = 0;

    if (!zn_events_since(&events, zn_str(id), seq, &b))
        return "no";
    out[0] = '\0';
    for (const char *p = b.len ? zn_buf_str(&b) : ""; (p = strstr(p, "{\"n\":")); p++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%ld", n ? " " : "", atol(p + 5));
    return out;
}

Test(events, format_and_resume)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(1000);
    zn_auto_json doc = json_pack("{s:s}", "text", "two\nlines");

    zn_events_init(&events, 0xabc);
    cr_assert(zn_event_format(&events, 7, "snapshot", doc, &b));
    cr_assert_str_eq(zn_buf_str(&b),
                     "id: 7.abc\nevent: snapshot\ndata: {\"text\":\"two\\nlines\"}\n\n");
    for (uint64_t seq = 2; seq <= 6; seq++)
        add(seq);
    cr_assert_str_eq(resume("4.abc", 6), "5 6");
    cr_assert_str_eq(resume("4", 6), "5 6");
    cr_assert_str_eq(resume("1", 6), "2 3 4 5 6");
    cr_assert_str_eq(resume("6.abc", 6), "");
    zn_events_done(&events);
}

Test(events, ids_that_cannot_be_resumed)
{
    static const char *const bad[] = { "0",      "7",  "4.abd", "4.", ".abc", "",
                                       "x.abc", "-1", "4.abc ", "99999999999999999999999.abc" };

    zn_events_init(&events, 0xabc);
    for (uint64_t seq = 2; seq <= 6; seq++)
        add(seq);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_str_eq(resume(bad[i], 6), "no", "%s", bad[i]);
    zn_events_done(&events);
}

Test(events, history_is_bounded)
{
    zn_events_init(&events, 1);
    for (uint64_t seq = 2; seq < 2 + 3 * ZN_EVENTS_KEPT; seq++)
        add(seq);
    uint64_t last = 1 + 3 * ZN_EVENTS_KEPT;
    char id[32];
    snprintf(id, sizeof id, "%llu", (unsigned long long)(last - ZN_EVENTS_KEPT));
    cr_assert_str_neq(resume(id, last), "no");
    snprintf(id, sizeof id, "%llu", (unsigned long long)(last - ZN_EVENTS_KEPT - 1));
    cr_assert_str_eq(resume(id, last), "no");
    snprintf(id, sizeof id, "%llu", (unsigned long long)(last - 2));
    cr_assert_not_null(strchr(resume(id, last), ' '));
    zn_events_done(&events);
}

Test(events, nothing_happened_yet)
{
    zn_events_init(&events, 1);
    cr_assert_str_eq(resume("1", 1), "");
    cr_assert_str_eq(resume("0", 1), "no");
}

/* --- health ------------------------------------------------------------------------------------ */

static struct zn_supervisor s;
static struct zn_health_since since[ZN_C_MAX];

/* All eight wanted and ready. */
static void all_ready(void)
{
    memset(&s, 0, sizeof s);
    s.seq = 9;
    s.stage = ZN_STAGE_RUN;
    s.started_ns = zn_wall_ns() - 60 * INT64_C(1000000000);
    s.ready_ns = zn_wall_ns();
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        zn_component_init(&s.components[i], i, false);
        s.components[i].desired = ZN_UP;
        s.components[i].process = ZN_P_RUNNING;
        s.components[i].health = ZN_H_OK;
        s.facts[i].wanted = true;
        s.facts[i].since_ns = zn_wall_ns();
    }
}

static void hold_postgres(void)
{
    s.ready_ns = 0;
    s.components[ZN_C_POSTGRES].admin = ZN_HELD;
    s.components[ZN_C_POSTGRES].process = ZN_P_BACKOFF;
    s.components[ZN_C_API].process = ZN_P_NONE;
    s.components[ZN_C_API].blocked_by = 1u << ZN_C_POSTGRES | ZN_BLOCK_MIGRATION;
    snprintf(s.facts[ZN_C_POSTGRES].message, sizeof s.facts[0].message, "exited with code 1");
    s.facts[ZN_C_POSTGRES].last_lines = strdup("FATAL: <no> \"space\"\n\nhint=x\n");
}

static const json_t *component(const json_t *doc, const char *id)
{
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(doc, "components"), i, c)
        if (strcmp(zn_json_str(c, "id", ""), id) == 0)
            return c;
    cr_assert_fail("no component %s", id);
    return NULL;
}

Test(health, document_has_every_promised_member)
{
    static const char *const whole[] = { "version", "ready", "since", "seq", "stage", "summary",
                                         "log_collector", "components", "issues" };
    static const char *const parts[] = { "id", "state", "desired", "admin", "process", "health",
                                         "blocked_by", "since", "restarts", "memory_bytes",
                                         "memory_cap_bytes", "image", "version" };
    all_ready();
    s.facts[ZN_C_LOKI].memory = 5 << 20;
    zn_auto_json doc = zn_health_json(&s, since, "fluentd");

    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        cr_assert_not_null(json_object_get(doc, whole[i]), "%s", whole[i]);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_assert_not_null(json_object_get(component(doc, "loki"), parts[i]), "%s", parts[i]);
    cr_assert(json_is_true(json_object_get(doc, "ready")));
    cr_assert_eq(json_array_size(json_object_get(doc, "components")), 8);
    cr_assert_eq(json_array_size(json_object_get(doc, "issues")), 0);
    cr_assert_eq(zn_json_int(component(doc, "loki"), "memory_bytes", 0), 5 << 20);
    cr_assert(json_is_null(json_object_get(component(doc, "caddy"), "memory_bytes")));
    cr_assert_str_eq(zn_json_str(doc, "log_collector", ""), "fluentd");
    cr_assert_str_eq(zn_json_str(doc, "summary", ""), "Zane is ready");
}

Test(health, held_component_is_an_issue_with_lines_and_a_way_out)
{
    all_ready();
    hold_postgres();
    zn_auto_json doc = zn_health_json(&s, since, NULL);
    const json_t *issue = json_array_get(json_object_get(doc, "issues"), 0);
    const json_t *facts = json_object_get(issue, "facts");
    const json_t *fix = json_array_get(json_object_get(issue, "suggestions"), 0);

    cr_assert_eq(json_array_size(json_object_get(doc, "issues")), 1);
    cr_assert_str_eq(zn_json_str(issue, "id", ""), "held:postgres");
    cr_assert_str_eq(zn_json_str(issue, "severity", ""), "error");
    cr_assert_eq(json_array_size(json_object_get(facts, "last_lines")), 2);
    cr_assert_str_eq(zn_json_str(fix, "path", ""), "/v1/components/postgres/retry");
    cr_assert_str_eq(zn_json_str(fix, "command", ""), "zane retry postgres");
    cr_assert_str_eq(zn_json_str(component(doc, "postgres"), "state", ""), "held");
    cr_assert_eq(json_array_size(json_object_get(component(doc, "zaned-api"), "blocked_by")), 2);
}

Test(health, left_out_components_are_not_shown)
{
    unsigned ready, wanted;

    all_ready();
    s.facts[ZN_C_FLUENTD].wanted = false;
    zn_auto_json doc = zn_health_json(&s, since, NULL);

    cr_assert_eq(json_array_size(json_object_get(doc, "components")), 7);
    zn_health_count(&s, &ready, &wanted);
    cr_assert_eq(ready, 7);
    cr_assert_eq(wanted, 7);
}

Test(health, public_document_shows_nothing_private)
{
    static const char *const private[] = { "FATAL", "sha256:", "secretversion", "memory", "image",
                                           "last_lines", "engine.sock" };
    all_ready();
    hold_postgres();
    snprintf(s.facts[ZN_C_POSTGRES].image, sizeof s.facts[0].image, "sha256:0123");
    snprintf(s.facts[ZN_C_POSTGRES].version, sizeof s.facts[0].version, "secretversion");
    snprintf(s.version, sizeof s.version, "secretversion");
    snprintf(s.config.engine, sizeof s.config.engine, "/run/engine.sock");
    s.facts[ZN_C_POSTGRES].memory = 77;
    zn_auto_json doc = zn_health_public(&s);
    zn_auto_mem char *text = json_dumps(doc, 0);

    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        cr_assert_null(strstr(text, private[i]), "%s is shown to every visitor", private[i]);
    cr_assert_not_null(strstr(text, "zane retry postgres"));
}

Test(health, text_that_is_not_utf8_does_not_break_the_document)
{
    all_ready();
    s.ready_ns = 0;
    s.components[ZN_C_LOKI].process = ZN_P_BACKOFF;
    snprintf(s.facts[ZN_C_LOKI].message, sizeof s.facts[0].message, "bad \xff byte");
    s.facts[ZN_C_LOKI].last_lines = strdup("\xff\xfe\nfine");
    s.components[ZN_C_LOKI].admin = ZN_HELD;
    zn_auto_json doc = zn_health_json(&s, since, NULL);
    zn_auto_json open = zn_health_public(&s);
    zn_auto_mem char *text = json_dumps(doc, 0), *seen = json_dumps(open, 0);

    cr_assert_not_null(strstr(text, "bad ? byte"));
    cr_assert_not_null(strstr(text, "(not text)"));
    cr_assert_not_null(strstr(seen, "Bad ? byte"));
}

Test(health, every_state_has_a_label_and_a_kind)
{
    for (int admin = ZN_NORMAL; admin <= ZN_OWNED; admin++) {
        for (int p = ZN_P_NONE; p <= ZN_P_BACKOFF; p++) {
            for (int h = ZN_H_UNKNOWN; h <= ZN_H_FAILING; h++) {
                all_ready();
                s.components[0].admin = (enum zn_admin)admin;
                s.components[0].process = (enum zn_process)p;
                s.components[0].health = (enum zn_health)h;
                zn_auto_json doc = zn_health_public(&s); /* aborts on a word it does not know */
                cr_assert_not_null(zn_json_str(component(doc, "caddy"), "label", NULL));
            }
        }
    }
}

Test(health, the_whole_in_a_sentence)
{
    all_ready();
    s.ready_ns = 0;
    s.components[ZN_C_WORKER].process = ZN_P_STARTING;
    zn_auto_json starting = zn_health_public(&s);
    cr_assert_str_eq(zn_json_str(starting, "summary", ""),
                     "Zane is starting: 7 of 8 parts are ready");
    s.components[ZN_C_WORKER].restarts = 1;
    zn_auto_json again = zn_health_public(&s);
    cr_assert_str_eq(zn_json_str(again, "summary", ""),
                     "Zane is recovering: 7 of 8 parts are ready");
    hold_postgres();
    zn_auto_json held = zn_health_public(&s);
    cr_assert_str_eq(zn_json_str(held, "summary", ""),
                     "Zane needs attention: 5 of 8 parts are ready");
    s.stage = ZN_STAGE_STOP;
    zn_auto_json stop = zn_health_public(&s);
    cr_assert_str_eq(zn_json_str(stop, "summary", ""), "Zane is stopping");
}

/* --- page -------------------------------------------------------------------------------------- */

Test(page, escapes_and_needs_no_script)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(1 << 20);

    all_ready();
    s.ready_ns = 0;
    s.components[ZN_C_LOKI].process = ZN_P_BACKOFF;
    snprintf(s.facts[ZN_C_LOKI].message, sizeof s.facts[0].message,
             "<script>alert('x')</script> & \"more\"");
    zn_auto_json doc = zn_health_public(&s);
    zn_status_page(doc, zn_wall_ns(), &b);
    const char *page = zn_buf_str(&b);
    cr_assert_not_null(page);
    cr_assert_null(strstr(page, "<script>alert"));
    cr_assert_not_null(strstr(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; "
                                    "&quot;more&quot;."));
    cr_assert_not_null(strstr(page, "<title>Zane is recovering: 7 of 8 parts are ready</title>"));
    cr_assert_not_null(strstr(page, "<noscript><meta http-equiv=\"refresh\""));
    cr_assert_not_null(strstr(page, ">Restarting<"));
    cr_assert_not_null(strstr(page, "It is started again within a minute."));
}

Test(page, policy_allows_exactly_its_script_and_style)
{
    const char *h = zn_status_headers();

    cr_assert_not_null(strstr(h, "default-src 'none'"));
    cr_assert_not_null(strstr(h, "script-src 'sha256-"));
    cr_assert_not_null(strstr(h, "style-src 'sha256-"));
    cr_assert_null(strstr(h, "unsafe"));
    cr_assert(zn_ends_with(h, "\r\n"));
}

Test(page, ages)
{
    static const struct { int64_t s; const char *want; } cases[] = {
        { -5, "for 0 s" },    { 0, "for 0 s" },      { 119, "for 119 s" }, { 120, "for 2 min" },
        { 7199, "for 119 min" }, { 7200, "for 2 h" }, { 172799, "for 47 h" },
        { 172800, "for 2 days" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[32];

        zn_status_age(cases[i].s * 1000000000, got, sizeof got);
        cr_assert_str_eq(got, cases[i].want);
    }
}
