/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/home.h"

#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Whether only root can change the entries of a directory. */
static bool is_guarded(int directory)
{
    struct stat st;

    return fstat(directory, &st) == 0 && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int fail(int directory, int error)
{
    if (directory >= 0)
        close(directory);
    errno = error;
    return -1;
}

/* Opens the entry of that name, and makes it where it is missing; the directory is closed. A
 * symbolic link is followed, since only root can have made it. -1 with errno. */
static int step_into(int directory, const char *name)
{
    int next;

    if (!is_guarded(directory))
        return fail(directory, EPERM);
    if (mkdirat(directory, name, 0755) != 0 && errno != EEXIST)
        return fail(directory, errno);
    next = openat(directory, name, DIRECTORY);
    if (next < 0)
        return fail(directory, errno);
    close(directory);
    return next;
}

/* Opens the directory that contains the last part of path. path is cut there; *last is that part.
 */
static int find_parent(char *path, char **last)
{
    int directory = open("/", DIRECTORY);
    char *at = path + 1, *slash;

    while (directory >= 0 && (slash = strchr(at, '/')) != NULL) {
        *slash = '\0';
        if (slash > at)
            directory = step_into(directory, at);
        at = slash + 1;
    }
    *last = at;
    return directory;
}

static bool make_own(int parent, const char *name, uint32_t uid, uint32_t gid)
{
    bool ok;
    int home;

    if (!is_guarded(parent)) {
        errno = EPERM;
        return false;
    }
    if (mkdirat(parent, name, 0700) != 0)
        return errno == EEXIST;
    home = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ok = home >= 0 && fchown(home, uid, gid) == 0 && fchmod(home, 0750) == 0;
    if (home >= 0)
        close(home);
    return ok;
}

bool home_make(const char *path, uint32_t uid, uint32_t gid)
{
    char copy[PATH_MAX], *last;
    struct stat st;
    int parent;
    bool ok;

    if (lstat(path, &st) == 0)
        return true;
    if (path[0] != '/' || strlen(path) >= sizeof copy || path[strlen(path) - 1] == '/') {
        ctl_say("%s: not a path that a home can be made at", path);
        return false;
    }
    strcpy(copy, path);
    parent = find_parent(copy, &last);
    ok = parent >= 0 && make_own(parent, last, uid, gid);
    if (!ok)
        ctl_say("the home %s is not made: %s", path,
                errno == EPERM ? "another user than root may write in a directory above it"
                               : strerror(errno));
    if (parent >= 0)
        close(parent);
    return ok;
}
