/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_SESSIONS_H
#define CLOUDAUTHD_SESSION_SESSIONS_H

#include "base/loop.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/state/session_files.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The list of open SSH sessions. For each environment that has sessions, the document is
 * revalidated within session_recheck, with one request for all of its sessions, and soon after the
 * change feed names the environment. Sessions that the document no longer allows are terminated
 * (recheck.h decides, terminate.h acts).
 *
 * If the sshd process of a session ends without reporting it, the daemon notices that at the next
 * recheck, when sessions are listed or counted, when the list is full, or when the daemon starts.
 * If processes of a session are left (setsid, tmux, mosh) after its sshd process has closed it or
 * has ended, the session stays on the list as detached, and is rechecked and terminated like any
 * other. survey.h finds these processes by the audit session of the session; without an audit
 * session none are found. If the daemon stops while it terminates a session, the next daemon
 * continues: the session's file stays until the termination is over.
 */

/* The most open sessions. An environment may open another one only while it has fewer than the list
 * has free places. */
#define SESSIONS_MAX 20000

struct sessions;

/* What the list works with. Everything is borrowed, and must outlive the list. */
struct sessions_setup {
    const struct cloud_conf *conf; /* read at each use, because a reload changes it */
    struct loop *loop;
    struct cache *cache;
    const struct admission *admission;
    const struct denials *denials; /* NULL: there are none */
    const char *directory;         /* the runtime directory */
    const char *former;            /* the state directory (session_files_move) */
    bool may_terminate; /* this process may signal processes of other users (CAP_KILL); if not,
                           sessions are only listed */
};

/* Loads the sessions that are stored below the directories, and continues terminations that an
 * earlier daemon had begun. To be called only at the start of the daemon, because it waits for the
 * disk. */
struct sessions *sessions_new(const struct sessions_setup *setup);
void sessions_free(struct sessions *sessions);

/* Whether a denial matches a session that is about to be opened: the denial may have been added
 * after the login was granted. */
bool sessions_is_denied(const struct sessions *sessions, const struct session *session);

/*
 * Adds a copy of a session that PAM opens, with `id`, `since` and `opened` set. asked:
 * cloud_clock_ms() when the API was asked for the document that granted the login, asked_wall:
 * time(2) of that. stale: the API had failed or not answered, and the login was granted by the last
 * good document; the session is then rechecked within about a second. False, with a line in the
 * log, if the list is full or the session's file cannot be written: PAM must then refuse the
 * session.
 */
bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked,
                   int64_t asked_wall, bool stale);

/* To be called when the sshd process reports that it has closed the account's session. Does nothing
 * if there is no such session. */
void sessions_close(struct sessions *sessions, const struct process *monitor, const char *account);

/* Makes a recheck of all sessions due now. To be called when documents that are files (file://) may
 * have changed. */
void sessions_check(struct sessions *sessions);

/* Calls visit for each environment that has sessions. */
void sessions_each_environment(const struct sessions *sessions,
                               void (*visit)(void *arg, const char *project,
                                             const char *environment),
                               void *arg);

/* To be called when the denials have changed: terminates the sessions that recheck_judge_by_host
 * rejects, without asking the API. */
void sessions_judge_by_host(struct sessions *sessions);

/* To be called when conf, /etc/passwd or /etc/group has changed: does what sessions_judge_by_host
 * does, and applies a new session_recheck. */
void sessions_configure(struct sessions *sessions);

size_t sessions_count(const struct sessions *sessions);

/* Figures for operators: the number of open sessions, and counters since the start. */
struct sessions_view {
    size_t open;
    uint64_t opened;
    uint64_t closed; /* sshd reported the end */
    uint64_t gone;   /* the sshd process ended without reporting it */
    uint64_t ended;  /* terminated by cloudauthd: revoked, expired, or by an operator */
    bool unwritable; /* the last file of a session could not be written */
};
void sessions_look(const struct sessions *sessions, struct sessions_view *out);

/* Returns how many sessions belong to the environment or have an account with the uid. */
size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid);

/* Calls visit for each session that was opened after the one with the id `after` ("": for all),
 * oldest first, until visit returns false. state is "open", "ending" or "detached". */
typedef bool sessions_visit(void *arg, const struct session *session, const char *state);
void sessions_each(struct sessions *sessions, const char *after, sessions_visit *visit, void *arg);

enum sessions_end {
    SESSIONS_END_UNKNOWN = 0, /* no such session */
    SESSIONS_END_BEGUN,
    SESSIONS_END_CANNOT, /* this daemon may not terminate sessions (may_terminate) */
};

/* Begins to terminate a session at an operator's request. */
enum sessions_end sessions_end(struct sessions *sessions, const char *id);

#endif
