/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What sshd does for one login: a process that runs the helper for a key, then PAM.
 *
 *   visit login ACCOUNT KEY          KEY is the file of a public key. Prints granted or refused.
 *   visit WHAT ACCOUNT KEY OTHER     under fail.so, with $FAIL_FILE: each call of the NSS module
 * (nss), the helper (helper) or PAM (pam) fails once. KEY may enter the account, OTHER may not.
 * Prints how many failed. visit fail [N ONLY]              makes the N-th call from the start of a
 * program fail, or none (fail.h) visit failed                     prints the calls that were
 * counted, and the one that has failed
 *
 * $HELPER is the helper. The exit status is 1 if what must not be has been, which is said.
 */
#include "tests/sandbox/fail.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#define MOST_SECONDS 12 /* that a question may take: its deadline is 10 */
#define UID          "200001"

struct key {
    char type[64], base64[1024];
};

static struct fail *fail;
static const char *account;
static int wrong;

static void complain(const char *what)
{
    printf("%s (after %s)\n", what, fail == NULL || !fail->fired ? "no fault" : fail->name);
    wrong = 1;
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

    dup2(output, STDOUT_FILENO);
    if (!faulted)
        unsetenv("LD_PRELOAD");
    if (helper == NULL || user == NULL || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        _exit(3);
    if (faulted)
        setenv("LD_PRELOAD", getenv("FAIL_SO"), 1);
    execl(helper, helper, "shell", account, key->type, key->base64, UID, NULL);
    _exit(3);
}

/* Runs the helper for a key; out gets what it prints. Returns its status; 128 and more: a signal.
 */
static int run_helper(const struct key *key, char *out, size_t size, bool faulted)
{
    int ends[2], status = 0;
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

/* PAM's account and session steps, of which the n-th call is to fail (0: none). */
static bool pam_grants(const struct key *key, long n)
{
    const struct pam_conv conv = {converse, NULL};
    char info[1200];
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
    if (code == PAM_SUCCESS) {
        granted = pam_open_session(pamh, 0) == PAM_SUCCESS;
        (void)pam_close_session(pamh, 0);
    }
    if (fail != NULL)
        fail->at = 0;
    pam_end(pamh, code);
    return granted;
}

/* PAM is asked also where there was no line, though sshd would not: it must refuse by itself. */
static bool enters(const struct key *key)
{
    char lines[8192];

    (void)run_helper(key, lines, sizeof lines, false);
    return pam_grants(key, 0);
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

static void check_time(time_t began)
{
    if (time(NULL) - began > MOST_SECONDS)
        complain("a question takes longer than its deadline");
}

typedef enum nss_status by_name(const char *, struct passwd *, char *, size_t, int *);

/* A lookup, of which the n-th call fails, and another one: the first that finds maps the snapshot.
 */
static void look_up(by_name *find, long n)
{
    unsigned before = descriptors();
    struct passwd found;
    char buffer[4096];
    int error = 0;
    time_t began = time(NULL);
    enum nss_status status;

    fail->at = fail->count + n;
    status = find(account, &found, buffer, sizeof buffer, &error);
    fail->at = 0;
    check_time(began);
    if (status == NSS_STATUS_NOTFOUND)
        complain("the NSS module denies a name that is");
    if (status == NSS_STATUS_SUCCESS && found.pw_uid != (uid_t)atol(UID))
        complain("the NSS module gives another uid");
    if (descriptors() > before)
        complain("the NSS module leaves a descriptor open");
    if (find(account, &found, buffer, sizeof buffer, &error) != NSS_STATUS_SUCCESS)
        complain("the NSS module does not recover");
}

static void each_of_nss(void)
{
    void *module = dlopen("libnss_cloud.so.2", RTLD_NOW);
    by_name *find = module == NULL ? NULL : (by_name *)dlsym(module, "_nss_cloud_getpwnam_r");

    if (find == NULL)
        exit(2);
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
        if (!fired()) {
            count_calls("the NSS module", n - 1);
            return;
        }
    }
}

static void each_of_helper(const struct key *key, const struct key *other)
{
    char lines[8192], whole[8192];

    fail->at = 0;
    if (run_helper(key, whole, sizeof whole, true) != 0 || !opens(whole, key))
        complain("the helper does not work without a fault");
    for (long n = 1;; n++) {
        time_t began = time(NULL);
        int status;
        fail->at = fail->count + n;
        status = run_helper(key, lines, sizeof lines, true);
        check_time(began);
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

static void each_of_pam(const struct key *key, const struct key *other)
{
    unsigned before;
    char lines[8192];

    if (!enters(key) || enters(other))
        complain("PAM does not work without a fault");
    before = descriptors();
    for (long n = 1;; n++) {
        time_t began = time(NULL);
        (void)run_helper(key, lines, sizeof lines, false);
        (void)pam_grants(key, n);
        check_time(began);
        if (descriptors() > before)
            complain("PAM leaves a descriptor open");
        if (!fired()) {
            count_calls("PAM", n - 1);
            return;
        }
        (void)run_helper(other, lines, sizeof lines, false);
        if (pam_grants(other, n))
            complain("PAM lets another key in");
        (void)fired();
    }
}

int main(int argc, char **argv)
{
    struct key key, other;

    setvbuf(stdout, NULL, _IOLBF, 0);
    openlog(NULL, LOG_NDELAY, LOG_AUTH); /* keeps one descriptor, which is then there already */
    fail = fail_map();
    if (argc >= 2 && strcmp(argv[1], "fail") == 0) {
        *fail =
            (struct fail){.at = argc > 3 ? atol(argv[2]) : 0, .only = argc > 3 ? atol(argv[3]) : 0};
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "failed") == 0)
        return printf("%ld %s\n", fail->count, fail->fired ? fail->name : "none") < 0;
    if (argc < 4)
        return 2;
    account = argv[2];
    key = read_key(argv[3]);
    if (argc == 4) {
        fail = NULL; /* that of a daemon */
        puts(enters(&key) ? "granted" : "refused");
        return wrong;
    }
    other = read_key(argv[4]);
    if (strcmp(argv[1], "nss") == 0)
        each_of_nss();
    else if (strcmp(argv[1], "helper") == 0)
        each_of_helper(&key, &other);
    else
        each_of_pam(&key, &other);
    return wrong;
}
