#include "batch.h"

#include <stdio.h>
#include <string.h>

/* Length of a text and its head; the same returns as batch_add. Source of all sizes here: the MessagePack
 * format specification. */
static ssize_t text_size(const unsigned char *p, size_t n)
{
    size_t len, size = 0;

    if (!n)
        return 0;
    if (p[0] >= 0xa0 && p[0] < 0xc0) {
        size = 1u + (p[0] & 31u);
    } else if (p[0] >= 0xd9 && p[0] <= 0xdb) {
        len = (size_t)1 << (p[0] - 0xd9);
        if (n < 1 + len)
            return 0;
        for (size_t i = 1; i <= len; i++)
            size = size << 8 | p[i];
        size += 1 + len;
    } else {
        return -1;
    }
    return size <= n ? (ssize_t)size : 0;
}

/* A map of texts. */
static ssize_t map_size(const unsigned char *p, size_t n)
{
    size_t at = 1, count;

    if (!n)
        return 0;
    if ((p[0] & 0xf0) == 0x80) {
        count = p[0] & 15u;
    } else if (p[0] == 0xde) {
        if (n < 3)
            return 0;
        count = (size_t)p[1] << 8 | p[2];
        at = 3;
    } else {
        return -1;
    }
    for (count *= 2; count; count--) {
        ssize_t size = text_size(p + at, n - at);
        if (size <= 0)
            return size;
        at += (size_t)size;
    }
    return (ssize_t)at;
}

/* Seconds as a number that is not negative, or EventTime (fixext 8 of type 0). */
static ssize_t time_size(const unsigned char *p, size_t n)
{
    size_t size;

    if (!n)
        return 0;
    if (p[0] < 0x80)
        size = 1;
    else if (p[0] >= 0xcc && p[0] <= 0xcf)
        size = 1 + ((size_t)1 << (p[0] - 0xcc));
    else if (p[0] == 0xd7 && (n < 2 || p[1] == 0))
        size = 10;
    else
        return -1;
    return size <= n ? (ssize_t)size : 0;
}

/* Where the parts of [tag, time, record, option] begin. */
struct message {
    size_t tag, time, record, option, end;
};

static ssize_t message_size(const unsigned char *p, size_t n, struct message *m)
{
    ssize_t size;

    *m = (struct message){ .tag = 1 };
    if (!n || (p[0] != 0x93 && p[0] != 0x94))
        return n ? -1 : 0;
    if ((size = text_size(p + m->tag, n - m->tag)) <= 0)
        return size;
    m->time = m->tag + (size_t)size;
    if ((size = time_size(p + m->time, n - m->time)) <= 0)
        return size;
    m->record = m->time + (size_t)size;
    if ((size = map_size(p + m->record, n - m->record)) <= 0)
        return size;
    m->option = m->end = m->record + (size_t)size;
    if (p[0] == 0x94 && (size = map_size(p + m->option, n - m->option)) <= 0)
        return size;
    m->end += p[0] == 0x94 ? (size_t)size : 0;
    /* Who asks for an acknowledgement would wait for ever (docs/decisions/0004). */
    return memmem(p + m->option, m->end - m->option, "\xa5" "chunk", 6) ? -1 : (ssize_t)m->end;
}

static void add(unsigned char *out, size_t *len, const void *p, size_t n)
{
    memcpy(out + *len, p, n);
    *len += n;
}

ssize_t batch_add(const unsigned char *in, size_t n, uint32_t chunk, unsigned char *out, size_t *len)
{
    struct message m, first;
    ssize_t size = message_size(in, n, &first);
    size_t at = 0, count_at, tag = first.time - first.tag;
    uint32_t count = 0;
    char id[CHUNK_SIZE + 1];

    if (size <= 0)
        return size == 0 && n > MESSAGE_MAX ? -1 : size;
    add(out, len, "\x93", 1);
    add(out, len, in + first.tag, tag);
    count_at = *len;
    add(out, len, "\xdd\0\0\0\0", 5);
    while ((size = message_size(in + at, n - at, &m)) > 0 && m.time - m.tag == tag &&
           memcmp(in + at + m.tag, in + first.tag, tag) == 0) {
        add(out, len, "\x92", 1);
        add(out, len, in + at + m.time, m.option - m.time);
        at += (size_t)size;
        count++;
    }
    for (int i = 4; i > 0; i--, count >>= 8)
        out[count_at + (size_t)i] = (unsigned char)count;
    snprintf(id, sizeof id, "%08x", chunk);
    add(out, len, "\x81\xa5" "chunk\xa8", 8);
    add(out, len, id, CHUNK_SIZE);
    return (ssize_t)at;
}
