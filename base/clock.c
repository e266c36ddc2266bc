#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t zn_now_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t zn_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

void zn_rfc3339(int64_t wall_ns, char ret[ZN_RFC3339_LEN])
{
    time_t secs = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    char date[24];

    gmtime_r(&secs, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret, ZN_RFC3339_LEN, "%s.%06dZ", date, (int)(wall_ns % 1000000000 / 1000));
}

void zn_pause_ms(int64_t ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
}

int64_t zn_backoff_ms(unsigned attempt, int64_t first, int64_t max, uint32_t rnd)
{
    int64_t ms = first;

    while (attempt-- && ms < max)
        ms *= 2;
    if (ms > max)
        ms = max;
    return ms * (80 + rnd % 41) / 100;
}
