/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_OWNERS_H
#define CLOUD_BROKER_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whose uid and gid are whose: they belong to the first environment that was seen with them on
 * this host. Another that claims one, or an environment that changes its own, is refused.
 */

struct owners;

struct owner {
    const char *project, *environment;
    uint32_t uid, gid;
};

/* NULL if memory is out. */
struct owners *owners_new(void);
void owners_free(struct owners *owners);

/* Whether the environment may have uid and gid. False with the reason in why. */
bool owners_allow(const struct owners *owners, const struct owner *claim, char *why, size_t size);

/* Binds them, after owners_allow; a claim already bound is no error. False if memory is out. */
bool owners_claim(struct owners *owners, const struct owner *claim);

/* Takes an environment's binding back: its ids are nobody's then. False if it has none. */
bool owners_forget(struct owners *owners, const char *project, const char *environment);

/* An environment's name has answered with ids that are not its own: owners_moved tells from when on
 * it does not. False if memory is out. */
bool owners_move(struct owners *owners, const char *project, const char *environment);

/* loop_now() when the environment's ids were taken back last, or were given to it after that, or
 * of owners_move: a process that looked them up before may have others. 0: never, as far as this
 * process knows. */
int64_t owners_moved(const struct owners *owners, const char *project, const char *environment);

/* What an environment has: false if it was not seen here. The strings are the table's. */
bool owners_by_name(const struct owners *owners, const char *project, const char *environment,
                    struct owner *out);

/* Calls each for every environment of the project that was seen on this host, until it returns
 * false. */
void owners_each(const struct owners *owners, const char *project,
                 bool (*each)(void *arg, const char *environment), void *arg);

/* Who has that uid or gid: false if nobody was seen with it. The strings are the table's. */
bool owners_by_uid(const struct owners *owners, uint32_t uid, struct owner *out);
bool owners_by_gid(const struct owners *owners, uint32_t gid, struct owner *out);

#endif
