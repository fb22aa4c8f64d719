/* SPDX-License-Identifier: Apache-2.0 */

/*
 * resign_snapshot FILE OFFSET NUMBER: puts an 8-byte number into the header of an accounts.snapshot
 * and makes its checksum right again, as only the file's owner could.
 */
#include "common/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct cloud_snapshot_header header;
    size_t at = argc == 4 ? strtoul(argv[2], NULL, 10) : sizeof header;
    int64_t number = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;
    int fd = argc == 4 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

    if (at > sizeof header - sizeof number ||
        pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header) {
        fputs("usage: resign_snapshot FILE OFFSET NUMBER\n", stderr);
        return 2;
    }
    memcpy((char *)&header + at, &number, sizeof number);
    header.checksum = cloud_snapshot_checksum(header.seed, &header,
                                              offsetof(struct cloud_snapshot_header, checksum));
    return pwrite(fd, &header, sizeof header, 0) == (ssize_t)sizeof header ? 0 : 1;
}
