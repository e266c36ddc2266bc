/* Change of the encryption key: every sealed value of the database comes under the newest key. */
#ifndef ZN_STORE_ROTATE_H
#define ZN_STORE_ROTATE_H

#include "base/err.h"

struct zn_sealer;
struct zn_store;

struct zn_rotation {
    unsigned long long rows, values; /* that were sealed anew */
    unsigned long long lost;         /* values that no key opens, as the last pass saw them */
    unsigned long long left; /* rows that still hold another key's values: 0 = old keys may go */
};

/* Finds them in all tables (migrations/0006: sealed_tables) and works through small pieces, each a
 * transaction, so that it can run beside the API, be killed, and be run again. Rows that others
 * hold are taken in a later pass. The error, if any, comes with *ret filled as far as it got. */
int zn_rotate_keys(struct zn_store *store, const struct zn_sealer *sealer, struct zn_rotation *ret,
                   struct zn_err *err);

#endif
