/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/home.h"
#include "ctl/lines.h"

#include "base/foreign.h"
#include "common/local.h"
#include "common/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* ---- Owners and modes ---- */

enum owner {
    ROOT,    /* and a symbolic link will do: the directory belongs to the host's own system */
    PACKAGE, /* root too, but a file or directory of cloudauth's packages */
    DAEMON,  /* user cloudauth */
};

/* What must stand at a path. */
struct place {
    const char *path;
    mode_t type;
    enum owner owner;
    mode_t never, always; /* bits that must not, and that must be set */
    bool secret;          /* of the settings: no program makes it anew */
};

#define STATE   "/var/lib/cloudauth"
#define RESTART "systemctl restart cloudauthd"

static const struct place places[] = {
    {"/etc/cloudauth", S_IFDIR, PACKAGE, 022, 0555, false},
    {CLOUD_CONF_PATH, S_IFREG, PACKAGE, 022, 0444, false},
    {"/", S_IFDIR, ROOT, 022, 0111, false},
    {"/usr", S_IFDIR, ROOT, 022, 0555, false},
    {"/usr/libexec", S_IFDIR, ROOT, 022, 0555, false},
    {"/usr/libexec/cloudauth", S_IFDIR, PACKAGE, 022, 0555, false},
    {"/usr/libexec/cloudauth/cloud-authkeys", S_IFREG, PACKAGE, 022, 0555, false},
    {"/usr/sbin/cloudauthd", S_IFREG, PACKAGE, 022, 0500, false},
    {"/srv", S_IFDIR, ROOT, 022, 0111, false},
    {"/srv/sftp", S_IFDIR, PACKAGE, 022, 0555, false},
    {"/run/cloudauth", S_IFDIR, DAEMON, 022, 0555, false},
    {"/run/cloudauth/socket", S_IFSOCK, DAEMON, 0, 0666, false},
    {STATE, S_IFDIR, DAEMON, 022, 0555, false},
    {STATE "/documents", S_IFDIR, DAEMON, 077, 0700, false},
};

static const struct place snapshot = {
    STATE "/" CLOUD_SNAPSHOT_FILE, S_IFREG, DAEMON, 022, 0444, false};

/* Gives everything that the daemon keeps back to the daemon's user. chown takes names here, and -h
 * has it follow no link, because the daemon's user could have made one. */
static const char own_state[] = "systemctl stop cloudauthd; chown -hR cloudauth:cloudauth " STATE
                                "; systemctl start cloudauthd";

static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);

    return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* Whether only root can change what is at a path. Above the host's own directories root may have
 * made links. */
static bool is_safe(const struct place *place)
{
    char real[PATH_MAX];

    if (place->owner == DAEMON)
        return home_is_guarded(place->path);
    return realpath(place->path, real) != NULL && home_is_guarded(real);
}

/*
 * The command that gives a path the right mode and, unless `owned`, the right owner. It runs as
 * root only if no other user can meanwhile put something else at the path. In the daemon's
 * directories it runs as the daemon's user, or the daemon is restarted and makes the path anew.
 */
static void own_and_mode(const struct place *place, bool owned, mode_t mode, char out[REMEDY_SIZE])
{
    const char *owner = place->owner == DAEMON ? "cloudauth" : "root";
    char path[REMEDY_SIZE / 3];

    (void)remedy_quote(place->path, path, sizeof path);
    if (place->type == S_IFSOCK)
        snprintf(out, REMEDY_SIZE, RESTART);
    else if (is_below(place->path, STATE) && !owned)
        snprintf(out, REMEDY_SIZE, "%s", own_state);
    else if (is_below(place->path, STATE))
        snprintf(out, REMEDY_SIZE, "runuser -u cloudauth -- chmod %03o %s", (unsigned)mode, path);
    else if (!is_safe(place))
        snprintf(out, REMEDY_SIZE,
                 "namei -l %s  # all above it must be root's, writable by no other user; then "
                 "cloudauthctl doctor again",
                 path);
    else if (owned)
        snprintf(out, REMEDY_SIZE, "chmod %03o %s", (unsigned)mode, path);
    else
        snprintf(out, REMEDY_SIZE, "chown %s:%s %s && chmod %03o %s", owner, owner, path,
                 (unsigned)mode, path);
}

/* The command that makes what is missing at a path. */
static void make_anew(const struct place *place, char out[REMEDY_SIZE])
{
    char path[REMEDY_SIZE / 3];

    (void)remedy_quote(place->path, path, sizeof path);
    if (place->secret)
        snprintf(out, REMEDY_SIZE, "# install -o cloudauth -g cloudauth -m 400 NEW_FILE %s", path);
    else if (place->owner == DAEMON)
        snprintf(out, REMEDY_SIZE, RESTART);
    else if (place->type == S_IFDIR)
        snprintf(out, REMEDY_SIZE, "install -d -o root -g root -m 755 %s", path);
    else
        snprintf(out, REMEDY_SIZE, "apt-get install --reinstall cloudauth  # or make install");
}

static bool is_owned(const struct doctor *doctor, const struct place *place, uid_t uid)
{
    return place->owner != DAEMON ? uid == 0 : doctor->daemon_uid != 0 && uid == doctor->daemon_uid;
}

/* Reports a path at which there is nothing, or something of another type. */
static void say_missing(struct doctor *doctor, const char *check, const struct place *place,
                        const char *wrong)
{
    char remedy[REMEDY_SIZE], anew[REMEDY_SIZE / 2], path[REMEDY_SIZE / 3];

    make_anew(place, remedy);
    if (wrong == NULL) {
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: %s", place->path, strerror(errno));
        return;
    }
    (void)remedy_quote(place->path, path, sizeof path);
    snprintf(anew, sizeof anew, "%.500s", remedy);
    if (place->secret)
        snprintf(remedy, sizeof remedy, "namei -l %s", path);
    else
        snprintf(remedy, sizeof remedy, "rm %s && %s", path, anew);
    doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: %s", place->path, wrong);
}

/* Reports a path that is not as it must be. Returns whether it is. */
static bool check_place(struct doctor *doctor, const char *check, const struct place *place)
{
    char remedy[REMEDY_SIZE];
    struct stat st;
    bool owned;

    if ((place->owner == ROOT ? stat(place->path, &st) : lstat(place->path, &st)) != 0) {
        say_missing(doctor, check, place, NULL);
        return false;
    }
    if ((st.st_mode & S_IFMT) != place->type) {
        say_missing(doctor, check, place, "something else is in its place");
        return false;
    }
    owned = is_owned(doctor, place, st.st_uid);
    if (owned && (st.st_mode & place->never) == 0 && (st.st_mode & place->always) == place->always)
        return true;
    own_and_mode(place, owned, (st.st_mode | place->always) & ~place->never & 0777, remedy);
    doctor_say(doctor, check, DOCTOR_BAD, remedy, "%s: owner %u, mode %03o", place->path,
               (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
    return false;
}

/* Checks the file of a secret. A name without '/' is one of systemd's credentials, which other
 * processes cannot see. */
static void check_secret(struct doctor *doctor, const char *path)
{
    const struct place place = {path, S_IFREG, DAEMON, 077, 0400, true};

    if (path[0] == '/' && check_place(doctor, "secrets", &place))
        doctor_say(doctor, "secrets", DOCTOR_OK, "", "%s", path);
}

/* Checks the snapshot. Its first bytes say whether the NSS module of this version accepts it. */
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
        doctor_say(doctor, "snapshot", DOCTOR_BAD, RESTART,
                   "accounts.snapshot is not one of this version: each lookup asks the daemon");
}

/* Checks the owner of everything that the daemon keeps. The daemon does not start if root restored
 * a backup, or if the files have the user id of another host. */
static bool check_kept(struct doctor *doctor)
{
    char root[] = STATE, first[256] = "";
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
        doctor_say(doctor, "files", DOCTOR_BAD, own_state,
                   "%lu files below " STATE " do not belong to user cloudauth, %s among them",
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
    unsigned long long sub_min, sub_max; /* what useradd(8) gives out as subordinate ids */
    bool found, shadowed;
};

/* Reports a clash of this host's ids or names with those of cloud accounts. */
__attribute__((format(printf, 4, 5))) static void
say_clash(struct range *range, const char *check, const char *advice, const char *format, ...)
{
    char remedy[REMEDY_SIZE], detail[700];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    snprintf(remedy, sizeof remedy, "editor %s " CLOUD_CONF_PATH "  # %s", range->path, advice);
    doctor_say(range->doctor, check, DOCTOR_BAD, remedy, "%s: %s", range->path, detail);
}

static bool take_login_defs(void *arg, char *line)
{
    struct range *range = arg;
    const struct cloud_conf *conf = &range->doctor->conf;
    char *at = line, *name = lines_word(&at), *value = name == NULL ? NULL : lines_word(&at);

    if (value == NULL)
        return true;
    if (strcmp(name, "SUB_UID_MIN") == 0)
        range->sub_min = strtoull(value, NULL, 10);
    if (strcmp(name, "SUB_UID_MAX") == 0)
        range->sub_max = strtoull(value, NULL, 10);
    if (strcmp(name, "UID_MAX") != 0 && strcmp(name, "GID_MAX") != 0)
        return true;
    if (strtoull(value, NULL, 10) < conf->uid_min)
        return true;
    range->found = true;
    say_clash(range, "ranges", "UID_MAX and GID_MAX must be less than uid_min",
              "%s %s is not below uid_min %u: useradd(8) could give a cloud account's id to a "
              "local user",
              name, value, conf->uid_min);
    return true;
}

/* Checks a line "user:first:count" of subuid(5) or subgid(5). */
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
    say_clash(range, "ranges", "set uid_min above that range, or give the user another range",
              "%s overlaps %u-%u: that user's containers could run as a cloud account", line,
              conf->uid_min, conf->uid_max);
    return true;
}

/* Checks a line of getent(1), which is an entry of another name service. */
static bool take_foreign(void *arg, char *line)
{
    struct range *range = arg;
    const char *at = strchr(line, ':');
    uint32_t id;

    at = at == NULL ? NULL : strchr(at + 1, ':');
    id = at == NULL ? 0 : (uint32_t)strtoul(at + 1, NULL, 10);
    if (!cloud_conf_has_id(&range->doctor->conf, id))
        return true;
    range->found = true;
    line[strcspn(line, ":")] = '\0';
    doctor_say(range->doctor, "ranges", DOCTOR_BAD,
               "editor " CLOUD_CONF_PATH "  # set uid_min and uid_max to a range without it",
               "%.200s of another name service has the id %u, which is in the range of cloud "
               "accounts",
               line, id);
    return false;
}

/* Checks the entries that a name service lets getent(1) list. A service that hangs is given up
 * after 10 seconds. */
static bool take_service(void *arg, const char *service)
{
    struct range *range = arg;
    char program[] = "/usr/bin/timeout", time[] = "10", getent[] = "getent", with[] = "-s";
    char *const argv[] = {program, time, getent, with, (char *)service, (char *)range->path, NULL};
    int status;

    (void)lines_run(argv, take_foreign, range, &status);
    return true;
}

static bool take_local(void *arg, const struct cloud_local_entry *entry)
{
    struct range *range = arg;

    if (cloud_name_parse(&range->doctor->conf.grammar, entry->name, NULL)) {
        range->shadowed = true;
        say_clash(range, "shadowed",
                  "rename the local one, or take the name out of allow, or add it to "
                  "reserved_names",
                  "%s is a login name of `allow`: the local one wins, and the cloud account does "
                  "not exist here",
                  entry->name);
    }
    if (!entry->id_ok || !cloud_conf_has_id(&range->doctor->conf, entry->id))
        return true;
    range->found = true;
    say_clash(range, "ranges", "give it another id, or set uid_min and uid_max",
              "%s has the id %u, which is in the range of cloud accounts", entry->name, entry->id);
    return true;
}

/* When the newest stored document was written, by its file. The clock must not stand before that
 * time. */
static time_t newest_document(void)
{
    DIR *listing = opendir(STATE "/documents");
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
    const struct cloud_conf *conf = &doctor->conf;

    (void)lines_read(range.path, true, take_login_defs, &range);
    if (conf->uid_min <= range.sub_max && conf->uid_max >= range.sub_min)
        doctor_say(
            doctor, "ranges", DOCTOR_NOTE,
            "# uid_min and uid_max for new hosts: 70000-99999 or 1879048192-2147352575; here "
            "SUB_UID_MIN, SUB_GID_MIN in /etc/login.defs above uid_max",
            "useradd(8) gives out %llu-%llu as subordinate ids, among them those of cloud "
            "accounts",
            range.sub_min, range.sub_max);
    range.path = "/etc/subuid";
    (void)lines_read(range.path, true, take_subordinate, &range);
    range.path = "/etc/subgid";
    (void)lines_read(range.path, true, take_subordinate, &range);
    range.path = CLOUD_PASSWD_PATH;
    (void)cloud_local_scan(range.path, true, take_local, &range);
    range.path = CLOUD_GROUP_PATH;
    (void)cloud_local_scan(range.path, false, take_local, &range);
    range.path = "passwd";
    foreign_each(range.path, take_service, &range);
    range.path = "group";
    foreign_each(range.path, take_service, &range);
    if (!range.found)
        doctor_say(doctor, "ranges", DOCTOR_OK, "", "ids %u-%u belong to cloud accounts alone",
                   conf->uid_min, conf->uid_max);
    if (!range.shadowed)
        doctor_say(doctor, "shadowed", DOCTOR_OK, "", "no local name is one of `allow`");
    if (time(NULL) + 5 < newest_document())
        doctor_say(doctor, "clock", DOCTOR_BAD, "timedatectl set-ntp true",
                   "the clock stands before the newest stored document: none of them is used");
    else if (doctor->clock == NULL || strcmp(doctor->clock, "is off") != 0)
        doctor_say(doctor, "clock", DOCTOR_OK, "", "it %s",
                   doctor->clock != NULL ? doctor->clock : "does not stand before what is stored");
}

/* ---- Homes ---- */

/* Notes the first home of a pattern that is on a file system without nosuid. People with sFTP may
 * set a set-user-ID bit on a file there, and the nosuid of their own session does not hold outside
 * of it. */
static void check_homes(struct doctor *doctor, const char *pattern)
{
    char remedy[REMEDY_SIZE], quoted[REMEDY_SIZE / 3];
    glob_t homes = {0};
    struct statvfs at;

    if (glob(pattern, GLOB_NOSORT, NULL, &homes) == 0)
        for (size_t i = 0; i < homes.gl_pathc; i++) {
            const char *home = homes.gl_pathv[i];
            if (statvfs(home, &at) != 0 || (at.f_flag & ST_NOSUID) != 0)
                continue;
            (void)remedy_quote(home, quoted, sizeof quoted);
            snprintf(remedy, sizeof remedy, "findmnt -T %s  # add nosuid to its options", quoted);
            doctor_say(doctor, "homes", DOCTOR_NOTE, remedy,
                       "%s is on a file system without nosuid: people with sFTP alone can leave "
                       "programs there that run as the account when another user starts them",
                       home);
            break;
        }
    globfree(&homes);
}

void doctor_homes(struct doctor *doctor)
{
    const struct cloud_words *homes = &doctor->conf.homes;
    const char *pattern;
    size_t at = 0;

    if (homes->used == 0)
        check_homes(doctor, CLOUD_CONF_HOMES);
    while ((pattern = cloud_words_next(homes, &at)) != NULL)
        check_homes(doctor, pattern);
}

/* ---- /proc ---- */

struct mounted {
    uint32_t gid; /* of group cloudauth */
    bool hidden;
};

/* Reads a line of /proc/self/mounts. hidepid= hides processes from all users but the group of gid=
 * (proc(5)); its value `ptraceable` hides them from that group too. */
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

static bool take_number(void *arg, char *line)
{
    *(unsigned long *)arg = strtoul(line, NULL, 10);
    return false;
}

/* The port of a plain http URL; 0 for any other one. */
static unsigned long http_port(const char *url)
{
    const char *host = url + strlen("http://"), *colon;

    if (strncasecmp(url, "http://", strlen("http://")) != 0)
        return 0;
    colon = strchr(host[0] == '[' ? host + strcspn(host, "]") : host, ':');
    return colon == NULL || colon > host + strcspn(host, "/") ? 80 : strtoul(colon + 1, NULL, 10);
}

/* Checks what may answer plain http in the API's place. That must be root alone: on a port below
 * 1024 (ip(7)), or at a socket that no other user can replace. */
static void check_ports(struct doctor *doctor)
{
    const struct cloud_conf *conf = &doctor->conf;
    const char *const urls[] = {conf->access_url, conf->changes_url, conf->token_url};
    unsigned long first = 1024, port = 0;
    char real[PATH_MAX], quoted[REMEDY_SIZE / 3], remedy[REMEDY_SIZE];

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        if (http_port(urls[i]) > port)
            port = http_port(urls[i]);
    (void)lines_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", false, take_number, &first);
    if (port == 0)
        return;
    if (conf->api_socket[0] != '\0') {
        (void)remedy_quote(conf->api_socket, quoted, sizeof quoted);
        snprintf(remedy, sizeof remedy, "namei -l %s  # all above it must be root's", quoted);
        if (realpath(conf->api_socket, real) == NULL || !home_is_guarded(real))
            doctor_say(doctor, "ports", DOCTOR_BAD, remedy,
                       "%s is missing, or another user than root could replace it and answer in "
                       "the API's place",
                       conf->api_socket);
    } else if (port >= first) {
        doctor_say(
            doctor, "ports", DOCTOR_BAD, "sysctl -w net.ipv4.ip_unprivileged_port_start=1024",
            "every user can listen on ports from %lu on, and could answer in the API's place",
            first);
    }
}

void doctor_proc(struct doctor *doctor)
{
    struct mounted mounted = {doctor->daemon_gid, false};

    check_ports(doctor);
    if (!lines_read("/proc/self/mounts", false, take_mount, &mounted))
        doctor_say(doctor, "proc", DOCTOR_UNKNOWN, "mount -t proc proc /proc",
                   "/proc cannot be read");
    else if (mounted.hidden)
        doctor_say(doctor, "proc", DOCTOR_BAD,
                   "mount -o remount,hidepid=0 /proc  # in /etc/fstab as well; or hidepid=2 with "
                   "gid= of group cloudauth",
                   "/proc hides processes: cloudauthd cannot find the sshd process behind a "
                   "question, and refuses every login");
    else
        doctor_say(doctor, "proc", DOCTOR_OK, "", "/proc shows processes");
}

/* ---- Other programs ---- */

/*
 * Faults of other programs of the host. A command of sh(1) looks for each: the last line of its
 * output takes the place of %s in `finding`. If there is no output, there is no fault.
 */
static const struct probe {
    const char *check, *command, *well, *finding, *remedy;
} probes[] = {
    {"unit",
     "[ ! -d /run/systemd/system ] || systemctl --root=/ is-enabled cloudauthd.service 2>&1 | "
     "grep -xvE 'enabled|enabled-runtime|static|alias|indirect|generated'",
     "systemd starts cloudauthd at boot",
     "systemctl is-enabled cloudauthd: %s: no account after a boot",
     "systemctl unmask cloudauthd; systemctl enable --now cloudauthd"},
    {"sshd-capabilities",
     "pid=$(cat /run/sshd.pid) && caps=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/$pid/status) && "
     "[ $((0x$caps >> 21 & 1)) = 0 ] && echo CAP_SYS_ADMIN",
     "sshd may mount the directories of sFTP sessions",
     "sshd lacks %s, with which pam_cloud.so mounts the directories of sFTP sessions",
     "systemctl cat ssh.service | grep -nE 'CapabilityBoundingSet|RestrictNamespaces|PrivateUsers'"
     "  # let it have CAP_SYS_ADMIN; in a container, see pam_cloud(8)"},
    {"apparmor",
     "journalctl -b -q -n 1 --no-pager -o cat _TRANSPORT=audit + _TRANSPORT=kernel "
     "-g 'apparmor=\"DENIED\".*profile=\"(cloudauthd|cloud-authkeys)\"'",
     "it has denied nothing to cloudauth since the boot", "%s",
     "editor /etc/apparmor.d/local/usr.sbin.cloudauthd "
     "/etc/apparmor.d/local/usr.libexec.cloudauth.cloud-authkeys  # allow it there, then "
     "systemctl reload apparmor"},
    {"nscd",
     "[ -S /run/nscd/socket ] && "
     "grep -hE '^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]+yes' /etc/nscd.conf",
     "no nscd caches accounts",
     "nscd caches passwd or group (%s): it answers a uid with the name of the sFTP account, and "
     "keeps what an outage or a removed account left",
     "sed -i -E '/^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]/s/yes/no/' "
     "/etc/nscd.conf && systemctl restart nscd"},
};

static bool take_last(void *arg, char *line)
{
    if (line[0] != '\0')
        snprintf(arg, 300, "%s", line);
    return true;
}

void doctor_programs(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const struct probe *probe = &probes[i];
        char shell[] = "/bin/sh", with[] = "-c", command[700], last[300] = "", finding[700];
        char *const argv[] = {shell, with, command, NULL};
        const char *gap = strstr(probe->finding, "%s");
        int status;
        snprintf(command, sizeof command, "exec 2>/dev/null; %s", probe->command);
        if (!lines_run(argv, take_last, last, &status))
            doctor_say(doctor, probe->check, DOCTOR_UNKNOWN, "", "/bin/sh cannot be run");
        else if (last[0] == '\0')
            doctor_say(doctor, probe->check, DOCTOR_OK, "", "%s", probe->well);
        else {
            snprintf(finding, sizeof finding, "%.*s%s%s", (int)(gap - probe->finding),
                     probe->finding, last, gap + 2);
            doctor_say(doctor, probe->check, DOCTOR_BAD, probe->remedy, "%s", finding);
        }
    }
}
