/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_SNAPSHOT_H
#define CLOUD_COMMON_SNAPSHOT_H

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * accounts.snapshot: a file with the accounts of this host. Every process maps it read-only and
 * looks accounts up in it without a system call, a lock or an allocation (docs/snapshot.md has a
 * picture). The daemon writes a new file, syncs it, exchanges it with the old one and then marks
 * the old one as retired. Only two things ever change in a published file: the word that marks it
 * as retired, and the checksum of a record that the daemon withdraws, which it makes invalid.
 *
 *   offset  size
 *   0       128   header, struct cloud_snapshot_header
 *   names   8 * buckets   index by project and environment
 *   uids    8 * buckets   index by uid
 *   gids    8 * buckets   index by gid
 *   records size          one record for each environment, each 8-byte aligned
 *
 * Numbers are in the byte order of the host, which the magic shows. An index is a hash table with
 * open addressing. The low half of a bucket is the position of a record (its offset within the
 * records, divided by 8, plus 1; 0: the bucket is empty), the high half is the high half of the
 * hash. A record is in the first bucket, from (hash mod buckets) on, that was free when it was
 * added; the writer tries at most CLOUD_SNAPSHOT_PROBES buckets.
 *
 * One record serves all login names of an environment, those of its applications and sFTP included:
 * the grammar of names, which comes from root's configuration, maps a name to its environment.
 *
 *   offset  size
 *   0       4     size of the record in bytes, a multiple of 8, at most CLOUD_SNAPSHOT_RECORD_MAX
 *   4       4     flags
 *   8       8     checksum of the record without these 8 bytes
 *   16      8     fresh: time (seconds since 1970) until which no process needs to ask the daemon
 *   24      8     expires: time until which services that ask for no key (cron, su) may use the
 *                 account while the daemon cannot be reached; lookups have no such limit
 *   32      4     uid
 *   36      4     gid
 *   40      10    lengths of the first five strings, 2 bytes each, without their NULs
 *   50      ...   strings, each with its NUL: project, environment, gecos, home, shell; then for
 *                 each application its name and its home ("": the account's); then NULs
 *
 * A reader trusts nothing: it verifies the header's checksum, the bounds of every offset and the
 * checksum of each record, in a copy that no writer can change; and that this host's configuration
 * allows the values. The checksums protect against faulty disks and bugs. Against a malicious owner
 * of the file only the other checks do.
 */

#define CLOUD_SNAPSHOT_MAGIC      0x50414e53444c4301u /* "\1CLDSNAP" on a little-endian host */
#define CLOUD_SNAPSHOT_VERSION    2u
#define CLOUD_SNAPSHOT_PROBES     256u
#define CLOUD_SNAPSHOT_RECORD_MIN 56u
#define CLOUD_SNAPSHOT_STRINGS    5u /* strings that every record has */
#define CLOUD_SNAPSHOT_RECORD_MAX 2048u
#define CLOUD_SNAPSHOT_BITS_MAX   28u /* the greatest header.bits: 2^28 buckets in each index */
#define CLOUD_SNAPSHOT_SLACK      2   /* seconds by which NTP may step the clock back */

#ifndef CLOUD_SNAPSHOT_PARENT
#define CLOUD_SNAPSHOT_PARENT "/var/lib"
#endif
#define CLOUD_SNAPSHOT_DIRECTORY "cloudauth"
#define CLOUD_SNAPSHOT_FILE      "accounts.snapshot"

enum {
    CLOUD_SNAPSHOT_LIVE = 0x4c495645,    /* header.state; any other value means retired */
    CLOUD_SNAPSHOT_RETIRED = 0x52455449, /* processes map the newer file, or ask the daemon */
};

enum {
    CLOUD_SNAPSHOT_ACTIVE = 1,  /* the environment is active */
    CLOUD_SNAPSHOT_PAUSED = 2,  /* the environment is paused: only its cron jobs run */
    CLOUD_SNAPSHOT_APPS = 4,    /* the record lists all applications; if not set, any is accepted */
    CLOUD_SNAPSHOT_PARTIAL = 8, /* the list is cut off: ask the daemon about applications */
};

struct cloud_snapshot_header {
    uint64_t magic;
    uint32_t version;
    uint32_t bits;   /* each index has 2^bits buckets */
    uint64_t size;   /* size of the file, in bytes */
    int64_t created; /* when the file was written, in seconds since 1970 */
    uint64_t unused; /* version 0.1.0 reads the file's expiry here */
    uint64_t seed;   /* seed of all hashes and checksums in this file */
    uint64_t names, uids, gids, records, records_size;
    uint64_t accounts; /* the number of records */
    uint64_t origin;   /* hash of the daemon's settings on which the records depend */
    uint64_t boot; /* hash of the id of the boot in which the file was written; lowest bit: the file
                      has the accounts of all stored documents */
    uint64_t checksum; /* checksum of all members above */
    uint32_t state;    /* atomic; the only member that changes after the file is published */
    uint32_t zero;
};

_Static_assert(sizeof(struct cloud_snapshot_header) == 128, "the header's layout");

struct cloud_snapshot_record {
    uint32_t size, flags;
    uint64_t checksum;
    int64_t fresh, expires;
    uint32_t uid, gid;
    uint16_t length[CLOUD_SNAPSHOT_STRINGS];
    char strings[];
};

_Static_assert(offsetof(struct cloud_snapshot_record, strings) == 50, "the record's layout");

/* A mapped file, with a verified copy of its header. */
struct cloud_snapshot {
    const unsigned char *map;
    size_t size;
    struct cloud_snapshot_header header;
};

/* A copy of one record. The strings point into `bytes`, so this struct must not be copied. */
struct cloud_snapshot_account {
    uint64_t offset; /* offset of the record within the records */
    const char *project, *environment, *gecos, *home, *shell;
    const char *apps, *end; /* from apps to end: the name and home of each application */
    union {
        struct cloud_snapshot_record record;
        char bytes[CLOUD_SNAPSHOT_RECORD_MAX];
    };
};

/* Hashes and checksums, each with the seed of the file: the hash of an environment's names, the
 * hash of a uid or gid, the checksum of n bytes, and the checksum of a record. */
uint64_t cloud_snapshot_hash_name(uint64_t seed, const char *project, const char *environment);
uint64_t cloud_snapshot_hash_id(uint64_t seed, uint32_t id);
uint64_t cloud_snapshot_checksum(uint64_t seed, const void *bytes, size_t n);
uint64_t cloud_snapshot_record_checksum(uint64_t seed, const struct cloud_snapshot_record *record);

/* Returns the hash of a boot id (/proc/sys/kernel/random/boot_id, without its newline), as it is in
 * the bits CLOUD_SNAPSHOT_BOOT of header.boot. */
#define CLOUD_SNAPSHOT_BOOT (~UINT64_C(1))
uint64_t cloud_snapshot_boot(const char *id);

/* Verifies the header of a mapped file of size bytes. False, with *out untouched, if the header is
 * damaged or of another version, or describes a part that is not within the file. */
bool cloud_snapshot_open(const void *map, size_t size, struct cloud_snapshot *out);

/* Whether the file was written before `now` (seconds since 1970; up to CLOUD_SNAPSHOT_SLACK later
 * is accepted). After the clock was set back, the records of a file from the future would be used
 * for too long. */
bool cloud_snapshot_current(const struct cloud_snapshot *snapshot, int64_t now);

/* Whether the daemon has retired the file. Costs one atomic load. */
bool cloud_snapshot_retired(const struct cloud_snapshot *snapshot);

/* Find a record and copy it to *out, of which only as many bytes as the record has are written.
 * False if there is no such record, or it is damaged. No system call, no allocation, a bounded
 * number of steps. */
bool cloud_snapshot_by_name(const struct cloud_snapshot *snapshot, const char *project,
                            const char *environment, struct cloud_snapshot_account *out);
bool cloud_snapshot_by_uid(const struct cloud_snapshot *snapshot, uint32_t uid,
                           struct cloud_snapshot_account *out);
bool cloud_snapshot_by_gid(const struct cloud_snapshot *snapshot, uint32_t gid,
                           struct cloud_snapshot_account *out);

/* Copies the next record that is not damaged to *out. *at is 0 in the first call; each call moves
 * it on. False at the end. */
bool cloud_snapshot_next(const struct cloud_snapshot *snapshot, uint64_t *at,
                         struct cloud_snapshot_account *out);

/* Finds the home that the account has under a login name of its environment. False, with *home
 * undefined, if the record's list of applications is incomplete or lacks the application of the
 * name; the daemon must then be asked. */
bool cloud_snapshot_home(const struct cloud_snapshot_account *account,
                         const struct cloud_name *name, const char **home);

/*
 * Maps CLOUD_SNAPSHOT_PARENT/DIRECTORY/FILE without following symbolic links. The file must be a
 * regular file and belong to the owner of the directory; no other user may have write permission on
 * either, and root must own the parent. False with errno, with nothing left open or mapped, if this
 * does not hold or the header is not valid. errno is ENOENT if this process does not see the file,
 * for example after chroot(2). Keeps no descriptor. cloud_snapshot_unmap unmaps the file.
 */
bool cloud_snapshot_map(struct cloud_snapshot *out);
void cloud_snapshot_unmap(struct cloud_snapshot *snapshot);

#endif
