/* Answers kept in memory: by generation, bounded, the least recently used goes first. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "zaned/api/cache.h"

static const int64_t LONG_MS = 60000;

static void keep(struct zn_cache *c, const char *key, uint64_t seen, size_t n)
{
    struct zn_blob *b = zn_blob_new(n);

    memset(b->bytes, *key, n);
    zn_cache_put(c, key, seen, LONG_MS, b);
    zn_blob_unref(b);
}

static bool has(struct zn_cache *c, const char *key)
{
    struct zn_blob *b = zn_cache_get(c, key);
    bool found = b;

    cr_assert(!b || b->bytes[0] == *key);
    zn_blob_unref(b);
    return found;
}

Test(cache, keeps_nothing_until_changes_can_be_heard_of)
{
    struct zn_cache *c = zn_cache_new(1 << 20);

    keep(c, "a", zn_cache_generation(c), 10);
    cr_assert_not(has(c, "a"));
    zn_cache_trust(c, true);
    keep(c, "a", zn_cache_generation(c), 10);
    cr_assert(has(c, "a"));
    zn_cache_trust(c, false);
    cr_assert_not(has(c, "a"));
    keep(c, "a", zn_cache_generation(c), 10);
    cr_assert_not(has(c, "a"));
    zn_cache_free(c);
}

Test(cache, what_was_read_before_a_change_is_not_kept_after_it)
{
    struct zn_cache *c = zn_cache_new(1 << 20);

    zn_cache_trust(c, true);
    uint64_t seen = zn_cache_generation(c);
    keep(c, "a", seen, 10);
    zn_cache_raise(c);
    cr_assert_not(has(c, "a"));
    keep(c, "a", seen, 10);
    cr_assert_not(has(c, "a"), "its query began before the change");
    keep(c, "a", zn_cache_generation(c), 10);
    cr_assert(has(c, "a"));
    zn_cache_free(c);
}

Test(cache, trust_that_was_lost_in_between_is_a_change)
{
    struct zn_cache *c = zn_cache_new(1 << 20);

    zn_cache_trust(c, true);
    uint64_t seen = zn_cache_generation(c);
    zn_cache_trust(c, false);
    zn_cache_trust(c, true);
    keep(c, "a", seen, 10);
    cr_assert_not(has(c, "a"));
    zn_cache_free(c);
}

Test(cache, the_least_recently_used_goes_first_and_the_bound_holds)
{
    struct zn_cache *c = zn_cache_new(64 << 10);
    char key[16];
    int left = 0;

    zn_cache_trust(c, true);
    keep(c, "z", zn_cache_generation(c), 4096);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        keep(c, key, zn_cache_generation(c), 4096);
        cr_assert(has(c, "z"), "it is used each time");
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        left += has(c, key);
    }
    cr_assert(left >= 10 && left <= 15, "%d of 4 KiB are left in 64 KiB", left);
    cr_assert(has(c, "k99"));
    cr_assert_not(has(c, "k0"));
    keep(c, "y", zn_cache_generation(c), 32 << 10);
    cr_assert_not(has(c, "y"), "one answer has at most a quarter");
    zn_cache_free(c);
}

Test(cache, an_answer_that_is_being_sent_outlives_its_place)
{
    struct zn_cache *c = zn_cache_new(1 << 20);

    zn_cache_trust(c, true);
    keep(c, "a", zn_cache_generation(c), 10);
    struct zn_blob *b = zn_cache_get(c, "a");
    zn_cache_raise(c);
    cr_assert_eq(b->bytes[9], 'a');
    zn_blob_unref(b);
    zn_cache_free(c);
}

Test(cache, it_ends_with_its_time)
{
    struct zn_cache *c = zn_cache_new(1 << 20);
    struct zn_blob *b = zn_blob_new(1);

    b->bytes[0] = 'a';
    zn_cache_trust(c, true);
    zn_cache_put(c, "a", zn_cache_generation(c), 1, b);
    zn_blob_unref(b);
    zn_pause_ms(10);
    cr_assert_not(has(c, "a"));
    zn_cache_free(c);
}

Test(cache, no_cache_keeps_nothing)
{
    cr_assert_null(zn_cache_get(NULL, "a"));
    zn_cache_raise(NULL);
    cr_assert_eq(zn_cache_generation(NULL), 0u);
    keep(NULL, "a", 0, 1);
}
