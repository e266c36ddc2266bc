#include "zaned/api/caller_memory.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "zaned/api/cache.h"
#include "zaned/api/caller.h"

/* What ends a caller raises the generation at once; this bounds what another process did to a session. */
static const int64_t KEPT_MS = 5000;
enum { PACKED_MAX = 8192 };

static const size_t texts[] = {
    offsetof(struct zn_caller, username),     offsetof(struct zn_caller, first_name),
    offsetof(struct zn_caller, last_name),    offsetof(struct zn_caller, session_id),
    offsetof(struct zn_caller, session_name), offsetof(struct zn_caller, csrf_token),
    offsetof(struct zn_caller, workspace_id), offsetof(struct zn_caller, workspace_name),
    offsetof(struct zn_caller, token_id),
};

/* The header that the caller was loaded by, as zn_caller_load chooses it; NULL: none. */
static const char *key_of(struct zn_call *c)
{
    const char *auth = zn_request_header(c->req, "Authorization");
    const char *cookie = zn_request_cookie(c->req, "sessionid");

    if (auth && strncasecmp(auth, "Bearer ", 7) == 0)
        return auth;
    return cookie && *cookie ? cookie : NULL;
}

/* The record with its texts behind it; a text's pointer is its distance from the start, 0 = NULL. */
static void pack(const struct zn_caller *who, struct zn_buf *b)
{
    struct zn_caller flat = *who;
    size_t at = sizeof flat;

    for (size_t i = 0; i < ZN_COUNT(texts); i++) {
        const char **p = (const char **)(void *)((char *)&flat + texts[i]);
        size_t n = *p ? strlen(*p) + 1 : 0;

        *p = n ? (const char *)at : NULL;
        at += n;
    }
    zn_buf_add(b, &flat, sizeof flat);
    for (size_t i = 0; i < ZN_COUNT(texts); i++) {
        const char *text;

        memcpy(&text, (const char *)who + texts[i], sizeof text);
        if (text)
            zn_buf_add(b, text, strlen(text) + 1);
    }
}

static struct zn_caller *unpack(void *packed)
{
    struct zn_caller *who = packed;

    for (size_t i = 0; i < ZN_COUNT(texts); i++) {
        const char **p = (const char **)(void *)((char *)who + texts[i]);

        if (*p)
            *p = (char *)packed + (size_t)*p;
    }
    return who;
}

bool zn_caller_recall(struct zn_call *c)
{
    const char *key = key_of(c);
    zn_auto_blob packed = key ? zn_cache_get(c->api->callers, key) : NULL;
    void *copy = packed ? zn_arena_memdup(c->arena, packed->bytes, packed->n) : NULL;

    if (copy)
        c->who = *unpack(copy);
    return copy;
}

static void remember(struct zn_call *c, uint64_t seen)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(PACKED_MAX);

    pack(&c->who, &b);
    zn_auto_blob packed = b.failed ? NULL : zn_blob_of(b.mem, b.len);
    if (packed)
        zn_cache_put(c->api->callers, key_of(c), seen, KEPT_MS, packed);
}

int zn_caller_find(struct zn_call *c, struct zn_err *err)
{
    uint64_t seen = zn_cache_generation(c->api->callers);

    if (zn_caller_recall(c))
        return 0;
    if (zn_caller_load(c, err) < 0)
        return -1;
    if (c->who.user_id)
        remember(c, seen);
    return 0;
}
