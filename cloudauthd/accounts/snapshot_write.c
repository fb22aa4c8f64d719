/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/snapshot_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXED     offsetof(struct cloud_snapshot_record, strings)
#define BITS_MIN  4u
#define BUFFER    ((size_t)256 * 1024)
#define BITS_MORE 3u /* than the number of records asks for, before it is given up */

/* ---- One record ---- */

/* The bytes of the strings that every record has. */
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

/* With its NUL. */
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
        record->length[i] = (uint16_t)strlen(string[i]); /* less than the record's size */
        at = put(at, string[i]);
    }
    for (size_t i = 0; whole && i < account->apps; i++)
        at = put(put(at, account->app[i].name), home_of(&account->app[i]));
    return record;
}

/* ---- A file ---- */

/* What is written goes through one buffer; the first error stays. */
struct writer {
    int fd;
    int error;
    size_t used;
    unsigned char *buffer;
};

static void flush(struct writer *writer)
{
    size_t done = 0;

    while (writer->error == 0 && done < writer->used) {
        ssize_t n = write(writer->fd, writer->buffer + done, writer->used - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            writer->error = n == 0 ? EIO : errno;
    }
    writer->used = 0;
}

static void put_bytes(struct writer *writer, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    while (n > 0) {
        size_t room = BUFFER - writer->used;
        size_t part = n < room ? n : room;
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
    const char *project = record->strings;

    if (key == BY_NAME)
        return cloud_snapshot_hash_name(seed, project, project + strlen(project) + 1);
    return cloud_snapshot_hash_id(seed, key == BY_UID ? record->uid : record->gid);
}

static bool is_same_id(const struct cloud_snapshot_record *one,
                       const struct cloud_snapshot_record *other, enum key key)
{
    return key == BY_UID ? one->uid == other->uid : key == BY_GID && one->gid == other->gid;
}

/*
 * Puts a record's number, plus one, into an index of 2^bits buckets. An id belongs to one
 * environment (access/bindings.h); of two records with one id, as there can be after a binding was
 * taken back, the first is found. False if the key would be too far from its place.
 */
static bool put_number(uint64_t *index, uint32_t bits, enum key key, uint64_t hash,
                       struct cloud_snapshot_record *const *records, size_t number)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1, mine = (hash >> 32 << 32) | (number + 1);

    for (uint64_t step = 0; step < CLOUD_SNAPSHOT_PROBES && step <= mask; step++) {
        uint64_t *bucket = &index[(hash + step) & mask];
        if (*bucket == 0) {
            *bucket = mine;
            return true;
        }
        if (*bucket >> 32 == hash >> 32 &&
            is_same_id(records[number], records[(*bucket & UINT32_MAX) - 1], key))
            return true;
    }
    return false;
}

/* Fills an index of 2^bits buckets. places has room for a number for each record. False if the
 * index needs more of them. */
static bool fill(uint64_t *index, uint32_t bits, enum key key, uint64_t seed,
                 struct cloud_snapshot_record *const *records, size_t n, uint32_t *places)
{
    uint32_t place = 1;

    memset(index, 0, sizeof *index << bits);
    for (size_t i = 0; i < n; i++) {
        if (!put_number(index, bits, key, hash_of(records[i], key, seed), records, i))
            return false;
        places[i] = place;
        place += records[i]->size / 8;
    }
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        if (index[i] != 0)
            index[i] = (index[i] >> 32 << 32) | places[(index[i] & UINT32_MAX) - 1];
    return true;
}

/* At most half full, and a power of two. */
static uint32_t bits_for(size_t n)
{
    uint32_t bits = BITS_MIN;

    while (((size_t)1 << bits) < 2 * n && bits < CLOUD_SNAPSHOT_BITS_MAX)
        bits++;
    return bits;
}

static struct cloud_snapshot_header header_of(const struct snapshot_file *file, uint32_t bits,
                                              struct cloud_snapshot_record *const *records,
                                              size_t n)
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
        .accounts = n,
        .expires = file->created + SNAPSHOT_LASTS,
        .state = file->state,
    };

    for (size_t i = 0; i < n; i++) {
        header.records_size += records[i]->size;
        if (records[i]->expires > header.expires)
            header.expires = records[i]->expires;
    }
    header.size = header.records + header.records_size;
    header.checksum = cloud_snapshot_checksum(file->seed, &header,
                                              offsetof(struct cloud_snapshot_header, checksum));
    return header;
}

static void put_records(struct writer *writer, uint64_t seed,
                        struct cloud_snapshot_record *const *records, size_t n)
{
    for (size_t i = 0; i < n && writer->error == 0; i++) {
        records[i]->checksum = cloud_snapshot_record_checksum(seed, records[i]);
        put_bytes(writer, records[i], records[i]->size);
    }
    flush(writer);
}

/* False with errno; ERANGE: the indexes need more bits, and the file is to be begun anew. */
static bool write_with(struct writer *writer, const struct snapshot_file *file, uint32_t bits,
                       struct cloud_snapshot_record *const *records, size_t n)
{
    struct cloud_snapshot_header header = header_of(file, bits, records, n);
    uint64_t *index = malloc(sizeof *index << bits);
    uint32_t *places = malloc((n + 1) * sizeof *places);
    bool ok = index != NULL && places != NULL;

    if (header.records_size / 8 >= UINT32_MAX) {
        ok = false;
        errno = EFBIG;
    }
    for (enum key key = BY_NAME; ok && key < KEYS; key++) {
        ok = fill(index, bits, key, file->seed, records, n, places);
        if (!ok)
            errno = ERANGE;
        if (ok && key == BY_NAME)
            put_bytes(writer, &header, sizeof header);
        if (ok)
            put_bytes(writer, index, sizeof *index << bits);
    }
    free(places);
    free(index);
    return ok;
}

bool snapshot_write(int fd, const struct snapshot_file *file,
                    struct cloud_snapshot_record *const *records, size_t n)
{
    struct writer writer = {.fd = fd, .buffer = malloc(BUFFER)};
    uint32_t bits = bits_for(n), most = bits + BITS_MORE;
    off_t start = lseek(fd, 0, SEEK_CUR);
    bool ok = false;

    for (errno = ERANGE; writer.buffer != NULL && !ok && errno == ERANGE &&
                         bits <= CLOUD_SNAPSHOT_BITS_MAX && bits <= most;
         bits++) {
        writer.used = 0;
        if (bits > most - BITS_MORE &&
            (lseek(fd, start, SEEK_SET) < 0 || ftruncate(fd, start) != 0))
            break;
        errno = 0;
        ok = write_with(&writer, file, bits, records, n);
    }
    if (ok)
        put_records(&writer, file->seed, records, n);
    free(writer.buffer);
    if (ok && writer.error != 0)
        errno = writer.error;
    return ok && writer.error == 0;
}
