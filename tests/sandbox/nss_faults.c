/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The exported functions of libnss_cloud.so.2, each of which a test can make fail by number. This
 * file takes the place of nss_cloud/nss_cloud.c in build/faults, a module that is never installed
 * but in a sandbox.
 *
 * If the directory CLOUD_NSS_FAULTS_DIR exists, each call of an exported function appends a byte to
 * its file `count`, whose size is then the number of this call across all processes, and a line
 * "number function argument" to `calls`. Where a line of the file `fail` reads "number status" or
 * "all status", with NOTFOUND, UNAVAIL or TRYAGAIN as the status, the call returns that status. The
 * calls come from processes of any user: the directory has to be writable by all and not sticky.
 */
#ifndef CLOUD_NSS_FAULTS_DIR
#define CLOUD_NSS_FAULTS_DIR "/run/cloudauth-faults"
#endif

/* The functions of the module itself get other names. */
#define _nss_cloud_getpwnam_r     real_getpwnam
#define _nss_cloud_getpwuid_r     real_getpwuid
#define _nss_cloud_getgrnam_r     real_getgrnam
#define _nss_cloud_getgrgid_r     real_getgrgid
#define _nss_cloud_initgroups_dyn real_initgroups
#define _nss_cloud_setpwent       real_setpwent
#define _nss_cloud_getpwent_r     real_getpwent
#define _nss_cloud_setgrent       real_setgrent
#define _nss_cloud_getgrent_r     real_getgrent
#include "nss_cloud/nss_cloud.c"
#undef _nss_cloud_getpwnam_r
#undef _nss_cloud_getpwuid_r
#undef _nss_cloud_getgrnam_r
#undef _nss_cloud_getgrgid_r
#undef _nss_cloud_initgroups_dyn
#undef _nss_cloud_setpwent
#undef _nss_cloud_getpwent_r
#undef _nss_cloud_setgrent
#undef _nss_cloud_getgrent_r

#undef CLOUD_NSS_CLOUD_H
#include "nss_cloud/nss_cloud.h"

#include "common/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_for_append(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    /* Independent of the umask of the first caller. A later caller may be another user, for whom
     * this fails. */
    if (fd >= 0 && fchmod(fd, 0666) != 0)
        errno = 0;
    return fd;
}

/* The number of this call, or 0. O_APPEND leaves the offset behind the byte that was written. */
static uint64_t next_number(void)
{
    int fd = open_for_append(CLOUD_NSS_FAULTS_DIR "/count");
    off_t number = 0;

    if (fd < 0)
        return 0;
    if (write(fd, ".", 1) == 1)
        number = lseek(fd, 0, SEEK_CUR);
    close(fd);
    return number > 0 ? (uint64_t)number : 0;
}

static void note_call(uint64_t number, const char *function, const char *name, uint32_t id)
{
    char line[512];
    struct cloud_text text;
    int fd = open_for_append(CLOUD_NSS_FAULTS_DIR "/calls");

    if (fd < 0)
        return;
    cloud_text_start(&text, line, sizeof line);
    cloud_text_add_number(&text, number);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, function);
    cloud_text_add(&text, " ");
    if (name != NULL)
        cloud_text_add(&text, name);
    else
        cloud_text_add_number(&text, id);
    cloud_text_add(&text, "\n");
    if (write(fd, line, text.used) < 0)
        errno = 0;
    close(fd);
}

static bool status_of(const char *word, enum nss_status *status)
{
    if (strcmp(word, "NOTFOUND") == 0)
        *status = NSS_STATUS_NOTFOUND;
    else if (strcmp(word, "UNAVAIL") == 0)
        *status = NSS_STATUS_UNAVAIL;
    else if (strcmp(word, "TRYAGAIN") == 0)
        *status = NSS_STATUS_TRYAGAIN;
    else
        return false;
    return true;
}

/* Whether a line of `fail` names this call. Cuts the line in two. */
static bool line_names(char *line, uint64_t number, enum nss_status *status)
{
    char *space = strchr(line, ' ');
    uint64_t named;

    if (space == NULL)
        return false;
    *space = '\0';
    if (strcmp(line, "all") != 0 &&
        !(cloud_text_read_number(line, strlen(line), UINT64_MAX, &named) && named == number))
        return false;
    return status_of(space + 1, status);
}

static bool told_to_fail(uint64_t number, enum nss_status *status)
{
    char lines[4096], *line, *save = NULL;
    int fd = open(CLOUD_NSS_FAULTS_DIR "/fail", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, lines, sizeof lines - 1);
    close(fd);
    lines[got > 0 ? got : 0] = '\0';
    for (line = strtok_r(lines, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (line_names(line, number, status))
            return true;
    return false;
}

/* Counts a call by name, or by id where name is NULL. True: it is to return *status. */
static bool is_faulted(const char *function, const char *name, uint32_t id, enum nss_status *status,
                       int *errnop)
{
    int saved = errno;
    uint64_t number = next_number();
    bool fail = false;

    if (number != 0) {
        note_call(number, function, name, id);
        fail = told_to_fail(number, status);
    }
    errno = saved;
    if (fail && *status != NSS_STATUS_NOTFOUND)
        *errnop = EAGAIN;
    return fail;
}

EXPORT enum nss_status _nss_cloud_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    enum nss_status fault;

    return is_faulted("getpwnam", name, 0, &fault, errnop)
               ? fault
               : real_getpwnam(name, result, buffer, size, errnop);
}

EXPORT enum nss_status _nss_cloud_getpwuid_r(uid_t uid, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    enum nss_status fault;

    return is_faulted("getpwuid", NULL, uid, &fault, errnop)
               ? fault
               : real_getpwuid(uid, result, buffer, size, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrnam_r(const char *name, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    enum nss_status fault;

    return is_faulted("getgrnam", name, 0, &fault, errnop)
               ? fault
               : real_getgrnam(name, result, buffer, size, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrgid_r(gid_t gid, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    enum nss_status fault;

    return is_faulted("getgrgid", NULL, gid, &fault, errnop)
               ? fault
               : real_getgrgid(gid, result, buffer, size, errnop);
}

EXPORT enum nss_status _nss_cloud_initgroups_dyn(const char *name, gid_t gid, long int *start,
                                                 long int *size, gid_t **groups, long int limit,
                                                 int *errnop)
{
    enum nss_status fault;

    return is_faulted("initgroups", name, 0, &fault, errnop)
               ? fault
               : real_initgroups(name, gid, start, size, groups, limit, errnop);
}

EXPORT enum nss_status _nss_cloud_setpwent(int stay_open)
{
    enum nss_status fault;
    int error;

    return is_faulted("setpwent", NULL, 0, &fault, &error) ? fault : real_setpwent(stay_open);
}

EXPORT enum nss_status _nss_cloud_getpwent_r(struct passwd *result, char *buffer, size_t size,
                                             int *errnop)
{
    enum nss_status fault;

    return is_faulted("getpwent", NULL, 0, &fault, errnop)
               ? fault
               : real_getpwent(result, buffer, size, errnop);
}

EXPORT enum nss_status _nss_cloud_setgrent(int stay_open)
{
    enum nss_status fault;
    int error;

    return is_faulted("setgrent", NULL, 0, &fault, &error) ? fault : real_setgrent(stay_open);
}

EXPORT enum nss_status _nss_cloud_getgrent_r(struct group *result, char *buffer, size_t size,
                                             int *errnop)
{
    enum nss_status fault;

    return is_faulted("getgrent", NULL, 0, &fault, errnop)
               ? fault
               : real_getgrent(result, buffer, size, errnop);
}
