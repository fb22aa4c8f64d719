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

/* What decides whether a document is taken. Everything is borrowed, and outlives the struct. */
struct admission {
    const struct cloud_conf *conf;
    struct local_ids *local_ids;
    struct bindings *bindings;
    struct bindings_log *bindings_log; /* NULL while the bindings are being read from the log */
    bool bindings_damaged;             /* lines of the bindings log were lost */
};

/*
 * Reads /etc/passwd and /etc/group again if they have changed (four stat(2) if not). False if they
 * cannot be read: then no document may be used, because a local account may have its uid or name.
 */
bool admission_refresh(const struct admission *admission);

/*
 * Judges a login name by the settings and local accounts, and parses it into *out. Returns
 * POLICY_NOT_OURS if this host does not serve the name (cloud_name_parse); else calls
 * admission_refresh and returns POLICY_UNAVAILABLE if that fails, POLICY_LOCAL if a local account
 * has the name, or POLICY_GRANTED.
 */
enum policy_reason admission_judge_name(const struct admission *admission, const char *account,
                                        struct cloud_name *out);

/*
 * Judges a document by the settings, the bindings and the local accounts of the last
 * admission_refresh, for a login name of the environment, or for the environment as a whole (name
 * NULL):
 *   POLICY_GRANTED        the document may be used here
 *   POLICY_UNUSABLE       it conflicts with this host, or the home of that name does; why, of
 *                         `size` bytes, says with what
 *   POLICY_NOT_THIS_HOST  it may be used, but its `hosts` does not contain this host's host_id
 */
enum policy_reason admission_judge(const struct admission *admission,
                                   const struct document *document, const struct cloud_name *name,
                                   char *why, size_t size);

/* Whether a stored document that this host took could still be used here, as far as its ids and its
 * home directory tell. */
bool admission_keeps(const struct admission *admission, const struct binding *ids,
                     const char *home);

/* admission_is_bound: whether the environment has bound ids. admission_has_project: whether any
 * environment of the project has bound ids. admission_count: how many environments have bound
 * ids. */
bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment);
bool admission_has_project(const struct admission *admission, const char *project);
size_t admission_count(const struct admission *admission);

/*
 * Judges the document of a cache answer again, because a local user may have been added since the
 * document was accepted. looked: the caller has read the local accounts just before it asked the
 * cache, which is enough for an answer that is given at once; else admission_refresh is called.
 * Returns POLICY_ABSENT for CACHE_ABSENT, POLICY_UNAVAILABLE if there is no document or the local
 * accounts cannot be read, or what admission_judge returns.
 */
enum policy_reason admission_of(const struct admission *admission,
                                const struct cache_answer *answer, const struct cloud_name *name,
                                bool looked);

/* Binds a document's uid and gid to its environment, in memory and in the bindings log, unless they
 * are bound already. admission_judge must have allowed the document. */
void admission_bind(const struct admission *admission, const struct document *document);

/* Whether an environment that has a stored document has lost its bound ids: it has none, and an
 * operator has not released them. If lines of the log are damaged a release does not count, because
 * one of them may have bound the ids again. */
bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment);

/* Binds the ids of a stored document again after their binding was lost, even if this host would
 * not use the document now. False, and logged, if another environment has the ids. */
bool admission_bind_stored(const struct admission *admission, const struct document *document);

/*
 * Calls admission_refresh, admission_judge and admission_bind. is_stored: the document is from the
 * disk. If an operator has released its ids it is refused then, because by now the ids may be
 * another environment's. A document whose `hosts` does not contain this host is accepted, too, with
 * a warning unless is_stored, because the cache has to know that. False with the reason in why.
 */
bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size);

#endif
