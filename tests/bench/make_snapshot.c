/* SPDX-License-Identifier: Apache-2.0 */

/*
 * make_snapshot N FILE: writes an accounts.snapshot of N accounts, as the daemon does: production
 * of the projects bench0000000 to bench<N-1>, with the uids from 200000 on, fresh for a day.
 */
#include "cloudauthd/accounts/snapshot_write.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define UID_FIRST 200000u
#define DAY       86400

static struct cloud_snapshot_record *make(uint32_t i, int64_t now)
{
    char project[32], gecos[64], home[64];
    const struct snapshot_account account = {.project = project,
                                             .environment = "production",
                                             .gecos = gecos,
                                             .home = home,
                                             .shell = "/bin/bash",
                                             .uid = UID_FIRST + i,
                                             .gid = UID_FIRST + i,
                                             .flags = CLOUD_SNAPSHOT_ACTIVE,
                                             .fresh = now + DAY,
                                             .expires = now + DAY};

    snprintf(project, sizeof project, "bench%07u", i);
    snprintf(gecos, sizeof gecos, "%s production", project);
    snprintf(home, sizeof home, "/app/%s", project);
    return snapshot_encode(&account);
}

int main(int argc, char **argv)
{
    struct snapshot_file file = {.created = (int64_t)time(NULL), .state = CLOUD_SNAPSHOT_LIVE};
    struct snapshot_writer writer;
    bool ok;
    int fd;

    file.most = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    if (file.most == 0 || getrandom(&file.seed, sizeof file.seed, 0) < 0) {
        fputs("usage: make_snapshot N FILE\n", stderr);
        return 2;
    }
    fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ok = fd >= 0 && snapshot_start(&writer, fd, &file);
    for (size_t i = 0; ok && i < file.most; i++) {
        struct cloud_snapshot_record *record = make((uint32_t)i, file.created);
        ok = record != NULL && snapshot_add(&writer, record);
        free(record);
    }
    if (fd < 0 || !snapshot_end(&writer, ok) || close(fd) != 0) {
        perror(argv[2]);
        return 1;
    }
    return 0;
}
