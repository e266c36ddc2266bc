/* One-time codes against the vectors of RFC 6238, appendix B (SHA-1, 8 digits). */
#include <criterion/criterion.h>
#include <string.h>

#include "zaned/api/totp.h"

static const char seed_bytes[] = "12345678901234567890";
static const char seed_text[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

static const struct {
    long long at;
    const char *code;
} vectors[] = {
    { 59, "94287082" },         { 1111111109, "07081804" }, { 1111111111, "14050471" },
    { 1234567890, "89005924" }, { 2000000000, "69279037" }, { 20000000000, "65353130" }
};

Test(totp, vectors_of_the_rfc)
{
    for (size_t i = 0; i < ZN_COUNT(vectors); i++) {
        struct zn_err err = { 0 };
        char code[9];

        cr_assert_eq(zn_totp_code(seed_bytes, 20, vectors[i].at / ZN_TOTP_STEP_S, 8, code, &err),
                     0);
        cr_expect_str_eq(code, vectors[i].code, "%lld: %s", vectors[i].at, code);
        cr_assert_eq(zn_totp_code(seed_bytes, 20, vectors[i].at / ZN_TOTP_STEP_S, 6, code, &err),
                     0);
        cr_expect_str_eq(code, vectors[i].code + 2, "six digits are the last six");
    }
}

Test(totp, a_code_is_good_in_its_step_and_one_beside_it)
{
    /* 287082 is the code of step 1, seconds 30 to 59. */
    static const struct {
        long long at, step;
    } cases[] = { { 0, 1 },  { 29, 1 }, { 30, 1 }, { 59, 1 },
                  { 60, 1 }, { 89, 1 }, { 90, 0 }, { 1000, 0 } };

    for (size_t i = 0; i < ZN_COUNT(cases); i++)
        cr_expect_eq(zn_totp_match(seed_text, "287082", cases[i].at), cases[i].step, "at %lld",
                     cases[i].at);
}

Test(totp, what_is_no_code_fits_nothing)
{
    static const char *const bad[] = { "", "287081", "28708", "2870820", "94287082", "abcdef" };

    for (size_t i = 0; i < ZN_COUNT(bad); i++)
        cr_expect_eq(zn_totp_match(seed_text, bad[i], 59), 0, "%s", bad[i]);
    cr_expect_eq(zn_totp_match("GEZDGNBV", "287082", 59), 0, "a short seed");
    cr_expect_eq(zn_totp_match("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBV", "287082", 59), 0,
                 "a long seed");
    cr_expect_eq(zn_totp_match("1EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "287082", 59), 0,
                 "a foreign letter");
}

Test(totp, seeds_are_base32_of_160_bits_and_differ)
{
    char one[ZN_TOTP_SEED_TEXT], two[ZN_TOTP_SEED_TEXT];

    zn_totp_seed(one);
    zn_totp_seed(two);
    cr_expect_eq(strlen(one), 32);
    cr_expect_eq(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32);
    cr_expect_str_neq(one, two);
}
