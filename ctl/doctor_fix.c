/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fail(char *why, size_t size, const char *text)
{
    snprintf(why, size, "%s", text);
    return false;
}

/* By the descriptor, which names nothing but what was looked at: fchmod(2) does not take one of
 * O_PATH, its place in /proc does. */
static bool set(int fd, const struct doctor_repair *repair)
{
    char place[64];

    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    return (repair->uid == DOCTOR_KEEP ||
            fchownat(fd, "", repair->uid, repair->gid, AT_EMPTY_PATH) == 0) &&
           chmod(place, repair->mode) == 0;
}

/* What is given away to another user is reached without any link: a folder on the way may be his.
 */
static int open_place(const struct doctor_repair *repair)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC};

    if (repair->uid != DOCTOR_KEEP && repair->uid != 0)
        how.resolve = RESOLVE_NO_SYMLINKS;
    return (int)syscall(SYS_openat2, AT_FDCWD, repair->path, &how, sizeof how);
}

bool doctor_repair(const struct doctor_repair *repair, char *why, size_t size)
{
    bool made = repair->type == S_IFDIR && mkdir(repair->path, 0700) == 0, ok = false;
    int fd = open_place(repair);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        fail(why, size, strerror(errno));
    else if ((st.st_mode & S_IFMT) != repair->type)
        fail(why, size, "something else is in its place");
    else if (repair->type == S_IFREG && st.st_nlink != 1)
        fail(why, size, "the file has another name as well");
    else if (!set(fd, repair))
        fail(why, size, strerror(errno));
    else
        ok = true;
    if (fd >= 0)
        close(fd);
    if (!ok && made)
        (void)rmdir(repair->path); /* then it is as it was, or as somebody else wants it */
    return ok;
}
