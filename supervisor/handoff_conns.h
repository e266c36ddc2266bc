/* The log connections that the supervisor keeps open: with them their receive queues outlive the
 * collector that reads them (docs/decisions/0004). Each is named by its socket cookie. The ones
 * that are due were not yet handed to the collector that accepts. */
#ifndef ZN_SUPERVISOR_HANDOFF_CONNS_H
#define ZN_SUPERVISOR_HANDOFF_CONNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { ZN_CONNS_MAX = 4096 };

/* Owns its descriptors. */
struct zn_conns {
    unsigned n;   /* kept */
    unsigned due; /* so many of them, the first in the arrays */
    unsigned max; /* ZN_CONNS_MAX, or less where the limit of open files is low */
    int fds[ZN_CONNS_MAX];
    uint64_t cookies[ZN_CONNS_MAX];
};

/* Empty. Raises the process's limit of open files as far as they need it; warns if the hard limit is
 * too low for them. */
void zn_conns_init(struct zn_conns *t);
/* Closes all. Safe on a table of zeros. */
void zn_conns_done(struct zn_conns *t);

/* Takes fd, in every case, and keeps it as due; one that is kept already stays as it is.
 * ZN_INVALID: not a connected unix stream socket; ZN_BUSY: the table is full. */
int zn_conns_keep(struct zn_conns *t, int fd, struct zn_err *err);
/* Closes and forgets the one with that cookie, if there is one. */
void zn_conns_end(struct zn_conns *t, uint64_t cookie);

/* Another collector accepts: everything is due to it. */
void zn_conns_all_due(struct zn_conns *t);
/* A connection that is due, or -1; the descriptor is borrowed. The same until zn_conns_sent. */
int zn_conns_due(const struct zn_conns *t);
/* The one that zn_conns_due told is not due any more. */
void zn_conns_sent(struct zn_conns *t);

#endif
