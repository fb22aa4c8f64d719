/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t io_read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, buffer + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

bool io_write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO;
        if (written <= 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

#define OVERFLOW_UID 65534 /* kernel.overflowuid, which no distribution changes */

/* Whether a text in the form of /proc/PID/uid_map (user_namespaces(7)) has the uid. */
static bool maps(const char *map, unsigned long uid)
{
    for (char *end;; map = end) {
        unsigned long first = strtoul(map, &end, 10), count;
        if (end == map)
            return false;
        (void)strtoul(end, &end, 10);
        count = strtoul(end, &end, 10);
        if (uid >= first && uid - first < count)
            return true;
    }
}

/* Whether this process is in a user namespace without a user that has the overflow uid. The initial
 * one maps every uid. */
static bool has_no_overflow_user(void)
{
    char map[4096];
    int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read_all(fd, map, sizeof map);

    if (fd >= 0)
        close(fd);
    if (n < 0 || (size_t)n == sizeof map)
        return false;
    map[n] = '\0';
    return !maps(map, OVERFLOW_UID);
}

bool cloud_owned_by(uid_t seen, uid_t owner)
{
    return seen == owner || (seen == OVERFLOW_UID && has_no_overflow_user());
}
