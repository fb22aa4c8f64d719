/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/pending.h"

#include <stdlib.h>
#include <string.h>

/* The processes and the ages stand apart from the rest, so that a search walks little memory. */
struct pending {
    struct process monitor[LOGINS_MAX];
    uint64_t used[LOGINS_MAX]; /* order of use; 0: free */
    struct login login[LOGINS_MAX];
    uint64_t clock;
};

struct pending *pending_new(void)
{
    return calloc(1, sizeof(struct pending));
}

void pending_free(struct pending *logins)
{
    free(logins);
}

static bool is_same(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* The monitor's place, or LOGINS_MAX. */
static size_t find_place(const struct pending *logins, const struct process *monitor)
{
    size_t i = 0;

    while (i < LOGINS_MAX && !(is_same(&logins->monitor[i], monitor) && logins->used[i] != 0))
        i++;
    return i;
}

static size_t oldest_place(const struct pending *logins)
{
    size_t oldest = 0;

    for (size_t i = 1; i < LOGINS_MAX; i++)
        if (logins->used[i] < logins->used[oldest])
            oldest = i;
    return oldest;
}

struct login *pending_remember(struct pending *logins, const struct process *monitor,
                               const char *account,
                               const unsigned char fingerprint[KEY_FINGERPRINT_SIZE])
{
    size_t place = find_place(logins, monitor);
    struct login *login;

    if (strlen(account) >= sizeof login->account)
        return NULL;
    if (place == LOGINS_MAX)
        place = oldest_place(logins);
    login = &logins->login[place];
    memset(login, 0, sizeof *login);
    strcpy(login->account, account);
    memcpy(login->fingerprint, fingerprint, KEY_FINGERPRINT_SIZE);
    logins->monitor[place] = *monitor;
    logins->used[place] = ++logins->clock;
    return login;
}

struct login *pending_find(struct pending *logins, const struct process *monitor,
                           const char *account)
{
    size_t place = find_place(logins, monitor);

    if (place == LOGINS_MAX || strcmp(logins->login[place].account, account) != 0)
        return NULL;
    return &logins->login[place];
}
