#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_component = "zane";
static enum zn_level log_max = ZN_LOG_INFO;

void zn_log_setup(const char *component, enum zn_level max)
{
    log_component = component;
    log_max = max;
}

void zn_log(enum zn_level level, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    char line[2048], when[ZN_RFC3339_LEN];
    va_list ap;
    int n, k;

    if (level > log_max)
        return;
    zn_rfc3339(zn_wall_ns(), when);
    n = snprintf(line, sizeof line, "%s %s %s ", when, names[level], log_component);
    va_start(ap, fmt);
    k = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    n = k < 0 ? n : n + k;
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    for (int i = 0; i < n; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nowhere left to report to */
}
