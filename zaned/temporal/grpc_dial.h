/* Connecting to a name in a thread of its own: getaddrinfo blocks and has no deadline. The name is
 * resolved anew for each attempt. */
#ifndef ZT_GRPC_DIAL_H
#define ZT_GRPC_DIAL_H

#include <stdbool.h>

enum { ZT_DIAL_WHY = 160 };

struct zt_dial;

/* Starts one attempt over all addresses of the name, 5 s each. wake: eventfd, duplicated here,
 * written once at the end; both texts are copied. NULL: no memory, descriptor or thread. */
struct zt_dial *zt_dial_begin(const char *host, const char *port, int wake);
bool zt_dial_done(struct zt_dial *d);
/* After zt_dial_done: frees d. The connected non-blocking descriptor, the caller's, or -1 with why.
 */
int zt_dial_end(struct zt_dial *d, char why[ZT_DIAL_WHY]);
/* Gives the attempt up without waiting; its thread cleans up when it gets to it. NULL is fine. */
void zt_dial_abandon(struct zt_dial *d);

#endif
