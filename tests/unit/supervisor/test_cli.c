/* The table of `zane status`. The program itself runs in tests/integration. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/json.h"
#include "supervisor/table.h"

static const int64_t now_ns = INT64_C(1767225600) * 1000000000; /* 2026-01-01T00:00:00Z */

static json_t *one(const char *id, const char *state, const char *health, const char *since,
                   int64_t memory, const char *message)
{
    json_t *c = json_pack("{s:s, s:s, s:{s:s, s:s?}, s:s, s:i, s:I, s:s, s:[]}", "id", id, "state",
                          state, "health", "state", health, "message", message, "since", since,
                          "restarts", 0, "memory_cap_bytes", (json_int_t)(128 << 20), "version",
                          "1.2", "blocked_by");

    if (memory >= 0)
        json_object_set_new(c, "memory_bytes", json_integer(memory));
    return c;
}

static json_t *health(void)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:[o, o], s:[]}", "summary", "Zane is starting: 1 of 2",
                     "version", "0.1", "ready", 0, "stage", "running", "components",
                     one("caddy", "ready", "ok", "2025-12-31T23:59:00.5Z", 13 << 20, NULL),
                     one("zaned-worker", "backoff", "unknown", "2025-12-31T00:00:00Z", -1,
                         "killed by\x1b[31m signal 9"),
                     "issues");
}

static const char *render(json_t *steals, unsigned width, bool colour)
{
    static struct zn_buf b;
    zn_auto_json doc = steals;
    struct zn_table_style st = { .width = width, .colour = colour, .now_ns = now_ns };

    b.max = 1 << 20;
    zn_buf_clear(&b);
    zn_table_health(doc, &st, &b);
    return zn_buf_str(&b);
}

Test(table, whole)
{
    cr_assert_str_eq(render(health(), 0, false),
                     "Zane is starting: 1 of 2 (version 0.1)\n"
                     "\n"
                     "COMPONENT     STATE    HEALTH   SINCE  RESTARTS        MEMORY  VERSION\n"
                     "caddy         ready    ok         60s         0  13.0/128 MiB  1.2\n"
                     "zaned-worker  backoff  unknown    24h         0     -/128 MiB  1.2\n"
                     "\n"
                     "zaned-worker: killed by [31m signal 9\n");
}

Test(table, fits_the_terminal)
{
    for (unsigned width = 12; width < 90; width++) {
        const char *s = render(health(), width, false);

        for (const char *nl; (nl = strchr(s, '\n')); s = nl + 1)
            cr_assert_leq((unsigned)(nl - s), width, "%u: %.100s", width, s);
    }
}

Test(table, colours_only_where_asked)
{
    cr_assert_null(strchr(render(health(), 80, false), '\033'));
    cr_assert_not_null(strstr(render(health(), 80, true), "\033[32mready"));
    cr_assert_not_null(strstr(render(health(), 80, true), "\033[33mbackoff"));
}

Test(table, issues_say_why_and_what_helps)
{
    json_t *doc = health();
    const char *s;

    json_array_append_new(
        json_object_get(doc, "issues"),
        json_pack("{s:s, s:{s:s, s:[s, s]}, s:[{s:s}]}", "title", "postgres ended 5 times", "facts",
                  "message", "exited with code 1", "last_lines", "FATAL: a", "FATAL: b",
                  "suggestions", "command", "zane retry postgres"));
    s = render(doc, 0, false);
    cr_assert_not_null(strstr(s, "\n! postgres ended 5 times\n  why: exited with code 1\n"
                                 "  log: FATAL: a\n  log: FATAL: b\n  fix: zane retry postgres\n"));
}

Test(table, waiting_names_what_it_waits_for)
{
    json_t *doc = health(), *c = json_array_get(json_object_get(doc, "components"), 1);

    json_object_set_new(c, "state", json_string("waiting"));
    json_object_set_new(c, "blocked_by", json_pack("[s, s]", "postgres", "migration"));
    cr_assert_not_null(strstr(render(doc, 0, false),
                              "\nzaned-worker: waits for postgres, migration\n"));
}

Test(table, survives_a_document_of_another_version)
{
    cr_assert_not_null(render(json_pack("{}"), 80, true));
    cr_assert_not_null(render(json_pack("{s:i, s:[i, s, {}]}", "summary", 5, "components", 1, "x"),
                              80, true));
}

Test(table, one_component)
{
    zn_auto_json doc = one("caddy", "ready", "ok", "2025-12-31T23:59:00Z", 1 << 20, NULL);
    struct zn_table_style st = { .now_ns = now_ns };
    zn_auto_buf struct zn_buf b = ZN_BUF(10000);

    json_object_set_new(doc, "history",
                        json_pack("[{s:s, s:s}, {s:s, s:s, s:s}]", "at",
                                  "2025-12-31T23:58:00.123456Z", "state", "starting", "at",
                                  "2025-12-31T23:59:00.000000Z", "state", "ready", "message", "m"));
    json_object_set_new(doc, "last_lines", json_pack("[s]", "bye"));
    zn_table_component(doc, &st, &b);
    cr_assert_not_null(strstr(zn_buf_str(&b), "\nhistory:\n  2025-12-31T23:58:00Z  starting\n"
                                              "  2025-12-31T23:59:00Z  ready      m\n"));
    cr_assert_not_null(strstr(zn_buf_str(&b), "before it ended:\n  bye\n"));
}

Test(table, times)
{
    cr_assert_eq(zn_table_time("2026-01-01T00:00:00.999999Z"), now_ns);
    cr_assert_eq(zn_table_time("2026-01-01T00:00:00Z"), now_ns);
    cr_assert_eq(zn_table_time("yesterday"), 0);
    cr_assert_eq(zn_table_time(NULL), 0);
}

Test(distance, edits)
{
    cr_assert_eq(zn_distance("", ""), 0);
    cr_assert_eq(zn_distance("status", "status"), 0);
    cr_assert_eq(zn_distance("statu", "status"), 1);
    cr_assert_eq(zn_distance("sattus", "status"), 2);
    cr_assert_eq(zn_distance("", "stop"), 4);
    cr_assert_eq(zn_distance("0123456789012345678901234567890123456789012345678901234567890123",
                             "a"), 64);
}
