/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_SESSIONS_H
#define CLOUDAUTHD_SESSION_SESSIONS_H

#include "cloudauthd/server/context.h"
#include "cloudauthd/state/session_files.h"

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The open SSH sessions: who, from where, since when, in which sshd process. While there are any,
 * the document of each of their environments is asked for anew every session_recheck, once however
 * many sessions there are; a session that it no longer allows is ended (reaper.h).
 *
 * Nobody is ended for lack of an answer, unless session_max_stale says so: what ends a session is a
 * document that this host may use, the API's word that there is no such environment, or what this
 * host denies by itself (denials.h), or the end of the time that the last such document gave its
 * key.
 *
 * A session whose sshd process has gone without a word is dropped when it is noticed: at a recheck,
 * when it is listed, when there is no room, at the start. What a daemon had begun to end when it
 * went is ended by the next one: its file stays until nothing of it is left.
 */

#define SESSIONS_MAX 20000 /* and of one environment no more than there is room left */

struct sessions;

/*
 * Loads what is kept below folder. context's loop, cache, local_ids and owners outlive it; its conf
 * is read at each use. may_end: whether this process may end sessions of others (CAP_KILL); if not
 * they are only listed. NULL with the reason logged.
 */
struct sessions *sessions_new(struct context *context, const char *folder, bool may_end);
void sessions_free(struct sessions *sessions);

/*
 * A session was opened: everything but id and since is the caller's. asked: cloud_clock_ms() when
 * the API was asked for the document that allowed it. False, logged, if it cannot be watched over:
 * there is no room (SESSIONS_MAX), or memory is out.
 */
bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked);

/* Its sshd process says that it is over. An unknown one is no error. */
void sessions_close(struct sessions *sessions, const struct process *monitor, const char *account);

/* The settings changed. */
void sessions_configure(struct sessions *sessions);

size_t sessions_count(const struct sessions *sessions);

/* Sessions that were opened and that are over, since the start, for metrics. */
struct sessions_view {
    uint64_t opened;
    uint64_t closed; /* sshd said so */
    uint64_t gone;   /* their sshd had gone without a word */
    uint64_t ended;  /* cloudauthd ended them: revoked, expired, by an operator */
};
void sessions_look(const struct sessions *sessions, struct sessions_view *out);

/* How many sessions the environment has, and others with that uid. */
size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid);

/*
 * Writes the sessions that came after the one with id `after` ("" for the first), oldest first, a
 * line each, as many as fit whole; next is the id to go on after, "" when there are no more.
 *
 *   session= account= kind= project= environment= app= user= user_id= mail= role= key= from= since=
 *   service= pid= state=open|ending
 *
 * Values as in the audit line; since in seconds since 1970.
 */
void sessions_list(struct sessions *sessions, const char *after, struct cloud_text *out,
                   char next[SESSION_ID_SIZE]);

enum sessions_end {
    SESSIONS_END_UNKNOWN = 0, /* no such session */
    SESSIONS_END_BEGUN,
    SESSIONS_END_CANNOT, /* without CAP_KILL, or memory */
};

/* An operator ends it. */
enum sessions_end sessions_end(struct sessions *sessions, const char *id);

#endif
