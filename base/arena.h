/* Arena: memory with one life (a request, a workflow run). Nothing in it is freed singly.
 * limit = most bytes it may hand out; 0 means nothing at all, so a forgotten limit shows at once. */
#ifndef ZN_BASE_ARENA_H
#define ZN_BASE_ARENA_H

#include <stddef.h>

struct zn_arena_chunk;
struct zn_arena {
    size_t limit, used;
    struct zn_arena_chunk *head;
};

/* Zeroed, aligned for any type. NULL if over the limit or out of memory. */
void *zn_arena_alloc(struct zn_arena *a, size_t n);
void *zn_arena_memdup(struct zn_arena *a, const void *src, size_t n);
char *zn_arena_strdup(struct zn_arena *a, const char *s);
char *zn_arena_strndup(struct zn_arena *a, const char *s, size_t n);
char *zn_arena_printf(struct zn_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Frees everything; the arena can be used again with the same limit. */
void zn_arena_done(struct zn_arena *a);

#define zn_auto_arena ZN_AUTO(zn_arena_done)

#endif
