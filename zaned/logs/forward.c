#include "zaned/logs/forward.h"

#include <msgpack.h>
#include <stdlib.h>

#include "base/guard.h"

/* --- extent of a message -------------------------------------------------------------------------
 * msgpack-c allocates room for as many elements as a header announces, so the extent is found first,
 * with nothing allocated: every announced element is at least one byte that must really arrive. */

static uint64_t be(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* Header of one object: *size = header and own bytes, *more = objects inside it. false = needs more
 * input. The never used byte 0xc1 gets an impossible size. */
static bool object_size(const unsigned char *p, size_t n, uint64_t *size, uint64_t *more)
{
    static const unsigned char fixed[] = { 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18 };
    unsigned char c = p[0];
    size_t len = 0; /* of the length field */

    *more = 0;
    *size = 1;
    if (c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3)
        return true;
    if (c < 0xa0) {
        *more = c < 0x90 ? 2u * (c & 15u) : c & 15u;
        return true;
    }
    if (c < 0xc0) {
        *size = 1u + (c & 31u);
        return true;
    }
    if (c == 0xc1) {
        *size = UINT64_MAX;
        return true;
    }
    if (c >= 0xca && c <= 0xd8) {
        *size = fixed[c - 0xca];
        return true;
    }
    len = c >= 0xdc ? (c & 1 ? 4u : 2u) : c >= 0xd9 ? (size_t)1 << (c - 0xd9)
                                                    : (size_t)1 << ((c - 0xc4) % 3);
    if (n < 1 + len)
        return false;
    *size = 1 + len;
    if (c >= 0xdc)
        *more = be(p + 1, len) * (c >= 0xde ? 2 : 1);
    else
        *size += be(p + 1, len) + (c >= 0xc7 && c <= 0xc9 ? 1 : 0);
    return true;
}

enum extent { WHOLE, PARTIAL, BROKEN };

/* Advances *at over one object with all that is inside. */
static enum extent extent(const char *p, size_t n, size_t *at)
{
    uint64_t need = 1; /* objects that are still missing */

    while (need) {
        uint64_t size, more;
        if (*at >= n || !object_size((const unsigned char *)p + *at, n - *at, &size, &more))
            return PARTIAL;
        if (size > ZN_FORWARD_MAX || more > ZN_FORWARD_MAX || need + more > ZN_FORWARD_MAX)
            return BROKEN;
        if (size > n - *at)
            return PARTIAL;
        *at += size;
        need += more - 1;
    }
    return WHOLE;
}

/* --- decoding ----------------------------------------------------------------------------------- */

static struct zn_str text_of(const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_STR)
        return (struct zn_str){ o->via.str.ptr ? o->via.str.ptr : "", o->via.str.size };
    if (o->type == MSGPACK_OBJECT_BIN)
        return (struct zn_str){ o->via.bin.ptr ? o->via.bin.ptr : "", o->via.bin.size };
    return (struct zn_str){ 0 };
}

static bool is(struct zn_str s, const char *word)
{
    return zn_str_eq(s, zn_str(word));
}

/* Integer seconds, or EventTime: extension type 0 of seconds and nanoseconds, both big-endian. */
static int time_of(const msgpack_object *o, int64_t *ret, struct zn_err *err)
{
    uint64_t sec, ns = 0;

    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        sec = o->via.u64;
    } else if (o->type == MSGPACK_OBJECT_EXT && o->via.ext.type == 0 && o->via.ext.size == 8) {
        const unsigned char *p = (const unsigned char *)o->via.ext.ptr;
        sec = be(p, 4);
        ns = be(p + 4, 4);
    } else {
        return zn_fail(err, ZN_INVALID, "time is neither an integer nor an EventTime");
    }
    if (sec > UINT32_MAX || ns > 999999999)
        return zn_fail(err, ZN_INVALID, "time is out of range");
    *ret = (int64_t)(sec * 1000000000 + ns);
    return 0;
}

static int ordinal_of(struct zn_str s)
{
    char text[12];
    long long v;

    snprintf(text, sizeof text, "%.*s", (int)(s.n < 11 ? s.n : 11), s.s ? s.s : "");
    return zn_parse_i64(text, 1, 100000000, &v) ? (int)v : 0;
}

static int record(const struct zn_forward_sink *sink, struct zn_str tag,
                  const msgpack_object *when, const msgpack_object *rec, struct zn_err *err)
{
    struct zn_log_entry e = { .tag = tag };

    if (time_of(when, &e.time_ns, err) < 0)
        return -1;
    if (rec->type != MSGPACK_OBJECT_MAP)
        return zn_fail(err, ZN_INVALID, "record is not a map");
    for (uint32_t i = 0; i < rec->via.map.size; i++) {
        const msgpack_object_kv *kv = &rec->via.map.ptr[i];
        struct zn_str key = text_of(&kv->key), val = text_of(&kv->val);
        if (is(key, "log"))
            e.log = val;
        else if (is(key, "container_id"))
            e.container_id = val;
        else if (is(key, "container_name"))
            e.container_name = val;
        else if (is(key, "source"))
            e.stream = val;
        else if (is(key, "partial_id"))
            e.partial_id = val;
        else if (is(key, "partial_ordinal"))
            e.ordinal = ordinal_of(val);
        else if (is(key, "partial_last"))
            e.partial_last = is(val, "true");
    }
    return sink->entry(sink->arg, &e, err);
}

static int entry_pair(const struct zn_forward_sink *sink, struct zn_str tag,
                      const msgpack_object *o, struct zn_err *err)
{
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2)
        return zn_fail(err, ZN_INVALID, "entry is not [time, record]");
    return record(sink, tag, &o->via.array.ptr[0], &o->via.array.ptr[1], err);
}

static int packed(const struct zn_forward_sink *sink, struct zn_str tag, struct zn_str in,
                  struct zn_err *err)
{
    msgpack_unpacked obj;
    size_t off = 0, at = 0;
    int r = 0;

    msgpack_unpacked_init(&obj);
    while (at < in.n && r == 0) {
        if (extent(in.s, in.n, &at) != WHOLE ||
            msgpack_unpack_next(&obj, in.s, at, &off) != MSGPACK_UNPACK_SUCCESS)
            r = zn_fail(err, ZN_INVALID, "broken packed entries");
        else
            r = entry_pair(sink, tag, &obj.data, err);
    }
    msgpack_unpacked_destroy(&obj);
    return r;
}

/* The last element of a message, if there is one too many: {"compressed": …}. With a "chunk" in it the
 * sender would wait for an acknowledgement that never comes. */
static int options(const msgpack_object *o, struct zn_err *err)
{
    for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
        struct zn_str key = text_of(&o->via.map.ptr[i].key), val = text_of(&o->via.map.ptr[i].val);
        if (is(key, "chunk"))
            return zn_fail(err, ZN_INVALID, "it asks for acknowledgements, which nobody sends: "
                                            "fluentd-request-ack must be false");
        if (is(key, "compressed") && val.s && !is(val, "text"))
            return zn_fail(err, ZN_INVALID, "compressed entries are not accepted");
    }
    return 0;
}

static int message(const struct zn_forward_sink *sink, const msgpack_object *m, struct zn_err *err)
{
    const msgpack_object *e = m->via.array.ptr;
    struct zn_str tag;
    bool single;

    if (m->type == MSGPACK_OBJECT_NIL)
        return 0; /* a heartbeat */
    if (m->type != MSGPACK_OBJECT_ARRAY || m->via.array.size < 2 || m->via.array.size > 4)
        return zn_fail(err, ZN_INVALID, "message is not an array of 2 to 4");
    tag = text_of(&e[0]);
    if (!tag.s)
        return zn_fail(err, ZN_INVALID, "tag is not a text");
    single = e[1].type != MSGPACK_OBJECT_ARRAY && !text_of(&e[1]).s;
    if (m->via.array.size < (single ? 3u : 2u) || m->via.array.size > (single ? 4u : 3u))
        return zn_fail(err, ZN_INVALID, "message has %u elements", m->via.array.size);
    if (m->via.array.size == (single ? 4u : 3u) && options(&e[m->via.array.size - 1], err) < 0)
        return -1;
    if (single && record(sink, tag, &e[1], &e[2], err) < 0)
        return -1;
    if (e[1].type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; i < e[1].via.array.size; i++)
            if (entry_pair(sink, tag, &e[1].via.array.ptr[i], err) < 0)
                return -1;
    if (text_of(&e[1]).s && packed(sink, tag, text_of(&e[1]), err) < 0)
        return -1;
    return 0;
}

int zn_forward_take(const struct zn_forward_sink *sink, const char *p, size_t n, size_t *used,
                    struct zn_err *err)
{
    msgpack_unpacked obj;
    int r = 0;

    *used = 0;
    msgpack_unpacked_init(&obj);
    while (r == 0 && *used < n) {
        size_t at = *used, off = *used;
        enum extent x = extent(p, n, &at);
        bool fits = (x == PARTIAL ? n : at) - *used <= ZN_FORWARD_MAX;
        if (x == PARTIAL && fits)
            break;
        if (x == BROKEN || !fits ||
            msgpack_unpack_next(&obj, p, at, &off) != MSGPACK_UNPACK_SUCCESS)
            r = zn_fail(err, ZN_INVALID, "not a message of the Forward protocol of at most %d bytes",
                        ZN_FORWARD_MAX);
        else
            r = message(sink, &obj.data, err);
        if (r == 0)
            *used = at;
    }
    msgpack_unpacked_destroy(&obj);
    return r;
}
