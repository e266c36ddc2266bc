/* Laws of changes over random states and random requests, from a fixed seed:
 *   what is accepted goes together · a change undone is the state before · the difference of two states
 *   leads from one to the other. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/domain/change.h"
#include "zaned/domain/state.h"
#include "zaned/domain/values.h"

enum { CASES = 12000 };
static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

static int taken(void *self, const char *domain, const char *base_path, bool *ret, struct zn_err *err)
{
    (void)self;
    (void)base_path;
    (void)err;
    *ret = strcmp(domain, "d0.test") == 0;
    return 0;
}

static int ask(void *self, enum zn_ask question, const char *what, bool *ret, struct zn_err *err)
{
    (void)self;
    (void)err;
    *ret = question == ZN_ASK_PORT        ? strcmp(what, "8000") == 0
           : question == ZN_ASK_LOGIN     ? strcmp(what, "reg_0") == 0
           : question == ZN_ASK_READ      ? strcmp(what, "i3") == 0
           : strncmp(what, "theirs", 6) != 0;
    return 0;
}

/* --- random values: few of each kind, so that they meet -------------------------------------------- */

static json_t *mounted(const char *member)
{
    return json_pack("{s:o}", member, json_sprintf("/p%u", pick(5)));
}

static json_t *random_value(const char *field)
{
    json_t *v = NULL;

    if (strcmp(field, "source") == 0) {
        v = json_pack("{s:o}", "image", json_sprintf("app:%u", pick(3)));
        if (pick(2))
            json_object_set_new(v, "container_registry_credentials_id", json_sprintf("reg_%u", pick(3)));
    } else if (strcmp(field, "command") == 0) {
        v = pick(3) ? json_sprintf("run %u", pick(3)) : json_null();
    } else if (strcmp(field, "healthcheck") == 0) {
        v = pick(3) ? json_pack("{s:s,s:o,s:i}", "type", "PATH", "value", json_sprintf("/h%u", pick(3)),
                                "associated_port", 80)
                    : json_null();
    } else if (strcmp(field, "resource_limits") == 0) {
        v = pick(3) ? json_pack("{s:f,s:{s:i}}", "cpus", 0.5 + pick(6), "memory", "value", 4 + pick(9))
                    : json_object();
    } else if (strcmp(field, "volumes") == 0) {
        v = mounted("container_path");
        if (pick(3) == 0)
            json_object_set_new(v, "host_path", json_sprintf("/srv/h%u", pick(3)));
    } else if (strcmp(field, "shared_volumes") == 0) {
        v = mounted("container_path");
        json_object_set_new(v, "volume_id", json_sprintf("theirs%u", pick(3)));
    } else if (strcmp(field, "configs") == 0) {
        v = mounted("mount_path");
        json_object_set_new(v, "contents", json_sprintf("text %u", pick(3)));
    } else if (strcmp(field, "env_variables") == 0) {
        v = json_pack("{s:o,s:o}", "key", json_sprintf("K%u", pick(4)), "value",
                      json_sprintf("%u", pick(3)));
    } else if (strcmp(field, "ports") == 0) {
        v = json_pack("{s:i,s:i}", "host", 8000 + pick(4), "forwarded", 80 + pick(2));
    } else {
        v = json_pack("{s:o,s:i}", "domain", json_sprintf("%sd%u.test", pick(4) ? "" : "*.", pick(4)),
                      "associated_port", 80 + pick(2));
    }
    return v;
}

static json_t *random_request(const json_t *state)
{
    const struct zn_change_table *t = &zn_change_tables[pick((unsigned)zn_change_ntables)];
    const json_t *list = json_object_get(state, t->field);
    unsigned kind = pick(4);
    json_t *ret = json_pack("{s:s,s:o}", "field", t->field, "new_value", random_value(t->field));

    if (!t->list)
        return ret;
    if (kind < 2 || !json_array_size(list)) {
        json_object_set_new(ret, "type", json_string("ADD"));
        return ret;
    }
    json_object_set_new(ret, "type", json_string(kind == 2 ? "UPDATE" : "DELETE"));
    json_object_set(ret, "item_id",
                    json_object_get(json_array_get(list, pick((unsigned)json_array_size(list))), "id"));
    return ret;
}

/* --- the platform's part: changes wait, then are applied ------------------------------------------- */

struct world {
    struct zn_arena arena;
    struct zn_state_rules rules;
    unsigned ids;
};

static void drop(json_t *pending, const char *id)
{
    size_t i;
    json_t *c;

    json_array_foreach (pending, i, c)
        if (id && strcmp(zn_json_str(c, "id", ""), id) == 0) {
            json_array_remove(pending, i);
            return;
        }
}

/* Asks for `n` random changes; what is accepted waits in the result. An item that is added gets its id at
 * once, so that it can be undone by it. */
static json_t *random_changes(struct world *w, const json_t *state, unsigned n)
{
    json_t *pending = json_array();

    while (n--) {
        zn_auto_json request = random_request(state);
        zn_auto_json change = NULL;
        struct zn_change_plan plan;
        struct zn_err err = { 0 };

        if (zn_change_parse(&w->arena, request, &change, &err) < 0)
            continue;
        if (zn_change_check(&w->rules, state, pending, "made-up.test", change, &plan, &err) < 0) {
            cr_assert_eq(err.code, ZN_INVALID, "%s", err.msg);
            continue;
        }
        drop(pending, plan.replaces);
        if (!plan.store)
            continue;
        json_object_set_new(change, "id", json_sprintf("c%u", w->ids));
        if (strcmp(zn_json_str(change, "type", ""), "ADD") == 0)
            json_object_set_new(change, "item_id", json_sprintf("i%u", w->ids));
        w->ids++;
        json_array_append(pending, change);
    }
    return pending;
}

static json_t *overlaid(const json_t *state, const json_t *changes)
{
    struct zn_err err = { 0 };
    json_t *ret = NULL;

    cr_assert_eq(zn_state_overlay(state, changes, &ret, &err), 0, "%s", err.msg);
    return ret;
}

static json_t *random_state(struct world *w, unsigned rounds)
{
    json_t *state = json_pack("{s:s,s:n,s:n,s:n,s:n}", "image", "app:1", "command", "healthcheck",
                              "resource_limits", "container_registry_credentials");

    for (const char *const *l = zn_state_lists; *l; l++)
        json_object_set_new(state, *l, json_array());
    while (rounds--) {
        zn_auto_json changes = random_changes(w, state, 6);
        json_t *next = overlaid(state, changes);

        json_decref(state);
        state = next;
    }
    return state;
}

/* --- comparing: order of items and versions of configs do not count ---------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp(zn_json_str(*(json_t *const *)a, "id", ""), zn_json_str(*(json_t *const *)b, "id", ""));
}

static char *canonical(const json_t *state)
{
    zn_auto_json copy = json_deep_copy(state);

    for (const char *const *l = zn_state_lists; *l; l++) {
        json_t *list = json_object_get(copy, *l), *item, *sorted = json_array(), *order[64];
        size_t i, n = json_array_size(list);

        cr_assert_leq(n, 64);
        json_array_foreach (list, i, item) {
            json_object_del(item, "version");
            order[i] = item;
        }
        qsort(order, n, sizeof *order, by_id);
        for (i = 0; i < n; i++)
            json_array_append(sorted, order[i]);
        json_object_set_new(copy, *l, sorted);
    }
    return json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
}

static void equal(const json_t *got, const json_t *want, const char *law, int n)
{
    char *a = canonical(got), *b = canonical(want);

    cr_assert_str_eq(a, b, "%s, case %d:\n%s\nis not\n%s", law, n, a, b);
    free(a);
    free(b);
}

/* The changes that take these back: last one first, each the other way round. */
static json_t *undone(const json_t *changes)
{
    json_t *ret = json_array();

    for (size_t i = json_array_size(changes); i-- > 0;) {
        json_t *c = json_copy(json_array_get(changes, i)), *old = json_object_get(c, "old_value");
        const char *type = zn_json_str(c, "type", "");
        zn_auto_json new_value = json_incref(json_object_get(c, "new_value"));

        if (strcmp(type, "UPDATE") != 0)
            json_object_set_new(c, "type", json_string(strcmp(type, "ADD") == 0 ? "DELETE" : "ADD"));
        json_object_set(c, "new_value", old);
        json_object_set(c, "old_value", new_value);
        json_array_append_new(ret, c);
    }
    return ret;
}

static void one_case(int n)
{
    struct world w = { .arena = { .limit = 8 << 20 } };
    struct zn_err err = { 0 };

    w.rules = (struct zn_state_rules){ .arena = &w.arena, .root_domain = "root.test", .app_domain = "d1.test",
                                       .url_taken = taken, .ask = ask, .max_cpus = 4,
                                       .max_memory_bytes = 10 << 20 };
    zn_auto_json x = random_state(&w, pick(3));
    zn_auto_json changes = random_changes(&w, x, 1 + pick(8));
    zn_auto_json y = overlaid(x, changes);
    cr_assert_eq(zn_state_check(&w.rules, y, &err), 0, "accepted, but in conflict, case %d: %s", n, err.msg);

    zn_auto_json back = undone(changes);
    zn_auto_json again = overlaid(y, back);
    equal(again, x, "a change undone is the state before", n);

    zn_auto_json z = pick(2) ? random_state(&w, 2) : json_incref(y);
    zn_auto_json there = zn_state_diff(x, z);
    zn_auto_json reached = overlaid(x, there);
    equal(reached, z, "the difference leads from one to the other", n);
    zn_auto_json home = zn_state_diff(z, x);
    zn_auto_json returned = overlaid(z, home);
    equal(returned, x, "and back", n);
    zn_auto_json none = zn_state_diff(z, z);
    cr_assert_eq(json_array_size(none), 0, "case %d", n);
    zn_arena_done(&w.arena);
}

Test(state_laws, hold_for_random_states_and_changes, .timeout = 120)
{
    for (int n = 0; n < CASES; n++) {
        seed = 0x9e3779b97f4a7c15ULL + (uint64_t)n * 0xbf58476d1ce4e5b9ULL;
        one_case(n);
    }
}

/* The version of a config grows with its contents only. */
Test(state_laws, versions_of_configs)
{
    zn_auto_json state = json_pack("{s:[{s:s,s:s,s:s,s:i}]}", "configs", "id", "cf_1", "mount_path", "/a",
                                   "contents", "one", "version", 4);
    zn_auto_json moved = json_pack("[{s:s,s:s,s:s,s:{s:s,s:s}}]", "type", "UPDATE", "field", "configs",
                                   "item_id", "cf_1", "new_value", "mount_path", "/b", "contents", "one");
    zn_auto_json other = json_pack("[{s:s,s:s,s:s,s:{s:s,s:s}}]", "type", "UPDATE", "field", "configs",
                                   "item_id", "cf_1", "new_value", "mount_path", "/b", "contents", "two");
    zn_auto_json a = overlaid(state, moved);
    zn_auto_json b = overlaid(state, other);

    cr_expect_eq(zn_json_int(json_array_get(json_object_get(a, "configs"), 0), "version", 0), 4);
    cr_expect_eq(zn_json_int(json_array_get(json_object_get(b, "configs"), 0), "version", 0), 5);
}
