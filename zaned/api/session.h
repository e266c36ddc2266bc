/* Sessions and counters in Valkey (RESP by hiredis). Losing them logs people out, no more. A
 * session lies there under a hash of its cookie, so that what is read there logs nobody in. Safe
 * from any thread. */
#ifndef ZN_API_SESSION_H
#define ZN_API_SESSION_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

enum { ZN_SESSION_ID = 40, ZN_SESSION_SECONDS = 14 * 86400 };

struct zn_sessions;

struct zn_session {
    long long user_id;
    const char *csrf, *workspace_id; /* workspace_id may be NULL */
    const char *name; /* what it is called where it is shown; made by zn_session_create */
    const char *address, *agent;   /* of the client, any bytes; shown mended and cut; may be NULL */
    long long created_at, seen_at; /* seconds since 1970; seen_at is up to a minute old */
};

/* Most sessions of one user that are listed. */
enum { ZN_SESSIONS_LISTED = 200 };

/* No connection is made here. password is copied. */
int zn_sessions_open(const char *host, int port, const char *password, struct zn_sessions **ret,
                     struct zn_err *err);
void zn_sessions_close(struct zn_sessions *s);

/* New session; id: at least ZN_SESSION_ID bytes, for the cookie. */
int zn_session_create(struct zn_sessions *s, const struct zn_session *what, char *id,
                      struct zn_err *err);
/* ZN_NOT_FOUND if there is none (any more). Texts in the arena. Notes that it was seen now. */
int zn_session_load(struct zn_sessions *s, struct zn_arena *a, const char *id,
                    struct zn_session *ret, struct zn_err *err);
int zn_session_delete(struct zn_sessions *s, const char *id, struct zn_err *err);
/* Makes a workspace (NULL = none) the current one of a session; one that ended meanwhile stays ended. */
int zn_session_set_workspace(struct zn_sessions *s, const char *id, const char *workspace_id,
                             struct zn_err *err);
/* Deletes all sessions of a user but `keep` (may be NULL). */
int zn_session_delete_others(struct zn_sessions *s, long long user_id, const char *keep,
                             struct zn_err *err);

/* Sessions of a user, in no order; an array in the arena. */
int zn_session_list(struct zn_sessions *s, struct zn_arena *a, long long user_id,
                    struct zn_session **ret, size_t *n, struct zn_err *err);
/* Ends the session of the user with that name; ZN_NOT_FOUND. */
int zn_session_delete_named(struct zn_sessions *s, long long user_id, const char *name,
                            struct zn_err *err);

/* Counts one use of key in its window; *wait_s: seconds until the next is allowed, 0 = allowed now. */
int zn_throttle_count(struct zn_sessions *s, const char *key, int limit, int window_s, int *wait_s,
                      struct zn_err *err);
/* Adds n to a count that is kept for ttl_s from now; *total: what it is then. */
int zn_throttle_add(struct zn_sessions *s, const char *key, int n, int ttl_s, int *total,
                    struct zn_err *err);
int zn_sessions_ping(struct zn_sessions *s, struct zn_err *err);

#endif
