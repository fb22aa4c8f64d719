/* SPDX-License-Identifier: Apache-2.0 */

/*
 * evasive headless|hopping FILE: a process that does not want to be ended, with its parent and its
 * terminal left behind; it ignores HUP and TERM. It holds a flock(2) of FILE as long as it is
 * there: until it is ended, or FILE is removed.
 *
 *   headless   its first thread has ended, so that /proc shows the process as a zombie
 *   hopping    it is another one all the time: forks, ends, and goes on as its child
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *stay(void *file)
{
    while (access(file, F_OK) == 0)
        usleep(50000);
    _exit(0);
}

static int hop(const char *file)
{
    while (access(file, F_OK) == 0)
        if (fork() != 0)
            _exit(0);
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int fd = argc != 3 ? -1 : open(argv[2], O_RDWR | O_CREAT, 0644);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return 1;
    if (fork() != 0)
        return 0; /* the lock is the child's from now on */
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    if (strcmp(argv[1], "hopping") == 0)
        return hop(argv[2]);
    if (pthread_create(&thread, NULL, stay, argv[2]) != 0)
        return 1;
    return (int)syscall(SYS_exit, 0); /* of this thread alone */
}
