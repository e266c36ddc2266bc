#include "zaned/domain/state.h"

#include <string.h>

#include "base/str.h"
#include "zaned/domain/rules.h"

const char *const zn_state_lists[] = { "volumes", "env_variables", "urls", NULL };

bool zn_state_is_list(const char *field)
{
    for (const char *const *l = zn_state_lists; *l; l++)
        if (strcmp(*l, field) == 0)
            return true;
    return false;
}

json_t *zn_state_item(const json_t *state, const char *field, const char *id)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(state, field), i, item)
        if (strcmp(zn_json_str(item, "id", ""), id) == 0)
            return item;
    return NULL;
}

bool zn_value_same(const json_t *a, const json_t *b)
{
    if (!a || !b || json_is_null(a) || json_is_null(b))
        return (!a || json_is_null(a)) && (!b || json_is_null(b));
    if (!json_is_object(a) || !json_is_object(b))
        return json_equal(a, b);

    zn_auto_json left = json_copy((json_t *)(uintptr_t)a);
    zn_auto_json right = json_copy((json_t *)(uintptr_t)b);

    json_object_del(left, "id");
    json_object_del(right, "id");
    return json_equal(left, right);
}

/* --- applying --------------------------------------------------------------------------------------- */

static json_t *with_id(const json_t *value, const char *id)
{
    json_t *ret = json_deep_copy(value);

    if (id)
        json_object_set_new(ret, "id", json_string(id));
    return ret;
}

static int overlay_item(json_t *list, const json_t *change, struct zn_err *err)
{
    const char *type = zn_json_str(change, "type", ""), *id = zn_json_str(change, "item_id", NULL);
    const json_t *value = json_object_get(change, "new_value");
    size_t i;
    json_t *item;

    if (strcmp(type, "ADD") == 0) {
        json_array_append_new(list, with_id(value, id));
        return 0;
    }
    json_array_foreach (list, i, item) {
        if (!id || strcmp(zn_json_str(item, "id", ""), id) != 0)
            continue;
        if (strcmp(type, "DELETE") == 0)
            json_array_remove(list, i);
        else
            json_array_set_new(list, i, with_id(value, id));
        return 0;
    }
    return zn_fail(err, ZN_CONFLICT, "a change of %s is about an item that does not exist",
                   zn_json_str(change, "field", ""));
}

static void overlay_single(json_t *state, const char *field, json_t *value)
{
    json_t *old = json_object_get(state, field);

    if (strcmp(field, "source") == 0) {
        json_object_set(state, "image", json_object_get(value, "image"));
    } else if (strcmp(field, "healthcheck") == 0 && json_is_object(value)) {
        json_object_set_new(state, field, with_id(value, zn_json_str(old, "id", NULL)));
    } else if (value) {
        json_object_set(state, field, value);
    } else {
        json_object_set_new(state, field, json_null());
    }
}

int zn_state_overlay(const json_t *state, const json_t *changes, json_t **ret, struct zn_err *err)
{
    zn_auto_json copy = json_deep_copy(state);
    size_t i;
    json_t *change;

    if (!copy)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    json_array_foreach (changes, i, change) {
        const char *field = zn_json_str(change, "field", "");

        if (!zn_state_is_list(field))
            overlay_single(copy, field, json_object_get(change, "new_value"));
        else if (overlay_item(json_object_get(copy, field), change, err) < 0)
            return -1;
    }
    *ret = ZN_TAKE(copy);
    return 0;
}

/* --- difference ------------------------------------------------------------------------------------- */

static json_t *ref_or_null(json_t *v)
{
    return v ? json_incref(v) : json_null();
}

static void emit(json_t *into, const char *type, const char *field, const char *item_id,
                 json_t *old_value, json_t *new_value)
{
    json_array_append_new(into, json_pack("{s:s,s:s,s:s?,s:o,s:o}", "type", type, "field", field,
                                          "item_id", item_id, "old_value", ref_or_null(old_value),
                                          "new_value", ref_or_null(new_value)));
}

static void diff_single(const json_t *from, const json_t *to, const char *field, json_t *into)
{
    json_t *old = json_object_get(from, field), *new = json_object_get(to, field);

    if (!zn_value_same(old, new))
        emit(into, "UPDATE", field, NULL, old, new);
}

static void diff_source(const json_t *from, const json_t *to, json_t *into)
{
    json_t *old = json_object_get(from, "image"), *new = json_object_get(to, "image");

    if (zn_value_same(old, new))
        return;
    zn_auto_json was = json_is_string(old) ? json_pack("{s:O}", "image", old) : NULL;
    zn_auto_json is = json_pack("{s:o}", "image", ref_or_null(new));

    emit(into, "UPDATE", "source", NULL, was, is);
}

json_t *zn_state_diff(const json_t *from, const json_t *to)
{
    json_t *ret = json_array();
    size_t i;
    json_t *item;

    diff_source(from, to, ret);
    diff_single(from, to, "command", ret);
    diff_single(from, to, "healthcheck", ret);
    for (const char *const *l = zn_state_lists; *l; l++) {
        json_array_foreach (json_object_get(from, *l), i, item) {
            const char *id = zn_json_str(item, "id", "");

            if (!zn_state_item(to, *l, id))
                emit(ret, "DELETE", *l, id, item, NULL);
        }
        json_array_foreach (json_object_get(to, *l), i, item) {
            const char *id = zn_json_str(item, "id", NULL);
            json_t *old = id ? zn_state_item(from, *l, id) : NULL;

            if (!old)
                emit(ret, "ADD", *l, id, NULL, item);
            else if (!zn_value_same(old, item))
                emit(ret, "UPDATE", *l, id, old, item);
        }
    }
    return ret;
}

/* --- conflicts -------------------------------------------------------------------------------------- */

static bool same_text(const json_t *a, const json_t *b, const char *member)
{
    const char *left = zn_json_str(a, member, NULL), *right = zn_json_str(b, member, NULL);

    return left && right && strcmp(left, right) == 0;
}

static const struct zn_conflict *beside(const char *field, const json_t *item, const json_t *other,
                                        bool adding)
{
    static const struct zn_conflict key = { "key", "Another variable of this service has this key." };
    static const struct zn_conflict path = { "container_path",
                                             "Another volume of this service has this path." };
    static const struct zn_conflict host = { "host_path",
                                             "Another volume of this service has this host path." };
    static const struct zn_conflict url = { "domain",
                                            "This service already has a URL with this domain and "
                                            "base path." };
    static const struct zn_conflict covered = { "domain", "A wildcard URL of this service already "
                                                          "answers for this domain." };

    if (strcmp(field, "env_variables") == 0)
        return same_text(item, other, "key") ? &key : NULL;
    if (strcmp(field, "volumes") == 0)
        return same_text(item, other, "container_path") ? &path
               : same_text(item, other, "host_path")    ? &host
                                                        : NULL;
    if (!same_text(item, other, "base_path"))
        return NULL;
    if (same_text(item, other, "domain"))
        return &url;
    return adding && zn_domain_covers(zn_json_str(other, "domain", ""),
                                      zn_json_str(item, "domain", ""))
               ? &covered
               : NULL;
}

static int url_conflict(const struct zn_state_rules *r, const json_t *item, struct zn_conflict *ret,
                        struct zn_err *err)
{
    const char *domain = zn_json_str(item, "domain", "");
    const char *why = zn_domain_reserved(domain, r->root_domain, r->app_domain);
    bool taken = false;

    if (!why) {
        if (r->url_taken(r->self, domain, zn_json_str(item, "base_path", "/"), &taken, err) < 0)
            return -1;
        why = taken ? "Another service has this domain and base path, or a wildcard over it." : NULL;
    }
    if (!why)
        return 0;
    *ret = (struct zn_conflict){ "domain", why };
    return 1;
}

int zn_state_conflict(const struct zn_state_rules *rules, const json_t *state, const char *field,
                      const json_t *item, const json_t *self, bool adding, struct zn_conflict *ret,
                      struct zn_err *err)
{
    const json_t *list = json_object_get(state, field);
    size_t i;
    json_t *other;

    json_array_foreach (list, i, other) {
        const struct zn_conflict *c = other == self ? NULL : beside(field, item, other, adding);

        if (c) {
            *ret = *c;
            return 1;
        }
    }
    if (!self && json_array_size(list) >= ZN_MAX_ITEMS) {
        *ret = (struct zn_conflict){ "non_field_errors", "A service has at most 200 of these." };
        return 1;
    }
    return strcmp(field, "urls") == 0 ? url_conflict(rules, item, ret, err) : 0;
}

int zn_state_check(const struct zn_state_rules *rules, const json_t *state, struct zn_err *err)
{
    size_t i;
    json_t *item;

    if (!zn_json_str(state, "image", NULL))
        return zn_fail(err, ZN_CONFLICT, "the service would be left without an image");
    for (const char *const *l = zn_state_lists; *l; l++)
        json_array_foreach (json_object_get(state, *l), i, item) {
            struct zn_conflict c;
            int r = zn_state_conflict(rules, state, *l, item, item, false, &c, err);

            if (r < 0)
                return -1;
            if (r > 0)
                return zn_fail(err, ZN_CONFLICT, "%s, %s: %s", *l, c.attr, c.msg);
        }
    return 0;
}
