/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_SNAPSHOT_H
#define CLOUD_COMMON_SNAPSHOT_H

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * accounts.snapshot: the accounts of this host in one file that every process maps read-only and
 * looks up without a system call, a lock or an allocation (docs/snapshot.md shows it as a picture).
 * The daemon writes it aside, syncs it, renames it over the old one and then marks the old one
 * retired; apart from that one word a published file never changes.
 *
 *   offset  size
 *   0       128   header, struct cloud_snapshot_header
 *   names   8 * buckets   index by project and environment
 *   uids    8 * buckets   index by uid
 *   gids    8 * buckets   index by gid
 *   records size          one record for each environment, each 8-byte aligned
 *
 * Numbers are in the byte order of the host, which the version tells. An index is a hash table with
 * open addressing: a bucket is a record's place (its offset within the records, divided by 8, plus
 * one; 0: empty) in its low half and the hash's high half in its high half. A key stands in the
 * first free bucket from (hash mod buckets) on, at most CLOUD_SNAPSHOT_PROBES further.
 *
 * One record serves every login name of an environment, its applications' and its sFTP name too:
 * the name's grammar, which comes from root's configuration, says what is asked for.
 *
 *   offset  size
 *   0       4     size of the record in bytes, a multiple of 8, at most CLOUD_SNAPSHOT_RECORD_MAX
 *   4       4     flags
 *   8       8     checksum of all of the record but these 8 bytes
 *   16      8     fresh: until then (seconds since 1970) nobody need ask the daemon
 *   24      8     expires: until then it may be used where the daemon cannot be reached
 *   32      4     uid
 *   36      4     gid
 *   40      10    lengths of the first five strings, 2 bytes each, without their NULs
 *   50      ...   strings, each with its NUL: project, environment, gecos, home, shell; then for
 *                 each application its name and its home ("" : the account's); then NULs
 *
 * A reader believes nothing: not the header before its checksum, not an offset without its bounds,
 * not a record before its checksum, of a copy that no writer can change any more, and no field
 * that this host's own configuration would not allow. The checksums guard against disks and bugs;
 * against the file's owner only the bounds do.
 */

#define CLOUD_SNAPSHOT_MAGIC      0x50414e53444c4301u /* "\1CLDSNAP", and the byte order */
#define CLOUD_SNAPSHOT_VERSION    2u
#define CLOUD_SNAPSHOT_PROBES     256u
#define CLOUD_SNAPSHOT_RECORD_MIN 56u
#define CLOUD_SNAPSHOT_STRINGS    5u /* that every record has */
#define CLOUD_SNAPSHOT_RECORD_MAX 2048u
#define CLOUD_SNAPSHOT_BITS_MAX   28u /* of the number of buckets */
#define CLOUD_SNAPSHOT_SLACK      2   /* seconds that a clock may be put back by its keeper */

#ifndef CLOUD_SNAPSHOT_PARENT
#define CLOUD_SNAPSHOT_PARENT "/var/lib"
#endif
#define CLOUD_SNAPSHOT_FOLDER "cloudauth"
#define CLOUD_SNAPSHOT_FILE   "accounts.snapshot"

enum {
    CLOUD_SNAPSHOT_LIVE = 0x4c495645,    /* header.state; anything else is retired */
    CLOUD_SNAPSHOT_RETIRED = 0x52455449, /* a newer file, or the daemon itself, is to be asked */
};

enum {
    CLOUD_SNAPSHOT_ACTIVE = 1,  /* the environment lets people in */
    CLOUD_SNAPSHOT_PAUSED = 2,  /* it is paused: its cron jobs run */
    CLOUD_SNAPSHOT_APPS = 4,    /* the applications are listed: no other exists */
    CLOUD_SNAPSHOT_PARTIAL = 8, /* of applications nothing is known here: the daemon is asked */
};

struct cloud_snapshot_header {
    uint64_t magic;
    uint32_t version;
    uint32_t bits;            /* of the number of buckets of each index */
    uint64_t size;            /* of the file */
    int64_t created, expires; /* seconds since 1970 */
    uint64_t seed;            /* of all hashes and checksums of this file */
    uint64_t names, uids, gids, records, records_size;
    uint64_t accounts; /* how many records there are */
    uint64_t origin;   /* the daemon's: what settings it is of */
    uint64_t reserved;
    uint64_t checksum; /* of all that stands before it */
    uint32_t state;    /* atomic; the one word that changes after the file is published */
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

/* A mapped file: the header's fields as they were when it was checked. */
struct cloud_snapshot {
    const unsigned char *map;
    size_t size;
    struct cloud_snapshot_header header;
};

/* One account, copied out of the map; the strings point into bytes. */
struct cloud_snapshot_account {
    uint32_t flags, uid, gid;
    int64_t fresh, expires;
    const char *project, *environment, *gecos, *home, *shell;
    const char *apps, *end; /* pairs of strings: name and home */
    union {
        struct cloud_snapshot_record record;
        char bytes[CLOUD_SNAPSHOT_RECORD_MAX];
    };
};

/* The hash of an environment and of an id, and the checksum of n bytes, all of one file's seed. */
uint64_t cloud_snapshot_hash_name(uint64_t seed, const char *project, const char *environment);
uint64_t cloud_snapshot_hash_id(uint64_t seed, uint32_t id);
uint64_t cloud_snapshot_checksum(uint64_t seed, const void *bytes, size_t n);
uint64_t cloud_snapshot_record_checksum(uint64_t seed, const struct cloud_snapshot_record *record);

/*
 * Looks at the header of a mapped file of size bytes. False, with *out untouched, if it is not
 * whole, not of this version, or its own description does not fit its size.
 */
bool cloud_snapshot_open(const void *map, size_t size, struct cloud_snapshot *out);

/* Whether the file may be believed at that time (seconds since 1970): neither expired nor from the
 * future. */
bool cloud_snapshot_current(const struct cloud_snapshot *snapshot, int64_t now);

/* Whether the daemon has taken the file back. One atomic load. */
bool cloud_snapshot_retired(const struct cloud_snapshot *snapshot);

/*
 * Find a record and copy it into *out, of which only what is found is written. False if it is not
 * there or damaged. No system call, no allocation, a bounded number of steps.
 */
bool cloud_snapshot_by_name(const struct cloud_snapshot *snapshot, const char *project,
                            const char *environment, struct cloud_snapshot_account *out);
bool cloud_snapshot_by_uid(const struct cloud_snapshot *snapshot, uint32_t uid,
                           struct cloud_snapshot_account *out);
bool cloud_snapshot_by_gid(const struct cloud_snapshot *snapshot, uint32_t gid,
                           struct cloud_snapshot_account *out);

/*
 * The record at *at, an offset within the records that starts with 0, which moves on to the next.
 * False at the end, or where the records cannot be told apart any more; damaged ones are left out.
 */
bool cloud_snapshot_next(const struct cloud_snapshot *snapshot, uint64_t *at,
                         struct cloud_snapshot_account *out);

/*
 * The home that the account has under a name of its environment. False if the record cannot tell
 * (the daemon can): an application that it does not list.
 */
bool cloud_snapshot_home(const struct cloud_snapshot_account *account,
                         const struct cloud_name *name, const char **home);

/*
 * Opens and maps CLOUD_SNAPSHOT_PARENT/FOLDER/FILE. It must be a regular file of its folder's
 * owner, which nobody else can write, in a folder that nobody else can write, in a root-owned
 * parent; no symbolic links. False, with nothing left open, if it is not or its header is wrong;
 * errno is then ENOENT where this process sees no such file, as after chroot(2), and only there.
 * A later call of cloud_snapshot_unmap gives the map back. No descriptor is kept.
 */
bool cloud_snapshot_map(struct cloud_snapshot *out);
void cloud_snapshot_unmap(struct cloud_snapshot *snapshot);

#endif
