/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_PAM_ALONE_H
#define CLOUD_PAM_ALONE_H

#include "common/conf.h"

#include <stdbool.h>

/*
 * Where the daemon cannot be reached: whether a service that asks for no key (cron, su, sudo) may
 * use the account, by what the daemon last wrote into accounts.snapshot. An environment that is
 * active may be used, of a paused one only its cron jobs; within the bound of an outage. Never to
 * be asked for a login with a key: that is the daemon's alone to decide.
 */
bool alone_grants(const struct cloud_conf *conf, const char *account, const char *service);

#endif
