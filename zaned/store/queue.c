#include "zaned/store/queue.h"

int zn_queue_dispatch(struct zn_conn *c, struct zn_err *err)
{
    /* Two statements: the second sees what the holder of the lock before committed. */
    if (zn_sql(c, ZN_SQL_QUEUE_LOCK, ZN_P0, NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_QUEUE_DISPATCH, ZN_P0, NULL, err);
}

static int dispatch_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    (void)arg;
    return zn_queue_dispatch(c, err);
}

int zn_queue_dispatch_now(struct zn_store *s, struct zn_err *err)
{
    return zn_tx(s, dispatch_tx, NULL, err);
}
