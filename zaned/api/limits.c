/* Rate limits of routes. */
#include "zaned/api/limits.h"

#include <stdio.h>

#include "zaned/api/session.h"

enum { ANON_LIMIT = 60, TLS_LIMIT = 60, REGISTRATION_LIMIT = 30, WEBHOOK_LIMIT = 60, WINDOW_S = 60 };

int zn_limit_check(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply,
                          struct zn_err *err)
{
    enum zn_throttle t = r->throttle;
    int limit = ANON_LIMIT, wait = 0;
    char key[160];

    if (t == ZN_THROTTLE_AUTO)
        t = r->scope == ZN_SCOPE_PUBLIC ? ZN_THROTTLE_ANON : ZN_THROTTLE_NONE;
    if (t == ZN_THROTTLE_NONE || (t == ZN_THROTTLE_ANON && c->who.user_id))
        return 0;
    limit = t == ZN_THROTTLE_TLS            ? TLS_LIMIT
            : t == ZN_THROTTLE_REGISTRATION ? REGISTRATION_LIMIT
            : t == ZN_THROTTLE_WEBHOOK      ? WEBHOOK_LIMIT
                                            : ANON_LIMIT;
    snprintf(key, sizeof key, "%d:%.100s", (int)t, c->req->client);
    if (zn_throttle_count(c->api->sessions, key, limit, WINDOW_S, &wait, err) < 0)
        return -1;
    if (!wait)
        return 0;
    zn_reply_header(reply, "Retry-After", zn_arena_printf(c->arena, "%d", wait));
    zn_reply_error(reply, 429, "throttled",
                   zn_arena_printf(c->arena, "Request was throttled. Expected available in %d seconds.", wait),
                   NULL);
    return 1;
}
