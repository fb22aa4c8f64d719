/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_HERE_H
#define CLOUD_TESTS_HERE_H

/*
 * Included first (-include) in the unit tests and in those sources of the product that name a file
 * of the host: they use the working directory instead, which is the test's own.
 */

#include <unistd.h>

#define CLOUD_SOCKET_PATH           "cloudauthd.socket"
#define CLOUD_CONF_PATH             "cloudauth.conf"
#define CLOUD_CONF_OWNER            geteuid()
#define CLOUD_SNAPSHOT_PARENT       "."
#define CLOUD_SNAPSHOT_PARENT_OWNER test_here.snapshot_parent_owner()
#define CLOUD_PASSWD_PATH           test_here.passwd
#define CLOUD_GROUP_PATH            test_here.group
#define CLOUD_SUBUID_PATH           "subuid"
#define CLOUD_SUBGID_PATH           "subgid"
#define CLOUD_NSSWITCH_PATH         "nsswitch.conf"
#define CLOUD_NSS_FAULTS_DIR        "faults"
#define CLOUD_PORT_START_PATH       "port_start"
#define NSS_TIMEOUT_MS              test_here.nss_timeout_ms

/* What tests change. */
extern struct test_here {
    const char *passwd, *group;           /* the real files, unless a test says otherwise */
    uid_t (*snapshot_parent_owner)(void); /* geteuid(2) */
    int nss_timeout_ms;                   /* 60,000: a test that waits in vain sets less */
} test_here;

#endif
