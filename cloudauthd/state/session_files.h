/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_SESSION_FILES_H
#define CLOUDAUTHD_STATE_SESSION_FILES_H

#include "access/certificate.h"
#include "base/process.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The files of open sessions, so that the daemon still knows after a restart to whom they belong.
 * Each is sessions/<id> below the runtime directory, whose whole content is fields (statefile.h).
 * No session outlives the boot, so the directory is /run, a tmpfs(5): a file is written without
 * waiting for a disk, before PAM is told that the session is open, so no kill of the daemon makes
 * it forget a session. A damaged file is set aside (*.damaged) with a line in the log; only its
 * session is lost.
 */

#define SESSION_ID_SIZE   17   /* 16 hexadecimal digits and the NUL */
#define SESSION_FILE_SIZE 4096 /* bytes, enough for every session's file */

/* An open session: the account and the person, the client's address, and the sshd process. Strings
 * have no control characters. */
struct session {
    char id[SESSION_ID_SIZE];
    char account[CLOUD_NAME_MAX + 1];
    struct cloud_name name; /* the parsed account name; its member `plain` is not stored */
    char user[129], user_id[256], mail[256]; /* the person; mail may be "" */
    char role[256];                          /* the person's role when the session was opened */
    /* The key or certificate of the login. Only its fingerprint and, for a certificate, the serial,
     * the authority and the end of its validity are stored. */
    struct offered_key offered;
    char from[256], service[64];
    int64_t since;       /* when the session was opened, seconds since 1970 */
    int64_t opened;      /* cloud_clock_ms() when the session was opened; 0: not known */
    int64_t key_expires; /* when the key or certificate expires, seconds since 1970; 0: never, or
                            not known */
    uint32_t max_seconds, idle_seconds; /* longest age, longest time without input; 0: no limit */
    struct process monitor;
    uint32_t audit; /* audit session id, or PROCESS_NO_AUDIT */
    uint32_t uid;   /* uid of the account */
    bool ending;    /* the session is being terminated; it may have outlived its sshd process */
};

/* Writes the content of a session's file to out, and returns its size in bytes, or 0 if it does not
 * fit. `boot` is the id of the boot to which the start times of processes refer (process_boot). */
size_t session_files_format(const struct session *session, const char *boot,
                            char out[SESSION_FILE_SIZE]);

/* Parses a file of size bytes into *out and `boot`, the id that was given to session_files_format.
 * False unless the file is complete and undamaged. */
bool session_files_parse(const char *file, size_t size, struct session *out,
                         char boot[PROCESS_BOOT_SIZE]);

struct session_files;

/* Opens the directory `sessions` below `directory`, which must exist; `boot` is the id of this boot
 * (process_boot). */
struct session_files *session_files_new(const char *directory, const char *boot);
void session_files_free(struct session_files *files);

/* Moves the files of sessions that a daemon up to 0.1.1 has left in `former`, the state directory.
 * A file that is already in the new place stays. Failures are logged.
 * To be called before session_files_load, and only at the start, because it waits for the disk. */
void session_files_move(struct session_files *files, const char *former);

/* Calls `each` for every undamaged file, in the order of ids. Ends the daemon, which is started
 * again, if a file cannot be read that may be good (statefile_may_be_good), or if they cannot be
 * listed: a session that is not known is not rechecked. `each` returns whether the session is
 * still open; if not, the file is removed. this_boot: the session was stored in this boot; if not,
 * its processes have ended. */
typedef bool session_files_each(void *arg, const struct session *session, bool this_boot);
void session_files_load(const struct session_files *files, session_files_each *each, void *arg);

/* Writes the file of a session, or replaces it. False, with a line in the log, if that fails: then
 * the file is the older one, if there is one, or the new one (statefile_write). */
bool session_files_write(const struct session_files *files, const struct session *session);

/* Removes the file of a session. A failure is logged; it is not an error if there is none. */
void session_files_remove(const struct session_files *files, const char *id);

#endif
