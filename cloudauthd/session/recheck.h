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
 *   - the expiry of its key or certificate, by the last document that could be used
 *   - the host's settings, /etc/passwd or /etc/group, if this host no longer has the account
 *   - its limits max_seconds and idle_seconds (recheck_limits)
 * The last four also apply when no document may be used.
 */

struct recheck {
    const struct cloud_conf *conf;
    const struct cache_answer *answer;
    enum policy_reason admitted; /* admission_of's result for answer */
    struct policy_visit visit;   /* the time, by cache_visit */
    int64_t confirmed; /* cloud_clock_ms() of the last request about the environment that got a good
                          answer; 0: none has since the start */
};

struct recheck_verdict {
    bool terminate;
    const char *reason; /* if terminate: the token for the audit line; static */
    char message[384];  /* if terminate: for the person at the client */
    /* The bounds of the session by the document, or those that it has if no document may be
     * used. */
    int64_t key_expires;
    uint32_t max_seconds, idle_seconds;
};

/*
 * Judges a session before the API is asked about its environment. It must be terminated if it is
 * denied, or if this host no longer has its account's name for that environment, or may no longer
 * have its uid or gid (admission_judge_name, policy_account). denials may be NULL: there are none.
 */
void recheck_judge_by_host(const struct admission *admission, const struct denials *denials,
                           const struct session *session, struct recheck_verdict *out);

/* Whether a denial matches the session. */
bool recheck_is_denied(const struct denials *denials, const struct session *session);

/* Whether admission_of's result means that the answer's document may be used. */
bool recheck_may_use(enum policy_reason admitted);

/* What is known of the use of a session. Times are cloud_clock_ms(), except input. */
struct recheck_use {
    int64_t active_at; /* time of the last known input; without a terminal, of the last look */
    int64_t looked_at; /* time of the last look at its terminals; 0: none yet */
    int64_t input; /* time of input that this look found, seconds since 1970 (terminate_looked) */
    bool warned_max, warned_idle;
};

/* What is to be done with a session because of its max_seconds and idle_seconds. */
struct recheck_limit {
    enum { RECHECK_WAIT, RECHECK_LOOK, RECHECK_END } step;
    int64_t due;        /* cloud_clock_ms() at which to judge the limits again */
    const char *reason; /* RECHECK_END: the token for the audit line; static */
    char message[128];  /* for the terminals. RECHECK_END: why; RECHECK_LOOK: a warning, or "" */
};

/* Judges the session by its limits. now is that of cache_visit. The caller must write the message
 * to the terminals: *use notes that the person has been warned. */
void recheck_limits(const struct session *session, int64_t now, struct recheck_use *use,
                    struct recheck_limit *out);

/* Notes a look at the terminals of the session; input is that of terminate_looked. */
void recheck_looked(const struct session *session, int64_t input, struct recheck_use *use);

/* Judges one session by the cache's answer. */
void recheck_judge(const struct recheck *recheck, const struct session *session,
                   struct recheck_verdict *out);

#endif
