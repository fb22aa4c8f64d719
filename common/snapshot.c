/* SPDX-License-Identifier: Apache-2.0 */
#include "common/snapshot.h"

#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The required owner of the parent directory. Unit tests, which run as any user, set another. */
#ifndef CLOUD_SNAPSHOT_PARENT_OWNER
#define CLOUD_SNAPSHOT_PARENT_OWNER 0
#endif

#define BUCKET       8u /* size of a bucket, in bytes */
#define COVERED_FROM offsetof(struct cloud_snapshot_record, fresh)

/* ---- Hashes ---- */

#define MULTIPLIER UINT64_C(0x9fb21c651e98df25)
#define KEY_STEP   (MULTIPLIER - 1) /* even, so that an odd key stays odd */

/* Mixes a word into a hash. The multiplication spreads low bits upwards and the shift spreads high
 * bits downwards, so that after two rounds every bit of the word affects every bit of the hash. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * MULTIPLIER;
    return hash ^ (hash >> 32);
}

static uint64_t load(const void *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Loads one to seven bytes. Two loads that may overlap are faster than a loop or memcpy(3). */
static uint64_t load_tail(const void *start, size_t n)
{
    const unsigned char *bytes = start;
    uint32_t head, tail;

    if (n >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
        memcpy(&tail, bytes + n - sizeof tail, sizeof tail);
        return ((uint64_t)tail << 32) | head;
    }
    return ((uint64_t)bytes[n / 2] << 16) | ((uint64_t)bytes[n - 1] << 8) | bytes[0];
}

/* Returns the sum of the words, each multiplied by an odd key of its own: no multiplication has to
 * wait for another, and a change of any single word changes the sum. */
static uint64_t weigh(uint64_t seed, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t key = seed | 1, sum = n;

    for (; n >= 8; at += 8, n -= 8, key += KEY_STEP)
        sum += load(at) * key;
    return n == 0 ? sum : sum + load_tail(at, n) * key;
}

uint64_t cloud_snapshot_checksum(uint64_t seed, const void *bytes, size_t n)
{
    return mix(mix(weigh(seed, bytes, n), seed), n);
}

static uint64_t hash_name(uint64_t seed, const char *project, size_t project_n,
                          const char *environment, size_t environment_n)
{
    return mix(mix(weigh(seed, project, project_n), seed),
               weigh(~seed, environment, environment_n));
}

uint64_t cloud_snapshot_hash_name(uint64_t seed, const char *project, const char *environment)
{
    return hash_name(seed, project, strlen(project), environment, strlen(environment));
}

uint64_t cloud_snapshot_hash_id(uint64_t seed, uint32_t id)
{
    return mix(mix(seed, id), seed);
}

/* The seed of a record's checksum. The seed includes size and flags, so the checksum covers them,
 * too, although they precede it in the record. */
static uint64_t record_seed(uint64_t seed, uint32_t size, uint32_t flags)
{
    return seed ^ (((uint64_t)flags << 32) | size);
}

uint64_t cloud_snapshot_record_checksum(uint64_t seed, const struct cloud_snapshot_record *record)
{
    return cloud_snapshot_checksum(record_seed(seed, record->size, record->flags),
                                   (const char *)record + COVERED_FROM,
                                   record->size - COVERED_FROM);
}

uint64_t cloud_snapshot_boot(const char *id)
{
    return cloud_snapshot_checksum(0, id, strlen(id)) & CLOUD_SNAPSHOT_BOOT;
}

/* ---- The file as a whole ---- */

/* Whether a part of n bytes at offset is aligned and lies within the file, behind the header.
 * `size` is that of the file. */
static bool within(uint64_t offset, uint64_t n, uint64_t size)
{
    return offset % 8 == 0 && offset >= sizeof(struct cloud_snapshot_header) && offset <= size &&
           n <= size - offset;
}

bool cloud_snapshot_open(const void *map, size_t size, struct cloud_snapshot *out)
{
    struct cloud_snapshot_header header;
    uint64_t index;

    if (size < sizeof header)
        return false;
    memcpy(&header, map, sizeof header);
    if (header.magic != CLOUD_SNAPSHOT_MAGIC || header.version != CLOUD_SNAPSHOT_VERSION ||
        header.checksum !=
            cloud_snapshot_checksum(header.seed, &header,
                                    offsetof(struct cloud_snapshot_header, checksum)))
        return false;
    if (header.size != size || header.bits > CLOUD_SNAPSHOT_BITS_MAX)
        return false;
    index = (uint64_t)BUCKET << header.bits;
    if (!within(header.names, index, size) || !within(header.uids, index, size) ||
        !within(header.gids, index, size) || !within(header.records, header.records_size, size))
        return false;
    *out = (struct cloud_snapshot){.map = map, .size = size, .header = header};
    return true;
}

bool cloud_snapshot_current(const struct cloud_snapshot *snapshot, int64_t now)
{
    return snapshot->header.created <= now + CLOUD_SNAPSHOT_SLACK;
}

bool cloud_snapshot_retired(const struct cloud_snapshot *snapshot)
{
    const atomic_uint *state =
        (const void *)(snapshot->map + offsetof(struct cloud_snapshot_header, state));

    return atomic_load_explicit(state, memory_order_acquire) != CLOUD_SNAPSHOT_LIVE;
}

/* ---- Records ---- */

/* Reads an aligned word of the map exactly once: the compiler must not read it again later. */
static uint64_t load_once(const unsigned char *at)
{
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)at, memory_order_relaxed);
}

/* Returns the string at *at, and moves *at past it; NULL if there is no NUL before `end`. */
static const char *next_string(const char **at, const char *end)
{
    const char *string = *at;
    const char *nul = memchr(string, '\0', (size_t)(end - string));

    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return string;
}

/* Returns the string at *at, which must have n bytes and a NUL before `end`, and moves *at past it;
 * NULL otherwise. */
static const char *sized_string(const char **at, const char *end, size_t n)
{
    const char *string = *at;

    if ((size_t)(end - string) <= n || string[n] != '\0')
        return NULL;
    *at = string + n + 1;
    return string;
}

/* Sets the string pointers of *out to the strings in its copied record. False if the lengths are
 * wrong. */
static bool take_strings(struct cloud_snapshot_account *out)
{
    const uint16_t *length = out->record.length;
    const char *at = out->record.strings;

    out->end = out->bytes + out->record.size;
    if ((out->project = sized_string(&at, out->end, length[0])) == NULL ||
        (out->environment = sized_string(&at, out->end, length[1])) == NULL ||
        (out->gecos = sized_string(&at, out->end, length[2])) == NULL ||
        (out->home = sized_string(&at, out->end, length[3])) == NULL ||
        (out->shell = sized_string(&at, out->end, length[4])) == NULL)
        return false;
    out->apps = at;
    return true;
}

/* Copies a record without its first two words (size and flags, checksum), and returns the checksum
 * of the copy. Each word of the map is read only once, so this is the checksum of the copied bytes
 * even if the file changes meanwhile. */
static uint64_t copy_words(uint64_t seed, const unsigned char *from, char *to, uint32_t size)
{
    uint64_t key = seed | 1, sum = size - COVERED_FROM, word;

    for (uint32_t i = COVERED_FROM; i < size; i += sizeof word, key += KEY_STEP) {
        word = load_once(from + i);
        memcpy(to + i, &word, sizeof word);
        sum += word * key;
    }
    return mix(mix(sum, seed), size - COVERED_FROM);
}

/* Copies the record at an offset within the records to *out. False if it is damaged. */
static bool copy_record(const struct cloud_snapshot *snapshot, uint64_t offset,
                        struct cloud_snapshot_account *out)
{
    uint64_t available = snapshot->header.records_size, head, checksum;
    const unsigned char *at;
    uint32_t size;

    if (offset % 8 != 0 || offset > available || available - offset < CLOUD_SNAPSHOT_RECORD_MIN)
        return false;
    at = snapshot->map + snapshot->header.records + offset;
    head = load_once(at);
    checksum = load_once(at + offsetof(struct cloud_snapshot_record, checksum));
    memcpy(&out->record, &head, sizeof head);
    size = out->record.size;
    if (size % 8 != 0 || size < CLOUD_SNAPSHOT_RECORD_MIN || size > CLOUD_SNAPSHOT_RECORD_MAX ||
        size > available - offset)
        return false;
    if (copy_words(record_seed(snapshot->header.seed, size, out->record.flags), at, out->bytes,
                   size) != checksum)
        return false;
    out->offset = offset;
    return take_strings(out);
}

/* ---- Lookups ---- */

struct wanted {
    const char *project, *environment; /* NULL: an id is wanted */
    size_t project_n, environment_n;
    uint32_t id;
    bool gid; /* the id is a gid, not a uid */
};

/* Whether a string of a record equals one of n bytes. Does not call memcmp(3), which is slower for
 * strings as short as those of a record. */
static bool is_same(const char *string, size_t length, const char *wanted, size_t n)
{
    if (length != n)
        return false;
    if (n < 8)
        return n == 0 || load_tail(string, n) == load_tail(wanted, n);
    for (size_t i = 0; i + 8 <= n; i += 8)
        if (load(string + i) != load(wanted + i))
            return false;
    return load(string + n - 8) == load(wanted + n - 8);
}

static bool is_wanted(const struct cloud_snapshot_account *account, const struct wanted *wanted)
{
    if (wanted->project != NULL)
        return is_same(account->project, account->record.length[0], wanted->project,
                       wanted->project_n) &&
               is_same(account->environment, account->record.length[1], wanted->environment,
                       wanted->environment_n);
    return (wanted->gid ? account->record.gid : account->record.uid) == wanted->id;
}

static bool find(const struct cloud_snapshot *snapshot, uint64_t index, uint64_t hash,
                 const struct wanted *wanted, struct cloud_snapshot_account *out)
{
    uint64_t mask = ((uint64_t)1 << snapshot->header.bits) - 1;

    for (uint64_t i = 0; i <= mask && i < CLOUD_SNAPSHOT_PROBES; i++) {
        uint64_t bucket = load_once(snapshot->map + index + BUCKET * ((hash + i) & mask));
        uint64_t place = bucket & UINT32_MAX;
        if (place == 0)
            return false;
        if (bucket >> 32 == hash >> 32 && copy_record(snapshot, (place - 1) * 8, out) &&
            is_wanted(out, wanted))
            return true;
    }
    return false;
}

bool cloud_snapshot_by_name(const struct cloud_snapshot *snapshot, const char *project,
                            const char *environment, struct cloud_snapshot_account *out)
{
    const struct wanted wanted = {.project = project,
                                  .environment = environment,
                                  .project_n = strlen(project),
                                  .environment_n = strlen(environment)};

    return find(snapshot, snapshot->header.names,
                hash_name(snapshot->header.seed, project, wanted.project_n, environment,
                          wanted.environment_n),
                &wanted, out);
}

bool cloud_snapshot_by_uid(const struct cloud_snapshot *snapshot, uint32_t uid,
                           struct cloud_snapshot_account *out)
{
    const struct wanted wanted = {.id = uid};

    return find(snapshot, snapshot->header.uids, cloud_snapshot_hash_id(snapshot->header.seed, uid),
                &wanted, out);
}

bool cloud_snapshot_by_gid(const struct cloud_snapshot *snapshot, uint32_t gid,
                           struct cloud_snapshot_account *out)
{
    const struct wanted wanted = {.id = gid, .gid = true};

    return find(snapshot, snapshot->header.gids, cloud_snapshot_hash_id(snapshot->header.seed, gid),
                &wanted, out);
}

bool cloud_snapshot_next(const struct cloud_snapshot *snapshot, uint64_t *at,
                         struct cloud_snapshot_account *out)
{
    uint64_t available = snapshot->header.records_size;

    while (*at <= available && available - *at >= CLOUD_SNAPSHOT_RECORD_MIN) {
        if (copy_record(snapshot, *at, out)) {
            *at += out->record.size;
            return true;
        }
        *at += 8; /* the size of a damaged record may be damaged, too */
    }
    return false;
}

bool cloud_snapshot_home(const struct cloud_snapshot_account *account,
                         const struct cloud_name *name, const char **home)
{
    const char *at = account->apps, *app, *own;

    *home = account->home;
    if (name->app[0] == '\0')
        return true;
    if ((account->record.flags & CLOUD_SNAPSHOT_PARTIAL) != 0)
        return false;
    if ((account->record.flags & CLOUD_SNAPSHOT_APPS) == 0)
        return true;
    while ((app = next_string(&at, account->end)) != NULL && app[0] != '\0' &&
           (own = next_string(&at, account->end)) != NULL) {
        if (strcmp(app, name->app) != 0)
            continue;
        *home = own[0] != '\0' ? own : account->home;
        return true;
    }
    return false;
}

/* ---- The file ---- */

#define DIRECTORY CLOUD_SNAPSHOT_PARENT "/" CLOUD_SNAPSHOT_DIRECTORY

/* Finds the owner of a directory. False with errno if it is not a directory, or if users other than
 * its owner may write to it. */
static bool owned_directory(const char *path, uid_t *owner)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return false;
    errno = EPERM;
    *owner = st.st_uid;
    return S_ISDIR(st.st_mode) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Whether root owns the parent directory and only root may write to it. False with errno: never
 * with that of cloud_owned_by, which is ENOENT where /proc is missing. */
static bool is_parent_safe(void)
{
    uid_t owner;

    if (!owned_directory(CLOUD_SNAPSHOT_PARENT, &owner))
        return false;
    if (cloud_owned_by(owner, CLOUD_SNAPSHOT_PARENT_OWNER))
        return true;
    errno = EPERM;
    return false;
}

/* Opens the file, and sets *size to its size. Returns -1 with errno if it cannot be opened, or if
 * it or a directory has the wrong owner or mode. The directory is checked and then opened by the
 * same path; in between only root, who owns the parent, could replace it. */
static int open_file(size_t *size)
{
    uid_t owner;
    struct stat st;
    int fd;

    if (!is_parent_safe() || !owned_directory(DIRECTORY, &owner))
        return -1;
    fd = open(DIRECTORY "/" CLOUD_SNAPSHOT_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == owner &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 && st.st_size > 0) {
        *size = (size_t)st.st_size;
        return fd;
    }
    close(fd);
    errno = EPERM;
    return -1;
}

bool cloud_snapshot_map(struct cloud_snapshot *out)
{
    size_t size = 0;
    int fd = open_file(&size);
    void *map = MAP_FAILED;

    if (fd < 0)
        return false;
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return false;
    if (cloud_snapshot_open(map, size, out))
        return true;
    munmap(map, size);
    errno = EINVAL;
    return false;
}

void cloud_snapshot_unmap(struct cloud_snapshot *snapshot)
{
    munmap((void *)(uintptr_t)snapshot->map, snapshot->size);
    snapshot->map = NULL;
}
