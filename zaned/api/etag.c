#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "zaned/api/etag.h"

enum { TAG_BYTES = 16, TAG_SIZE = ZN_ETAG_SIZE };

void zn_etag_of(const void *data, size_t n, char tag[ZN_ETAG_SIZE])
{
    unsigned char hash[TAG_BYTES];

    crypto_generichash(hash, sizeof hash, data, n, NULL, 0);
    tag[0] = '"';
    sodium_bin2hex(tag + 1, TAG_SIZE - 1, hash, sizeof hash);
    tag[TAG_SIZE - 2] = '"';
    tag[TAG_SIZE - 1] = '\0';
}

static int tag_of(const json_t *doc, char tag[TAG_SIZE], struct zn_err *err)
{
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_etag_of(text, strlen(text), tag);
    return 0;
}

void zn_reply_doc(struct zn_call *c, struct zn_reply *r, int status, json_t *steals)
{
    struct zn_err err = { 0 };
    char tag[TAG_SIZE];
    const char *copy;

    if (steals && tag_of(steals, tag, &err) == 0 && (copy = zn_arena_strdup(c->arena, tag)))
        zn_reply_header(r, "ETag", copy);
    zn_reply_json(r, status, steals);
}

bool zn_etag_listed(const char *list, const char *tag)
{
    size_t n = strlen(tag);

    for (const char *p = list; *p;) {
        size_t len;

        p += strspn(p, " \t,");
        len = strcspn(p, ", \t");
        if ((len == 1 && *p == '*') || (len == n && memcmp(p, tag, n) == 0))
            return true;
        p += len;
    }
    return false;
}

int zn_call_fresh(struct zn_call *c, const json_t *doc, struct zn_err *err)
{
    const char *given = zn_request_header(c->req, "If-Match");
    char tag[TAG_SIZE];

    if (!given)
        return 0;
    if (tag_of(doc, tag, err) < 0)
        return -1;
    return zn_etag_listed(given, tag) ? 0
                              : zn_fail(err, ZN_STALE,
                                        "this was changed since you read it: read it again, then repeat "
                                        "your change");
}
