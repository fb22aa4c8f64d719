/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/session_files.h"

#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/state/statefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSIONS "sessions"

struct session_files {
    int directory;
    char path[PATH_MAX]; /* of the directory, for the log */
    char boot[PROCESS_BOOT_SIZE];
};

/* ---- A session's file ---- */

static const struct statefile_format format = {"cloudauth session 1 ", true};

struct record {
    struct session session;
    char boot[PROCESS_BOOT_SIZE];
    /* The name of the session's certificate (certificate_name). If it has none, the value is "0"
     * when the record is written, which leaves the line out, and "" when it was read. */
    char certificate[CERTIFICATE_NAME_SIZE];
    uint32_t ending; /* 0: the session is not being terminated; otherwise its audit session id */
};

#define FIELD(name, type, member) STATEFILE_FIELD(struct record, name, STATEFILE_##type, member)
#define OPTIONAL(name, type, member)                                                               \
    STATEFILE_OPTIONAL(struct record, name, STATEFILE_##type, member)

static const struct statefile_field fields[] = {
    FIELD("id", TEXT, session.id),
    FIELD("account", TEXT, session.account),
    FIELD("project", TEXT, session.name.project),
    FIELD("environment", TEXT, session.name.environment),
    FIELD("app", TEXT, session.name.app),
    FIELD("worker", TEXT, session.name.worker),
    FIELD("user", TEXT, session.user),
    FIELD("user_id", TEXT, session.user_id),
    FIELD("mail", TEXT, session.mail),
    FIELD("role", TEXT, session.role),
    FIELD("key", HASH, session.offered.fingerprint),
    FIELD("from", TEXT, session.from),
    FIELD("service", TEXT, session.service),
    FIELD("since", NUMBER, session.since),
    FIELD("boot", TEXT, boot),
    FIELD("pid", NUMBER, session.monitor.pid),
    FIELD("start", NUMBER, session.monitor.start),
    FIELD("audit", NUMBER, session.audit),
    FIELD("uid", NUMBER, session.uid),
    OPTIONAL("opened", NUMBER, session.opened),
    OPTIONAL("key_expires", NUMBER, session.key_expires),
    OPTIONAL("certificate", TEXT, certificate),
    OPTIONAL("certificate_ends", NUMBER, session.offered.valid_before),
    OPTIONAL("max_seconds", NUMBER, session.max_seconds),
    OPTIONAL("idle_seconds", NUMBER, session.idle_seconds),
    OPTIONAL("ending", NUMBER, ending),
    {0},
};

size_t session_files_format(const struct session *session, const char *boot,
                            char out[SESSION_FILE_SIZE])
{
    struct record record = {.session = *session, .certificate = "0"};
    size_t n;

    if (session->ending)
        record.ending = session->audit;
    if (session->offered.certified)
        certificate_name(&session->offered, record.certificate);
    snprintf(record.boot, sizeof record.boot, "%s", boot);
    n = statefile_put_fields(fields, &record, out + STATEFILE_HEAD_MAX,
                             SESSION_FILE_SIZE - STATEFILE_HEAD_MAX);
    return n == 0 ? 0 : statefile_seal(&format, out, n);
}

bool session_files_parse(const char *file, size_t size, struct session *out,
                         char boot[PROCESS_BOOT_SIZE])
{
    struct offered_key *offered;
    struct record record;
    size_t n;
    const char *at = statefile_open(&format, file, size, &n), *end;

    memset(&record, 0, sizeof record);
    if (at == NULL)
        return false;
    end = at + n;
    if (!statefile_get_fields(fields, &at, end, &record) || at != end)
        return false;
    offered = &record.session.offered;
    offered->certified = record.certificate[0] != '\0';
    if (offered->certified &&
        !certificate_name_read(record.certificate, &offered->serial, offered->ca))
        return false;
    record.session.ending = record.ending != 0;
    record.session.name.kind = cloud_name_kind(record.session.account);
    memcpy(out, &record.session, sizeof *out);
    memcpy(boot, record.boot, PROCESS_BOOT_SIZE);
    return true;
}

/* ---- Writing ---- */

bool session_files_write(const struct session_files *files, const struct session *session)
{
    char file[SESSION_FILE_SIZE];
    size_t size = session_files_format(session, files->boot, file);
    int failed = size == 0 ? EMSGSIZE : statefile_write(files->directory, session->id, file, size);

    if (failed != 0)
        log_error("account %s: %s/%s cannot be written: %s", session->account, files->path,
                  session->id, strerror(failed));
    return failed == 0;
}

void session_files_remove(const struct session_files *files, const char *id)
{
    if (unlinkat(files->directory, id, 0) != 0 && errno != ENOENT)
        log_error("%s/%s cannot be removed: %s", files->path, id, strerror(errno));
}

/* ---- Start ---- */

static int is_id(const struct dirent *entry)
{
    return strlen(entry->d_name) == SESSION_ID_SIZE - 1 &&
           strspn(entry->d_name, "0123456789abcdef") == SESSION_ID_SIZE - 1;
}

/* Calls `visit` with the name of each session's file in the directory, in the order of ids. False
 * with errno if the directory cannot be listed. */
static bool each_file(int directory, void (*visit)(void *arg, int directory, const char *name),
                      void *arg)
{
    struct dirent **entries = NULL;
    int n = scandirat(directory, ".", &entries, is_id, alphasort);

    for (int i = 0; i < n; i++) {
        visit(arg, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return n >= 0;
}

struct loading {
    const struct session_files *files;
    session_files_each *each;
    void *arg;
};

static void load(void *arg, int directory, const char *name)
{
    const struct loading *loading = arg;
    char boot[PROCESS_BOOT_SIZE];
    struct session session;
    size_t size;
    char *file = statefile_read(directory, name, SESSION_FILE_SIZE, &size);

    if (file == NULL && statefile_may_be_good(errno))
        fatal("%s/%s cannot be read: %s", loading->files->path, name, strerror(errno));
    if (file == NULL || !session_files_parse(file, size, &session, boot) ||
        strcmp(session.id, name) != 0)
        statefile_set_aside(directory, name, "session",
                            "if the session is open, it can no longer be ended");
    else if (!loading->each(loading->arg, &session, strcmp(boot, loading->files->boot) == 0))
        unlinkat(directory, name, 0);
    free(file);
}

void session_files_load(const struct session_files *files, session_files_each *each, void *arg)
{
    struct loading loading = {files, each, arg};

    if (!each_file(files->directory, load, &loading))
        fatal("%s cannot be listed: %s", files->path, strerror(errno));
}

/* Copies an older daemon's file of a session, unless this daemon has one. Returns an errno, or 0.
 */
static int copy(const struct session_files *files, int directory, const char *name)
{
    size_t size;
    char *file;
    int failed;

    if (faccessat(files->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    file = statefile_read(directory, name, SESSION_FILE_SIZE, &size);
    failed = file == NULL ? errno : statefile_write(files->directory, name, file, size);
    free(file);
    return failed;
}

static void move(void *arg, int directory, const char *name)
{
    int failed = copy(arg, directory, name);

    if (failed == 0 && unlinkat(directory, name, 0) != 0)
        failed = errno;
    if (failed != 0)
        log_error("the file of session %s cannot be moved out of the state directory: %s", name,
                  strerror(failed));
}

void session_files_move(struct session_files *files, const char *former)
{
    char path[PATH_MAX];
    int directory;

    snprintf(path, sizeof path, "%s/" SESSIONS, former);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    if (!each_file(directory, move, files))
        log_error("%s cannot be listed: %s", path, strerror(errno));
    close(directory);
    (void)rmdir(path); /* fails while it has damaged files */
}

struct session_files *session_files_new(const char *directory, const char *boot)
{
    struct session_files *files = xcalloc(1, sizeof *files);

    snprintf(files->boot, sizeof files->boot, "%s", boot);
    snprintf(files->path, sizeof files->path, "%s/" SESSIONS, directory);
    files->directory = statefile_directory(directory, SESSIONS);
    return files;
}

void session_files_free(struct session_files *files)
{
    close(files->directory);
    free(files);
}
