/* Writes the audit log. audit_routes.c shows it. */
#include "zaned/api/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/api/audit_chain.h"
#include "zaned/store/store.h"

enum { TEXT_MAX = 64 * 1024, ADDRESS_MAX = 64 };

struct zn_audit_note {
    struct zn_audit_note *next;
    struct zn_audit_entry e;
};

/* The text of a document for the log; NULL for none. */
static int text_of(struct zn_arena *a, const json_t *doc, const char **ret, struct zn_err *err)
{
    zn_auto_json clean = doc ? zn_audit_clean((json_t *)(uintptr_t)doc) : NULL;
    zn_auto_mem char *text =
        clean ? json_dumps(clean, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

    *ret = NULL;
    if (!doc)
        return 0;
    if (text && strlen(text) > TEXT_MAX)
        *ret = "\"(too long)\"";
    else
        *ret = text ? zn_arena_strdup(a, text) : NULL;
    return *ret ? 0 : zn_fail(err, ZN_INTERNAL, "no memory for the audit entry");
}

/* Whoever speaks to us past the proxy may claim any address. */
static const char *address_of(struct zn_call *call)
{
    char *copy = zn_arena_strndup(call->arena, call->req->client, ADDRESS_MAX);

    if (copy)
        zn_utf8_mend(copy);
    return copy ? copy : "?";
}

static int note(struct zn_call *call, const struct zn_audit_entry *e, struct zn_err *err)
{
    struct zn_audit_note *n = zn_arena_alloc(call->arena, sizeof *n), **last = &call->notes;

    if (!n)
        return zn_fail(err, ZN_INTERNAL, "no memory for the audit entry");
    n->e = *e;
    n->e.token_id = call->who.token_id;
    n->e.session_id = call->who.session_name;
    n->e.address = address_of(call);
    n->e.request_id = call->req->id;
    while (*last)
        last = &(*last)->next;
    *last = n;
    return 0;
}

int zn_audit(struct zn_conn *c, struct zn_call *call, const char *action, const char *target,
             const json_t *before, const json_t *after, struct zn_err *err)
{
    const struct zn_caller *w = &call->who;
    struct zn_audit_entry e = { .action = action,
                                .user_name = w->username,
                                .workspace_id = w->workspace_id };

    (void)c;
    if (w->user_id)
        e.user_id = zn_arena_printf(call->arena, "%lld", w->user_id);
    if (target)
        e.target = zn_arena_strdup(call->arena, target);
    return text_of(call->arena, before, &e.before, err) < 0 ||
                   text_of(call->arena, after, &e.after, err) < 0
               ? -1
               : note(call, &e, err);
}

int zn_audit_as(struct zn_call *call, long long user_id, const char *username, const char *action,
                const char *target, const json_t *after, struct zn_err *err)
{
    struct zn_audit_entry e = { .action = action, .user_name = username, .target = target };

    if (user_id)
        e.user_id = zn_arena_printf(call->arena, "%lld", user_id);
    return text_of(call->arena, after, &e.after, err) < 0 ? -1 : note(call, &e, err);
}

/* --- writing --------------------------------------------------------------------------------- */

/* Locks the end of the chain until the commit. Nothing may be locked after it in the transaction:
 * so whoever waits for it holds nothing that its holder still wants. */
static int add_all(struct zn_conn *conn, const struct zn_audit_note *first, struct zn_err *err)
{
    zn_auto_pgresult head = NULL;
    char hash[ZN_AUDIT_HASH], at[ZN_RFC3339_LEN], seq[24];
    long long last;

    if (zn_sql(conn, ZN_SQL_AUDIT_HEAD_LOCK, ZN_P0, &head, err) < 0)
        return -1;
    if (PQntuples(head) != 1)
        return zn_fail(err, ZN_INTERNAL, "the audit log has lost its head");
    last = zn_col_i64(head, 0, "seq");
    snprintf(hash, sizeof hash, "%s", zn_col(head, 0, "hash"));
    for (const struct zn_audit_note *n = first; n; n = n->next) {
        struct zn_audit_entry e = n->e;

        snprintf(seq, sizeof seq, "%lld", ++last);
        zn_rfc3339(zn_wall_ns(), at);
        e.seq = seq;
        e.at = at;
        if (zn_audit_hash(&e, hash, hash, err) < 0 ||
            zn_sql(conn, ZN_SQL_AUDIT_ADD,
                   ZN_P(e.seq, e.at, e.user_id, e.user_name, e.token_id, e.session_id,
                        e.workspace_id, e.address, e.request_id, e.action, e.target, e.before,
                        e.after, hash),
                   NULL, err) < 0)
            return -1;
    }
    return 0;
}

struct audited {
    struct zn_call *call;
    int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err);
    void *arg;
};

static int audited_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct audited *t = arg;

    t->call->notes = NULL;
    if (t->fn(conn, t->arg, err) < 0)
        return -1;
    return t->call->notes ? add_all(conn, t->call->notes, err) : 0;
}

int zn_audit_tx(struct zn_call *call,
                int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
                struct zn_err *err)
{
    struct audited t = { call, fn, arg };
    int r = zn_tx(call->api->store, audited_tx, &t, err);

    call->notes = NULL;
    return r;
}

void zn_audit_end(struct zn_call *call)
{
    for (const struct zn_audit_note *n = call->notes; n; n = n->next)
        zn_error("request %s: the audit entry %s was noted in no zn_call_tx and is lost",
                 call->req->id, n->e.action);
    call->notes = NULL;
}

static int write_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    const struct zn_call *call = arg;

    return call->notes ? add_all(conn, call->notes, err) : 0;
}

int zn_audit_write(struct zn_call *call, struct zn_err *err)
{
    int r = zn_tx(call->api->store, write_tx, call, err);

    call->notes = NULL;
    return r;
}
