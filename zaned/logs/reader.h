/* Which collector may read log connections (docs/internals.md, "logs/reader"): the one that wrote the
 * file last, and only while it holds the file's lock. So one that was frozen and superseded meanwhile
 * cannot take bytes away that it never stored. Nothing here waits. */
#ifndef ZN_LOGS_READER_H
#define ZN_LOGS_READER_H

#include <limits.h>

#include "base/err.h"

enum { ZN_READER_ID = 16 };

struct zn_reader {
    char path[PATH_MAX];
    int fd; /* -1 = nothing claimed yet */
    unsigned char id[ZN_READER_ID];
};

enum zn_reader_state { ZN_READER_OURS, ZN_READER_BUSY, ZN_READER_LOST };

/* handoff: path of the supervisor's socket, beside which the file lies. */
int zn_reader_init(struct zn_reader *r, const char *handoff, struct zn_err *err);
void zn_reader_done(struct zn_reader *r);

/* Supersedes whoever has it. 1 = ours, 0 = somebody reads at this moment: try again. */
int zn_reader_claim(struct zn_reader *r, struct zn_err *err);
/* OURS: the lock is held, to be given back by zn_reader_unlock. BUSY: another one holds it. LOST:
 * somebody else claimed it, or nobody did. */
enum zn_reader_state zn_reader_lock(struct zn_reader *r);
void zn_reader_unlock(struct zn_reader *r);

#endif
