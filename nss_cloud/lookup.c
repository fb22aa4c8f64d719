/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/lookup.h"

#include "common/call.h"
#include "common/clock.h"
#include "common/snapshot.h"
#include "nss_cloud/backoff.h"
#include "nss_cloud/negcache.h"
#include "nss_cloud/pack.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SFTP_HOME  "/"
#define SFTP_SHELL "/usr/sbin/nologin"

/* The longest time that a lookup waits for the daemon, in milliseconds. The unit tests define a
 * shorter one. */
#ifndef NSS_TIMEOUT_MS
#define NSS_TIMEOUT_MS CLOUD_CALL_NSS_MS
#endif

static enum nss_status to_nss(enum cloud_status status)
{
    switch (status) {
    case CLOUD_OK:
        return NSS_STATUS_SUCCESS;
    case CLOUD_ABSENT:
        return NSS_STATUS_NOTFOUND;
    case CLOUD_REFUSED: /* never the answer to a lookup */
    case CLOUD_UNAVAILABLE:
        break;
    }
    return NSS_STATUS_UNAVAIL;
}

/*
 * UNAVAIL always comes with EAGAIN, because getpwnam_r(3) and its like return the errno of a module
 * that answers UNAVAIL. Callers read 0, ENOENT, ESRCH, EBADF and EPERM as "no such user", and glibc
 * turns ERANGE into EINVAL. After EAGAIN nscd(8) keeps the entry that it has cached; after any
 * other error it caches that there is no such user.
 */
enum nss_status lookup_guard(lookup_step *step, void *arg, enum nss_status *status, int *error,
                             int *errnop)
{
    int saved = errno, cancelling;

    *status = NSS_STATUS_UNAVAIL;
    *error = EAGAIN;
    if (getpid() != 1) {
        /* A thread that was cancelled in the step would leak a descriptor. */
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
        step(arg);
        pthread_setcancelstate(cancelling, NULL);
    }
    errno = saved;
    if (*status == NSS_STATUS_UNAVAIL || *status == NSS_STATUS_TRYAGAIN)
        *errnop = *error;
    return *status;
}

static enum nss_status ask(const struct lookup *lookup, struct cloud_answer *answer,
                           unsigned char packet[CLOUD_WIRE_ACCOUNT_MAX])
{
    struct cloud_question question = {
        .op = lookup->op,
        .account = lookup->name,
        .id = lookup->id,
    };

    int timeout = backoff_timeout(NSS_TIMEOUT_MS);
    int64_t since = cloud_clock_ms();
    enum cloud_status status =
        cloud_call(&question, answer, packet, CLOUD_WIRE_ACCOUNT_MAX, timeout);

    if (status == CLOUD_UNAVAILABLE && answer->reason == NULL)
        backoff_unanswered(since, timeout);
    else
        backoff_answered();
    return to_nss(status);
}

static void set_packed(struct lookup *lookup, bool fits)
{
    lookup->status = fits ? NSS_STATUS_SUCCESS : NSS_STATUS_TRYAGAIN;
    lookup->error = fits ? 0 : ERANGE;
}

static bool is_group(const struct lookup *lookup)
{
    return lookup->group != NULL;
}

static bool is_absolute(const struct pack_text *text)
{
    return text->n > 0 && text->at[0] == '/';
}

static bool is_sftp(const struct pack_account *account)
{
    return cloud_name_kind_of(account->name.at, account->name.n) == CLOUD_SFTP;
}

/* Whether the entry may be returned. Neither the daemon nor the snapshot is trusted: this host's
 * settings must allow the ids and the home, and the entry must have the id that the caller asked
 * for. The caller has checked the name. */
static bool may_give(const struct cloud_conf *conf, const struct lookup *lookup,
                     const struct pack_account *account)
{
    if (!cloud_conf_has_id(conf, account->gid))
        return false;
    if (is_group(lookup))
        return lookup->name != NULL || account->gid == lookup->id;
    return cloud_conf_has_id(conf, account->uid) &&
           (lookup->name != NULL || account->uid == lookup->id) &&
           (is_sftp(account) || cloud_conf_has_home(conf, account->home.at)) &&
           is_absolute(&account->shell) && pack_fields_ok(account);
}

/* Writes the account's entry to the caller's buffer, and the result to *lookup. The status is
 * UNAVAIL if this host's settings do not allow the account. */
static void give(const struct cloud_conf *conf, struct lookup *lookup, struct pack_account *account)
{
    /* An sFTP account has no shell, whatever the document says. */
    if (is_sftp(account)) {
        account->home = pack_text(SFTP_HOME);
        account->shell = pack_text(SFTP_SHELL);
    }
    lookup->status = NSS_STATUS_UNAVAIL;
    if (!may_give(conf, lookup, account))
        return;
    if (is_group(lookup))
        set_packed(lookup, pack_group(&account->name, account->gid, lookup->group, lookup->buffer,
                                      lookup->size));
    else
        set_packed(lookup, pack_passwd(account, lookup->passwd, lookup->buffer, lookup->size));
}

/* Whether `came`, the name in the daemon's answer, is right: the name that was asked for or, if an
 * id was asked for, a main login name that this host serves. */
static bool name_fits(const struct cloud_conf *conf, const struct lookup *lookup, const char *came)
{
    struct cloud_name name;

    if (lookup->name != NULL)
        return strcmp(came, lookup->name) == 0;
    return cloud_name_parse(&conf->grammar, came, &name) && name.plain;
}

/* Writes the daemon's answer to the caller's buffer. An answer about a group has only a name and a
 * gid. */
static void take_answer(const struct cloud_conf *conf, struct lookup *lookup,
                        const struct cloud_answer *answer)
{
    struct pack_account account = {
        .name = pack_text(answer->account), .uid = answer->id, .gid = answer->gid};

    if (!is_group(lookup)) {
        account.gecos = pack_text(answer->gecos);
        account.home = pack_text(answer->home);
        account.shell = pack_text(answer->shell);
    }
    lookup->status = NSS_STATUS_UNAVAIL;
    if (name_fits(conf, lookup, answer->account))
        give(conf, lookup, &account);
}

/* Whether this host serves the name or id that is asked for. A name is parsed into *out. A group
 * must have the main login name of its environment. */
static bool is_ours(const struct cloud_conf *conf, const struct lookup *lookup,
                    struct cloud_name *out)
{
    if (lookup->name == NULL)
        return cloud_conf_has_id(conf, lookup->id);
    return cloud_name_parse_seen(&conf->grammar, lookup->name, &lookup->run, out) &&
           (!is_group(lookup) || out->plain);
}

/* ---- The snapshot ---- */

/* How old a record of the snapshot may be. */
enum trust {
    FRESH,       /* only while the record is fresh; after that the daemon is asked */
    UNREACHABLE, /* any age, because the daemon cannot be reached; a lookup grants no login */
};

enum found {
    NO_FILE, /* there is no usable snapshot */
    MISSED,
    FOUND,
};

static bool find_record(const struct cloud_snapshot *snapshot, const struct lookup *lookup,
                        const struct cloud_name *name, struct cloud_snapshot_account *out)
{
    if (lookup->name != NULL)
        return cloud_snapshot_by_name(snapshot, name->project, name->environment, out);
    return is_group(lookup) ? cloud_snapshot_by_gid(snapshot, lookup->id, out)
                            : cloud_snapshot_by_uid(snapshot, lookup->id, out);
}

/* Returns a string of a record. Its length follows from `next`, the string after it in the
 * record. */
static struct pack_text text_between(const char *string, const char *next)
{
    return (struct pack_text){string, (size_t)(next - string) - 1};
}

/* Writes the record to the caller's buffer, under the name that is asked for or, if an id is asked
 * for, under its main login name, for which `plain` has room. False if the record does not tell the
 * home under that name, or if this host's settings do not allow the account. */
static bool take_record(const struct cloud_conf *conf, struct lookup *lookup,
                        const struct cloud_name *name, const struct cloud_snapshot_account *record,
                        char plain[CLOUD_NAME_MAX + 1])
{
    struct pack_account account = {
        .gecos = text_between(record->gecos, record->home),
        .home = text_between(record->home, record->shell),
        .shell = text_between(record->shell, record->apps),
        .uid = record->record.uid,
        .gid = record->record.gid,
    };
    const char *home;

    account.name = (struct pack_text){lookup->name, lookup->run.n};
    if (lookup->name == NULL) {
        account.name.at = plain;
        if (!cloud_name_plain_served(&conf->grammar, record->project, record->environment, plain,
                                     &account.name.n))
            return false;
    } else if (!cloud_snapshot_home(record, name, &home)) {
        return false;
    } else if (home != record->home) {
        account.home = pack_text(home);
    }
    give(conf, lookup, &account);
    return lookup->status != NSS_STATUS_UNAVAIL;
}

bool lookup_take(const struct cloud_conf *conf, struct lookup *lookup,
                 const struct cloud_snapshot_account *account)
{
    char plain[CLOUD_NAME_MAX + 1];

    lookup->name = NULL;
    lookup->id = is_group(lookup) ? account->record.gid : account->record.uid;
    return take_record(conf, lookup, NULL, account, plain);
}

static enum found search(const struct cloud_conf *conf, struct lookup *lookup,
                         const struct cloud_name *name, const struct cloud_snapshot *snapshot,
                         enum trust trust)
{
    struct cloud_snapshot_account account;
    char plain[CLOUD_NAME_MAX + 1];
    int64_t now = time(NULL); /* makes no system call (vdso(7)) */

    if (trust == FRESH && !cloud_snapshot_current(snapshot, now))
        return NO_FILE;
    if (!find_record(snapshot, lookup, name, &account) ||
        (trust == FRESH && now >= account.record.fresh) ||
        !take_record(conf, lookup, name, &account, plain))
        return MISSED;
    return FOUND;
}

static struct negcache_key negcache_key_of(const struct lookup *lookup)
{
    return (struct negcache_key){
        .op = lookup->op, .name = lookup->name, .id = lookup->id, .file = lookup->file};
}

/* Whether it may be remembered that the daemon has called a name or id absent. Not with file://,
 * because the daemon then reads the document again for each lookup. */
static bool may_remember(const struct cloud_conf *conf, const struct lookup *lookup)
{
    return lookup->lacks && conf->absent_fresh > 0 && strncmp(conf->access_url, "file:", 5) != 0;
}

static void remember_absent(const struct cloud_conf *conf, const struct lookup *lookup)
{
    const struct negcache_key key = negcache_key_of(lookup);

    if (may_remember(conf, lookup))
        negcache_add(&key);
}

static bool is_known_absent(const struct cloud_conf *conf, const struct lookup *lookup)
{
    const struct negcache_key key = negcache_key_of(lookup);

    return may_remember(conf, lookup) && negcache_has(&key);
}

/* Searches a live snapshot for a record that is fresh, for which the daemon need not be asked. */
static enum found search_live(const struct map *map, struct lookup *lookup,
                              const struct cloud_name *name)
{
    const struct cloud_snapshot *snapshot = &map->held->snapshot;
    enum found found;

    if (!map_is_live(map))
        return NO_FILE;
    found = search(map->held->conf, lookup, name, snapshot, FRESH);
    lookup->lacks = found == MISSED;
    lookup->file = snapshot->header.seed;
    return found;
}

/*
 * Searches the map while the daemon cannot be reached. A retired map is used only if this process
 * cannot see the file that replaced it, as in an sFTP session that entered its chroot after the map
 * was made. If the file cannot be opened for another reason, the map is not used, because a user
 * could otherwise keep a deleted account alive in a process by using up its descriptors.
 */
static void search_unreachable(const struct map *map, struct lookup *lookup,
                               const struct cloud_name *name)
{
    const struct cloud_snapshot *snapshot = &map->held->snapshot;

    if (map_is_live(map) || (map->out_of_sight && snapshot->map != NULL))
        if (search(map->held->conf, lookup, name, snapshot, UNREACHABLE) != FOUND)
            lookup->status = NSS_STATUS_UNAVAIL;
}

/* ---- Lookups ---- */

/* Answers a lookup of a marker group, without the daemon. False if another group is looked up. */
static bool take_marker(const struct cloud_conf *conf, struct lookup *lookup)
{
    struct pack_text name;
    bool ssh, sftp;

    ssh = lookup->name != NULL ? strcmp(lookup->name, LOOKUP_SSH_GROUP) == 0
                               : lookup->id == conf->ssh_gid;
    sftp = lookup->name != NULL ? strcmp(lookup->name, LOOKUP_SFTP_GROUP) == 0
                                : lookup->id == conf->sftp_gid;
    name = pack_text(ssh ? LOOKUP_SSH_GROUP : LOOKUP_SFTP_GROUP);
    if (ssh || sftp)
        set_packed(lookup, pack_group(&name, ssh ? conf->ssh_gid : conf->sftp_gid, lookup->group,
                                      lookup->buffer, lookup->size));
    return ssh || sftp;
}

/* Asks the daemon. Not inlined: a thread may have only 16 KiB of stack. The caller needs half of it
 * to read the settings, and the packet must not be on the stack at that time. */
__attribute__((noinline)) static void find_by_daemon(const struct map *map, struct lookup *lookup,
                                                     const struct cloud_name *name)
{
    const struct cloud_conf *conf = map->held->conf;
    struct cloud_answer answer;
    unsigned char packet[CLOUD_WIRE_ACCOUNT_MAX];

    lookup->status = ask(lookup, &answer, packet);
    if (lookup->status == NSS_STATUS_SUCCESS)
        take_answer(conf, lookup, &answer);
    else if (lookup->status == NSS_STATUS_UNAVAIL && answer.reason == NULL)
        search_unreachable(map, lookup, name);
    else if (lookup->status == NSS_STATUS_NOTFOUND)
        remember_absent(conf, lookup);
}

static void find_account(void *arg)
{
    struct lookup *lookup = arg;
    struct cloud_name name;
    struct map map;

    if (!map_settings(&map))
        return;
    lookup->status = NSS_STATUS_NOTFOUND;
    if (!(is_group(lookup) && take_marker(map.held->conf, lookup)) &&
        is_ours(map.held->conf, lookup, &name)) {
        map_snapshot(&map);
        if (search_live(&map, lookup, &name) != FOUND)
            find_by_daemon(&map, lookup, &name);
    }
    map_release(&map);
}

/* Tries to answer without a system call, from the kept map and the negative cache. A marker group,
 * or a name or id that this host does not serve, is answered only until the settings file is due
 * for the next check. False if there is no answer. */
static bool find_kept(const struct map *map, struct lookup *lookup)
{
    const struct cloud_conf *conf = map->held->conf;
    struct cloud_name name;

    lookup->status = NSS_STATUS_NOTFOUND;
    if ((is_group(lookup) && take_marker(conf, lookup)) || !is_ours(conf, lookup, &name))
        return !map_is_due();
    if (search_live(map, lookup, &name) == FOUND)
        return true;
    lookup->status = NSS_STATUS_NOTFOUND;
    return is_known_absent(conf, lookup);
}

static bool find_at_once(struct lookup *lookup, int *errnop)
{
    struct map map;
    bool found;

    if (!map_acquire(&map))
        return false;
    found = find_kept(&map, lookup);
    map_release(&map);
    if (found && lookup->status == NSS_STATUS_TRYAGAIN)
        *errnop = lookup->error;
    return found;
}

static bool is_possible_id(uint32_t id)
{
    return id >= CLOUD_ID_FLOOR && id <= CLOUD_ID_CEILING;
}

enum nss_status lookup_find(struct lookup *lookup, int *errnop)
{
    if (lookup->name != NULL ? !cloud_name_look(lookup->name, &lookup->run)
                             : !is_possible_id(lookup->id))
        return NSS_STATUS_NOTFOUND;
    if (find_at_once(lookup, errnop))
        return lookup->status;
    return lookup_guard(find_account, lookup, &lookup->status, &lookup->error, errnop);
}
