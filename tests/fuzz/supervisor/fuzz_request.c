/* A request head in random pieces: no piece may change the outcome, and an accepted head keeps what
 * the parser promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/request.h"

static void must(int ok)
{
    if (!ok)
        __builtin_trap();
}

static void inside(struct zn_str v, const char *s, int head)
{
    if (v.s)
        must(v.s >= s && v.s + v.n <= s + head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_request r, early;
    char *s = malloc(size + 1);
    int whole;

    must(s != NULL);
    memcpy(s, data, size);
    whole = zn_request_parse(s, size, &r);
    if (whole > 0) {
        must((size_t)whole <= size && whole <= ZN_REQUEST_HEAD_MAX);
        must(memcmp(s + whole - 4, "\r\n\r\n", 4) == 0);
        must(r.method.n >= 1 && r.method.n <= 16 && r.path.n >= 1 && r.path.s[0] == '/');
        must(r.length >= -1);
        inside(r.method, s, whole);
        inside(r.path, s, whole);
        inside(r.query, s, whole);
        inside(r.head, s, whole);
        inside(zn_request_header(&r, "Last-Event-ID"), s, whole);
        must(!memchr(r.path.s, ' ', r.path.n) && !memchr(r.path.s, '\r', r.path.n));
    }
    /* A shorter piece says "more", or what the whole says; it never accepts another head. */
    for (size_t n = 0; n < size && n < 600; n++) {
        int part = zn_request_parse(s, n, &early);
        must(part == 0 || (part < 0 && whole < 0) || part == whole);
    }
    free(s);
    return 0;
}
