/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_FUZZ_SNAPSHOT_FILE_H
#define CLOUD_TESTS_FUZZ_SNAPSHOT_FILE_H

/*
 * An accounts.snapshot from an input of the targets `snapshot` and `lookups`, against a page that
 * cannot be read. The first byte says whether the header's and the records' checksums are made
 * right, and the buckets of names fit for a name, so that what lies behind them is reached; the
 * rest is the file.
 */
#include "base/process.h"
#include "common/snapshot.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

#define SPACE 65536u

/* What is made right, and from which bits on the number of a wanted name stands. */
enum { FIX_HEADER = 1, FIX_RECORDS = 2, FIX_NAMES = 4, FIX_NAME = 8 };

/* The file's place ends where a guard page begins. */
static inline unsigned char *place(void)
{
    static unsigned char *map;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (map != NULL)
        return map;
    map = mmap(NULL, SPACE + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + SPACE, page, PROT_NONE) != 0)
        abort();
    return map;
}

static inline uint64_t this_boot(void)
{
    char id[PROCESS_BOOT_SIZE];

    require(process_boot(id));
    return cloud_snapshot_boot(id);
}

/* A boot or state of 0 is turned into this boot, and the state of a live file. */
static inline void fix_header(unsigned char *file, size_t size)
{
    static uint64_t boot;
    struct cloud_snapshot_header header;

    if (size < sizeof header)
        return;
    if (boot == 0)
        boot = this_boot();
    memcpy(&header, file, sizeof header);
    header.magic = CLOUD_SNAPSHOT_MAGIC;
    header.version = CLOUD_SNAPSHOT_VERSION;
    header.size = size;
    header.boot ^= boot;
    header.state ^= CLOUD_SNAPSHOT_LIVE;
    header.checksum = cloud_snapshot_checksum(header.seed, &header,
                                              offsetof(struct cloud_snapshot_header, checksum));
    memcpy(file, &header, sizeof header);
}

static inline void fix_records(unsigned char *file, const struct cloud_snapshot *snapshot)
{
    uint64_t at = snapshot->header.records, end = at + snapshot->header.records_size;
    union {
        struct cloud_snapshot_record record;
        char bytes[CLOUD_SNAPSHOT_RECORD_MAX];
    } copy;
    uint32_t size;

    while (end - at >= CLOUD_SNAPSHOT_RECORD_MIN) {
        memcpy(&size, file + at, sizeof size);
        if (size < CLOUD_SNAPSHOT_RECORD_MIN || size > CLOUD_SNAPSHOT_RECORD_MAX || size % 8 != 0 ||
            size > end - at)
            return;
        memcpy(copy.bytes, file + at, size);
        copy.record.checksum = cloud_snapshot_record_checksum(snapshot->header.seed, &copy.record);
        memcpy(file + at, copy.bytes, size);
        at += size;
    }
}

static const char *const wanted[][2] = {
    {"bench0000001", "production"}, {"abcde", "pr-1-abcdefg"}, {"", ""}, {"abcdefgh", "staging"}};

enum { WANTED = sizeof wanted / sizeof wanted[0] };

/* Gives each bucket of names that is not empty the hash of the n-th wanted name. */
static inline void fix_names(unsigned char *file, const struct cloud_snapshot *snapshot, unsigned n)
{
    uint64_t hash = cloud_snapshot_hash_name(snapshot->header.seed, wanted[n][0], wanted[n][1]);

    for (uint64_t i = 0; i >> snapshot->header.bits == 0; i++) {
        unsigned char *bucket = file + snapshot->header.names + i * sizeof hash;
        uint64_t value;
        memcpy(&value, bucket, sizeof value);
        if ((value & UINT32_MAX) != 0)
            value = (hash & ~(uint64_t)UINT32_MAX) | (value & UINT32_MAX);
        memcpy(bucket, &value, sizeof value);
    }
}

/* Places the file of an input, of at most 1 + SPACE bytes, and opens it. Returns NULL if it is
 * none.
 */
static inline unsigned char *open_placed(const uint8_t *data, size_t size,
                                         struct cloud_snapshot *snapshot)
{
    unsigned char *file;
    uint8_t fix;

    if (size < 1 || size - 1 > SPACE)
        return NULL;
    fix = *data++;
    size--;
    file = place() + SPACE - size;
    memcpy(file, data, size);
    if ((fix & FIX_HEADER) != 0)
        fix_header(file, size);
    if (!cloud_snapshot_open(file, size, snapshot))
        return NULL;
    if ((fix & FIX_RECORDS) != 0)
        fix_records(file, snapshot);
    if ((fix & FIX_NAMES) != 0)
        fix_names(file, snapshot, fix / FIX_NAME % WANTED);
    return file;
}

#endif
