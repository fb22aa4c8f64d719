/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_RECHECK_H
#define CLOUDAUTHD_SESSION_RECHECK_H

#include "access/policy.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/state/session_files.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether an open session must be terminated, by what the cache answers about its environment.
 * These functions decide; sessions.c acts.
 *
 * A missing answer terminates no session, unless session_max_stale is set. A session is terminated
 * by
 *   - a document that may be used here and that no longer lets this person in
 *   - the API's answer that the environment does not exist
 *   - a denial of this host (cloudauthctl deny)
 *   - the expiry of the key, as the last usable document has it
 *   - the host's settings, /etc/passwd or /etc/group, if they no longer leave it the account
 * The last three also apply when no document may be used.
 */

struct recheck {
    const struct cloud_conf *conf;
    const struct denials *denials; /* NULL: none */
    const struct cache_answer *answer;
    enum policy_reason admitted; /* admission_of the answer */
    struct policy_visit visit;   /* now */
    int64_t confirmed; /* cloud_clock_ms() when the API was last asked with a good answer, about the
                          session's environment; 0: not since the start */
};

struct recheck_verdict {
    bool terminate;
    const char *reason; /* terminate: the token for the audit line; static */
    char message[384];  /* terminate: for the person at the client */
    /* By the document; where none may be used, as the session has them. */
    int64_t key_expires;
    uint32_t max_seconds, idle_seconds;
};

/*
 * Judges the account of a session before anything is asked about its environment: it must be
 * terminated if this host no longer has that name for that environment, or no longer may have its
 * uid or gid (admission_judge_name, policy_account).
 */
void recheck_judge_account(const struct admission *admission, const struct session *session,
                           struct recheck_verdict *out);

/* Whether admission_of's result means that the answer's document may be used. */
bool recheck_may_use(enum policy_reason admitted);

/* What is known of the use of a session. Times are of cloud_clock_ms(). */
struct recheck_use {
    int64_t active_at; /* when it last had input, as far as is known; without a terminal: now */
    int64_t looked_at; /* when its terminals were looked at; or 0 */
    int64_t input;     /* what they said then (terminate_looked) */
    bool warned_max, warned_idle;
};

/* What max_seconds and idle_seconds ask for now. */
struct recheck_limit {
    enum { RECHECK_WAIT, RECHECK_LOOK, RECHECK_END } step;
    int64_t due;        /* cloud_clock_ms() when to ask again */
    const char *reason; /* RECHECK_END: the token for the audit line; static */
    char message[128];  /* END: for the person; LOOK: the warning for the terminals, or "" */
};

/* Judges the session by its limits; now is that of cache_visit. The message is then given. */
void recheck_limits(const struct session *session, int64_t now, struct recheck_use *use,
                    struct recheck_limit *out);

/* Notes what terminate_looked says. */
void recheck_looked(const struct session *session, int64_t input, struct recheck_use *use);

/* Judges one session. */
void recheck_judge(const struct recheck *recheck, const struct session *session,
                   struct recheck_verdict *out);

#endif
