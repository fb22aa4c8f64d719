/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_BINDINGS_H
#define CLOUD_ACCESS_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bindings of uid and gid to environments: an id belongs to the first environment for which this
 * host saw it. An environment that claims the id of another one, or other ids than its own, is
 * refused, because it would get the files and processes of the environment that had the ids before.
 */

struct bindings;

/* A binding. The table owns the strings of a binding that a function below returns. */
struct binding {
    const char *project, *environment;
    uint32_t uid, gid;
};

/* NULL if out of memory. */
struct bindings *bindings_new(void);
void bindings_free(struct bindings *bindings);

/* Whether the environment may have the uid and gid. False with the reason in why. */
bool bindings_allow(const struct bindings *bindings, const struct binding *claim, char *why,
                    size_t size);

/* Binds ids that bindings_allow has allowed. Does nothing if the environment is bound already.
 * False if out of memory. */
bool bindings_claim(struct bindings *bindings, const struct binding *claim);

/* Removes the binding of an environment, so that any environment may claim its ids. False if there
 * is none. */
bool bindings_forget(struct bindings *bindings, const char *project, const char *environment);

/* Whether ids are bound to an environment of the project. */
bool bindings_has_project(const struct bindings *bindings, const char *project);

/* How many environments have ids, and each of them, as table_walk (base/table.h). */
size_t bindings_count(const struct bindings *bindings);
size_t bindings_walk(const struct bindings *bindings, size_t from,
                     bool (*see)(void *arg, const struct binding *binding), void *arg);

/* Whether bindings_forget has removed the binding of the environment and it has not been bound
 * again since. */
bool bindings_is_released(const struct bindings *bindings, const char *project,
                          const char *environment);

/* When the environment's binding was last removed or bound again in this process, on the clock of
 * cloud_clock_ms(); 0: never. Processes that looked the ids up before that time may use other
 * ids. */
int64_t bindings_changed_at(const struct bindings *bindings, const char *project,
                            const char *environment);

/* Find the binding of an environment, of a uid, and of a gid. False if there is none. */
bool bindings_by_name(const struct bindings *bindings, const char *project, const char *environment,
                      struct binding *out);
bool bindings_by_uid(const struct bindings *bindings, uint32_t uid, struct binding *out);
bool bindings_by_gid(const struct bindings *bindings, uint32_t gid, struct binding *out);

#endif
