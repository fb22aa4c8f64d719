/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/nss_cloud.h"

#include "common/call.h"
#include "common/local.h"
#include "nss_cloud/faults.h"
#include "nss_cloud/pack.h"
#include "nss_cloud/settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define SSH_GROUP  "cloud-ssh"
#define SFTP_GROUP "cloud-sftp"
#define SFTP_HOME  "/"
#define SFTP_SHELL "/usr/sbin/nologin"

/* How long a lookup waits for the broker; the unit tests are less patient. */
#ifndef NSS_TIMEOUT_MS
#define NSS_TIMEOUT_MS CLOUD_CALL_NSS_MS
#endif

/* One lookup: what was asked, where the result goes, and what came of it. */
struct lookup {
    enum cloud_op op;
    const char *name; /* NULL: by id */
    uint32_t id;
    struct passwd *passwd;
    struct group *group;
    char *buffer;
    size_t size;

    enum nss_status status;
    int error; /* for *errnop, where the status wants one */
};

/* initgroups: the account, and the array that glibc lends us to grow. */
struct membership {
    const char *name;
    long int *start, *size;
    gid_t **groups;
    long int limit;

    enum nss_status status;
    int error;
};

static enum nss_status to_nss(enum cloud_status status)
{
    switch (status) {
    case CLOUD_OK:
        return NSS_STATUS_SUCCESS;
    case CLOUD_ABSENT:
        return NSS_STATUS_NOTFOUND;
    case CLOUD_REFUSED: /* the broker refuses no lookup */
    case CLOUD_UNAVAILABLE:
        break;
    }
    return NSS_STATUS_UNAVAIL;
}

static bool id_possible(uint32_t id)
{
    return id >= CLOUD_ID_FLOOR && id <= CLOUD_ID_CEILING;
}

/*
 * Runs a step of ours that needs the configuration, from which point on there may be I/O. Pid 1 is
 * left alone: it starts the broker and must never wait for it.
 *
 * UNAVAIL comes with EAGAIN: getpwnam_r(3) and its like return the errno of a module that answers
 * UNAVAIL, so that 0 would be "no such user" and ENOENT, ESRCH, EBADF or EPERM would be read as
 * that; glibc turns ERANGE into EINVAL; and nscd(8) takes EAGAIN for an outage and keeps what it
 * has, where it would remember that there is no such user after any other.
 */
static enum nss_status run(settings_user *step, void *arg, enum nss_status *status, int *error,
                           int *errnop)
{
    int saved = errno, cancelling;

    *status = NSS_STATUS_UNAVAIL;
    *error = EAGAIN;
    if (getpid() != 1) {
        /* A thread cancelled in here would leak a descriptor. */
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
        (void)settings_use(step, arg); /* false: the step did not run, and UNAVAIL stands */
        pthread_setcancelstate(cancelling, NULL);
    }
    errno = saved;
    if (*status == NSS_STATUS_UNAVAIL || *status == NSS_STATUS_TRYAGAIN)
        *errnop = *error;
    return *status;
}

static enum nss_status run_lookup(settings_user *step, struct lookup *lookup, int *errnop)
{
    return run(step, lookup, &lookup->status, &lookup->error, errnop);
}

static enum nss_status ask(const struct lookup *lookup, struct cloud_answer *answer,
                           unsigned char packet[CLOUD_WIRE_ACCOUNT_MAX])
{
    struct cloud_question question = {
        .op = lookup->op,
        .account = lookup->name,
        .id = lookup->id,
    };

    return to_nss(cloud_call(&question, answer, packet, CLOUD_WIRE_ACCOUNT_MAX, NSS_TIMEOUT_MS));
}

static void packed(struct lookup *lookup, bool fits)
{
    lookup->status = fits ? NSS_STATUS_SUCCESS : NSS_STATUS_TRYAGAIN;
    lookup->error = fits ? 0 : ERANGE;
}

/* Whether an answer's name is the one asked for or, by id, one that this host would resolve. */
static bool name_fits(const struct cloud_conf *conf, const struct lookup *lookup,
                      const struct cloud_answer *answer)
{
    struct cloud_name name;

    if (lookup->name != NULL)
        return strcmp(answer->account, lookup->name) == 0;
    return cloud_name_parse(&conf->grammar, answer->account, &name) && name.plain;
}

/* The broker is not believed: its answer must be one that this host's configuration allows. */
static void take_passwd(const struct cloud_conf *conf, struct lookup *lookup,
                        const struct cloud_answer *answer)
{
    struct pack_account account = {
        .name = answer->account,
        .gecos = answer->gecos,
        .home = answer->home,
        .shell = answer->shell,
        .uid = answer->id,
        .gid = answer->gid,
    };

    /* Whatever the document says: this is what keeps an sFTP account out of a shell. */
    if (cloud_name_kind(account.name) == CLOUD_SFTP) {
        account.home = SFTP_HOME;
        account.shell = SFTP_SHELL;
    }
    lookup->status = NSS_STATUS_UNAVAIL;
    if (!name_fits(conf, lookup, answer) || (lookup->name == NULL && account.uid != lookup->id) ||
        !cloud_conf_id_ours(conf, account.uid) || !cloud_conf_id_ours(conf, account.gid))
        return;
    if (account.home[0] != '/' || account.shell[0] != '/' || !pack_field_ok(account.gecos) ||
        !pack_field_ok(account.home) || !pack_field_ok(account.shell))
        return;
    packed(lookup, pack_passwd(&account, lookup->passwd, lookup->buffer, lookup->size));
}

static void take_group(const struct cloud_conf *conf, struct lookup *lookup,
                       const struct cloud_answer *answer)
{
    lookup->status = NSS_STATUS_UNAVAIL;
    if (!name_fits(conf, lookup, answer) || (lookup->name == NULL && answer->gid != lookup->id) ||
        !cloud_conf_id_ours(conf, answer->gid))
        return;
    packed(lookup,
           pack_group(answer->account, answer->gid, lookup->group, lookup->buffer, lookup->size));
}

static void find_passwd(const struct cloud_conf *conf, void *arg)
{
    struct lookup *lookup = arg;
    struct cloud_answer answer;
    unsigned char packet[CLOUD_WIRE_ACCOUNT_MAX];
    bool ours = lookup->name != NULL ? cloud_name_parse(&conf->grammar, lookup->name, NULL)
                                     : cloud_conf_id_ours(conf, lookup->id);

    lookup->status = ours ? ask(lookup, &answer, packet) : NSS_STATUS_NOTFOUND;
    if (lookup->status == NSS_STATUS_SUCCESS)
        take_passwd(conf, lookup, &answer);
}

/* Whether there can be a group of that name or id: an alias of an account has none. */
static bool group_ours(const struct cloud_conf *conf, const struct lookup *lookup)
{
    struct cloud_name name;

    if (lookup->name == NULL)
        return cloud_conf_id_ours(conf, lookup->id);
    return cloud_name_parse(&conf->grammar, lookup->name, &name) && name.plain;
}

static void find_group(const struct cloud_conf *conf, void *arg)
{
    struct lookup *lookup = arg;
    struct cloud_answer answer;
    unsigned char packet[CLOUD_WIRE_ACCOUNT_MAX];

    lookup->status = group_ours(conf, lookup) ? ask(lookup, &answer, packet) : NSS_STATUS_NOTFOUND;
    if (lookup->status == NSS_STATUS_SUCCESS)
        take_group(conf, lookup, &answer);
}

/* sshd's Match blocks hang on these two groups, so they are there whatever the broker does. */
static void find_marker_group(const struct cloud_conf *conf, void *arg)
{
    struct lookup *lookup = arg;
    bool ssh = strcmp(lookup->name, SSH_GROUP) == 0;

    packed(lookup, pack_group(lookup->name, ssh ? conf->ssh_gid : conf->sftp_gid, lookup->group,
                              lookup->buffer, lookup->size));
}

static void find_group_by_id(const struct cloud_conf *conf, void *arg)
{
    struct lookup *lookup = arg;
    const char *marker = lookup->id == conf->ssh_gid    ? SSH_GROUP
                         : lookup->id == conf->sftp_gid ? SFTP_GROUP
                                                        : NULL;

    if (marker == NULL)
        find_group(conf, lookup);
    else
        packed(lookup, pack_group(marker, lookup->id, lookup->group, lookup->buffer, lookup->size));
}

/* False: no memory. glibc wants the array grown here, up to its limit where that is positive. */
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
        /* Without its marker the account falls out of sshd's block: never a success. */
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

static void find_membership(const struct cloud_conf *conf, void *arg)
{
    struct membership *member = arg;
    struct cloud_name name;

    member->status = NSS_STATUS_NOTFOUND;
    if (!cloud_name_parse(&conf->grammar, member->name, &name))
        return;
    switch (cloud_local_user(member->name)) {
    case CLOUD_LOCAL_YES: /* in our group, sshd's block would lock this user out */
        break;
    case CLOUD_LOCAL_NO:
        member->status =
            add_group(member, name.kind == CLOUD_SFTP ? conf->sftp_gid : conf->ssh_gid);
        break;
    case CLOUD_LOCAL_UNKNOWN:
    default:
        member->status = NSS_STATUS_UNAVAIL;
        break;
    }
}

EXPORT enum nss_status _nss_cloud_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {.op = CLOUD_OP_PASSWD_BY_NAME,
                            .name = name,
                            .passwd = result,
                            .buffer = buffer,
                            .size = size};

    FAULT_POINT("getpwnam", name, 0, errnop);
    if (name == NULL || !cloud_name_possible(name))
        return NSS_STATUS_NOTFOUND;
    return run_lookup(find_passwd, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getpwuid_r(uid_t uid, struct passwd *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_PASSWD_BY_ID, .id = uid, .passwd = result, .buffer = buffer, .size = size};

    FAULT_POINT("getpwuid", NULL, uid, errnop);
    if (!id_possible(uid))
        return NSS_STATUS_NOTFOUND;
    return run_lookup(find_passwd, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrnam_r(const char *name, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {.op = CLOUD_OP_GROUP_BY_NAME,
                            .name = name,
                            .group = result,
                            .buffer = buffer,
                            .size = size};

    FAULT_POINT("getgrnam", name, 0, errnop);
    if (name == NULL)
        return NSS_STATUS_NOTFOUND;
    if (strcmp(name, SSH_GROUP) == 0 || strcmp(name, SFTP_GROUP) == 0)
        return run_lookup(find_marker_group, &lookup, errnop);
    if (!cloud_name_possible(name))
        return NSS_STATUS_NOTFOUND;
    return run_lookup(find_group, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_getgrgid_r(gid_t gid, struct group *result, char *buffer,
                                             size_t size, int *errnop)
{
    struct lookup lookup = {
        .op = CLOUD_OP_GROUP_BY_ID, .id = gid, .group = result, .buffer = buffer, .size = size};

    FAULT_POINT("getgrgid", NULL, gid, errnop);
    if (!id_possible(gid))
        return NSS_STATUS_NOTFOUND;
    return run_lookup(find_group_by_id, &lookup, errnop);
}

EXPORT enum nss_status _nss_cloud_initgroups_dyn(const char *name, gid_t gid, long int *start,
                                                 long int *size, gid_t **groups, long int limit,
                                                 int *errnop)
{
    struct membership member = {
        .name = name, .start = start, .size = size, .groups = groups, .limit = limit};

    FAULT_POINT("initgroups", name, 0, errnop);
    (void)gid; /* stands in *groups already */
    if (name == NULL || !cloud_name_possible(name))
        return NSS_STATUS_NOTFOUND;
    return run(find_membership, &member, &member.status, &member.error, errnop);
}
