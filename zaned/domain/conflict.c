/* What may stand beside what: the items of a service, those of others, the host. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "zaned/domain/rules.h"
#include "zaned/domain/state.h"
#include "zaned/domain/values.h"

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool same_text(const json_t *a, const json_t *b, const char *member)
{
    const char *left = zn_json_str(a, member, NULL), *right = zn_json_str(b, member, NULL);

    return left && right && is(left, right);
}

/* --- within the service ----------------------------------------------------------------------------- */

static const struct zn_conflict *url_beside(const json_t *item, const json_t *other, bool adding)
{
    static const struct zn_conflict url = { "domain",
                                            "This service already has a URL with this domain and "
                                            "base path." };
    static const struct zn_conflict covered = { "domain", "A wildcard URL of this service already "
                                                          "answers for this domain." };

    if (!same_text(item, other, "base_path"))
        return NULL;
    if (same_text(item, other, "domain"))
        return &url;
    return adding && zn_domain_covers(zn_json_str(other, "domain", ""),
                                      zn_json_str(item, "domain", ""))
               ? &covered
               : NULL;
}

/* Items of the same list. */
static const struct zn_conflict *beside(const char *field, const json_t *item, const json_t *other,
                                        bool adding)
{
    static const struct zn_conflict key = { "key", "Another variable of this service has this key." };
    static const struct zn_conflict host = { "host_path",
                                             "Another volume of this service has this host path." };
    static const struct zn_conflict shared = { "volume_id", "This service reads that volume already." };
    static const struct zn_conflict port = { "host", "This service already has this port of the host." };

    if (is(field, "urls"))
        return url_beside(item, other, adding);
    if (is(field, "env_variables"))
        return same_text(item, other, "key") ? &key : NULL;
    if (is(field, "volumes"))
        return same_text(item, other, "host_path") ? &host : NULL;
    if (is(field, "shared_volumes"))
        return same_text(item, other, "volume_id") ? &shared : NULL;
    if (is(field, "ports"))
        return zn_json_int(item, "host", 0) == zn_json_int(other, "host", -1) ? &port : NULL;
    return NULL;
}

/* Volumes, shared volumes and configs share the paths of the container. */
static const char *path_member(const char *field)
{
    return is(field, "configs")                                        ? "mount_path"
           : is(field, "volumes") || is(field, "shared_volumes") ? "container_path"
                                                                       : NULL;
}

static bool path_conflict(const json_t *state, const char *field, const json_t *item, const json_t *self,
                          struct zn_conflict *ret)
{
    const char *mine = path_member(field), *path = mine ? zn_json_str(item, mine, NULL) : NULL;

    for (const char *const *l = zn_state_lists; path && *l; l++) {
        const char *theirs = path_member(*l);
        size_t i;
        json_t *other;

        json_array_foreach (json_object_get(state, *l), i, other) {
            if (!theirs || other == self || !is(zn_json_str(other, theirs, ""), path))
                continue;
            *ret = (struct zn_conflict){
                mine, "Another volume, shared volume or config of this service has this path."
            };
            return true;
        }
    }
    return false;
}

static bool too_much(const json_t *state, const json_t *item, const json_t *self, struct zn_conflict *ret)
{
    size_t i, sum = strlen(zn_json_str(item, "contents", ""));
    json_t *other;

    json_array_foreach (json_object_get(state, "configs"), i, other)
        if (other != self)
            sum += strlen(zn_json_str(other, "contents", ""));
    if (sum > ZN_MAX_CONFIGS)
        *ret = (struct zn_conflict){ "contents", "The configs of a service hold at most 1 MiB together." };
    return sum > ZN_MAX_CONFIGS;
}

/* --- beyond it -------------------------------------------------------------------------------------- */

/* 1 if the answer is yes, ret says what that means. */
static int ask(const struct zn_state_rules *r, enum zn_ask question, const char *what, const char *attr,
               const char *msg, struct zn_conflict *ret, struct zn_err *err)
{
    bool yes = false;

    if (r->ask && r->ask(r->self, question, what, &yes, err) < 0)
        return -1;
    if (yes)
        *ret = (struct zn_conflict){ attr, msg };
    return yes;
}

static int url_conflict(const struct zn_state_rules *r, const json_t *item, struct zn_conflict *ret,
                        struct zn_err *err)
{
    const char *domain = zn_json_str(item, "domain", "");
    const char *why = zn_domain_reserved(domain, r->root_domain, r->app_domain);
    bool taken = false;

    if (!why) {
        if (r->url_taken(r->self, domain, zn_json_str(item, "base_path", "/"), &taken, err) < 0)
            return -1;
        why = taken ? "Another service has this domain and base path, or a wildcard over it." : NULL;
    }
    if (!why)
        return 0;
    *ret = (struct zn_conflict){ "domain", why };
    return 1;
}

static int port_conflict(const struct zn_state_rules *r, const json_t *item, struct zn_conflict *ret,
                         struct zn_err *err)
{
    int64_t host = zn_json_int(item, "host", 0);
    char text[24];

    if (host == 80 || host == 443 || host == r->http_port || host == r->https_port) {
        *ret = (struct zn_conflict){ "host", "This port of the host belongs to the proxy: use a URL." };
        return 1;
    }
    snprintf(text, sizeof text, "%lld", (long long)host);
    return ask(r, ZN_ASK_PORT, text, "host", "Another service has this port of the host.", ret, err);
}

static int shared_conflict(const struct zn_state_rules *r, const json_t *state, const json_t *item,
                           struct zn_conflict *ret, struct zn_err *err)
{
    const char *id = zn_json_str(item, "volume_id", "");

    if (zn_state_item(state, "volumes", id)) {
        *ret = (struct zn_conflict){ "volume_id", "A service cannot share its own volume with itself." };
        return 1;
    }
    return ask(r, ZN_ASK_UNREADABLE, id, "volume_id",
               "No other service of this environment has such a volume, or it is a folder of the host, or "
               "it is about to be deleted.",
               ret, err);
}

int zn_state_conflict(const struct zn_state_rules *rules, const json_t *state, const char *field,
                      const json_t *item, const json_t *self, bool adding, struct zn_conflict *ret,
                      struct zn_err *err)
{
    const json_t *list = json_object_get(state, field);
    size_t i;
    json_t *other;

    json_array_foreach (list, i, other) {
        const struct zn_conflict *c = other == self ? NULL : beside(field, item, other, adding);

        if (c) {
            *ret = *c;
            return 1;
        }
    }
    if (path_conflict(state, field, item, self, ret))
        return 1;
    if (!self && json_array_size(list) >= ZN_MAX_ITEMS) {
        *ret = (struct zn_conflict){ "non_field_errors", "A service has at most 200 of these." };
        return 1;
    }
    if (is(field, "configs"))
        return too_much(state, item, self, ret);
    if (is(field, "shared_volumes"))
        return shared_conflict(rules, state, item, ret, err);
    if (is(field, "ports"))
        return port_conflict(rules, item, ret, err);
    return is(field, "urls") ? url_conflict(rules, item, ret, err) : 0;
}

/* --- single fields ---------------------------------------------------------------------------------- */

int zn_single_conflict(const struct zn_state_rules *rules, const char *field, const json_t *value,
                       struct zn_conflict *ret, struct zn_err *err)
{
    const json_t *memory = json_object_get(value, "memory");
    const char *login = zn_json_str(value, "container_registry_credentials_id", NULL);

    if (is(field, "source") && login)
        return ask(rules, ZN_ASK_LOGIN, login, "container_registry_credentials_id",
                   "There are no registry credentials with this id.", ret, err);
    if (!is(field, "resource_limits"))
        return 0;
    if (rules->max_cpus > 0 && json_number_value(json_object_get(value, "cpus")) > rules->max_cpus) {
        *ret = (struct zn_conflict){ "cpus", "The host does not have as many processors." };
        return 1;
    }
    if (rules->max_memory_bytes && json_is_object(memory) &&
        zn_memory_bytes(memory) > rules->max_memory_bytes) {
        *ret = (struct zn_conflict){ "memory", "The host does not have as much memory." };
        return 1;
    }
    return 0;
}

/* --- a whole state ---------------------------------------------------------------------------------- */

static int refused(struct zn_err *err, const char *field, const struct zn_conflict *c)
{
    return zn_fail(err, ZN_CONFLICT, "%s, %s: %s", field, c->attr, c->msg);
}

static int check_singles(const struct zn_state_rules *rules, const json_t *state, struct zn_err *err)
{
    zn_auto_json source = zn_state_source(state);
    struct zn_conflict c;
    int r;

    if (!source)
        return zn_fail(err, ZN_CONFLICT, "the service would be left without an image");
    r = zn_single_conflict(rules, "source", source, &c, err);
    if (r)
        return r < 0 ? -1 : refused(err, "source", &c);
    r = zn_single_conflict(rules, "resource_limits", json_object_get(state, "resource_limits"), &c, err);
    return r > 0 ? refused(err, "resource_limits", &c) : r;
}

int zn_state_check(const struct zn_state_rules *rules, const json_t *state, struct zn_err *err)
{
    size_t i;
    json_t *item;

    if (check_singles(rules, state, err) < 0)
        return -1;
    for (const char *const *l = zn_state_lists; *l; l++)
        json_array_foreach (json_object_get(state, *l), i, item) {
            struct zn_conflict c;
            int r = zn_state_conflict(rules, state, *l, item, item, false, &c, err);

            if (r)
                return r < 0 ? -1 : refused(err, *l, &c);
        }
    return 0;
}
