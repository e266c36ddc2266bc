/* Engine client for the worker: blocking calls on one configured socket, each with a deadline.
 * Safe to share between threads. Errors carry the engine's own words in err->msg. */
#ifndef ZN_SWARM_ENGINE_H
#define ZN_SWARM_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum { ZN_ENGINE_LOCKS = 16, ZN_ENGINE_DEADLINE_MS = 15000 };

struct zn_engine {
    char socket[108];
    char api[16]; /* "v1.41"; empty until the first call negotiated it */
    pthread_mutex_t api_lock;
    pthread_mutex_t service_lock[ZN_ENGINE_LOCKS]; /* by hash of the service's name */
};

enum zn_task_phase { ZN_TASK_PENDING, ZN_TASK_RUNNING, ZN_TASK_FAILED, ZN_TASK_ENDED };

struct zn_task {
    char id[32], container[72];
    char state[16];
    enum zn_task_phase phase;
    char err[256]; /* the engine's reason, empty if none */
    int64_t exit_code;
    int64_t slot;
    int64_t index; /* version index: larger is newer */
};

/* What a service's tasks say together. */
struct zn_task_view {
    unsigned total, failed, running; /* all tasks ever kept; ended badly; running now */
    bool any;
    struct zn_task newest;      /* valid if any: the one the swarm wants to run */
    struct zn_task last_failed; /* valid if failed */
};

struct zn_pull {
    void (*progress)(void *arg, int percent); /* may be NULL; only when the percent grew */
    void *arg;
    int cancel_fd; /* readable = give up; -1 none */
    int64_t deadline_ms;
    const char *registry_auth; /* base64url JSON for X-Registry-Auth; NULL none */
};

int zn_engine_init(struct zn_engine *e, const char *socket, struct zn_err *err);
void zn_engine_done(struct zn_engine *e);

/* Engine status and message to our code; pure. */
enum zn_code zn_engine_code(int status, const char *message);
/* Negotiated "v<major>.<minor>" out of the Api-Version header: the smaller of theirs and 1.44. */
void zn_engine_api(struct zn_str header, char ret[16]);
/* Summary of the answer of GET /tasks; pure. */
void zn_tasks_view(const json_t *tasks, struct zn_task_view *ret);

/* One call: path without the version prefix. Status >= 400 is an error. *ret (may be NULL) gets the
 * parsed body as a new reference, or NULL where the body is empty. */
int zn_engine_call(struct zn_engine *e, const char *method, const char *path, json_t *body,
                   json_t **ret, struct zn_err *err);

/* The same with the path prefix + percent-encoded name + suffix. */
int zn_engine_call_named(struct zn_engine *e, const char *method, const char *prefix,
                         const char *name, const char *suffix, json_t *body, json_t **ret,
                         struct zn_err *err);

int zn_engine_image_present(struct zn_engine *e, const char *image, bool *ret, struct zn_err *err);
/* Reference under which the engine starts exactly the image that `image` names now, without asking a
 * registry: name@digest where it has one, else the image id. ret: 256 bytes. ZN_NOT_FOUND if absent. */
int zn_engine_image_pin(struct zn_engine *e, const char *image, char ret[256], struct zn_err *err);
/* ZN_INVALID with the registry's reason; ZN_CONFLICT if cancelled. */
int zn_engine_pull(struct zn_engine *e, const char *image, const struct zn_pull *how,
                   struct zn_err *err);

int zn_engine_network_ensure(struct zn_engine *e, const char *name, const char *environment_id,
                             struct zn_err *err);
/* Absent is fine; in use is ZN_BUSY. Nothing may be connected to it any more. The engine (20.10) keeps its
 * own half of an overlay network for ever if the last task left while something else was connected, and
 * then clashes with the next network; a task that comes and goes makes it let go. image: of that task,
 * present here. Takes some seconds; ZN_BUSY if it has not let go yet. */
int zn_engine_network_remove(struct zn_engine *e, const char *name, const char *image,
                             struct zn_err *err);
/* Connects a running container; already connected is fine. */
int zn_engine_network_connect(struct zn_engine *e, const char *network, const char *container,
                              struct zn_err *err);
/* Not connected, or one of the two absent: fine. */
int zn_engine_network_disconnect(struct zn_engine *e, const char *network, const char *container,
                                 struct zn_err *err);
/* deployment: its hash, kept as a label of a volume that is made by this call. */
int zn_engine_volume_ensure(struct zn_engine *e, const char *name, const char *service_id,
                            const char *deployment, struct zn_err *err);
int zn_engine_volume_remove(struct zn_engine *e, const char *name, struct zn_err *err);
/* *ret: new array with the names of the volumes made for a service. deployment: only those that were
 * made by it; NULL = all. */
int zn_engine_volumes_of(struct zn_engine *e, const char *service_id, const char *deployment,
                         json_t **ret, struct zn_err *err);

/* A swarm config: made if there is none of the name; *ret: its id, 64 bytes. Its contents are what they were
 * when it was made. */
int zn_engine_config_ensure(struct zn_engine *e, const char *name, const char *service_id,
                            const char *contents, char ret[64], struct zn_err *err);
/* Absent, or in use by a service, is fine. */
int zn_engine_config_remove(struct zn_engine *e, const char *name, struct zn_err *err);
/* *ret: new array [{"name", "owner"}] of the configs of services; service_id: of that one only, NULL = all. */
int zn_engine_configs_of(struct zn_engine *e, const char *service_id, json_t **ret, struct zn_err *err);
/* *ret: new array of the ports that an image says it listens on: [{"port_number", "protocol"}]. */
int zn_engine_image_ports(struct zn_engine *e, const char *image, json_t **ret, struct zn_err *err);

/* Same name and same zane.deployment label present already: fine. Another deployment's leftover of
 * the same name is removed first. registry_auth: as in struct zn_pull; the engine keeps it, to get the image
 * again for a container that it starts later. */
int zn_engine_service_create(struct zn_engine *e, json_t *spec, const char *registry_auth, struct zn_err *err);
/* *ret: new array [{"name", "owner"}] of all swarm services that belong to a deployment, by its hash. */
int zn_engine_services_deployed(struct zn_engine *e, json_t **ret, struct zn_err *err);
/* *ret: new array [{"name", "owner"}] of the containers of deployments that have ended: ids and hashes. */
int zn_engine_containers_ended(struct zn_engine *e, json_t **ret, struct zn_err *err);
/* With its anonymous volumes. Absent, or being removed already, is fine. */
int zn_engine_container_remove(struct zn_engine *e, const char *id, struct zn_err *err);
/* *ret: new array [{"name", "owner"}] of the networks of environments, by their ids. */
int zn_engine_networks_owned(struct zn_engine *e, json_t **ret, struct zn_err *err);
/* ZN_NOT_FOUND if absent. *ret is a new reference. */
int zn_engine_service_get(struct zn_engine *e, const char *name, json_t **ret, struct zn_err *err);
int zn_engine_service_scale(struct zn_engine *e, const char *name, int64_t replicas,
                            struct zn_err *err);
/* Absent is fine. */
int zn_engine_service_remove(struct zn_engine *e, const char *name, struct zn_err *err);
int zn_engine_service_tasks(struct zn_engine *e, const char *name, struct zn_task_view *ret,
                            struct zn_err *err);
/* Id of the running container whose service is `service`; ZN_NOT_FOUND if none. */
int zn_engine_container_of(struct zn_engine *e, const char *service, char ret[72],
                           struct zn_err *err);

/* Runs `command` through the container's /bin/sh and waits. *ret_code: its exit status; out: the first
 * bytes of what it printed, as text. ZN_NOT_FOUND if the container is gone or not running. */
int zn_engine_exec(struct zn_engine *e, const char *container, const char *command,
                   int64_t deadline_ms, int cancel_fd, int *ret_code, char *out, size_t size,
                   struct zn_err *err);

#endif
