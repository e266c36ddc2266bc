#include "zaned/swarm/engine.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/http.h"
#include "base/ip.h"

enum { API_MINOR_MAX = 44, BODY_MAX = 8 << 20, FAR_UP_TRIES = 8 };

int zn_engine_init(struct zn_engine *e, const char *socket, struct zn_err *err)
{
    memset(e, 0, sizeof *e);
    if (strlen(socket) >= sizeof e->socket)
        return zn_fail(err, ZN_INVALID, "engine socket path is longer than %zu bytes",
                       sizeof e->socket - 1);
    snprintf(e->socket, sizeof e->socket, "%s", socket);
    pthread_mutex_init(&e->api_lock, NULL);
    for (int i = 0; i < ZN_ENGINE_LOCKS; i++)
        pthread_mutex_init(&e->service_lock[i], NULL);
    return 0;
}

void zn_engine_done(struct zn_engine *e)
{
    pthread_mutex_destroy(&e->api_lock);
    for (int i = 0; i < ZN_ENGINE_LOCKS; i++)
        pthread_mutex_destroy(&e->service_lock[i]);
}

enum zn_code zn_engine_code(int status, const char *message)
{
    static const struct {
        int status;
        const char *text;
        enum zn_code code;
    } table[] = {
        { 500, "update out of sequence", ZN_BUSY },
        { 500, "name conflicts with an existing object", ZN_CONFLICT },
        { 500, "No such image", ZN_NOT_FOUND },
        { 400, "is in use by service", ZN_BUSY },
        { 403, "has active endpoints", ZN_BUSY },
        { 403, "already exists in network", ZN_CONFLICT },
        { 400, "", ZN_INVALID },
        { 401, "", ZN_UNAUTHENTICATED },
        { 403, "", ZN_DENIED },
        { 404, "", ZN_NOT_FOUND },
        { 409, "", ZN_CONFLICT },
        { 501, "", ZN_INVALID },
        { 503, "", ZN_UNAVAILABLE },
    };

    if (status < 400)
        return ZN_OK;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status && strstr(message, table[i].text))
            return table[i].code;
    return ZN_INTERNAL;
}

void zn_engine_api(struct zn_str header, char ret[16])
{
    int minor = 0;

    if (header.n > 2 && memcmp(header.s, "1.", 2) == 0)
        for (size_t i = 2; i < header.n && header.s[i] >= '0' && header.s[i] <= '9' && minor < 1000;
             i++)
            minor = minor * 10 + (header.s[i] - '0');
    if (minor == 0 || minor > API_MINOR_MAX)
        minor = minor ? API_MINOR_MAX : 41;
    snprintf(ret, 16, "v1.%d", minor);
}

static int negotiate(struct zn_engine *e, char ret[16], struct zn_err *err)
{
    int r = 0;

    pthread_mutex_lock(&e->api_lock);
    if (!e->api[0]) {
        struct zn_http_req req = { .unix_path = e->socket,
                                   .method = "GET",
                                   .target = "/_ping",
                                   .deadline_ms = 5000,
                                   .cancel_fd = -1 };
        zn_auto_http_resp struct zn_http_resp resp = { 0 };

        r = zn_http_call(&req, &resp, err);
        if (r == 0)
            zn_engine_api(zn_http_header(&resp.parser, "Api-Version"), e->api);
    }
    memcpy(ret, e->api, 16);
    pthread_mutex_unlock(&e->api_lock);
    return r < 0 ? zn_wrap(err, "engine") : 0;
}

/* Turns an answer of 400 or more into an error with the engine's message. */
static int engine_error(int status, struct zn_buf *body, struct zn_err *err)
{
    const char *text = zn_buf_str(body);
    zn_auto_json doc = text ? json_loads(text, 0, NULL) : NULL;
    const char *message = zn_json_str(doc, "message", text ? text : "");
    const char *desc = strstr(message, "desc = ");

    zn_fail(err, zn_engine_code(status, message), "engine: %s",
            *message ? (desc ? desc + 7 : message) : "no reason given");
    zn_detail(err, "status=%d message=%.400s", status, message);
    return -1;
}

/* headers: whole lines, or NULL. */
static int call_with(struct zn_engine *e, const char *method, const char *path, const char *headers, json_t *body,
                     json_t **ret, struct zn_err *err)
{
    char api[16];
    zn_auto_buf struct zn_buf target = ZN_BUF(8192);
    zn_auto_mem char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    zn_auto_http_resp struct zn_http_resp resp = { 0 };

    if (negotiate(e, api, err) < 0)
        return -1;
    zn_buf_printf(&target, "/%s%s", api, path);
    struct zn_http_req req = { .unix_path = e->socket,
                               .method = method,
                               .target = zn_buf_str(&target),
                               .headers = headers,
                               .body = text,
                               .body_len = text ? strlen(text) : 0,
                               .deadline_ms = ZN_ENGINE_DEADLINE_MS,
                               .max_body = BODY_MAX,
                               .cancel_fd = -1 };
    if (!req.target)
        return zn_fail(err, ZN_INTERNAL, "engine: request path too long");
    if (zn_http_call(&req, &resp, err) < 0)
        return zn_wrap(err, "engine");
    if (resp.status >= 400)
        return engine_error(resp.status, &resp.body, err);
    if (ret) {
        *ret = NULL;
        if (resp.body.len && zn_json_parse(resp.body.mem, resp.body.len, ret, err) < 0)
            return zn_wrap(err, "engine answer");
    }
    return 0;
}

int zn_engine_call(struct zn_engine *e, const char *method, const char *path, json_t *body,
                   json_t **ret, struct zn_err *err)
{
    return call_with(e, method, path, NULL, body, ret, err);
}

int zn_engine_call_named(struct zn_engine *e, const char *method, const char *prefix,
                         const char *name, const char *suffix, json_t *body, json_t **ret,
                         struct zn_err *err)
{
    zn_auto_buf struct zn_buf path = ZN_BUF(4096);

    zn_buf_puts(&path, prefix);
    zn_percent_add(&path, name);
    zn_buf_puts(&path, suffix);
    if (!zn_buf_str(&path))
        return zn_fail(err, ZN_INVALID, "name too long for the engine");
    return zn_engine_call(e, method, zn_buf_str(&path), body, ret, err);
}

static int unless(enum zn_code fine, int r, struct zn_err *err)
{
    if (r < 0 && err->code == fine) {
        memset(err, 0, sizeof *err);
        return 0;
    }
    return r;
}

static int image_inspect(struct zn_engine *e, const char *image, json_t **ret, struct zn_err *err)
{
    /* Image names keep their slashes in this path. */
    zn_auto_buf struct zn_buf path = ZN_BUF(4096);

    zn_buf_printf(&path, "/images/%s/json", image);
    if (!*image || !zn_buf_str(&path) || strpbrk(image, " ?#%\r\n"))
        return zn_fail(err, ZN_INVALID, "bad image name");
    return zn_engine_call(e, "GET", zn_buf_str(&path), NULL, ret, err);
}

int zn_engine_image_pin(struct zn_engine *e, const char *image, char ret[256], struct zn_err *err)
{
    zn_auto_json doc = NULL;

    if (image_inspect(e, image, &doc, err) < 0)
        return -1;
    const char *digest = json_string_value(json_array_get(json_object_get(doc, "RepoDigests"), 0));
    const char *pin = digest ? digest : zn_json_str(doc, "Id", "");
    if (!*pin || strlen(pin) >= 256)
        return zn_fail(err, ZN_INTERNAL, "the engine has no usable id for image %.100s", image);
    snprintf(ret, 256, "%s", pin);
    return 0;
}

int zn_engine_image_present(struct zn_engine *e, const char *image, bool *ret, struct zn_err *err)
{
    if (image_inspect(e, image, NULL, err) == 0) {
        *ret = true;
        return 0;
    }
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    *ret = false;
    return 0;
}

int zn_engine_network_ensure(struct zn_engine *e, const char *name, const char *environment_id,
                             struct zn_err *err)
{
    if (zn_engine_call_named(e, "GET", "/networks/", name, "", NULL, NULL, err) == 0)
        return 0;
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    zn_auto_json body =
        json_pack("{s:s,s:s,s:b,s:b,s:{s:s,s:s,s:s}}", "Name", name, "Driver", "overlay",
                  "Attachable", 1, "CheckDuplicate", 1, "Labels", "zane.managed", "true",
                  "zane.edge", "true", "zane.environment", environment_id);
    int r = zn_engine_call(e, "POST", "/networks/create", body, NULL, err);
    return unless(ZN_CONFLICT, r, err);
}

/* A connect that failed leaves an entry without an address behind (20.10): the engine calls it connected, and
 * it is not. */
struct connection {
    bool noted, works;
};

static int connection_of(struct zn_engine *e, const char *network, const char *container,
                         struct connection *ret, struct zn_err *err)
{
    zn_auto_json doc = NULL;

    if (zn_engine_call_named(e, "GET", "/containers/", container, "/json", NULL, &doc, err) < 0)
        return -1;
    const json_t *entry = json_object_get(json_object_get(json_object_get(doc, "NetworkSettings"), "Networks"), network);
    ret->noted = entry != NULL;
    ret->works = entry && *zn_json_str(entry, "IPAddress", "");
    return 0;
}

/* The swarm forgets the address of an attached container and gives it to a later task, which then fails once
 * with "Address already in use" (20.10): far up in the subnet that task is 250 away. One that an ended
 * container still holds is passed over. */
static int connect_far_up(struct zn_engine *e, const char *network, const char *subnet, json_t *body,
                          struct zn_err *err)
{
    char address[ZN_IPV4_LEN];

    for (unsigned back = 0;; back++) {
        bool far = back < FAR_UP_TRIES && zn_ipv4_last_host(subnet, back, address);

        memset(err, 0, sizeof *err);
        if (far)
            json_object_set_new(body, "EndpointConfig",
                                json_pack("{s:{s:s}}", "IPAMConfig", "IPv4Address", address));
        else
            json_object_del(body, "EndpointConfig");
        int r = zn_engine_call_named(e, "POST", "/networks/", network, "/connect", body, NULL, err);
        if (r == 0 || !far || !strstr(err->msg, "ddress already in use"))
            return r;
    }
}

int zn_engine_network_connect(struct zn_engine *e, const char *network, const char *container,
                              struct zn_err *err)
{
    zn_auto_json body = json_pack("{s:s}", "Container", container);
    zn_auto_json doc = NULL;
    struct connection now;

    if (connection_of(e, network, container, &now, err) < 0)
        return -1;
    if (now.works)
        return 0;
    if (zn_engine_call_named(e, "GET", "/networks/", network, "", NULL, &doc, err) < 0)
        return -1;
    json_t *config = json_object_get(json_object_get(doc, "IPAM"), "Config");
    int r = connect_far_up(e, network, zn_json_str(json_array_get(config, 0), "Subnet", ""), body, err);
    return unless(ZN_CONFLICT, r, err);
}

int zn_engine_network_disconnect(struct zn_engine *e, const char *network, const char *container,
                                 struct zn_err *err)
{
    zn_auto_json body = json_pack("{s:s,s:b}", "Container", container, "Force", 1);
    struct connection now;

    /* The engine's answer to one that is not is a 500 like any other. */
    if (connection_of(e, network, container, &now, err) < 0)
        return unless(ZN_NOT_FOUND, -1, err);
    if (!now.noted)
        return 0;
    int r = zn_engine_call_named(e, "POST", "/networks/", network, "/disconnect", body, NULL, err);

    return unless(ZN_NOT_FOUND, r, err);
}

/* GET prefix?filters={...}; filters is stolen. */
static int list_filtered(struct zn_engine *e, const char *prefix, json_t *filters, json_t **ret,
                         struct zn_err *err)
{
    zn_auto_json owned = filters;
    zn_auto_mem char *text = json_dumps(owned, JSON_COMPACT);

    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_engine_call_named(e, "GET", prefix, text, "", NULL, ret, err) < 0)
        return -1;
    if (!json_is_array(*ret)) {
        json_decref(*ret);
        *ret = NULL;
        return zn_fail(err, ZN_INTERNAL, "engine answered %s without a list", prefix);
    }
    return 0;
}

int zn_engine_volume_ensure(struct zn_engine *e, const char *name, const char *service_id,
                            const char *deployment, struct zn_err *err)
{
    zn_auto_json body =
        json_pack("{s:s,s:{s:s,s:s,s:s}}", "Name", name, "Labels", "zane.managed", "true",
                  "zane.service", service_id, "zane.deployment", deployment);

    return zn_engine_call(e, "POST", "/volumes/create", body, NULL, err);
}

int zn_engine_volume_remove(struct zn_engine *e, const char *name, struct zn_err *err)
{
    return unless(ZN_NOT_FOUND, zn_engine_call_named(e, "DELETE", "/volumes/", name, "", NULL, NULL, err),
                  err);
}

int zn_engine_volumes_of(struct zn_engine *e, const char *service_id, const char *deployment,
                         json_t **ret, struct zn_err *err)
{
    zn_auto_json doc = NULL;
    zn_auto_json filters = json_pack("{s:[s+]}", "label", "zane.service=", service_id);
    zn_auto_mem char *text = NULL;
    size_t i;
    json_t *v, *names;

    if (deployment)
        json_array_append_new(json_object_get(filters, "label"),
                              json_sprintf("zane.deployment=%s", deployment));
    text = json_dumps(filters, JSON_COMPACT);
    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_engine_call_named(e, "GET", "/volumes?filters=", text, "", NULL, &doc, err) < 0)
        return -1;
    names = json_array();
    json_array_foreach (json_object_get(doc, "Volumes"), i, v)
        json_array_append(names, json_object_get(v, "Name"));
    *ret = names;
    return 0;
}

/* [{"name", "owner"}] of the objects in list that have the label. part: what holds name and labels; NULL =
 * the object itself. */
static json_t *labelled(const json_t *list, const char *part, const char *label)
{
    json_t *out = json_array(), *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const json_t *spec = part ? json_object_get(one, part) : one;
        const char *value = zn_json_str(json_object_get(spec, "Labels"), label, NULL);

        if (value)
            json_array_append_new(out, json_pack("{s:s,s:s}", "name", zn_json_str(spec, "Name", ""),
                                                 "owner", value));
    }
    return out;
}

int zn_engine_services_deployed(struct zn_engine *e, json_t **ret, struct zn_err *err)
{
    zn_auto_json list = NULL;

    if (list_filtered(e, "/services?filters=", json_pack("{s:[s]}", "label", "zane.deployment"), &list,
                      err) < 0)
        return -1;
    *ret = labelled(list, "Spec", "zane.deployment");
    return 0;
}

int zn_engine_containers_ended(struct zn_engine *e, json_t **ret, struct zn_err *err)
{
    zn_auto_json list = NULL;
    json_t *out, *one;
    size_t i;

    if (list_filtered(e, "/containers/json?all=1&filters=",
                      json_pack("{s:[s],s:[s,s]}", "label", "zane.deployment", "status", "exited", "dead"),
                      &list, err) < 0)
        return -1;
    out = json_array();
    json_array_foreach (list, i, one)
        json_array_append_new(out, json_pack("{s:O,s:O}", "name", json_object_get(one, "Id"), "owner",
                                             json_object_get(json_object_get(one, "Labels"),
                                                             "zane.deployment")));
    *ret = out;
    return 0;
}

int zn_engine_container_remove(struct zn_engine *e, const char *id, struct zn_err *err)
{
    int r = zn_engine_call_named(e, "DELETE", "/containers/", id, "?v=1", NULL, NULL, err);

    return unless(ZN_CONFLICT, unless(ZN_NOT_FOUND, r, err), err);
}

int zn_engine_networks_owned(struct zn_engine *e, json_t **ret, struct zn_err *err)
{
    zn_auto_json list = NULL;

    if (list_filtered(e, "/networks?filters=", json_pack("{s:[s]}", "label", "zane.environment"),
                      &list, err) < 0)
        return -1;
    *ret = labelled(list, NULL, "zane.environment");
    return 0;
}

int zn_engine_service_get(struct zn_engine *e, const char *name, json_t **ret, struct zn_err *err)
{
    return zn_engine_call_named(e, "GET", "/services/", name, "", NULL, ret, err);
}

int zn_engine_service_remove(struct zn_engine *e, const char *name, struct zn_err *err)
{
    return unless(ZN_NOT_FOUND, zn_engine_call_named(e, "DELETE", "/services/", name, "", NULL, NULL, err),
                  err);
}

static int create(struct zn_engine *e, json_t *spec, const char *registry_auth, struct zn_err *err)
{
    zn_auto_buf struct zn_buf head = ZN_BUF(16384);
    int r;

    if (!registry_auth)
        return zn_engine_call(e, "POST", "/services/create", spec, NULL, err);
    zn_buf_printf(&head, "X-Registry-Auth: %s\r\n", registry_auth);
    r = head.failed ? zn_fail(err, ZN_INVALID, "the registry credentials are too long")
                    : call_with(e, "POST", "/services/create", zn_buf_str(&head), spec, NULL, err);
    if (head.mem)
        explicit_bzero(head.mem, head.len);
    return r;
}

int zn_engine_service_create(struct zn_engine *e, json_t *spec, const char *registry_auth, struct zn_err *err)
{
    const char *name = zn_json_str(spec, "Name", "");
    const char *hash = zn_json_str(json_object_get(spec, "Labels"), "zane.deployment", "");

    for (int attempt = 0; attempt < 3; attempt++) {
        zn_auto_json there = NULL;

        if (zn_engine_service_get(e, name, &there, err) == 0) {
            json_t *labels = json_object_get(json_object_get(there, "Spec"), "Labels");

            if (strcmp(zn_json_str(labels, "zane.deployment", ""), hash) == 0)
                return 0;
            if (zn_engine_service_remove(e, name, err) < 0)
                return -1;
        } else if (err->code != ZN_NOT_FOUND) {
            return -1;
        }
        memset(err, 0, sizeof *err);
        if (create(e, spec, registry_auth, err) == 0)
            return 0;
        if (err->code != ZN_CONFLICT)
            return -1;
        zn_pause_ms(100 << attempt);
    }
    return -1;
}

static pthread_mutex_t *lock_of(struct zn_engine *e, const char *name)
{
    unsigned h = 5381;

    while (*name)
        h = h * 33 + (unsigned char)*name++;
    return &e->service_lock[h % ZN_ENGINE_LOCKS];
}

/* One read and update. ZN_BUSY: somebody else updated in between. */
static int scale_once(struct zn_engine *e, const char *name, int64_t replicas, struct zn_err *err)
{
    zn_auto_json there = NULL;
    char suffix[64];

    if (zn_engine_service_get(e, name, &there, err) < 0)
        return -1;
    json_t *spec = json_object_get(there, "Spec");
    json_t *mode = json_object_get(json_object_get(spec, "Mode"), "Replicated");

    if (!mode)
        return zn_fail(err, ZN_INVALID, "service %s is not replicated", name);
    if (zn_json_int(mode, "Replicas", -1) == replicas)
        return 0;
    json_object_set_new(mode, "Replicas", json_integer(replicas));
    snprintf(suffix, sizeof suffix, "/update?version=%lld",
             (long long)zn_json_int(json_object_get(there, "Version"), "Index", 0));
    return zn_engine_call_named(e, "POST", "/services/", name, suffix, spec, NULL, err);
}

int zn_engine_service_scale(struct zn_engine *e, const char *name, int64_t replicas,
                            struct zn_err *err)
{
    pthread_mutex_t *lock = lock_of(e, name);
    int r = -1;

    pthread_mutex_lock(lock);
    for (unsigned attempt = 0; attempt < 8; attempt++) {
        memset(err, 0, sizeof *err);
        r = scale_once(e, name, replicas, err);
        if (r == 0 || err->code != ZN_BUSY)
            break;
        zn_pause_ms(zn_backoff_ms(attempt, 20, 500, attempt * 2654435761u));
    }
    pthread_mutex_unlock(lock);
    return r;
}

int zn_engine_service_tasks(struct zn_engine *e, const char *name, struct zn_task_view *ret,
                            struct zn_err *err)
{
    zn_auto_json list = NULL;

    if (list_filtered(e, "/tasks?filters=", json_pack("{s:[s]}", "service", name), &list, err) < 0)
        return -1;
    zn_tasks_view(list, ret);
    return 0;
}

int zn_engine_container_of(struct zn_engine *e, const char *service, char ret[72],
                           struct zn_err *err)
{
    zn_auto_json list = NULL;

    if (list_filtered(e, "/containers/json?filters=",
                      json_pack("{s:[s+],s:[s]}", "label", "com.docker.swarm.service.name=",
                                service, "status", "running"),
                      &list, err) < 0)
        return -1;
    const char *id = zn_json_str(json_array_get(list, 0), "Id", NULL);
    if (!id || strlen(id) >= 72)
        return zn_fail(err, ZN_NOT_FOUND, "no running container of service %s", service);
    snprintf(ret, 72, "%s", id);
    return 0;
}
