/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/lines.h"

#include "common/local.h"
#include "common/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- Owners and modes ---- */

enum owner_wanted {
    HOST_OWNS, /* root, and it is not ours: --fix leaves it alone, and a link will do */
    ROOT_OWNS,
    DAEMON_OWNS,
};

struct place {
    const char *path;
    mode_t type;
    enum owner_wanted owner;
    mode_t never, always; /* bits that must not, and that must be set */
};

static const struct place places[] = {
    {"/etc/cloudauth", S_IFDIR, ROOT_OWNS, 022, 0555},
    {CLOUD_CONF_PATH, S_IFREG, ROOT_OWNS, 022, 0444},
    {"/", S_IFDIR, HOST_OWNS, 022, 0111},
    {"/usr", S_IFDIR, HOST_OWNS, 022, 0555},
    {"/usr/libexec", S_IFDIR, HOST_OWNS, 022, 0555},
    {"/usr/libexec/cloudauth", S_IFDIR, ROOT_OWNS, 022, 0555},
    {"/usr/libexec/cloudauth/cloud-authkeys", S_IFREG, ROOT_OWNS, 022, 0555},
    {"/usr/sbin/cloudauthd", S_IFREG, ROOT_OWNS, 022, 0500},
    {"/srv", S_IFDIR, HOST_OWNS, 022, 0111},
    {"/srv/sftp", S_IFDIR, ROOT_OWNS, 022, 0555},
    {"/run/cloudauth", S_IFDIR, DAEMON_OWNS, 022, 0555},
    {"/run/cloudauth/socket", S_IFSOCK, DAEMON_OWNS, 0, 0666},
    {"/var/lib/cloudauth", S_IFDIR, DAEMON_OWNS, 022, 0555},
    {"/var/lib/cloudauth/documents", S_IFDIR, DAEMON_OWNS, 077, 0700},
};

static const struct place snapshot = {"/var/lib/cloudauth/" CLOUD_SNAPSHOT_FILE, S_IFREG,
                                      DAEMON_OWNS, 022, 0444};

/* Says what is wrong, or, with --fix, does what can be done about it. Returns whether it is well
 * now. */
static bool treat(struct doctor *doctor, const char *check, const struct place *place,
                  const struct doctor_repair *repair, const char *remedy, const char *wrong)
{
    bool owner_known = place->owner <= ROOT_OWNS || doctor->daemon_uid != 0;
    char why[256];

    if (!doctor->fix || place->owner == HOST_OWNS || !owner_known) {
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: %s", repair->path, wrong);
        return false;
    }
    if (doctor->dry_run) {
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: %s; --fix would do what is said here",
                   repair->path, wrong);
        return false;
    }
    if (doctor_repair(repair, why, sizeof why)) {
        doctor_say(doctor, check, DOCTOR_FIXED, "", "%s: %s; done: %s", repair->path, wrong,
                   remedy);
        return true;
    }
    doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: %s; not done: %s", repair->path, wrong, why);
    return false;
}

/* Whoever owns it as it should be goes on owning it. */
static bool is_owned(const struct doctor *doctor, const struct place *place, uid_t uid)
{
    return place->owner <= ROOT_OWNS ? uid == 0
                                     : doctor->daemon_uid != 0 && uid == doctor->daemon_uid;
}

static bool is_missing(struct doctor *doctor, const char *check, const struct place *place,
                       struct doctor_repair *repair)
{
    const char *owner = place->owner <= ROOT_OWNS ? "root" : "cloudauth";
    char remedy[512];

    repair->mode =
        place->owner == HOST_OWNS ? 0755 : place->always | (place->always & 0400 ? 0200 : 0);
    if (place->type == S_IFDIR && errno == ENOENT) {
        snprintf(remedy, sizeof remedy, "install -d -o %s -g %s -m %03o %s", owner, owner,
                 (unsigned)repair->mode, place->path);
        return treat(doctor, check, place, repair, remedy, "it is missing");
    }
    doctor_say(doctor, check, DOCTOR_BAD,
               "make install or the package puts it there; what is below /run and /var/lib comes "
               "with systemctl restart cloudauthd",
               "%s: %s", place->path, strerror(errno));
    return false;
}

/* Returns whether it is as it must be. */
static bool check_place(struct doctor *doctor, const char *check, const struct place *place)
{
    const char *owner = place->owner <= ROOT_OWNS ? "root" : "cloudauth";
    struct doctor_repair repair = {.path = place->path, .type = place->type};
    char remedy[512], wrong[128];
    struct stat st;

    if (place->owner > ROOT_OWNS) {
        repair.uid = doctor->daemon_uid;
        repair.gid = doctor->daemon_gid;
    }
    if ((place->owner == HOST_OWNS ? stat(place->path, &st) : lstat(place->path, &st)) != 0)
        return is_missing(doctor, check, place, &repair);
    if ((st.st_mode & S_IFMT) != place->type) {
        doctor_say(doctor, check, DOCTOR_BAD, "remove what is there; then as for a missing one",
                   "%s: something else is in its place", place->path);
        return false;
    }
    repair.mode = (st.st_mode | place->always) & ~place->never & 0777;
    if (is_owned(doctor, place, st.st_uid)) {
        if ((st.st_mode & place->never) == 0 && (st.st_mode & place->always) == place->always)
            return true;
        repair.uid = DOCTOR_KEEP;
        snprintf(remedy, sizeof remedy, "chmod %03o %s", (unsigned)repair.mode, place->path);
    } else {
        snprintf(remedy, sizeof remedy, "chown %s:%s %s; chmod %03o %s", owner, owner, place->path,
                 (unsigned)repair.mode, place->path);
    }
    snprintf(wrong, sizeof wrong, "owner %u, mode %03o", (unsigned)st.st_uid,
             (unsigned)(st.st_mode & 07777));
    return treat(doctor, check, place, &repair, remedy, wrong);
}

/* A file of root's that nobody else may read is of no use to the daemon. */
static void check_secret(struct doctor *doctor, const char *path)
{
    const struct place place = {path, S_IFREG, DAEMON_OWNS, 077, 0400};

    /* A bare name is one of systemd's credentials: nobody else can see it. */
    if (path[0] == '/' && check_place(doctor, "secrets", &place))
        doctor_say(doctor, "secrets", DOCTOR_OK, "", "%s", path);
}

/* The snapshot's first bytes say whether anybody can use it. */
static void check_snapshot(struct doctor *doctor)
{
    struct cloud_snapshot_header header = {0};
    FILE *file = fopen(snapshot.path, "re");
    size_t got = file == NULL ? 0 : fread(&header, 1, sizeof header, file);

    if (file == NULL && errno == ENOENT) {
        doctor_say(doctor, "snapshot", DOCTOR_OK, "", "none yet: no account is known");
        return;
    }
    if (!check_place(doctor, "snapshot", &snapshot))
        got = 0;
    if (file != NULL)
        (void)fclose(file); /* it was only read */
    if (got == sizeof header && header.magic == CLOUD_SNAPSHOT_MAGIC &&
        header.version == CLOUD_SNAPSHOT_VERSION)
        doctor_say(doctor, "snapshot", DOCTOR_OK, "", "%llu accounts",
                   (unsigned long long)header.accounts);
    else
        doctor_say(doctor, "snapshot", DOCTOR_BAD, "systemctl restart cloudauthd",
                   "accounts.snapshot is not one of this version: each lookup asks the daemon");
}

/* What the daemon keeps, down to the last file: as a backup was put back by root, or with the user
 * id of another host, it does not start. --fix leaves it alone: by the time that it came there what
 * is below a folder of the daemon's could be another one. */
static bool check_kept(struct doctor *doctor)
{
    char root[] = "/var/lib/cloudauth", first[256] = "";
    char *const roots[] = {root, NULL};
    FTS *fts = doctor->daemon_uid == 0 || access(root, F_OK) != 0
                   ? NULL
                   : fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    unsigned long strangers = 0;
    FTSENT *entry;

    while (fts != NULL && (entry = fts_read(fts)) != NULL)
        if (entry->fts_level > 0 && entry->fts_info != FTS_DP && entry->fts_info != FTS_NS &&
            entry->fts_statp->st_uid != doctor->daemon_uid && strangers++ == 0)
            snprintf(first, sizeof first, "%.200s", entry->fts_path);
    if (fts != NULL)
        (void)fts_close(fts); /* it was only read */
    if (strangers > 0)
        doctor_say(doctor, "files", DOCTOR_BAD,
                   "systemctl stop cloudauthd; chown -hR cloudauth:cloudauth /var/lib/cloudauth; "
                   "systemctl start cloudauthd",
                   "%lu of the daemon's files are not the user cloudauth's, %s among them",
                   strangers, first);
    return strangers == 0;
}

void doctor_files(struct doctor *doctor)
{
    const struct cloud_conf *conf = &doctor->conf;
    bool well = true;

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        well &= check_place(doctor, "files", &places[i]);
    well &= check_kept(doctor);
    if (well)
        doctor_say(doctor, "files", DOCTOR_OK, "", "owners and modes are as they must be");
    check_secret(doctor, conf->token_file);
    check_secret(doctor, conf->client_id_file);
    check_secret(doctor, conf->client_key);
    check_snapshot(doctor);
}

/* ---- Ranges ---- */

struct range {
    struct doctor *doctor;
    const char *path;
    bool found, shadowed;
};

static bool take_login_defs(void *arg, char *line)
{
    struct range *range = arg;
    const struct cloud_conf *conf = &range->doctor->conf;
    char *at = line, *name = lines_word(&at), *value = name == NULL ? NULL : lines_word(&at);

    if (value == NULL || (strcmp(name, "UID_MAX") != 0 && strcmp(name, "GID_MAX") != 0))
        return true;
    if (strtoull(value, NULL, 10) < conf->uid_min)
        return true;
    range->found = true;
    doctor_say(range->doctor, "ranges", DOCTOR_BAD,
               "set uid_min and uid_max in cloudauth.conf, or UID_MAX and GID_MAX, so that they do "
               "not meet",
               "%s: %s %s is not below uid_min %u: useradd(8) could give a cloud account's id away",
               range->path, name, value, conf->uid_min);
    return true;
}

/* "user:first:count" */
static bool take_subordinate(void *arg, char *line)
{
    struct range *range = arg;
    const struct cloud_conf *conf = &range->doctor->conf;
    char *first = strchr(line, ':'), *count = first == NULL ? NULL : strchr(first + 1, ':');
    unsigned long long from, n;

    if (count == NULL)
        return true;
    from = strtoull(first + 1, NULL, 10);
    n = strtoull(count + 1, NULL, 10);
    if (n == 0 || from > conf->uid_max || from + n - 1 < conf->uid_min)
        return true;
    range->found = true;
    doctor_say(range->doctor, "ranges", DOCTOR_BAD,
               "set uid_min above it in cloudauth.conf, or give that user another range",
               "%s: %s meets %u-%u: that user's containers could run as a cloud account",
               range->path, line, conf->uid_min, conf->uid_max);
    return true;
}

static bool take_local(void *arg, const struct cloud_local_entry *entry)
{
    struct range *range = arg;

    if (cloud_name_parse(&range->doctor->conf.grammar, entry->name, NULL)) {
        range->shadowed = true;
        doctor_say(range->doctor, "shadowed", DOCTOR_BAD,
                   "rename it, or take the name out of `allow` (or into reserved_names) in "
                   "cloudauth.conf",
                   "%s: %s is a login name of `allow`: the host's own one wins, and the cloud "
                   "account does not exist here",
                   range->path, entry->name);
    }
    if (!entry->id_ok || !cloud_conf_id_ours(&range->doctor->conf, entry->id))
        return true;
    range->found = true;
    doctor_say(range->doctor, "ranges", DOCTOR_BAD,
               "give it another id, or set uid_min and uid_max in cloudauth.conf",
               "%s: %s has the id %u, which is in the range of cloud accounts", range->path,
               entry->name, entry->id);
    return true;
}

/* The newest file of the store: the clock was there already. */
static time_t newest_document(void)
{
    static const char folder[] = "/var/lib/cloudauth/documents";
    DIR *listing = opendir(folder);
    struct dirent *entry;
    time_t newest = 0;
    struct stat st;

    while (listing != NULL && (entry = readdir(listing)) != NULL)
        if (fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtime > newest)
            newest = st.st_mtime;
    if (listing != NULL)
        closedir(listing);
    return newest;
}

void doctor_ranges(struct doctor *doctor)
{
    struct range range = {.doctor = doctor, .path = "/etc/login.defs"};

    (void)lines_read(range.path, true, take_login_defs, &range);
    range.path = "/etc/subuid";
    (void)lines_read(range.path, true, take_subordinate, &range);
    range.path = "/etc/subgid";
    (void)lines_read(range.path, true, take_subordinate, &range);
    range.path = CLOUD_PASSWD_PATH;
    (void)cloud_local_scan(range.path, true, take_local, &range);
    range.path = CLOUD_GROUP_PATH;
    (void)cloud_local_scan(range.path, false, take_local, &range);
    if (!range.found)
        doctor_say(doctor, "ranges", DOCTOR_OK, "", "nobody else has ids of %u-%u",
                   doctor->conf.uid_min, doctor->conf.uid_max);
    if (!range.shadowed)
        doctor_say(doctor, "shadowed", DOCTOR_OK, "", "no local name is one of `allow`");
    if (time(NULL) + 5 < newest_document())
        doctor_say(doctor, "clock", DOCTOR_BAD, "set the clock (timedatectl), keep it by NTP",
                   "the clock stands before the newest stored document: none of them is used");
    else
        doctor_say(doctor, "clock", DOCTOR_OK, "", "it does not stand before the stored documents");
}

/* ---- /proc ---- */

struct mounted {
    uint32_t gid; /* of cloudauth */
    bool hidden;
};

/* hidepid= hides, but from the group of gid= (proc(5)), which the value `ptraceable` does not look
 * at. */
static bool take_mount(void *arg, char *line)
{
    struct mounted *mounted = arg;
    char *at = line, *what = lines_word(&at), *where = what == NULL ? NULL : lines_word(&at);
    char *type = where == NULL ? NULL : lines_word(&at);
    char *options = type == NULL ? NULL : lines_word(&at), *hidepid, *gid;
    bool traced;

    if (options == NULL || strcmp(where, "/proc") != 0)
        return true;
    hidepid = strstr(options, "hidepid=");
    traced = hidepid != NULL && (strncmp(hidepid + 8, "ptraceable", 10) == 0 || hidepid[8] == '4');
    gid = strstr(options, ",gid=");
    mounted->hidden = hidepid != NULL && strncmp(hidepid, "hidepid=0", 9) != 0 &&
                      strncmp(hidepid, "hidepid=off", 11) != 0 &&
                      (traced || gid == NULL || strtoul(gid + 5, NULL, 10) != mounted->gid);
    return true;
}

void doctor_proc(struct doctor *doctor)
{
    struct mounted mounted = {doctor->daemon_gid, false};

    if (!lines_read("/proc/self/mounts", false, take_mount, &mounted))
        doctor_say(doctor, "proc", DOCTOR_UNKNOWN, "mount /proc", "/proc cannot be read");
    else if (mounted.hidden)
        doctor_say(
            doctor, "proc", DOCTOR_BAD,
            "mount -o remount,hidepid=0 /proc, and in /etc/fstab; or hidepid=2 with gid= of the "
            "group "
            "cloudauth",
            "/proc hides processes: cloudauthd cannot see which sshd asks, and nobody enters");
    else
        doctor_say(doctor, "proc", DOCTOR_OK, "", "/proc shows processes");
}
