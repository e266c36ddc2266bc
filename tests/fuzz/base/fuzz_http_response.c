/* The response parser: an answer cut anywhere means the same as the answer in one piece. */
#include <stdint.h>
#include <stdlib.h>

#include "base/http.h"

static int count(void *arg, const char *p, size_t n)
{
    size_t *total = arg;

    for (size_t i = 0; i < n; i++)
        *total = *total * 31 + (unsigned char)p[i];
    return 0;
}

static int run(const char *s, size_t n, size_t step, size_t *hash)
{
    struct zn_http_parser p;
    int state;

    zn_http_parser_init(&p, count, hash);
    for (size_t i = 0; i < n; i += step) {
        size_t used, k = n - i < step ? n - i : step;
        if (zn_http_parser_feed(&p, s + i, k, &used) < 0 || used > k)
            break;
        if (p.state == ZN_HTTP_DONE)
            break;
    }
    if (p.state == ZN_HTTP_DONE && (p.status < 100 || p.status > 999))
        __builtin_trap();
    zn_http_header(&p, "Content-Length");
    state = (int)p.state;
    zn_http_parser_done(&p);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole = 0, cut = 0;
    const char *s = (const char *)data;
    int a, b;

    if (size < 2)
        return 0;
    a = run(s + 1, size - 1, size, &whole);
    b = run(s + 1, size - 1, 1 + data[0] % 7, &cut);
    if (a != b || (a != ZN_HTTP_BAD && whole != cut))
        __builtin_trap();
    return 0;
}
