/* Strings: struct zn_str is a borrowed view passed by value; struct zn_buf builds, with a maximum
 * and a sticky failure that is tested once, at the end. */
#ifndef ZN_BASE_STR_H
#define ZN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct zn_str {
    const char *s;
    size_t n;
};

static inline struct zn_str zn_str(const char *s)
{
    return (struct zn_str){ s, s ? strlen(s) : 0 };
}

static inline bool zn_str_eq(struct zn_str a, struct zn_str b)
{
    return a.n == b.n && (!a.n || memcmp(a.s, b.s, a.n) == 0);
}

bool zn_starts_with(const char *s, const char *prefix);
bool zn_ends_with(const char *s, const char *suffix);

/* Whole-string decimal; refuses empty text, blanks, signs beside '-', overflow. True on success. */
bool zn_parse_i64(const char *s, long long min, long long max, long long *ret);

/* True if the n bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool zn_utf8_valid(const char *s, size_t n);
/* Makes text of any bytes well-formed in place: each byte that is not becomes '?'. For texts that were
 * cut at a limit or came from outside. */
void zn_utf8_mend(char *s);

/* Edits (insert, remove, replace a byte) from a to b: for "did you mean". At most 63 bytes each; 64
 * if one is longer. */
unsigned zn_distance(const char *a, const char *b);

/* Lower-cases ASCII in place. */
void zn_lower(char *s);

struct zn_buf {
    char *mem; /* owned; NUL-terminated by zn_buf_str only */
    size_t len, cap, max;
    bool failed; /* over max or out of memory: content is incomplete */
};

/* max = most bytes it may ever hold. No allocation happens here. */
#define ZN_BUF(limit) ((struct zn_buf){ .max = (limit) })

void zn_buf_add(struct zn_buf *b, const void *src, size_t n);
void zn_buf_puts(struct zn_buf *b, const char *s);
void zn_buf_putc(struct zn_buf *b, char c);
void zn_buf_printf(struct zn_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes. */
void zn_buf_eat(struct zn_buf *b, size_t n);
void zn_buf_clear(struct zn_buf *b);
/* Content as a C string owned by the buffer; NULL if it failed. */
const char *zn_buf_str(struct zn_buf *b);
/* Content as a heap string for the caller to free (buffer becomes empty); NULL if it failed. */
char *zn_buf_take(struct zn_buf *b);
void zn_buf_done(struct zn_buf *b);

#define zn_auto_buf ZN_AUTO(zn_buf_done)

#endif
