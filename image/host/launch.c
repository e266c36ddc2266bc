/* The launcher of the host programs (docs/releases.md): host/bin/NAME executes host/libexec/NAME with the loader and the
 * libraries of host/lib, so that it runs whatever the machine's libc is. Static: it needs none of them itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, FIXED = 6, FAILED = 127 };

static int fail(const char *self, const char *what)
{
    fprintf(stderr, "%s: cannot start: %s: %s\n", self, what, strerror(errno));
    return FAILED;
}

/* Cuts the last component off; NULL: there is none. */
static char *parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

static int start(const char *host, const char *name, int argc, char **argv)
{
    char loader[PATH_SIZE + 32], lib[PATH_SIZE + 32], program[2 * PATH_SIZE];
    char *self = argc > 0 ? argv[0] : program;
    char **args = calloc((size_t)argc + FIXED + 2, sizeof *args);

    snprintf(loader, sizeof loader, "%s/lib/ld-linux-x86-64.so.2", host);
    snprintf(lib, sizeof lib, "%s/lib", host);
    snprintf(program, sizeof program, "%s/libexec/%s", host, name);
    if (!args || setenv("ZN_HOST_DIR", host, 1) < 0)
        return fail(name, "memory");
    /* The loader gets the same argv[0], so that a list of processes begins with the program's name. */
    char *fixed[FIXED] = { self, "--library-path", lib, "--argv0", self, program };
    memcpy(args, fixed, sizeof fixed);
    for (int i = 1; i < argc; i++)
        args[FIXED + i - 1] = argv[i];
    execv(loader, args);
    return fail(name, loader);
}

int main(int argc, char **argv)
{
    char path[PATH_SIZE];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *name, *bin;

    if (n < 0)
        return fail(argc > 0 ? argv[0] : "zane", "/proc/self/exe (is /proc mounted?)");
    path[n] = '\0';
    name = parent(path);
    bin = name ? parent(path) : NULL;
    if (!bin || strcmp(bin, "bin") != 0) {
        errno = ENOENT;
        return fail(argc > 0 ? argv[0] : "zane", "this program belongs into the folder host/bin of a release");
    }
    return start(path, name, argc, argv);
}
