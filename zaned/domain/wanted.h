/* The one-call deploy (PUT /api/deploys/{service}): a body that says how the service should be. What the
 * body leaves out stays as it is. */
#ifndef ZN_DOMAIN_WANTED_H
#define ZN_DOMAIN_WANTED_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "zaned/domain/state.h"

struct zn_wanted { /* texts in the arena; json borrowed from the body */
    const char *image, *domain, *health_check_path, *command;
    const char *project, *environment, *commit_message;
    int64_t port; /* 0 = not said */
    bool clears_health, clears_command;
    json_t *env;     /* new reference: [{key, value}], NULL = not said */
    json_t *volumes; /* new reference: [{name, container_path}], NULL = not said */
};

/* Members of the body; env and volumes of any shape here. */
enum { ZN_WANTED_NFIELDS = 10 };
extern const struct zn_jfield zn_wanted_fields[ZN_WANTED_NFIELDS];

/* ZN_INVALID with all bad fields of the body at once ("env.KEY", "volumes.0.container_path"). */
int zn_wanted_parse(struct zn_arena *a, json_t *body, struct zn_wanted *ret, struct zn_err *err);
void zn_wanted_done(struct zn_wanted *w);

/* The service as it should become: state (live and waiting changes) with the body's wishes.
 *   env      exactly these variables remain, if said
 *   volumes  these exist, found by path; others stay, since removing one would lose data
 *   domain   is one of the URLs at "/", on `port`; without it the first plain URL at "/" is meant, and
 *            where there is none, default_domain is taken
 *   port     moves all URLs and the PATH health check that used the former port
 * *ret is a new reference. ZN_INVALID with fields where the result would be in conflict. */
int zn_wanted_apply(const struct zn_state_rules *rules, const struct zn_wanted *w,
                    const json_t *state, const char *default_domain, json_t **ret,
                    struct zn_err *err);

#endif
