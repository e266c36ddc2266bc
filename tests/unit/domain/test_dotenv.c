/* Variables as a text. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/domain/dotenv.h"

static struct zn_arena arena = { .limit = 4 << 20 };

struct env_case {
    char text[120], want[120]; /* {"KEY":"value", …} */
};

ParameterizedTestParameters(dotenv, reads)
{
    static struct env_case cases[] = {
        { "", "{}" },
        { "A=1", "{\"A\":\"1\"}" },
        { "A=1\nB=2\n", "{\"A\":\"1\",\"B\":\"2\"}" },
        { "A=1\r\nB=2\r\n", "{\"A\":\"1\",\"B\":\"2\"}" },
        { "A=1\rB=2", "{\"A\":\"1\",\"B\":\"2\"}" },
        { "\xef\xbb\xbf" "A=1", "{\"A\":\"1\"}" },
        { "  A = 1  \n", "{\"A\":\"1\"}" },
        { "export A=1\nexport\tB=2", "{\"A\":\"1\",\"B\":\"2\"}" },
        { "export=1", "{\"export\":\"1\"}" },
        { "exported=1", "{\"exported\":\"1\"}" },
        { "# c\n\n  # d\nA=1 # e\n", "{\"A\":\"1\"}" },
        { "A=a#b", "{\"A\":\"a#b\"}" },
        { "A=#b", "{\"A\":\"\"}" },
        { "A=\nB=", "{\"A\":\"\",\"B\":\"\"}" },
        { "A=x=y", "{\"A\":\"x=y\"}" },
        { "A='x # $B \\n'", "{\"A\":\"x # $B \\\\n\"}" },
        { "A=\"x # y\" # z", "{\"A\":\"x # y\"}" },
        { "A=\"a\\nb\\t\\\"c\\\" \\\\ \\$x \\d\"", "{\"A\":\"a\\nb\\t\\\"c\\\" \\\\ $x \\\\d\"}" },
        { "A=\"a\nb\"\nB=2", "{\"A\":\"a\\nb\",\"B\":\"2\"}" },
        { "A=\"a\r\nb\"\r\nB=2", "{\"A\":\"a\\nb\",\"B\":\"2\"}" },
        { "A='a\nb'", "{\"A\":\"a\\nb\"}" },
        { "A=it's", "{\"A\":\"it's\"}" },
        { "A=1\nA=2", "{\"A\":\"2\"}" },
        { "A={{env.B}}", "{\"A\":\"{{env.B}}\"}" },
        { "A=\xc3\xa4", "{\"A\":\"\xc3\xa4\"}" },
    };
    return cr_make_param_array(struct env_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct env_case *c, dotenv, reads, .timeout = 5)
{
    zn_auto_json list = NULL;
    zn_auto_json got = json_object();
    zn_auto_json want = json_loads(c->want, 0, NULL);
    struct zn_err err = { 0 };
    size_t i;
    json_t *v;

    cr_assert(want);
    cr_assert_eq(zn_dotenv_parse(&arena, c->text, &list, &err), 0, "%s: %s", c->text,
                 err.nfields ? err.fields[0].msg : err.msg);
    json_array_foreach (list, i, v)
        json_object_set(got, zn_json_str(v, "key", ""), json_object_get(v, "value"));
    cr_expect(json_equal(got, want), "%s: %s", c->text, json_dumps(got, 0));
}

struct bad_case {
    char text[60], line[12];
};

ParameterizedTestParameters(dotenv, refuses)
{
    static struct bad_case cases[] = {
        { "A", "Line 1:" },          { "A=1\nB\nC=1", "Line 2:" },       { "=x", "Line 1:" },
        { "1A=x", "Line 1:" },       { "A B=x", "Line 1:" },             { "A=\"x", "Line 1:" },
        { "A=1\nB='x\n\n", "Line 2:" }, { "A=\"x\"y", "Line 1:" },       { "A=\"\n\n\"\nB", "Line 4:" },
        { "A=\x01", "Line 1:" },     { "export A", "Line 1:" },          { "A=1\r\n\r\nB", "Line 3:" },
        { "\xc3\x84=1", "Line 1:" }, { "A=1\rB", "Line 2:" },
    };
    return cr_make_param_array(struct bad_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_case *c, dotenv, refuses, .timeout = 5)
{
    struct zn_err err = { 0 };
    json_t *list = NULL;

    cr_assert_eq(zn_dotenv_parse(&arena, c->text, &list, &err), -1, "%s", c->text);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_assert_eq(err.nfields, 1);
    cr_expect_str_eq(err.fields[0].path, "new_value");
    cr_expect_eq(strncmp(err.fields[0].msg, c->line, strlen(c->line)), 0, "%s: %s", c->text,
                 err.fields[0].msg);
    cr_expect_null(list);
}

Test(dotenv, names_every_bad_line_up_to_what_an_error_holds)
{
    struct zn_err err = { 0 };
    json_t *list;

    cr_assert_eq(zn_dotenv_parse(&arena, "a\nb\nC=1\nd\n", &list, &err), -1);
    cr_expect_eq(err.nfields, 3);
    memset(&err, 0, sizeof err);
    cr_assert_eq(zn_dotenv_parse(&arena, "a\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\n", &list, &err), -1);
    cr_expect_eq(err.nfields, 16);
}

Test(dotenv, bounds)
{
    static char text[70000] = "A=";
    zn_auto_json list = NULL;
    struct zn_err err = { 0 };

    memset(text + 2, 'x', 65536);
    cr_assert_eq(zn_dotenv_parse(&arena, text, &list, &err), 0);
    text[2 + 65536] = 'x';
    json_decref(list);
    list = NULL;
    cr_assert_eq(zn_dotenv_parse(&arena, text, &list, &err), -1);
}
