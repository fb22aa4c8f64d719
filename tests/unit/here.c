/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/here.h"

struct test_here test_here = {.passwd = "/etc/passwd",
                              .group = "/etc/group",
                              .snapshot_parent_owner = geteuid,
                              .nss_timeout_ms = 60000};
