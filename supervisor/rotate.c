/* Change of the encryption key. The new key is first learned by zaned-api and zaned-worker, which
 * still seal with the old one; only when both have it do they seal with it. So neither ever meets a
 * value that it can't open. Then `zaned rotate-keys` runs in the container of the API. Each step
 * can be repeated after a crash. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"

enum step { NOTHING, LEARN, TURN, SEAL, EXEC, RUN, RESULT, FORGET, LIST, REMOVE };
enum {
    LOOK_MS = 250,
    ROLLOUT_MS = 600000,
    SEAL_MS = 3600000,
    AGAIN_MS = 2000,
    TRIES = 5,
    OUTPUT_MAX = 65536
};

static void look(void *arg);
static void send_step(struct rotation *r);

static void secrets_dir(const struct rotation *r, char *ret, size_t size)
{
    snprintf(ret, size, "%s/secrets", r->s->config.state);
}

static void finish(struct rotation *r, bool failed, const char *message)
{
    r->step = NOTHING;
    r->ended = true;
    r->failed = failed;
    snprintf(r->message, sizeof r->message, "%s", message);
    json_decref(r->stale);
    r->stale = NULL;
    if (failed)
        zn_error("change of the encryption key failed why=\"%s\"", message);
    else
        zn_info("encryption key: %s", message);
}

static void enter(struct rotation *r, enum step step, const char *message)
{
    r->step = step;
    r->since_ms = zn_now_ms();
    snprintf(r->message, sizeof r->message, "%s", message);
    zn_info("encryption key: %s", message);
    zn_timer_set(r->s->loop, &r->again, LOOK_MS);
}

/* Takes the secret from its file; where it differs, everything that uses it gets a new task. */
static int roll_out(struct rotation *r, struct zn_err *err)
{
    struct zn_boot *b = r->s->boot;
    struct zn_secret *own = zn_secrets_find(&b->secrets, "encryption_key"), *read;
    struct zn_secrets fresh;
    char dir[160];
    bool differs;

    secrets_dir(r, dir, sizeof dir);
    if (zn_secrets_load(dir, &fresh, err) < 0)
        return -1;
    read = zn_secrets_find(&fresh, "encryption_key");
    differs = strcmp(read->engine_name, own->engine_name) != 0;
    if (differs)
        *own = *read;
    zn_secrets_wipe(&fresh);
    if (differs)
        zn_boot_prepare_later(r->s, "the encryption key changes");
    return 0;
}

static int change(struct rotation *r, int (*how)(const char *dir, struct zn_err *err),
                  struct zn_err *err)
{
    char dir[160];

    secrets_dir(r, dir, sizeof dir);
    return how(dir, err) < 0 ? -1 : roll_out(r, err);
}

/* Components are ready only with the spec that is wanted, and so with this secret. */
static bool rolled_out(const struct zn_supervisor *s)
{
    return s->stage == ZN_STAGE_RUN && zn_component_ready(&s->components[ZN_C_API]) &&
           (!s->facts[ZN_C_WORKER].wanted || zn_component_ready(&s->components[ZN_C_WORKER]));
}

static void turn(struct rotation *r)
{
    struct zn_err err = { 0 };

    if (change(r, zn_key_turn, &err) < 0)
        finish(r, true, err.msg);
    else
        enter(r, TURN, "zaned begins to seal with the new key");
}

static void seal(struct rotation *r)
{
    enter(r, SEAL, "sealing what is stored with the newest key");
    zn_timer_clear(r->s->loop, &r->again);
    r->step = EXEC;
    send_step(r);
}

static void look(void *arg)
{
    struct rotation *r = arg;
    bool there = rolled_out(r->s);

    if (r->s->stage == ZN_STAGE_STOP || r->s->stage == ZN_STAGE_STOPPED)
        finish(r, true, "the platform was stopped; run it again, it goes on from there");
    else if (!there && zn_now_ms() - r->since_ms > ROLLOUT_MS)
        finish(r, true,
               "zaned did not become ready with the keys within ten minutes; see zane status");
    else if (!there)
        zn_timer_set(r->s->loop, &r->again, LOOK_MS);
    else if (r->step == LEARN)
        turn(r);
    else if (r->step == FORGET) {
        r->step = LIST;
        send_step(r);
    } else
        seal(r);
}

/* --- what zaned does ------------------------------------------------------------------------- */

/* The last line that is a JSON object; NULL if there is none. */
static json_t *result_in(struct zn_str body)
{
    json_t *found = NULL;

    for (size_t at = 0; at < body.n;) {
        const char *line = body.s + at, *end = memchr(line, '\n', body.n - at);
        size_t n = end ? (size_t)(end - line) : body.n - at;
        json_t *doc = n && *line == '{' ? json_loadb(line, n, 0, NULL) : NULL;

        if (doc) {
            json_decref(found);
            found = doc;
        }
        at += n + 1;
    }
    return found;
}

static void drop(struct rotation *r)
{
    struct zn_err err = { 0 };

    if (change(r, zn_key_drop, &err) < 0)
        finish(r, true, err.msg);
    else
        enter(r, FORGET, "removing the old keys");
}

static void sealed(struct rotation *r, bool good)
{
    long long lost = r->result ? zn_json_int(r->result, "lost", 0) : 0;
    char text[160];

    if (!good && lost) {
        snprintf(text, sizeof text,
                 "%lld stored values were sealed with a key that is not here; nothing was "
                 "removed",
                 lost);
        finish(r, true, text);
    } else if (!good || !r->result || zn_json_int(r->result, "left", 1) != 0) {
        finish(r, true,
               "zaned could not seal everything; its log has the reason, and it can be run again");
    } else if (r->drop) {
        drop(r);
    } else {
        snprintf(text, sizeof text, "%lld values were sealed anew",
                 (long long)zn_json_int(r->result, "values", 0));
        finish(r, false, text);
    }
}

/* The container may have gone meanwhile: then all of it again with the next one. */
static void once_more(struct rotation *r, const struct zn_err *err)
{
    char text[256];

    if (++r->tries < TRIES) {
        zn_warn("sealing is tried again why=\"%s\"", err->msg);
        r->step = SEAL;
        r->since_ms = zn_now_ms();
        zn_timer_set(r->s->loop, &r->again, AGAIN_MS);
        return;
    }
    snprintf(text, sizeof text, "zaned rotate-keys did not run: %.180s", err->msg);
    finish(r, true, text);
}

/* --- secrets that nobody needs --------------------------------------------------------------- */

static void note_stale(struct rotation *r, json_t *list)
{
    const struct zn_secrets *own = &r->s->boot->secrets;
    json_t *one;
    size_t i;

    r->stale = json_array();
    json_array_foreach(list, i, one)
    {
        const char *name = zn_json_str(json_object_get(one, "Spec"), "Name", "");
        bool used = strncmp(name, "encryption_key-", 15) != 0;

        for (unsigned k = 0; k < ZN_SECRETS; k++)
            used = used || strcmp(own->all[k].engine_name, name) == 0;
        if (!used)
            json_array_append(r->stale, json_object_get(one, "ID"));
    }
}

static void remove_next(struct rotation *r)
{
    if (json_array_size(r->stale) == 0) {
        finish(r, false, "the old keys are removed; backups from before need them");
        return;
    }
    r->step = REMOVE;
    send_step(r);
}

static void done(void *arg, const struct zn_engine_reply *reply)
{
    struct rotation *r = arg;

    if (reply->err && r->step != REMOVE && r->step != LIST) {
        once_more(r, reply->err);
        return;
    }
    switch (r->step) {
    case EXEC:
        snprintf(r->exec, sizeof r->exec, "%s", zn_json_str(reply->json, "Id", ""));
        r->step = RUN;
        send_step(r);
        break;
    case RUN:
        json_decref(r->result);
        r->result = result_in(reply->body);
        r->step = RESULT;
        send_step(r);
        break;
    case RESULT:
        sealed(r, zn_json_int(reply->json, "ExitCode", -1) == 0);
        break;
    case LIST:
        note_stale(r, reply->json);
        remove_next(r);
        break;
    case REMOVE: /* one that is still in use stays until the next time */
        if (reply->err)
            zn_warn("an old secret stays in the engine why=\"%s\"", reply->err->msg);
        json_array_remove(r->stale, 0);
        remove_next(r);
        break;
    }
}

static void send_step(struct rotation *r)
{
    struct zn_engine_call call = { .method = "POST", .done = done, .arg = r };
    char target[192] = "";

    switch (r->step) {
    case EXEC:
        snprintf(target, sizeof target, "/containers/%s/exec", r->s->facts[ZN_C_API].container);
        call.body = json_pack("{s:[s,s],s:b,s:b,s:b}", "Cmd", "/usr/bin/zaned", "rotate-keys",
                              "AttachStdout", 1, "AttachStderr", 1, "Tty", 1);
        break;
    case RUN:
        snprintf(target, sizeof target, "/exec/%s/start", r->exec);
        call.body = json_pack("{s:b,s:b}", "Detach", 0, "Tty", 1);
        call.deadline_ms = SEAL_MS;
        call.max_body = OUTPUT_MAX;
        break;
    case RESULT:
        call.method = "GET";
        snprintf(target, sizeof target, "/exec/%s/json", r->exec);
        break;
    case LIST: /* {"label":["zane.platform=true"]} */
        call.method = "GET";
        snprintf(target, sizeof target,
                 "/secrets?filters=%%7B%%22label%%22%%3A%%5B%%22zane.platform%%3Dtrue%%22%%5D%%7D");
        break;
    case REMOVE:
        call.method = "DELETE";
        snprintf(target, sizeof target, "/secrets/%s",
                 json_string_value(json_array_get(r->stale, 0)));
        break;
    }
    call.target = target;
    zn_engine_send(r->s->engine, &call);
}

/* --- beginning ------------------------------------------------------------------------------- */

int zn_rotation_begin(struct zn_supervisor *s, bool drop_old, struct zn_err *err)
{
    struct rotation *r = &s->boot->rotation;
    bool next = false;
    unsigned keys = 0;
    char dir[160];

    secrets_dir(r, dir, sizeof dir);
    if (r->step != NOTHING)
        return zn_fail(err, ZN_CONFLICT, "a change of the encryption key is under way: %.150s",
                       r->message);
    if (!rolled_out(s))
        return zn_fail(err, ZN_CONFLICT, "zaned is not ready: see zane status");
    if (zn_key_count(dir, &keys, &next, err) < 0)
        return -1;
    if (drop_old && next)
        return zn_fail(err, ZN_CONFLICT, "a change of the key is not done yet: zane rotate-keys");
    r->again = (struct zn_timer){ .fn = look, .arg = r };
    r->drop = drop_old;
    r->failed = r->ended = false;
    r->tries = 0;
    json_decref(r->result);
    r->result = NULL;
    /* Several keys and none that waits: an earlier run came as far as sealing, or was done; a new
     * key is made only once the old ones are gone. */
    if (drop_old || (keys > 1 && !next)) {
        if (roll_out(r, err) < 0)
            return -1;
        enter(r, SEAL, "waiting for zaned");
        return 0;
    }
    if (change(r, zn_key_learn, err) < 0)
        return -1;
    enter(r, LEARN, "zaned learns the new key");
    return 0;
}

json_t *zn_rotation_json(struct zn_supervisor *s)
{
    const struct rotation *r = &s->boot->rotation;
    const char *state = r->step != NOTHING ? "working"
                        : !r->ended        ? "none"
                        : r->failed        ? "failed"
                                           : "done";

    return json_pack("{s:s,s:s,s:O?}", "state", state, "message", r->message, "result", r->result);
}

void zn_rotation_close(struct zn_supervisor *s)
{
    struct rotation *r = &s->boot->rotation;

    if (s->engine)
        zn_engine_cancel(s->engine, r);
    zn_timer_clear(s->loop, &r->again);
    json_decref(r->result);
    json_decref(r->stale);
    r->result = r->stale = NULL;
}
