/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_BINDINGS_H
#define CLOUD_ACCESS_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bindings: which environment owns a uid and gid on this host. The first document that this host
 * accepts for an environment binds the uid and gid in it. After that, a document is refused if its
 * uid or gid is bound to another environment, because its users would get access to the files and
 * processes of that environment, or if its own environment is bound to another uid or gid. If
 * memory runs out, the process ends (base/fatal.h).
 */

struct bindings;

/* The binding of an environment. The strings in a binding that a function below returns belong to
 * struct bindings, and are valid until bindings_free. */
struct binding {
    const char *project, *environment;
    uint32_t uid, gid;
};

struct bindings *bindings_new(void);
void bindings_free(struct bindings *bindings);

/* Whether the claim's environment may have the claim's uid and gid. If not, writes the reason to
 * `why`, a buffer of `size` bytes. */
bool bindings_allow(const struct bindings *bindings, const struct binding *claim, char *why,
                    size_t size);

/* Binds ids that bindings_allow has allowed. Does nothing if the environment is bound already. */
void bindings_claim(struct bindings *bindings, const struct binding *claim);

/* Marks the binding of an environment as one that is about to be removed, or takes that mark off.
 * Does nothing if there is none. bindings_is_leaving returns whether there is one with the mark;
 * nothing should begin to use its ids. */
void bindings_set_leaving(struct bindings *bindings, const char *project, const char *environment,
                          bool leaving);
bool bindings_is_leaving(const struct bindings *bindings, const char *project,
                         const char *environment);

/* Removes the binding of an environment, so that any environment may claim its ids. Returns false
 * if there is none. */
bool bindings_forget(struct bindings *bindings, const char *project, const char *environment);

/* Removes each binding that keeps the claim's environment from having the claim's uid and gid: the
 * environment's own, and those of other environments to these ids. */
void bindings_forget_for(struct bindings *bindings, const struct binding *claim);

/* Whether at least one environment of the project has a binding. */
bool bindings_has_project(const struct bindings *bindings, const char *project);

/* bindings_count returns the number of bindings. bindings_walk calls `see` for some of them,
 * beginning at position `from`; its arguments and result are those of table_walk (base/table.h). */
size_t bindings_count(const struct bindings *bindings);
size_t bindings_walk(const struct bindings *bindings, size_t from,
                     bool (*see)(void *arg, const struct binding *binding), void *arg);

/* Whether the stored document of the environment counts for nothing, until the API confirms one:
 * bindings_forget has removed its binding, and bindings_claim has not bound it again since, or its
 * binding is in doubt. */
bool bindings_is_released(const struct bindings *bindings, const char *project,
                          const char *environment);

/* bindings_doubt puts the bindings of the claim's uid and gid in doubt: they stand. bindings_trust
 * takes the doubt from that of an environment, if there is one. */
void bindings_doubt(struct bindings *bindings, const struct binding *claim);
void bindings_trust(struct bindings *bindings, const char *project, const char *environment);

/* Returns when this process last removed the environment's binding or bound the environment again,
 * in milliseconds of cloud_clock_ms(); 0: never. A process that looked the ids up before that time
 * may still use the old ids. */
int64_t bindings_changed_at(const struct bindings *bindings, const char *project,
                            const char *environment);

/* Look up a binding by its environment, its uid or its gid. Return false if there is none. */
bool bindings_by_name(const struct bindings *bindings, const char *project, const char *environment,
                      struct binding *out);
bool bindings_by_uid(const struct bindings *bindings, uint32_t uid, struct binding *out);
bool bindings_by_gid(const struct bindings *bindings, uint32_t gid, struct binding *out);

#endif
