/* What the kernel calls this process (ps, top, a core file). The launcher of the host programs (image/host/launch.c)
 * executes the loader, after which the kernel has named the process; argv[0] is still the program's own name. */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

__attribute__((constructor)) static void name_process(int argc, char **argv)
{
    const char *name;

    if (argc < 1 || !getenv("ZN_HOST_DIR"))
        return;
    name = strrchr(argv[0], '/');
    prctl(PR_SET_NAME, name ? name + 1 : argv[0]);
}
