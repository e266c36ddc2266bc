/* Addresses of names, several at once and with a deadline, which getaddrinfo alone has not. */
#ifndef ZN_API_LOOKUP_H
#define ZN_API_LOOKUP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

enum { ZN_LOOKUP_ADDRESSES = 8 };

enum zn_lookup_state {
    ZN_LOOKUP_UNKNOWN, /* the DNS did not answer in time, or with a failure of its own */
    ZN_LOOKUP_MISSING, /* there is no such name, or it has no address */
    ZN_LOOKUP_FOUND
};

struct zn_lookup {
    const char *name; /* set by the caller, borrowed */
    enum zn_lookup_state state;
    size_t n; /* addresses; those beyond ZN_LOOKUP_ADDRESSES are left out */
    char addresses[ZN_LOOKUP_ADDRESSES][INET6_ADDRSTRLEN];
};

/* Asks for all of them at once and fills the rest of each. What the DNS has not said after deadline_ms is
 * UNKNOWN; such questions go on in the background, and while 64 of them do, every answer is UNKNOWN. */
void zn_lookup(struct zn_lookup *list, size_t n, int64_t deadline_ms);

#endif
