#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 };

struct zn_arena_chunk {
    struct zn_arena_chunk *next;
    size_t cap, len;
    _Alignas(max_align_t) unsigned char mem[];
};

void *zn_arena_alloc(struct zn_arena *a, size_t n)
{
    const size_t align = _Alignof(max_align_t);
    struct zn_arena_chunk *c = a->head;
    void *p;

    if (n > SIZE_MAX - align)
        return NULL;
    n = (n + align - 1) & ~(align - 1);
    if (a->used > a->limit || n > a->limit - a->used)
        return NULL;
    if (!c || n > c->cap - c->len) {
        size_t cap = n > CHUNK ? n : CHUNK;
        c = malloc(sizeof *c + cap);
        if (!c)
            return NULL;
        *c = (struct zn_arena_chunk){ .next = a->head, .cap = cap };
        a->head = c;
    }
    p = c->mem + c->len;
    c->len += n;
    a->used += n;
    return memset(p, 0, n);
}

void *zn_arena_memdup(struct zn_arena *a, const void *src, size_t n)
{
    void *p = zn_arena_alloc(a, n ? n : 1);

    return p && n ? memcpy(p, src, n) : p;
}

char *zn_arena_strndup(struct zn_arena *a, const char *s, size_t n)
{
    char *p = zn_arena_alloc(a, n + 1);

    if (p && n)
        memcpy(p, s, n);
    return p;
}

char *zn_arena_strdup(struct zn_arena *a, const char *s)
{
    return zn_arena_strndup(a, s, strlen(s));
}

char *zn_arena_printf(struct zn_arena *a, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    p = zn_arena_alloc(a, (size_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

void zn_arena_done(struct zn_arena *a)
{
    while (a->head) {
        struct zn_arena_chunk *next = a->head->next;
        free(a->head);
        a->head = next;
    }
    a->used = 0;
}
