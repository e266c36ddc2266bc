/* What this machine has to give to services. */
#ifndef ZN_API_HOST_H
#define ZN_API_HOST_H

struct zn_host_limits {
    long long cpus, memory_bytes; /* 0 = not known */
};

/* Asks the kernel each time; needs no network and does not block. */
struct zn_host_limits zn_host_limits(void);

#endif
