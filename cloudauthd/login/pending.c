/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/pending.h"

#include "base/fatal.h"

#include <stdlib.h>
#include <string.h>

/* What a search compares is in arrays of its own, so that a search touches little memory. */
struct pending {
    struct process monitor[PENDING_MAX];
    uint64_t used[PENDING_MAX]; /* the value of `clock` when the login was added; 0: free */
    struct login login[PENDING_MAX];
    uint64_t clock;
};

struct pending *pending_new(void)
{
    return xcalloc(1, sizeof(struct pending));
}

void pending_free(struct pending *pending)
{
    free(pending);
}

static bool is_same(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* Returns the index of the monitor's login; PENDING_MAX if there is none. */
static size_t find_place(const struct pending *pending, const struct process *monitor)
{
    size_t i = 0;

    while (i < PENDING_MAX && !(is_same(&pending->monitor[i], monitor) && pending->used[i] != 0))
        i++;
    return i;
}

static size_t oldest_place(const struct pending *pending)
{
    size_t oldest = 0;

    for (size_t i = 1; i < PENDING_MAX; i++)
        if (pending->used[i] < pending->used[oldest])
            oldest = i;
    return oldest;
}

struct login *pending_remember(struct pending *pending, const struct process *monitor,
                               const char *account, const struct offered_key *offered)
{
    size_t place = find_place(pending, monitor);
    struct login *login;

    if (strlen(account) >= sizeof login->session.account)
        return NULL;
    if (place == PENDING_MAX)
        place = oldest_place(pending);
    login = &pending->login[place];
    memset(login, 0, sizeof *login);
    strcpy(login->session.account, account);
    login->session.offered = *offered;
    pending->monitor[place] = *monitor;
    pending->used[place] = ++pending->clock;
    return login;
}

struct login *pending_find(struct pending *pending, const struct process *monitor,
                           const char *account)
{
    size_t place = find_place(pending, monitor);

    if (place == PENDING_MAX || strcmp(pending->login[place].session.account, account) != 0)
        return NULL;
    return &pending->login[place];
}
