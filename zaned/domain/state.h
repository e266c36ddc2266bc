/* The state of a service as one object, and the algebra of its changes. A state has image, command,
 * healthcheck and the lists volumes, env_variables, urls, all in clear text; other members (id, slug,
 * …) are carried along. Pure: what only the database knows comes through zn_state_rules. */
#ifndef ZN_DOMAIN_STATE_H
#define ZN_DOMAIN_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct zn_state_rules { /* all borrowed */
    struct zn_arena *arena;
    const char *root_domain, *app_domain;
    /* Whether another service has this URL, or the wildcard over it, or asked for it. */
    int (*url_taken)(void *self, const char *domain, const char *base_path, bool *ret,
                     struct zn_err *err);
    void *self;
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

/* Checks a whole state: an image, no two items in conflict. ZN_CONFLICT names the first that is. */
int zn_state_check(const struct zn_state_rules *rules, const json_t *state, struct zn_err *err);

/* Equal apart from member "id"; NULL equals JSON null. */
bool zn_value_same(const json_t *a, const json_t *b);

#endif
