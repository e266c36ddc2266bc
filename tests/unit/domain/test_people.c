/* Rules of people: roles, usernames, paths that a login may lead to. */
#include <criterion/criterion.h>

#include "zaned/domain/people.h"

static const int roles[] = { ZN_ROLE_GUEST, ZN_ROLE_MEMBER, ZN_ROLE_ADMIN, ZN_ROLE_OWNER };

/* Rows: who acts; columns: guest, member, admin, owner. */
Test(people, who_may_change_whom)
{
    static const bool may[4][4] = {
        { false, false, false, false },
        { false, false, false, false },
        { true, true, false, false },
        { true, true, true, false },
    };

    for (int a = 0; a < 4; a++)
        for (int t = 0; t < 4; t++)
            cr_expect_eq(zn_role_may_change(roles[a], roles[t]), may[a][t], "%s on %s",
                         zn_role_name(roles[a]), zn_role_name(roles[t]));
}

Test(people, who_may_give_which_role)
{
    static const bool may[4][4] = {
        { false, false, false, false },
        { false, false, false, false },
        { true, true, true, false },
        { true, true, true, false },
    };

    for (int a = 0; a < 4; a++)
        for (int r = 0; r < 4; r++)
            cr_expect_eq(zn_role_may_grant(roles[a], roles[r]), may[a][r], "%s gives %s",
                         zn_role_name(roles[a]), zn_role_name(roles[r]));
}

Test(people, role_given)
{
    static const int64_t good[] = { 10, 30, 40 }, bad[] = { 50, 0, -10, 20, 11, 60, INT64_MAX, INT64_MIN };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_null(zn_rule_role_given(&good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not_null(zn_rule_role_given(&bad[i]), "%lld", (long long)bad[i]);
}

static void all(const char *(*rule)(const void *), const char *const *good, const char *const *bad)
{
    for (; *good; good++)
        cr_expect_null(rule(good), "refused: %s", *good);
    for (; *bad; bad++)
        cr_expect_not_null(rule(bad), "accepted: %s", *bad);
}
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

Test(people, usernames)
{
    all(zn_rule_username, LIST("a", "A.b@c+d-e_9"),
        LIST("a b", "a/b", "\xc3\xa4", "a\n", "a<b", "\xd0\xb0" "dmin", "a%"));
}

Test(people, labels)
{
    all(zn_rule_label, LIST("a", " a ", "Z\xc3\xbcrich & co"), LIST("", " ", "   ", "a\tb", "a\x7f"));
}

Test(people, own_paths)
{
    all(zn_rule_own_path, LIST("/", "/a", "/a/b?c=d&e=%20#f", "/a//b", "/@host"),
        LIST("", "a", "//host", "///host", "/\\host", "\\\\host", "https://host", "/ /host", "/\t/host",
             "/a\r\nX: y", "/\x7f", "/\xc3\xa4", " /a", "javascript:x", "/a\\b"));
}
