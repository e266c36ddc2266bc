/* Shipping: segments of the disk buffer to POST /api/logs/ingest, the oldest first, for as long as it
 * takes. Only a batch that the receiver calls malformed is set aside. */
#ifndef ZN_LOGS_SHIP_H
#define ZN_LOGS_SHIP_H

#include <stdatomic.h>

#include "zaned/logs/spool.h"
#include "zaned/logs/url.h"

struct zn_shipper {
    struct zn_spool *spool; /* borrowed */
    struct zn_url api;
    char auth[512];         /* header line; wiped by zn_shipper_done */
    int cancel_fd;          /* readable = stop; borrowed */
    atomic_bool stop;
    _Atomic uint64_t batches;
};

int zn_shipper_init(struct zn_shipper *s, struct zn_spool *spool, const char *api_url,
                    const char *token, int cancel_fd, struct zn_err *err);
void zn_shipper_done(struct zn_shipper *s);
/* Until stop is set, cancel_fd readable and the spool woken. */
void zn_shipper_run(struct zn_shipper *s);

#endif
