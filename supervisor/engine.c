#include "supervisor/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"

enum { LANE_CALL, LANE_UPLOAD, LANE_STREAM, LANE_OTHER, LANE_MAX };
enum { UPLOAD_STEP = 256 * 1024, PING_FIRST_MS = 100, PING_MAX_MS = 5000, PING_DEADLINE_MS = 5000 };

static const unsigned lane_slots[LANE_MAX] = { ZN_ENGINE_SLOTS, 1, 8, ZN_ENGINE_OTHER_SLOTS };

struct job {
    struct job *next;
    struct zn_engine *engine;
    struct zn_engine_call call; /* texts but method: our copies; body: our reference */
    int lane;
    bool raw_target;            /* no API version in front */
    bool in_sink, dead;         /* cancelled from inside its own sink */
    struct zn_watch watch;
    struct zn_timer deadline;
    struct zn_http_parser parser;
    struct zn_buf out, in;
    size_t sent;
    int file;
    off_t file_at, file_size;
    struct zn_err err;
};

struct zn_engine {
    struct zn_loop *loop;
    char path[108];
    zn_engine_state state;
    void *state_arg;
    bool up, loss_untold;
    char loss[256];
    int api;
    unsigned tries;
    struct zn_timer kick, ping;
    struct job *waiting, **waiting_end;
    unsigned nwaiting;
    struct job *running;
    unsigned nrunning[LANE_MAX];
};

static void job_fail(struct job *j, struct zn_err *err);
static void kick(void *arg);
static void ping(void *arg);

static void job_free(struct job *j)
{
    zn_watch_del(&j->watch);
    zn_timer_clear(j->engine->loop, &j->deadline);
    zn_auto_fd(&j->watch.fd);
    zn_auto_fd(&j->file);
    zn_http_parser_done(&j->parser);
    zn_buf_done(&j->out);
    zn_buf_done(&j->in);
    json_decref(j->call.body);
    free((void *)(uintptr_t)j->call.target);
    free((void *)(uintptr_t)j->call.upload);
    free((void *)(uintptr_t)j->call.socket);
    free((void *)(uintptr_t)j->call.host);
    free((void *)(uintptr_t)j->call.headers);
    free(j);
}

static void unlink_running(struct job *j)
{
    for (struct job **p = &j->engine->running; *p; p = &(*p)->next)
        if (*p == j) {
            *p = j->next;
            j->engine->nrunning[j->lane]--;
            return;
        }
}

static void engine_down(struct zn_engine *e, const char *why)
{
    if (!e->up)
        return;
    e->up = false;
    e->tries = 0;
    zn_warn("engine lost why=\"%s\"", why);
    /* The owner is told from kick: it will cancel calls, and one of them is in our caller's hands.
     * Calls under way see the end of their connection or their deadline by themselves. */
    snprintf(e->loss, sizeof e->loss, "%s", why);
    e->loss_untold = true;
    zn_timer_set(e->loop, &e->ping, PING_FIRST_MS);
    zn_timer_set(e->loop, &e->kick, 0);
}

static const char *path_of(const struct job *j)
{
    return j->call.socket ? j->call.socket : j->engine->path;
}

static void status_error(const struct job *j, const json_t *json, struct zn_err *err)
{
    const char *text = zn_json_str(json, "message", NULL);
    int status = j->parser.status;
    enum zn_code code = status == 404   ? ZN_NOT_FOUND
                        : status == 409 ? ZN_CONFLICT
                        : status == 503 ? ZN_UNAVAILABLE
                        : status < 500  ? ZN_INVALID
                                        : ZN_INTERNAL;

    if (text)
        zn_fail(err, code, "%s", text);
    else
        zn_fail(err, code, "%s answered %d to %s %s: %.*s", j->call.socket ? path_of(j) : "engine",
                status, j->call.method, j->call.target,
                (int)(j->in.len < 120 ? j->in.len : 120), j->in.mem ? j->in.mem : "");
    /* A stale Version.Index is a 500 with these words (reference, appliance 5.2). */
    if (strstr(err->msg, "update out of sequence"))
        err->code = ZN_BUSY;
}

/* The answer is whole: tells the owner. The job is unlinked first, so that the owner may cancel. */
static void job_done(struct job *j)
{
    struct zn_engine *e = j->engine;
    struct zn_err ignored = { 0 };
    struct zn_engine_reply r = { .status = j->parser.status, .head = &j->parser };
    zn_auto_json doc = NULL;

    unlink_running(j);
    if (j->in.len && (j->in.mem[0] == '{' || j->in.mem[0] == '[') &&
        zn_json_parse(j->in.mem, j->in.len, &doc, &ignored) < 0)
        doc = NULL; /* a stream of several documents: the owner reads body */
    r.json = doc;
    r.body = (struct zn_str){ j->in.mem, j->in.len };
    if (r.status >= 400) {
        status_error(j, doc, &j->err);
        r.err = &j->err;
    }
    if (j->call.done)
        j->call.done(j->call.arg, &r);
    job_free(j);
    zn_timer_set(e->loop, &e->kick, 0);
}

static void job_fail(struct job *j, struct zn_err *err)
{
    struct zn_engine *e = j->engine;
    struct zn_engine_reply r = { .err = err };

    unlink_running(j);
    if (j->call.done)
        j->call.done(j->call.arg, &r);
    job_free(j);
    zn_timer_set(e->loop, &e->kick, 0);
}

/* The connection broke: the engine, if it was its, is taken for gone until it answers a ping again. */
static void job_lost(struct job *j, int errnum, const char *what)
{
    struct zn_err err = { 0 };

    zn_fail_errno(&err, errnum, "%s %s", what, path_of(j));
    err.code = ZN_UNAVAILABLE;
    if (!j->call.socket)
        engine_down(j->engine, err.msg);
    job_fail(j, &err);
}

static void job_late(void *arg)
{
    struct job *j = arg;
    struct zn_err err = { 0 };

    zn_fail(&err, ZN_UNAVAILABLE, "%s %s: no answer from %s within %lld ms", j->call.method,
            j->call.target, j->call.socket ? path_of(j) : "the engine",
            (long long)j->call.deadline_ms);
    job_fail(j, &err);
}

static int keep(void *arg, const char *p, size_t n)
{
    struct job *j = arg;

    if (j->call.sink && j->parser.status < 400) {
        if (j->call.deadline_ms)
            zn_timer_set(j->engine->loop, &j->deadline, j->call.deadline_ms);
        return j->dead ? 0 : j->call.sink(j->call.arg, p, n);
    }
    zn_buf_add(&j->in, p, n);
    return j->in.failed ? -1 : 0;
}

/* True while the job lives on. */
static bool job_read(struct job *j)
{
    char chunk[32768];
    size_t used;
    ssize_t n = recv(j->watch.fd, chunk, sizeof chunk, 0);
    struct zn_err err = { 0 };
    int r;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0)
        return job_lost(j, errno, "talking to"), false;
    j->in_sink = true;
    r = n ? zn_http_parser_feed(&j->parser, chunk, (size_t)n, &used)
          : zn_http_parser_eof(&j->parser);
    j->in_sink = false;
    if (j->dead) {
        unlink_running(j);
        job_free(j);
        return false;
    }
    if (r < 0 && n == 0)
        return job_lost(j, ECONNRESET, "talking to"), false;
    if (r < 0) {
        zn_fail(&err, ZN_INVALID, "%s %s: malformed or too large answer", j->call.method,
                j->call.target);
        return job_fail(j, &err), false;
    }
    if (j->parser.state == ZN_HTTP_DONE)
        return job_done(j), false;
    return true;
}

static bool job_write(struct job *j)
{
    ssize_t n;

    if (j->sent < j->out.len) {
        n = send(j->watch.fd, j->out.mem + j->sent, j->out.len - j->sent, MSG_NOSIGNAL);
        if (n > 0)
            j->sent += (size_t)n;
    } else if (j->file_at < j->file_size) {
        n = sendfile(j->watch.fd, j->file, &j->file_at, UPLOAD_STEP);
        if (n == 0) { /* the archive shrank under us */
            errno = EIO;
            n = -1;
        }
    } else {
        zn_watch_set(&j->watch, EPOLLIN);
        return true;
    }
    if (n < 0 && errno == EPIPE) { /* an early answer may wait to be read */
        zn_watch_set(&j->watch, EPOLLIN);
        return true;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return job_lost(j, errno, "sending to"), false;
    return true;
}

static void job_event(void *arg, uint32_t events)
{
    struct job *j = arg;

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !job_read(j))
        return;
    if (events & EPOLLOUT)
        job_write(j);
}

static int job_connect(struct job *j)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    j->watch.fd = fd;
    if (fd < 0)
        return -1;
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path_of(j));
    return connect(fd, (struct sockaddr *)&sa, sizeof sa);
}

static int job_open_file(struct job *j)
{
    struct stat st;

    if (!j->call.upload)
        return 0;
    j->file = open(j->call.upload, O_RDONLY | O_CLOEXEC);
    if (j->file < 0 || fstat(j->file, &st) < 0)
        return zn_fail_errno(&j->err, errno, "opening %s", j->call.upload);
    j->file_size = st.st_size;
    return 0;
}

static int job_format(struct job *j)
{
    char target[2048];
    zn_auto_mem char *text = j->call.body ? json_dumps(j->call.body, JSON_COMPACT) : NULL;
    struct zn_http_req req = { .unix_path = path_of(j), .method = j->call.method,
                               .target = target, .body_len = text ? strlen(text) : 0,
                               .host_header = j->call.host, .headers = j->call.headers };
    int n = j->raw_target ? snprintf(target, sizeof target, "%s", j->call.target)
                          : snprintf(target, sizeof target, "/v1.%d%s", j->engine->api,
                                     j->call.target);

    if (n >= (int)sizeof target)
        return zn_fail(&j->err, ZN_INVALID, "request target longer than %zu", sizeof target - 1);
    if (j->call.upload) {
        req.body_len = (size_t)j->file_size;
        req.content_type = "application/x-tar";
    }
    zn_http_format(&req, &j->out);
    if (text)
        zn_buf_puts(&j->out, text);
    return j->out.failed ? zn_fail(&j->err, ZN_INVALID, "request larger than 1 MiB") : 0;
}

static void job_start(struct job *j)
{
    struct zn_engine *e = j->engine;

    j->next = e->running;
    e->running = j;
    e->nrunning[j->lane]++;
    if (job_open_file(j) < 0 || job_format(j) < 0) {
        job_fail(j, &j->err);
        return;
    }
    if (job_connect(j) < 0) {
        job_lost(j, errno, "connecting to");
        return;
    }
    j->watch.events = EPOLLIN | EPOLLOUT;
    if (zn_watch_add(e->loop, &j->watch, &j->err) < 0) {
        job_fail(j, &j->err);
        return;
    }
    if (j->call.deadline_ms)
        zn_timer_set(e->loop, &j->deadline, j->call.deadline_ms);
}

static struct job *take_startable(struct zn_engine *e)
{
    for (struct job **p = &e->waiting; *p; p = &(*p)->next) {
        struct job *j = *p;

        if (e->nrunning[j->lane] >= lane_slots[j->lane] && (e->up || j->raw_target))
            continue;
        *p = j->next;
        if (!j->next)
            e->waiting_end = p;
        e->nwaiting--;
        return j;
    }
    return NULL;
}

/* Starts what has a free slot; while the engine is away every waiting call ends at once. */
static void kick(void *arg)
{
    struct zn_engine *e = arg;
    struct job *j;

    if (e->loss_untold) {
        e->loss_untold = false;
        e->state(e->state_arg, false, e->loss);
    }
    while ((j = take_startable(e))) {
        if (e->up || j->raw_target) {
            job_start(j);
            continue;
        }
        zn_fail(&j->err, ZN_UNAVAILABLE, "the engine does not answer on %s", e->path);
        job_fail(j, &j->err);
    }
}

static const char *copy(const char *text)
{
    char *ret = text ? strdup(text) : NULL;

    if (text && !ret)
        zn_bug("out of memory");
    return ret;
}

static void copy_texts(struct zn_engine_call *c)
{
    c->target = copy(c->target);
    c->upload = copy(c->upload);
    c->socket = copy(c->socket);
    c->host = copy(c->host);
    c->headers = copy(c->headers);
}

static void enqueue(struct zn_engine *e, const struct zn_engine_call *call, bool raw)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j || e->nwaiting >= ZN_ENGINE_QUEUE)
        zn_bug("engine queue: %u calls wait", e->nwaiting);
    j->engine = e;
    j->call = *call;
    copy_texts(&j->call);
    if (!j->call.deadline_ms && !call->sink)
        j->call.deadline_ms = ZN_ENGINE_DEADLINE_MS;
    j->lane = call->socket   ? LANE_OTHER
              : call->upload ? LANE_UPLOAD
              : call->sink   ? LANE_STREAM
                             : LANE_CALL;
    j->raw_target = raw;
    j->watch = (struct zn_watch){ .fd = -1, .fn = job_event, .arg = j };
    j->deadline = (struct zn_timer){ .fn = job_late, .arg = j };
    j->file = -1;
    j->out = ZN_BUF(1 << 20);
    j->in = ZN_BUF(call->max_body ? call->max_body : 4 << 20);
    zn_http_parser_init(&j->parser, keep, j);
    *e->waiting_end = j;
    e->waiting_end = &j->next;
    e->nwaiting++;
    zn_timer_set(e->loop, &e->kick, 0);
}

void zn_engine_send(struct zn_engine *e, const struct zn_engine_call *call)
{
    enqueue(e, call, call->socket);
}

char *zn_engine_filtered(const char *path, json_t *filters)
{
    zn_auto_json owned = filters;
    zn_auto_mem char *text = json_dumps(owned, JSON_COMPACT);
    struct zn_buf b = ZN_BUF(65536);
    char *ret;

    zn_buf_printf(&b, "%s%cfilters=", path, strchr(path, '?') ? '&' : '?');
    zn_percent_add(&b, text ? text : "{}");
    ret = zn_buf_take(&b);
    if (!ret)
        zn_bug("out of memory");
    return ret;
}

static void drop_waiting(struct zn_engine *e, const void *arg, bool all)
{
    for (struct job **p = &e->waiting; *p;) {
        struct job *j = *p;

        if (!all && j->call.arg != arg) {
            p = &j->next;
            continue;
        }
        *p = j->next;
        e->nwaiting--;
        job_free(j);
    }
    e->waiting_end = &e->waiting;
    while (*e->waiting_end)
        e->waiting_end = &(*e->waiting_end)->next;
}

static void drop_running(struct zn_engine *e, const void *arg, bool all)
{
    for (struct job **p = &e->running; *p;) {
        struct job *j = *p;

        if ((!all && j->call.arg != arg) || j->in_sink) {
            if (j->in_sink && (all || j->call.arg == arg))
                j->dead = true;
            p = &j->next;
            continue;
        }
        *p = j->next;
        e->nrunning[j->lane]--;
        job_free(j);
    }
}

void zn_engine_cancel(struct zn_engine *e, const void *arg)
{
    drop_waiting(e, arg, false);
    drop_running(e, arg, false);
    zn_timer_set(e->loop, &e->kick, 0);
}

static void ping_again(struct zn_engine *e, const char *why)
{
    if (e->tries == 1 || e->tries % 12 == 0)
        zn_info("waiting for the engine socket=%s why=\"%s\"", e->path, why);
    e->state(e->state_arg, false, why);
    zn_timer_set(e->loop, &e->ping, zn_backoff_ms(e->tries, PING_FIRST_MS, PING_MAX_MS, 1 << 30));
}

static void ping_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_engine *e = arg;
    char api[16] = "", why[160];
    long long minor;

    if (r->err || r->status != 200) {
        ping_again(e, r->err ? r->err->msg : "unexpected answer");
        return;
    }
    struct zn_str given = zn_http_header(r->head, "Api-Version");
    snprintf(api, sizeof api, "%.*s", (int)given.n, given.s ? given.s : "");
    if (!zn_starts_with(api, "1.") || !zn_parse_i64(api + 2, 0, 999, &minor) ||
        minor < ZN_ENGINE_API_MIN) {
        snprintf(why, sizeof why, "the engine speaks API '%s', at least 1.%d is needed", api,
                 ZN_ENGINE_API_MIN);
        ping_again(e, why);
        return;
    }
    e->api = (int)(minor < ZN_ENGINE_API_MAX ? minor : ZN_ENGINE_API_MAX);
    e->up = true;
    e->tries = 0;
    zn_info("engine answers socket=%s api=1.%d", e->path, e->api);
    e->state(e->state_arg, true, "");
}

static void ping(void *arg)
{
    struct zn_engine *e = arg;

    if (e->up)
        return;
    e->tries++;
    enqueue(e, &(struct zn_engine_call){ .method = "GET", .target = "/_ping",
                                         .deadline_ms = PING_DEADLINE_MS, .done = ping_done,
                                         .arg = e }, true);
}

int zn_engine_open(struct zn_loop *loop, const char *socket_path, zn_engine_state state, void *arg,
                   struct zn_engine **ret, struct zn_err *err)
{
    struct zn_engine *e = calloc(1, sizeof *e);

    if (!e)
        return zn_fail(err, ZN_INTERNAL, "engine client: out of memory");
    if (strlen(socket_path) >= sizeof e->path) {
        free(e);
        return zn_fail(err, ZN_INVALID, "engine socket path longer than 107 bytes");
    }
    memcpy(e->path, socket_path, strlen(socket_path));
    e->loop = loop;
    e->state = state;
    e->state_arg = arg;
    e->waiting_end = &e->waiting;
    e->kick = (struct zn_timer){ .fn = kick, .arg = e };
    e->ping = (struct zn_timer){ .fn = ping, .arg = e };
    *ret = e;
    return 0;
}

void zn_engine_close(struct zn_engine *e)
{
    if (!e)
        return;
    drop_waiting(e, NULL, true);
    drop_running(e, NULL, true);
    zn_timer_clear(e->loop, &e->kick);
    zn_timer_clear(e->loop, &e->ping);
    free(e);
}

void zn_engine_connect(struct zn_engine *e)
{
    zn_timer_set(e->loop, &e->ping, 0);
}

bool zn_engine_up(const struct zn_engine *e)
{
    return e->up;
}

int zn_engine_api(const struct zn_engine *e)
{
    return e->api;
}
