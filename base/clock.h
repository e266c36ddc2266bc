/* Clocks. Monotonic milliseconds for deadlines and waits, wall nanoseconds for what people see. */
#ifndef ZN_BASE_CLOCK_H
#define ZN_BASE_CLOCK_H

#include <stdint.h>

enum { ZN_RFC3339_LEN = 40 };

int64_t zn_now_ms(void);  /* CLOCK_MONOTONIC, milliseconds */
int64_t zn_wall_ns(void); /* CLOCK_REALTIME, nanoseconds since 1970 */

/* "2026-01-31T23:59:59.123456Z" (UTC, microseconds). */
void zn_rfc3339(int64_t wall_ns, char ret[ZN_RFC3339_LEN]);

/* Blocks this thread for ms milliseconds (worker threads only, never an event loop). */
void zn_pause_ms(int64_t ms);

/* Wait before try number `attempt` (from 0): first*2^attempt, at most max, ±20 % jitter from rnd. */
int64_t zn_backoff_ms(unsigned attempt, int64_t first, int64_t max, uint32_t rnd);

#endif
