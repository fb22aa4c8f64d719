/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/session_files.h"

#include "base/digest.h"
#include "base/log.h"

#include "common/io.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER     "sessions"
#define NEW        "new"
#define DAMAGED    ".damaged"
#define FIRST_WORD "cloudauth session 1 "
#define FIRST_SIZE 128 /* of the first line */

struct session_files {
    struct worker *worker;
    int folder;
    char boot[PROCESS_BOOT_SIZE];
};

/* ---- A session's file ---- */

/* The first line that a content has; false if it cannot be hashed. */
static bool put_first(const char *content, size_t n, char out[FIRST_SIZE])
{
    unsigned char hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    if (!digest_sha256(content, n, hash))
        return false;
    digest_hex(hash, DIGEST_SIZE, hex);
    snprintf(out, FIRST_SIZE, FIRST_WORD "%zu %s\n", n, hex);
    return true;
}

size_t session_put(const struct session *session, const char *boot, char out[SESSION_FILE_SIZE])
{
    char content[SESSION_FILE_SIZE - FIRST_SIZE], first[FIRST_SIZE], key[DIGEST_HEX_SIZE];
    int n;

    digest_hex(session->fingerprint, KEY_FINGERPRINT_SIZE, key);
    n = snprintf(content, sizeof content,
                 "id %s\naccount %s\nproject %s\nenvironment %s\napp %s\nworker %s\n"
                 "user %s\nuser_id %s\nmail %s\nrole %s\nkey %s\nfrom %s\nservice %s\n"
                 "since %lld\nboot %s\npid %lld\nstart %llu\naudit %u\nuid %u\n",
                 session->id, session->account, session->name.project, session->name.environment,
                 session->name.app, session->name.worker, session->user, session->user_id,
                 session->mail, session->role, key, session->from, session->service,
                 (long long)session->since, boot, (long long)session->monitor.pid,
                 (unsigned long long)session->monitor.start, session->audit, session->uid);
    if (session->key_expires > 0 && n > 0 && (size_t)n < sizeof content)
        n += snprintf(content + n, sizeof content - (size_t)n, "key_expires %lld\n",
                      (long long)session->key_expires);
    if (session->ending && n > 0 && (size_t)n < sizeof content)
        n +=
            snprintf(content + n, sizeof content - (size_t)n, "ending %u\n", session->ending_audit);
    if (n < 0 || (size_t)n >= sizeof content || !put_first(content, (size_t)n, first))
        return 0;
    return (size_t)snprintf(out, SESSION_FILE_SIZE, "%s%s", first, content);
}

/* Takes the line `name value` at *at, which moves on. */
static bool take_line(const char **at, const char *name, char *out, size_t size)
{
    size_t prefix = strlen(name), n = strcspn(*at, "\n");

    if ((*at)[n] != '\n' || n < prefix + 1 || memcmp(*at, name, prefix) != 0 ||
        (*at)[prefix] != ' ' || n - prefix - 1 >= size)
        return false;
    memcpy(out, *at + prefix + 1, n - prefix - 1);
    out[n - prefix - 1] = '\0';
    *at += n + 1;
    return true;
}

static bool take_number(const char **at, const char *name, uint64_t max, uint64_t *out)
{
    char text[32];

    return take_line(at, name, text, sizeof text) && cloud_number(text, strlen(text), max, out);
}

/* The lines that not every session has. */
static bool parse_rest(const char *at, struct session *out)
{
    uint64_t expires = 0, audit = 0;

    if (strncmp(at, "key_expires ", 12) == 0 &&
        !take_number(&at, "key_expires", INT64_MAX, &expires))
        return false;
    out->key_expires = (int64_t)expires;
    out->ending = *at != '\0';
    if (out->ending && !take_number(&at, "ending", UINT32_MAX, &audit))
        return false;
    out->ending_audit = (uint32_t)audit;
    return *at == '\0';
}

/* The bytes are the daemon's own: their hash was right. So this guards against mistakes of ours. */
static bool parse_content(const char *at, struct session *out, char boot[PROCESS_BOOT_SIZE])
{
    char key[DIGEST_HEX_SIZE];
    uint64_t since, pid, start, audit, uid;

    if (!take_line(&at, "id", out->id, sizeof out->id) ||
        !take_line(&at, "account", out->account, sizeof out->account) ||
        !take_line(&at, "project", out->name.project, sizeof out->name.project) ||
        !take_line(&at, "environment", out->name.environment, sizeof out->name.environment) ||
        !take_line(&at, "app", out->name.app, sizeof out->name.app) ||
        !take_line(&at, "worker", out->name.worker, sizeof out->name.worker) ||
        !take_line(&at, "user", out->user, sizeof out->user) ||
        !take_line(&at, "user_id", out->user_id, sizeof out->user_id) ||
        !take_line(&at, "mail", out->mail, sizeof out->mail) ||
        !take_line(&at, "role", out->role, sizeof out->role) ||
        !take_line(&at, "key", key, sizeof key) ||
        !digest_unhex(key, out->fingerprint, KEY_FINGERPRINT_SIZE) ||
        !take_line(&at, "from", out->from, sizeof out->from) ||
        !take_line(&at, "service", out->service, sizeof out->service) ||
        !take_number(&at, "since", INT64_MAX, &since) ||
        !take_line(&at, "boot", boot, PROCESS_BOOT_SIZE) ||
        !take_number(&at, "pid", INT32_MAX, &pid) ||
        !take_number(&at, "start", UINT64_MAX, &start) ||
        !take_number(&at, "audit", UINT32_MAX, &audit) ||
        !take_number(&at, "uid", UINT32_MAX, &uid) || !parse_rest(at, out))
        return false;
    out->name.kind = cloud_name_kind(out->account);
    out->since = (int64_t)since;
    out->monitor = (struct process){(pid_t)pid, start};
    out->audit = (uint32_t)audit;
    out->uid = (uint32_t)uid;
    return true;
}

bool session_get(const char *file, size_t size, struct session *out, char boot[PROCESS_BOOT_SIZE])
{
    char text[SESSION_FILE_SIZE], first[FIRST_SIZE];
    const char *newline = memchr(file, '\n', size);
    size_t covered;

    if (newline == NULL || size >= sizeof text || memchr(file, '\0', size) != NULL)
        return false;
    covered = (size_t)(newline + 1 - file);
    memcpy(text, file, size);
    text[size] = '\0';
    memset(out, 0, sizeof *out);
    return put_first(file + covered, size - covered, first) && strlen(first) == covered &&
           memcmp(first, file, covered) == 0 && parse_content(text + covered, out, boot);
}

/* ---- The worker's side ---- */

struct job {
    struct work work;
    const struct session_files *files;
    char id[SESSION_ID_SIZE];
    size_t size; /* 0: the file is to go */
    char file[SESSION_FILE_SIZE];
};

/* Only the worker writes, so that one name aside is enough. */
static bool write_file(const struct job *job)
{
    int folder = job->files->folder;
    int fd = openat(folder, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && io_write_all(fd, job->file, job->size) && fsync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok && renameat(folder, NEW, folder, job->id) == 0;
}

static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;
    bool ok;

    errno = 0;
    if (job->size > 0)
        ok = write_file(job);
    else
        ok = unlinkat(job->files->folder, job->id, 0) == 0 || errno == ENOENT;
    if (!ok)
        work->failed = errno == 0 ? EIO : errno;
}

static void finish_job(struct work *work)
{
    struct job *job = (struct job *)work;

    if (work->failed != 0)
        log_error("session %s cannot be %s: %s", job->id, job->size > 0 ? "kept" : "removed",
                  strerror(work->failed));
    free(job);
}

static struct job *make_job(struct session_files *files, const char *id)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        log_error("session %s: out of memory", id);
        return NULL;
    }
    job->work = (struct work){.run = run_job, .finish = finish_job};
    job->files = files;
    snprintf(job->id, sizeof job->id, "%s", id);
    return job;
}

void session_files_keep(struct session_files *files, const struct session *session)
{
    struct job *job = make_job(files, session->id);

    if (job == NULL)
        return;
    job->size = session_put(session, files->boot, job->file);
    if (job->size == 0) {
        log_error("session %s is too long to be kept", session->id);
        free(job);
        return;
    }
    worker_add(files->worker, &job->work);
}

void session_files_remove(struct session_files *files, const char *id)
{
    struct job *job = make_job(files, id);

    if (job != NULL)
        worker_add(files->worker, &job->work);
}

/* ---- Start ---- */

static bool read_file(int folder, const char *name, char out[SESSION_FILE_SIZE], size_t *size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t got = -1;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < SESSION_FILE_SIZE)
        got = read(fd, out, SESSION_FILE_SIZE);
    close(fd);
    *size = got < 0 ? 0 : (size_t)got;
    return got >= 0;
}

static void set_aside(const struct session_files *files, const char *name)
{
    char aside[SESSION_ID_SIZE + sizeof DAMAGED];

    log_error("session %s is damaged: set aside; a living one of it can no longer be ended", name);
    snprintf(aside, sizeof aside, "%s%s", name, DAMAGED);
    if (renameat(files->folder, name, files->folder, aside) != 0)
        unlinkat(files->folder, name, 0);
}

static void load(const struct session_files *files, const char *name,
                 bool (*each)(void *arg, const struct session *session), void *arg)
{
    char file[SESSION_FILE_SIZE], boot[PROCESS_BOOT_SIZE];
    struct session session;
    size_t size = 0;

    if (!read_file(files->folder, name, file, &size) || !session_get(file, size, &session, boot) ||
        strcmp(session.id, name) != 0)
        set_aside(files, name);
    else if (strcmp(boot, files->boot) != 0 || !each(arg, &session))
        unlinkat(files->folder, name, 0);
}

static bool is_id(const char *name)
{
    return strlen(name) == SESSION_ID_SIZE - 1 &&
           strspn(name, "0123456789abcdef") == SESSION_ID_SIZE - 1;
}

void session_files_load(struct session_files *files,
                        bool (*each)(void *arg, const struct session *session), void *arg)
{
    int again = openat(files->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry;

    if (dir == NULL) {
        log_error("the kept sessions cannot be listed: %s", strerror(errno));
        if (again >= 0)
            close(again);
        return;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while ((entry = readdir(dir)) != NULL)
        if (is_id(entry->d_name))
            load(files, entry->d_name, each, arg);
    closedir(dir);
}

struct session_files *session_files_new(struct worker *worker, const char *folder, const char *boot)
{
    struct session_files *files = calloc(1, sizeof *files);
    char path[1024];

    if (files == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/" FOLDER, folder);
    files->worker = worker;
    snprintf(files->boot, sizeof files->boot, "%s", boot);
    files->folder = -1;
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        files->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (files->folder >= 0)
        return files;
    log_error("%s: %s", path, strerror(errno));
    free(files);
    return NULL;
}

void session_files_free(struct session_files *files)
{
    if (files == NULL)
        return;
    close(files->folder);
    free(files);
}
