/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/credentials.h"

#include "base/log.h"
#include "base/loop.h"
#include "common/clock.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALARM_MS 60000

static char directory[CLOUD_PATH_SIZE]; /* $CREDENTIALS_DIRECTORY, or "" */

void credentials_directory(const char *path)
{
    directory[0] = '\0';
    if (path != NULL && path[0] == '/' && strlen(path) < sizeof directory)
        strcpy(directory, path);
}

static bool in_directory(const char *name)
{
    return name[0] != '/';
}

struct credential_file credential_file(const struct cloud_conf *conf, enum credential_id id)
{
    const struct credential_file files[CREDENTIALS] = {
        [CREDENTIAL_TOKEN_FILE] = {"token_file", conf->token_file, CREDENTIAL_TEXT},
        [CREDENTIAL_CLIENT_ID_FILE] = {"client_id_file", conf->client_id_file, CREDENTIAL_TEXT},
        [CREDENTIAL_CLIENT_CERT] = {"client_cert", conf->client_cert, CREDENTIAL_PUBLIC},
        [CREDENTIAL_CLIENT_KEY] = {"client_key", conf->client_key, CREDENTIAL_KEY},
        [CREDENTIAL_CA_FILE] = {"ca_file", conf->ca_file, CREDENTIAL_PUBLIC},
    };

    return files[id];
}

bool credentials_check(const struct cloud_conf *conf, char *why, size_t size)
{
    for (int i = 0; i < CREDENTIALS; i++) {
        const struct credential_file file = credential_file(conf, (enum credential_id)i);
        if (file.name[0] != '\0' && in_directory(file.name) && directory[0] == '\0') {
            snprintf(why, size,
                     "%s: %s is no path, and systemd gave no $CREDENTIALS_DIRECTORY to look in",
                     file.key, file.name);
            return false;
        }
    }
    return true;
}

/* Writes, for example, "credential unusable: token_file /etc/cloudauth/token: empty" to why.
 * Returns false. */
static bool fail(const struct credential_file *file, const char *path, const char *fault, char *why,
                 size_t size)
{
    snprintf(why, size, "credential unusable: %s %.120s: %s", file->key, path, fault);
    return false;
}

/* Returns what is wrong with the opened file, or NULL. */
static const char *fault_of(const struct credential_file *file, const struct stat *st)
{
    mode_t others = file->kind == CREDENTIAL_PUBLIC ? S_IWGRP | S_IWOTH : S_IRWXG | S_IRWXO;

    if (in_directory(file->name) && st->st_uid == 0)
        others &= ~(mode_t)S_IRGRP;
    if (!S_ISREG(st->st_mode))
        return "not a regular file";
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return "owned by neither root nor this daemon's user";
    if ((st->st_mode & others) != 0)
        return file->kind == CREDENTIAL_PUBLIC ? "writable by others than its owner"
                                               : "accessible to others than its owner (chmod 400)";
    if (st->st_size > (off_t)CREDENTIAL_MAX)
        return "larger than 64 KiB";
    return NULL;
}

/* Opens a file, checks it (credential_read) and writes its path to path. -1 with the reason in why.
 * Follows symbolic links, because certificates are often installed as links; so it checks the
 * descriptor, not the path. */
static int open_checked(const struct credential_file *file, char path[CREDENTIAL_PATH_SIZE],
                        char *why, size_t size)
{
    const char *fault = NULL;
    struct stat st;
    int fd;

    if (in_directory(file->name))
        snprintf(path, CREDENTIAL_PATH_SIZE, "%s/%s", directory, file->name);
    else
        snprintf(path, CREDENTIAL_PATH_SIZE, "%s", file->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        fault = strerror(errno);
    else
        fault = fault_of(file, &st);
    if (fault == NULL)
        return fd;
    (void)fail(file, path, fault, why, size);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Removes one newline at the end of a text. Returns what is wrong with the rest, or NULL. */
static const char *trim(struct credential *text)
{
    if (text->length > 0 && text->bytes[text->length - 1] == '\n')
        text->bytes[--text->length] = '\0';
    if (text->length == 0)
        return "empty";
    if (text->length > CREDENTIAL_TEXT_MAX)
        return "longer than 4096 characters";
    for (size_t i = 0; i < text->length; i++)
        if (text->bytes[i] <= ' ' || text->bytes[i] > '~')
            return "not one line of printable ASCII without a space";
    return NULL;
}

bool credential_read(const struct credential_file *file, struct credential *out, char *why,
                     size_t size)
{
    char path[CREDENTIAL_PATH_SIZE];
    const char *fault = NULL;
    ssize_t got = -1;
    int fd;

    *out = (struct credential){NULL, 0};
    fd = open_checked(file, path, why, size);
    if (fd < 0)
        return false;
    out->bytes = malloc(CREDENTIAL_MAX + 2);
    if (out->bytes != NULL)
        got = io_read_all(fd, out->bytes, CREDENTIAL_MAX + 1);
    if (got < 0)
        fault = strerror(errno);
    close(fd);
    if (got >= 0) {
        out->length = (size_t)got;
        out->bytes[got] = '\0';
        fault = got > (ssize_t)CREDENTIAL_MAX   ? "larger than 64 KiB"
                : file->kind == CREDENTIAL_TEXT ? trim(out)
                                                : NULL;
    }
    if (fault == NULL)
        return true;
    credential_wipe(out);
    return fail(file, path, fault, why, size);
}

void credential_wipe(struct credential *credential)
{
    if (credential->bytes != NULL)
        explicit_bzero(credential->bytes, CREDENTIAL_MAX + 2);
    free(credential->bytes);
    *credential = (struct credential){NULL, 0};
}

void credential_alarm(const char *what)
{
    static int64_t last = -ALARM_MS;
    int64_t now = cloud_clock_ms();

    if (now - last < ALARM_MS)
        return;
    last = now;
    log_error("ALARM: %s", what);
}
