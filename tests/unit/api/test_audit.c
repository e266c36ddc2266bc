/* What an audit entry's hash covers, and what is never written into one. */
#include <criterion/criterion.h>
#include <string.h>

#include "zaned/api/audit_chain.h"

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

static struct zn_audit_entry sample(void)
{
    return (struct zn_audit_entry){ .seq = "1",
                                    .at = "2026-01-01T00:00:00.000000Z",
                                    .user_id = "7",
                                    .user_name = "ann",
                                    .address = "10.0.0.1",
                                    .request_id = "r1",
                                    .action = "token.create",
                                    .target = "tok_1",
                                    .after = "{\"a\":\"\xc3\xa4\"}" };
}

/* From outside: b2sum -l 256 of the hash before and the array, as docs/api/security.md says. */
Test(audit, the_hash_can_be_computed_by_anybody)
{
    struct zn_audit_entry e = sample();
    struct zn_err err = { 0 };
    char hash[ZN_AUDIT_HASH];

    cr_assert_eq(zn_audit_hash(&e, zeros, hash, &err), 0);
    cr_expect_str_eq(hash, "d0b08c3497c61134b694427d6af4bdb0bf4a4f44521e66389a5b7ad215ceba0f");
}

Test(audit, every_member_and_the_entry_before_count)
{
    struct zn_audit_entry e = sample();
    const char **members = (const char **)&e;
    struct zn_err err = { 0 };
    char first[ZN_AUDIT_HASH], hash[ZN_AUDIT_HASH];

    cr_assert_eq(zn_audit_hash(&e, zeros, first, &err), 0);
    for (size_t i = 0; i < sizeof e / sizeof *members; i++) {
        const char *kept = members[i];

        members[i] = kept ? NULL : "x";
        cr_assert_eq(zn_audit_hash(&e, zeros, hash, &err), 0);
        cr_expect_str_neq(hash, first, "member %zu", i);
        members[i] = "";
        cr_assert_eq(zn_audit_hash(&e, zeros, hash, &err), 0);
        cr_expect_str_neq(hash, first, "member %zu: empty is not absent", i);
        members[i] = kept;
    }
    cr_assert_eq(zn_audit_hash(&e, first, hash, &err), 0);
    cr_expect_str_neq(hash, first);
}

Test(audit, secrets_are_not_written_down)
{
    static const struct {
        char given[160], written[160];
    } cases[] = {
        { "{\"password\":\"x\",\"slug\":\"a\"}", "{\"password\":\"(secret)\",\"slug\":\"a\"}" },
        { "{\"deploy_token\":\"x\",\"tokens\":3}", "{\"deploy_token\":\"(secret)\",\"tokens\":3}" },
        { "{\"env\":[{\"key\":\"A\",\"value\":\"x\"}]}",
          "{\"env\":[{\"key\":\"A\",\"value\":\"(secret)\"}]}" },
        { "{\"value\":{\"sealed\":\"x\",\"key_id\":\"1\"}}", "{\"value\":\"(sealed)\"}" },
        { "{\"password_sealed\":\"x\"}", "{\"password_sealed\":\"(secret)\"}" },
        { "{\"type\":\"PATH\",\"value\":\"/\"}", "{\"type\":\"PATH\",\"value\":\"/\"}" },
        { "{\"password\":null}", "{\"password\":null}" },
        { "[1,\"a\",null,true,0.5]", "[1,\"a\",null,true,0.5]" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zn_auto_json given = json_loads(cases[i].given, 0, NULL);
        zn_auto_json want = json_loads(cases[i].written, 0, NULL);
        zn_auto_json got = zn_audit_clean(given);

        cr_expect(json_equal(got, want), "%s", cases[i].given);
    }
}
