/* SPDX-License-Identifier: Apache-2.0 */

/*
 * split MODE FILE: a setuid program, in the background and locking FILE, that ignores HUP and TERM.
 *
 *   split   the caller's uid is its effective one alone; real and saved uid are the file owner's
 *   whole   all of its uids are the file owner's
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uid_t caller = getuid(), owner = geteuid();
    int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;

    if (fd < 0 || flock(fd, LOCK_EX) != 0 ||
        setresuid(owner, strcmp(argv[1], "split") == 0 ? caller : owner, owner) != 0) {
        perror("split");
        return 1;
    }
    if (fork() != 0)
        return 0;
    setsid();
    if (fork() != 0)
        return 0;
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    for (;;)
        pause();
}
