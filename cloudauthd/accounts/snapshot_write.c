/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/snapshot_write.h"

#include "common/io.h"

#include <errno.h>
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

/* Buffered output to a descriptor. The first error is kept, and ends it. */
struct writer {
    int fd;
    int error;
    size_t used;
    char *buffer;
};

static void flush(struct writer *writer)
{
    if (writer->error == 0 && !io_write_all(writer->fd, writer->buffer, writer->used))
        writer->error = errno;
    writer->used = 0;
}

static void put_bytes(struct writer *writer, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        size_t space = BUFFER - writer->used;
        size_t part = n < space ? n : space;
        memcpy(writer->buffer + writer->used, at, part);
        writer->used += part;
        at += part;
        n -= part;
        if (writer->used == BUFFER)
            flush(writer);
    }
}

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

/* The records of a file, and the place of each within it as an index has it. */
struct records {
    struct cloud_snapshot_record *const *record;
    size_t n;
    uint32_t *place;
};

/* An index of 2^bits buckets. While it is filled, their low halves hold a record's number plus one,
 * then its place. */
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

/* False if the index needs more buckets. */
static bool fill(const struct index *index, const struct records *records)
{
    memset(index->bucket, 0, sizeof *index->bucket << index->bits);
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

static void put_records(struct writer *writer, uint64_t seed, const struct records *records)
{
    for (size_t i = 0; i < records->n && writer->error == 0; i++) {
        struct cloud_snapshot_record *record = records->record[i];
        record->checksum = cloud_snapshot_record_checksum(seed, record);
        put_bytes(writer, record, record->size);
    }
    flush(writer);
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

/* Writes the header and the indexes. False with errno; ERANGE: the indexes need more bits, and the
 * file has to be started over. */
static bool put_indexes(struct writer *writer, const struct snapshot_file *file, uint32_t bits,
                        const struct records *records)
{
    struct cloud_snapshot_header header = header_of(file, bits, records);
    struct index index = {
        .bits = bits, .seed = file->seed, .bucket = malloc(sizeof *index.bucket << bits)};
    bool ok = index.bucket != NULL;

    for (; ok && index.key < KEYS; index.key++) {
        ok = fill(&index, records);
        if (!ok)
            errno = ERANGE;
        if (ok && index.key == BY_NAME)
            put_bytes(writer, &header, sizeof header);
        if (ok)
            put_bytes(writer, index.bucket, sizeof *index.bucket << bits);
    }
    free(index.bucket);
    return ok;
}

/* Puts the file back to where it was before put_indexes. */
static bool start_over(struct writer *writer, off_t start)
{
    writer->used = 0;
    return lseek(writer->fd, start, SEEK_SET) >= 0 && ftruncate(writer->fd, start) == 0;
}

/* The same with as many bits as it takes. */
static bool put_indexes_grown(struct writer *writer, const struct snapshot_file *file,
                              const struct records *records)
{
    uint32_t bits = bits_for(records->n), most = bits + BITS_MORE;
    off_t start = lseek(writer->fd, 0, SEEK_CUR);

    for (; bits <= most && bits <= CLOUD_SNAPSHOT_BITS_MAX; bits++) {
        if (put_indexes(writer, file, bits, records))
            return true;
        if (errno != ERANGE || !start_over(writer, start))
            return false;
        errno = ERANGE;
    }
    return false;
}

bool snapshot_write(int fd, const struct snapshot_file *file,
                    struct cloud_snapshot_record *const *record, size_t n)
{
    struct writer writer = {.fd = fd, .buffer = malloc(BUFFER)};
    struct records records = {.record = record, .n = n};
    bool ok =
        writer.buffer != NULL && set_places(&records) && put_indexes_grown(&writer, file, &records);

    if (ok)
        put_records(&writer, file->seed, &records);
    free(records.place);
    free(writer.buffer);
    if (ok && writer.error != 0)
        errno = writer.error;
    return ok && writer.error == 0;
}
