#include "zaned/api/audit_chain.h"

#include <sodium.h>
#include <string.h>

#include "base/encode.h"
#include "base/str.h"

enum { DEPTH_MAX = 24 };

int zn_audit_hash(const struct zn_audit_entry *e, const char *prev, char ret[ZN_AUDIT_HASH],
                  struct zn_err *err)
{
    const char *const parts[] = { e->seq,        e->at,         e->user_id,      e->user_name,
                                  e->token_id,   e->session_id, e->workspace_id, e->address,
                                  e->request_id, e->action,     e->target,       e->before,
                                  e->after };
    unsigned char hash[(ZN_AUDIT_HASH - 1) / 2];
    crypto_generichash_state st;
    zn_auto_json list = json_array();
    zn_auto_mem char *text = NULL;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (json_array_append_new(list, parts[i] ? json_string(parts[i]) : json_null()) < 0)
            return zn_fail(err, ZN_INTERNAL, "an audit entry cannot be written down as text");
    text = json_dumps(list, JSON_COMPACT);
    if (!text)
        return zn_fail(err, ZN_INTERNAL, "no memory for the audit entry");
    crypto_generichash_init(&st, NULL, 0, sizeof hash);
    crypto_generichash_update(&st, (const unsigned char *)prev, strlen(prev));
    crypto_generichash_update(&st, (const unsigned char *)text, strlen(text));
    crypto_generichash_final(&st, hash, sizeof hash);
    zn_hex(hash, sizeof hash, ret);
    return 0;
}

static bool is_secret(const json_t *object, const char *name)
{
    static const char *const ends[] = { "password",      "secret",    "token",
                                        "recovery_code", "totp_code", "sealed" };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (zn_ends_with(name, ends[i]))
            return true;
    return strcmp(name, "value") == 0 && json_object_get(object, "key"); /* a variable */
}

/* A copy without what nobody may read, and without sealed texts: the chain outlives their keys. */
static json_t *clean(json_t *v, unsigned depth)
{
    zn_auto_json copy = NULL;
    const char *name;
    json_t *item;
    size_t i;

    if (depth > DEPTH_MAX)
        return json_string("(nested too deeply)");
    if (json_is_string(json_object_get(v, "sealed")))
        return json_string("(sealed)");
    if (!json_is_object(v) && !json_is_array(v))
        return json_deep_copy(v);
    copy = json_is_array(v) ? json_array() : json_object();
    json_array_foreach(v, i, item) json_array_append_new(copy, clean(item, depth + 1));
    json_object_foreach(v, name, item)
        json_object_set_new(copy, name,
                            json_is_string(item) && is_secret(v, name) ? json_string("(secret)")
                                                                       : clean(item, depth + 1));
    return ZN_TAKE(copy);
}

json_t *zn_audit_clean(json_t *doc)
{
    return clean(doc, 0);
}
