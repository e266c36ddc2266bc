#include "zaned/domain/change.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/domain/values.h"

void zn_fields_prefix(struct zn_arena *a, struct zn_err *err, unsigned from, const char *prefix)
{
    for (unsigned i = from; i < err->nfields; i++) {
        const char *path = zn_arena_printf(a, "%s.%s", prefix, err->fields[i].path);

        if (path)
            err->fields[i].path = path;
    }
}

bool zn_field_rule(struct zn_err *err, const char *path, const char *(*rule)(const void *),
                   const char *text)
{
    const char *bad = rule(&text);

    if (bad)
        zn_field_err(err, path, "invalid", bad);
    return !bad;
}

/* --- the request ------------------------------------------------------------------------------------ */

struct change_in {
    const char *type, *field, *item_id;
    json_t *new_value;
};
static const char *const types[] = { "ADD", "UPDATE", "DELETE", NULL };
/* In the order of zn_change_tables. */
static const char *const field_names[] = {
    "source",         "command",       "healthcheck", "resource_limits", "volumes",
    "shared_volumes", "env_variables", "urls",        "ports",           "configs",
    NULL,
};
const struct zn_jfield zn_change_fields[ZN_CHANGE_NFIELDS] = {
    ZN_J(change_in, field, STR, .required = true, .min = 1, .choices = field_names),
    ZN_J(change_in, type, STR, .min = 1, .choices = types),
    ZN_J(change_in, item_id, STR, .nullable = true, .min = 1, .max = 255, .check = zn_rule_name),
    ZN_J(change_in, new_value, JSON),
};

static void check_head(const struct change_in *in, struct zn_err *err)
{
    bool list = zn_state_is_list(in->field);

    if (list && !in->type)
        zn_field_err(err, "type", "required", "This field is required.");
    if (!list && in->type && strcmp(in->type, "UPDATE") != 0)
        zn_field_err(err, "type", "invalid_choice", "This field only knows UPDATE.");
    if (list && in->type && strcmp(in->type, "ADD") != 0 && !in->item_id)
        zn_field_err(err, "item_id", "invalid", "UPDATE and DELETE need the id of the item.");
    if (list && in->type && strcmp(in->type, "ADD") == 0 && in->item_id)
        zn_field_err(err, "item_id", "invalid", "ADD makes a new item, which has no id yet.");
}

static json_t *parse_value(struct zn_arena *a, const struct change_in *in, struct zn_err *err)
{
    unsigned before = err->nfields;
    json_t *value;

    if (!in->new_value || (json_is_null(in->new_value) && zn_state_is_list(in->field))) {
        zn_field_err(err, "new_value", "required", "This field is required.");
        return NULL;
    }
    value = zn_change_table(in->field)->parse(a, in->new_value, err);
    for (unsigned i = before; i < err->nfields; i++)
        err->fields[i].path = *err->fields[i].path
                                  ? zn_arena_printf(a, "new_value.%s", err->fields[i].path)
                                  : "new_value";
    return value;
}

int zn_change_parse(struct zn_arena *a, json_t *body, json_t **ret, struct zn_err *err)
{
    struct change_in in = { 0 };
    zn_auto_json value = NULL;

    if (zn_json_decode(a, body, zn_change_fields, ZN_CHANGE_NFIELDS, &in, NULL, err) < 0)
        return -1;
    check_head(&in, err);
    if (in.type && strcmp(in.type, "DELETE") == 0)
        value = json_null();
    else
        value = parse_value(a, &in, err);
    if (err->nfields || !value)
        return zn_fail(err, ZN_INVALID, "the change has invalid fields");
    *ret = json_pack("{s:s,s:s,s:s?,s:n,s:O}", "type", in.type ? in.type : "UPDATE", "field",
                     in.field, "item_id", in.item_id, "old_value", "new_value", value);
    return *ret ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

/* --- against the service ---------------------------------------------------------------------------- */

static int field_failure(struct zn_err *err, const char *path, const char *msg)
{
    zn_field_err(err, path, "invalid", msg);
    return zn_fail(err, ZN_INVALID, "the change does not fit the service");
}

/* 1 if there was a conflict: a field error. */
static int conflict_failure(const struct zn_state_rules *r, const char *prefix,
                            const struct zn_conflict *c, struct zn_err *err)
{
    const char *path = zn_arena_printf(r->arena, "%s.%s", prefix, c->attr);

    return field_failure(err, path ? path : prefix, c->msg);
}

static int check_single(const struct zn_state_rules *r, const json_t *live, const json_t *pending,
                        json_t *change, struct zn_change_plan *plan, struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", "");
    json_t *new_value = json_object_get(change, "new_value"), *other;
    bool source = strcmp(field, "source") == 0;
    zn_auto_json old = source ? zn_state_source(live) : json_deep_copy(json_object_get(live, field));
    struct zn_conflict c;
    size_t i;
    int bad = zn_single_conflict(r, field, new_value, &c, err);

    if (bad)
        return bad < 0 ? -1 : conflict_failure(r, "new_value", &c, err);
    json_array_foreach (pending, i, other)
        if (strcmp(zn_json_str(other, "field", ""), field) == 0)
            plan->replaces = zn_json_str(other, "id", NULL);
    plan->store = !zn_value_same(old, new_value);
    json_object_set_new(change, "old_value", old ? ZN_TAKE(old) : json_null());
    return 0;
}

/* The item that an UPDATE or DELETE is about. */
static int find_item(const json_t *live, const json_t *pending, const json_t *change,
                     const json_t **ret, struct zn_err *err)
{
    const char *id = zn_json_str(change, "item_id", "");
    size_t i;
    json_t *other;

    *ret = zn_state_item(live, zn_json_str(change, "field", ""), id);
    if (!*ret)
        return field_failure(err, "item_id", "The service has no such item.");
    json_array_foreach (pending, i, other)
        if (strcmp(zn_json_str(other, "item_id", ""), id) == 0)
            return field_failure(err, "item_id",
                                 "A change of this item is waiting already: cancel it first.");
    return 0;
}

/* Fills in what the request left out: from the old item, or made up. */
static int complete(const struct zn_state_rules *r, const char *field, const json_t *old,
                    const char *default_domain, json_t *value, struct zn_err *err)
{
    bool named = strcmp(field, "volumes") == 0 || strcmp(field, "configs") == 0;
    const char *member = named ? "name" : strcmp(field, "urls") == 0 ? "domain" : NULL;

    if (old && strcmp(field, "volumes") == 0 &&
        !zn_json_str(old, "host_path", NULL) != !zn_json_str(value, "host_path", NULL))
        return field_failure(err, "new_value.host_path",
                             "A host path cannot be added to or taken from a volume.");
    if (!member || zn_json_str(value, member, NULL))
        return 0;
    const char *text = old                           ? zn_json_str(old, member, "")
                       : strcmp(member, "name") == 0 ? zn_new_slug(r->arena)
                                                     : default_domain;
    return json_object_set_new(value, member, json_string(text ? text : ""));
}

static int check_delete(const struct zn_state_rules *r, const char *field, const json_t *old,
                        struct zn_err *err)
{
    bool read = false;

    if (strcmp(field, "volumes") != 0 || !r->ask)
        return 0;
    if (r->ask(r->self, ZN_ASK_READ, zn_json_str(old, "id", ""), &read, err) < 0)
        return -1;
    return read ? field_failure(err, "item_id",
                                "Another service reads this volume: end that sharing first.")
                : 0;
}

static int check_item(const struct zn_state_rules *r, const json_t *live, const json_t *pending,
                      const char *default_domain, json_t *change, struct zn_change_plan *plan,
                      struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", ""), *type = zn_json_str(change, "type", "");
    bool adding = strcmp(type, "ADD") == 0;
    json_t *value = json_object_get(change, "new_value");
    const json_t *old = NULL;
    zn_auto_json after = NULL;
    struct zn_conflict c;

    if (!adding && find_item(live, pending, change, &old, err) < 0)
        return -1;
    if (old)
        json_object_set_new(change, "old_value", json_deep_copy(old));
    plan->store = true;
    if (strcmp(type, "DELETE") == 0)
        return check_delete(r, field, old, err);
    if (complete(r, field, old, default_domain, value, err) < 0)
        return -1;
    if (old && zn_value_same(old, value)) {
        plan->store = false;
        return 0;
    }
    if (zn_state_overlay(live, pending, &after, err) < 0)
        return -1;
    const json_t *self = old ? zn_state_item(after, field, zn_json_str(old, "id", "")) : NULL;
    int bad = zn_state_conflict(r, after, field, value, self, adding, &c, err);
    return bad <= 0 ? bad : conflict_failure(r, "new_value", &c, err);
}

int zn_change_check(const struct zn_state_rules *rules, const json_t *live, const json_t *pending,
                    const char *default_domain, json_t *change, struct zn_change_plan *ret,
                    struct zn_err *err)
{
    struct zn_change_plan plan = { 0 };
    int r = zn_state_is_list(zn_json_str(change, "field", ""))
                ? check_item(rules, live, pending, default_domain, change, &plan, err)
                : check_single(rules, live, pending, change, &plan, err);

    if (r == 0)
        *ret = plan;
    return r;
}

/* --- variables from a text -------------------------------------------------------------------------- */

static json_t *variable_change(const char *type, const json_t *old, const json_t *value)
{
    const char *id = zn_json_str(old, "id", NULL);

    return json_pack("{s:s,s:s,s:s?,s:o,s:o}", "type", type, "field", "env_variables", "item_id", id,
                     "old_value", old ? json_deep_copy(old) : json_null(), "new_value",
                     json_deep_copy(value));
}

/* The waiting change of a variable that is about this item, or that gives a variable this key. */
static const json_t *waiting_variable(const json_t *pending, const char *item_id, const char *key)
{
    size_t i;
    json_t *c;

    json_array_foreach (pending, i, c) {
        const json_t *value = json_object_get(c, "new_value");

        if (strcmp(zn_json_str(c, "field", ""), "env_variables") == 0 &&
            (item_id ? strcmp(zn_json_str(c, "item_id", ""), item_id) == 0
                     : strcmp(zn_json_str(value, "key", ""), key) == 0))
            return c;
    }
    return NULL;
}

static const json_t *variable(const json_t *live, const char *key)
{
    size_t i;
    json_t *v;

    json_array_foreach (json_object_get(live, "env_variables"), i, v)
        if (strcmp(zn_json_str(v, "key", ""), key) == 0)
            return v;
    return NULL;
}

static void want_variable(const json_t *live, const json_t *pending, const json_t *value, json_t *changes,
                          json_t *replaced)
{
    const char *key = zn_json_str(value, "key", "");
    const json_t *waiting = waiting_variable(pending, NULL, key), *item = NULL;

    if (waiting) {
        const char *id = zn_json_str(waiting, "item_id", NULL);

        item = id ? zn_state_item(live, "env_variables", id) : NULL;
    } else if ((item = variable(live, key))) {
        waiting = waiting_variable(pending, zn_json_str(item, "id", ""), key);
        if (waiting && strcmp(zn_json_str(waiting, "type", ""), "UPDATE") == 0)
            item = waiting = NULL; /* it gets another key: this one is free */
    }
    if (waiting)
        json_array_append(replaced, json_object_get(waiting, "id"));
    if (!item)
        json_array_append_new(changes, variable_change("ADD", NULL, value));
    else if (!zn_value_same(item, value))
        json_array_append_new(changes, variable_change("UPDATE", item, value));
}

int zn_change_variables(const json_t *live, const json_t *pending, const json_t *variables,
                        json_t **changes, json_t **replaced, struct zn_err *err)
{
    zn_auto_json made = json_array();
    zn_auto_json gone = json_array();
    size_t i;
    json_t *v;

    if (!made || !gone)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    json_array_foreach (variables, i, v)
        want_variable(live, pending, v, made, gone);
    *changes = ZN_TAKE(made);
    *replaced = ZN_TAKE(gone);
    return 0;
}
