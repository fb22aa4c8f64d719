/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/home.h"

#include "ctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool home_is_guarded(const char *path)
{
    char above[PATH_MAX];
    struct stat st;

    if (path[0] != '/' || strlen(path) >= sizeof above)
        return false;
    strcpy(above, path);
    for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
        *slash = '\0';
        if (lstat(slash == above ? "/" : above, &st) != 0 || !S_ISDIR(st.st_mode) ||
            st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            return false;
    }
    return true;
}

/* Makes a directory if there is nothing at the path and only root can change the directory above,
 * which may be reached by a link that root made. False with errno. */
static bool make(const char *path, mode_t mode)
{
    char above[PATH_MAX], real[PATH_MAX + 2];

    snprintf(above, sizeof above, "%.*s/", (int)(strrchr(path, '/') - path), path);
    if (realpath(above, real) == NULL)
        return false;
    strcat(real, "/x");
    errno = EPERM;
    return home_is_guarded(real) && (mkdir(path, mode) == 0 || errno == EEXIST);
}

bool home_make(const char *path, uint32_t uid, uint32_t gid)
{
    char part[PATH_MAX];
    struct stat st;
    bool ok = true;

    if (lstat(path, &st) == 0)
        return true;
    if (path[0] != '/' || strlen(path) >= sizeof part || path[strlen(path) - 1] == '/') {
        ctl_say("%s: not a path that a home can be made at", path);
        return false;
    }
    for (const char *slash = path; ok && (slash = strchr(slash + 1, '/')) != NULL;) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        ok = make(part, 0755);
    }
    /* Only root can put something else at the path now. */
    ok = ok && make(path, 0700);
    if (ok && errno != EEXIST)
        ok = chmod(path, 0750) == 0 && chown(path, uid, gid) == 0;
    if (!ok)
        ctl_say("the home %s is not made: %s", path,
                errno == EPERM ? "another user than root may write in a directory above it"
                               : strerror(errno));
    return ok;
}
