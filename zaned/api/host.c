#include "zaned/api/host.h"

#include <stdio.h>
#include <unistd.h>

/* The kernel's own figure: what a cgroup lets this process have is not what services may have. */
static long long memory_bytes(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    long long kib = 0;
    char line[128];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemTotal: %lld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib > 0 ? kib * 1024 : 0;
}

struct zn_host_limits zn_host_limits(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return (struct zn_host_limits){ .cpus = cpus > 0 ? cpus : 0, .memory_bytes = memory_bytes() };
}
