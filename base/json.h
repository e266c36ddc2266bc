/* JSON decode tables: every field with type, bounds and validator; all bad fields are reported. */
#ifndef ZN_BASE_JSON_H
#define ZN_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/guard.h"

ZN_DEFINE_AUTO(json, json_t *, json_decref);
#define zn_auto_json ZN_AUTO(zn_auto_json) json_t *

enum zn_jtype {
    ZN_J_STR,  /* const char *; min/max = length in bytes; max 0 = 65536 */
    ZN_J_INT,  /* int64_t; min/max = value; both 0 = any */
    ZN_J_BOOL, /* bool */
    ZN_J_NUM,  /* double; min/max = value; both 0 = any; whole numbers are taken too */
    ZN_J_STRS, /* struct zn_strs: list of strings; min/max as of ZN_J_STR, items = most of them */
    ZN_J_OBJ,  /* struct embedded at offset, decoded by sub; its bad fields are "<name>.<field>" */
    ZN_J_JSON, /* json_t *, borrowed from the document; any type, null included */
};

struct zn_strs {
    const char *const *v; /* n of them, in the arena */
    size_t n;
};

struct zn_jfield {
    const char *name;
    enum zn_jtype type;
    size_t offset;
    bool required;
    bool nullable;      /* null is accepted and leaves the default; else null is an error */
    bool blank;         /* empty strings are accepted whatever min says */
    long long min, max;
    const char *(*check)(const void *val); /* NULL = fine, else message (static storage) */
    const char *const *choices;            /* NULL-ended list for strings */
    size_t items;                          /* most strings of a list; 0 = 100 */
    const struct zn_jfield *sub;           /* rows of a nested object */
    size_t nsub;
    const char *help;                      /* for documents: what it means, its unit; may be NULL */
    const char *format;                    /* for documents: JSON Schema format or NULL */
};

#define ZN_J(rec, member, kind, ...) \
    { .name = #member, .type = ZN_J_##kind, .offset = offsetof(struct rec, member), __VA_ARGS__ }

/* Decodes obj into rec (which holds the defaults). Rules reported in err->fields: required, null,
 * invalid (wrong type), blank, min_length, max_length, min_value, max_value, invalid_choice, and
 * whatever the validator says under "invalid". Unknown members are ignored, as the compatible API
 * does. present, if not NULL, gets one bit for each table row that the document contained.
 * Strings are copied into the arena. ZN_INVALID on any bad field. */
int zn_json_decode(struct zn_arena *a, json_t *obj, const struct zn_jfield *tab, size_t ntab,
                   void *rec, uint64_t *present, struct zn_err *err);

/* Parses n bytes: refuses invalid UTF-8, duplicate members, trailing text and depth over 64. */
int zn_json_parse(const char *s, size_t n, json_t **ret, struct zn_err *err);

/* String member or the fallback; integer member or the fallback. Never NULL dereference. */
const char *zn_json_str(const json_t *obj, const char *key, const char *fallback);
int64_t zn_json_int(const json_t *obj, const char *key, int64_t fallback);

#endif
