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

#define LOG_DIRECTORY "dev"
#define LOG_NAME      "log"

#define DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define NEVER     (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The limits of the tmpfs, which holds only the directories that lead to the mount points.
 * Directories take no blocks. JAIL_MOUNTS_MAX paths of JAIL_PATH_MAX / 2 parts each need only half
 * of these inodes. Only root may write to the tmpfs, and only until it is made read-only. */
#define ROOT_SIZE   "64k"
#define ROOT_INODES "16384"

/* ---- Faults ---- */

static bool fail(struct jail_fault *fault, const char *before, const char *path, const char *after)
{
    struct cloud_text text;

    cloud_text_start(&text, fault->text, sizeof fault->text);
    cloud_text_add_all(&text, before, path, after);
    return false;
}

/* Reports a system call that failed for a reason that has nothing to do with the account. Returns
 * false. */
static bool fail_call(struct jail_fault *fault, const char *call, const char *path)
{
    const char *why = strerrordesc_np(errno);
    struct cloud_text text;

    cloud_text_start(&text, fault->text, sizeof fault->text);
    cloud_text_add_all(&text, "this server cannot make the sFTP directory ", path, " (", call, ": ",
                       why == NULL ? "unknown error" : why, ")");
    return false;
}

/* Reports why a directory could not be opened (errno), in words for the owner of the account, who
 * can repair it. Returns false. */
static bool fail_open(struct jail_fault *fault, const char *path)
{
    switch (errno) {
    case ENOENT:
        return fail(fault, "the sFTP directory ", path, " does not exist");
    case ELOOP:
        return fail(fault, "the sFTP directory ", path,
                    " is a symbolic link, or its path has one in it");
    case ENOTDIR:
        return fail(fault, "the sFTP directory ", path, " is not a directory");
    case EACCES:
        return fail(fault, "the sFTP directory ", path, " cannot be reached by this account");
    default:
        return fail_call(fault, "openat2", path);
    }
}

/* ---- Reading the daemon's answer ---- */

static bool is_plain(const char *path)
{
    return cloud_text_is_path(path) && strlen(path) <= JAIL_PATH_MAX;
}

/* The path of the mount point below JAIL_ROOT. */
static const char *target_of(const struct jail_mount *mount)
{
    return mount->path[0] == '\0' ? JAIL_HOME : mount->path;
}

/* The path of the directory, as messages show it. */
static const char *name_of(const struct jail *jail, const struct jail_mount *mount)
{
    return mount->path[0] == '\0' ? jail->home : mount->path;
}

static bool is_within(const char *path, const char *other)
{
    size_t n = strlen(other);

    return strncmp(path, other, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool overlaps(const struct jail *jail, const struct jail_mount *mount)
{
    for (size_t i = 0; i < jail->mounts; i++) {
        const char *target = target_of(mount), *other = target_of(&jail->mount[i]);

        if (is_within(target, other) || is_within(other, target))
            return true;
    }
    return false;
}

/* Adds the directory that a line of the list names; the line ends in a NUL instead of its newline.
 * The path of the mount points into the line. */
static bool read_mount(struct jail *jail, char *line, struct jail_fault *fault)
{
    struct jail_mount mount = {line + 3, line[0] == 'r' && line[1] == 'w'};
    bool known = mount.writable || (line[0] == 'r' && line[1] == 'o');

    if (!known || line[2] != ' ' ||
        (mount.path[0] == '\0' ? mount.writable : !is_plain(mount.path)))
        return fail(fault, "the list of sFTP directories cannot be read", "", "");
    if (jail->mounts == JAIL_MOUNTS_MAX)
        return fail(fault, "too many sFTP directories are listed", "", "");
    if (overlaps(jail, &mount))
        return fail(fault, "two sFTP directories overlap: /", target_of(&mount), "");
    jail->mount[jail->mounts++] = mount;
    return true;
}

bool jail_read(struct jail *jail, const struct jail_account *account, struct jail_fault *fault)
{
    const char *home = account->home;
    size_t n = strnlen(account->mounts, JAIL_TEXT_SIZE);
    char *line, *end;

    fault->text[0] = '\0';
    jail->mounts = 0;
    if (home[0] != '/' || !is_plain(home + 1) || strlen(home) > JAIL_PATH_MAX ||
        account->uid == 0 || account->gid == 0 || n == JAIL_TEXT_SIZE)
        return fail(fault, "the list of sFTP directories cannot be read", "", "");
    strcpy(jail->home, home);
    jail->uid = account->uid;
    jail->gid = account->gid;
    memcpy(jail->text, account->mounts, n + 1);
    for (line = jail->text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (!read_mount(jail, line, fault))
            return false;
    }
    if (*line != '\0')
        return fail(fault, "the list of sFTP directories cannot be read", "", "");
    if (jail->mounts == 0)
        return fail(fault, "no directories are listed for sFTP in this environment", "", "");
    return true;
}

/* ---- Opening the account's directories ---- */

static int open_beneath(int at, const char *path, uint64_t resolve)
{
    struct open_how how = {.flags = DIRECTORY, .resolve = resolve};

    return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}

static bool become(uid_t uid, gid_t gid)
{
    /* setfsgid(2) and setfsuid(2) return the previous id whether they succeed or fail; a further
     * call with an invalid id changes nothing and so returns the current one. */
    (void)setfsgid(gid);
    (void)setfsuid(uid);
    return (gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid;
}

/* Opens a directory with the uid and gid of the account. So root's rights open nothing that the
 * account cannot reach, and a home on NFS opens even if the server maps root to an unprivileged
 * user (root_squash). Returns a descriptor, or -1 with errno. */
static int open_as(const struct jail *jail, int at, const char *path, uint64_t resolve)
{
    const uint64_t no_links = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int directory = -1, error = EPERM;

    if (become(jail->uid, jail->gid)) {
        directory = open_beneath(at, path, resolve | no_links);
        error = errno;
    }
    if (!become(uid, gid) && directory >= 0) { /* cannot happen; if it did, no session may start */
        close(directory);
        directory = -1;
        error = EPERM;
    }
    errno = error;
    return directory;
}

/* Opens JAIL_ROOT. sshd checks its owner and mode, and those of each directory above it, before its
 * chroot(2). Returns a descriptor, or -1 with the fault filled. */
static int open_jail_root(struct jail_fault *fault)
{
    int root = open_beneath(AT_FDCWD, JAIL_ROOT, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

    if (root < 0)
        (void)fail_call(fault, "open", JAIL_ROOT);
    return root;
}

static int open_home(const struct jail *jail, struct jail_fault *fault)
{
    int home = open_as(jail, AT_FDCWD, jail->home, 0);

    if (home < 0)
        (void)fail_open(fault, jail->home);
    return home;
}

/* Makes a bind mount of a listed directory that is not attached anywhere yet (open_tree(2)). Mounts
 * below the directory are not part of it. Returns its descriptor, or -1 with the fault filled. */
static int copy_directory(const struct jail *jail, int home, const struct jail_mount *mount,
                          struct jail_fault *fault)
{
    struct mount_attr attr = {.attr_set = NEVER | (mount->writable ? 0 : MOUNT_ATTR_RDONLY),
                              .propagation = MS_PRIVATE};
    const char *path = mount->path[0] == '\0' ? "." : mount->path;
    int source = open_as(jail, home, path, RESOLVE_BENEATH), copy = -1;

    if (source < 0) {
        (void)fail_open(fault, name_of(jail, mount));
        return -1;
    }
    copy = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (copy < 0 && errno == EINVAL) { /* mount_namespaces(7), "Restrictions" */
        (void)fail(fault, "the sFTP directory ", name_of(jail, mount),
                   " has a mount below it that this container must not remove");
    } else if (copy < 0) {
        (void)fail_call(fault, "open_tree", name_of(jail, mount));
    } else if (mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
        (void)fail_call(fault, "mount_setattr", name_of(jail, mount));
        close(copy);
        copy = -1;
    }
    close(source);
    return copy;
}

bool jail_check(const struct jail *jail, struct jail_fault *fault)
{
    int root = open_jail_root(fault), home = root < 0 ? -1 : open_home(jail, fault);
    bool found = home >= 0;

    for (size_t i = 0; found && i < jail->mounts; i++) {
        int copy = copy_directory(jail, home, &jail->mount[i], fault);

        found = copy >= 0;
        if (found)
            close(copy);
    }
    if (home >= 0)
        close(home);
    if (root >= 0)
        close(root);
    return found;
}

/* ---- Building ---- */

/* Enters a new mount namespace. Its mounts are slaves (mount_namespaces(7)): mounts and unmounts of
 * the host reach the namespace, and those in the namespace do not reach the host. */
static bool enter_namespace(struct jail_fault *fault)
{
    if (unshare(CLONE_NEWNS) != 0)
        return fail_call(fault, "unshare", JAIL_ROOT);
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return fail_call(fault, "propagation", JAIL_ROOT);
    return true;
}

/* Mounts the tmpfs on JAIL_ROOT. Returns a descriptor of its root, or -1 with the fault filled. */
static int mount_root(struct jail_fault *fault)
{
    if (mount("cloudauth", JAIL_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=" ROOT_SIZE ",nr_inodes=" ROOT_INODES ",mode=0755,uid=0,gid=0") == 0)
        return open_jail_root(fault);
    (void)fail_call(fault, "tmpfs", JAIL_ROOT);
    return -1;
}

/* Attaches a mount, which copy_directory or mount_log has made, to the directory or file with the
 * descriptor `point`. False with errno. */
static bool attach(int mount, int point)
{
    return move_mount(mount, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

/* Makes one directory on the path to a mount point, unless it exists already on the path to
 * another. Returns its descriptor, or -1 with errno. */
static int make_part(int at, const char *part)
{
    /* The mode is set again, because mkdirat(2) applies the umask that sshd was started with. */
    if (mkdirat(at, part, 0755) == 0) {
        if (fchmodat(at, part, 0755, 0) != 0)
            return -1;
    } else if (errno != EEXIST) {
        return -1;
    }
    /* RESOLVE_NO_XDEV: nothing is made inside a directory that has been mounted already. */
    return open_beneath(at, part, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Makes the directories of a path below root. Returns a descriptor of the last one, or -1 with
 * errno. */
static int make_mount_point(int root, const char *path)
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

static bool mount_directory(const struct jail *jail, int home, int root,
                            const struct jail_mount *mount, struct jail_fault *fault)
{
    int point, copy = copy_directory(jail, home, mount, fault);
    bool mounted = false;

    if (copy < 0)
        return false;
    point = make_mount_point(root, target_of(mount));
    if (point >= 0)
        mounted = attach(copy, point);
    if (!mounted)
        (void)fail_call(fault, point < 0 ? "mkdir" : "move_mount", name_of(jail, mount));
    if (point >= 0)
        close(point);
    close(copy);
    return mounted;
}

/* Mounts the host's /dev/log in the jail, where the sFTP server looks for it; without it transfers
 * are not logged. A failure does not end the session: the host may have no log daemon. Does nothing
 * if a listed directory is mounted at or below /dev. */
static void mount_log(const struct jail *jail, int root)
{
    struct mount_attr attr = {.attr_set = NEVER, .propagation = MS_PRIVATE};
    int copy, point = -1, file = -1;

    for (size_t i = 0; i < jail->mounts; i++)
        if (is_within(target_of(&jail->mount[i]), LOG_DIRECTORY))
            return;
    copy = open_tree(AT_FDCWD, "/" LOG_DIRECTORY "/" LOG_NAME, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (copy >= 0 && mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
        point = make_part(root, LOG_DIRECTORY);
    if (point >= 0)
        file = openat(point, LOG_NAME, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (file >= 0)
        (void)attach(copy, file);
    if (file >= 0)
        close(file);
    if (point >= 0)
        close(point);
    if (copy >= 0)
        close(copy);
}

static bool make_readonly(int root, struct jail_fault *fault)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};

    if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return fail_call(fault, "mount_setattr", JAIL_ROOT);
    return true;
}

bool jail_build(const struct jail *jail, struct jail_fault *fault)
{
    int home = -1, root = -1;
    bool built = false;

    /* The directories are opened in the new namespace, because open_tree(2) copies only mounts of
     * the caller's own namespace. */
    if (enter_namespace(fault) && (home = open_home(jail, fault)) >= 0 &&
        (root = mount_root(fault)) >= 0) {
        built = true;
        for (size_t i = 0; built && i < jail->mounts; i++)
            built = mount_directory(jail, home, root, &jail->mount[i], fault);
        if (built)
            mount_log(jail, root);
        built = built && make_readonly(root, fault);
    }
    if (root >= 0)
        close(root);
    if (home >= 0)
        close(home);
    return built;
}
