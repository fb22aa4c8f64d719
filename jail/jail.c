/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define NEVER  (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* Room for the directories that lead to the mount points, which take no blocks, and for nothing
 * else. Only root could write there, until it is read-only. */
#define ROOT_SIZE "64k"
#define ROOT_INODES                                                                                \
    "16384" /* JAIL_MOUNTS_MAX paths of JAIL_PATH_MAX / 2 parts, and a half more                   \
             */

/* ---- What went wrong ------------------------------------------------------------------------- */

static bool fault_is(struct jail_fault *fault, const char *before, const char *path,
                     const char *after)
{
    struct cloud_text text;

    cloud_text_start(&text, fault->text, sizeof fault->text);
    cloud_text_add(&text, before);
    cloud_text_add(&text, path);
    cloud_text_add(&text, after);
    return false;
}

/* A step that failed by itself, and not by what the account's folders are like. */
static bool step_failed(struct jail_fault *fault, const char *step, const char *path)
{
    const char *why = strerrordesc_np(errno);
    struct cloud_text text;

    cloud_text_start(&text, fault->text, sizeof fault->text);
    cloud_text_add(&text, "this server cannot make the sFTP folder ");
    cloud_text_add(&text, path);
    cloud_text_add(&text, " (");
    cloud_text_add(&text, step);
    cloud_text_add(&text, ": ");
    cloud_text_add(&text, why == NULL ? "unknown error" : why);
    cloud_text_add_char(&text, ')');
    return false;
}

/* A folder that could not be opened, in words for who can put it right. */
static bool not_opened(struct jail_fault *fault, const char *path)
{
    switch (errno) {
    case ENOENT:
        return fault_is(fault, "the sFTP folder ", path, " does not exist");
    case ELOOP:
        return fault_is(fault, "the sFTP folder ", path,
                        " is a symbolic link, or its path has one in it");
    case ENOTDIR:
        return fault_is(fault, "the sFTP folder ", path, " is not a directory");
    case EACCES:
        return fault_is(fault, "the sFTP folder ", path, " cannot be reached by this account");
    default:
        return step_failed(fault, "openat2", path);
    }
}

/* ---- Reading what the daemon said --------------------------------------------------------------
 */

/* Parts without an empty one, ".", ".." or a control character. */
static bool is_plain(const char *path)
{
    const char *part = path;

    for (const char *at = path;; at++) {
        size_t n = (size_t)(at - part);

        if (!cloud_is_control(*at) && *at != '/')
            continue;
        if ((*at != '/' && *at != '\0') || n == 0 || (n == 1 && part[0] == '.') ||
            (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (*at == '\0')
            return at - path <= JAIL_PATH_MAX;
        part = at + 1;
    }
}

/* Where a folder is seen in the jail. */
static const char *place_of(const struct jail_mount *mount)
{
    return mount->path[0] == '\0' ? JAIL_HOME : mount->path;
}

/* For sentences. */
static const char *name_of(const struct jail *jail, const struct jail_mount *mount)
{
    return mount->path[0] == '\0' ? jail->home : mount->path;
}

static bool is_within(const char *path, const char *other)
{
    size_t n = strlen(other);

    return strncmp(path, other, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool overlaps(const struct jail *jail, const struct jail_mount *mount,
                     struct jail_fault *fault)
{
    for (size_t i = 0; i < jail->mounts; i++) {
        const char *place = place_of(mount), *other = place_of(&jail->mount[i]);

        if (!is_within(place, other) && !is_within(other, place))
            continue;
        (void)fault_is(fault, "two sFTP folders are listed of which one holds the other: /", place,
                       "");
        return true;
    }
    return false;
}

/* Takes one line, which has lost its newline. */
static bool read_mount(struct jail *jail, char *line, struct jail_fault *fault)
{
    struct jail_mount mount = {line + 3, line[0] == 'r' && line[1] == 'w'};
    bool known = mount.writable || (line[0] == 'r' && line[1] == 'o');

    if (!known || line[2] != ' ' ||
        (mount.path[0] == '\0' ? mount.writable : !is_plain(mount.path)))
        return fault_is(fault, "the list of sFTP folders cannot be read", "", "");
    if (jail->mounts == JAIL_MOUNTS_MAX)
        return fault_is(fault, "too many sFTP folders are listed", "", "");
    if (overlaps(jail, &mount, fault))
        return false;
    jail->mount[jail->mounts++] = mount;
    return true;
}

bool jail_read(struct jail *jail, const char *home, uid_t uid, gid_t gid, const char *mounts,
               struct jail_fault *fault)
{
    size_t n = strnlen(mounts, JAIL_TEXT_SIZE);
    char *line, *end;

    fault->text[0] = '\0';
    jail->mounts = 0;
    if (home[0] != '/' || !is_plain(home + 1) || strlen(home) > JAIL_PATH_MAX || uid == 0 ||
        gid == 0 || n == JAIL_TEXT_SIZE)
        return fault_is(fault, "the list of sFTP folders cannot be read", "", "");
    strcpy(jail->home, home);
    jail->uid = uid;
    jail->gid = gid;
    memcpy(jail->text, mounts, n + 1);
    for (line = jail->text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (!read_mount(jail, line, fault))
            return false;
    }
    if (*line != '\0')
        return fault_is(fault, "the list of sFTP folders cannot be read", "", "");
    if (jail->mounts == 0)
        return fault_is(fault, "no folders are listed for sFTP in this environment", "", "");
    return true;
}

/* ---- Opening the account's folders -------------------------------------------------------------
 */

static int open_beneath(int at, const char *path, uint64_t resolve)
{
    struct open_how how = {.flags = FOLDER, .resolve = resolve};

    return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}

static bool as_user(uid_t uid, gid_t gid)
{
    /* They return what was before, in success and failure alike: only a second call tells. */
    (void)setfsgid(gid);
    (void)setfsuid(uid);
    return (gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid;
}

/*
 * Opens a folder by the account's own uid and gid: root's rights open no way for it, and a home on
 * NFS, where root may be nobody, is reached by its owner.
 */
static int open_as(const struct jail *jail, int at, const char *path, uint64_t resolve)
{
    const uint64_t no_links = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int folder = -1, error = EPERM;

    if (as_user(jail->uid, jail->gid)) {
        folder = open_beneath(at, path, resolve | no_links);
        error = errno;
    }
    if (!as_user(uid, gid) && folder >= 0) { /* cannot be; but then there is no session */
        close(folder);
        folder = -1;
        error = EPERM;
    }
    errno = error;
    return folder;
}

/* sshd looks at who owns it, and all above it, before it goes there. */
static int open_place(struct jail_fault *fault)
{
    int place = open_beneath(AT_FDCWD, JAIL_ROOT, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

    if (place < 0)
        (void)step_failed(fault, "open", JAIL_ROOT);
    return place;
}

static int open_home(const struct jail *jail, struct jail_fault *fault)
{
    int home = open_as(jail, AT_FDCWD, jail->home, 0);

    if (home < 0)
        (void)not_opened(fault, jail->home);
    return home;
}

/*
 * A copy of the mount, so far seen nowhere, with one folder as its root: alone, without what is
 * mounted below it, now or later. Returns its descriptor, or -1 with the fault filled.
 */
static int copy_folder(const struct jail *jail, int home, const struct jail_mount *mount,
                       struct jail_fault *fault)
{
    struct mount_attr attr = {.attr_set = NEVER | (mount->writable ? 0 : MOUNT_ATTR_RDONLY),
                              .propagation = MS_PRIVATE};
    const char *path = mount->path[0] == '\0' ? "." : mount->path;
    int source = open_as(jail, home, path, RESOLVE_BENEATH), copy = -1;

    if (source < 0) {
        (void)not_opened(fault, name_of(jail, mount));
        return -1;
    }
    copy = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (copy < 0) {
        (void)step_failed(fault, "open_tree", name_of(jail, mount));
    } else if (mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
        (void)step_failed(fault, "mount_setattr", name_of(jail, mount));
        close(copy);
        copy = -1;
    }
    close(source);
    return copy;
}

bool jail_check(const struct jail *jail, struct jail_fault *fault)
{
    int place = open_place(fault), home = place < 0 ? -1 : open_home(jail, fault);
    bool found = home >= 0;

    for (size_t i = 0; found && i < jail->mounts; i++) {
        int copy = copy_folder(jail, home, &jail->mount[i], fault);

        found = copy >= 0;
        if (found)
            close(copy);
    }
    if (home >= 0)
        close(home);
    if (place >= 0)
        close(place);
    return found;
}

/* ---- Building ----------------------------------------------------------------------------------
 */

/* Slave: what the host mounts and unmounts still reaches this namespace, and nothing of it the
 * host. */
static bool enter_namespace(struct jail_fault *fault)
{
    if (unshare(CLONE_NEWNS) != 0)
        return step_failed(fault, "unshare", JAIL_ROOT);
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return step_failed(fault, "propagation", JAIL_ROOT);
    return true;
}

/* A tmpfs that is mounted nowhere yet. */
static int make_tmpfs(void)
{
    int tmpfs = fsopen("tmpfs", FSOPEN_CLOEXEC), root = -1, error;

    if (tmpfs < 0)
        return -1;
    if (fsconfig(tmpfs, FSCONFIG_SET_STRING, "source", "cloudauth", 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_SET_STRING, "size", ROOT_SIZE, 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_SET_STRING, "nr_inodes", ROOT_INODES, 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_SET_STRING, "uid", "0", 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_SET_STRING, "gid", "0", 0) == 0 &&
        fsconfig(tmpfs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        root = fsmount(tmpfs, FSMOUNT_CLOEXEC, NEVER);
    error = errno;
    close(tmpfs);
    errno = error;
    return root;
}

static int mount_root(struct jail_fault *fault)
{
    int place = open_place(fault), root;

    if (place < 0)
        return -1;
    root = make_tmpfs();
    if (root < 0) {
        (void)step_failed(fault, "tmpfs", JAIL_ROOT);
    } else if (move_mount(root, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)) {
        (void)step_failed(fault, "move_mount", JAIL_ROOT);
        close(root);
        root = -1;
    }
    close(place);
    return root;
}

/* Makes one part of the way to a mount point, which several of them may share. */
static int make_part(int at, const char *part)
{
    /* By fchmodat, since the umask is whatever sshd was started with. */
    if (mkdirat(at, part, 0755) == 0) {
        if (fchmodat(at, part, 0755, 0) != 0)
            return -1;
    } else if (errno != EEXIST) {
        return -1;
    }
    /* NO_XDEV: never into a folder that was mounted before. */
    return open_beneath(at, part, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Makes the mount point of a path below root; its descriptor, or -1. */
static int make_place(int root, const char *path)
{
    char parts[JAIL_PATH_MAX + 1], *rest = parts, *part;
    int at = root;

    strcpy(parts, path);
    while ((part = strsep(&rest, "/")) != NULL) {
        int next = make_part(at, part), error = errno;

        if (at != root)
            close(at);
        errno = error;
        if (next < 0)
            return -1;
        at = next;
    }
    return at;
}

static bool mount_folder(const struct jail *jail, int home, int root,
                         const struct jail_mount *mount, struct jail_fault *fault)
{
    int place, copy = copy_folder(jail, home, mount, fault);
    bool mounted = false;

    if (copy < 0)
        return false;
    place = make_place(root, place_of(mount));
    if (place >= 0)
        mounted =
            move_mount(copy, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
    if (!mounted)
        (void)step_failed(fault, place < 0 ? "mkdir" : "move_mount", name_of(jail, mount));
    if (place >= 0)
        close(place);
    close(copy);
    return mounted;
}

static bool make_readonly(int root, struct jail_fault *fault)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};

    if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return step_failed(fault, "mount_setattr", JAIL_ROOT);
    return true;
}

bool jail_build(const struct jail *jail, struct jail_fault *fault)
{
    int home = -1, root = -1;
    bool built = false;

    /* The folders are opened afterwards: only mounts of one's own namespace can be copied. */
    if (enter_namespace(fault) && (home = open_home(jail, fault)) >= 0 &&
        (root = mount_root(fault)) >= 0) {
        built = true;
        for (size_t i = 0; built && i < jail->mounts; i++)
            built = mount_folder(jail, home, root, &jail->mount[i], fault);
        built = built && make_readonly(root, fault);
    }
    if (root >= 0)
        close(root);
    if (home >= 0)
        close(home);
    return built;
}
