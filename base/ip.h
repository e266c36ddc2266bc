/* IPv4 arithmetic on texts. */
#ifndef ZN_BASE_IP_H
#define ZN_BASE_IP_H

#include <stdbool.h>

enum { ZN_IPV4_LEN = 16 };

/* Last usable host address of "a.b.c.d/bits" (bits 8 to 29), or one `back` before it. False if that is no such
 * subnet, or has no such host beside its first, the gateway's. */
bool zn_ipv4_last_host(const char *subnet, unsigned back, char ret[ZN_IPV4_LEN]);

#endif
