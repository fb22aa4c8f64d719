/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/file.h"

#include "access/document.h"
#include "common/conf.h"
#include "common/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SETTLED 2 /* seconds: two changes at least this far apart leave different timestamps */

static void fail(struct api_result *result, const char *what, const char *path)
{
    result->verdict = API_OUTAGE;
    snprintf(result->detail, sizeof result->detail, "%.120s: %s: %.60s", path, what,
             strerror(errno));
}

/* Makes a validator from the file's identity, size and timestamps. A file that changed within the
 * last SETTLED seconds gets none, and so is read again the next time: two writes within one tick of
 * the clock leave the same timestamps. */
static void make_validator(const struct stat *st, struct validator *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memset(out, 0, sizeof *out);
    if (now.tv_sec - st->st_ctim.tv_sec < SETTLED)
        return;
    snprintf(out->etag, sizeof out->etag, "file %ju %ju %jd %jd.%09ld %jd.%09ld",
             (uintmax_t)st->st_dev, (uintmax_t)st->st_ino, (intmax_t)st->st_size,
             (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec,
             st->st_ctim.tv_nsec);
}

static void read_document(int fd, const char *path, const struct stat *st,
                          struct api_result *result)
{
    size_t size = st->st_size < 0 || st->st_size > DOCUMENT_SIZE_MAX ? DOCUMENT_SIZE_MAX
                                                                     : (size_t)st->st_size;
    char *buffer = malloc(size + 1);
    ssize_t got = buffer == NULL ? -1 : io_read_all(fd, buffer, size + 1);

    if (got < 0 || (size_t)got > size) {
        errno = got < 0 ? errno : EFBIG; /* the file is too large, or grew while it was read */
        fail(result, "cannot be read", path);
        free(buffer);
        return;
    }
    result->verdict = API_DOCUMENT;
    result->body = buffer;
    result->length = (size_t)got;
}

static void take_file(int fd, const char *path, const struct validator *validator,
                      struct api_result *result)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        fail(result, "cannot be read", path);
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        fail(result, "not a regular file", path);
        return;
    }
    make_validator(&st, &result->validator);
    if (validator->etag[0] != '\0' && strcmp(validator->etag, result->validator.etag) == 0)
        result->verdict = API_UNCHANGED;
    else
        read_document(fd, path, &st, result);
}

/* Whether the directory has an entry. Hidden entries, such as the lock file of cloudauthctl, do not
 * count. A directory that may be searched but not listed (mode 0711) counts as having one, because
 * that mode was set on purpose. False with errno, which is ENODATA if there is no entry. */
static bool has_entry(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;

    if (entries == NULL) {
        saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return saved == EACCES;
    }
    errno = 0;
    do
        entry = readdir(entries);
    while (entry != NULL && entry->d_name[0] == '.');
    saved = errno == 0 ? ENODATA : errno;
    closedir(entries);
    errno = saved;
    return entry != NULL;
}

void file_get(const char *path, size_t directory_length, const struct validator *validator,
              struct api_result *result)
{
    char directory[CLOUD_URL_SIZE];
    int base, fd;

    memset(result, 0, sizeof *result);
    if (directory_length >= sizeof directory) {
        errno = ENAMETOOLONG;
        fail(result, "cannot be opened", path);
        return;
    }
    memcpy(directory, path, directory_length);
    directory[directory_length] = '\0';
    base = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) {
        fail(result, "the directory cannot be opened", directory);
        return;
    }
    path += directory_length;
    fd = openat(base, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        take_file(fd, path, validator, result);
        close(fd);
    } else if (errno == ENOENT || errno == ENOTDIR) {
        /* An empty directory is an outage: a mount point is empty while its file system is not
         * mounted. */
        if (has_entry(base))
            result->verdict = API_ABSENT;
        else
            fail(result, "the directory is empty, or cannot be listed", directory);
    } else {
        fail(result, "cannot be opened", path);
    }
    close(base);
}
