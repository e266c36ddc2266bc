#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { STR_MAX = 65536, DEPTH_MAX = 64, ITEMS_MAX = 100 };

static int decode_str(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                      struct zn_err *err)
{
    long long len = (long long)json_string_length(val);
    long long max = f->max ? f->max : STR_MAX;
    char *copy;

    if (!json_is_string(val)) {
        zn_field_err(err, f->name, "invalid", "Not a valid string.");
        return 0;
    }
    if (!len && f->min > 0 && !f->blank) {
        zn_field_err(err, f->name, "blank", "This field may not be blank.");
        return 0;
    }
    if (len < f->min && !(f->blank && !len)) {
        zn_field_err(err, f->name, "min_length",
                     zn_arena_printf(a, "Ensure this field has at least %lld characters.", f->min));
        return 0;
    }
    if (len > max) {
        zn_field_err(err, f->name, "max_length",
                     zn_arena_printf(a, "Ensure this field has no more than %lld characters.", max));
        return 0;
    }
    for (const char *const *c = f->choices; c && strcmp(*c, json_string_value(val)) != 0; c++)
        if (!c[1]) {
            zn_field_err(err, f->name, "invalid_choice",
                         zn_arena_printf(a, "\"%.40s\" is not a valid choice.",
                                         json_string_value(val)));
            return 0;
        }
    copy = zn_arena_strdup(a, json_string_value(val));
    if (!copy)
        return zn_fail(err, ZN_INVALID, "the request is too large");
    memcpy(dst, &copy, sizeof copy);
    return 1;
}

static int out_of_bounds(struct zn_arena *a, const struct zn_jfield *f, bool low, struct zn_err *err)
{
    zn_field_err(err, f->name, low ? "min_value" : "max_value",
                 zn_arena_printf(a, "Ensure this value is %s than or equal to %lld.",
                                 low ? "greater" : "less", low ? f->min : f->max));
    return 0;
}

static int decode_int(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                      struct zn_err *err)
{
    bool bounded = f->min || f->max;
    int64_t v = (int64_t)json_integer_value(val);

    if (!json_is_integer(val)) {
        zn_field_err(err, f->name, "invalid", "A valid integer is required.");
        return 0;
    }
    if (bounded && (v < f->min || v > f->max))
        return out_of_bounds(a, f, v < f->min, err);
    memcpy(dst, &v, sizeof v);
    return 1;
}

static int decode_num(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                      struct zn_err *err)
{
    bool bounded = f->min || f->max;
    double v = json_number_value(val);

    if (!json_is_number(val)) {
        zn_field_err(err, f->name, "invalid", "A valid number is required.");
        return 0;
    }
    if (bounded && (v < (double)f->min || v > (double)f->max))
        return out_of_bounds(a, f, v < (double)f->min, err);
    memcpy(dst, &v, sizeof v);
    return 1;
}

/* Bad fields of own go to err as "<name>.<path>". */
static int nested_errors(struct zn_arena *a, const char *name, const struct zn_err *own,
                         struct zn_err *err)
{
    if (own->code && !own->nfields) {
        *err = *own;
        return -1;
    }
    for (unsigned i = 0; i < own->nfields; i++)
        zn_field_err(err, zn_arena_printf(a, "%s.%s", name, own->fields[i].path), own->fields[i].rule,
                     own->fields[i].msg);
    err->fields_cut = err->fields_cut || own->fields_cut;
    return 0;
}

static int decode_strs(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                       struct zn_err *err)
{
    size_t n = json_array_size(val), max = f->items ? f->items : ITEMS_MAX;
    struct zn_strs strs = { .n = n };
    struct zn_err own = { 0 };
    const char **v;

    if (!json_is_array(val)) {
        zn_field_err(err, f->name, "not_a_list", "Expected a list of items.");
        return 0;
    }
    if (n > max) {
        zn_field_err(err, f->name, "max_length",
                     zn_arena_printf(a, "Ensure this field has no more than %zu elements.", max));
        return 0;
    }
    if (!(v = zn_arena_alloc(a, (n + 1) * sizeof *v)))
        return zn_fail(err, ZN_INVALID, "the request is too large");
    for (size_t i = 0; i < n; i++) {
        struct zn_jfield item = *f;
        const char *bad;

        item.name = zn_arena_printf(a, "%zu", i);
        if (!item.name)
            return zn_fail(err, ZN_INVALID, "the request is too large");
        int r = decode_str(a, &item, json_array_get(val, i), &v[i], &own);
        if (r < 0)
            return nested_errors(a, f->name, &own, err);
        bad = r && f->check ? f->check(&v[i]) : NULL;
        if (bad)
            zn_field_err(&own, item.name, "invalid", bad);
    }
    if (own.nfields)
        return nested_errors(a, f->name, &own, err);
    v[n] = NULL;
    strs.v = v;
    memcpy(dst, &strs, sizeof strs);
    return 1;
}

static int decode_obj(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                      struct zn_err *err)
{
    struct zn_err own = { 0 };

    if (!json_is_object(val)) {
        zn_field_err(err, f->name, "invalid", "Invalid data. Expected an object.");
        return 0;
    }
    if (zn_json_decode(a, val, f->sub, f->nsub, dst, NULL, &own) < 0)
        return nested_errors(a, f->name, &own, err);
    return 1;
}

/* 1 = stored, 0 = reported as a bad field, -1 = err says why the whole decode ends. */
static int decode_one(struct zn_arena *a, const struct zn_jfield *f, json_t *val, void *dst,
                      struct zn_err *err)
{
    switch (f->type) {
    case ZN_J_STR:
        return decode_str(a, f, val, dst, err);
    case ZN_J_INT:
        return decode_int(a, f, val, dst, err);
    case ZN_J_BOOL: {
        bool b = json_is_true(val);
        if (!json_is_boolean(val)) {
            zn_field_err(err, f->name, "invalid", "Must be a valid boolean.");
            return 0;
        }
        memcpy(dst, &b, sizeof b);
        return 1;
    }
    case ZN_J_NUM:
        return decode_num(a, f, val, dst, err);
    case ZN_J_STRS:
        return decode_strs(a, f, val, dst, err);
    case ZN_J_OBJ:
        return decode_obj(a, f, val, dst, err);
    case ZN_J_JSON:
        memcpy(dst, &val, sizeof val);
        return 1;
    }
    zn_bug("decode table row %s has no type", f->name);
}

int zn_json_decode(struct zn_arena *a, json_t *obj, const struct zn_jfield *tab, size_t ntab,
                   void *rec, uint64_t *present, struct zn_err *err)
{
    if (!json_is_object(obj)) {
        zn_field_err(err, "non_field_errors", "invalid", "Invalid data. Expected an object.");
        return zn_fail(err, ZN_INVALID, "the request is not a JSON object");
    }
    for (size_t i = 0; i < ntab; i++) {
        const struct zn_jfield *f = &tab[i];
        void *dst = (char *)rec + f->offset;
        json_t *val = json_object_get(obj, f->name);
        const char *bad;
        int r;

        if (!val) {
            if (f->required)
                zn_field_err(err, f->name, "required", "This field is required.");
            continue;
        }
        if (present)
            *present |= (uint64_t)1 << i;
        if (json_is_null(val) && f->type != ZN_J_JSON) {
            if (!f->nullable)
                zn_field_err(err, f->name, "null", "This field may not be null.");
            continue;
        }
        r = decode_one(a, f, val, dst, err);
        if (r < 0)
            return -1;
        bad = r && f->check && f->type != ZN_J_STRS ? f->check(dst) : NULL;
        if (bad)
            zn_field_err(err, f->name, "invalid", bad);
    }
    return err->nfields ? zn_fail(err, ZN_INVALID, "the request has invalid fields") : 0;
}

/* jansson recurses on nesting; refusing deep text before parsing bounds our stack. */
static bool too_deep(const char *s, size_t n)
{
    bool in_str = false;
    unsigned depth = 0;

    for (size_t i = 0; i < n; i++) {
        if (in_str) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                in_str = false;
        } else if (s[i] == '"') {
            in_str = true;
        } else if (s[i] == '[' || s[i] == '{') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if ((s[i] == ']' || s[i] == '}') && depth) {
            depth--;
        }
    }
    return false;
}

int zn_json_parse(const char *s, size_t n, json_t **ret, struct zn_err *err)
{
    json_error_t je;
    json_t *doc;

    if (!zn_utf8_valid(s, n))
        return zn_fail(err, ZN_INVALID, "the JSON text is not valid UTF-8");
    if (too_deep(s, n))
        return zn_fail(err, ZN_INVALID, "JSON nested deeper than %d levels", DEPTH_MAX);
    doc = json_loadb(s, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (!doc)
        return zn_fail(err, ZN_INVALID, "JSON parse error at line %d column %d: %s", je.line,
                       je.column, je.text);
    *ret = doc;
    return 0;
}

const char *zn_json_str(const json_t *obj, const char *key, const char *fallback)
{
    const char *s = json_string_value(json_object_get(obj, key));

    return s ? s : fallback;
}

int64_t zn_json_int(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}
