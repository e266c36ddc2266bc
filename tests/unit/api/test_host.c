/* What the machine has to give. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "zaned/api/host.h"

Test(host, limits_are_those_of_the_kernel)
{
    struct zn_host_limits l = zn_host_limits();
    long long pages = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

    cr_expect_eq(l.cpus, sysconf(_SC_NPROCESSORS_ONLN));
    cr_expect_geq(l.memory_bytes, pages - (64 << 20));
    cr_expect_leq(l.memory_bytes, pages + (64 << 20));
}
