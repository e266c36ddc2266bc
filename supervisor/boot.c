#include "supervisor/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/watch.h"

enum { LOAD_DEADLINE_MS = 600000, IMAGE_AGAIN_MS = 5000,
       CADDY_FIRST_MS = 8000, CADDY_LOOK_MS = 50, WRITE_AGAIN_MS = 100, WRITE_TRIES = 8 };

static void look_for_image(struct zn_boot_op *op);
static void look_for_service(struct zn_boot_op *op);

static const struct zn_component_def *def_of(const struct zn_boot_op *op)
{
    return op->s->components[op->id].def;
}

/* The proxy goes first, alone: with all services starting at once its container took 5 s more
 * (measured), and a person who opens the address is to see the status page. */
static bool wait_for_caddy(const struct zn_boot_op *op)
{
    const struct zn_supervisor *s = op->s;

    return op->id != ZN_C_CADDY && s->facts[ZN_C_CADDY].wanted &&
           s->components[ZN_C_CADDY].process == ZN_P_STARTING &&
           zn_now_ms() - s->stage_since_ms < CADDY_FIRST_MS;
}

/* The start came to nothing. While the engine is away that is no fault of the component's. */
static void start_failed(struct zn_boot_op *op, const char *why)
{
    bool started = op->start;

    op->start = op->writing = false;
    zn_warn("start failed component=%s why=\"%s\"", def_of(op)->name, why);
    zn_supervisor_say(op->s, op->id, "%s", why);
    if (started && zn_engine_up(op->s->engine))
        zn_supervisor_feed(op->s, op->id, ZN_EV_EXITED);
}

/* Those that waited for their turn to load look again, in boot order. */
static void wake_waiting(struct zn_boot_op *op)
{
    struct zn_boot *b = op->s->boot;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (b->ops[i].image == ZN_IMG_WAIT)
            look_for_image(&b->ops[i]);
}

static void image_failed(struct zn_boot_op *op, const char *why)
{
    op->image = ZN_IMG_NONE;
    zn_warn("image of %s is not ready why=\"%s\"", def_of(op)->name, why);
    if (op->start)
        start_failed(op, why);
    else
        zn_supervisor_say(op->s, op->id, "%s", why);
    zn_timer_set(op->s->loop, &op->again, IMAGE_AGAIN_MS);
    wake_waiting(op);
}

static void image_ready(struct zn_boot_op *op, json_t *inspect)
{
    struct zn_supervisor *s = op->s;
    const char *address = def_of(op)->ready;
    json_t *test = json_object_get(
        json_object_get(json_object_get(inspect, "Config"), "Healthcheck"), "Test");

    json_decref(op->check);
    op->check = address ? json_pack("[s,s,s]", "/zn-probe", "http", address) : json_deep_copy(test);
    /* Without its first word, which says how the engine would run it. */
    if (!address && json_array_size(op->check) > 1)
        json_array_remove(op->check, 0);
    op->image = ZN_IMG_READY;
    wake_waiting(op);
    zn_supervisor_resolve(s);
    if (op->start && !op->writing)
        look_for_service(op);
}

char *zn_load_error(struct zn_str body)
{
    size_t at = 0;

    while (at < body.n) {
        json_error_t je;
        zn_auto_json doc = json_loadb(body.s + at, body.n - at, JSON_DISABLE_EOF_CHECK, &je);

        if (!doc) { /* blank at the end is no document */
            while (at < body.n && strchr(" \r\n\t", body.s[at]))
                at++;
            return at == body.n ? NULL : strdup("the engine's answer to the load is not JSON");
        }
        const char *error = zn_json_str(doc, "error", NULL);
        if (error)
            return strdup(error);
        at += (size_t)je.position;
    }
    return NULL;
}

static void load_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_boot_op *op = arg;
    zn_auto_mem char *error = r->err ? strdup(r->err->msg) : zn_load_error(r->body);

    if (error) {
        image_failed(op, error);
        return;
    }
    op->tries++;
    look_for_image(op);
}

void zn_boot_archive(const struct zn_supervisor *s, const char *image, char ret[ZN_ARCHIVE_MAX])
{
    snprintf(ret, ZN_ARCHIVE_MAX, "%s/%s.tar", s->config.images, image);
}

static void load_image(struct zn_boot_op *op)
{
    struct zn_supervisor *s = op->s;
    char path[ZN_ARCHIVE_MAX];

    /* One load at a time, in boot order: the proxy shows the status page while the rest loads. */
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        enum zn_image_step step = s->boot->ops[i].image;

        if (i != op->id && (step == ZN_IMG_LOAD || (step == ZN_IMG_LOOK && i < op->id))) {
            op->image = ZN_IMG_WAIT;
            return;
        }
    }
    if (wait_for_caddy(op)) {
        op->image = ZN_IMG_NONE;
        zn_timer_set(s->loop, &op->again, CADDY_LOOK_MS);
        return;
    }
    zn_boot_archive(s, def_of(op)->image, path);
    op->image = ZN_IMG_LOAD;
    zn_supervisor_say(s, op->id, "loading the image");
    zn_info("loading image=%s from=%s", s->facts[op->id].image, path);
    zn_engine_send(s->engine,
                   &(struct zn_engine_call){ .method = "POST", .target = "/images/load?quiet=1",
                                             .upload = path, .deadline_ms = LOAD_DEADLINE_MS,
                                             .done = load_done, .arg = op });
}

static void image_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_boot_op *op = arg;

    if (r->err && r->err->code != ZN_NOT_FOUND) {
        image_failed(op, r->err->msg);
        return;
    }
    if (!r->err) {
        op->tries = 0;
        image_ready(op, r->json);
        return;
    }
    if (op->tries) { /* loaded, and yet not there: the archive holds something else */
        op->tries = 0;
        image_failed(op, "the archive does not hold the image that its .json promises");
        return;
    }
    load_image(op);
}

int zn_boot_image(const struct zn_supervisor *s, const char *image, json_t **ret, struct zn_err *err)
{
    char path[ZN_ARCHIVE_MAX];
    zn_auto_buf struct zn_buf text = ZN_BUF(65536);
    zn_auto_json doc = NULL;

    snprintf(path, sizeof path, "%s/%s.json", s->config.images, image);
    if (zn_read_file(path, &text, err) < 0 || zn_json_parse(text.mem, text.len, &doc, err) < 0)
        return zn_wrap(err, "image %s", image);
    const char *id = zn_json_str(doc, "id", "");
    if (!zn_starts_with(id, "sha256:") || strlen(id) != 71)
        return zn_fail(err, ZN_INVALID, "%s: id is not a sha256 digest", path);
    *ret = ZN_TAKE(doc);
    return 0;
}

/* Id and version of the wanted image. */
static int read_facts(struct zn_boot_op *op, struct zn_err *err)
{
    struct zn_facts *f = &op->s->facts[op->id];
    zn_auto_json doc = NULL;

    if (zn_boot_image(op->s, def_of(op)->image, &doc, err) < 0)
        return -1;
    snprintf(f->image, sizeof f->image, "%s", zn_json_str(doc, "id", ""));
    const char *colon = strrchr(zn_json_str(doc, "tag", ""), ':');
    if (colon)
        snprintf(op->s->version, sizeof op->s->version, "%s", colon + 1);
    snprintf(f->version, sizeof f->version, "%s",
             zn_json_str(doc, "version", colon ? colon + 1 : ""));
    return 0;
}

static void look_for_image(struct zn_boot_op *op)
{
    struct zn_err err = { 0 };
    char target[128];

    if (read_facts(op, &err) < 0) {
        image_failed(op, err.msg);
        return;
    }
    op->image = ZN_IMG_LOOK;
    snprintf(target, sizeof target, "/images/%s/json", op->s->facts[op->id].image);
    zn_engine_send(op->s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                            .done = image_done, .arg = op });
}

struct zn_spec_facts zn_boot_facts(struct zn_supervisor *s, const char *image)
{
    struct stat st;

    return (struct zn_spec_facts){
        .config = &s->config,
        .secrets = &s->boot->secrets,
        .image = image,
        .version = s->version,
        .engine_gid = stat(s->config.engine, &st) == 0 ? st.st_gid : 0,
        .api = zn_engine_api(s->engine),
    };
}

bool zn_boot_wanted_hash(struct zn_supervisor *s, unsigned id, char hash[ZN_SPEC_HASH])
{
    struct zn_err err = { 0 };

    if (!s->facts[id].image[0] && read_facts(&s->boot->ops[id], &err) < 0)
        return false;
    struct zn_spec_facts facts = zn_boot_facts(s, s->facts[id].image);
    zn_auto_json spec = zn_spec_component(id, &facts, hash);
    return spec;
}

static void write_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_boot_op *op = arg;

    if (r->err && (r->err->code == ZN_BUSY || r->err->code == ZN_CONFLICT) &&
        ++op->tries < WRITE_TRIES) {
        op->writing = false;
        zn_timer_set(op->s->loop, &op->again, WRITE_AGAIN_MS);
        return;
    }
    op->tries = 0;
    if (r->err && strstr(r->err->msg, "network zn-")) {
        zn_boot_prepare_later(op->s, r->err->msg); /* somebody removed it, or exchanged the swarm */
        return;
    }
    if (r->err) {
        start_failed(op, r->err->msg);
        return;
    }
    op->start = op->writing = false;
    zn_supervisor_say(op->s, op->id, "starting");
    zn_watcher_expect(op->s, op->id);
}

/* The service is absent (current = NULL) or has another spec, or no task that lives: writes the
 * wanted spec. A raised ForceUpdate makes a new task also if nothing else differs. Measured on
 * 20.10: 0.7 s until it runs, as for removing and creating; scaling to 0 and back to 1 in quick
 * succession can leave no task at all. */
static void write_service(struct zn_boot_op *op, json_t *current)
{
    struct zn_supervisor *s = op->s;
    struct zn_facts *f = &s->facts[op->id];
    struct zn_spec_facts facts = zn_boot_facts(s, f->image);
    json_t *spec = zn_spec_component(op->id, &facts, f->spec_hash);
    json_t *old = json_object_get(json_object_get(current, "Spec"), "TaskTemplate");
    char target[160] = "/services/create";

    if (current) {
        snprintf(target, sizeof target, "/services/%s/update?version=%lld",
                 zn_json_str(current, "ID", ""),
                 (long long)zn_json_int(json_object_get(current, "Version"), "Index", 0));
        json_object_set_new(json_object_get(spec, "TaskTemplate"), "ForceUpdate",
                            json_integer(zn_json_int(old, "ForceUpdate", 0) + 1));
    }
    zn_info("%s service=zn-%s spec=%s", current ? "updating" : "creating", def_of(op)->name,
            f->spec_hash);
    zn_engine_send(s->engine, &(struct zn_engine_call){ .method = "POST", .target = target,
                                                        .body = spec, .done = write_done,
                                                        .arg = op });
}

static void service_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_boot_op *op = arg;

    if (r->err && r->err->code != ZN_NOT_FOUND)
        start_failed(op, r->err->msg);
    else
        write_service(op, r->err ? NULL : r->json);
}

static void look_for_service(struct zn_boot_op *op)
{
    char target[64];

    if (wait_for_caddy(op)) {
        zn_timer_set(op->s->loop, &op->again, CADDY_LOOK_MS);
        return;
    }
    op->writing = true;
    snprintf(target, sizeof target, "/services/zn-%s", def_of(op)->name);
    zn_engine_send(op->s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                            .done = service_done, .arg = op });
}

/* After a pause: whatever is still to do. */
static void go_on(void *arg)
{
    struct zn_boot_op *op = arg;

    if (op->s->stage != ZN_STAGE_RUN)
        return;
    if (op->image == ZN_IMG_NONE)
        look_for_image(op);
    else if (op->image == ZN_IMG_READY && op->start && !op->writing)
        look_for_service(op);
}

void zn_boot_start(struct zn_supervisor *s, unsigned id)
{
    struct zn_boot_op *op = &s->boot->ops[id];

    if (op->start)
        return;
    op->start = true;
    op->tries = 0;
    /* Images may have been exchanged since the last start. */
    if (op->image == ZN_IMG_NONE || op->image == ZN_IMG_READY)
        look_for_image(op);
}

void zn_boot_images(struct zn_supervisor *s)
{
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted && s->boot->ops[i].image == ZN_IMG_NONE)
            look_for_image(&s->boot->ops[i]);
}

void zn_boot_lost(struct zn_supervisor *s)
{
    struct zn_boot *b = s->boot;

    zn_engine_cancel(s->engine, &b->prepare);
    zn_timer_clear(s->loop, &b->prepare.again);
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        struct zn_boot_op *op = &b->ops[i];

        zn_engine_cancel(s->engine, op);
        zn_timer_clear(s->loop, &op->again);
        op->image = ZN_IMG_NONE;
        op->start = op->writing = false;
        op->tries = 0;
    }
    zn_boot_migrate_lost(s);
}

static int make_dir(const char *base, const char *sub, mode_t mode, uid_t owner, struct zn_err *err)
{
    char path[160];

    snprintf(path, sizeof path, "%s%s", base, sub);
    if (zn_mkdirs(path, 0755, err) < 0)
        return -1;
    /* The owners are the users inside the images; only root can give directories to them. */
    if (chmod(path, mode) < 0 || (geteuid() == 0 && chown(path, owner, owner) < 0))
        return zn_fail_errno(err, errno, "setting owner and mode of %s", path);
    return 0;
}

int zn_boot_open(struct zn_supervisor *s, struct zn_err *err)
{
    struct zn_boot *b = calloc(1, sizeof *b);
    const char *run = s->config.run, *state = s->config.state;
    char path[160];

    if (!b)
        return zn_fail(err, ZN_INTERNAL, "boot: out of memory");
    s->boot = b;
    b->prepare.s = b->migration.s = b->rotation.s = b->stop.s = s;
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        b->ops[i].s = s;
        b->ops[i].id = i;
        b->ops[i].again = (struct zn_timer){ .fn = go_on, .arg = &b->ops[i] };
    }
    if (make_dir(run, "", 0755, 0, err) < 0 || make_dir(run, "/status", 0755, 0, err) < 0 ||
        make_dir(run, "/caddy", 0770, 972, err) < 0 || make_dir(run, "/logs", 0755, 0, err) < 0 ||
        make_dir(state, "", 0755, 0, err) < 0 || make_dir(state, "/edge", 0755, 976, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/secrets", state);
    return zn_secrets_load(path, &b->secrets, err);
}

void zn_boot_close(struct zn_supervisor *s)
{
    if (!s->boot)
        return;
    if (s->engine) {
        zn_boot_lost(s);
        zn_engine_cancel(s->engine, &s->boot->stop);
    }
    zn_timer_clear(s->loop, &s->boot->stop.again);
    zn_rotation_close(s);
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        json_decref(s->boot->ops[i].check);
    zn_secrets_wipe(&s->boot->secrets);
    free(s->boot);
    s->boot = NULL;
}
