/* Keys and signatures that minisign 0.11 made (-S, -S -l), and what may be done to them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/minisign.h"

static const char message[] = "What is signed.\n";
static const char key_text[] = "untrusted comment: minisign public key 9AA530DA0E46BBA1\n"
                               "RWShu0YO2jClmuncXGSWHf8iDZsgMCeI460+P/LlZLD8mHLGWFtrf4Ao\n";
static const char other_key[] = "RWQF8noBCVFiAzvBhv50kgYFhjjXWqdbbVDXKX6xwL9vw7iOiLi6B5h5";

#define FIRST "untrusted comment: signature from minisign secret key\n"
#define SECOND "RUShu0YO2jClmi4IXGuL/N1Hcy4ufzUXehiEA+VhHCxqtbcBOB4C8D2mhlXyol7I+5Xpz6HJQiFYcex5DQEtdPqd00gru7Ll3QM=\n"
#define THIRD "trusted comment: zane 1.2.3 serial 7\n"
#define FOURTH "sfGvY7+o7wcUvfo+74I+cdRWHUncZf4r9T0ZdJ00B1s86vvjo9/Hd4OgyGaMNvRsmP272BglAcxstMZIlyo7Bg==\n"
#define LEGACY "RWShu0YO2jClmr+mfLrUacbOqnDOrKS0amYICusqPMGaCGpZWmYoT0PJjhuNNeY01p+W/nWrfE1LBe5PVQznjWj90vMQXnPixgY=\n"

static struct zn_err err;
static struct zn_minisign s;
static struct zn_minisign_key keys[2];
static unsigned char hash[ZN_MINISIGN_HASH];

static void hash_of(const char *text)
{
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, strlen(text), NULL, 0);
}

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    cr_assert_eq(zn_minisign_key_read(other_key, strlen(other_key), &keys[0], &err), 0);
    cr_assert_eq(zn_minisign_key_read(key_text, strlen(key_text), &keys[1], &err), 0);
    hash_of(message);
    err = (struct zn_err){ 0 };
}
TestSuite(minisign, .init = setup);

static int take(const char *text)
{
    return zn_minisign_read(text, strlen(text), &s, &err);
}

static void refused(const char *text, const char *why)
{
    err = (struct zn_err){ 0 };
    cr_expect_eq(take(text), -1, "%s", why);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_expect(strstr(err.msg, why), "\"%s\" does not say \"%s\"", err.msg, why);
}

static void denied(const struct zn_minisign_key *list, size_t n, const char *why)
{
    err = (struct zn_err){ 0 };
    cr_expect_eq(zn_minisign_verify(&s, list, n, hash, &err), -1, "%s", why);
    cr_expect_eq(err.code, ZN_DENIED);
    cr_expect(strstr(err.msg, why), "\"%s\" does not say \"%s\"", err.msg, why);
}

Test(minisign, takes_what_the_tool_made)
{
    cr_assert_eq(take(FIRST SECOND THIRD FOURTH), 0, "%s", err.msg);
    cr_assert_eq(zn_minisign_verify(&s, keys, 2, hash, &err), 0, "%s", err.msg);
    cr_expect_str_eq(s.comment, "zane 1.2.3 serial 7");
    cr_expect_eq(s.comment_len, strlen(s.comment));
}

Test(minisign, line_ends_of_another_system_change_nothing)
{
    char text[1024];
    size_t n = 0;

    for (const char *p = FIRST SECOND THIRD FOURTH; *p; p++) {
        if (*p == '\n')
            text[n++] = '\r';
        text[n++] = *p;
    }
    cr_assert_eq(zn_minisign_read(text, n, &s, &err), 0, "%s", err.msg);
    cr_assert_eq(zn_minisign_verify(&s, keys, 2, hash, &err), 0, "%s", err.msg);
}

Test(minisign, denies_another_key_file_or_comment)
{
    cr_assert_eq(take(FIRST SECOND THIRD FOURTH), 0);
    denied(keys, 1, "key 9AA530DA0E46BBA1, which is not trusted");
    denied(keys, 0, "not trusted");
    hash_of("What is signed!\n");
    denied(keys, 2, "not the one that key 9AA530DA0E46BBA1 signed");
    hash_of(message);
    cr_assert_eq(take(FIRST SECOND "trusted comment: zane 1.2.3 serial 8\n" FOURTH), 0);
    denied(keys, 2, "comment was changed");
}

/* A key with the id of a trusted one signs nothing in its name. */
Test(minisign, an_id_alone_is_worth_nothing)
{
    struct zn_minisign_key forged = keys[0];

    memcpy(forged.id, keys[1].id, sizeof forged.id);
    cr_assert_eq(take(FIRST SECOND THIRD FOURTH), 0);
    denied(&forged, 1, "not the one");
}

Test(minisign, each_flipped_bit_is_denied_or_refused)
{
    const char text[] = FIRST SECOND THIRD FOURTH;

    for (size_t i = strlen(FIRST); i < sizeof text - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            char copy[sizeof text];

            memcpy(copy, text, sizeof text);
            copy[i] = (char)(copy[i] ^ 1 << bit);
            bool taken = zn_minisign_read(copy, sizeof text - 1, &s, &err) == 0 &&
                         zn_minisign_verify(&s, keys, 2, hash, &err) == 0;
            cr_expect_not(taken, "bit %d of byte %zu (%c for %c)", bit, i, copy[i], text[i]);
        }
}

Test(minisign, says_which_line_is_wrong)
{
    refused("", "line 1");
    refused(FIRST, "line 2");
    refused(FIRST SECOND THIRD, "line 4");
    refused("comment: x\n" SECOND THIRD FOURTH, "line 1");
    refused(FIRST "RUSh\n" THIRD FOURTH, "line 2");
    refused(FIRST LEGACY THIRD FOURTH, "old kind");
    refused(FIRST SECOND "comment: x\n" FOURTH, "line 3");
    refused(FIRST SECOND THIRD "sfGv\n", "line 4");
    refused(FIRST SECOND THIRD FOURTH "\n", "behind");
    cr_expect_eq(zn_minisign_key_read("RWQ=", 4, &keys[0], &err), -1);
    cr_expect_eq(zn_minisign_key_read("", 0, &keys[0], &err), -1);
    cr_expect_eq(zn_minisign_key_read(FIRST, strlen(FIRST), &keys[0], &err), -1);
}

Test(minisign, a_comment_may_be_8192_bytes)
{
    static char text[ZN_MINISIGN_TEXT];

    for (int over = 0; over < 2; over++) {
        int n = snprintf(text, sizeof text, "%s%strusted comment: %0*d\n%s", FIRST, SECOND, ZN_MINISIGN_COMMENT + over, 0, FOURTH);
        cr_expect_eq(zn_minisign_read(text, (size_t)n, &s, &err), over ? -1 : 0);
    }
    cr_expect(strstr(err.msg, "8192"));
}
