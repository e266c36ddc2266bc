/* Helpers that several activities use: the deployment's row, error mapping, routes, swarm services. */
#include "zaned/workflows/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { LINE_MAX_LEN = 1000 };
static const int64_t VOLUME_MS = 10000;

static json_t *shared_variables(const json_t *snapshot)
{
    return json_object_get(json_object_get(snapshot, "environment"), "variables");
}

int zn_dep_read(struct zn_work *w, PGresult *rows, int row, struct zn_dep *ret, struct zn_err *err)
{
    const char *text = zn_col(rows, row, "snapshot");
    struct zn_dep d = { 0 };

    if (zn_json_parse(text, strlen(text), &d.snapshot, err) < 0)
        return zn_wrap(err, "snapshot of deployment %s", zn_col(rows, row, "hash"));
    if (zn_unseal_env(w->sealer, json_object_get(d.snapshot, "env_variables"), err) < 0 ||
        zn_unseal_env(w->sealer, shared_variables(d.snapshot), err) < 0 ||
        zn_unseal_member(w->sealer, json_object_get(d.snapshot, "configs"), "contents", err) < 0) {
        json_decref(d.snapshot);
        return zn_wrap(err, "variables of deployment %s", zn_col(rows, row, "hash"));
    }
    d.hash = zn_col(rows, row, "hash");
    d.slot = zn_col(rows, row, "slot");
    d.status = zn_col(rows, row, "status");
    d.service_id = zn_col(rows, row, "service_id");
    d.environment_id = zn_col(rows, row, "environment_id");
    d.environment = zn_col(rows, row, "environment");
    d.project_id = zn_col(rows, row, "project_id");
    d.routed_hash = zn_col(rows, row, "routed_hash");
    d.production = zn_col_bool(rows, row, "is_current_production");
    d.finished = zn_col(rows, row, "finished_at") != NULL;
    d.archived = zn_col(rows, row, "archived_at") != NULL;
    zn_name_service(d.service_id, d.slot, d.name);
    zn_name_network(d.environment_id, d.network);
    *ret = d;
    return 0;
}

int zn_dep_load(struct zn_work *w, json_t *input, struct zn_dep *ret, struct zn_err *err)
{
    const char *hash = zn_json_str(input, "deployment", "");
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(w->store, ZN_SQL_WORK_BY_HASH, ZN_P(hash), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "deployment %s no longer exists", hash);
    if (zn_dep_read(w, res, 0, ret, err) < 0)
        return -1;
    ret->rows = ZN_TAKE(res);
    return 0;
}

void zn_dep_done(struct zn_dep *d)
{
    json_decref(d->snapshot);
    PQclear(d->rows);
    memset(d, 0, sizeof *d);
}

enum zt_res zn_act_result(struct zt_actx *c, int r, struct zn_err *err)
{
    if (r == 0)
        return ZT_OK;
    if (zt_actx_canceled(c) && !zt_actx_stopping(c))
        return ZT_CANCELED;
    if (err->detail[0])
        zn_warn("activity of %s: %s (%s)", zt_actx_workflow_id(c), err->msg, err->detail);
    bool final = err->code == ZN_INVALID || err->code == ZN_NOT_FOUND;
    return zt_fail(c, zn_code_name(err->code), final ? -1 : 0, "%s", err->msg);
}

int zn_dep_step(struct zn_work *w, const char *hash, const char *step, struct zn_err *err,
                const char *fmt, ...)
{
    char line[LINE_MAX_LEN];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    zn_utf8_mend(line);
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_STEP, ZN_P(hash, step, line), NULL, err);
}

void zn_dep_line(struct zn_work *w, const char *hash, const char *level, const char *fmt, ...)
{
    char line[LINE_MAX_LEN];
    struct zn_err err = { 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    zn_utf8_mend(line);
    if (zn_sql_once(w->store, ZN_SQL_LINE_ADD, ZN_P(hash, "SYSTEM", level, line), NULL, &err) < 0)
        zn_warn("build log of %s: %s; left out: %s", hash, err.msg, line);
}

int zn_dep_status(struct zn_work *w, const char *hash, const char *status, const char *reason,
                  struct zn_err *err)
{
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_STATUS, ZN_P(hash, status, reason), NULL, err);
}

static int write_edge_file(struct zn_work *w, const struct zn_dep *d, const char *what,
                           const char *value, json_t *names, struct zn_err *err)
{
    char file[ZN_EDGE_NAME];

    zn_edge_file(d->service_id, what, file);
    json_object_set_new(names, file, json_true());
    return zn_edge_write(&w->caddy, file, value, err);
}

/* Files of one service: <part>.<port> for each port of its URLs, <part>.hash, <part>.slot. Their names are
 * added to names. */
static int write_edge_files(struct zn_work *w, const struct zn_dep *d, json_t *names,
                            struct zn_err *err)
{
    char value[ZN_NAME_LEN + 8], port[16], slot[16];
    size_t i;
    json_t *url;

    snprintf(slot, sizeof slot, "%s", d->slot);
    zn_lower(slot);
    if (write_edge_file(w, d, "hash", d->hash, names, err) < 0 ||
        write_edge_file(w, d, "slot", slot, names, err) < 0)
        return -1;
    json_array_foreach (json_object_get(d->snapshot, "urls"), i, url) {
        if (json_is_object(json_object_get(url, "redirect_to")))
            continue;
        snprintf(port, sizeof port, "%lld", (long long)zn_json_int(url, "associated_port", 80));
        snprintf(value, sizeof value, "%s:%s", d->name, port);
        if (write_edge_file(w, d, port, value, names, err) < 0)
            return -1;
    }
    return 0;
}

static int route_sync_locked(struct zn_work *w, PGresult *rows, struct zn_err *err)
{
    int n = PQntuples(rows), r = 0, used = 0;
    zn_auto_mem struct zn_dep *deps = calloc((size_t)n + 1, sizeof *deps);
    zn_auto_mem struct zn_route_service *routed = calloc((size_t)n + 1, sizeof *routed);
    zn_auto_json names = json_object();
    zn_auto_json cfg = NULL;
    bool loaded = false;

    if (!deps || !routed || !names)
        return zn_fail(err, ZN_INTERNAL, "out of memory for %d routes", n);
    for (int i = 0; r == 0 && i < n; i++) {
        r = zn_dep_read(w, rows, i, &deps[used], err);
        if (r < 0)
            break;
        struct zn_dep *d = &deps[used++];
        r = write_edge_files(w, d, names, err);
        routed[used - 1] = (struct zn_route_service){ d->service_id, d->hash, d->slot, d->name,
                                                      json_object_get(d->snapshot, "urls") };
    }
    if (r == 0)
        r = zn_proxy_render(&w->proxy, routed, (size_t)used, &cfg, err);
    if (r == 0)
        r = zn_caddy_apply(&w->caddy, cfg, &loaded, err);
    if (r == 0)
        r = zn_edge_keep(&w->caddy, names, err);
    if (loaded && r == 0)
        zn_info("proxy configuration loaded services=%d", used);
    for (int i = 0; i < used; i++)
        zn_dep_done(&deps[i]);
    return r;
}

int zn_route_sync(struct zn_work *w, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;
    int r;

    /* The rows are read under the lock: else an older picture could be loaded after a newer one. */
    pthread_mutex_lock(&w->route_lock);
    r = zn_sql_once(w->store, ZN_SQL_WORK_ROUTED, ZN_P0, &rows, err);
    if (r == 0)
        r = route_sync_locked(w, rows, err);
    pthread_mutex_unlock(&w->route_lock);
    return r;
}

int zn_edge_attach(struct zn_work *w, const char *network, struct zn_err *err)
{
    char container[72];

    if (zn_engine_container_of(w->engine, ZN_EDGE_SERVICE, container, err) < 0)
        return zn_wrap(err, "proxy");
    return zn_engine_network_connect(w->engine, network, container, err);
}

/* Image of the worker itself, by its id. */
static int own_image(struct zn_work *w, json_t **ret, const char **image, struct zn_err *err)
{
    if (zn_engine_service_get(w->engine, ZN_WORKER_SERVICE, ret, err) < 0)
        return -1;
    const json_t *task = json_object_get(json_object_get(*ret, "Spec"), "TaskTemplate");
    *image = zn_json_str(json_object_get(task, "ContainerSpec"), "Image", "");
    return 0;
}

int zn_network_remove(struct zn_work *w, const char *network, struct zn_err *err)
{
    zn_auto_json worker = NULL;
    char container[72];
    const char *image;

    if (zn_engine_container_of(w->engine, ZN_EDGE_SERVICE, container, err) == 0) {
        if (zn_engine_network_disconnect(w->engine, network, container, err) < 0)
            return zn_wrap(err, "proxy");
    } else if (err->code != ZN_NOT_FOUND) {
        return -1;
    }
    memset(err, 0, sizeof *err);
    if (own_image(w, &worker, &image, err) < 0)
        return -1;
    return zn_engine_network_remove(w->engine, network, image, err);
}

/* Volumes of other services: made as theirs if they have not been deployed yet, so that they go with them. */
static int shared_ensure(struct zn_work *w, const struct zn_dep *d, struct zn_err *err)
{
    size_t i;
    json_t *v;

    json_array_foreach (json_object_get(d->snapshot, "shared_volumes"), i, v) {
        const json_t *volume = json_object_get(v, "volume");
        const char *owner = zn_json_str(json_object_get(volume, "service"), "id", "");
        char name[ZN_NAME_LEN];

        zn_name_volume(zn_json_str(volume, "id", ""), name);
        if (zn_engine_volume_ensure(w->engine, name, owner, "", err) < 0)
            return -1;
    }
    return 0;
}

int zn_resources_ensure(struct zn_work *w, const struct zn_dep *d, struct zn_err *err)
{
    size_t i;
    json_t *v;

    if (zn_engine_network_ensure(w->engine, d->network, d->environment_id, err) < 0)
        return -1;
    json_array_foreach (json_object_get(d->snapshot, "volumes"), i, v) {
        char name[ZN_NAME_LEN];

        zn_name_volume(zn_json_str(v, "id", ""), name);
        if (!zn_json_str(v, "host_path", NULL) &&
            zn_engine_volume_ensure(w->engine, name, d->service_id, d->hash, err) < 0)
            return -1;
    }
    return shared_ensure(w, d, err);
}

/* The engine takes some seconds to put away a container that has ended: until then its volume is in use. */
static int volume_remove(struct zn_work *w, const char *name, struct zn_err *err)
{
    int64_t end = zn_now_ms() + VOLUME_MS;

    for (unsigned i = 0;; i++) {
        if (zn_engine_volume_remove(w->engine, name, err) == 0)
            return 0;
        if (err->code != ZN_CONFLICT || zn_now_ms() > end)
            return -1;
        memset(err, 0, sizeof *err);
        zn_pause_ms(zn_backoff_ms(i, 100, 1000, 0));
    }
}

int zn_volumes_remove(struct zn_work *w, const char *service, const char *deployment,
                      struct zn_err *err)
{
    zn_auto_json names = NULL;
    size_t i;
    json_t *name;

    if (zn_engine_volumes_of(w->engine, service, deployment, &names, err) < 0)
        return -1;
    json_array_foreach (names, i, name)
        if (volume_remove(w, json_string_value(name), err) < 0)
            return -1;
    return 0;
}

/* Makes the swarm configs of a deployment; *ret: name → id. */
static int configs_ensure(struct zn_work *w, const struct zn_dep *d, json_t *ret, struct zn_err *err)
{
    size_t i;
    json_t *c;

    json_array_foreach (json_object_get(d->snapshot, "configs"), i, c) {
        char name[ZN_NAME_LEN], id[64];

        zn_name_config(zn_json_str(c, "id", ""), zn_json_int(c, "version", 1), name);
        if (zn_engine_config_ensure(w->engine, name, d->service_id, zn_json_str(c, "contents", ""), id, err) < 0)
            return zn_wrap(err, "config %s", zn_json_str(c, "name", ""));
        json_object_set_new(ret, name, json_string(id));
    }
    return 0;
}

int zn_configs_tidy(struct zn_work *w, const char *service, struct zn_err *err)
{
    zn_auto_json list = NULL;
    size_t i;
    json_t *one;

    if (zn_engine_configs_of(w->engine, service, &list, err) < 0)
        return -1;
    json_array_foreach (list, i, one)
        if (zn_engine_config_remove(w->engine, zn_json_str(one, "name", ""), err) < 0)
            return -1;
    return 0;
}

int zn_service_ensure(struct zn_work *w, const struct zn_dep *d, const char *image,
                      struct zn_err *err)
{
    struct zn_spec_env env = { .hash = d->hash,
                               .slot = d->slot,
                               .environment_id = d->environment_id,
                               .environment = d->environment,
                               .project_id = d->project_id,
                               .log_address = w->log_address,
                               .shared_env = shared_variables(d->snapshot) };
    zn_auto_json pinned = json_copy(d->snapshot);
    zn_auto_json configs = json_object();
    zn_auto_registry_auth struct zn_buf auth = ZN_BUF(ZN_AUTH_MAX);
    zn_auto_json spec = NULL;

    if (configs_ensure(w, d, configs, err) < 0)
        return -1;
    env.configs = configs;
    json_object_set_new(pinned, "image", json_string(image));
    if (zn_spec_build(pinned, &env, &spec, err) < 0)
        return -1;
    /* The image is here by now, so nothing fails for a login that is gone or never was good for it. */
    if (zn_registry_auth(w, d, &auth, err) < 0) {
        if (err->code != ZN_INVALID)
            return -1;
        zn_warn("service %s is made without a login for its image: %s", d->name, err->msg);
        memset(err, 0, sizeof *err);
        zn_buf_clear(&auth);
    }
    return zn_engine_service_create(w->engine, spec, auth.len ? zn_buf_str(&auth) : NULL, err);
}

int zn_service_remove(struct zn_work *w, struct zt_actx *c, const char *name, const char *hash,
                      struct zn_err *err)
{
    zn_auto_json there = NULL;

    if (zn_engine_service_get(w->engine, name, &there, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    json_t *labels = json_object_get(json_object_get(there, "Spec"), "Labels");
    if (hash && strcmp(zn_json_str(labels, "zane.deployment", ""), hash) != 0)
        return 0; /* the slot has another owner by now */
    if (zn_engine_service_remove(w->engine, name, err) < 0)
        return -1;
    for (unsigned i = 0; i < 60; i++) {
        char container[72];

        if (zn_engine_container_of(w->engine, name, container, err) < 0)
            return err->code == ZN_NOT_FOUND ? 0 : -1;
        if (!zt_actx_wait(c, zn_backoff_ms(i, 50, 1000, i)))
            return zn_fail(err, ZN_UNAVAILABLE, "interrupted while %s stops", name);
    }
    return zn_fail(err, ZN_BUSY, "containers of %s are still there after a minute", name);
}

/* One production service: there, or made again from its snapshot. */
int zn_service_restore(struct zn_work *w, const struct zn_dep *d, struct zn_err *err)
{
    char image[256];

    if (zn_engine_service_get(w->engine, d->name, NULL, err) == 0)
        return 0;
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    zn_info("service %s is missing: creating it again deployment=%s", d->name, d->hash);
    if (zn_engine_image_pin(w->engine, zn_json_str(d->snapshot, "image", ""), image, err) < 0 ||
        zn_resources_ensure(w, d, err) < 0)
        return -1;
    return zn_service_ensure(w, d, image, err);
}
