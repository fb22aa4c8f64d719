/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_SESSION_FILES_H
#define CLOUDAUTHD_STATE_SESSION_FILES_H

#include "access/certificate.h"
#include "base/process.h"
#include "base/worker.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Open sessions on disk, so that a daemon that is restarted still knows to whom they belong:
 * sessions/<id> below the state directory, one file each (statefile.h, all of it fields). No caller
 * waits for the disk. A damaged file is set aside (*.damaged) with a line in the log, and costs
 * that one session.
 */

#define SESSION_ID_SIZE   17   /* 16 hexadecimal digits */
#define SESSION_FILE_SIZE 4096 /* bytes: every session's file fits */

/* An open session: the account and the person, from where and since when, and its sshd process.
 * Strings have no control characters. */
struct session {
    char id[SESSION_ID_SIZE];
    char account[CLOUD_NAME_MAX + 1];
    struct cloud_name name;                  /* what the account means; `plain` is not stored */
    char user[129], user_id[256], mail[256]; /* the person; mail may be "" */
    char role[256];                          /* at the time of opening */
    /* The key or certificate. Of a certificate only its name and its end are stored. */
    struct offered_key offered;
    char from[256], service[64];
    int64_t since;                      /* seconds since 1970 */
    int64_t opened;                     /* the same on cloud_clock_ms(); 0: not known */
    int64_t key_expires;                /* seconds since 1970; 0: never, or not known */
    uint32_t max_seconds, idle_seconds; /* that it may last, and without input; 0: any */
    struct process monitor;
    uint32_t audit;        /* audit session id, or PROCESS_NO_AUDIT */
    uint32_t uid;          /* of the account */
    bool ending;           /* it is being terminated; it may have outlived its sshd process */
    uint32_t ending_audit; /* if so: the audit session id, or PROCESS_NO_AUDIT if another session
                              has it */
};

/* Writes the bytes of a session's file to out, and returns their number, or 0 if they do not fit.
 * boot is the boot that start times of processes refer to (process_boot). */
size_t session_files_format(const struct session *session, const char *boot,
                            char out[SESSION_FILE_SIZE]);

/* Parses a file of size bytes. False unless it is whole. */
bool session_files_parse(const char *file, size_t size, struct session *out,
                         char boot[PROCESS_BOOT_SIZE]);

struct session_files;

/*
 * Opens the directory `sessions` below a directory, which must exist. The worker is that of the
 * sessions (terminate.h), not the store's, which may have thousands of documents to sync: a session
 * whose file still waits to be written is forgotten if the daemon is killed. The worker must be
 * freed, which finishes what is under way, before session_files_free. NULL with the reason logged.
 */
struct session_files *session_files_new(struct worker *worker, const char *directory,
                                        const char *boot);
void session_files_free(struct session_files *files);

/* Calls each for every whole file, in the order of ids. each returns whether the session is still
 * open; if not, the file is removed. The processes of a session that was stored in another boot
 * have ended. Only for the start of the daemon, because it reads the disk. */
typedef bool session_files_each(void *arg, const struct session *session, bool this_boot);
void session_files_load(struct session_files *files, session_files_each *each, void *arg);

/* Writes or removes the file of a session. The worker does so in the order of these calls. A
 * failure is logged. */
void session_files_keep(struct session_files *files, const struct session *session);
void session_files_remove(struct session_files *files, const char *id);

#endif
