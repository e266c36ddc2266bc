#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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

Test(seal, several_keys_the_first_seals_all_open)
{
    struct zn_arena a = { .limit = 1 << 20 };
    char both[160];
    struct zn_sealer *old = sealer(key_a), *fresh = sealer(key_b), *two;
    struct zn_err err = { 0 };
    const char *box, *plain;

    snprintf(both, sizeof both, "%s\n%s\n", key_b, key_a);
    two = sealer(both);
    cr_expect_str_eq(zn_sealer_key_id(two), zn_sealer_key_id(fresh));
    cr_assert_eq(zn_seal(old, &a, "hunter2", &box, &err), 0);
    cr_assert_eq(zn_unseal(two, &a, zn_sealer_key_id(old), box, &plain, &err), 0);
    cr_expect_str_eq(plain, "hunter2");
    cr_assert_eq(zn_seal(two, &a, "new", &box, &err), 0);
    cr_assert_eq(zn_unseal(fresh, &a, zn_sealer_key_id(two), box, &plain, &err), 0);
    cr_expect_str_eq(plain, "new");
    cr_expect_eq(zn_unseal(old, &a, zn_sealer_key_id(two), box, &plain, &err), -1);
    zn_sealer_free(old);
    zn_sealer_free(fresh);
    zn_sealer_free(two);
    zn_arena_done(&a);
}

Test(seal, bad_sets_of_keys_are_refused)
{
    static const char *const bad[] = { "", "\n\n", "0123456789abcdef0123456789abcdef\nshort" };
    struct zn_sealer *s = NULL;
    char many[512] = "";

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zn_err err = { 0 };

        cr_expect_eq(zn_sealer_new(bad[i], &s, &err), -1, "%zu", i);
        cr_expect_eq(err.code, ZN_INVALID);
    }
    for (int i = 0; i < ZN_KEYS_MAX + 1; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s%d\n", key_a, i);
    struct zn_err err = { 0 };
    cr_expect_eq(zn_sealer_new(many, &s, &err), -1);
    cr_expect_null(s);
}

/* Applies a patch as the database does. */
static void apply(json_t *doc, const json_t *patch)
{
    const json_t *path = json_object_get(patch, "path");
    size_t i, last = json_array_size(path) - 1;
    json_t *name;

    json_array_foreach(path, i, name)
    {
        const char *k = json_string_value(name);

        if (i == last)
            json_object_set(doc, k, json_object_get(patch, "value"));
        else
            doc = json_is_array(doc) ? json_array_get(doc, strtoul(k, NULL, 10))
                                     : json_object_get(doc, k);
    }
}

Test(seal, documents_change_keys)
{
    char both[160];
    struct zn_sealer *old = sealer(key_a), *fresh = sealer(key_b), *two;
    struct zn_err err = { 0 };
    unsigned lost = 0;
    zn_auto_json doc = json_loads("{\"n\":0.1,\"env\":[{\"key\":\"A\",\"value\":\"one\"},"
                                  "{\"key\":\"B\",\"value\":\"two\"}],\"x\":{\"sealed\":1}}",
                                  0, NULL);
    zn_auto_json clear = json_deep_copy(doc);
    zn_auto_json patches = json_array();

    snprintf(both, sizeof both, "%s\n%s", key_b, key_a);
    two = sealer(both);
    cr_assert_eq(zn_seal_env(old, json_object_get(doc, "env"), &err), 0);
    cr_assert_eq(zn_reseal_json(two, doc, patches, &lost, &err), 0);
    cr_assert_eq(json_array_size(patches), 2);
    for (size_t i = 0; i < 2; i++)
        apply(doc, json_array_get(patches, i));
    json_array_clear(patches);
    cr_assert_eq(zn_reseal_json(two, doc, patches, &lost, &err), 0);
    cr_expect_eq(json_array_size(patches), 0, "the second time there is nothing to do");
    cr_expect_eq(lost, 0);
    cr_assert_eq(zn_reseal_json(old, doc, patches, &lost, &err), 0);
    cr_expect_eq(lost, 2, "values of an unknown key are counted, not changed");
    cr_expect_eq(json_array_size(patches), 0);
    cr_assert_eq(zn_unseal_env(fresh, json_object_get(doc, "env"), &err), 0);
    cr_expect(json_equal(doc, clear));
    zn_sealer_free(old);
    zn_sealer_free(fresh);
    zn_sealer_free(two);
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
