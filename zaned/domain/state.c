#include "zaned/domain/state.h"

#include <string.h>

#include "base/str.h"
#include "zaned/domain/rules.h"

const char *const zn_state_lists[] = { "volumes", "shared_volumes", "env_variables",
                                       "urls",    "ports",          "configs",
                                       NULL };

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

    zn_auto_json left = zn_value_of(a);
    zn_auto_json right = zn_value_of(b);

    return json_equal(left, right);
}

json_t *zn_value_of(const json_t *item)
{
    static const char *const not_asked[] = { "id", "version", "volume" };
    json_t *ret = json_copy((json_t *)(uintptr_t)item);

    for (size_t i = 0; i < sizeof not_asked / sizeof *not_asked; i++)
        json_object_del(ret, not_asked[i]);
    return ret;
}

json_t *zn_state_source(const json_t *state)
{
    json_t *image = json_object_get(state, "image");
    json_t *login = json_object_get(json_object_get(state, "container_registry_credentials"), "id");
    json_t *ret = json_is_string(image) ? json_pack("{s:O}", "image", image) : NULL;

    if (ret && json_is_string(login))
        json_object_set(ret, "container_registry_credentials_id", login);
    return ret;
}

/* --- applying --------------------------------------------------------------------------------------- */

static json_t *with_id(const json_t *value, const char *id)
{
    json_t *ret = json_deep_copy(value);

    if (id)
        json_object_set_new(ret, "id", json_string(id));
    return ret;
}

/* The version of a config grows with each change of its contents. */
static void set_version(json_t *next, const json_t *old)
{
    bool same = old && json_equal(json_object_get(old, "contents"), json_object_get(next, "contents"));

    json_object_set_new(next, "version", json_integer(zn_json_int(old, "version", 0) + !same));
}

static int overlay_item(json_t *list, const json_t *change, struct zn_err *err)
{
    const char *type = zn_json_str(change, "type", ""), *id = zn_json_str(change, "item_id", NULL);
    const char *field = zn_json_str(change, "field", "");
    json_t *next = with_id(json_object_get(change, "new_value"), id), *item;
    bool versioned = strcmp(field, "configs") == 0 && next;
    size_t i;

    if (strcmp(type, "ADD") == 0) {
        if (versioned)
            set_version(next, NULL);
        json_array_append_new(list, next);
        return 0;
    }
    json_array_foreach (list, i, item) {
        if (!id || strcmp(zn_json_str(item, "id", ""), id) != 0)
            continue;
        if (strcmp(type, "DELETE") == 0) {
            json_array_remove(list, i);
            json_decref(next);
            return 0;
        }
        if (versioned)
            set_version(next, item);
        json_array_set_new(list, i, next);
        return 0;
    }
    json_decref(next);
    return zn_fail(err, ZN_CONFLICT, "a change of %s is about an item that does not exist", field);
}

static void overlay_source(json_t *state, const json_t *value)
{
    json_t *image = json_object_get(value, "image");
    json_t *login = json_object_get(value, "container_registry_credentials_id");

    json_object_set_new(state, "image", image ? json_incref(image) : json_null());
    if (login)
        json_object_set_new(state, "container_registry_credentials", json_pack("{s:O}", "id", login));
    else if (json_object_get(state, "container_registry_credentials"))
        json_object_set_new(state, "container_registry_credentials", json_null());
}

static void overlay_single(json_t *state, const char *field, json_t *value)
{
    json_t *old = json_object_get(state, field);

    if (strcmp(field, "source") == 0)
        overlay_source(state, value);
    else if (strcmp(field, "healthcheck") == 0 && json_is_object(value))
        json_object_set_new(state, field, with_id(value, zn_json_str(old, "id", NULL)));
    else if (value)
        json_object_set(state, field, value);
    else
        json_object_set_new(state, field, json_null());
}

/* The list of that name, which a state of an older version may lack. */
static json_t *list_of(json_t *state, const char *field)
{
    if (!json_is_array(json_object_get(state, field)))
        json_object_set_new(state, field, json_array());
    return json_object_get(state, field);
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
        else if (overlay_item(list_of(copy, field), change, err) < 0)
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
    zn_auto_json was = zn_state_source(from);
    zn_auto_json is = zn_state_source(to);

    if (!is)
        is = json_pack("{s:n}", "image");
    if (was ? !json_equal(was, is) : json_is_string(json_object_get(is, "image")))
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
    diff_single(from, to, "resource_limits", ret);
    for (const char *const *l = zn_state_lists; *l; l++) {
        json_array_foreach (json_object_get(from, *l), i, item) {
            const char *id = zn_json_str(item, "id", "");

            if (!zn_state_item(to, *l, id))
                emit(ret, "DELETE", *l, id, item, NULL);
        }
        json_array_foreach (json_object_get(to, *l), i, item) {
            const char *id = zn_json_str(item, "id", NULL);
            json_t *old = id ? zn_state_item(from, *l, id) : NULL;
            zn_auto_json value = zn_value_of(item);

            if (!old)
                emit(ret, "ADD", *l, id, NULL, value);
            else if (!zn_value_same(old, item))
                emit(ret, "UPDATE", *l, id, old, value);
        }
    }
    return ret;
}
