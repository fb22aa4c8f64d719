/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/config.h"

#include <stdatomic.h>
#include <sys/mman.h>

/* The owner that the file must have. The unit tests run as any user and define another. */
#ifndef CLOUD_CONF_OWNER
#define CLOUD_CONF_OWNER 0
#endif

enum { EMPTY, BEING_WRITTEN, READY };

static struct cloud_conf shared;
static atomic_int state = EMPTY;

/*
 * Reads a copy for this call, while another thread fills the shared one. If a fork comes in
 * between, the shared one stays BEING_WRITTEN in the child, and each of its lookups reads the file.
 * The copy gets pages of its own: a thread may have no more than 16 KiB of stack, and in such a
 * child malloc's lock may be held for ever.
 */
static bool use_own_copy(config_user *use, void *arg)
{
    struct cloud_conf *own =
        mmap(NULL, sizeof *own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct cloud_conf_error error;
    bool ok;

    if (own == MAP_FAILED)
        return false;
    ok = cloud_conf_read(own, CLOUD_CONF_PATH, CLOUD_CONF_OWNER, &error);
    if (ok)
        use(own, arg);
    munmap(own, sizeof *own);
    return ok;
}

const struct cloud_conf *config_loaded(void)
{
    return atomic_load_explicit(&state, memory_order_acquire) == READY ? &shared : NULL;
}

bool config_use(config_user *use, void *arg)
{
    int seen = atomic_load_explicit(&state, memory_order_acquire);

    if (seen == EMPTY &&
        atomic_compare_exchange_strong_explicit(&state, &seen, BEING_WRITTEN, memory_order_acquire,
                                                memory_order_acquire)) {
        struct cloud_conf_error error;
        bool ok = cloud_conf_read(&shared, CLOUD_CONF_PATH, CLOUD_CONF_OWNER, &error);
        seen = ok ? READY : EMPTY;
        atomic_store_explicit(&state, seen, memory_order_release);
        if (!ok)
            return false;
    }
    if (seen != READY)
        return use_own_copy(use, arg);
    use(&shared, arg);
    return true;
}
