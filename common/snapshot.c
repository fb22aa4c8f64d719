/* SPDX-License-Identifier: Apache-2.0 */
#include "common/snapshot.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whose folder the parent must be. The unit tests, which run as anybody, say otherwise. */
#ifndef CLOUD_SNAPSHOT_PARENT_OWNER
#define CLOUD_SNAPSHOT_PARENT_OWNER 0
#endif

#define BUCKET       8u /* bytes */
#define FIXED        offsetof(struct cloud_snapshot_record, strings)
#define COVERED_FROM offsetof(struct cloud_snapshot_record, fresh)

/* ---- Hashes ---- */

#define MULTIPLIER 0x9fb21c651e98df25u

/* Multiplication carries low bits up, the shift brings high bits down: two rounds mix a word. */
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

/* Up to seven bytes, as two numbers that overlap: no loop, and no call with an odd length. */
static uint64_t load_tail(const unsigned char *bytes, size_t n)
{
    uint32_t head, tail;

    if (n >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
        memcpy(&tail, bytes + n - sizeof tail, sizeof tail);
        return ((uint64_t)tail << 32) | head;
    }
    return ((uint64_t)bytes[n / 2] << 16) | ((uint64_t)bytes[n - 1] << 8) | bytes[0];
}

/* Two lanes, so that one multiplication does not wait for the other. */
uint64_t cloud_snapshot_checksum(uint64_t seed, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t one = seed ^ n, two = ~seed;

    for (; n >= 16; at += 16, n -= 16) {
        one = mix(one, load(at));
        two = mix(two, load(at + 8));
    }
    if (n >= 8) {
        one = mix(one, load(at));
        at += 8;
        n -= 8;
    }
    if (n > 0)
        two = mix(two, load_tail(at, n));
    return mix(mix(one, two), seed);
}

uint64_t cloud_snapshot_hash_name(uint64_t seed, const char *project, const char *environment)
{
    return mix(cloud_snapshot_checksum(seed, project, strlen(project)),
               cloud_snapshot_checksum(~seed, environment, strlen(environment)));
}

uint64_t cloud_snapshot_hash_id(uint64_t seed, uint32_t id)
{
    return mix(mix(seed, id), seed);
}

uint64_t cloud_snapshot_record_checksum(uint64_t seed, const struct cloud_snapshot_record *record)
{
    uint64_t head = ((uint64_t)record->flags << 32) | record->size;

    return cloud_snapshot_checksum(seed ^ head, (const char *)record + COVERED_FROM,
                                   record->size - COVERED_FROM);
}

/* ---- The file as a whole ---- */

/* Whether a part of n bytes at offset lies within the file, aligned. */
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
    return now >= snapshot->header.created - CLOUD_SNAPSHOT_SLACK && now < snapshot->header.expires;
}

bool cloud_snapshot_retired(const struct cloud_snapshot *snapshot)
{
    const atomic_uint *state =
        (const void *)(snapshot->map + offsetof(struct cloud_snapshot_header, state));

    return atomic_load_explicit(state, memory_order_acquire) != CLOUD_SNAPSHOT_LIVE;
}

/* ---- Records ---- */

/* Takes the next string; NULL if there is no NUL before the end. */
static const char *next_string(const char **at, const char *end)
{
    const char *string = *at;
    const char *nul = memchr(string, '\0', (size_t)(end - string));

    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return string;
}

/* The strings of the record that *out holds a copy of. */
static bool take_strings(struct cloud_snapshot_account *out)
{
    const char *at = out->bytes + FIXED;

    out->end = out->bytes + out->record.size;
    out->project = next_string(&at, out->end);
    if (out->project == NULL)
        return false;
    out->environment = next_string(&at, out->end);
    if (out->environment == NULL)
        return false;
    out->gecos = next_string(&at, out->end);
    if (out->gecos == NULL)
        return false;
    out->home = next_string(&at, out->end);
    if (out->home == NULL)
        return false;
    out->shell = next_string(&at, out->end);
    out->apps = at;
    return out->shell != NULL;
}

/* Copies the record at that offset within the records, which is looked at only then. */
static bool copy_record(const struct cloud_snapshot *snapshot, uint64_t offset,
                        struct cloud_snapshot_account *out)
{
    uint64_t room = snapshot->header.records_size;
    const unsigned char *at;
    uint32_t size;

    if (offset % 8 != 0 || offset > room || room - offset < CLOUD_SNAPSHOT_RECORD_MIN)
        return false;
    at = snapshot->map + snapshot->header.records + offset;
    memcpy(&size, at, sizeof size);
    if (size % 8 != 0 || size < CLOUD_SNAPSHOT_RECORD_MIN || size > CLOUD_SNAPSHOT_RECORD_MAX ||
        size > room - offset)
        return false;
    memcpy(out->bytes, at, size);
    out->record.size = size; /* the one that was checked, whatever stands there by now */
    if (out->record.checksum != cloud_snapshot_record_checksum(snapshot->header.seed, &out->record))
        return false;
    out->flags = out->record.flags;
    out->uid = out->record.uid;
    out->gid = out->record.gid;
    out->fresh = out->record.fresh;
    out->expires = out->record.expires;
    return take_strings(out);
}

/* ---- Lookups ---- */

struct wanted {
    const char *project, *environment; /* or NULL: by an id */
    uint32_t id;
    bool gid;
};

static bool is_wanted(const struct cloud_snapshot_account *account, const struct wanted *wanted)
{
    if (wanted->project != NULL)
        return strcmp(account->project, wanted->project) == 0 &&
               strcmp(account->environment, wanted->environment) == 0;
    return (wanted->gid ? account->gid : account->uid) == wanted->id;
}

static bool find(const struct cloud_snapshot *snapshot, uint64_t index, uint64_t hash,
                 const struct wanted *wanted, struct cloud_snapshot_account *out)
{
    uint64_t mask = ((uint64_t)1 << snapshot->header.bits) - 1;

    for (uint64_t i = 0; i <= mask && i < CLOUD_SNAPSHOT_PROBES; i++) {
        uint64_t bucket = load(snapshot->map + index + BUCKET * ((hash + i) & mask));
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
    const struct wanted wanted = {.project = project, .environment = environment};

    return find(snapshot, snapshot->header.names,
                cloud_snapshot_hash_name(snapshot->header.seed, project, environment), &wanted,
                out);
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
    uint64_t room = snapshot->header.records_size;
    uint32_t size;

    while (*at <= room && room - *at >= CLOUD_SNAPSHOT_RECORD_MIN) {
        uint64_t here = *at;
        memcpy(&size, snapshot->map + snapshot->header.records + here, sizeof size);
        if (size % 8 != 0 || size < CLOUD_SNAPSHOT_RECORD_MIN || size > room - here)
            return false;
        *at = here + size;
        if (copy_record(snapshot, here, out))
            return true;
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
    if ((account->flags & CLOUD_SNAPSHOT_PARTIAL) != 0)
        return false;
    if ((account->flags & CLOUD_SNAPSHOT_APPS) == 0)
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

/* Whether a folder can only be changed by that user. */
static bool is_folder_of(int fd, uid_t *owner)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return false;
    *owner = st.st_uid;
    return true;
}

/* The file, if it is its folder's owner's; -1 if not. */
static int open_file(size_t *size)
{
    const int folder_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int parent = open(CLOUD_SNAPSHOT_PARENT, folder_flags);
    int folder = -1, fd = -1;
    uid_t root, owner;
    struct stat st;

    if (parent >= 0 && is_folder_of(parent, &root) && root == CLOUD_SNAPSHOT_PARENT_OWNER)
        folder = openat(parent, CLOUD_SNAPSHOT_FOLDER, folder_flags);
    if (folder >= 0 && is_folder_of(folder, &owner))
        fd = openat(folder, CLOUD_SNAPSHOT_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (parent >= 0)
        close(parent);
    if (folder >= 0)
        close(folder);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == owner &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 && st.st_size > 0) {
        *size = (size_t)st.st_size;
        return fd;
    }
    close(fd);
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
    return false;
}

void cloud_snapshot_unmap(struct cloud_snapshot *snapshot)
{
    munmap((void *)(uintptr_t)snapshot->map, snapshot->size);
    snapshot->map = NULL;
}
