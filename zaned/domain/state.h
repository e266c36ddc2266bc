/* The state of a service as one object, and the algebra of its changes. A state has image,
 * container_registry_credentials (an object with its id, or null), command, healthcheck, resource_limits and
 * the lists of zn_state_lists, all in clear text; other members (id, slug, …) are carried along. Pure: what only the database knows comes through zn_state_rules. */
#ifndef ZN_DOMAIN_STATE_H
#define ZN_DOMAIN_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* What a service may not do to others. The answer "yes" is a problem. */
enum zn_ask {
    ZN_ASK_PORT,       /* another service has the host port `what`, or asked for it */
    ZN_ASK_READ,       /* another service reads the volume `what`, or asked to */
    ZN_ASK_UNREADABLE, /* the volume `what` is not one that this service may read */
    ZN_ASK_LOGIN,      /* there are no registry credentials `what` */
};

struct zn_state_rules { /* all borrowed */
    struct zn_arena *arena;
    const char *root_domain, *app_domain;
    /* Whether another service has this URL, or the wildcard over it, or asked for it. */
    int (*url_taken)(void *self, const char *domain, const char *base_path, bool *ret,
                     struct zn_err *err);
    void *self;
    int (*ask)(void *self, enum zn_ask question, const char *what, bool *ret, struct zn_err *err);
    double max_cpus;          /* of the host; 0 = not known */
    int64_t max_memory_bytes; /* the same */
    int64_t http_port, https_port; /* where the proxy is reached, beside 80 and 443 */
};

struct zn_conflict {
    const char *attr, *msg; /* member of the item; literals */
};

/* Lists of a state; NULL-ended. */
extern const char *const zn_state_lists[];
bool zn_state_is_list(const char *field);

/* Item of a list with that id, borrowed; NULL if absent. */
json_t *zn_state_item(const json_t *state, const char *field, const char *id);

/* state with the changes applied in order; items that are added have no id unless their change names
 * one. *ret is a new reference. ZN_CONFLICT: a change is about an item that is not there. */
int zn_state_overlay(const json_t *state, const json_t *changes, json_t **ret, struct zn_err *err);

/* The changes that lead from one state to another, deletions first; items are matched by id. */
json_t *zn_state_diff(const json_t *from, const json_t *to);

/* Whether item may be in state[field] beside the others. self: the item itself if it is in the list
 * already (compared by address), else NULL. adding: also refuses x.d beside *.d of the same service.
 * 1 = no, ret says why; 0 = yes; -1 = err. */
int zn_state_conflict(const struct zn_state_rules *rules, const json_t *state, const char *field,
                      const json_t *item, const json_t *self, bool adding, struct zn_conflict *ret,
                      struct zn_err *err);

/* The same for the value of a single field (source, resource_limits); others never are in conflict. */
int zn_single_conflict(const struct zn_state_rules *rules, const char *field, const json_t *value,
                       struct zn_conflict *ret, struct zn_err *err);

/* Checks a whole state: an image, no two items in conflict. ZN_CONFLICT names the first that is. */
int zn_state_check(const struct zn_state_rules *rules, const json_t *state, struct zn_err *err);

/* {"image", "container_registry_credentials_id"?}: what a change of source holds (new reference); NULL
 * without an image. */
json_t *zn_state_source(const json_t *state);

/* An item without what nobody asks for: its id, the version of a config, the volume that a shared one
 * means (new reference, shallow). */
json_t *zn_value_of(const json_t *item);

/* Equal as values (zn_value_of); NULL equals JSON null. */
bool zn_value_same(const json_t *a, const json_t *b);

#endif
