/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_BINDINGS_H
#define CLOUD_ACCESS_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whose uid and gid are whose: they belong to the first environment that was seen with them on
 * this host. Another that claims one, or an environment that changes its own, is refused.
 */

struct bindings;

struct binding {
    const char *project, *environment;
    uint32_t uid, gid;
};

/* NULL if memory is out. */
struct bindings *bindings_new(void);
void bindings_free(struct bindings *owners);

/* Whether the environment may have uid and gid. False with the reason in why. */
bool bindings_allow(const struct bindings *owners, const struct binding *claim, char *why,
                    size_t size);

/* Binds them, after bindings_allow; a claim already bound is no error. False if memory is out. */
bool bindings_claim(struct bindings *owners, const struct binding *claim);

/* Takes an environment's binding back: its ids are nobody's then. False if it has none. */
bool bindings_forget(struct bindings *owners, const char *project, const char *environment);

/* cloud_clock_ms() when the environment's ids were taken back last, or were given to it after that:
 * a process that looked them up before may have others. 0: never, as far as this process knows. */
int64_t bindings_moved(const struct bindings *owners, const char *project, const char *environment);

/* What an environment has: false if it was not seen here. The strings are the table's. */
bool bindings_by_name(const struct bindings *owners, const char *project, const char *environment,
                      struct binding *out);

/* Calls each for every environment of the project that was seen on this host, until it returns
 * false. */
void bindings_each(const struct bindings *owners, const char *project,
                   bool (*each)(void *arg, const char *environment), void *arg);

/* Who has that uid or gid: false if nobody was seen with it. The strings are the table's. */
bool bindings_by_uid(const struct bindings *owners, uint32_t uid, struct binding *out);
bool bindings_by_gid(const struct bindings *owners, uint32_t gid, struct binding *out);

#endif
