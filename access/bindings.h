/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_BINDINGS_H
#define CLOUD_ACCESS_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bindings of uid and gid to environments: an id belongs to the first environment that this host
 * saw it with. An environment that claims the id of another one, or changes its own, is refused,
 * because files and processes of the first one would become those of the second.
 */

struct bindings;

/* The strings that a function of this header returns in it belong to the table. */
struct binding {
    const char *project, *environment;
    uint32_t uid, gid;
};

/* NULL if memory is out. */
struct bindings *bindings_new(void);
void bindings_free(struct bindings *bindings);

/* Whether the environment may have the uid and gid. False with the reason in why. */
bool bindings_allow(const struct bindings *bindings, const struct binding *claim, char *why,
                    size_t size);

/* Binds the ids, which bindings_allow has allowed, unless they are bound already. False if memory
 * is out. */
bool bindings_claim(struct bindings *bindings, const struct binding *claim);

/* Removes an environment's binding: any environment may claim its ids then. False if it has none.
 */
bool bindings_forget(struct bindings *bindings, const char *project, const char *environment);

/* Whether bindings_forget removed the environment's binding, and none was claimed since. */
bool bindings_is_released(const struct bindings *bindings, const char *project,
                          const char *environment);

/* cloud_clock_ms() of the environment's last bindings_forget, or of the bindings_claim after it: a
 * process that looked its ids up before may have other ones. 0: neither, in this process. */
int64_t bindings_changed_at(const struct bindings *bindings, const char *project,
                            const char *environment);

/* The binding of an environment, or of a uid or gid. False if there is none. */
bool bindings_by_name(const struct bindings *bindings, const char *project, const char *environment,
                      struct binding *out);
bool bindings_by_uid(const struct bindings *bindings, uint32_t uid, struct binding *out);
bool bindings_by_gid(const struct bindings *bindings, uint32_t gid, struct binding *out);

#endif
