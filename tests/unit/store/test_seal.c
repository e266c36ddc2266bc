#include <criterion/criterion.h>
#include <string.h>

#include "zaned/store/seal.h"

static const char key_a[] = "0123456789abcdef0123456789abcdef", key_b[] = "0123456789abcdef0123456789abcdeX";

static struct zn_sealer *sealer(const char *secret)
{
    struct zn_sealer *s = NULL;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_sealer_new(secret, &s, &err), 0);
    return s;
}

Test(seal, comes_back_and_differs_each_time)
{
    struct zn_arena a = { .limit = 1 << 20 };
    struct zn_sealer *s = sealer(key_a);
    struct zn_err err = { 0 };
    const char *one, *two, *plain;

    cr_assert_eq(zn_seal(s, &a, "hunter2", &one, &err), 0);
    cr_assert_eq(zn_seal(s, &a, "hunter2", &two, &err), 0);
    cr_expect_str_neq(one, two);
    cr_assert_eq(zn_unseal(s, &a, zn_sealer_key_id(s), one, &plain, &err), 0);
    cr_expect_str_eq(plain, "hunter2");
    zn_sealer_free(s);
    zn_arena_done(&a);
}

Test(seal, refuses_other_keys_and_changed_text)
{
    struct zn_arena a = { .limit = 1 << 20 };
    struct zn_sealer *s = sealer(key_a), *other = sealer(key_b);
    struct zn_err err = { 0 };
    const char *box, *plain = NULL;

    cr_assert_eq(zn_seal(s, &a, "hunter2", &box, &err), 0);
    cr_expect_str_neq(zn_sealer_key_id(s), zn_sealer_key_id(other));
    cr_expect_eq(zn_unseal(other, &a, zn_sealer_key_id(s), box, &plain, &err), -1);
    cr_expect_eq(zn_unseal(other, &a, zn_sealer_key_id(other), box, &plain, &err), -1);
    for (size_t i = 0; box[i]; i += 7) {
        char *bent = zn_arena_strdup(&a, box);

        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        cr_expect_eq(zn_unseal(s, &a, zn_sealer_key_id(s), bent, &plain, &err), -1, "at %zu", i);
    }
    cr_expect_eq(zn_unseal(s, &a, zn_sealer_key_id(s), "", &plain, &err), -1);
    cr_expect_null(plain);
    zn_sealer_free(s);
    zn_sealer_free(other);
    zn_arena_done(&a);
}

Test(seal, short_secret_is_refused)
{
    struct zn_sealer *s = NULL;
    struct zn_err err = { 0 };

    cr_expect_eq(zn_sealer_new("short", &s, &err), -1);
    cr_expect_eq(err.code, ZN_INVALID);
}

Test(seal, variables_in_place)
{
    struct zn_sealer *s = sealer(key_a);
    struct zn_err err = { 0 };
    zn_auto_json vars = json_loads("[{\"key\":\"A\",\"value\":\"secret\"},{\"key\":\"B\"},7]", 0, NULL);
    zn_auto_json before = json_deep_copy(vars);
    json_t *box;

    cr_assert_eq(zn_seal_env(s, vars, &err), 0);
    box = json_object_get(json_array_get(vars, 0), "value");
    cr_expect_str_eq(zn_json_str(box, "key_id", ""), zn_sealer_key_id(s));
    cr_expect(!strstr(zn_json_str(box, "sealed", "secret"), "secret"));
    cr_assert_eq(zn_unseal_env(s, vars, &err), 0);
    cr_expect(json_equal(vars, before));
    zn_sealer_free(s);
}

Test(seal, another_member_in_place)
{
    struct zn_sealer *s = sealer(key_a);
    struct zn_err err = { 0 };
    zn_auto_json configs = json_loads("[{\"contents\":\"secret\",\"value\":\"open\"},{}]", 0, NULL);
    zn_auto_json before = json_deep_copy(configs);
    json_t *first = json_array_get(configs, 0);

    cr_assert_eq(zn_seal_member(s, configs, "contents", &err), 0);
    cr_expect_str_eq(zn_json_str(first, "value", ""), "open");
    cr_expect_str_eq(zn_json_str(json_object_get(first, "contents"), "key_id", ""), zn_sealer_key_id(s));
    cr_assert_eq(zn_unseal_member(s, configs, "contents", &err), 0);
    cr_expect(json_equal(configs, before));
    zn_sealer_free(s);
}
