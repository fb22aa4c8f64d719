/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/nss_cloud.h"

#include "common/local.h"
#include "nss_cloud/enumerate.h"
#include "nss_cloud/lookup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

/* A call of _nss_cloud_initgroups_dyn: the account's name, and the array of groups, which belongs
 * to glibc and may be reallocated here. */
struct membership {
    const char *name;
    long int *start, *size;
    gid_t **groups;
    long int limit;

    enum nss_status status;
    int error;
};

/* Doubles the array of groups, up to `limit` if that is positive. False if out of memory. */
static bool grow(struct membership *member)
{
    long int size = *member->size > 0 ? *member->size * 2 : 16;
    gid_t *moved;

    if (member->limit > 0 && size > member->limit)
        size = member->limit;
    moved = realloc(*member->groups, (size_t)size * sizeof *moved);
    if (moved == NULL)
        return false;
    *member->groups = moved;
    *member->size = size;
    return true;
}

static enum nss_status add_group(struct membership *member, gid_t gid)
{
    for (long int i = 0; i < *member->start; i++)
        if ((*member->groups)[i] == gid)
            return NSS_STATUS_SUCCESS;
    if (*member->start == *member->size) {
        /* glibc takes the groups so far and no notice of the failure: an account without its marker
         * group escapes sshd's Match block. pam_cloud refuses it. */
        if (member->limit > 0 && *member->size >= member->limit)
            return NSS_STATUS_UNAVAIL;
        if (!grow(member)) {
            member->error = ENOMEM;
            return NSS_STATUS_TRYAGAIN;
        }
    }
    (*member->groups)[(*member->start)++] = gid;
    return NSS_STATUS_SUCCESS;
}

/* Adds the marker group to the account's groups. A local user gets none, because sshd's Match block
 * is not meant for local users. Not inlined: a thread may have only 16 KiB of stack, and the buffer
 * for /etc/passwd must not be on it while the settings are read. */
__attribute__((noinline)) static enum nss_status join(struct membership *member, gid_t marker)
{
    switch (cloud_local_user(member->name)) {
    case CLOUD_LOCAL_YES:
        return NSS_STATUS_NOTFOUND;
    case CLOUD_LOCAL_NO:
        return add_group(member, marker);
    case CLOUD_LOCAL_UNKNOWN:
    default:
        return NSS_STATUS_UNAVAIL;
    }
}

static void find_membership(void *arg)
{
    struct membership *member = arg;
    const struct cloud_conf *conf;
    struct cloud_name name;
    struct map map;

    if (!map_settings(&map))
        return;
    conf = map.held->conf;
    member->status = NSS_STATUS_NOTFOUND;
    if (cloud_name_parse(&conf->grammar, member->name, &name))
        member->status = join(member, name.kind == CLOUD_SFTP ? conf->sftp_gid : conf->ssh_gid);
    map_release(&map);
}

EXPORT enum nss_status _nss_cloud_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {.op = CLOUD_OP_PASSWD_BY_NAME,
                            .name = name,
                            .passwd = result,
                            .buffer = buffer,
                            .size = size};

    return lookup_find(&lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getpwuid_r(uid_t uid, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_PASSWD_BY_ID, .id = uid, .passwd = result, .buffer = buffer, .size = size};

    return lookup_find(&lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrnam_r(const char *name, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {.op = CLOUD_OP_GROUP_BY_NAME,
                            .name = name,
                            .group = result,
                            .buffer = buffer,
                            .size = size};

    return lookup_find(&lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrgid_r(gid_t gid, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_GROUP_BY_ID, .id = gid, .group = result, .buffer = buffer, .size = size};

    return lookup_find(&lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_initgroups_dyn(const char *name, gid_t gid, long int *start,
                                                 long int *size, gid_t **groups, long int limit,
                                                 int *errnop)
{
    struct membership member = {
        .name = name, .start = start, .size = size, .groups = groups, .limit = limit};

    (void)gid; /* the primary group is in *groups already */
    if (name == NULL || !cloud_name_possible(name))
        return NSS_STATUS_NOTFOUND;
    return lookup_guard(find_membership, &member, &member.status, &member.error, errnop);
}

EXPORT enum nss_status _nss_cloud_setpwent(int stay_open)
{
    int error = 0;

    (void)stay_open;
    return enumerate_start(ENUMERATE_PASSWD, &error);
}

EXPORT enum nss_status _nss_cloud_getpwent_r(struct passwd *result, char *buffer, size_t size,
                                             int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_PASSWD_BY_ID, .passwd = result, .buffer = buffer, .size = size};

    return enumerate_next(ENUMERATE_PASSWD, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_endpwent(void)
{
    enumerate_end(ENUMERATE_PASSWD);
    return NSS_STATUS_SUCCESS;
}

EXPORT enum nss_status _nss_cloud_setgrent(int stay_open)
{
    int error = 0;

    (void)stay_open;
    return enumerate_start(ENUMERATE_GROUP, &error);
}

EXPORT enum nss_status _nss_cloud_getgrent_r(struct group *result, char *buffer, size_t size,
                                             int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_GROUP_BY_ID, .group = result, .buffer = buffer, .size = size};

    return enumerate_next(ENUMERATE_GROUP, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_endgrent(void)
{
    enumerate_end(ENUMERATE_GROUP);
    return NSS_STATUS_SUCCESS;
}
