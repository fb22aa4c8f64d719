/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/home.h"

#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Whether nobody but root can change what stands in a folder. */
static bool is_roots(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int fail(int folder, int error)
{
    if (folder >= 0)
        close(folder);
    errno = error;
    return -1;
}

/* The folder of that name in folder, which is closed; made where it is missing. A link is followed,
 * since only root can have put it there. -1 with errno. */
static int step_into(int folder, const char *name)
{
    int next;

    if (!is_roots(folder))
        return fail(folder, EPERM);
    if (mkdirat(folder, name, 0755) != 0 && errno != EEXIST)
        return fail(folder, errno);
    next = openat(folder, name, FOLDER);
    if (next < 0)
        return fail(folder, errno);
    close(folder);
    return next;
}

/* The folder that the last part of path stands in. path is cut there, and *last begins behind. */
static int find_parent(char *path, char **last)
{
    int folder = open("/", FOLDER);
    char *at = path + 1, *slash;

    while (folder >= 0 && (slash = strchr(at, '/')) != NULL) {
        *slash = '\0';
        if (slash > at)
            folder = step_into(folder, at);
        at = slash + 1;
    }
    *last = at;
    return folder;
}

static bool make_own(int parent, const char *name, uint32_t uid, uint32_t gid)
{
    bool ok;
    int home;

    if (!is_roots(parent)) {
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
                errno == EPERM ? "a folder above it is not root's alone" : strerror(errno));
    if (parent >= 0)
        close(parent);
    return ok;
}
