/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_SESSION_FILES_H
#define CLOUDAUTHD_STATE_SESSION_FILES_H

#include "access/keys.h"
#include "base/process.h"
#include "base/worker.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Open sessions on the disk, so that a daemon that is started again still knows whose they are:
 * <folder>/sessions/<id>, one file each (the folder 0700). A first line with the format's version,
 * the length of what follows and its SHA-256; then `name value` lines. Written aside, synced and
 * renamed by the worker; no caller waits for the disk. What is damaged is set aside (*.damaged)
 * with a line in the log, and costs that one session.
 */

#define SESSION_ID_SIZE   17   /* 16 hexadecimal digits */
#define SESSION_FILE_SIZE 4096 /* the most that a session's file has */

/* Whose session it is, from where, since when, and which sshd process has it. Strings have no
 * control characters. */
struct session {
    char id[SESSION_ID_SIZE];
    char account[CLOUD_NAME_MAX + 1];
    struct cloud_name name;                  /* what the account means; `plain` is not kept */
    char user[129], user_id[256], mail[256]; /* the person; mail may be "" */
    char role[256];                          /* when it was opened */
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE]; /* of the key */
    char from[256], service[64];
    int64_t since;       /* seconds since 1970 */
    int64_t key_expires; /* the same; 0: never, or nobody knows */
    struct process monitor;
    uint32_t audit;        /* audit session id, or PROCESS_NO_AUDIT */
    uint32_t uid;          /* of the account */
    bool ending;           /* it is being ended; it may have outlived its sshd process */
    uint32_t ending_audit; /* then: the audit session id that is its alone, or PROCESS_NO_AUDIT */
};

/* The file's bytes, and back. The boot is the one that start times are told from (process_boot).
 * session_put returns the length, 0 if it does not fit. */
size_t session_put(const struct session *session, const char *boot, char out[SESSION_FILE_SIZE]);
bool session_get(const char *file, size_t size, struct session *out, char boot[PROCESS_BOOT_SIZE]);

struct session_files;

/* Opens the folder below `folder`, which must exist. The worker must have been freed, which
 * finishes what is under way, before session_files_free. NULL with the reason logged. */
struct session_files *session_files_new(struct worker *worker, const char *folder,
                                        const char *boot);
void session_files_free(struct session_files *files);

/* Calls each for every whole file of this boot. It returns whether the session is still there: if
 * not, the file is removed, as are those of other boots. For the start: it reads the disk. */
void session_files_load(struct session_files *files,
                        bool (*each)(void *arg, const struct session *session), void *arg);

/* In the order they are called. A failure is logged. */
void session_files_keep(struct session_files *files, const struct session *session);
void session_files_remove(struct session_files *files, const char *id);

#endif
