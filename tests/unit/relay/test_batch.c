/* What the relay makes of the driver's messages for fluentd, and what it refuses. */
#include <criterion/criterion.h>
#include <msgpack.h>

#include "base/guard.h"
#include "base/str.h"
#include "image/fluentd/batch.h"

static unsigned char out[BATCH_ROOM(256 * 1024)];
static size_t len;

static ssize_t batch(const void *in, size_t n)
{
    len = 0;
    return batch_add(in, n, 0xabcd, out, &len);
}

/* [tag, EventTime, {"log": text}, {}] */
static size_t message(unsigned char *to, const char *tag, const char *text)
{
    int n = sprintf((char *)to, "%c%c%s\xd7%c%c%c%c%c%c%c%c%c\x81\xa3log\xd9%c%s\x80", 0x94,
                    (int)(0xa0 + strlen(tag)), tag, 1, 1, 2, 3, 4, 5, 6, 7, 8, (int)strlen(text), text);

    to[3 + strlen(tag)] = 0; /* the type of EventTime */
    return (size_t)n;
}

static void expect(const char *tag, int count, const char *first)
{
    msgpack_unpacked obj;
    size_t off = 0;

    msgpack_unpacked_init(&obj);
    cr_assert_eq(msgpack_unpack_next(&obj, (char *)out, len, &off), MSGPACK_UNPACK_SUCCESS);
    cr_expect_eq(off, len);
    const msgpack_object *e = obj.data.via.array.ptr;
    cr_assert_eq(obj.data.via.array.size, 3);
    cr_expect_eq(strncmp(e[0].via.str.ptr, tag, e[0].via.str.size), 0);
    cr_assert_eq((int)e[1].via.array.size, count);
    const msgpack_object *entry = e[1].via.array.ptr[0].via.array.ptr;
    cr_expect_eq(e[1].via.array.ptr[0].via.array.size, 2);
    cr_expect_eq(entry[0].type, MSGPACK_OBJECT_EXT);
    cr_expect_eq(memcmp(entry[0].via.ext.ptr, "\1\2\3\4\5\6\7\x8", 8), 0);
    cr_expect_eq(strncmp(entry[1].via.map.ptr[0].val.via.str.ptr, first, strlen(first)), 0);
    cr_expect_eq(strncmp(e[2].via.map.ptr[0].val.via.str.ptr, "0000abcd", 8), 0);
    msgpack_unpacked_destroy(&obj);
}

Test(batch, whole_messages_of_one_tag)
{
    unsigned char in[1024];
    size_t a = message(in, "t", "one"), b = a + message(in + a, "t", "two"),
           c = b + message(in + b, "other", "three");

    cr_assert_eq(batch(in, b), (ssize_t)b);
    expect("t", 2, "one");
    cr_assert_eq(batch(in, c), (ssize_t)b); /* the next tag is the next batch's */
    expect("t", 2, "one");
    cr_assert_eq(batch(in + b, c - b), (ssize_t)(c - b));
    expect("other", 1, "three");
}

Test(batch, a_message_that_is_still_arriving_waits)
{
    unsigned char in[1024];
    size_t a = message(in, "tag", "one"), b = a + message(in + a, "tag", "two");

    for (size_t n = 0; n < a; n++) {
        cr_expect_eq(batch(in, n), 0, "%zu bytes", n);
        cr_expect_eq(len, 0);
    }
    for (size_t n = a; n < b; n++) {
        cr_expect_eq(batch(in, n), (ssize_t)a, "%zu bytes", n);
        expect("tag", 1, "one");
    }
}

Test(batch, what_fluentd_could_not_decode_is_refused)
{
    static const struct {
        const char *what, *bytes;
        size_t n;
    } bad[] = {
#define BAD(what, bytes) { what, bytes, sizeof bytes - 1 }
        BAD("HTTP", "GET / HTTP/1.1\r\n"),
        BAD("never used byte", "\xc1"),
        BAD("two elements", "\x92\xa1t\x01"),
        BAD("five elements", "\x95\xa1t\x01\x80\x80\x80"),
        BAD("tag is a number", "\x93\x01\x01\x80"),
        BAD("time is a text", "\x93\xa1t\xa1x\x80"),
        BAD("time is negative", "\x93\xa1t\xff\x80"),
        BAD("time is another extension", "\x93\xa1t\xd7\x05"),
        BAD("entries of Forward mode", "\x93\xa1t\x91\x92\x01\x80\x80"),
        BAD("record is an array", "\x93\xa1t\x01\x90"),
        BAD("record holds a map", "\x93\xa1t\x01\x81\xa1k\x80"),
        BAD("record holds an extension", "\x93\xa1t\x01\x81\xa1k\xd4\x01\x01"),
        BAD("record is a map of 32 bits", "\x93\xa1t\x01\xdf\xff\xff\xff\xff"),
        BAD("an acknowledgement is asked for", "\x94\xa1t\x01\x80\x81\xa5" "chunk\xa1x"),
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(batch(bad[i].bytes, bad[i].n), -1, "%s", bad[i].what);
        cr_expect_eq(len, 0, "%s", bad[i].what);
    }
}

Test(batch, what_came_before_something_broken_is_kept)
{
    unsigned char in[1024];
    size_t a = message(in, "t", "one");

    in[a] = 0xc1;
    cr_expect_eq(batch(in, a + 1), (ssize_t)a);
    expect("t", 1, "one");
}

Test(batch, a_message_has_a_limit)
{
    static unsigned char in[MESSAGE_MAX + 1] = "\x93\xa1t\x01\x81\xa1k\xdb\x00\x10\x00\x00";

    cr_expect_eq(batch(in, MESSAGE_MAX), 0);
    cr_expect_eq(batch(in, MESSAGE_MAX + 1), -1);
}
