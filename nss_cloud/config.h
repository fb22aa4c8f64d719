/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_CONFIG_H
#define CLOUD_NSS_CLOUD_CONFIG_H

#include "common/conf.h"

#include <stdbool.h>

/* A function that uses the configuration, which is borrowed for the call. */
typedef void config_user(const struct cloud_conf *conf, void *arg);

/*
 * Calls use(conf, arg) with the host's configuration, which is read once per process. While it
 * cannot be read or is invalid, use is not called, the result is false, and the next call tries
 * again.
 *
 * Any thread may call it at any time, also after fork(2) at any instant and from a signal handler:
 * there is no lock that a thread could hold for ever. Does not keep errno. Opens a file, so a
 * thread must not be cancelled in here.
 */
bool config_use(config_user *use, void *arg);

/* The configuration if this process has read it, or NULL. No system call. */
const struct cloud_conf *config_loaded(void);

#endif
