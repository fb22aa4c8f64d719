/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/lines.h"

#include "common/text.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- NSS ---- */

#define NSSWITCH "/etc/nsswitch.conf"

/* What the line of one database in nsswitch.conf says. */
struct database {
    const char *name;
    bool seen, files, cloud;
    bool first;     /* cloud stands before files */
    bool returns;   /* an action may end the lookup before cloud */
    char want[256]; /* the services as they should be: as they are, with cloud behind files */
};

/* Returns the text behind the name of the database and its ':', with or without blanks around that;
 * NULL if the line is about another database. */
static char *services_of(const char *name, char *line)
{
    char *at = line + strspn(line, " \t");
    size_t n = strcspn(at, " \t:");

    return n == strlen(name) && memcmp(at, name, n) == 0 ? at + n + strspn(at + n, " \t:") : NULL;
}

static bool take_database(void *arg, char *line)
{
    struct database *database = arg;
    char *at = services_of(database->name, line), *word;
    struct cloud_text want;

    if (at == NULL)
        return true;
    /* Of two lines glibc takes the last. */
    *database = (struct database){.name = database->name, .seen = true};
    cloud_text_start(&want, database->want, sizeof database->want);
    while ((word = lines_word(&at)) != NULL) {
        bool local = strcmp(word, "files") == 0 || strcmp(word, "compat") == 0;
        if (strcmp(word, "cloud") == 0) {
            database->cloud = true;
            database->first = !database->files;
            continue;
        }
        if (word[0] == '[' && !database->cloud && strcasestr(word, "return") != NULL)
            database->returns = true;
        cloud_text_add_char(&want, ' ');
        cloud_text_add(&want, word);
        if (local && !database->files)
            cloud_text_add(&want, " cloud");
        database->files |= local;
    }
    return true;
}

/* Writes the command that puts cloud behind files, and keeps the other services of the line. */
static void order_services(const struct database *database, char out[REMEDY_SIZE])
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=![] ";

    if (!database->seen)
        snprintf(out, REMEDY_SIZE, "echo '%s: files cloud' >>" NSSWITCH, database->name);
    else if (database->files && database->want[strspn(database->want, plain)] == '\0')
        snprintf(out, REMEDY_SIZE, "sed -i -E 's/^[[:space:]]*%s[[:space:]]*:.*/%s:%s/' " NSSWITCH,
                 database->name, database->name, database->want);
    else
        snprintf(out, REMEDY_SIZE, "editor " NSSWITCH "  # %s: files cloud", database->name);
}

static void check_database(struct doctor *doctor, const char *name)
{
    struct database database = {.name = name};
    char check[32], remedy[REMEDY_SIZE];
    bool read = lines_read(NSSWITCH, true, take_database, &database);

    snprintf(check, sizeof check, "nsswitch-%s", name);
    order_services(&database, remedy);
    if (!read)
        doctor_say(doctor, check, DOCTOR_BAD, remedy, NSSWITCH " cannot be read");
    else if (!database.cloud)
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "cloud is missing: no cloud account exists");
    else if (database.first)
        doctor_say(doctor, check, DOCTOR_BAD, remedy,
                   "cloud stands before files: a local name or id would not win");
    else if (database.returns)
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "a [...=return] stands before cloud");
    else
        doctor_say(doctor, check, DOCTOR_OK, "", "cloud stands behind files");
}

/* Checks the line of initgroups, if there is one: it alone then decides which groups an account is
 * in. Without it the line of group does. */
static void check_initgroups(struct doctor *doctor)
{
    struct database database = {.name = "initgroups"};

    if (lines_read(NSSWITCH, true, take_database, &database) && database.seen &&
        (!database.cloud || database.returns))
        doctor_say(doctor, "nsswitch-initgroups", DOCTOR_BAD,
                   "sed -i -E '/^[[:space:]]*initgroups[[:space:]]*:/d' " NSSWITCH
                   "  # or: initgroups: files [SUCCESS=continue] cloud",
                   "cloud is missing, or not reached: no account is in a marker group, and sshd's "
                   "Match blocks do not hold");
}

void doctor_nss(struct doctor *doctor)
{
    const struct group *group;

    check_database(doctor, "passwd");
    check_database(doctor, "group");
    check_initgroups(doctor);
    if (dlopen("libnss_cloud.so.2", RTLD_NOW | RTLD_LOCAL) == NULL) {
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "apt-get install --reinstall libnss-cloud; ldconfig  # or make install", "%s",
                   dlerror());
        return;
    }
    group = getgrnam("cloud-ssh");
    if (local_ids_has_group(doctor->local_ids, "cloud-ssh") ||
        local_ids_has_group(doctor->local_ids, "cloud-sftp"))
        doctor_say(doctor, "nss-module", DOCTOR_BAD, "groupdel cloud-ssh; groupdel cloud-sftp",
                   "/etc/group has a group that the NSS module must define: sshd's Match blocks "
                   "would not hold");
    else if (local_ids_has_gid(doctor->local_ids, doctor->conf.ssh_gid) ||
             local_ids_has_gid(doctor->local_ids, doctor->conf.sftp_gid))
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "editor /etc/group " CLOUD_CONF_PATH
                   "  # give the group another gid, or set ssh_gid and sftp_gid",
                   "a local group has the gid %u or %u of a marker group: sshd takes its name for "
                   "the marker group's, and the Match blocks do not hold",
                   doctor->conf.ssh_gid, doctor->conf.sftp_gid);
    else if (group == NULL || group->gr_gid != doctor->conf.ssh_gid)
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "cloudauthctl doctor  # again, when the settings and nsswitch-group are ok",
                   "the group cloud-ssh does not exist: sshd's Match blocks do not hold");
    else
        doctor_say(doctor, "nss-module", DOCTOR_OK, "", "the marker groups exist");
}

/* ---- sshd ---- */

#define SSHD_FILES "/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf"
#define RELOAD     "sshd -t && systemctl try-restart ssh"
#define DROP_IN    "/etc/ssh/sshd_config.d/00-cloudauth.conf"
#define PACKAGED   "/usr/share/cloudauth/00-cloudauth.conf"

/* The values that sshd must have in the end, for each kind of account: a value; "!" and a value
 * that it must not have; or "~" and a word that must be in the list. NULL: any value. */
struct wanted {
    const char *name, *shell, *sftp;
};

static const struct wanted wanted[] = {
    {"usepam", "yes", "yes"},
    {"pubkeyauthentication", "yes", "yes"},
    {"pubkeyacceptedalgorithms", "~ssh-ed25519", "~ssh-ed25519"},
    {"maxsessions", "!0", "!0"},
    {"usedns", "no", "no"}, /* `from` of a document has addresses */
    {"authorizedkeysfile", "none", "none"},
    {"authorizedkeyscommand", "/usr/libexec/cloudauth/cloud-authkeys shell %u %t %k %U",
     "/usr/libexec/cloudauth/cloud-authkeys sftp %u %t %k %U"},
    {"authorizedkeyscommanduser", "cloudauth-keys", "cloudauth-keys"},
    {"authenticationmethods", "publickey", "publickey"},
    {"passwordauthentication", "no", "no"},
    {"kbdinteractiveauthentication", "no", "no"},
    {"hostbasedauthentication", "no", "no"},
    {"gssapiauthentication", "no", "no"},
    {"trustedusercakeys", "none", "none"},
    {"authorizedprincipalsfile", "none", "none"},
    {"permituserrc", "no", "no"},
    {"permituserenvironment", "no", "no"},
    {"permittunnel", "no", "no"},
    {"x11forwarding", "no", "no"},
    {"allowstreamlocalforwarding", "no", "no"},
    {"chrootdirectory", "none", "/srv/sftp"},
    {"forcecommand", "none",
     "internal-sftp -l INFO -f AUTHPRIV -P "
     "symlink,hardlink,expand-path,home-directory,users-groups-by-id"},
    {"disableforwarding", NULL, "yes"},
};

#define WANTED (sizeof wanted / sizeof *wanted)

/* A list of users or groups that may log in, or that may not. */
struct list {
    const char *name;
    bool denies, groups, seen, matched;
};

/* What sshd -T says of one account. */
struct effective {
    struct doctor *doctor;
    struct list list[4];
    const char *check, *account;
    char own[256]; /* the account's own group */
    bool sftp, found[WANTED];
    unsigned wrong;
    char last[256]; /* sshd's last line: why, if it failed */
};

static void say_wrong(struct effective *effective, size_t i, const char *value)
{
    char remedy[REMEDY_SIZE];

    if (i == 0)
        snprintf(remedy, sizeof remedy, "sed -i '1i UsePAM yes' /etc/ssh/sshd_config && " RELOAD);
    else if (access(DROP_IN, F_OK) != 0 && access(PACKAGED, F_OK) == 0)
        snprintf(remedy, sizeof remedy, "install -m 644 " PACKAGED " " DROP_IN " && " RELOAD);
    else if (access(DROP_IN, F_OK) != 0)
        snprintf(remedy, sizeof remedy, "# put " DROP_IN " back (make install)");
    else
        snprintf(remedy, sizeof remedy,
                 "grep -niE '^[[:space:]]*(include|match|%s)' " SSHD_FILES
                 "  # the first one wins: no Match or setting may stand before " DROP_IN
                 ", and none elsewhere hold for cloud accounts",
                 wanted[i].name);
    effective->wrong++;
    doctor_say(effective->doctor, effective->check, DOCTOR_BAD, remedy,
               "for %s, %s is %s in the end", effective->account, wanted[i].name, value);
}

/* Reads "allowusers PATTERN[@HOST]" and the lines of the other three lists. Each pattern has a line
 * of its own. */
static void take_list(struct effective *effective, const char *line, size_t n)
{
    const char *group = effective->sftp ? "cloud-sftp" : "cloud-ssh";
    char pattern[256], *host;

    for (size_t i = 0; i < sizeof effective->list / sizeof *effective->list; i++) {
        struct list *list = &effective->list[i];
        if (strlen(list->name) != n || strncmp(line, list->name, n) != 0 || line[n] == '\0')
            continue;
        snprintf(pattern, sizeof pattern, "%s", line + n + 1);
        host = list->groups ? NULL : strchr(pattern, '@');
        if (host != NULL)
            *host++ = '\0';
        /* An account that is denied from some hosts can log in from others. */
        if (list->denies && host != NULL && strcmp(host, "*") != 0)
            continue;
        list->seen = true;
        list->matched |= fnmatch(pattern, list->groups ? group : effective->account, 0) == 0 ||
                         (list->groups && fnmatch(pattern, effective->own, 0) == 0);
    }
}

static void check_lists(struct effective *effective)
{
    for (size_t i = 0; i < sizeof effective->list / sizeof *effective->list; i++) {
        const struct list *list = &effective->list[i];
        if (!list->seen || list->matched != list->denies)
            continue;
        effective->wrong++;
        doctor_say(effective->doctor, effective->check, DOCTOR_BAD,
                   list->denies
                       ? "grep -niE '^[[:space:]]*deny(users|groups)' " SSHD_FILES
                         "  # take the pattern out of the list"
                       : "grep -niE '^[[:space:]]*allow(users|groups)' " SSHD_FILES
                         "  # add cloud-ssh and cloud-sftp to AllowGroups, or login names to "
                         "AllowUsers",
                   "sshd's %s keeps %s out", list->name, effective->account);
    }
}

static bool is_wanted(const char *want, const char *value)
{
    size_t n;

    if (want[0] == '!')
        return strcmp(value, want + 1) != 0;
    if (want[0] != '~')
        return strcmp(value, want) == 0;
    n = strlen(++want);
    for (; *value != '\0'; value += strcspn(value, ","), value += *value == ',')
        if (strcspn(value, ",") == n && memcmp(value, want, n) == 0)
            return true;
    return false;
}

static bool take_effective(void *arg, char *line)
{
    struct effective *effective = arg;
    size_t n = strcspn(line, " ");

    take_list(effective, line, n);

    snprintf(effective->last, sizeof effective->last, "%s", line);
    for (size_t i = 0; i < WANTED; i++) {
        const char *value = effective->sftp ? wanted[i].sftp : wanted[i].shell;
        if (value == NULL || strlen(wanted[i].name) != n || strncmp(line, wanted[i].name, n) != 0)
            continue;
        effective->found[i] = true;
        if (line[n] == '\0' || !is_wanted(value, line + n + 1))
            say_wrong(effective, i, line[n] == '\0' ? "empty" : line + n + 1);
    }
    return true;
}

/* Attributes for sshd -T -C: it fails if sshd_config has a Match on an attribute that is not given.
 * */
#define FROM ",host=192.0.2.1,addr=192.0.2.1,laddr=192.0.2.2,lport=22,rdomain="

static const char repair[] = "sshd -t  # says where; repair it before sshd is restarted";

static void check_block(struct doctor *doctor, const char *check, const char *account, bool sftp)
{
    char connection[CLOUD_NAME_MAX + 128], program[] = "/usr/sbin/sshd", test[] = "-T",
                                           with[] = "-C";
    char *const argv[] = {program, test, with, connection, NULL};
    struct effective effective = {.doctor = doctor,
                                  .list = {{"allowusers", false, false, false, false},
                                           {"allowgroups", false, true, false, false},
                                           {"denyusers", true, false, false, false},
                                           {"denygroups", true, true, false, false}},
                                  .check = check,
                                  .account = account,
                                  .sftp = sftp};
    const struct passwd *user = getpwnam(account);
    const struct group *own = user == NULL ? NULL : getgrgid(user->pw_gid);
    int status = 0;

    snprintf(connection, sizeof connection, "user=%s" FROM, account);
    snprintf(effective.own, sizeof effective.own, "%s", own == NULL ? "" : own->gr_name);
    if (!lines_run(argv, take_effective, &effective, &status) || status != 0) {
        doctor_say(doctor, check, DOCTOR_BAD, repair, "sshd -T -C %s: %s", connection,
                   effective.last);
        return;
    }
    for (size_t i = 0; i < WANTED; i++)
        if (!effective.found[i] && i == 0)
            say_wrong(&effective, i, "not there");
    check_lists(&effective);
    if (effective.wrong == 0)
        doctor_say(doctor, check, DOCTOR_OK, "", "as it must be for %s", account);
}

/*
 * Settings outside of our Match blocks. They hold for local users, and for a cloud account at a
 * moment when its lookup fails: the Match blocks do not apply then, and only PAM refuses the login.
 */
static const struct {
    const char *line, *why, *advice;
} general[] = {
    {"passwordauthentication yes",
     "sshd offers a password to names that do not exist, which tells them from cloud accounts",
     "# PasswordAuthentication no, in sshd_config, if no local user needs a password"},
    {"kbdinteractiveauthentication yes",
     "sshd offers keyboard-interactive to names that do not exist, which tells them from cloud "
     "accounts",
     "# KbdInteractiveAuthentication no, in sshd_config, if no local user needs it"},
    {"permitemptypasswords yes", "a local account without a password is open to all",
     "# PermitEmptyPasswords no, in sshd_config"},
};

struct globals {
    struct doctor *doctor;
    bool noted;
    char last[256]; /* sshd's last line: why, if it failed */
};

/*
 * Checks PerSourcePenalties of sshd 9.8 and later, which is "no" or contains " authfail:SECONDS".
 * At the default of 5 seconds three refusals of one person shut out everyone at the same address;
 * at 1 second it takes a dozen or more within seconds.
 */
static void check_penalties(struct globals *globals, const char *line)
{
    const char *failed = strstr(line, " authfail:");

    if (strncmp(line, "persourcepenalties ", 19) != 0 || failed == NULL ||
        strtoul(failed + 10, NULL, 10) <= 1)
        return;
    globals->noted = true;
    doctor_say(globals->doctor, "sshd-global", DOCTOR_NOTE,
               "echo 'PerSourcePenalties authfail:1s' "
               ">/etc/ssh/sshd_config.d/50-penalties.conf && " RELOAD,
               "%.80s: after a few refused logins of one person sshd refuses every connection from "
               "that address, which an office may share",
               line);
}

static bool take_global(void *arg, char *line)
{
    struct globals *globals = arg;

    snprintf(globals->last, sizeof globals->last, "%s", line);
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        if (strcmp(line, general[i].line) == 0) {
            globals->noted = true;
            doctor_say(globals->doctor, "sshd-global", DOCTOR_NOTE, general[i].advice, "%s: %s",
                       line, general[i].why);
        }
    check_penalties(globals, line);
    if (strncmp(line, "trustedusercakeys ", 18) == 0 && strcmp(line + 18, "none") != 0) {
        globals->noted = true;
        doctor_say(globals->doctor, "sshd-global", DOCTOR_NOTE,
                   "# put TrustedUserCAKeys into a Match block of the users that it is for",
                   "%s: in a moment in which a lookup fails, sshd takes a certificate of that CA "
                   "for a cloud account, and PAM alone refuses it",
                   line);
    }
    return true;
}

static void check_globals(struct doctor *doctor)
{
    char program[] = "/usr/sbin/sshd", test[] = "-T", with[] = "-C", other[] = "user=-" FROM;
    char *const argv[] = {program, test, with, other, NULL};
    struct globals globals = {.doctor = doctor};
    int status = 0;

    if (!lines_run(argv, take_global, &globals, &status) || status != 0)
        doctor_say(doctor, "sshd-global", DOCTOR_BAD, repair, "sshd -T: %s", globals.last);
    else if (!globals.noted)
        doctor_say(doctor, "sshd-global", DOCTOR_OK, "", "no passwords, and no CA for all users");
}

void doctor_sshd(struct doctor *doctor)
{
    static const char suffix[] = "_sftp";
    char shell[CLOUD_NAME_MAX + 1], sftp[CLOUD_NAME_MAX + sizeof suffix];
    struct cloud_name name;

    /* While ssh.socket waits for the first connection, the directory that sshd needs does not exist
     * yet, and sshd -T fails without it. */
    (void)mkdir("/run/sshd", 0755);
    check_globals(doctor);
    if (!cloud_name_parse(&doctor->conf.grammar, doctor->account, &name) ||
        getpwnam(doctor->account) == NULL) {
        doctor_say(doctor, "sshd-shell", DOCTOR_UNKNOWN,
                   "# cloudauthctl doctor NAME, with a login name that exists",
                   "there is no account to ask sshd about");
        return;
    }
    snprintf(shell, sizeof shell, "%s", doctor->account);
    if (name.kind == CLOUD_SFTP)
        shell[strlen(shell) - (sizeof suffix - 1)] = '\0';
    check_block(doctor, "sshd-shell", shell, false);
    snprintf(sftp, sizeof sftp, "%s%s", shell, suffix);
    if (getpwnam(sftp) != NULL)
        check_block(doctor, "sshd-sftp", sftp, true);
    else
        doctor_say(doctor, "sshd-sftp", DOCTOR_UNKNOWN,
                   "# cloudauthctl doctor NAME, with a login name that has an sFTP account too",
                   "%s does not exist", sftp);
}

/* ---- PAM ---- */

struct stack {
    unsigned long lines; /* so far */
    unsigned long reach; /* the last line that a line so far can jump over */
    bool found;
    char module[256]; /* pam_cloud.so as the line names it */
    bool early;       /* a line before pam_cloud.so can end the stack */
    bool jumped;      /* a line before it can jump over it */
    bool weak;        /* a refusal by pam_cloud.so does not count */
    char before[128], over[128];
};

/* Whether a line before pam_cloud.so can grant without asking it. */
static bool ends_stack(const char *control, const char *module)
{
    return strcmp(control, "sufficient") == 0 || strstr(control, "success=done") != NULL ||
           strstr(control, "default=done") != NULL || strcmp(module, "pam_unix.so") == 0 ||
           strcmp(module, "pam_permit.so") == 0;
}

static void say_of(char out[128], const char *control, const char *module)
{
    snprintf(out, 128, "%.60s %.60s", control, module);
}

/* The largest number of following lines that the control of a line can skip. */
static unsigned long longest_jump(const char *control)
{
    unsigned long longest = 0;

    for (const char *at = control; (at = strchr(at, '=')) != NULL;) {
        unsigned long jump = strtoul(++at, NULL, 10);
        if (jump > longest)
            longest = jump;
    }
    return longest;
}

/* Reads a line of the stack. pam_localuser.so may jump over pam_cloud.so, which local users do not
 * need. */
static bool take_module(void *arg, const char *control, const char *module)
{
    struct stack *stack = arg;
    unsigned long reach;
    const char *file = module;

    stack->lines++;
    module = stack_module(module);
    if (strcmp(module, "pam_cloud.so") == 0) {
        stack->found = true;
        snprintf(stack->module, sizeof stack->module, "%s", file);
        stack->weak = strcmp(control, "requisite") != 0 && strcmp(control, "required") != 0 &&
                      strstr(control, "default=die") == NULL &&
                      strstr(control, "default=bad") == NULL;
        stack->jumped = stack->reach >= stack->lines;
        return false;
    }
    reach = stack->lines + longest_jump(control);
    if (strcmp(module, "pam_localuser.so") != 0 && reach > stack->reach) {
        stack->reach = reach;
        say_of(stack->over, control, module);
    }
    if (ends_stack(control, module) && !stack->early) {
        stack->early = true;
        say_of(stack->before, control, module);
    }
    return true;
}

/* Checks that PAM can load the module. A name without a directory is looked for in `security`,
 * beside libpam. */
static void check_module(struct doctor *doctor, const char *module)
{
    void *pam = dlopen("libpam.so.0", RTLD_NOW | RTLD_LOCAL);
    char origin[PATH_MAX] = "/lib", path[PATH_MAX + 300];

    if (pam != NULL)
        (void)dlinfo(pam, RTLD_DI_ORIGIN, origin);
    if (module[0] == '/')
        snprintf(path, sizeof path, "%s", module);
    else
        snprintf(path, sizeof path, "%s/security/%s", origin, module);
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL)
        doctor_say(doctor, "pam-module", DOCTOR_OK, "", "%s", path);
    else
        doctor_say(doctor, "pam-module", DOCTOR_BAD,
                   "apt-get install --reinstall libpam-cloud  # or make install with LIBDIR=", "%s",
                   dlerror());
}

void doctor_pam(struct doctor *doctor)
{
    static const char *const types[] = {"auth", "account", "session"};
    static const char remedy[] =
        "pam-auth-update --enable cloudauth  # --force undoes local changes; "
        "/etc/pam.d/sshd must include common-auth, -account and -session";

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct stack stack = {0};
        char check[32];
        snprintf(check, sizeof check, "pam-%s", types[i]);
        stack_read("sshd", types[i], take_module, &stack);
        if (stack.found && i == 0)
            check_module(doctor, stack.module);
        if (!stack.found)
            doctor_say(doctor, check, DOCTOR_BAD, remedy, "pam_cloud.so is not in sshd's stack");
        else if (stack.early && i < 2)
            doctor_say(doctor, check, DOCTOR_BAD, remedy,
                       "`%s` stands before pam_cloud.so, and may decide without it", stack.before);
        else if (stack.jumped)
            doctor_say(doctor, check, DOCTOR_BAD, remedy,
                       "`%s` stands before pam_cloud.so, and may jump over it", stack.over);
        else if (stack.weak)
            doctor_say(
                doctor, check, DOCTOR_BAD, remedy,
                "a refusal by pam_cloud.so does not count: it is neither requisite nor required");
        else
            doctor_say(doctor, check, DOCTOR_OK, "", "pam_cloud.so stands first");
    }
}
