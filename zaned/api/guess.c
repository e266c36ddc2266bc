#include "zaned/api/guess.h"

#include <stdio.h>

#include "zaned/api/session.h"

enum { OWN_LIMIT = 10, OWN_WINDOW_S = 300 };

int zn_guess(struct zn_call *c, const char *what, const char *about, int limit, int window_s,
             struct zn_reply *reply, struct zn_err *err)
{
    char key[200];
    int wait;

    snprintf(key, sizeof key, "%s:%.150s", what, about);
    if (zn_throttle_count(c->api->sessions, key, limit, window_s, &wait, err) < 0)
        return -1;
    if (!wait)
        return 0;
    zn_reply_header(reply, "Retry-After", zn_arena_printf(c->arena, "%d", wait));
    zn_reply_error(
        reply, 429, "throttled",
        zn_arena_printf(c->arena, "Too many attempts. Expected available in %d seconds.", wait),
        NULL);
    return 1;
}

int zn_guess_own(struct zn_call *c, const char *what, struct zn_reply *reply, struct zn_err *err)
{
    char user[24];

    snprintf(user, sizeof user, "%lld", c->who.user_id);
    return zn_guess(c, what, user, OWN_LIMIT, OWN_WINDOW_S, reply, err);
}
