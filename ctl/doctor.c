/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/health.h"
#include "ctl/lines.h"

#include "common/local.h"
#include "common/snapshot.h"
#include "common/text.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * The checks of cloudauthctl doctor. Each check reports one or more rows, and a remedy for each
 * fault (remedy.h).
 */

#define SFTP_ENDING "_sftp" /* of the login name of an sFTP account (common/name.h) */

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_BAD,
    DOCTOR_UNKNOWN, /* the check could not be made */
    DOCTOR_NOTE,    /* not a fault, but an operator should know it */
};

static const char *const results[] = {"ok", "BAD", "unknown", "note"};

/* A row that has a remedy. The remedies are shown below the table. */
struct doctor_fault {
    enum doctor_result result;
    char finding[512], remedy[REMEDY_SIZE];
};

struct doctor {
    struct out *out;
    struct cloud_conf conf; /* the settings, or the defaults if they cannot be read */
    bool no_settings;       /* they cannot be read */
    const char *account;    /* an account to ask sshd about; "": none is known */
    char chosen[CLOUD_NAME_MAX + 6];
    const char *clock; /* the state of this host's clock, for doctor.sh; NULL: not known */
    bool bad, unknown;
    bool shadowed; /* a local user or group has a name that `allow` matches */
    size_t faults;
    struct doctor_fault fault[64]; /* further ones are printed only in JSON */
};

/* Reports a row: adds it to the table, and its remedy to the faults. `remedy` is "" if there is
 * none. */
__attribute__((format(printf, 5, 6))) static void
doctor_say(struct doctor *doctor, const char *check, enum doctor_result result, const char *remedy,
           const char *format, ...)
{
    char detail[1024];
    va_list more;

    va_start(more, format);
    vsnprintf(detail, sizeof detail, format, more);
    va_end(more);
    doctor->bad |= result == DOCTOR_BAD;
    doctor->unknown |= result == DOCTOR_UNKNOWN;
    OUT_ROW(doctor->out, check, results[result], detail, remedy);
    if (remedy[0] == '\0' || doctor->faults == sizeof doctor->fault / sizeof *doctor->fault)
        return;
    struct doctor_fault *fault = &doctor->fault[doctor->faults++];
    fault->result = result;
    snprintf(fault->finding, sizeof fault->finding, "%s: %.490s", check, detail);
    snprintf(fault->remedy, sizeof fault->remedy, "%s", remedy);
}

/* Whether an earlier fault has the same remedy. */
static bool is_shown(const struct doctor *doctor, size_t i)
{
    for (size_t before = 0; before < i; before++)
        if (strcmp(doctor->fault[before].remedy, doctor->fault[i].remedy) == 0)
            return true;
    return false;
}

/* Prints the remedies of all rows, only in text output: those of faults first, then those of
 * notes. */
static void show_remedies(const struct doctor *doctor)
{
    if (doctor->faults == 0)
        return;
    out_line(doctor->out, "");
    out_line(doctor->out, "Remedies (each command can be pasted as it stands):");
    for (size_t i = 0; i < 2 * doctor->faults; i++) {
        const struct doctor_fault *fault = &doctor->fault[i % doctor->faults];
        bool last = fault->result == DOCTOR_NOTE;
        if (last == (i >= doctor->faults) && !is_shown(doctor, i % doctor->faults))
            remedy_show(doctor->out, fault->finding, fault->remedy);
    }
}

/* ---- The settings and the daemon ---- */

/* Reports settings that have no effect, and an `allow` that is too wide, as notes. */
static void note_settings(struct doctor *doctor)
{
    static const char remedy[] = "# change it in " CLOUD_CONF_PATH;
    const struct cloud_conf *conf = &doctor->conf;
    const char *pattern;

    for (size_t i = 0; i < CLOUD_CONF_OBSOLETE; i++)
        if (conf->obsolete_line[i] != 0)
            doctor_say(doctor, "settings", DOCTOR_NOTE, remedy, CLOUD_CONF_PATH ":%u: %s: %s",
                       conf->obsolete_line[i], cloud_conf_obsolete[i].key,
                       cloud_conf_obsolete[i].instead);
    for (size_t at = 0; (pattern = cloud_words_next(&conf->grammar.allow, &at)) != NULL;)
        if (strcmp(pattern, "*") == 0)
            doctor_say(doctor, "settings", DOCTOR_NOTE, remedy,
                       "allow = *: the people of every project of the API may enter this host");
}

#define REINSTALL                                                                                  \
    "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss cloudauth  # or make "        \
    "install; then edit " CLOUD_CONF_PATH

static void check_settings(struct doctor *doctor)
{
    static const char *const remedies[] = {
        [CLOUD_CONF_CONTENT] =
            "editor " CLOUD_CONF_PATH "  # cloudauth.conf(5) describes each setting",
        [CLOUD_CONF_ACCESS] = "chown root:root " CLOUD_CONF_PATH " && chmod 644 " CLOUD_CONF_PATH,
        [CLOUD_CONF_MISSING] = REINSTALL,
        [CLOUD_CONF_TYPE] = "mv " CLOUD_CONF_PATH " " CLOUD_CONF_PATH ".old && " REINSTALL,
        [CLOUD_CONF_UNREAD] = "journalctl -k -n 20; cloudauthctl doctor",
    };
    struct cloud_conf_error error = {0};

    if (cloud_conf_read(&doctor->conf, CLOUD_CONF_PATH, 0, &error)) {
        doctor_say(doctor, "settings", DOCTOR_OK, "", CLOUD_CONF_PATH);
        note_settings(doctor);
        return;
    }
    cloud_conf_defaults(&doctor->conf);
    doctor->no_settings = true;
    doctor_say(doctor, "settings", DOCTOR_BAD, remedies[error.fault], CLOUD_CONF_PATH ":%u: %s",
               error.line, error.text);
}

/* Finds a login name of an environment that `allow` lists: that of its shell account, else of its
 * sFTP account, else of an application that a pattern names and that exists. Returns false if there
 * is none. */
static bool allowed_name(const struct cloud_grammar *grammar, const char *login, char *out,
                         size_t size)
{
    static const char *const endings[] = {"", SFTP_ENDING};
    const char *pattern, *app;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(out, size, "%.*s%s", CLOUD_NAME_MAX, login, endings[i]);
        if (cloud_name_parse(grammar, out, NULL))
            return true;
    }
    for (size_t at = 0; (pattern = cloud_words_next(&grammar->allow, &at)) != NULL;) {
        app = strstr(pattern, "--");
        if (app == NULL || strchr(app, '*') != NULL)
            continue;
        snprintf(out, size, "%s%s", login, app);
        if (cloud_name_parse(grammar, out, NULL) && getpwnam(out) != NULL)
            return true;
    }
    return false;
}

/* Chooses an account to ask sshd about, from the daemon's documents, as allowed_name does. An
 * account with a '-', which has no sFTP account, is chosen only if there is no other. Returns "" if
 * there is none at all. */
static const char *known_account(struct doctor *doctor, const struct ask_rows *documents)
{
    const struct cloud_grammar *grammar = &doctor->conf.grammar;
    char *found = doctor->chosen;

    for (size_t i = 0; i < documents->n; i++) {
        const char *login = documents->row[i].field[2], *state = documents->row[i].field[3];
        char name[sizeof doctor->chosen];

        if ((strcmp(state, "fresh") != 0 && strcmp(state, "aged") != 0 &&
             strcmp(state, "failing") != 0) ||
            (found[0] != '\0' && strchr(found, '-') == NULL))
            continue;
        if (allowed_name(grammar, login, name, sizeof name))
            snprintf(found, sizeof doctor->chosen, "%s", name);
    }
    return found;
}

/* Chooses an account to ask sshd about if the daemon knows none: the first pattern of `allow` that
 * is itself a login name, without a '*'. Returns "" if there is none. */
static const char *guess_account(const struct doctor *doctor)
{
    const struct cloud_grammar *grammar = &doctor->conf.grammar;
    const char *pattern;

    for (size_t at = 0; (pattern = cloud_words_next(&grammar->allow, &at)) != NULL;)
        if (cloud_name_parse(grammar, pattern, NULL))
            return pattern;
    return "";
}

static void report_health(struct doctor *doctor, struct health *health)
{
    doctor_say(doctor, "daemon", DOCTOR_OK, "", "cloudauthd %s answers",
               health_value(health, "version"));
    health_judge(health, &doctor->conf, (int64_t)time(NULL));
    for (size_t i = 0; i < health->findings; i++)
        doctor_say(doctor, health->finding[i].check, DOCTOR_BAD, health->finding[i].remedy, "%s",
                   health->finding[i].text);
    if (strcmp(health_value(health, "feed"), "live") == 0)
        doctor_say(doctor, "feed", DOCTOR_OK, "", "the change feed is live");
    doctor->clock = health_has(health, "clock") ? "is off"
                    : health_value(health, "clock_offset")[0] != '\0'
                        ? "agrees with the project API's"
                        : NULL;
}

/* Checks the daemon. First makes it ask the project API for a document, so that its STATUS shows
 * how the API answers now. */
static void check_daemon(struct doctor *doctor)
{
    struct cloud_question status = {.op = CLOUD_OP_STATUS}, refresh = {.op = CLOUD_OP_REFRESH};
    struct cloud_question documents = {.op = CLOUD_OP_DOCUMENTS};
    struct ask_rows known = {0};
    static struct health health;
    struct cloud_answer answer;
    bool answers = ask_once(&status, &answer) == CLOUD_OK;

    if (answers && doctor->account[0] == '\0' && ask_rows(&documents, &known) == CTL_YES)
        doctor->account = known_account(doctor, &known);
    if (answers && doctor->account[0] == '\0')
        doctor->account = guess_account(doctor);
    refresh.account = doctor->account;
    if (answers && doctor->account[0] != '\0')
        (void)ask_rows(&refresh, &(struct ask_rows){0});
    if (answers && ask_rows(&status, &health.rows) == CTL_YES)
        report_health(doctor, &health);
    else
        doctor_say(doctor, "daemon", DOCTOR_BAD,
                   "systemctl restart cloudauthd; journalctl -u cloudauthd -n 20",
                   "cloudauthd does not answer at %s", CLOUD_SOCKET_PATH);
}

/* ---- The script ---- */

/* The text of doctor.sh: the checks that read files of the host and run its programs. */
extern const char doctor_script[];
LINES_SCRIPT(doctor_script, "ctl/doctor.sh");

/* Reports a line of the output of the script, with the fields check, result, remedy, detail, and
 * the word that replaces %s in the remedy. */
static bool take_row(void *arg, char *line)
{
    char *field[5], remedy[REMEDY_SIZE];
    int result = DOCTOR_OK;

    for (int i = 0; i < 5; i++)
        if ((field[i] = strsep(&line, "\t")) == NULL)
            return true;
    while (result < DOCTOR_NOTE && strcmp(field[1], results[result]) != 0)
        result++;
    (void)remedy_fill(field[2], field[4], remedy);
    doctor_say(arg, field[0], (enum doctor_result)result, remedy, "%s", field[3]);
    return true;
}

/* The accounts to ask sshd about: the shell account of a login name, and the sFTP account of the
 * same environment. Both are "" if the login name has no account; either is also "" if this host
 * does not serve its login name. */
struct accounts {
    char shell[CLOUD_NAME_MAX + 1], sftp[CLOUD_NAME_MAX + 6];
};

static void find_accounts(const struct doctor *doctor, struct accounts *out)
{
    const struct cloud_grammar *grammar = &doctor->conf.grammar;
    struct cloud_name name;

    *out = (struct accounts){"", ""};
    if (!cloud_name_parse(grammar, doctor->account, &name) || getpwnam(doctor->account) == NULL)
        return;
    snprintf(out->shell, sizeof out->shell, "%s", doctor->account);
    if (name.kind == CLOUD_SFTP)
        out->shell[strlen(out->shell) - strlen(SFTP_ENDING)] = '\0';
    snprintf(out->sftp, sizeof out->sftp, "%s" SFTP_ENDING, out->shell);
    if (!cloud_name_parse(grammar, out->sftp, NULL))
        out->sftp[0] = '\0';
    if (!cloud_name_parse(grammar, out->shell, NULL))
        out->shell[0] = '\0';
}

/* Whether a pattern of `allow` can match the login name of an sFTP account, which has no '-'. */
static bool may_have_sftp(const struct cloud_grammar *grammar)
{
    const char *pattern;

    for (size_t at = 0; (pattern = cloud_words_next(&grammar->allow, &at)) != NULL;) {
        const char *star = strrchr(pattern, '*'), *end = star == NULL ? pattern : star + 1;
        size_t n = strlen(end), ending = strlen(SFTP_ENDING);
        size_t both = n < ending ? n : ending;

        if (strchr(pattern, '-') == NULL && (star != NULL || n >= ending) &&
            strcmp(&end[n - both], &SFTP_ENDING[ending - both]) == 0)
            return true;
    }
    return false;
}

/* Writes the words of a setting to `out`, with a space between them. Returns `out`. */
static const char *join(const struct cloud_words *words, char *out, size_t size)
{
    struct cloud_text text;
    const char *word;

    cloud_text_start(&text, out, size);
    for (size_t at = 0; (word = cloud_words_next(words, &at)) != NULL;)
        cloud_text_add_all(&text, out[0] == '\0' ? "" : " ", word);
    return out;
}

/* Whether this process can load the NSS module. Reports a fault if not; if it can, doctor_script
 * checks the groups that the module serves. */
static bool check_nss(struct doctor *doctor)
{
    if (dlopen("libnss_cloud.so.2", RTLD_NOW | RTLD_LOCAL) != NULL)
        return true;
    doctor_say(doctor, "nss-module", DOCTOR_BAD,
               "apt-get install --reinstall libnss-cloud; ldconfig  # or make install", "%s",
               dlerror());
    return false;
}

static void run_script(struct doctor *doctor)
{
    static char homes[CLOUD_WORDS_SIZE], allow[CLOUD_WORDS_SIZE];
    const struct cloud_conf *conf = &doctor->conf;
    char *argv[32] = {NULL};
    struct accounts accounts;
    int status;

    find_accounts(doctor, &accounts);
    lines_script(argv, doctor_script, "doctor");
    lines_argument(argv, "module=%s", check_nss(doctor) ? "loads" : "");
    lines_argument(argv, "ssh_gid=%u", conf->ssh_gid);
    lines_argument(argv, "sftp_gid=%u", conf->sftp_gid);
    lines_argument(argv, "account=%s", accounts.shell);
    lines_argument(argv, "sftp=%s", accounts.sftp);
    lines_argument(argv, "may_have_sftp=%s", may_have_sftp(&conf->grammar) ? "yes" : "");
    lines_argument(argv, "no_settings=%s", doctor->no_settings ? "yes" : "");
    lines_argument(argv, "uid_min=%u", conf->uid_min);
    lines_argument(argv, "uid_max=%u", conf->uid_max);
    lines_argument(argv, "asked=%s", doctor->account);
    lines_argument(argv, "allow=%s", join(&conf->grammar.allow, allow, sizeof allow));
    lines_argument(argv, "homes=%s",
                   conf->homes.used == 0 ? CLOUD_CONF_HOMES
                                         : join(&conf->homes, homes, sizeof homes));
    lines_argument(argv, "urls=%s %s %s", conf->access_url, conf->changes_url, conf->token_url);
    lines_argument(argv, "api_socket=%s", conf->api_socket);
    lines_argument(argv, "secrets=%s\n%s\n%s", conf->token_file, conf->client_id_file,
                   conf->client_key);
    lines_argument(argv, "host_id=%s", conf->host_id);
    lines_argument(argv, "clock=%s", doctor->clock == NULL ? "" : doctor->clock);
    if (!lines_run(argv, take_row, doctor, &status))
        doctor_say(doctor, "host", DOCTOR_UNKNOWN, "", "/bin/sh cannot be run");
    else if (status != 0)
        doctor_say(doctor, "host", DOCTOR_UNKNOWN, "journalctl -k -n 20; cloudauthctl doctor",
                   "the checks of the host ended early");
}

/* ---- Checks that the script cannot make ---- */

/* Reports a local name that is also a login name matched by `allow`. */
static bool take_local(void *arg, const struct cloud_local_entry *entry)
{
    struct doctor *doctor = arg;

    if (!cloud_name_parse(&doctor->conf.grammar, entry->name, NULL))
        return true;
    doctor->shadowed = true;
    doctor_say(doctor, "shadowed", DOCTOR_BAD,
               "editor /etc/passwd /etc/group " CLOUD_CONF_PATH
               "  # rename the local one, or take the name out of allow, or add it to "
               "reserved_names",
               "%s is a login name of `allow`: the local one wins, and the cloud account does not "
               "exist here",
               entry->name);
    return true;
}

static void check_shadowed(struct doctor *doctor)
{
    (void)cloud_local_scan(CLOUD_PASSWD_PATH, true, take_local, doctor);
    (void)cloud_local_scan(CLOUD_GROUP_PATH, false, take_local, doctor);
    if (!doctor->shadowed)
        doctor_say(doctor, "shadowed", DOCTOR_OK, "", "no local name is one of `allow`");
}

/* Checks the header of the snapshot, from which the NSS module of this version sees whether it can
 * use the file. */
static void check_snapshot(struct doctor *doctor)
{
    struct cloud_snapshot_header header = {0};
    FILE *file =
        fopen(CLOUD_SNAPSHOT_PARENT "/" CLOUD_SNAPSHOT_DIRECTORY "/" CLOUD_SNAPSHOT_FILE, "re");
    size_t got = file == NULL ? 0 : fread(&header, 1, sizeof header, file);

    if (file == NULL && errno == ENOENT) {
        doctor_say(doctor, "snapshot", DOCTOR_OK, "", "none yet: no account is known");
        return;
    }
    if (file != NULL)
        (void)fclose(file); /* the file was only read */
    if (got == sizeof header && header.magic == CLOUD_SNAPSHOT_MAGIC &&
        header.version == CLOUD_SNAPSHOT_VERSION)
        doctor_say(doctor, "snapshot", DOCTOR_OK, "", "%llu accounts",
                   (unsigned long long)header.accounts);
    else
        doctor_say(doctor, "snapshot", DOCTOR_BAD, "systemctl restart cloudauthd",
                   "accounts.snapshot is not one of this version: each lookup asks the daemon");
}

/* Checks that pam_cloud.so can be loaded from where PAM looks for it: the directory `security` next
 * to libpam. */
static void check_pam_module(struct doctor *doctor)
{
    void *pam = dlopen("libpam.so.0", RTLD_NOW | RTLD_LOCAL);
    char origin[PATH_MAX] = "/lib", path[PATH_MAX + 32];

    if (pam != NULL)
        (void)dlinfo(pam, RTLD_DI_ORIGIN, origin);
    snprintf(path, sizeof path, "%s/security/pam_cloud.so", origin);
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL)
        doctor_say(doctor, "pam-module", DOCTOR_OK, "", "%s", path);
    else
        doctor_say(doctor, "pam-module", DOCTOR_BAD,
                   "apt-get install --reinstall libpam-cloud  # or make install with LIBDIR=", "%s",
                   dlerror());
}

int cmd_doctor(struct ctl *ctl)
{
    static struct doctor doctor;
    struct out out;

    if (geteuid() != 0) {
        ctl_say("only root can read all that doctor looks at");
        return CTL_UNKNOWN;
    }
    doctor.out = &out;
    doctor.account = ctl->words == 1 ? ctl->word[0] : "";
    out_start(&out, ctl->json);
    /* In text output, the remedies are printed below the table, each on a line of its own. */
    out_table(&out, "checks", ctl->json ? "check result detail remedy" : "check result detail");
    check_settings(&doctor);
    check_daemon(&doctor);
    check_pam_module(&doctor);
    check_shadowed(&doctor);
    check_snapshot(&doctor);
    run_script(&doctor);
    out_table_end(&out);
    show_remedies(&doctor);
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return doctor.bad ? CTL_NO : doctor.unknown ? CTL_UNKNOWN : CTL_YES;
}
