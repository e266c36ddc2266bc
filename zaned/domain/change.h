/* Change requests of a service: from a request's body to a checked change.
 *
 * A change is an object {type, field, item_id, old_value, new_value}; stored ones also have an id.
 * Single fields (source, command, healthcheck, resource_limits) only know UPDATE; lists (zn_state_lists)
 * know ADD, UPDATE and DELETE, the last two with the item's id. What their values are: values.h. Values are
 * in clear text here. */
#ifndef ZN_DOMAIN_CHANGE_H
#define ZN_DOMAIN_CHANGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "zaned/domain/state.h"

/* Body of a request: field, type, item_id, new_value (any type here; see zn_change_tables). */
enum { ZN_CHANGE_NFIELDS = 4 };
extern const struct zn_jfield zn_change_fields[ZN_CHANGE_NFIELDS];

/* Decodes a request into *ret (new reference): defaults filled in, domains in lower case, paths
 * normalised. ZN_INVALID with all bad fields ("new_value.domain", …). */
int zn_change_parse(struct zn_arena *a, json_t *body, json_t **ret, struct zn_err *err);

/* What storing a change means for the changes that wait. */
struct zn_change_plan {
    const char *replaces; /* id of the waiting change to remove, or NULL; borrowed from pending */
    bool store;           /* false: the service already is as wanted */
};

/* Checks a parsed change against the service as it is (live) with its waiting changes (pending), and
 * completes it: old_value, names and domains that were left out. default_domain is used for a URL
 * without a domain. ZN_INVALID with fields; errors of rules->url_taken. */
int zn_change_check(const struct zn_state_rules *rules, const json_t *live, const json_t *pending,
                    const char *default_domain, json_t *change, struct zn_change_plan *ret,
                    struct zn_err *err);

/* The changes that set these variables ([{key, value}], each key once), and the ids of waiting ones that
 * they replace; variables of other keys stay as they are. Both results are new references. */
int zn_change_variables(const json_t *live, const json_t *pending, const json_t *variables,
                        json_t **changes, json_t **replaced, struct zn_err *err);

/* Puts "<prefix>." before the fields of err from index `from` on. */
void zn_fields_prefix(struct zn_arena *a, struct zn_err *err, unsigned from, const char *prefix);
/* Runs a rule on a text; a broken one becomes the field error `path`. False = broken. */
bool zn_field_rule(struct zn_err *err, const char *path, const char *(*rule)(const void *),
                   const char *text);

#endif
