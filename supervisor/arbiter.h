/* Which collector accepts log connections, and when that changes. Pure: time comes in, commands go
 * out. The wanted collector is preferred while it is ready; the rules are in docs/internals.md. */
#ifndef ZN_SUPERVISOR_ARBITER_H
#define ZN_SUPERVISOR_ARBITER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ZN_ARBITER_PEERS = 8,
    ZN_SILENCE_MS = 1500, /* without a word a collector counts as gone */
    ZN_RETURN_MS = 3000,  /* ready for so long before the preferred one gets the socket back */
    ZN_GRACE_MS = 1500    /* after the start: collectors of a running platform come back first */
};

enum zn_command { ZN_CMD_NONE, ZN_CMD_HOLD, ZN_CMD_ACCEPT };

struct zn_peer {
    bool used, preferred, ready;
    int64_t heard_ms, ready_ms; /* last word; ready without a break since then */
    enum zn_command told;
};

struct zn_arbiter {
    struct zn_peer peers[ZN_ARBITER_PEERS];
    int owner;          /* -1: nobody accepts */
    bool granted;       /* somebody was told to accept since the start */
    int64_t started_ms;
};

void zn_arbiter_init(struct zn_arbiter *a, int64_t now_ms);
/* A collector has introduced itself. Its slot, or -1 if all are taken. */
int zn_arbiter_join(struct zn_arbiter *a, bool preferred, int64_t now_ms);
void zn_arbiter_leave(struct zn_arbiter *a, int slot);
void zn_arbiter_heard(struct zn_arbiter *a, int slot, bool ready, int64_t now_ms);

/* Settles who accepts. send[i] becomes the command that is due to slot i, counted as told. A
 * hold of the former owner must be sent before the accept of the new one. */
void zn_arbiter_settle(struct zn_arbiter *a, int64_t now_ms, enum zn_command send[ZN_ARBITER_PEERS]);
/* Milliseconds until time alone may change the outcome; -1 = never. */
int64_t zn_arbiter_wait(const struct zn_arbiter *a, int64_t now_ms);

#endif
