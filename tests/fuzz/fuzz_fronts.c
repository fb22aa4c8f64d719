/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon's answers as the NSS module, the helper and pam_cloud see them: the daemon is not
 * trusted by them. The first byte says who asks, the second the answer's status, and how the caller
 * is odd; what follows are the fields of the answer, before them for PAM an argument of the module
 * and a NUL. Also PAM with an account of sFTP is asked, but builds no jail; its home and its list
 * of directories, with a NUL between them, are an input of their own.
 *
 * With CHOSEN in the first byte, what a client or sshd has chosen comes first of all, WORDS strings
 * with a NUL each: the name to the NSS module; the helper's arguments; the user, service, remote
 * host and SSH_AUTH_INFO_0 of PAM.
 */
#include "tests/fuzz/fuzz.h"

#include "common/io.h"
#include "common/name.h"

#include "nss_cloud/nss_cloud.h"

/* Only pam_cloud.c knows libpam; the functions of libpam are below. */
#include "pam_cloud/pam_cloud.c" /* NOLINT(bugprone-suspicious-include) */

int helper(int argc, char **argv);
#define main  helper
#define usage helper_usage
#include "authkeys/cloud-authkeys.c" /* NOLINT(bugprone-suspicious-include) */
#undef main
#undef usage

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

enum { PASSWD_NAME, PASSWD_ID, GROUP_NAME, GROUP_ID, KEYS, ACCOUNT, SFTP, SESSION, JAIL, FRONTS };

/* The caller's buffer is small and not aligned, or cannot be written to, or it takes no variable;
 * it asks for the sFTP account; it is silent, and no sshd, or
 * keeps no data, or has kept some. For PAM, an allocation fails. */
enum { SMALL = 4, OF_SFTP = 8, QUIET = 16, FAILS = 32 };

/* In the first byte; and then the words' meaning to PAM, and the SSH_AUTH_INFO_0 that is not set.
 */
enum { CHOSEN = 128, WORDS = 6 };
enum { USER, SERVICE, FROM, METHOD };
#define NOT_SET "-"

static const unsigned char ops[FRONTS] = {
    CLOUD_OP_PASSWD_BY_NAME, CLOUD_OP_PASSWD_BY_ID, CLOUD_OP_GROUP_BY_NAME,
    CLOUD_OP_GROUP_BY_ID,    CLOUD_OP_KEYS,         CLOUD_OP_PAM_ACCOUNT,
    CLOUD_OP_PAM_ACCOUNT,    CLOUD_OP_PAM_SESSION,  CLOUD_OP_PAM_ACCOUNT};

static struct {
    unsigned char packet[32768];
    size_t size;
    int daemon; /* its end of the connection; -1: none */
    bool answered;
    const char *word[WORDS];
    bool chosen;
    unsigned odd;
} played = {.daemon = -1};

/* ---- The daemon ---- */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int pair[2];

    (void)address;
    (void)size;
    require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    require(send(pair[1], played.packet, played.size, 0) == (ssize_t)played.size);
    require(dup2(pair[0], fd) == fd && close(pair[0]) == 0);
    if (played.daemon >= 0)
        close(played.daemon);
    played.daemon = pair[1];
    played.answered = true;
    return 0;
}

/* The helper's audit line, if the answer is none. */
ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags,
                      const struct sockaddr *address, socklen_t size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags,
                      const struct sockaddr *address, socklen_t size)
{
    const char *line = bytes;

    require(close(fd) == 0); /* the helper leaves it open: it ends */
    (void)flags;
    require(address->sa_family == AF_UNIX && size == sizeof(struct sockaddr_un));
    for (size_t i = 0; i < n; i++)
        require(!cloud_text_is_control(line[i]));
    return (ssize_t)n;
}

bool __wrap_io_write_all(int fd, const char *bytes, size_t n);
bool __wrap_io_write_all(int fd, const char *bytes, size_t n)
{
    require((fd == STDOUT_FILENO || fd == STDERR_FILENO) && n > 1 && bytes[n - 1] == '\n' &&
            bytes[0] != '\0');
    for (size_t i = 0; i < n; i++)
        require(bytes[i] == '\n' || !cloud_text_is_control(bytes[i]));
    return (played.odd & SMALL) == 0;
}

/* Whether the directories exist: what the list says is tried, not what the disk has. */
bool __wrap_jail_check(const struct jail *jail, struct jail_fault *fault);
bool __wrap_jail_check(const struct jail *jail, struct jail_fault *fault)
{
    require(jail->mounts > 0);
    strcpy(fault->text, "there is no such directory");
    return (played.odd & SMALL) == 0;
}

bool __wrap_jail_build(const struct jail *jail, struct jail_fault *fault);
bool __wrap_jail_build(const struct jail *jail, struct jail_fault *fault)
{
    (void)jail;
    (void)fault;
    return true;
}

/* A negative answer counts for the next lookups of the process, and silence as well: not here. */
int __wrap_backoff_timeout(int full_ms);
int __wrap_backoff_timeout(int full_ms)
{
    return full_ms;
}

bool __wrap_negcache_has(const void *key);
bool __wrap_negcache_has(const void *key)
{
    (void)key;
    return false;
}

/* ---- libpam ---- */

int pam_get_user(pam_handle_t *pamh, const char **user, const char *prompt)
{
    (void)pamh;
    (void)prompt;
    *user = played.word[USER];
    return PAM_SUCCESS;
}

int pam_get_item(const pam_handle_t *pamh, int type, const void **item)
{
    (void)pamh;
    *item = played.word[type == PAM_SERVICE ? SERVICE : FROM];
    return PAM_SUCCESS;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name)
{
    (void)pamh;
    (void)name;
    return strcmp(played.word[METHOD], NOT_SET) == 0 ? NULL : played.word[METHOD];
}

int pam_putenv(pam_handle_t *pamh, const char *variable)
{
    (void)pamh;
    require(!cloud_text_has_control(variable) && strchr(variable, '=') != NULL);
    return (played.odd & SMALL) != 0 ? PAM_SYSTEM_ERR : PAM_SUCCESS;
}

int pam_set_data(pam_handle_t *pamh, const char *name, void *data,
                 void (*cleanup)(pam_handle_t *, void *, int))
{
    (void)name;
    if ((played.odd & QUIET) != 0)
        return PAM_BUF_ERR;
    cleanup(pamh, data, 0);
    return PAM_SUCCESS;
}

int pam_get_data(const pam_handle_t *pamh, const char *name, const void **data)
{
    static const struct prepared prepared;

    (void)pamh;
    (void)name;
    *data = &prepared;
    return (played.odd & QUIET) != 0 ? PAM_SUCCESS : PAM_NO_MODULE_DATA;
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...)
{
    char text[2 * LINE_MAX_LOG];
    va_list arguments;

    (void)pamh;
    require(priority == LOG_INFO || priority == LOG_NOTICE || priority == LOG_ERR);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* What is wrong with an argument is said in root's own words. */
    require(text[0] != '\0');
    require(!cloud_text_has_control(text) || strncmp(text, "module argument", 15) == 0);
}

int pam_prompt(pam_handle_t *pamh, int style, char **response, const char *format, ...)
{
    char text[CLOUD_WIRE_STRING_MAX + 512];
    va_list arguments;

    (void)pamh;
    require((style == PAM_ERROR_MSG || style == PAM_TEXT_INFO) && response == NULL);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    require(style == PAM_TEXT_INFO || is_lines(text));
    return PAM_SUCCESS;
}

/* ---- The questions ---- */

static bool is_plain(const char *text)
{
    return strpbrk(text, ":\n") == NULL;
}

/* The caller's buffer: of 4096 bytes or, to be too small or just enough, of some ten. */
static char *buffer_of(size_t *size)
{
    static char buffer[4096];

    *size = (played.odd & SMALL) != 0 ? 8 + (played.size + played.odd / 4) % 64 : sizeof buffer;
    return buffer + ((played.odd & SMALL) != 0 ? sizeof buffer - *size : 0);
}

static const char *asked_name(void)
{
    if (played.chosen)
        return played.word[USER];
    return (played.odd & OF_SFTP) != 0 ? "abcdefghij_sftp" : "abcdefghij";
}

static bool is_ours(enum nss_status status, int error)
{
    require(status != NSS_STATUS_TRYAGAIN || (error == ERANGE && (played.odd & SMALL) != 0));
    return status == NSS_STATUS_SUCCESS;
}

static void ask_passwd(unsigned front)
{
    struct passwd found;
    size_t size;
    char *buffer = buffer_of(&size);
    int error = 0;
    enum nss_status status = front == PASSWD_NAME
                                 ? _nss_cloud_getpwnam_r(asked_name(), &found, buffer, size, &error)
                                 : _nss_cloud_getpwuid_r(200001, &found, buffer, size, &error);

    if (!is_ours(status, error))
        return;
    require(front == PASSWD_NAME ? strcmp(found.pw_name, asked_name()) == 0
                                 : found.pw_uid == 200001);
    require(found.pw_uid >= 200000 && found.pw_uid <= 299999);
    require(found.pw_gid >= 200000 && found.pw_gid <= 299999);
    require(is_plain(found.pw_name) && is_plain(found.pw_gecos) && is_plain(found.pw_dir) &&
            is_plain(found.pw_shell) && strcmp(found.pw_passwd, "*") == 0);
    require(front == PASSWD_NAME && cloud_name_kind(asked_name()) == CLOUD_SFTP
                ? strcmp(found.pw_dir, "/") == 0
                : strncmp(found.pw_dir, "/app/", 5) == 0);
}

static void ask_group(unsigned front)
{
    const char *name = played.chosen ? asked_name() : "abcdefghij";
    struct group found;
    size_t size;
    char *buffer = buffer_of(&size);
    int error = 0;
    enum nss_status status = front == GROUP_NAME
                                 ? _nss_cloud_getgrnam_r(name, &found, buffer, size, &error)
                                 : _nss_cloud_getgrgid_r(200001, &found, buffer, size, &error);

    if (!is_ours(status, error))
        return;
    /* The groups that mark accounts are asked for by a chosen name. */
    if (front == GROUP_NAME && strncmp(name, "cloud-", 6) == 0)
        return;
    require(front == GROUP_NAME ? strcmp(found.gr_name, name) == 0 : found.gr_gid == 200001);
    require(found.gr_gid >= 200000 && found.gr_gid <= 299999);
    require(is_plain(found.gr_name) && found.gr_mem[0] == NULL);
}

/* The groups of a name, in an array that is full or has space for one, and may grow or not. */
static void ask_membership(void)
{
    for (long had = 0; had < 4; had++) {
        long start = had, size = had + played.odd / FAILS % 2, limit = size;
        gid_t *groups = calloc((size_t)size + 1, sizeof *groups);
        int error = 0;
        enum nss_status status;
        if ((played.odd & QUIET) != 0)
            limit = 0;
        require(groups != NULL);
        status =
            _nss_cloud_initgroups_dyn(asked_name(), 200001, &start, &size, &groups, limit, &error);
        require(status == NSS_STATUS_SUCCESS ? start == had + 1 && groups[had] > 0 : start == had);
        require(start <= size && (limit <= 0 || size <= limit));
        free(groups);
    }
}

/* sshd's arguments to the helper, as many as `odd` says. */
static int ask_helper(void)
{
    char *argv[WORDS + 2] = {"cloud-authkeys"};
    int argc = 1;

    for (; argc <= (int)(played.odd / FAILS) && argc <= WORDS; argc++)
        argv[argc] = (char *)(uintptr_t)played.word[argc - 1];
    return helper(argc, argv);
}

static void ask_keys(unsigned status)
{
    char *argv[] = {"cloud-authkeys", "shell", "abcdefghij", "ssh-ed25519", "AAAA", NULL};
    int code = played.chosen ? ask_helper() : helper(5, argv);

    require(code == CERTAIN || code == UNCERTAIN || (code == USAGE && played.chosen));
    require(code == UNCERTAIN || !played.answered || status != CLOUD_UNAVAILABLE);
}

static void ask_pam(unsigned front, const char *argument, unsigned status)
{
    pam_handle_t *pamh = (pam_handle_t *)&played;
    int argc = argument[0] != '\0', code, flags = (played.odd & QUIET) != 0 ? PAM_SILENT : 0;
    bool is_ssh, decided;

    if (!played.chosen) {
        bool cron = front == ACCOUNT && (played.odd & QUIET) != 0;
        played.word[SERVICE] = cron ? "cron" : "sshd";
        played.word[USER] =
            front == SFTP || (played.odd & OF_SFTP) != 0 ? "abcdefghij_sftp" : "abcdefghij";
        played.word[FROM] = "192.0.2.1";
        played.word[METHOD] = cron ? NOT_SET : "publickey ssh-ed25519 AAAA\n";
    }
    is_ssh = strcmp(played.word[SERVICE], "sshd") == 0 || strcmp(played.word[METHOD], NOT_SET) != 0;
    code = front == SESSION ? pam_sm_open_session(pamh, flags, argc, &argument)
                            : pam_sm_acct_mgmt(pamh, flags, argc, &argument);
    /* The account step has decided for a service that asks for no key. */
    decided = front == SESSION && !is_ssh;
    require(code != PAM_SUCCESS || (played.answered && status == CLOUD_OK) || decided);
    /* `allow` may have been changed, or lacks the name. */
    require(code != PAM_IGNORE || argc > 0 || played.chosen);
}

static void read_jail(const char *text, size_t n)
{
    size_t home = strlen(text);
    const struct jail_account account = {text, (played.odd & SMALL) != 0 ? 0 : 200001,
                                         (played.odd & OF_SFTP) != 0 ? 0 : 200001,
                                         home < n ? text + home + 1 : ""};
    struct jail_fault fault;
    struct jail jail;

    if (!jail_read(&jail, &account, &fault)) {
        require(fault.text[0] != '\0');
        return;
    }
    require(jail.mounts > 0 && jail.uid > 0 && jail.gid > 0);
    for (size_t i = 0; i < jail.mounts; i++)
        require(jail.mount[i].path[0] != '/' && strncmp(jail.mount[i].path, "..", 3) != 0 &&
                strncmp(jail.mount[i].path, "../", 3) != 0);
}

static void write_conf(void)
{
    static const char conf[] = "access_url = file:///srv/{project}/{environment}.json\n"
                               "allow = abcdefghij*\nuid_min = 200000\n"
                               "uid_max = 299999\n";

    if (access(CLOUD_CONF_PATH, F_OK) != 0)
        fuzz_file(CLOUD_CONF_PATH, conf, sizeof conf - 1);
}

/* Takes the words that are chosen, and returns their size. */
static size_t choose(const char *text, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < WORDS; i++) {
        played.word[i] = text + (used < n ? used : n);
        used += strlen(played.word[i]) + 1;
    }
    return used < n ? used : n;
}

static void ask_front(unsigned front, const char *argument, unsigned status)
{
    if (front <= PASSWD_ID)
        ask_passwd(front);
    else if (front <= GROUP_ID)
        ask_group(front);
    else if (front == KEYS)
        ask_keys(status);
    else
        ask_pam(front, argument, status);
    if (front == PASSWD_NAME && played.chosen)
        ask_membership();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned front = size < 2 ? 0 : data[0] % CHOSEN % FRONTS, status = size < 2 ? 0 : data[1] % 4;
    const unsigned char head[8] = {
        'C', 'L', 'D', 'A', CLOUD_WIRE_VERSION, ops[front], (unsigned char)status, 0};
    char *text;
    const char *argument = "";
    size_t n, used = 0;

    if (size < 2 || size > 20000)
        return 0;
    write_conf();
    n = size - 2;
    text = fuzz_text(data + 2, n);
    played.chosen = data[0] >= CHOSEN && front != JAIL;
    if (played.chosen)
        used = choose(text, n);
    if (front >= ACCOUNT && strlen(text + used) < n - used) {
        argument = text + used;
        used += strlen(argument) + 1;
    }
    memcpy(played.packet, head, sizeof head);
    memcpy(played.packet + sizeof head, text + used, n - used);
    played.size = sizeof head + n - used;
    played.answered = false;
    played.odd = data[1];
    fuzz_fail(front >= ACCOUNT ? played.odd / FAILS : 0);
    if (front == JAIL)
        read_jail(text, n);
    else
        ask_front(front, argument, status);
    (void)fuzz_failed();
    free(text);
    return 0;
}
