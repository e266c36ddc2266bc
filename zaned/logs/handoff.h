/* The collector's end of the log socket hand-over (docs/internals.md, "Log socket hand-over"): gets the
 * listening descriptor from the supervisor, says whether it is ready, hears when to accept. Non-blocking,
 * driven by its owner's event loop. */
#ifndef ZN_LOGS_HANDOFF_H
#define ZN_LOGS_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { ZN_HANDOFF_SAY_MS = 400, ZN_HANDOFF_RETRY_MS = 1000 };

struct zn_handoff {
    const char *path, *name; /* borrowed */
    int fd;        /* connection to the supervisor; -1 = none */
    int listen_fd; /* fluent.sock; owned; -1 = not handed over yet */
    bool accept;   /* the supervisor's last command; stands while it is away */
    bool said_ready;
    int64_t said_at, retry_at; /* zn_now_ms clock */
    unsigned attempts;         /* failed in a row, for the log */
};

void zn_handoff_init(struct zn_handoff *h, const char *path, const char *name);
void zn_handoff_done(struct zn_handoff *h);
/* Connects if it is due and says the state if that changed or is due. why: reason for not being
 * ready, or NULL. Returns milliseconds until it wants to be called again. */
int64_t zn_handoff_tick(struct zn_handoff *h, int64_t now, const char *why);
/* Call when fd is readable; h->accept, h->listen_fd and h->fd (lost connection) may change. */
void zn_handoff_read(struct zn_handoff *h, int64_t now);

#endif
