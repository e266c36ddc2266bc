/* Routes of the audit log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/api/api.h"
#include "zaned/api/audit_chain.h"
#include "zaned/domain/rules.h"
#include "zaned/store/store.h"

enum { PER_PAGE = 50, PER_PAGE_MAX = 100, BATCH = 500 };

/* --- list ------------------------------------------------------------------------------------ */

struct list_in {
    const char *user, *action, *target, *after, *before, *scope;
    int64_t cursor, per_page;
};

static const char *const scopes[] = { "workspace", "instance", NULL };

static const struct zn_jfield list_fields[] = {
    ZN_J(list_in, user, STR, .max = 150, .check = zn_rule_name, .help = "username"),
    ZN_J(list_in, action, STR, .max = 100, .check = zn_rule_name,
         .help = "beginning of the action"),
    ZN_J(list_in, target, STR, .max = 255, .check = zn_rule_name, .help = "id of what was changed"),
    ZN_J(list_in, after, STR, .max = 40, .check = zn_rule_time, .format = "date-time"),
    ZN_J(list_in, before, STR, .max = 40, .check = zn_rule_time, .format = "date-time"),
    ZN_J(list_in, scope, STR, .choices = scopes, .max = 20,
         .help = "instance: entries of all workspaces and of none, for a superuser"),
    ZN_J(list_in, cursor, INT, .min = 1, .max = INT64_MAX, .help = "next of the page before"),
    ZN_J(list_in, per_page, INT, .min = 1, .max = PER_PAGE_MAX),
};

/* Rows of the page and, if there are more, one that is not shown. */
static int find(struct zn_call *c, const struct list_in *in, bool instance, PGresult **ret,
                struct zn_err *err)
{
    const char *after = in->after ? zn_time_full(c->arena, in->after) : NULL;
    const char *before = in->before ? zn_time_full(c->arena, in->before) : NULL;
    char cursor[24], limit[24];

    snprintf(cursor, sizeof cursor, "%lld", (long long)in->cursor);
    snprintf(limit, sizeof limit, "%lld", (long long)in->per_page + 1);
    if (instance)
        return zn_sql_once(c->api->store, ZN_SQL_AUDIT_PAGE_ALL,
                           ZN_P(in->user, in->action, in->target, after, before, cursor, limit),
                           ret, err);
    return zn_sql_once(
        c->api->store, ZN_SQL_AUDIT_PAGE,
        ZN_P(in->user, in->action, in->target, after, before, cursor, limit, c->who.workspace_id),
        ret, err);
}

static int audit_list(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct list_in in = { .cursor = INT64_MAX, .per_page = PER_PAGE, .scope = "workspace" };
    zn_auto_pgresult rows = NULL;
    zn_auto_json results = json_array();
    const char *next = NULL;

    if (zn_call_query(c, &in, NULL, err) < 0)
        return -1;
    bool instance = strcmp(in.scope, "instance") == 0;
    if (instance && !c->who.is_superuser)
        return zn_fail(err, ZN_DENIED, "Only an administrator of the instance sees all entries.");
    if (find(c, &in, instance, &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows) && i < in.per_page; i++)
        json_array_append_new(results, json_loads(zn_col(rows, i, "doc"), 0, NULL));
    if (PQntuples(rows) > in.per_page)
        next = zn_col(rows, (int)in.per_page - 1, "seq");
    zn_reply_json(reply, 200, json_pack("{s:s?,s:O}", "next", next, "results", results));
    return 0;
}

/* --- verify ---------------------------------------------------------------------------------- */

struct chain {
    long long seq, end; /* last entry that was right; last one that there must be */
    char hash[ZN_AUDIT_HASH];
    const char *why; /* NULL while all is right */
};

static int check_row(struct chain *ch, const PGresult *res, int i, struct zn_err *err)
{
#define COL(name) .name = zn_col(res, i, #name)
    struct zn_audit_entry e = { COL(seq),        COL(at),         COL(user_id),      COL(user_name),
                                COL(token_id),   COL(session_id), COL(workspace_id), COL(address),
                                COL(request_id), COL(action),     COL(target),       COL(before),
                                COL(after) };
#undef COL
    char hash[ZN_AUDIT_HASH];

    if (zn_col_i64(res, i, "seq") != ch->seq + 1) {
        ch->why = "an entry is missing";
        return 0;
    }
    if (zn_audit_hash(&e, ch->hash, hash, err) < 0)
        return -1;
    if (strcmp(hash, zn_col(res, i, "hash")) != 0) {
        ch->why = "an entry was changed, or one before it";
        return 0;
    }
    memcpy(ch->hash, hash, sizeof hash);
    ch->seq++;
    return 0;
}

static int check_batch(struct zn_call *c, struct chain *ch, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    char from[24], to[24], limit[12];

    snprintf(from, sizeof from, "%lld", ch->seq);
    snprintf(to, sizeof to, "%lld", ch->end);
    snprintf(limit, sizeof limit, "%d", BATCH);
    if (zn_sql_once(c->api->store, ZN_SQL_AUDIT_RANGE, ZN_P(from, to, limit), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        ch->why = "entries are missing at the end";
    for (int i = 0; i < PQntuples(res) && !ch->why; i++)
        if (check_row(ch, res, i, err) < 0)
            return -1;
    return 0;
}

static int audit_verify(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct chain ch = { 0 };
    zn_auto_pgresult head = NULL;

    if (zn_sql_once(c->api->store, ZN_SQL_AUDIT_HEAD, ZN_P0, &head, err) < 0)
        return -1;
    memset(ch.hash, '0', sizeof ch.hash - 1);
    if (PQntuples(head) == 0)
        ch.why = "the record of the end is missing";
    else
        ch.end = zn_col_i64(head, 0, "seq");
    while (!ch.why && ch.seq < ch.end)
        if (check_batch(c, &ch, err) < 0)
            return -1;
    if (!ch.why && strcmp(ch.hash, zn_col(head, 0, "hash")) != 0)
        ch.why = "the end is not the one that was recorded";
    zn_reply_json(reply, 200,
                  json_pack("{s:b,s:I,s:o,s:s?,s:s}", "intact", !ch.why, "entries",
                            (json_int_t)ch.seq, "broken_at",
                            ch.why ? json_integer(ch.seq + 1) : json_null(), "reason", ch.why,
                            "hash", ch.hash));
    return 0;
}

const struct zn_route zn_audit_routes[] = {
    { .method = "GET",
      .path = "/api/audit",
      .scope = ZN_SCOPE_ADMIN,
      .handler = audit_list,
      .name = "audit_list",
      .summary = "Who did what in the workspace, newest first",
      .query = ZN_FIELDS(list_fields),
      .answers = { { 200, "AuditPage" } } },
    { .method = "GET",
      .path = "/api/audit/verify",
      .scope = ZN_SCOPE_SUPERUSER,
      .handler = audit_verify,
      .name = "audit_verify",
      .summary = "Whether the log is as it was written, and where not",
      .answers = { { 200, "AuditVerdict" } } },
};
const size_t zn_audit_nroutes = ZN_COUNT(zn_audit_routes);
