/* What the parts of the relay share. One thread, one epoll set. */
#ifndef ZN_RELAY_H
#define ZN_RELAY_H

#include <stdbool.h>
#include <stdint.h>

enum { FORWARD_PORT = 24224 };

/* What an epoll event belongs to; embedded first in its owner, or alone. fn of a stale event sees
 * fd -1. */
struct source {
    void (*fn)(struct source *self, uint32_t events);
    int fd; /* owned; -1 = closed */
};

/* zn-relay.c */
int64_t now_ms(void); /* monotonic */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);
int watch(struct source *s, uint32_t events);
void rewatch(struct source *s, uint32_t *now, uint32_t events);
/* Takes it out of the epoll set and closes it; the struct must live until the round is over. */
void drop(struct source *s);
int dial_loopback(int port); /* connecting socket, or -1 */
bool handoff_up(void);       /* there is a connection to the supervisor */
/* A datagram to the supervisor, with a descriptor if pass_fd >= 0: 1 = sent, 0 = does not fit now,
 * -1 = nobody is there. */
int handoff_send(const char *text, int pass_fd);

/* links.c: the engine's log connections, and the one connection to in_forward. */
void links_accept(bool on);          /* the supervisor's command; off lets go of all of them */
void links_open(int fd, bool given); /* takes fd; given: the supervisor has a descriptor of it */
void links_bring_again(void);        /* the supervisor was restarted and has none */
bool links_reading(void);            /* we are the one reader */
bool links_superseded(int64_t now);  /* lately somebody else claimed the connections */
bool links_busy(void);               /* some batch is on its way to fluentd */
unsigned links_count(void);
/* One turn: reads where there is something, if `read`, sends, and reads away what fluentd has.
 * True: the next turn is due in a few milliseconds. */
bool links_run(bool read, int64_t now);

#endif
