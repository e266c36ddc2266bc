#include "zaned/api/audit_chain.h"

#include <sodium.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"

int zn_audit_hash(const struct zn_audit_entry *e, const char *prev, char ret[ZN_AUDIT_HASH],
                  struct zn_err *err)
{
    const char *const parts[] = { e->seq,     e->at,         e->user_id, e->user_name, e->token_id,
                                  e->session_id, e->workspace_id, e->address, e->request_id, e->action,
                                  e->target,  e->before,     e->after };
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
