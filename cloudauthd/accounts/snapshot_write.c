/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/snapshot_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXED     offsetof(struct cloud_snapshot_record, strings)
#define BITS_MIN  4u
#define BUFFER    ((size_t)256 * 1024)
#define BITS_MORE 3u /* how often an index is doubled before the file is given up */

/* ---- One record ---- */

/* The size of the strings that every record has. */
static size_t strings_size(const struct snapshot_account *account)
{
    return strlen(account->project) + strlen(account->environment) + strlen(account->gecos) +
           strlen(account->home) + strlen(account->shell) + 5;
}

static const char *home_of(const struct snapshot_app *app)
{
    return app->home == NULL ? "" : app->home;
}

static size_t apps_size(const struct snapshot_account *account)
{
    size_t size = 0;

    for (size_t i = 0; i < account->apps; i++)
        size += strlen(account->app[i].name) + strlen(home_of(&account->app[i])) + 2;
    return size;
}

/* Copies a string with its NUL and returns its end. */
static char *put(char *at, const char *string)
{
    size_t n = strlen(string) + 1;

    memcpy(at, string, n);
    return at + n;
}

struct cloud_snapshot_record *snapshot_encode(const struct snapshot_account *account)
{
    size_t size = FIXED + strings_size(account), apps = apps_size(account);
    bool whole = size + apps + 8 <= CLOUD_SNAPSHOT_RECORD_MAX;
    const char *const string[CLOUD_SNAPSHOT_STRINGS] = {
        account->project, account->environment, account->gecos, account->home, account->shell};
    struct cloud_snapshot_record *record;
    char *at;

    size = (size + (whole ? apps : 0) + 7) & ~(size_t)7;
    if (size < CLOUD_SNAPSHOT_RECORD_MIN)
        size = CLOUD_SNAPSHOT_RECORD_MIN;
    if (size > CLOUD_SNAPSHOT_RECORD_MAX)
        return NULL;
    record = calloc(1, size);
    if (record == NULL)
        return NULL;
    record->size = (uint32_t)size;
    record->flags = account->flags | (whole ? 0 : CLOUD_SNAPSHOT_PARTIAL);
    record->fresh = account->fresh;
    record->expires = account->expires;
    record->uid = account->uid;
    record->gid = account->gid;
    at = record->strings;
    for (size_t i = 0; i < CLOUD_SNAPSHOT_STRINGS; i++) {
        record->length[i] = (uint16_t)strlen(string[i]); /* fits: the record is smaller */
        at = put(at, string[i]);
    }
    for (size_t i = 0; whole && i < account->apps; i++)
        at = put(put(at, account->app[i].name), home_of(&account->app[i]));
    return record;
}

const char *snapshot_environment(const struct cloud_snapshot_record *record)
{
    return record->strings + record->length[0] + 1;
}

/* ---- A file ---- */

enum key { BY_NAME, BY_UID, BY_GID, KEYS };

static uint64_t hash_of(const struct cloud_snapshot_record *record, enum key key, uint64_t seed)
{
    if (key == BY_NAME)
        return cloud_snapshot_hash_name(seed, record->strings, snapshot_environment(record));
    return cloud_snapshot_hash_id(seed, key == BY_UID ? record->uid : record->gid);
}

static bool is_same_id(const struct cloud_snapshot_record *one,
                       const struct cloud_snapshot_record *other, enum key key)
{
    return key == BY_UID ? one->uid == other->uid : key == BY_GID && one->gid == other->gid;
}

/* The records of a file, and the place of each record in the file, in the form that an index
 * has. */
struct records {
    struct cloud_snapshot_record *const *record;
    size_t n;
    uint32_t *place;
};

/* An index of 2^bits buckets. While it is filled, the low half of a bucket is the number of a
 * record plus one; then it becomes the record's place. */
struct index {
    enum key key;
    uint32_t bits;
    uint64_t seed;
    uint64_t *bucket;
};

/*
 * Puts a record into an index. An id belongs to one environment (access/bindings.h); of two records
 * with the same id, as there can be after a binding was released, the first is found. False if the
 * key would be too far from its place.
 */
static bool put_number(const struct index *index, const struct records *records, size_t number)
{
    const struct cloud_snapshot_record *record = records->record[number];
    uint64_t hash = hash_of(record, index->key, index->seed), high = hash >> 32;
    uint64_t mask = ((uint64_t)1 << index->bits) - 1;

    for (uint64_t step = 0; step < CLOUD_SNAPSHOT_PROBES && step <= mask; step++) {
        uint64_t *bucket = &index->bucket[(hash + step) & mask];
        if (*bucket == 0) {
            *bucket = high << 32 | (number + 1);
            return true;
        }
        if (*bucket >> 32 == high &&
            is_same_id(record, records->record[(*bucket & UINT32_MAX) - 1], index->key))
            return true;
    }
    return false;
}

/* Puts all records into an index. False if it needs more buckets. */
static bool fill(const struct index *index, const struct records *records)
{
    for (size_t i = 0; i < records->n; i++)
        if (!put_number(index, records, i))
            return false;
    for (size_t i = 0; i < (size_t)1 << index->bits; i++) {
        uint64_t *bucket = &index->bucket[i];
        if (*bucket != 0)
            *bucket = *bucket >> 32 << 32 | records->place[(*bucket & UINT32_MAX) - 1];
    }
    return true;
}

/* Indexes are at most half full. */
static uint32_t bits_for(size_t n)
{
    uint32_t bits = BITS_MIN;

    while (((size_t)1 << bits) < 2 * n && bits < CLOUD_SNAPSHOT_BITS_MAX)
        bits++;
    return bits;
}

static struct cloud_snapshot_header header_of(const struct snapshot_file *file, uint32_t bits,
                                              const struct records *records)
{
    uint64_t index = (uint64_t)8 << bits;
    struct cloud_snapshot_header header = {
        .magic = CLOUD_SNAPSHOT_MAGIC,
        .version = CLOUD_SNAPSHOT_VERSION,
        .bits = bits,
        .created = file->created,
        .unused = UINT64_C(1) << 40, /* version 0.1.0 reads when the file expires */
        .seed = file->seed,
        .origin = file->origin,
        .names = sizeof header,
        .uids = sizeof header + index,
        .gids = sizeof header + 2 * index,
        .records = sizeof header + 3 * index,
        .accounts = records->n,
        .state = file->state,
    };

    for (size_t i = 0; i < records->n; i++)
        header.records_size += records->record[i]->size;
    header.size = header.records + header.records_size;
    header.checksum = cloud_snapshot_checksum(file->seed, &header,
                                              offsetof(struct cloud_snapshot_header, checksum));
    return header;
}

/* Sets the places of all records. False, with errno, if they are too many for one file. */
static bool set_places(struct records *records)
{
    uint64_t place = 1;

    records->place = malloc((records->n + 1) * sizeof *records->place);
    for (size_t i = 0; records->place != NULL && i < records->n; i++) {
        records->place[i] = (uint32_t)place;
        place += records->record[i]->size / 8;
    }
    if (place > UINT32_MAX)
        errno = EFBIG;
    return records->place != NULL && place <= UINT32_MAX;
}

/* Fills the three indexes, which stand one behind the other. Each has 2^*bits buckets, or more if
 * needed. Malloc'ed; NULL with errno. */
static uint64_t *make_indexes(const struct records *records, uint64_t seed, uint32_t *bits)
{
    uint32_t most = *bits + BITS_MORE;

    for (; *bits <= most && *bits <= CLOUD_SNAPSHOT_BITS_MAX; ++*bits) {
        uint64_t *all = calloc((size_t)KEYS << *bits, sizeof *all);
        struct index index = {.bits = *bits, .seed = seed, .bucket = all};
        if (all == NULL)
            return NULL;
        for (; index.key < KEYS && fill(&index, records); index.key++)
            index.bucket += (size_t)1 << *bits;
        if (index.key == KEYS)
            return all;
        free(all);
    }
    errno = ERANGE;
    return NULL;
}

/* Writes the file to a descriptor, which it closes. False with errno. */
static bool write_all(int fd, const struct cloud_snapshot_header *header, const uint64_t *indexes,
                      const struct records *records)
{
    FILE *out = fdopen(fd, "w");
    bool ok = out != NULL && setvbuf(out, NULL, _IOFBF, BUFFER) == 0 &&
              fwrite(header, sizeof *header, 1, out) == 1 &&
              fwrite(indexes, sizeof *indexes << header->bits, KEYS, out) == KEYS;
    int failed;

    for (size_t i = 0; ok && i < records->n; i++) {
        struct cloud_snapshot_record *record = records->record[i];
        record->checksum = cloud_snapshot_record_checksum(header->seed, record);
        ok = fwrite(record, record->size, 1, out) == 1;
    }
    failed = errno;
    if (out == NULL ? close(fd) != 0 : fclose(out) != 0)
        return false;
    errno = failed;
    return ok;
}

bool snapshot_write(int fd, const struct snapshot_file *file,
                    struct cloud_snapshot_record *const *record, size_t n)
{
    struct records records = {.record = record, .n = n};
    uint32_t bits = bits_for(n);
    uint64_t *indexes = set_places(&records) ? make_indexes(&records, file->seed, &bits) : NULL;
    int copy = indexes == NULL ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    bool ok = false;

    if (copy >= 0) {
        const struct cloud_snapshot_header header = header_of(file, bits, &records);
        ok = write_all(copy, &header, indexes, &records);
    }
    free(records.place);
    free(indexes);
    return ok;
}
