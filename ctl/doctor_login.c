/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/lines.h"
#include "ctl/stack.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- NSS ---- */

struct database {
    const char *name;
    bool seen, files, cloud, wrong, returns; /* wrong: cloud stands before files */
};

/* Past the name and its ':', where glibc wants a blank on neither side; NULL: another one's line.
 */
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

    if (at == NULL)
        return true;
    /* Of two lines glibc takes the last. */
    *database = (struct database){.name = database->name, .seen = true};
    while ((word = lines_word(&at)) != NULL) {
        if (strcmp(word, "files") == 0 || strcmp(word, "compat") == 0) {
            database->files = true;
        } else if (strcmp(word, "cloud") == 0) {
            database->cloud = true;
            database->wrong = !database->files;
        } else if (word[0] == '[' && !database->cloud && strcasestr(word, "return") != NULL) {
            database->returns = true;
        }
    }
    return true;
}

static void check_database(struct doctor *doctor, const char *name)
{
    struct database database = {.name = name};
    char check[32], remedy[128];

    snprintf(check, sizeof check, "nsswitch-%s", name);
    snprintf(remedy, sizeof remedy, "in /etc/nsswitch.conf: %s: files cloud", name);
    if (!lines_read("/etc/nsswitch.conf", true, take_database, &database))
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "/etc/nsswitch.conf cannot be read");
    else if (!database.cloud)
        doctor_say(doctor, check, DOCTOR_BAD, remedy,
                   "cloud is not there: the accounts do not exist");
    else if (database.wrong)
        doctor_say(doctor, check, DOCTOR_BAD, remedy,
                   "cloud stands before files: a local name or id would not win");
    else if (database.returns)
        doctor_say(doctor, check, DOCTOR_BAD, remedy, "a [...=return] stands before cloud");
    else
        doctor_say(doctor, check, DOCTOR_OK, "", "cloud stands behind files");
}

/* Where it has a line of its own, no other is asked which groups an account is in. */
static void check_initgroups(struct doctor *doctor)
{
    struct database database = {.name = "initgroups"};

    if (lines_read("/etc/nsswitch.conf", true, take_database, &database) && database.seen &&
        (!database.cloud || database.returns))
        doctor_say(
            doctor, "nsswitch-initgroups", DOCTOR_BAD,
            "in /etc/nsswitch.conf: no line initgroups, or files [SUCCESS=continue] cloud",
            "cloud is not there, or not reached: no account is in a marker group, and sshd's "
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
                   "install it where the loader looks (/usr/lib/<multiarch>), then ldconfig", "%s",
                   dlerror());
        return;
    }
    group = getgrnam("cloud-ssh");
    if (local_ids_has_group(doctor->db, "cloud-ssh") ||
        local_ids_has_group(doctor->db, "cloud-sftp"))
        doctor_say(doctor, "nss-module", DOCTOR_BAD, "groupdel cloud-ssh; groupdel cloud-sftp",
                   "/etc/group has a marker group of ours: sshd's Match blocks would not hold");
    else if (group == NULL || group->gr_gid != doctor->conf.ssh_gid)
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "look at nsswitch and the settings first: both must be right for it",
                   "the group cloud-ssh does not exist: sshd's Match blocks do not hold");
    else
        doctor_say(doctor, "nss-module", DOCTOR_OK, "", "the marker groups are there");
}

/* ---- sshd ---- */

struct wanted {
    const char *name, *shell, *sftp; /* NULL: whatever it is */
};

static const struct wanted wanted[] = {
    {"usepam", "yes", "yes"},
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
    {"chrootdirectory", NULL, "/srv/sftp"},
    {"forcecommand", NULL,
     "internal-sftp -P symlink,hardlink,expand-path,home-directory,users-groups-by-id"},
    {"disableforwarding", NULL, "yes"},
};

#define WANTED (sizeof wanted / sizeof *wanted)

/* Who may log in at all: a list that is there must have the account, or its marker group. */
struct list {
    const char *name;
    bool denies, groups, seen, matched;
};

struct effective {
    struct doctor *doctor;
    struct list list[4];
    const char *check, *account;
    char own[256]; /* the account's own group */
    bool sftp, found[WANTED];
    unsigned wrong;
    char last[256]; /* what sshd said last: why, if it failed */
};

static void say_wrong(struct effective *effective, size_t i, const char *value)
{
    static const char pam[] = "UsePAM yes, in /etc/ssh/sshd_config: pam_cloud decides each login";
    static const char block[] =
        "put /etc/ssh/sshd_config.d/00-cloudauth.conf back, see that sshd_config includes it at "
        "its "
        "top, and that no Match or setting stands before it: the first one wins";

    effective->wrong++;
    doctor_say(effective->doctor, effective->check, DOCTOR_BAD, i == 0 ? pam : block,
               "for %s, %s is %s in the end", effective->account, wanted[i].name, value);
}

/* "allowusers PATTERN[@HOST]", a line for each. */
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
        /* Who is kept out from some places comes in from the others. */
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
                   list->denies ? "take the pattern out of it"
                                : "add cloud-ssh and cloud-sftp to AllowGroups, or the login names "
                                  "to AllowUsers",
                   "sshd's %s keeps %s out", list->name, effective->account);
    }
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
        if (line[n] == '\0' || strcmp(line + n + 1, value) != 0)
            say_wrong(effective, i, line[n] == '\0' ? "empty" : line + n + 1);
    }
    return true;
}

/* Where sshd_config has a Match of a thing that is not said, sshd gives up. */
#define FROM ",host=192.0.2.1,addr=192.0.2.1,laddr=192.0.2.2,lport=22,rdomain="

static const char repair[] = "sshd -t says where; repair it before sshd is restarted";

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

/* What holds for everybody else, and for ours in the moment in which a lookup fails: Match Group
 * fails open, and PAM alone refuses then. */
static const struct {
    const char *line, *why, *remedy;
} general[] = {
    {"passwordauthentication yes",
     "names that do not exist are offered a password, which tells who has an account here",
     "PasswordAuthentication no, in sshd_config, if none of the host's own users needs one"},
    {"kbdinteractiveauthentication yes",
     "names that do not exist are offered keyboard-interactive, which tells who has an account "
     "here",
     "KbdInteractiveAuthentication no, in sshd_config, if none of the host's own users needs it"},
    {"permitemptypasswords yes", "a local account without a password lets everybody in",
     "PermitEmptyPasswords no, in sshd_config"},
};

struct globals {
    struct doctor *doctor;
    bool noted;
    char last[256]; /* what sshd said last: why, if it failed */
};

static bool take_global(void *arg, char *line)
{
    struct globals *globals = arg;

    snprintf(globals->last, sizeof globals->last, "%s", line);
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        if (strcmp(line, general[i].line) == 0) {
            globals->noted = true;
            doctor_say(globals->doctor, "sshd-global", DOCTOR_NOTE, general[i].remedy, "%s: %s",
                       line, general[i].why);
        }
    if (strncmp(line, "trustedusercakeys ", 18) == 0 && strcmp(line + 18, "none") != 0) {
        globals->noted = true;
        doctor_say(globals->doctor, "sshd-global", DOCTOR_NOTE,
                   "put TrustedUserCAKeys into a Match block of those whom it is for",
                   "%s: where a lookup fails, a certificate of that CA gets past sshd with a cloud "
                   "account's name, and PAM alone refuses it",
                   line);
    }
    return true;
}

static void check_globals(struct doctor *doctor)
{
    char program[] = "/usr/sbin/sshd", test[] = "-T", with[] = "-C", nobody[] = "user=-" FROM;
    char *const argv[] = {program, test, with, nobody, NULL};
    struct globals globals = {.doctor = doctor};
    int status = 0;

    if (!lines_run(argv, take_global, &globals, &status) || status != 0)
        doctor_say(doctor, "sshd-global", DOCTOR_BAD, repair, "sshd -T: %s", globals.last);
    else if (!globals.noted)
        doctor_say(doctor, "sshd-global", DOCTOR_OK, "", "no password, and no CA for everybody");
}

void doctor_sshd(struct doctor *doctor)
{
    static const char suffix[] = "_sftp";
    char shell[CLOUD_NAME_MAX + 1], sftp[CLOUD_NAME_MAX + sizeof suffix];
    struct cloud_name name;

    check_globals(doctor);
    if (!cloud_name_parse(&doctor->conf.grammar, doctor->account, &name) ||
        getpwnam(doctor->account) == NULL) {
        doctor_say(doctor, "sshd-shell", DOCTOR_UNKNOWN,
                   "cloudauthctl doctor NAME, with a login name that exists",
                   "no account is there to ask sshd about");
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
                   "cloudauthctl doctor NAME, with a login name that has an sFTP account too",
                   "%s does not exist", sftp);
}

/* ---- PAM ---- */

struct stack {
    unsigned long lines, reach; /* so far; the last of them that one can jump over */
    bool found, early, jumped;  /* early: something before it can end the stack */
    bool weak;                  /* what it says does not count */
    char before[128], over[128];
};

/* Whether a line before pam_cloud.so can let somebody in past it. */
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

/* How many lines behind it a line of that control can have passed over. */
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

/* Users of the host's own skip our line by pam_localuser.so. */
static bool take_module(void *arg, const char *control, const char *module)
{
    struct stack *stack = arg;
    unsigned long reach;

    stack->lines++;
    if (strcmp(module, "pam_cloud.so") == 0) {
        stack->found = true;
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

void doctor_pam(struct doctor *doctor)
{
    static const char *const types[] = {"auth", "account", "session"};
    static const char remedy[] = "pam-auth-update --enable cloudauth; /etc/pam.d/sshd must include "
                                 "common-auth, common-account, common-session";

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct stack stack = {0};
        char check[32];
        snprintf(check, sizeof check, "pam-%s", types[i]);
        stack_read("sshd", types[i], take_module, &stack);
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
                "what pam_cloud.so refuses does not count there: it is neither requisite nor "
                "required");
        else
            doctor_say(doctor, check, DOCTOR_OK, "", "pam_cloud.so stands first");
    }
}
