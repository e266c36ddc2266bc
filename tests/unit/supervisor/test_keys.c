/* The files of the encryption key through a change, and through changes that were cut off. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "supervisor/secrets.h"

static const char old_key[] = "0123456789abcdef0123456789abcdef";
static char dir[64];

static void path_of(const char *name, char ret[160])
{
    snprintf(ret, 160, "%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
    struct zn_err err = { 0 };
    char path[160];

    path_of(name, path);
    cr_assert_eq(zn_write_file(path, text, strlen(text), 0600, &err), 0, "%s", err.msg);
}

static char *get(const char *name)
{
    struct zn_err err = { 0 };
    char path[160], *text = NULL;

    path_of(name, path);
    return zn_read_line_file(path, &text, &err) == 0 ? text : NULL;
}

static void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/zn-keys-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    put("encryption_key", old_key);
}

static unsigned count(bool *next)
{
    struct zn_err err = { 0 };
    unsigned n = 0;

    cr_assert_eq(zn_key_count(dir, &n, next, &err), 0, "%s", err.msg);
    return n;
}

TestSuite(keys, .init = begin, .timeout = 10);

Test(keys, learned_then_turned_then_dropped)
{
    struct zn_err err = { 0 };
    bool next;
    struct stat st;
    char path[160];

    cr_expect_eq(count(&next), 1);
    cr_expect(!next);
    cr_assert_eq(zn_key_learn(dir, &err), 0);
    char *learned = get("encryption_key"), *fresh = get("encryption_key.next");
    cr_assert(learned && fresh && strlen(fresh) == 64);
    cr_expect_eq(strncmp(learned, old_key, strlen(old_key)), 0, "the old one still seals");
    cr_expect_str_eq(learned + strlen(old_key) + 1, fresh);
    cr_expect_eq(zn_key_drop(dir, &err), -1, "not in the middle");
    cr_expect_eq(err.code, ZN_CONFLICT);
    cr_assert_eq(zn_key_turn(dir, &err), 0);
    char *turned = get("encryption_key");
    cr_expect_eq(strncmp(turned, fresh, 64), 0);
    cr_expect_str_eq(turned + 65, old_key);
    cr_expect_null(get("encryption_key.next"));
    cr_expect_eq(count(&next), 2);
    cr_expect(!next);
    cr_assert_eq(zn_key_drop(dir, &err), 0);
    cr_expect_str_eq(get("encryption_key"), fresh);
    path_of("encryption_key", path);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(keys, each_step_can_be_repeated)
{
    struct zn_err err = { 0 };

    cr_assert_eq(zn_key_learn(dir, &err), 0);
    char *once = get("encryption_key"), *fresh = get("encryption_key.next");
    cr_assert_eq(zn_key_learn(dir, &err), 0);
    cr_expect_str_eq(get("encryption_key"), once);
    /* Cut off between the two files: first before the append, then after the turn. */
    put("encryption_key", old_key);
    cr_assert_eq(zn_key_learn(dir, &err), 0);
    cr_expect_str_eq(get("encryption_key"), once, "the same new key");
    cr_assert_eq(zn_key_turn(dir, &err), 0);
    char *turned = get("encryption_key");
    put("encryption_key.next", fresh);
    cr_assert_eq(zn_key_turn(dir, &err), 0);
    cr_expect_str_eq(get("encryption_key"), turned, "not turned back");
    cr_assert_eq(zn_key_turn(dir, &err), 0);
    cr_expect_str_eq(get("encryption_key"), turned);
}

Test(keys, there_is_an_end_to_old_ones)
{
    struct zn_err err = { 0 };
    bool next;

    for (int i = 1; i < ZN_SECRET_KEYS; i++) {
        cr_assert_eq(zn_key_learn(dir, &err), 0, "%s", err.msg);
        cr_assert_eq(zn_key_turn(dir, &err), 0);
    }
    cr_expect_eq(count(&next), ZN_SECRET_KEYS);
    cr_expect_eq(zn_key_learn(dir, &err), -1);
    cr_expect_eq(err.code, ZN_CONFLICT);
}

Test(keys, files_that_others_read_are_refused)
{
    struct zn_err err = { 0 };
    char path[160];

    path_of("encryption_key", path);
    chmod(path, 0644);
    cr_expect_eq(zn_key_learn(dir, &err), -1);
    cr_expect_eq(err.code, ZN_DENIED);
}
