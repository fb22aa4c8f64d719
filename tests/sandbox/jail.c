/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Drives jail/jail.c itself, for what no sFTP client can do, or not often enough. As root:
 *
 *   jail race HOME UID MOUNTS TIMES PLACE
 *     builds a jail TIMES times, each in a process of its own, and looks for a file `secret` in the
 *     directory PLACE of it, while another process swaps directories. Prints built=N refused=N
 * escaped=N.
 *
 *   jail swap ONE OTHER
 *     exchanges two names until it is killed.
 *
 *   jail escapes HOME UID MOUNTS
 *     runs code as the account in the jail, which tries to get out; "held NAME" or "ESCAPED NAME"
 * of each try. tests/e2e/jail.sh makes the directories for it.
 *
 *   jail leaks HOME UID MOUNTS
 *     builds one; prints the descriptors that are open then, and `built` or what went wrong.
 *
 *   jail without CALL PROGRAM...
 *     runs a program on a kernel that lacks a system call; `tmpfs` is the mount(2) of the jail's.
 *
 * MOUNTS as on the wire, with printf's \n for a newline.
 */
#include "jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static struct jail jail;

static void die(const char *what)
{
    perror(what);
    exit(125);
}

/* Turns each `\n` of two characters into one. */
static char *newlines(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++, to++) {
        bool is_newline = from[0] == '\\' && from[1] == 'n';
        *to = is_newline ? '\n' : *from;
        from += is_newline;
    }
    *to = '\0';
    return text;
}

static bool build(struct jail_fault *fault)
{
    return jail_build(&jail, fault);
}

/* Where the host's root cannot be seen but through a hole. */
static void enter(void)
{
    if (chroot(JAIL_ROOT) != 0 || chdir("/") != 0)
        die("chroot");
}

static int one_race(const char *place)
{
    struct jail_fault fault;
    char secret[512];

    if (!build(&fault))
        return 1;
    enter();
    snprintf(secret, sizeof secret, "%s/secret", place);
    return access(secret, F_OK) == 0 ? 2 : 0;
}

static int race(long times, const char *place)
{
    unsigned long count[3] = {0};

    for (long i = 0; i < times; i++) {
        int status;
        pid_t child = fork();

        if (child < 0)
            die("fork");
        if (child == 0)
            _exit(one_race(place));
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 2)
            die("waitpid");
        count[WEXITSTATUS(status)]++;
    }
    printf("built=%lu refused=%lu escaped=%lu\n", count[0], count[1], count[2]);
    return 0;
}

static int swap(const char *one, const char *other)
{
    while (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0)
        ;
    die("renameat2");
    return 125;
}

/* ---- Code of the account's own in the jail
 * -------------------------------------------------------- */

/* As an sFTP account never has it; what holds here is the kernel, and not sftp-server's manners. */
struct escape {
    const char *name;
    bool (*held)(void);
};

static bool refused(long result, int error)
{
    bool held = result < 0 && errno == error;

    if (!held)
        printf("(result %ld, %s) ", result, result < 0 ? strerrorname_np(errno) : "success");
    return held;
}

static bool unreadable(const char *path, int error)
{
    return refused(open(path, O_RDONLY), error);
}

/* Asks the helper outside, who shares the account's home, to do his part. */
static int helper[2];

static void outside(char what)
{
    if (write(helper[1], &what, 1) != 1 || read(helper[1], &what, 1) != 1)
        die("helper");
}

static void help(const char *home)
{
    char from[512], to[512], what;

    snprintf(to, sizeof to, "%s/moved", home);
    while (read(helper[0], &what, 1) == 1) {
        snprintf(from, sizeof from, "%s/pub/media/%c", home, what);
        if (rename(from, to) != 0)
            die(from);
        if (write(helper[0], "", 1) != 1)
            die("helper");
    }
    _exit(0);
}

static bool parents(void)
{
    return unreadable("../../../../../../../../etc/passwd", ENOENT);
}

static bool moved_directory(void)
{
    if (mkdir("/pub/media/m", 0755) != 0 || chdir("/pub/media/m") != 0)
        die("/pub/media/m");
    outside('m');
    bool held = unreadable("../outside", ENOENT) && unreadable("../../../etc/passwd", ENOENT) &&
                refused(open("..", O_PATH), ENOENT);
    if (chdir("/") != 0 || rmdir("/pub/media/m") == 0)
        die("/");
    return held;
}

static bool moved_descriptor(void)
{
    int at = mkdir("/pub/media/d", 0755) != 0 ? -1 : open("/pub/media/d", O_RDONLY | O_DIRECTORY);

    if (at < 0)
        die("/pub/media/d");
    outside('d');
    bool held = refused(openat(at, "../outside", O_RDONLY), ENOENT);
    close(at);
    return held;
}

static bool proc(void)
{
    return unreadable("/proc/self/root/etc/passwd", ENOENT) && unreadable("/dev/null", ENOENT);
}

static bool device(void)
{
    return unreadable("/pub/media/node", EACCES);
}

static bool new_device(void)
{
    return refused(mknod("/pub/media/new", S_IFCHR | 0666, makedev(1, 3)), EPERM);
}

static bool program(void)
{
    return refused(execl("/pub/media/setuid", "setuid", (char *)NULL), EACCES);
}

static bool mapped_program(void)
{
    int at = open("/pub/media/setuid", O_RDONLY);
    bool held =
        mmap(NULL, 4096, PROT_EXEC | PROT_READ, MAP_PRIVATE, at, 0) == MAP_FAILED && errno == EPERM;

    close(at);
    return held;
}

static bool absolute_link(void)
{
    (void)unlink("/pub/media/link");
    return symlink("/etc/passwd", "/pub/media/link") == 0 && unreadable("/pub/media/link", ENOENT);
}

static bool write_readonly(void)
{
    return refused(open("/var/log/access.log", O_WRONLY), EROFS) &&
           refused(open("/var/log/new", O_WRONLY | O_CREAT, 0644), EROFS) &&
           refused(truncate("/var/log/access.log", 0), EROFS) &&
           refused(chmod("/var/log/access.log", 0777), EROFS) &&
           refused(unlink("/var/log/access.log"), EROFS) &&
           refused(utimensat(AT_FDCWD, "/var/log/access.log", NULL, 0), EROFS);
}

static bool new_in_root(void)
{
    umask(0);
    return refused(mkdir("/new", 0777), EROFS) && refused(mkdir("/pub/new", 0777), EROFS) &&
           refused(chmod("/", 0777), EROFS) && refused(chmod("/pub", 0777), EROFS);
}

static bool mount_points(void)
{
    return refused(rmdir("/pub/media"), EROFS) &&
           refused(rename("/pub/media", "/pub/old"), EROFS) &&
           refused(rename("/pub", "/old"), EROFS) &&
           refused(renameat2(AT_FDCWD, "/pub/media", AT_FDCWD, "/var/log", RENAME_EXCHANGE), EROFS);
}

static bool hard_links(void)
{
    return refused(link("/var/log/access.log", "/pub/media/linked"), EXDEV) &&
           refused(link("/pub/media/setuid", "/var/log/linked"), EROFS);
}

static bool mounts(void)
{
    return refused(umount2("/pub/media", MNT_DETACH), EPERM) &&
           refused(mount("none", "/pub/media", "tmpfs", 0, NULL), EPERM) &&
           refused(mount(NULL, "/var/log", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM) &&
           refused(open_tree(AT_FDCWD, "/pub/media", OPEN_TREE_CLONE), EPERM);
}

static bool flags(void)
{
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

    return refused(mount_setattr(AT_FDCWD, "/var/log", 0, &attr, sizeof attr), EPERM);
}

static bool namespaces(void)
{
    return refused(unshare(CLONE_NEWNS), EPERM) && refused(unshare(CLONE_NEWUSER), EPERM) &&
           refused(chroot("/pub/media"), EPERM);
}

static bool handles(void)
{
    struct {
        struct file_handle head;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    int at = open("/pub/media", O_RDONLY | O_DIRECTORY), id;

    if (name_to_handle_at(AT_FDCWD, "/pub/media", &handle.head, &id, 0) != 0 && errno != EOPNOTSUPP)
        die("name_to_handle_at");
    bool held = refused(open_by_handle_at(at, &handle.head, O_RDONLY), EPERM);
    close(at);
    return held;
}

static const struct escape escapes[] = {
    {"parents", parents},
    {"moved-directory", moved_directory},
    {"moved-descriptor", moved_descriptor},
    {"proc", proc},
    {"device", device},
    {"new-device", new_device},
    {"program", program},
    {"mapped-program", mapped_program},
    {"absolute-link", absolute_link},
    {"write-readonly", write_readonly},
    {"new-in-root", new_in_root},
    {"mount-points", mount_points},
    {"hard-links", hard_links},
    {"mounts", mounts},
    {"flags", flags},
    {"namespaces", namespaces},
    {"handles", handles},
};

static void become(void)
{
    if (setgroups(0, NULL) != 0 || setgid(jail.gid) != 0 || setuid(jail.uid) != 0)
        die("setuid");
}

static int try_escapes(void)
{
    struct jail_fault fault;
    pid_t outsider;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, helper) != 0)
        die("socketpair");
    outsider = fork();
    if (outsider == 0) {
        close(helper[1]);
        become();
        help(jail.home);
    }
    close(helper[0]);
    if (outsider < 0 || !build(&fault))
        die("jail");
    enter();
    become();
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        printf("%s %s\n", escapes[i].held() ? "held" : "ESCAPED", escapes[i].name);
    close(helper[1]);
    return waitpid(outsider, NULL, 0) == outsider ? 0 : 125;
}

static int leaks(void)
{
    struct jail_fault fault;
    bool before[256], built;

    for (int i = 0; i < 256; i++)
        before[i] = fcntl(i, F_GETFD) >= 0;
    built = build(&fault);
    for (int i = 0; i < 256; i++)
        if (!before[i] && fcntl(i, F_GETFD) >= 0)
            printf("descriptor %d is open\n", i);
    printf("%s\n", built ? "built" : fault.text);
    return 0;
}

static const struct {
    const char *name;
    unsigned number;
    unsigned flags; /* the fourth argument; 0: any */
} calls[] = {
    {"openat2", SYS_openat2, 0},
    {"open_tree", SYS_open_tree, 0},
    {"mount_setattr", SYS_mount_setattr, 0},
    {"unshare", SYS_unshare, 0},
    {"mount", SYS_mount, 0},
    {"tmpfs", SYS_mount, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"move_mount", SYS_move_mount, 0},
    {"mkdirat", SYS_mkdirat, 0},
    {"fchmodat", SYS_fchmodat, 0},
};

static void lose_call(const char *name)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) {
            filter[1].k = calls[i].number;
            filter[3].k = calls[i].flags;
            filter[3].jf = calls[i].flags != 0;
        }
    if (filter[1].k == 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        die(name);
}

int main(int argc, char **argv)
{
    struct jail_fault fault;
    uid_t uid;

    if (argc == 4 && strcmp(argv[1], "swap") == 0)
        return swap(argv[2], argv[3]);
    if (argc > 3 && strcmp(argv[1], "without") == 0) {
        lose_call(argv[2]);
        execvp(argv[3], argv + 3);
        die(argv[3]);
    }
    if (argc < 5)
        return 125;
    uid = (uid_t)strtoul(argv[3], NULL, 10);
    if (!jail_read(&jail, &(const struct jail_account){argv[2], uid, uid, newlines(argv[4])},
                   &fault)) {
        printf("%s\n", fault.text);
        return 1;
    }
    if (argc == 7 && strcmp(argv[1], "race") == 0)
        return race(strtol(argv[5], NULL, 10), argv[6]);
    if (strcmp(argv[1], "escapes") == 0)
        return try_escapes();
    return leaks();
}
