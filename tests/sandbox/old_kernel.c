/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded: a kernel before Linux 6.16, which has no SO_PASSRIGHTS. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level != SOL_SOCKET || name != 83)
        return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
    errno = ENOPROTOOPT;
    return -1;
}
