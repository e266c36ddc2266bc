/* What the gate makes of answers and rounds, with made ones. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "base/json.h"
#include "supervisor/gate_judge.h"

/* --- how long it has been good ------------------------------------------------------------------ */

Test(gate_hold, all_must_be_good_for_so_long_in_a_row)
{
    struct zn_gate_hold h = { .hold_ms = 60000 };

    cr_expect_not(zn_gate_hold_note(&h, 1000, true));
    cr_expect_not(zn_gate_hold_note(&h, 60999, true));
    cr_expect_eq(zn_gate_hold_percent(&h, 60999), 99);
    cr_expect(zn_gate_hold_note(&h, 61000, true));
    cr_expect_eq(zn_gate_hold_percent(&h, 61000), 100);
}

Test(gate_hold, one_bad_look_begins_anew)
{
    struct zn_gate_hold h = { .hold_ms = 60000 };

    zn_gate_hold_note(&h, 1000, true);
    cr_expect_eq(zn_gate_hold_percent(&h, 31000), 50);
    cr_expect_not(zn_gate_hold_note(&h, 59000, false));
    cr_expect_eq(zn_gate_hold_percent(&h, 59000), 0);
    cr_expect_not(zn_gate_hold_note(&h, 61000, true), "the time before does not count");
    cr_expect_not(zn_gate_hold_note(&h, 120999, true));
    cr_expect(zn_gate_hold_note(&h, 121000, true));
}

Test(gate_hold, without_a_time_one_good_round_is_enough)
{
    struct zn_gate_hold h = { 0 };

    cr_expect_not(zn_gate_hold_note(&h, 5, false));
    cr_expect_eq(zn_gate_hold_percent(&h, 5), 0);
    cr_expect(zn_gate_hold_note(&h, 5, true));
    cr_expect_eq(zn_gate_hold_percent(&h, 5), 100);
}

/* --- answers ------------------------------------------------------------------------------------- */

enum judge { PAGE, SCRIPT, API, CANARY, LINE };

struct answer_case {
    enum judge judge;
    char head[200], body[200]; /* head "": no answer came */
    int want;
    char why[80]; /* part of it */
};

#define HTML "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
#define JSON(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n"
#define DOCUMENT "<html><script src=\"/assets/index-1.js\"></script><div id=\"root\"></div></html>"
#define AWAY "{\"errors\":[{\"code\":\"unavailable\",\"detail\":\"log store answered 500\",\"attr\":null}]}"

ParameterizedTestParameters(gate, answers)
{
    static struct answer_case cases[] = {
        { PAGE, HTML, DOCUMENT, 0, "" },
        { PAGE, "", "", -1, "no answer: talking to edge.sock: connection reset" },
        { PAGE, HTML "Zane-Status: page\r\n", DOCUMENT, -1, "the status page came instead" },
        { PAGE, "HTTP/1.1 502 Bad Gateway\r\n", "", -1, "it answers 502" },
        { PAGE, HTML, "<html>Hello</html>", -1, "not the dashboard's page" },
        { PAGE, HTML, "<script src=\"/assets/never-ends", -1, "not the dashboard's page" },
        { PAGE, JSON("200 OK"), DOCUMENT, -1, "not the dashboard's page" },
        { PAGE, HTML, "", -1, "not the dashboard's page" },
        { SCRIPT, "HTTP/1.1 200 OK\r\nContent-Type: text/javascript; charset=utf-8\r\n", "x", 0, "" },
        { SCRIPT, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n", "x", -1,
          "the page came, but not its program: it answers 404" },
        { SCRIPT, HTML, DOCUMENT, -1, "its program is empty or none" },
        { SCRIPT, "HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\n", "", -1, "its program is empty" },
        { API, JSON("200 OK"), "{\"exists\":false}", 0, "" },
        { API, JSON("200 OK"), "{}", -1, "something else" },
        { API, HTML, DOCUMENT, -1, "something else" },
        { API, JSON("503 Service Unavailable"),
          "{\"errors\":[{\"detail\":\"no connection to the database\"}]}", -1,
          "it answers 503: no connection to the database" },
        { API, HTML "Zane-Status: page\r\n", "", -1, "zaned-api does not answer" },
        { CANARY, "HTTP/1.1 200 OK\r\n", "<dd>run7</dd>", 0, "" },
        { CANARY, "HTTP/1.1 200 OK\r\n", "<dd>run6</dd>", -1, "another app answers" },
        { CANARY, "HTTP/1.1 200 OK\r\n", "", -1, "another app answers" },
        { CANARY, "HTTP/1.1 404 Not Found\r\n", "", -1, "it answers 404 through the proxy" },
        { CANARY, "HTTP/1.1 502 Bad Gateway\r\nZane-Probe-Error: lookup zn-canary: no such host\r\n", "",
          -1, "the proxy does not reach it: lookup zn-canary" },
        { CANARY, "", "", -1, "the proxy gave no answer" },
        { LINE, JSON("200 OK"), "{\"found\":true}", 1, "" },
        { LINE, JSON("200 OK"), "{\"found\":false}", 0, "" },
        { LINE, JSON("200 OK"), "{\"found\":\"yes\"}", -1, "something else" },
        { LINE, JSON("503 Service Unavailable"), AWAY, -1, "the API answers 503: log store answered 500" },
        { LINE, JSON("401 Unauthorized"), "", -1, "the API answers 401" },
    };
    return cr_make_param_array(struct answer_case, cases, sizeof cases / sizeof *cases);
}

static int judge(const struct answer_case *c, const struct zn_engine_reply *r, char script[ZN_GATE_WHY],
                 char why[ZN_GATE_WHY])
{
    switch (c->judge) {
    case PAGE:
        return zn_gate_judge_page(r, script, why);
    case SCRIPT:
        return zn_gate_judge_script(r, why);
    case API:
        return zn_gate_judge_api(r, why);
    case CANARY:
        return zn_gate_judge_canary(r, "run7", why);
    case LINE:
        return zn_gate_judge_line(r, why);
    }
    return -2;
}

ParameterizedTest(struct answer_case *c, gate, answers, .timeout = 5)
{
    struct zn_http_parser p;
    struct zn_err err = { .msg = "talking to edge.sock: connection reset" };
    struct zn_engine_reply r = { .err = &err };
    zn_auto_json doc = json_loads(c->body, 0, NULL);
    char script[ZN_GATE_WHY] = "", why[ZN_GATE_WHY] = "", text[512];
    size_t used;

    zn_http_parser_init(&p, NULL, NULL);
    if (c->head[0]) {
        snprintf(text, sizeof text, "%sContent-Length: 1\r\n\r\n", c->head);
        cr_assert_eq(zn_http_parser_feed(&p, text, strlen(text), &used), 0);
        r = (struct zn_engine_reply){ .status = p.status, .head = &p, .json = doc,
                                      .body = { c->body, strlen(c->body) } };
    }
    cr_expect_eq(judge(c, &r, script, why), c->want, "%s%s: %s", c->head, c->body, why);
    cr_expect(strstr(why, c->why), "%s%s: %s", c->head, c->body, why);
    if (c->judge == PAGE && c->want == 0)
        cr_expect_str_eq(script, "/assets/index-1.js");
    zn_http_parser_done(&p);
}

/* --- tasks --------------------------------------------------------------------------------------- */

#define TASK(index, desired, state, error)                                                         \
    "{\"Version\":{\"Index\":" #index "},\"DesiredState\":\"" desired "\",\"Status\":{\"State\":\"" state \
    "\",\"Err\":\"" error "\"}}"

Test(gate, tasks_say_why_an_app_does_not_start)
{
    static const struct {
        const char *tasks, *want;
    } cases[] = {
        { "[" TASK(5, "running", "running", "") "]", "" },
        { "[" TASK(4, "shutdown", "failed", "exit 1") "," TASK(5, "running", "running", "") "]",
          "it does not stay up: exit 1" },
        { "[" TASK(4, "shutdown", "shutdown", "") "," TASK(5, "running", "running", "") "]", "" },
        { "[" TASK(6, "running", "starting", "") "," TASK(5, "shutdown", "failed", "second") ","
          TASK(2, "shutdown", "failed", "first") "]", "it does not start: second" },
        { "[" TASK(6, "running", "pending", "no suitable node") "]", "it does not start: no suitable node" },
        { "[" TASK(6, "running", "preparing", "") "]", "the engine has not started it yet: it is preparing" },
        { "[]", "the engine has not started it yet" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zn_auto_json tasks = json_loads(cases[i].tasks, 0, NULL);
        char why[ZN_GATE_WHY] = "?";

        cr_assert_not_null(tasks);
        zn_gate_judge_tasks(tasks, why);
        cr_expect_str_eq(why, cases[i].want);
    }
}
