#include "zaned/logs/ingest.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/guard.h"
#include "zaned/logs/text.h"

#define HOUR_NS (3600 * 1000000000LL)

struct item {
    const char *log, *container_id, *container_name, *time, *tag, *source;
    const char *partial_id, *partial_ordinal, *partial_last;
};

static const struct zn_jfield item_fields[] = {
    ZN_J(item, log, STR, .required = true, .max = ZN_LINE_MAX),
    ZN_J(item, container_id, STR, .required = true, .min = 1, .max = 128),
    ZN_J(item, container_name, STR, .nullable = true, .max = 256),
    ZN_J(item, time, STR, .required = true, .min = 1, .max = 63),
    ZN_J(item, tag, STR, .required = true, .max = 4096),
    ZN_J(item, source, STR, .required = true, .max = 16),
    ZN_J(item, partial_id, STR, .nullable = true, .max = 128),
    ZN_J(item, partial_ordinal, STR, .nullable = true, .max = 12),
    ZN_J(item, partial_last, STR, .nullable = true, .max = 8),
};

/* One stream of the push. */
struct group {
    const char *key; /* service, source and slice */
    json_t *values;  /* borrowed from the document */
    const char *service_id;
    int64_t first_ns; /* of its oldest line */
    int64_t last_ns; /* of its newest line and how many lines of that container had that time */
    const char *last_container;
    unsigned seq;
};

/* Identities of a batch: the driver sends a line again whenever it is not sure, often into one batch. */
struct seen {
    char (*slot)[ZN_LOG_IDENTITY_LEN];
    size_t mask;
};

struct work {
    struct zn_arena arena;
    struct seen seen;
    struct zn_ingest_result *out;
    json_t *doc, *streams;
    struct group *groups; /* room for one for each item */
    size_t ngroups, last_group;
    int64_t now;
    bool out_of_memory;
    /* Of the item before; tag is borrowed from it, source and level are ours (level NULL: the line's own). */
    const char *tag, *service_id, *deployment_id, *source, *level;
};

void zn_piece_mark_add(struct zn_buf *line, int ordinal)
{
    char digits[12];

    snprintf(digits, sizeof digits, "%d", ordinal);
    zn_buf_putc(line, 0x1f);
    for (const char *d = digits; *d; d++) {
        char utf8[3] = { (char)0xee, (char)0x80, (char)(0x80 + (*d - '0')) };
        zn_buf_add(line, utf8, sizeof utf8);
    }
}

size_t zn_piece_mark_cut(const char *line, size_t n)
{
    size_t at = n;

    while (at >= 3 && (unsigned char)line[at - 3] == 0xee && (unsigned char)line[at - 2] == 0x80 &&
           (unsigned char)line[at - 1] >= 0x80 && (unsigned char)line[at - 1] <= 0x89)
        at -= 3;
    return at < n && at && line[at - 1] == 0x1f ? at - 1 : n;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct work *w, const char *fmt, ...)
{
    va_list ap;

    if (w->out->refused++ == 0) {
        va_start(ap, fmt);
        vsnprintf(w->out->reason, sizeof w->out->reason, fmt, ap);
        va_end(ap);
    }
    return 0;
}

static bool plain_id(const char *s)
{
    size_t n = s ? strlen(s) : 0;

    return n >= 1 && n <= 64 &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

/* The one of the choices that s is; the first if it is none of them. */
static const char *choice(const char *const *choices, const char *s)
{
    for (size_t i = 1; choices[i]; i++)
        if (strcmp(choices[i], s) == 0)
            return choices[i];
    return choices[0];
}

/* service_id and deployment_id from a tag {"service_id":…,"deployment_id":…}; false = the line is not
 * one of a user's service ("zane.…" are the platform's own, other tags somebody else's). Lines of a build
 * log have source and level as well; a container cannot choose its tag. */
static bool read_tag(struct work *w, const char *tag)
{
    static const char *const sources[] = { "SERVICE", "SYSTEM", "BUILD", NULL };
    static const char *const levels[] = { "", "ERROR", "WARN", "INFO", "DEBUG", NULL };
    zn_auto_json doc = NULL;
    struct zn_err ignored = { 0 };

    if (w->tag && strcmp(w->tag, tag) == 0)
        return w->service_id;
    w->tag = tag;
    w->service_id = w->deployment_id = NULL;
    if (zn_json_parse(tag, strlen(tag), &doc, &ignored) < 0 || !json_is_object(doc))
        return false;
    if (!plain_id(zn_json_str(doc, "service_id", NULL)) ||
        !plain_id(zn_json_str(doc, "deployment_id", "unknown")))
        return false;
    w->source = choice(sources, zn_json_str(doc, "source", ""));
    const char *level = choice(levels, zn_json_str(doc, "level", ""));
    w->level = *level ? level : NULL;
    w->service_id = zn_arena_strdup(&w->arena, zn_json_str(doc, "service_id", ""));
    w->deployment_id = zn_arena_strdup(&w->arena, zn_json_str(doc, "deployment_id", "unknown"));
    if (!w->service_id || !w->deployment_id)
        w->out_of_memory = true;
    return true;
}

/* The stream of a line. Slices of six hours keep late lines within the store's out-of-order window,
 * which is counted back from the newest line of a stream. */
static struct group *group_of(struct work *w, int64_t ns)
{
    int64_t slice = ns / (ZN_SLICE_H * HOUR_NS);
    char when[ZN_LOG_TIME_LEN], key[128];
    json_t *stream;
    struct group *g;

    snprintf(key, sizeof key, "%s/%s/%" PRId64, w->service_id, w->source, slice);
    for (size_t i = 0; i < w->ngroups; i++) {
        size_t at = (w->last_group + i) % w->ngroups; /* most often the same one again */
        if (strcmp(w->groups[at].key, key) == 0) {
            w->last_group = at;
            return &w->groups[at];
        }
    }
    zn_log_time_format(slice * ZN_SLICE_H * HOUR_NS, when);
    g = &w->groups[w->ngroups];
    *g = (struct group){ .key = zn_arena_strdup(&w->arena, key), .values = json_array(),
                         .service_id = w->service_id, .first_ns = INT64_MAX, .last_ns = -1 };
    stream = json_pack("{s:{s:s,s:s,s:s,s:s%},s:o}", "stream", "app", "zane", "service_id",
                       w->service_id, "source", w->source, "slice", when, 13, "values", g->values);
    if (!g->key || !stream || json_array_append_new(w->streams, stream) < 0)
        return NULL;
    w->last_group = w->ngroups++;
    return g;
}

/* True if the identity was there before; it is afterwards. There is always a free slot. */
static bool repeated(struct seen *seen, const struct zn_log_key *key)
{
    char id[ZN_LOG_IDENTITY_LEN];
    size_t at = 0;

    zn_log_identity(key, id);
    for (unsigned i = 0; i < 8; i++)
        at = at << 8 | (unsigned char)(id[2 * i] * 16 + id[2 * i + 1]);
    for (at &= seen->mask; seen->slot[at][0]; at = (at + 1) & seen->mask)
        if (memcmp(seen->slot[at], id, sizeof id) == 0)
            return true;
    memcpy(seen->slot[at], id, sizeof id);
    return false;
}

/* Level, origin and what the order of equal times needs, as structured metadata. */
static json_t *metadata(struct work *w, struct group *g, const struct item *in, json_t *obj,
                        int64_t ns, long long ordinal, struct zn_str plain)
{
    const char *container = zn_json_str(obj, "container_id", ""); /* outlives the item */
    bool is_stderr = strcmp(in->source, "stderr") == 0;
    json_t *meta = json_pack("{s:s,s:s,s:s,s:s}", "level",
                             w->level ? w->level
                                      : zn_log_level_name(zn_log_level(plain.s, plain.n, is_stderr)),
                             "stream",
                             in->source, "container_id", in->container_id, "deployment_id",
                             w->deployment_id);

    if (g->last_ns == ns && g->last_container && strcmp(g->last_container, container) == 0) {
        g->seq++;
    } else {
        g->last_ns = ns;
        g->last_container = container;
        g->seq = 0;
    }
    if (g->seq && !ordinal)
        json_object_set_new(meta, "seq", json_sprintf("%u", g->seq));
    if (ordinal) {
        json_object_set_new(meta, "partial_id", json_string(in->partial_id));
        json_object_set_new(meta, "partial_ordinal", json_sprintf("%lld", ordinal));
        json_object_set_new(meta, "partial_last",
                            json_string(in->partial_last && strcmp(in->partial_last, "true") == 0
                                            ? "true" : "false"));
    }
    return meta;
}

static int add_line(struct work *w, const struct item *in, json_t *obj, int64_t ns,
                    long long ordinal, struct zn_err *err)
{
    ZN_AUTO(zn_buf_done) struct zn_buf line = ZN_BUF(ZN_LINE_MAX + 64);
    struct group *g = w->out_of_memory ? NULL : group_of(w, ns);
    size_t raw = strlen(in->log);
    struct zn_str plain;
    json_t *meta, *value;

    zn_log_plain(&line, in->log, raw);
    if (!g || line.failed)
        return zn_fail(err, ZN_INTERNAL, "out of memory for a batch of log lines");
    plain = (struct zn_str){ line.mem ? line.mem : "", line.len };
    if (repeated(&w->seen, &(struct zn_log_key){ ns, zn_str(in->container_id), zn_str(in->source),
                                                 zn_str(in->partial_id), plain, (int)ordinal })) {
        w->out->inserted++; /* it is in the batch */
        return 0;
    }
    meta = metadata(w, g, in, obj, ns, ordinal, plain);
    if (line.len != raw) { /* the text with its colours, where there are any */
        if (raw > 60000)
            refuse(w, "colours of a line of %zu bytes were not kept (at most 60000)", raw);
        else
            json_object_set_new(meta, "ansi", json_string(in->log));
    }
    if (ordinal)
        zn_piece_mark_add(&line, (int)ordinal);
    value = json_pack("[o,s%,o]", json_sprintf("%" PRId64, ns), line.mem ? line.mem : "", line.len,
                      meta);
    if (!value || json_array_append_new(g->values, value) < 0)
        return zn_fail(err, ZN_INTERNAL, "out of memory for a batch of log lines");
    if (ns < g->first_ns)
        g->first_ns = ns;
    w->out->inserted++;
    return 0;
}

static int add_item(struct work *w, size_t index, json_t *obj, struct zn_err *err)
{
    struct zn_arena arena = { .limit = 2 * ZN_LINE_MAX };
    struct item in = { 0 };
    struct zn_err bad = { 0 };
    long long ordinal = 0;
    int64_t ns;
    int r = 0;

    if (!json_is_object(obj))
        return refuse(w, "item %zu: not an object", index);
    if (zn_json_decode(&arena, obj, item_fields, sizeof item_fields / sizeof *item_fields, &in, NULL,
                       &bad) < 0)
        refuse(w, "item %zu: %s: %s", index, bad.nfields ? bad.fields[0].path : "item",
               bad.nfields ? bad.fields[0].msg : bad.msg);
    else if (!zn_log_time_parse(in.time, strlen(in.time), &ns))
        refuse(w, "item %zu: time: neither seconds with 9 digits nor RFC 3339", index);
    else if (strcmp(in.source, "stdout") != 0 && strcmp(in.source, "stderr") != 0)
        refuse(w, "item %zu: source: must be stdout or stderr", index);
    else if (!plain_id(in.container_id))
        refuse(w, "item %zu: container_id: must be 1 to 64 letters, digits, '_' or '-'", index);
    else if (in.partial_id && *in.partial_id && !plain_id(in.partial_id))
        refuse(w, "item %zu: partial_id: must be 1 to 64 letters, digits, '_' or '-'", index);
    else if (in.partial_id && *in.partial_id &&
             (!in.partial_ordinal || !zn_parse_i64(in.partial_ordinal, 1, 100000000, &ordinal)))
        refuse(w, "item %zu: partial_ordinal: must be 1 to 100000000", index);
    else if (!read_tag(w, zn_json_str(obj, "tag", "")))
        w->out->ignored++;
    else if (ns < w->now - ZN_LINE_AGE_MAX_H * HOUR_NS)
        refuse(w, "item %zu: time: more than %d hours ago", index, ZN_LINE_AGE_MAX_H);
    else if (ns > w->now + ZN_LINE_FUTURE_MAX_MIN * (HOUR_NS / 60))
        refuse(w, "item %zu: time: more than %d minutes ahead", index, ZN_LINE_FUTURE_MAX_MIN);
    else
        r = add_line(w, &in, obj, ns, ordinal, err);
    zn_arena_done(&arena);
    return r;
}

static int deliver(struct zn_loki *loki, struct work *w, struct zn_err *err)
{
    zn_auto_mem char *body = json_dumps(w->doc, JSON_COMPACT);
    unsigned refused = 0;

    if (!body)
        return zn_fail(err, ZN_INTERNAL, "out of memory for a batch of log lines");
    if (loki->push(loki, body, strlen(body), &refused, err) == 0)
        return 0;
    if (err->code != ZN_INVALID)
        return -1;
    if (refused > w->out->inserted)
        refused = w->out->inserted;
    if (!w->out->refused)
        snprintf(w->out->reason, sizeof w->out->reason, "%s", err->msg);
    w->out->refused += refused;
    w->out->inserted -= refused;
    *err = (struct zn_err){ 0 };
    return 0;
}

int zn_ingest(struct zn_loki *loki, json_t *batch, int64_t now_ns, struct zn_ingest_result *ret,
              struct zn_err *err)
{
    return zn_ingest_to(loki, batch, now_ns, NULL, ret, err);
}

int zn_ingest_to(struct zn_loki *loki, json_t *batch, int64_t now_ns, const struct zn_ingest_ear *ear,
                 struct zn_ingest_result *ret, struct zn_err *err)
{
    struct work w = { .arena = { .limit = 16 << 20 }, .out = ret, .now = now_ns };
    size_t n = json_array_size(batch);
    int r = 0;

    *ret = (struct zn_ingest_result){ 0 };
    if (!json_is_array(batch))
        return zn_fail(err, ZN_INVALID, "a batch of log lines is an array");
    if (n > ZN_INGEST_ITEMS_MAX)
        return zn_fail(err, ZN_INVALID, "%zu log lines in one batch, at most %d", n,
                       ZN_INGEST_ITEMS_MAX);
    w.groups = calloc(n ? n : 1, sizeof *w.groups);
    for (w.seen.mask = 63; w.seen.mask < 2 * n; w.seen.mask = 2 * w.seen.mask + 1)
        ;
    w.seen.slot = calloc(w.seen.mask + 1, sizeof *w.seen.slot);
    w.streams = json_array();
    w.doc = json_pack("{s:o}", "streams", w.streams);
    if (!w.groups || !w.doc || !w.seen.slot)
        r = zn_fail(err, ZN_INTERNAL, "out of memory for a batch of log lines");
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_item(&w, i, json_array_get(batch, i), err);
    if (r == 0 && ret->inserted)
        r = deliver(loki, &w, err);
    for (size_t i = 0; r == 0 && ear && i < w.ngroups; i++)
        ear->heard(ear->arg, w.groups[i].service_id, w.groups[i].first_ns);
    json_decref(w.doc);
    free(w.groups);
    free(w.seen.slot);
    zn_arena_done(&w.arena);
    return r;
}
