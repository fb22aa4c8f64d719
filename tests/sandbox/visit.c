/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What sshd does for one login: a process that looks the account up, runs the helper for a key,
 * then PAM. In an account that ends in _sftp it is an sFTP login.
 *
 *   visit login ACCOUNT KEY          KEY is the file of a public key. Prints granted or refused.
 *   visit hold ACCOUNT KEY           the same, and the session stays open until the process is
 * ended visit WHAT ACCOUNT KEY OTHER     under fail.so, with $FAIL_FILE: each call of the NSS
 * module (nss), the helper (helper) or PAM (pam) fails once. KEY may enter the account, OTHER may
 * not. Prints how many failed. visit fail [N ONLY]              makes the N-th call from the start
 * of a program fail, or none visit failed                     prints the calls that were counted,
 * and the one that has failed visit unused                     prints the calls of fail.c that no
 * program has made
 *
 * $HELPER is the helper. The exit status is 1 if what must not be has been, which is said.
 */
#include "common/call.h"
#include "tests/sandbox/fail.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#define SSH_GID 199998 /* tests/sandbox/host.sh: IDS */

struct key {
    char type[64], base64[1024];
};

static struct fail *fail;
static const char *account;
static uid_t uid; /* the account's */
static int wrong;

static void complain(const char *what)
{
    printf("%s (after %s)\n", what, fail == NULL || !fail->fired ? "no fault" : fail->name);
    wrong = 1;
}

/* The milliseconds of CLOCK_MONOTONIC. */
static int64_t clock_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Complains if a question has taken longer than its deadline and half of it: the half is for a
 * machine with much other work. */
static void check_time(int64_t began, int64_t deadline)
{
    if (clock_ms() - began > deadline * 3 / 2)
        complain("a question takes longer than its deadline");
}

static struct key read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    struct key key;

    if (file == NULL || fscanf(file, "%63s %1023s", key.type, key.base64) != 2)
        exit(2);
    (void)fclose(file);
    return key;
}

static bool is_sftp(void)
{
    return strlen(account) > 5 && strcmp(account + strlen(account) - 5, "_sftp") == 0;
}

static unsigned descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

/* ---- The helper ---- */

static void exec_helper(const struct key *key, int output, bool faulted)
{
    const char *helper = getenv("HELPER");
    const struct passwd *user = getpwnam("cloudauth-keys");
    char id[16];

    snprintf(id, sizeof id, "%u", (unsigned)uid);
    dup2(output, STDOUT_FILENO);
    if (!faulted)
        unsetenv("LD_PRELOAD");
    if (helper == NULL || user == NULL || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        _exit(3);
    if (faulted)
        setenv("LD_PRELOAD", getenv("FAIL_SO"), 1);
    execl(helper, helper, is_sftp() ? "sftp" : "shell", account, key->type, key->base64, id, NULL);
    _exit(3);
}

/* Runs the helper for a key; out gets what it prints. Returns its status; 128 and more: a signal.
 */
static int run_helper(const struct key *key, char *out, size_t size, bool faulted)
{
    int ends[2], status = 0;
    int64_t began = clock_ms();
    size_t used = 0;
    ssize_t got;
    pid_t pid;

    if (pipe(ends) != 0)
        exit(2);
    pid = fork();
    if (pid == 0)
        exec_helper(key, ends[1], faulted);
    close(ends[1]);
    while ((got = read(ends[0], out + used, size - 1 - used)) > 0)
        used += (size_t)got;
    out[used] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    check_time(began, CLOUD_CALL_LOGIN_MS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool opens(const char *lines, const struct key *key)
{
    const char *found = strstr(lines, key->base64), *nologin = strstr(lines, "nologin");

    return found != NULL && (nologin == NULL || nologin > found);
}

/* ---- PAM ---- */

static int converse(int n, const struct pam_message **message, struct pam_response **response,
                    void *arg)
{
    (void)message;
    (void)arg;
    *response = calloc((size_t)n, sizeof **response);
    return *response == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* Whether the sFTP directories are what etc/examples/access says, and nothing else can be written.
 */
static bool is_jailed(void)
{
    static const struct {
        const char *path;
        unsigned long flags;
    } want[] = {
        {"/srv/sftp", ST_RDONLY}, {"/srv/sftp/pub/media", 0}, {"/srv/sftp/var/log", ST_RDONLY}};
    const unsigned long never = ST_NOSUID | ST_NODEV | ST_NOEXEC;
    struct statvfs is;

    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (statvfs(want[i].path, &is) != 0 ||
            (is.f_flag & (never | ST_RDONLY)) != (never | want[i].flags))
            return false;
    return true;
}

/* PAM's account and session steps, of which the n-th call is to fail (0: none). In the session, the
 * process does `inside`. */
static bool pam_grants(const struct key *key, long n, void (*inside)(void))
{
    const struct pam_conv conv = {converse, NULL};
    char info[1200];
    int64_t began = clock_ms();
    pam_handle_t *pamh;
    int code;
    bool granted = false;

    snprintf(info, sizeof info, "SSH_AUTH_INFO_0=publickey %s %s", key->type, key->base64);
    if (pam_start("visit", account, &conv, &pamh) != PAM_SUCCESS)
        exit(2);
    pam_set_item(pamh, PAM_RHOST, "192.0.2.7");
    pam_putenv(pamh, info);
    if (fail != NULL)
        fail->at = n == 0 ? 0 : fail->count + n;
    code = pam_acct_mgmt(pamh, 0);
    if (code == PAM_IGNORE)
        complain("PAM passes the account over");
    check_time(began, CLOUD_CALL_LOGIN_MS);
    if (code == PAM_SUCCESS) {
        began = clock_ms();
        granted = pam_open_session(pamh, 0) == PAM_SUCCESS;
        check_time(began, CLOUD_CALL_LOGIN_MS);
        if (granted && is_sftp() && !is_jailed())
            complain("an sFTP session has other directories");
        if (granted && inside != NULL)
            inside();
        (void)pam_close_session(pamh, 0);
    }
    if (fail != NULL)
        fail->at = 0;
    pam_end(pamh, code);
    return granted;
}

/* PAM is asked also where there was no line, though sshd would not: it must refuse by itself. */
static bool enters(const struct key *key, void (*inside)(void))
{
    char lines[8192];

    (void)run_helper(key, lines, sizeof lines, false);
    return pam_grants(key, 0, inside);
}

/* The daemon ends the process. */
static void hold(void)
{
    puts("granted");
    for (;;)
        pause();
}

/* ---- Each call fails once ---- */

/* Says how many calls of it were made to fail. */
static void count_calls(const char *what, long n)
{
    printf("%ld calls of %s\n", n, what);
    if (n < 5)
        complain("fail.so counts too few");
}

/* Whether the n-th call was reached and has failed. */
static bool fired(void)
{
    bool was = fail->fired != 0;

    fail->fired = 0;
    return was;
}

/* Of one lookup. */
static void *module;
static char buffer[4096];
static struct passwd passwd;
static struct group group;
static gid_t *groups; /* room for at least one */
static int error;

typedef enum nss_status by_name(const char *, void *, char *, size_t, int *);
typedef enum nss_status by_id(unsigned, void *, char *, size_t, int *);
typedef enum nss_status groups_of(const char *, gid_t, long *, long *, gid_t **, long, int *);

static void *function(const char *name)
{
    void *found = dlsym(module, name);

    if (found == NULL)
        exit(2);
    return found;
}

static bool is_account(void)
{
    return strcmp(passwd.pw_name, account) == 0 && passwd.pw_uid == uid;
}

static bool is_group(void)
{
    return strcmp(group.gr_name, account) == 0 && group.gr_gid == uid;
}

/* Each makes one of the lookups of a login, and says whether what was found is right. */

static enum nss_status user_by_name(bool *right)
{
    enum nss_status status = ((by_name *)function("_nss_cloud_getpwnam_r"))(
        account, &passwd, buffer, sizeof buffer, &error);

    *right = status == NSS_STATUS_SUCCESS && is_account();
    return status;
}

static enum nss_status user_by_id(bool *right)
{
    enum nss_status status =
        ((by_id *)function("_nss_cloud_getpwuid_r"))(uid, &passwd, buffer, sizeof buffer, &error);

    *right = status == NSS_STATUS_SUCCESS && is_account();
    return status;
}

static enum nss_status group_by_name(bool *right)
{
    enum nss_status status = ((by_name *)function("_nss_cloud_getgrnam_r"))(account, &group, buffer,
                                                                            sizeof buffer, &error);

    *right = status == NSS_STATUS_SUCCESS && is_group();
    return status;
}

static enum nss_status group_by_id(bool *right)
{
    enum nss_status status =
        ((by_id *)function("_nss_cloud_getgrgid_r"))(uid, &group, buffer, sizeof buffer, &error);

    *right = status == NSS_STATUS_SUCCESS && is_group();
    return status;
}

/* The array is full, so that the marker group, by which sshd knows the account, needs room. */
static enum nss_status groups_of_user(bool *right)
{
    long used = 1, size = 1;
    enum nss_status status;

    groups[0] = uid;
    status = ((groups_of *)function("_nss_cloud_initgroups_dyn"))(account, uid, &used, &size,
                                                                  &groups, 0, &error);
    *right = used == 2 && size >= 2 && groups[0] == uid && groups[1] == SSH_GID;
    return status;
}

static enum nss_status (*const lookup[])(bool *) = {user_by_name, user_by_id, group_by_name,
                                                    group_by_id, groups_of_user};

/* A lookup, of which the n-th call fails, and another one: the first that finds maps the snapshot.
 */
static void look_up(enum nss_status find(bool *), long n)
{
    unsigned before = descriptors();
    int64_t began = clock_ms();
    enum nss_status status;
    bool right;

    fail->at = fail->count + n;
    status = find(&right);
    fail->at = 0;
    check_time(began, CLOUD_CALL_NSS_MS);
    if (status == NSS_STATUS_NOTFOUND)
        complain("the NSS module denies a name that is");
    if (status == NSS_STATUS_SUCCESS && !right)
        complain("the NSS module gives another account");
    if (descriptors() > before)
        complain("the NSS module leaves a descriptor open");
    if (find(&right) != NSS_STATUS_SUCCESS || !right)
        complain("the NSS module does not recover");
}

/* Returns how many calls the lookup makes. */
static long each_of_lookup(enum nss_status find(bool *))
{
    for (long n = 1;; n++) {
        int status = 1;
        pid_t pid = fork();
        if (pid == 0) {
            look_up(find, n);
            exit(wrong);
        }
        waitpid(pid, &status, 0);
        if (status != 0)
            complain("the NSS module failed");
        if (!fired())
            return n - 1;
    }
}

static void each_of_nss(void)
{
    long n = 0;

    module = dlopen("libnss_cloud.so.2", RTLD_NOW);
    groups = malloc(sizeof *groups);
    if (module == NULL || groups == NULL)
        exit(2);
    for (size_t i = 0; i < sizeof lookup / sizeof *lookup; i++)
        n += each_of_lookup(lookup[i]);
    count_calls("the NSS module", n);
}

static void each_of_helper(const struct key *key, const struct key *other)
{
    char lines[8192], whole[8192];

    fail->at = 0;
    if (run_helper(key, whole, sizeof whole, true) != 0 || !opens(whole, key))
        complain("the helper does not work without a fault");
    for (long n = 1;; n++) {
        int status;
        fail->at = fail->count + n;
        status = run_helper(key, lines, sizeof lines, true);
        if (status >= 128)
            complain("the helper dies");
        if (status == 0 && strcmp(lines, whole) != 0)
            complain("the helper's answer is certain and wrong");
        if (!fired()) {
            count_calls("the helper", n - 1);
            return;
        }
        fail->at = fail->count + n;
        if (run_helper(other, lines, sizeof lines, true) == 0 && opens(lines, other))
            complain("the helper lets another key in");
        (void)fired();
    }
}

/* A login in a process of its own, in which the n-th call of PAM fails: what opens a session stays
 * in its process, such as a mount namespace. Returns whether it was granted. */
static bool grants_in_child(const struct key *key, long n)
{
    int status = 1;
    pid_t pid = fork();

    if (pid == 0) {
        unsigned before = descriptors();
        char lines[8192];
        bool granted;
        (void)run_helper(key, lines, sizeof lines, false);
        granted = pam_grants(key, n, NULL);
        if (descriptors() > before)
            complain("PAM leaves a descriptor open");
        exit(wrong ? 1 : granted ? 10 : 11);
    }
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) < 10)
        complain("a login with PAM failed");
    return WIFEXITED(status) && WEXITSTATUS(status) == 10;
}

static void each_of_pam(const struct key *key, const struct key *other)
{
    if (!grants_in_child(key, 0) || grants_in_child(other, 0))
        complain("PAM does not work without a fault");
    for (long n = 1;; n++) {
        (void)grants_in_child(key, n);
        if (!fired()) {
            count_calls("PAM", n - 1);
            return;
        }
        if (grants_in_child(other, n))
            complain("PAM lets another key in");
        (void)fired();
    }
}

/* Sets uid to the account's. As in sshd, an account that is not found is refused. */
static bool find_account(void)
{
    int64_t began = clock_ms();
    const struct passwd *found = getpwnam(account);

    check_time(began, CLOUD_CALL_NSS_MS);
    uid = found == NULL ? 0 : found->pw_uid;
    return found != NULL;
}

static int visit(const struct key *key, bool holds)
{
    fail = NULL; /* that of a daemon */
    puts(find_account() && enters(key, holds ? hold : NULL) ? "granted" : "refused");
    return wrong;
}

static int print_unused(void)
{
    for (long i = 0; i < fail->rows; i++)
        if (fail->row[i].made == 0)
            printf("%s ", fail->row[i].name);
    return 0;
}

int main(int argc, char **argv)
{
    struct key key, other;

    setvbuf(stdout, NULL, _IOLBF, 0);
    openlog(NULL, LOG_NDELAY, LOG_AUTH); /* keeps one descriptor, which is then there already */
    fail = fail_map();
    if (argc >= 2 && strcmp(argv[1], "fail") == 0) {
        memset(fail, 0, offsetof(struct fail, rows));
        fail->at = argc > 3 ? atol(argv[2]) : 0;
        fail->only = argc > 3 ? atol(argv[3]) : 0;
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "failed") == 0)
        return printf("%ld %s\n", fail->count, fail->fired ? fail->name : "none") < 0;
    if (argc == 2 && strcmp(argv[1], "unused") == 0)
        return print_unused();
    if (argc < 4)
        return 2;
    account = argv[2];
    key = read_key(argv[3]);
    if (argc == 4)
        return visit(&key, strcmp(argv[1], "hold") == 0);
    if (!find_account())
        return 2;
    other = read_key(argv[4]);
    if (strcmp(argv[1], "nss") == 0)
        each_of_nss();
    else if (strcmp(argv[1], "helper") == 0)
        each_of_helper(&key, &other);
    else
        each_of_pam(&key, &other);
    return wrong;
}
