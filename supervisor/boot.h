/* Boot: what must be there before the components (swarm, networks, secrets), then each component's
 * image and service, the migrations, and the graceful stop. Small state machines over the engine
 * client; every step looks before it acts, so that each can be repeated from any state. */
#ifndef ZN_SUPERVISOR_BOOT_H
#define ZN_SUPERVISOR_BOOT_H

#include <jansson.h>

#include "supervisor/boot_spec.h"
#include "supervisor/engine.h"
#include "supervisor/supervisor.h"

enum zn_image_step { ZN_IMG_NONE, ZN_IMG_LOOK, ZN_IMG_LOAD, ZN_IMG_WAIT, ZN_IMG_READY };

/* The work on one component: its image, and its service once a start was asked for. */
struct zn_boot_op {
    struct zn_supervisor *s;
    unsigned id;
    enum zn_image_step image;
    bool start, writing;      /* a start waits or is under way */
    unsigned tries;
    json_t *check;            /* argv of the health check; owned */
    struct zn_timer again;
};

struct zn_boot {
    struct zn_secrets secrets;
    struct zn_boot_op ops[ZN_C_MAX];
    struct prepare {
        struct zn_supervisor *s;
        int step;
        unsigned tries, secret;
        bool edge;            /* zn-edge is there */
        bool fresh;           /* the swarm is new: networks that are listed are the old one's */
        int64_t fresh_until_ms;
        struct zn_timer again;
    } prepare;
    struct migration {
        struct zn_supervisor *s;
        int step;
        unsigned tries;
        int64_t since_ms;
        struct zn_timer again;
    } migration;
    struct rotation {
        struct zn_supervisor *s;
        int step;             /* 0 = nothing under way */
        bool drop;            /* asked for: remove old keys, not make a new one */
        bool failed, ended;   /* of the last one */
        unsigned tries;
        int64_t since_ms;     /* of the step */
        char exec[80], message[256];
        json_t *result;       /* what zaned said; owned; NULL = nothing yet */
        json_t *stale;        /* ids of secrets in the engine that nobody needs any more; owned */
        struct zn_timer again;
    } rotation;
    struct stop {
        struct zn_supervisor *s;
        int id;               /* under way; -1 = zn-migrate and the end */
        bool removed;
        int64_t give_up_ms;
        unsigned left;        /* components that did not end in time */
        struct zn_timer again;
    } stop;
};

/* Makes the directories, reads or makes the secrets. */
int zn_boot_open(struct zn_supervisor *s, struct zn_err *err);
void zn_boot_close(struct zn_supervisor *s);

/* Starts over from the swarm on: the engine came back, or its swarm is gone. */
void zn_boot_prepare(struct zn_supervisor *s);
/* The same after a pause: what prepare made turned out to be absent. */
void zn_boot_prepare_later(struct zn_supervisor *s, const char *why);
/* The engine went away: forgets what was under way. */
void zn_boot_lost(struct zn_supervisor *s);

/* Looks for, or loads, the images of all wanted components. */
void zn_boot_images(struct zn_supervisor *s);
/* Carries out ZN_DO_START; the outcome comes by the watcher, or as ZN_EV_EXITED. */
void zn_boot_start(struct zn_supervisor *s, unsigned component);
/* NAME.json beside an image's archive (new reference; its id is a digest), and the archive. */
enum { ZN_ARCHIVE_MAX = 256 };
int zn_boot_image(const struct zn_supervisor *s, const char *image, json_t **ret, struct zn_err *err);
void zn_boot_archive(const struct zn_supervisor *s, const char *image, char ret[ZN_ARCHIVE_MAX]);
/* Facts for specs with this component's image. */
struct zn_spec_facts zn_boot_facts(struct zn_supervisor *s, const char *image);
/* Hash of the spec that the component should run with; false while its image is not there. */
bool zn_boot_wanted_hash(struct zn_supervisor *s, unsigned component, char hash[ZN_SPEC_HASH]);

/* Runs the migrations once postgres is ready and zaned's image is there. */
void zn_boot_migrate(struct zn_supervisor *s);
void zn_boot_migrate_lost(struct zn_supervisor *s);

/* Changes the encryption key (rotate.c): makes a new one, gives it to zaned, has every stored
 * secret sealed with it. drop: removes the old keys, once nothing is sealed with them. ZN_CONFLICT
 * if one is under way or the platform does not run. */
int zn_rotation_begin(struct zn_supervisor *s, bool drop, struct zn_err *err);
/* {"state": "none"|"working"|"done"|"failed", "message", "result"}; new reference. */
json_t *zn_rotation_json(struct zn_supervisor *s);
void zn_rotation_close(struct zn_supervisor *s);

/* Graceful stop in reverse order, then s->stopped. */
void zn_boot_stop(struct zn_supervisor *s);

/* Free /12, /14 or /17 for the overlay networks that overlaps none of the routes (text of
 * /proc/net/route); false if all candidates are taken. */
bool zn_pool_pick(const char *routes, char *ret, size_t size);
/* Message of the first error in the answer of an image load (a stream of JSON documents), which has
 * status 200 also when it failed; NULL if there is none. Heap. */
char *zn_load_error(struct zn_str body);

#endif
