/* Connecting to a name in a thread of its own: getaddrinfo blocks and has no deadline. */
#ifndef ZT_GRPC_DIAL_H
#define ZT_GRPC_DIAL_H

#include <stdbool.h>

enum { ZT_DIAL_WHY = 160 };

struct zt_dial;

/* Starts one attempt over all addresses of the name, 5 s each. wake: eventfd written once at the end;
 * both texts are copied. NULL: no memory or thread. */
struct zt_dial *zt_dial_begin(const char *host, const char *port, int wake);
bool zt_dial_done(struct zt_dial *d);
/* Waits for the end, frees d. The connected non-blocking descriptor, or -1 with why (may be NULL). */
int zt_dial_end(struct zt_dial *d, char why[ZT_DIAL_WHY]);

#endif
