/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_PAM_ALONE_H
#define CLOUD_PAM_ALONE_H

#include "common/conf.h"

#include <stdbool.h>

/*
 * Whether a service that asks for no key (cron, su, sudo) may use the account while the daemon
 * cannot be reached, as far as accounts.snapshot tells: any service if the environment is active,
 * and cron if it is paused, until the record expires. Not to be called for a login with a key,
 * which only the daemon may grant.
 */
bool alone_grants(const struct cloud_conf *conf, const char *account, const char *service);

#endif
