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
 * The list of open SSH sessions. While there are any, the document of each of their environments is
 * revalidated within session_recheck, with one request however many sessions the environment has,
 * and at once when the change feed names the environment; sessions that it no longer allows are
 * terminated (recheck.h decides, terminate.h acts).
 *
 * That the sshd process of a session has ended without reporting it is noticed at a recheck, when
 * sessions are listed, when the list is full, or at the start. A session whose sshd process has
 * closed it or ended, and that has processes left (setsid, tmux, mosh), stays on the list as
 * detached and is rechecked and terminated like any other; survey.h finds the processes by its
 * audit session, without which none are found. A termination that a stopped daemon had begun is
 * continued by the next daemon: the session's file stays until no process of the session is left.
 */

#define SESSIONS_MAX 20000 /* and one environment at most as many as are still free */

struct sessions;

/* What sessions are built on. All of it is borrowed and outlives them. */
struct sessions_setup {
    const struct cloud_conf *conf; /* read at each use */
    struct loop *loop;
    struct cache *cache;
    const struct admission *admission;
    const struct denials *denials; /* NULL: none */
    const char *directory;         /* the state directory */
    bool may_terminate; /* whether this process may signal others (CAP_KILL); else sessions are only
                           listed */
};

/* Loads the sessions stored below the directory. NULL with the reason logged. */
struct sessions *sessions_new(const struct sessions_setup *setup);
void sessions_free(struct sessions *sessions);

/*
 * Adds a session that was opened; its id and since are set here. asked: cloud_clock_ms() when the
 * API was asked for the document that allowed it; 0: in an outage the last good one did, and the
 * session is rechecked within a second. False, logged, if the session cannot be listed and
 * therefore must not be opened: there are too many, or memory could not be allocated.
 */
bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked);

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

/* To be called when conf, /etc/passwd or /etc/group has changed: ends the sessions of accounts that
 * this host no longer has. */
void sessions_configure(struct sessions *sessions);

size_t sessions_count(const struct sessions *sessions);

/* Counters since the start, for metrics. */
struct sessions_view {
    size_t open; /* now */
    uint64_t opened;
    uint64_t closed; /* sshd reported the end */
    uint64_t gone;   /* the sshd process ended without reporting it */
    uint64_t ended;  /* cloudauthd terminated them: revoked, expired, by an operator */
};
void sessions_look(const struct sessions *sessions, struct sessions_view *out);

/* The number of sessions of the environment, and of other environments with that uid. */
size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid);

/* Calls visit for the sessions that came after the one with id `after` ("" for the first), oldest
 * first, until it returns false. state is "open", "ending" or "detached". */
typedef bool sessions_visit(void *arg, const struct session *session, const char *state);
void sessions_each(struct sessions *sessions, const char *after, sessions_visit *visit, void *arg);

enum sessions_end {
    SESSIONS_END_UNKNOWN = 0, /* no such session */
    SESSIONS_END_BEGUN,
    SESSIONS_END_CANNOT, /* without CAP_KILL, or out of memory */
};

/* Terminates a session because an operator asks for it. */
enum sessions_end sessions_end(struct sessions *sessions, const char *id);

#endif
