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
    const char *reason;  /* terminate: the token for the audit line; static */
    char message[384];   /* terminate: for the person at the client */
    int64_t key_expires; /* by the document; where none may be used, as the session has it */
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

/* Judges one session. */
void recheck_judge(const struct recheck *recheck, const struct session *session,
                   struct recheck_verdict *out);

#endif
