/* Routes of one's own sessions. */
#include <string.h>

#include "base/clock.h"
#include "zaned/api/audit.h"
#include "zaned/api/caller.h"
#include "zaned/api/session.h"

static json_t *time_json(long long seconds)
{
    char text[ZN_RFC3339_LEN];

    if (seconds <= 0)
        return json_null();
    zn_rfc3339(seconds * 1000000000, text);
    return json_string(text);
}

static int session_list(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_session *all;
    size_t n;
    json_t *list;

    if (zn_session_list(c->api->sessions, c->arena, c->who.user_id, &all, &n, err) < 0)
        return -1;
    list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s?,s:o,s:o,s:s?,s:s?,s:b}", "id", all[i].name,
                                              "created_at", time_json(all[i].created_at),
                                              "last_seen_at", time_json(all[i].seen_at), "address",
                                              all[i].address, "user_agent", all[i].agent, "current",
                                              all[i].name && c->who.session_name &&
                                                  strcmp(all[i].name, c->who.session_name) == 0));
    zn_reply_json(reply, 200, list);
    return 0;
}

/* Sessions are not in the database: the entry follows what it tells of, and its failure is the
 * caller's to see. */
static int session_revoke(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *id = zn_request_param(c->req, "id");

    if (zn_session_delete_named(c->api->sessions, c->who.user_id, id, err) < 0)
        return -1;
    zn_caller_changed(c->api, c->who.user_id);
    if (zn_audit(NULL, c, "session.revoke", id, NULL, NULL, err) < 0 || zn_audit_write(c, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

static int session_revoke_others(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_session_delete_others(c->api->sessions, c->who.user_id, c->who.session_id, err) < 0)
        return -1;
    zn_caller_changed(c->api, c->who.user_id);
    if (zn_audit(NULL, c, "session.revoke_others", NULL, NULL, NULL, err) < 0 ||
        zn_audit_write(c, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

const struct zn_route zn_session_routes[] = {
    { .method = "GET",
      .path = "/api/auth/sessions",
      .scope = ZN_SCOPE_SESSION,
      .handler = session_list,
      .name = "session_list",
      .summary = "Where you are logged in",
      .answers = { { 200, "Session[]" } } },
    { .method = "DELETE",
      .path = "/api/auth/sessions",
      .scope = ZN_SCOPE_SESSION,
      .handler = session_revoke_others,
      .name = "session_revoke_others",
      .summary = "End all your sessions but this one",
      .answers = { { 204, NULL } } },
    { .method = "DELETE",
      .path = "/api/auth/sessions/{id}",
      .scope = ZN_SCOPE_SESSION,
      .handler = session_revoke,
      .name = "session_revoke",
      .summary = "End one of your sessions",
      .answers = { { 204, NULL } } },
};
const size_t zn_session_nroutes = ZN_COUNT(zn_session_routes);
