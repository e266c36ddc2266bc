#include "supervisor/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"

enum { EVENT_MAX = 256 * 1024 };

void zn_events_init(struct zn_events *e, int64_t started_ns)
{
    *e = (struct zn_events){ 0 };
    snprintf(e->life, sizeof e->life, "%" PRIx64, (uint64_t)started_ns);
}

static void forget_all(struct zn_events *e)
{
    for (unsigned i = 0; i < ZN_EVENTS_KEPT; i++) {
        free(e->ring[i].text);
        e->ring[i] = (struct zn_event){ 0 };
    }
    e->n = 0;
}

void zn_events_done(struct zn_events *e)
{
    forget_all(e);
}

bool zn_event_format(const struct zn_events *e, uint64_t seq, const char *name, const json_t *data,
                     struct zn_buf *ret)
{
    zn_auto_mem char *text = json_dumps(data, JSON_COMPACT); /* no line breaks inside */

    if (!text)
        return false;
    zn_buf_printf(ret, "id: %" PRIu64 ".%s\nevent: %s\ndata: ", seq, e->life, name);
    zn_buf_puts(ret, text);
    zn_buf_puts(ret, "\n\n");
    return !ret->failed;
}

struct zn_str zn_events_add(struct zn_events *e, uint64_t seq, const char *name, const json_t *data)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(EVENT_MAX);
    struct zn_event *slot;

    if (!zn_event_format(e, seq, name, data, &b)) {
        forget_all(e);
        return (struct zn_str){ NULL, 0 };
    }
    slot = &e->ring[e->n++ % ZN_EVENTS_KEPT];
    free(slot->text);
    slot->seq = seq;
    slot->n = b.len;
    slot->text = zn_buf_take(&b);
    return (struct zn_str){ slot->text, slot->text ? slot->n : 0 };
}

/* "<seq>" or "<seq>.<life>" of this life. */
static bool parse_id(const struct zn_events *e, struct zn_str id, uint64_t *ret)
{
    char number[24];
    const char *dot = id.n ? memchr(id.s, '.', id.n) : NULL;
    size_t n = dot ? (size_t)(dot - id.s) : id.n;
    struct zn_str life = { dot ? dot + 1 : NULL, dot ? id.n - n - 1 : 0 };
    long long v;

    if (!n || n >= sizeof number || (dot && !zn_str_eq(life, zn_str(e->life))))
        return false;
    memcpy(number, id.s, n);
    number[n] = '\0';
    if (!zn_parse_i64(number, 0, INT64_MAX, &v))
        return false;
    *ret = (uint64_t)v;
    return true;
}

bool zn_events_since(const struct zn_events *e, struct zn_str id, uint64_t seq, struct zn_buf *ret)
{
    unsigned kept = e->n < ZN_EVENTS_KEPT ? e->n : ZN_EVENTS_KEPT;
    unsigned first = e->n - kept;
    uint64_t from;

    if (!parse_id(e, id, &from) || from > seq)
        return false;
    if (from < seq && (!kept || e->ring[first % ZN_EVENTS_KEPT].seq > from + 1))
        return false;
    for (unsigned i = first; i < e->n; i++) {
        const struct zn_event *ev = &e->ring[i % ZN_EVENTS_KEPT];

        if (ev->seq > from)
            zn_buf_add(ret, ev->text, ev->n);
    }
    return true;
}
