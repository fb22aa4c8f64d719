/* SPDX-License-Identifier: Apache-2.0 */
#include "base/daemonize.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES_MAX 65536

bool daemonize_start(int *ready)
{
    int ends[2];
    char byte;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    child = fork();
    if (child > 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    close(ends[0]);
    *ready = ends[1];
    return child == 0 && setsid() >= 0 && chdir("/") == 0;
}

bool daemonize_finish(int ready)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = null >= 0;

    for (int fd = STDIN_FILENO; ok && fd <= STDERR_FILENO; fd++)
        ok = dup2(null, fd) == fd;
    if (null > STDERR_FILENO)
        close(null);
    ok = ok && write(ready, "", 1) == 1;
    close(ready);
    return ok;
}

void daemonize_set_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        if (limit.rlim_cur < limit.rlim_max)
            limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
