/* The collector's end of the log socket hand-over (docs/internals.md, "Log socket hand-over"): gets the
 * listening descriptor and log connections from the supervisor, gives it those that were accepted, says
 * whether the collector is ready, hears when to accept. Non-blocking, driven by its owner's event loop. */
#ifndef ZN_LOGS_HANDOFF_H
#define ZN_LOGS_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    ZN_HANDOFF_SAY_MS = 400,
    ZN_HANDOFF_RETRY_MS = 1000,
    ZN_HANDOFF_SOON_MS = 5, /* until what did not fit the supervisor's queue is sent again */
};

struct zn_handoff_sink {
    void *arg;
    void (*command)(void *arg, bool accept); /* told to accept, or to hold */
    void (*conn)(void *arg, int fd);         /* a log connection to go on with; takes fd */
    void (*lost)(void *arg);                 /* the supervisor's end is gone, and maybe its descriptors */
};

struct zn_handoff {
    const char *path, *name; /* borrowed */
    struct zn_handoff_sink sink;
    int fd;        /* connection to the supervisor; -1 = none */
    int listen_fd; /* fluent.sock; owned; -1 = not handed over yet */
    bool said_ready;
    int64_t said_at, retry_at; /* zn_now_ms clock; said_at 0 = the state is to be said at once */
    struct zn_buf ends;        /* uint64_t each: cookies of ended connections, still to be said */
    unsigned attempts;         /* failed in a row, for the log */
};

void zn_handoff_init(struct zn_handoff *h, const char *path, const char *name,
                     const struct zn_handoff_sink *sink);
void zn_handoff_done(struct zn_handoff *h);
/* Connects if it is due and says what is to be said. why: reason for not being ready, or NULL.
 * Returns milliseconds until it wants to be called again. */
int64_t zn_handoff_tick(struct zn_handoff *h, int64_t now, const char *why);
/* Call when fd is readable; calls the sink, and h->listen_fd and h->fd (lost connection) may change. */
void zn_handoff_read(struct zn_handoff *h, int64_t now);
/* Gives the supervisor a descriptor of a log connection; false = not now. */
bool zn_handoff_give(struct zn_handoff *h, int fd, int64_t now);
/* Says that a connection has ended; later if need be, never if the supervisor goes away before. */
void zn_handoff_end(struct zn_handoff *h, uint64_t cookie, int64_t now);

#endif
