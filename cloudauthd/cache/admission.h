/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ADMISSION_H
#define CLOUDAUTHD_CACHE_ADMISSION_H

#include "access/document.h"
#include "access/policy.h"
#include "cloudauthd/cache/answers.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether this host takes a document: one question, admission_judge, which changes nothing, and one
 * action, admission_accept, which also binds the document's uid and gid to its environment. Every
 * module of the daemon asks here, so that all of them give one answer.
 */

struct bindings;
struct local_ids;
struct bindings_log;

/* What the answer depends on. Everything is borrowed, and outlives the struct. */
struct admission {
    const struct cloud_conf *conf;
    struct local_ids *local_ids;
    struct bindings *bindings;
    struct bindings_log *bindings_log; /* NULL while the bindings are still being read from it */
    bool bindings_damaged;             /* lines of it were lost */
};

/*
 * Reads /etc/passwd and /etc/group again if they have changed (two stat(2) if not). False if they
 * cannot be read: then no document may be used, because a local account may have its uid or name.
 */
bool admission_refresh(const struct admission *admission);

/*
 * Whether the account is a name of this host, by its settings and local accounts; parses it into
 * *out. POLICY_GRANTED, POLICY_NOT_OURS, POLICY_LOCAL, or POLICY_UNAVAILABLE where
 * admission_refresh fails; it is called unless the answer is POLICY_NOT_OURS.
 */
enum policy_reason admission_judge_name(const struct admission *admission, const char *account,
                                        struct cloud_name *out);

/*
 * Judges by the settings, the bindings and the local accounts of the last admission_refresh, for a
 * login name of the environment, or for the environment as a whole (name NULL):
 *   POLICY_GRANTED        the document may be used here
 *   POLICY_UNUSABLE       it conflicts with this host, or the home of that name does; why, of
 *                         `size` bytes, says with what
 *   POLICY_NOT_THIS_HOST  it may be used, but its `hosts` does not contain this host's host_id
 */
enum policy_reason admission_judge(const struct admission *admission,
                                   const struct document *document, const struct cloud_name *name,
                                   char *why, size_t size);

/* Whether a stored document with these ids and this home, which this host took, could be used here
 * now, as far as they tell. */
bool admission_keeps(const struct admission *admission, const struct binding *ids,
                     const char *home);

/* Whether ids are bound to the environment, or to any of the project; and to how many they are. */
bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment);
bool admission_has_project(const struct admission *admission, const char *project);
size_t admission_count(const struct admission *admission);

/*
 * Judges the document of a cache answer by the local accounts as they are now: it was judged when
 * it was accepted, but a local user may have been added since. looked: they were read within the
 * call that asked the cache, which is enough for an answer at once. Also POLICY_ABSENT, and
 * POLICY_UNAVAILABLE where there is no document or the local accounts cannot be read.
 */
enum policy_reason admission_of(const struct admission *admission,
                                const struct cache_answer *answer, const struct cloud_name *name,
                                bool looked);

/*
 * Binds a document's uid and gid to its environment, in memory and in the log, unless they are
 * bound already. admission_judge must have allowed the document. False if out of memory.
 */
bool admission_bind(const struct admission *admission, const struct document *document);

/* Whether the environment has no ids and its stored document does: a line of the log was lost, as
 * one may also be behind a release where lines are damaged. */
bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment);

/* Binds the ids of a stored document whose binding was lost, whether or not the document could be
 * used here now. False, logged, if another environment has them, or if out of memory. */
bool admission_bind_stored(const struct admission *admission, const struct document *document);

/*
 * Refreshes, judges and binds. A stored document may be older than an operator's release of its
 * ids, and does not bind them again: by now they may be another environment's. A document that is
 * not for this host is accepted, too, with a warning unless it is stored: the cache has to know
 * that it is not. False with the reason in why.
 */
bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size);

#endif
