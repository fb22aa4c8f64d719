/* SPDX-License-Identifier: Apache-2.0 */

/*
 * accounts.snapshot as a hostile owner could leave it (snapshot_file.h). A hundred lookups that
 * take more than SLOW_NS of the processor's time, each time they are tried, are a hang.
 */
#include "tests/fuzz/snapshot_file.h"

#include <time.h>

#define SLOW_NS 10000000
#define TRIES   3 /* the machine may have been slow, not the lookup */

static volatile size_t sum; /* so that nothing is left out */

/* Reads all that a lookup would hand on. */
static void use(const struct cloud_snapshot_account *account)
{
    static const char *const apps[] = {"", "mymagento", "other"};
    struct cloud_name name = {.app = ""};
    size_t length = strlen(account->project) + strlen(account->environment) +
                    strlen(account->gecos) + strlen(account->home) + strlen(account->shell);
    const char *home;

    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++) {
        strcpy(name.app, apps[i]);
        if (cloud_snapshot_home(account, &name, &home))
            length += strlen(home);
    }
    sum += length;
}

static void look_up(const struct cloud_snapshot *snapshot)
{
    struct cloud_snapshot_account account;
    uint64_t at = 0;

    for (uint32_t id = 200000; id < 200004; id++) {
        if (cloud_snapshot_by_uid(snapshot, id, &account))
            use(&account);
        if (cloud_snapshot_by_gid(snapshot, id, &account))
            use(&account);
    }
    for (size_t i = 0; i < WANTED; i++)
        if (cloud_snapshot_by_name(snapshot, wanted[i][0], wanted[i][1], &account)) {
            require(strcmp(account.project, wanted[i][0]) == 0);
            use(&account);
        }
    for (int i = 0; i < 100 && cloud_snapshot_next(snapshot, &at, &account); i++)
        use(&account);
    (void)cloud_snapshot_current(snapshot, 1800000000);
}

static int64_t processor_time(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        abort();
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look_up_in_time(const struct cloud_snapshot *snapshot)
{
    for (int i = 0; i < TRIES; i++) {
        int64_t began = processor_time();
        look_up(snapshot);
        if (processor_time() - began <= SLOW_NS)
            return;
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cloud_snapshot snapshot;
    const unsigned char *file = open_placed(data, size, &snapshot);

    if (file == NULL)
        return 0;
    if (((uintptr_t)file + offsetof(struct cloud_snapshot_header, state)) % 4 == 0)
        (void)cloud_snapshot_retired(&snapshot);
    look_up_in_time(&snapshot);
    return 0;
}
