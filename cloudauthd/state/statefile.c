/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/statefile.h"

#include "base/digest.h"
#include "base/fatal.h"
#include "base/log.h"
#include "common/io.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE        "new"
#define CHECK_LENGTH 16 /* hexadecimal digits that end a line */

static void hash_hex(const char *bytes, size_t n, char out[DIGEST_HEX_SIZE])
{
    unsigned char hash[DIGEST_SIZE];

    if (!digest_sha256(bytes, n, hash))
        fatal("OpenSSL has failed");
    digest_hex(hash, sizeof hash, out);
}

/* ---- The head ---- */

/* Writes the head of a content of n bytes to out, and returns the length of the head. */
static size_t put_head(const struct statefile_format *format, const char *content, size_t n,
                       char out[STATEFILE_HEAD_MAX])
{
    char hex[DIGEST_HEX_SIZE], length[24] = "";

    hash_hex(content, n, hex);
    if (format->has_length)
        snprintf(length, sizeof length, "%zu ", n);
    snprintf(out, STATEFILE_HEAD_MAX, "%s%s%s\n", format->magic, length, hex);
    return strlen(out);
}

size_t statefile_seal(const struct statefile_format *format, char *file, size_t n)
{
    char head[STATEFILE_HEAD_MAX];
    size_t used = put_head(format, file + STATEFILE_HEAD_MAX, n, head);

    memmove(file + used, file + STATEFILE_HEAD_MAX, n);
    memcpy(file, head, used);
    return used + n;
}

const char *statefile_open(const struct statefile_format *format, const char *file, size_t size,
                           size_t *n)
{
    char head[STATEFILE_HEAD_MAX];
    size_t magic = strlen(format->magic), used;
    const char *newline = size < magic ? NULL : memchr(file + magic, '\n', size - magic);

    if (newline == NULL)
        return NULL;
    used = (size_t)(newline + 1 - file);
    *n = size - used;
    if (put_head(format, file + used, *n, head) != used || memcmp(file, head, used) != 0)
        return NULL;
    return file + used;
}

size_t statefile_end_line(char line[STATEFILE_LINE_SIZE], int n)
{
    char hex[DIGEST_HEX_SIZE];

    if (n < 0 || n + 1 + CHECK_LENGTH + 1 >= STATEFILE_LINE_SIZE)
        return 0;
    hash_hex(line, (size_t)n, hex);
    snprintf(line + n, (size_t)(STATEFILE_LINE_SIZE - n), " %.*s\n", CHECK_LENGTH, hex);
    return (size_t)n + 1 + CHECK_LENGTH + 1;
}

bool statefile_is_line(const char *line, size_t n)
{
    char hex[DIGEST_HEX_SIZE];

    if (n <= CHECK_LENGTH + 1 || line[n - CHECK_LENGTH - 1] != ' ')
        return false;
    hash_hex(line, n - CHECK_LENGTH - 1, hex);
    return memcmp(line + n - CHECK_LENGTH, hex, CHECK_LENGTH) == 0;
}

/* ---- Fields ---- */

static int64_t load_number(const void *member, size_t size)
{
    uint32_t narrow;
    int64_t wide;

    if (size == sizeof narrow) {
        memcpy(&narrow, member, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, member, sizeof wide);
    return wide;
}

/* Returns the value of a member as text: the member itself if it is text, otherwise `buffer`, into
 * which the value is formatted. */
static const char *print_value(const struct statefile_field *field, const char *member,
                               char buffer[DIGEST_HEX_SIZE])
{
    if (field->type == STATEFILE_TEXT)
        return member;
    if (field->type == STATEFILE_HASH)
        digest_hex((const unsigned char *)member, DIGEST_SIZE, buffer);
    else
        snprintf(buffer, DIGEST_HEX_SIZE, "%lld", (long long)load_number(member, field->size));
    return buffer;
}

static bool parse_number(const struct statefile_field *field, const char *text, size_t n,
                         char *member)
{
    bool is_narrow = field->size == sizeof(uint32_t),
         is_negative = !is_narrow && n > 0 && text[0] == '-';
    uint64_t number;
    uint32_t narrow;

    if (!cloud_text_read_number(text + is_negative, n - is_negative,
                                is_narrow ? UINT32_MAX : INT64_MAX, &number))
        return false;
    narrow = (uint32_t)number;
    number = is_negative ? 0 - number : number;
    memcpy(member, is_narrow ? (const void *)&narrow : &number, field->size);
    return true;
}

static bool parse_hash(const char *text, size_t n, char *member)
{
    char hex[DIGEST_HEX_SIZE];

    if (n >= sizeof hex)
        return false;
    memcpy(hex, text, n);
    hex[n] = '\0';
    return digest_unhex(hex, (unsigned char *)member, DIGEST_SIZE);
}

static bool parse_text(const char *text, size_t n, char *member, size_t size)
{
    if (n >= size || memchr(text, '\0', n) != NULL)
        return false;
    memcpy(member, text, n);
    member[n] = '\0';
    return true;
}

static bool parse_value(const struct statefile_field *field, const char *text, size_t n,
                        char *member)
{
    switch (field->type) {
    case STATEFILE_TEXT:
        return parse_text(text, n, member, field->size);
    case STATEFILE_HASH:
        return parse_hash(text, n, member);
    case STATEFILE_NUMBER:
        return parse_number(field, text, n, member);
    }
    return false;
}

size_t statefile_put_fields(const struct statefile_field *fields, const void *record, char *out,
                            size_t size)
{
    char buffer[DIGEST_HEX_SIZE];
    size_t used = 0;

    for (; fields->name != NULL; fields++) {
        const char *value = print_value(fields, (const char *)record + fields->offset, buffer);
        int n;
        if (fields->optional && strcmp(value, "0") == 0)
            continue;
        if (strchr(value, '\n') != NULL)
            return 0;
        n = snprintf(out + used, size - used, "%s %s\n", fields->name, value);
        if (n < 0 || (size_t)n >= size - used)
            return 0;
        used += (size_t)n;
    }
    return used;
}

/* Whether the line between at and end, without its newline, begins with the name and a space. */
static bool has_name(const char *at, const char *end, const char *name)
{
    size_t n = strlen(name);

    return (size_t)(end - at) > n && memcmp(at, name, n) == 0 && at[n] == ' ';
}

bool statefile_get_fields(const struct statefile_field *fields, const char **at, const char *end,
                          void *record)
{
    for (; fields->name != NULL; fields++) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at)), *value;
        if (newline == NULL || !has_name(*at, newline, fields->name)) {
            if (fields->optional)
                continue;
            return false;
        }
        value = *at + strlen(fields->name) + 1;
        if (!parse_value(fields, value, (size_t)(newline - value), (char *)record + fields->offset))
            return false;
        *at = newline + 1;
    }
    return true;
}

/* ---- The disk ---- */

int statefile_directory(const char *path, const char *name)
{
    char whole[PATH_MAX];
    int fd = -1;

    snprintf(whole, sizeof whole, "%s%s%s", path, name == NULL ? "" : "/",
             name == NULL ? "" : name);
    if (name == NULL || mkdir(whole, 0700) == 0 || errno == EEXIST)
        fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fatal("%s: %s", whole, strerror(errno));
    if (fsync(fd) != 0)
        log_error("%s cannot be synced: %s; a loss of power can undo changes that are relied on",
                  whole, strerror(errno));
    return fd;
}

/* Checks that a file may be read (statefile_read), and sets *size. Returns 0 or an errno. */
static int check(int fd, size_t most, size_t *size)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return EPERM;
    *size = (size_t)st.st_size;
    return *size > most ? EFBIG : 0;
}

char *statefile_read(int directory, const char *name, size_t most, size_t *size)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *file = NULL;
    int failed;

    if (fd < 0)
        return NULL;
    failed = check(fd, most, size);
    if (failed == 0 && (file = malloc(*size + 1)) == NULL)
        failed = ENOMEM;
    if (failed == 0) {
        ssize_t got = io_read_all(fd, file, *size);
        failed = got < 0 ? errno : 0;
        *size = got < 0 ? 0 : (size_t)got;
        file[*size] = '\0';
    }
    close(fd);
    if (failed == 0)
        return file;
    free(file);
    errno = failed;
    return NULL;
}

bool statefile_may_be_good(int error)
{
    return error != 0 && error != ENOENT && error != EPERM && error != ELOOP && error != EFBIG;
}

static int write_aside(int directory, const char *bytes, size_t n)
{
    int fd = openat(directory, ASIDE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int failed;

    if (fd < 0)
        return errno;
    failed = io_write_all(fd, bytes, n) && fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && failed == 0)
        failed = errno;
    return failed;
}

int statefile_replace(int directory, const char *name, const char *bytes, size_t n, bool *replaced)
{
    int failed = write_aside(directory, bytes, n);

    *replaced = failed == 0 && renameat(directory, ASIDE, directory, name) == 0;
    if (failed != 0)
        return failed;
    return *replaced && fsync(directory) == 0 ? 0 : errno;
}

int statefile_write(int directory, const char *name, const char *bytes, size_t n)
{
    bool replaced;

    return statefile_replace(directory, name, bytes, n, &replaced);
}

int statefile_remove(int directory, const char *name)
{
    if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
        return errno;
    return fsync(directory) == 0 ? 0 : errno;
}

void statefile_set_aside(int directory, const char *name, const char *what, const char *lost)
{
    char aside[NAME_MAX + 1];

    log_error("%s %s is damaged: set aside as %s" STATEFILE_DAMAGED "; %s", what, name, name, lost);
    snprintf(aside, sizeof aside, "%s" STATEFILE_DAMAGED, name);
    if (renameat(directory, name, directory, aside) != 0)
        unlinkat(directory, name, 0);
}
