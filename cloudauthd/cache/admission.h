/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ADMISSION_H
#define CLOUDAUTHD_CACHE_ADMISSION_H

#include "access/document.h"
#include "access/policy.h"
#include "cloudauthd/cache/answers.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* Decides whether this host takes a document. admission_judge only judges it and changes nothing;
 * admission_accept also binds the document's uid and gid to its environment. All modules of the
 * daemon ask here, so that they agree. */

struct bindings;
struct local_ids;
struct bindings_log;

/* What decides whether a document is taken. Everything is borrowed, and must outlive the struct. */
struct admission {
    const struct cloud_conf *conf;
    struct local_ids *local_ids;
    struct bindings *bindings;
    struct bindings_log *bindings_log; /* NULL while the bindings are being read from the log */
    bool bindings_damaged;             /* lines of the bindings log were lost */
};

/* Reads /etc/passwd, /etc/group, /etc/subuid and /etc/subgid again if one has changed; otherwise
 * costs four calls of stat(2). False if /etc/passwd or /etc/group cannot be read: then no document
 * may be used, because a local account may have the document's uid or login name. */
bool admission_refresh(const struct admission *admission);

/*
 * Judges a login name by the settings and the local accounts, and parses it into *out. Returns
 * POLICY_NOT_OURS if this host does not serve the name (cloud_name_parse). Otherwise calls
 * admission_refresh, and returns POLICY_UNAVAILABLE if that fails, POLICY_LOCAL if a local account
 * has the name, and POLICY_GRANTED if none has.
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

/* Whether this host could still use a stored document that it once took, judged only by its ids and
 * its home directory. */
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
 * document was accepted. looked: the caller has called admission_refresh just before cache_ask,
 * which is enough for an answer that is given at once; otherwise calls admission_refresh. Returns
 * POLICY_ABSENT for CACHE_ABSENT, POLICY_UNAVAILABLE if there is no document or the local accounts
 * cannot be read, and otherwise what admission_judge returns.
 */
enum policy_reason admission_of(const struct admission *admission,
                                const struct cache_answer *answer, const struct cloud_name *name,
                                bool looked);

/* Whether an operator has released the environment's ids after the time `asked` (cloud_clock_ms()),
 * and they are not bound again. */
bool admission_is_released_since(const struct admission *admission, const char *project,
                                 const char *environment, int64_t asked);

/* Whether an environment with a stored document may have lost its binding: it is not bound, and no
 * operator has released its ids, or lines of the bindings log are damaged, one of which may have
 * bound them again. */
bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment);

/*
 * At the start, take the next line of the bindings log: a release, or a binding. A release counts
 * also where the binding before it is not in the log, as its line may have been refused by a full
 * disk. A binding that is not allowed shows that a release before it was lost, as it was allowed
 * when it was written: it counts, and those that it contradicts are removed, which is logged.
 */
void admission_release_line(const struct admission *admission, const struct binding *line);
void admission_bind_line(const struct admission *admission, const struct binding *line);

/*
 * admission_bind_stored binds the ids of a stored document again after their binding was lost, even
 * if this host would not use the document now. False, and logged, if an operator has released them,
 * or another environment has one of them: then a release may have been lost, of one or the other.
 * admission_doubt_stored is for ids that the stored document of another environment without a
 * binding has as well. In these cases no stored document of the environments in question is used
 * until the API confirms it; bindings of the log stand.
 */
bool admission_bind_stored(const struct admission *admission, const struct binding *claim);
void admission_doubt_stored(const struct admission *admission, const struct binding *claim);

/*
 * Judges a document for its environment as a whole (admission_refresh, admission_judge), and binds
 * its uid and gid, in memory and in the bindings log, unless they are bound already. is_stored: the
 * document is from the disk, and is refused if an operator has released its ids: they may be bound
 * to another environment. If `hosts` of the document does not list this host, the document is
 * accepted, because the cache keeps it, and a warning is logged unless is_stored. False with the
 * reason in why.
 */
bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size);

#endif
