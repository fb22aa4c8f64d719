/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/snapshot_write.h"

#include "base/fatal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXED    offsetof(struct cloud_snapshot_record, strings)
#define BITS_MIN 4u
#define BUFFER   ((size_t)256 * 1024)

/* ---- One record ---- */

/* Returns the size in bytes of the strings that every record has, with their NULs. */
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
    record = xcalloc(1, size);
    record->size = (uint32_t)size;
    record->flags = account->flags | (whole ? 0 : CLOUD_SNAPSHOT_PARTIAL);
    record->fresh = account->fresh;
    record->expires = account->expires;
    record->uid = account->uid;
    record->gid = account->gid;
    at = record->strings;
    for (size_t i = 0; i < CLOUD_SNAPSHOT_STRINGS; i++) {
        record->length[i] = (uint16_t)strlen(string[i]); /* fits: a record is below 64 KiB */
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

enum { BY_NAME, BY_UID, BY_GID, KEYS };

/* Returns header.bits for n records: an index has 2^bits buckets, at most half of which they
 * fill. */
static uint32_t bits_for(size_t n)
{
    uint32_t bits = BITS_MIN;

    while (((size_t)1 << bits) < 2 * n && bits < CLOUD_SNAPSHOT_BITS_MAX)
        bits++;
    return bits;
}

bool snapshot_start(struct snapshot_writer *writer, int fd, const struct snapshot_file *file)
{
    uint32_t bits = bits_for(file->most);
    uint64_t index = (uint64_t)8 << bits;
    int copy;

    *writer = (struct snapshot_writer){
        .header = {.magic = CLOUD_SNAPSHOT_MAGIC,
                   .version = CLOUD_SNAPSHOT_VERSION,
                   .bits = bits,
                   .created = file->created,
                   .unused = UINT64_C(1) << 40, /* a far time: version 0.1.0 reads an expiry here */
                   .seed = file->seed,
                   .names = sizeof writer->header,
                   .uids = sizeof writer->header + index,
                   .gids = sizeof writer->header + 2 * index,
                   .records = sizeof writer->header + 3 * index,
                   .origin = file->origin,
                   .boot = file->boot,
                   .state = file->state},
        .buckets = calloc(KEYS, index)};
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    writer->out = copy < 0 ? NULL : fdopen(copy, "w");
    if (writer->out == NULL && copy >= 0)
        close(copy);
    return writer->buckets != NULL && writer->out != NULL &&
           setvbuf(writer->out, NULL, _IOFBF, BUFFER) == 0 &&
           fseeko(writer->out, (off_t)writer->header.records, SEEK_SET) == 0;
}

/*
 * Puts the place of a record into an index. An id normally belongs to one environment
 * (access/bindings.h). If two records have the same id, as they may after a binding was released,
 * lookups find the first. An index has only half of each hash: if the halves of two ids are equal,
 * the second id may be left out, and lookups of it then ask the daemon. False if the first
 * CLOUD_SNAPSHOT_PROBES buckets for the key are taken.
 */
static bool put_place(const struct snapshot_writer *writer, unsigned key, uint64_t hash,
                      uint64_t place)
{
    uint64_t mask = ((uint64_t)1 << writer->header.bits) - 1, high = hash >> 32;
    uint64_t *index = writer->buckets + ((size_t)key << writer->header.bits);

    for (uint64_t step = 0; step < CLOUD_SNAPSHOT_PROBES && step <= mask; step++) {
        uint64_t *bucket = &index[(hash + step) & mask];
        if (*bucket == 0) {
            *bucket = high << 32 | place;
            return true;
        }
        if (*bucket >> 32 == high && key != BY_NAME)
            return true;
    }
    return false;
}

bool snapshot_add(struct snapshot_writer *writer, struct cloud_snapshot_record *record)
{
    struct cloud_snapshot_header *header = &writer->header;
    uint64_t seed = header->seed, place = header->records_size / 8 + 1;

    errno = EFBIG;
    if (place > UINT32_MAX)
        return false;
    /* Some names have equal hashes with every seed. If all buckets for a name are taken, the file
     * gets no record of it, and lookups ask the daemon. */
    if (!put_place(writer, BY_NAME,
                   cloud_snapshot_hash_name(seed, record->strings, snapshot_environment(record)),
                   place))
        return true;
    (void)put_place(writer, BY_UID, cloud_snapshot_hash_id(seed, record->uid), place);
    (void)put_place(writer, BY_GID, cloud_snapshot_hash_id(seed, record->gid), place);
    record->checksum = cloud_snapshot_record_checksum(seed, record);
    header->records_size += record->size;
    header->accounts++;
    return fwrite(record, record->size, 1, writer->out) == 1;
}

bool snapshot_end(struct snapshot_writer *writer, bool ok)
{
    struct cloud_snapshot_header *header = &writer->header;
    int failed;

    header->size = header->records + header->records_size;
    header->checksum = cloud_snapshot_checksum(header->seed, header,
                                               offsetof(struct cloud_snapshot_header, checksum));
    ok =
        ok && fseeko(writer->out, 0, SEEK_SET) == 0 &&
        fwrite(header, sizeof *header, 1, writer->out) == 1 &&
        fwrite(writer->buckets, sizeof *writer->buckets << header->bits, KEYS, writer->out) == KEYS;
    failed = errno;
    free(writer->buckets);
    if (writer->out != NULL && fclose(writer->out) != 0)
        return false;
    errno = failed;
    return ok;
}
