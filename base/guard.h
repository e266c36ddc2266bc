/* Scope guards: a resource is released when its variable leaves scope. Initialise at declaration,
 * never goto across one, hand over with ZN_TAKE (or -1 for descriptors). */
#ifndef ZN_BASE_GUARD_H
#define ZN_BASE_GUARD_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ZN_AUTO(fn) __attribute__((cleanup(fn)))

#define ZN_DEFINE_AUTO(name, type, release)      \
    static inline void zn_auto_##name(type *slot) \
    {                                            \
        if (*slot)                               \
            release(*slot);                      \
        *slot = NULL;                            \
    }                                            \
    struct zn_auto_##name##_swallows_semicolon

#define ZN_TAKE(p)               \
    ({                           \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;              \
        taken_;                  \
    })

/* Closes *fd unless it is -1; errno is kept. */
static inline void zn_auto_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

static inline void zn_auto_free(void *slot)
{
    free(*(void **)slot);
}

static inline void zn_auto_file(FILE **f)
{
    if (*f)
        fclose(*f);
    *f = NULL;
}

static inline void zn_auto_dir(DIR **slot)
{
    if (*slot)
        closedir(*slot);
    *slot = NULL;
}

#define zn_auto_mem ZN_AUTO(zn_auto_free)

#endif
