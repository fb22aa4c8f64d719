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
 * The list of open SSH sessions. The document of each environment that has sessions is revalidated
 * within session_recheck, with one request however many sessions the environment has, and soon
 * after the change feed names the environment. Sessions that the document no longer allows are
 * terminated (recheck.h decides, terminate.h acts).
 *
 * A session whose sshd process has ended without reporting that is noticed at a recheck, when
 * sessions are listed, when the list is full, or at the start. A session whose sshd process has
 * closed it or ended, and that has processes left (setsid, tmux, mosh), stays on the list as
 * detached and is rechecked and terminated like any other. survey.h finds those processes by the
 * audit session of the session; without an audit session none are found. If a daemon stops while it
 * terminates a session, the next daemon continues: the session's file stays until no process of the
 * session is left.
 */

#define SESSIONS_MAX 20000 /* in all; an environment has at most as many as are still free */

struct sessions;

/* What the list works with. All of it is borrowed and outlives the list. */
struct sessions_setup {
    const struct cloud_conf *conf; /* read at each use, because a reload changes it */
    struct loop *loop;
    struct cache *cache;
    const struct admission *admission;
    const struct denials *denials; /* NULL: none */
    const char *directory;         /* the state directory */
    bool may_terminate; /* whether this process may signal others (CAP_KILL); else sessions are only
                           listed */
};

/* Loads the sessions stored below the directory, and continues terminations that an earlier daemon
 * had begun. Only for the start of the daemon, because it reads the disk. */
struct sessions *sessions_new(const struct sessions_setup *setup);
void sessions_free(struct sessions *sessions);

/* Whether a session that is to be opened is denied: the denial may be younger than the decision
 * that granted the login. */
bool sessions_is_denied(const struct sessions *sessions, const struct session *session);

/*
 * Adds a session that PAM opens; sets its id, since and opened. asked: cloud_clock_ms() when the
 * API was asked for the document that granted the login. stale: the API failed or had not answered,
 * so that the document was the last good one; the session is rechecked within a second. False,
 * logged, if the list is full: the session must not be opened then.
 */
bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked,
                   bool stale);

/* The sshd process reports that it has closed the session of the account. It is no error if there
 * is no such session. */
void sessions_close(struct sessions *sessions, const struct process *monitor, const char *account);

/* Rechecks all sessions now: documents that are files may have changed. */
void sessions_check(struct sessions *sessions);

/* Calls visit for each environment that has sessions. */
void sessions_each_environment(const struct sessions *sessions,
                               void (*visit)(void *arg, const char *project,
                                             const char *environment),
                               void *arg);

/* To be called when the denials have changed: terminates the sessions that recheck_judge_by_host
 * rejects, without asking the API. */
void sessions_judge_by_host(struct sessions *sessions);

/* To be called when conf, /etc/passwd or /etc/group has changed: as sessions_judge_by_host, and
 * applies a new session_recheck. */
void sessions_configure(struct sessions *sessions);

size_t sessions_count(const struct sessions *sessions);

/* Figures for operators: the number of open sessions, and counters since the start. */
struct sessions_view {
    size_t open;
    uint64_t opened;
    uint64_t closed; /* sshd reported the end */
    uint64_t gone;   /* the sshd process ended without reporting it */
    uint64_t ended;  /* cloudauthd terminated them: revoked, expired, by an operator */
};
void sessions_look(const struct sessions *sessions, struct sessions_view *out);

/* The number of sessions that belong to the environment or whose account has the uid. */
size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid);

/* Calls visit for the sessions that came after the one with id `after` ("" for the first), oldest
 * first, until it returns false. state is "open", "ending" or "detached". */
typedef bool sessions_visit(void *arg, const struct session *session, const char *state);
void sessions_each(struct sessions *sessions, const char *after, sessions_visit *visit, void *arg);

enum sessions_end {
    SESSIONS_END_UNKNOWN = 0, /* no such session */
    SESSIONS_END_BEGUN,
    SESSIONS_END_CANNOT, /* this daemon may not terminate sessions (may_terminate) */
};

/* Terminates a session because an operator asks for it. */
enum sessions_end sessions_end(struct sessions *sessions, const char *id);

#endif
