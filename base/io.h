/* Files, descriptors, random bytes. */
#ifndef ZN_BASE_IO_H
#define ZN_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Whole file into ret (appended); refuses more than ret->max. ZN_NOT_FOUND if absent. */
int zn_read_file(const char *path, struct zn_buf *ret, struct zn_err *err);

/* Secret or one-line file: content without trailing line breaks, heap string for the caller to
 * explicit_bzero and free. At most 4096 bytes. */
int zn_read_line_file(const char *path, char **ret, struct zn_err *err);

/* Writes beside, syncs, renames over, syncs the directory: old or new content, never a part. */
int zn_write_file(const char *path, const void *data, size_t n, mode_t mode, struct zn_err *err);

/* mkdir -p with the given mode for the directories that are created. */
int zn_mkdirs(const char *path, mode_t mode, struct zn_err *err);

/* Fills from the kernel's generator; aborts if the kernel has none. */
void zn_random(void *ret, size_t n);

/* Writes all n bytes to a blocking descriptor (SIGPIPE never raised on sockets); 0 or -1 with errno. */
int zn_write_all(int fd, const void *data, size_t n);

int zn_set_nonblock(int fd);

/* Listening stream socket on a unix path: bound beside and renamed over, so that the path never
 * disappears. Non-blocking, close-on-exec. Returns the descriptor or -1. */
int zn_listen_unix(const char *path, int type, mode_t mode, struct zn_err *err);

/* Connected socket on a unix path, close-on-exec; type may carry SOCK_NONBLOCK. -1 with errno. */
int zn_dial_unix(const char *path, int type);

/* One message of n bytes on a unix socket, with a descriptor (borrowed) if pass_fd >= 0; flags of
 * sendmsg. Never raises SIGPIPE. 0 or -1 with errno. */
int zn_send_fd(int sock, const void *data, size_t n, int pass_fd, int flags);
/* recvmsg of one message: what that returns, -1 with errno. *fd: a descriptor that came along, the
 * caller's, close-on-exec; -1 if none came. Of several the first is kept, the others are closed. */
ssize_t zn_recv_fd(int sock, void *ret, size_t size, int *fd, int flags);

/* Raises the process's soft limit of open files to want, as far as the hard one lets it; returns what
 * the limit is then. */
unsigned long zn_raise_files(unsigned long want);

#endif
