/* SPDX-License-Identifier: Apache-2.0 */

/*
 * accounts.snapshot as a hostile owner could leave it, against a page that cannot be read. The
 * first byte of an input says whether the header's and the records' checksums are made right, and
 * the buckets of names fit for a name, so that what lies behind them is reached; the rest is the
 * file. A hundred lookups that take more
 * than SLOW_NS of the processor's time, each time they are tried, are a hang.
 */
#include "common/snapshot.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SPACE   65536u
#define SLOW_NS 10000000
#define TRIES   3 /* the machine may have been slow, not the lookup */

enum { FIX_HEADER = 1, FIX_RECORDS = 2, FIX_NAMES = 4 };

/* The file's place ends where a guard page begins. */
static unsigned char *place(void)
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

static void fix_header(unsigned char *file, size_t size)
{
    struct cloud_snapshot_header header;

    if (size < sizeof header)
        return;
    memcpy(&header, file, sizeof header);
    header.magic = CLOUD_SNAPSHOT_MAGIC;
    header.version = CLOUD_SNAPSHOT_VERSION;
    header.size = size;
    header.checksum = cloud_snapshot_checksum(header.seed, &header,
                                              offsetof(struct cloud_snapshot_header, checksum));
    memcpy(file, &header, sizeof header);
}

static void fix_records(unsigned char *file, const struct cloud_snapshot *snapshot)
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
static void fix_names(unsigned char *file, const struct cloud_snapshot *snapshot, unsigned n)
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

static volatile size_t sum; /* so that nothing is left out */

/* Reads all that a lookup would hand on. */
static void use(const struct cloud_snapshot_account *account)
{
    static const char *const apps[] = {"", "mymagento", "other"};
    struct cloud_name name = {.app = ""};
    size_t length = strlen(account->project) + strlen(account->environment) +
                    strlen(account->gecos) + strlen(account->home) + strlen(account->shell);
    const char *home;

    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++) {
        strcpy(name.app, apps[i]);
        if (cloud_snapshot_home(account, &name, &home))
            length += strlen(home);
    }
    sum += length;
}

static void look_up(const struct cloud_snapshot *snapshot)
{
    struct cloud_snapshot_account account;
    uint64_t at = 0;

    for (uint32_t id = 200000; id < 200004; id++) {
        if (cloud_snapshot_by_uid(snapshot, id, &account))
            use(&account);
        if (cloud_snapshot_by_gid(snapshot, id, &account))
            use(&account);
    }
    for (size_t i = 0; i < WANTED; i++)
        if (cloud_snapshot_by_name(snapshot, wanted[i][0], wanted[i][1], &account)) {
            require(strcmp(account.project, wanted[i][0]) == 0);
            use(&account);
        }
    for (int i = 0; i < 100 && cloud_snapshot_next(snapshot, &at, &account); i++)
        use(&account);
    (void)cloud_snapshot_current(snapshot, 1800000000);
}

static int64_t processor_time(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        abort();
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look_up_in_time(const struct cloud_snapshot *snapshot)
{
    for (int i = 0; i < TRIES; i++) {
        int64_t began = processor_time();
        look_up(snapshot);
        if (processor_time() - began <= SLOW_NS)
            return;
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cloud_snapshot snapshot;
    unsigned char *file;
    uint8_t fix;

    if (size < 1 || size - 1 > SPACE)
        return 0;
    fix = *data++;
    size--;
    file = place() + SPACE - size;
    memcpy(file, data, size);
    if ((fix & FIX_HEADER) != 0)
        fix_header(file, size);
    if (!cloud_snapshot_open(file, size, &snapshot))
        return 0;
    if ((fix & FIX_RECORDS) != 0)
        fix_records(file, &snapshot);
    if ((fix & FIX_NAMES) != 0)
        fix_names(file, &snapshot, fix / 8 % WANTED);
    if (((uintptr_t)file + offsetof(struct cloud_snapshot_header, state)) % 4 == 0)
        (void)cloud_snapshot_retired(&snapshot);
    look_up_in_time(&snapshot);
    return 0;
}
