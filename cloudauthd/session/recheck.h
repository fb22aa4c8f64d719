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
 * Decides whether an open session must be terminated, mostly by the cache's answer about its
 * environment; sessions.c acts on the decision.
 *
 * If the cache has no answer, no session is terminated for that, unless session_max_stale is set. A
 * session is terminated by
 *   - a document that may be used here and that no longer lets this person in
 *   - the API's answer that the environment does not exist
 *   - a denial of this host (cloudauthctl deny)
 *   - the expiry of its key or certificate, by the last document that could be used
 *   - the host's settings, /etc/passwd or /etc/group, if this host no longer has the account
 *   - its limits max_seconds and idle_seconds (recheck_limits)
 * The last four also apply while no document may be used.
 */

struct recheck {
    const struct cloud_conf *conf;
    const struct cache_answer *answer;
    enum policy_reason admitted; /* the result of admission_of for `answer` */
    struct policy_visit visit;   /* the time, from cache_visit */
    int64_t confirmed; /* cloud_clock_ms() of the last request about the environment that got a good
                          answer; 0: none since the start of the daemon */
    int64_t confirmed_wall; /* time(2) of that */
};

struct recheck_verdict {
    bool terminate;
    const char *reason; /* if `terminate`: the token for the audit line; static */
    char message[384];  /* if `terminate`: the reason for the person at the client */
    /* The session's bounds: those that the document sets or, if no document may be used, the
     * present ones. The units are those of struct session (session_files.h). */
    int64_t key_expires;
    uint32_t max_seconds, idle_seconds;
};

/*
 * Judges a session by this host alone, before the API is asked. It must be terminated if a denial
 * matches it, if its account's name no longer means its environment on this host
 * (admission_judge_name), or if this host may no longer have its uid or gid (policy_account).
 * denials may be NULL: there are none.
 */
void recheck_judge_by_host(const struct admission *admission, const struct denials *denials,
                           const struct session *session, struct recheck_verdict *out);

/* Whether a denial matches the session. */
bool recheck_is_denied(const struct denials *denials, const struct session *session);

/* Whether `admitted`, a result of admission_of, means that the answer's document may be used. True
 * also for a document whose `hosts` excludes this host: it ends sessions. */
bool recheck_may_use(enum policy_reason admitted);

/* When a session was last used, as far as is known. Times are cloud_clock_ms(), except `input`. */
struct recheck_use {
    int64_t active_at; /* time of the last known input; for a session without a terminal, of the
                          last look */
    int64_t looked_at; /* time of the last look at its terminals; 0: none yet */
    int64_t input;     /* the last input that this look has found, in seconds since 1970; 0: none
                          (terminate_looked) */
    bool warned_max, warned_idle;
};

/* What to do with a session because of max_seconds and idle_seconds: nothing yet, look at its
 * terminals (recheck_looked), or end it. */
struct recheck_limit {
    enum { RECHECK_WAIT, RECHECK_LOOK, RECHECK_END } step;
    int64_t due;        /* cloud_clock_ms() at which to judge the limits again */
    const char *reason; /* RECHECK_END: the token for the audit line; static */
    char message[128];  /* for the terminals: with RECHECK_END the reason, with RECHECK_LOOK a
                           warning or "" */
};

/* Judges the session by its limits. now is in seconds since 1970, as cache_visit has it. The caller
 * must write out->message to the session's terminals, because *use then says that the person has
 * been warned. */
void recheck_limits(const struct session *session, int64_t now, struct recheck_use *use,
                    struct recheck_limit *out);

/* Records in *use a look at the session's terminals; input is the argument of terminate_looked. */
void recheck_looked(const struct session *session, int64_t input, struct recheck_use *use);

/* Judges one session by the cache's answer. */
void recheck_judge(const struct recheck *recheck, const struct session *session,
                   struct recheck_verdict *out);

#endif
