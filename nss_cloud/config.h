/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_CONFIG_H
#define CLOUD_NSS_CLOUD_CONFIG_H

#include "common/conf.h"

#include <stdbool.h>

/* What a lookup does with the configuration, which is only borrowed for the call. */
typedef void config_user(const struct cloud_conf *conf, void *arg);

/*
 * Calls use(conf, arg) with the host's configuration. It is read once per process; while it cannot
 * be read or is invalid, use is not called, the result is false, and the next call tries again.
 *
 * Any thread may call it at any time, also after a fork at any instant and from a signal handler:
 * there is no lock, so nobody can wait for one whose holder is gone. Does not keep errno. Opens a
 * file: not a safe place for thread cancellation.
 */
bool config_use(config_user *use, void *arg);

/* The configuration if this process has read it, else NULL. No system call. */
const struct cloud_conf *config_seen(void);

#endif
