/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...)
{
    static const char *const words[] = {"ok", "BAD", "unknown", "note"};
    char detail[1024];
    va_list more;

    va_start(more, format);
    vsnprintf(detail, sizeof detail, format, more);
    va_end(more);
    doctor->bad |= result == DOCTOR_BAD;
    doctor->unknown |= result == DOCTOR_UNKNOWN;
    OUT_ROW(doctor->out, check, words[result], detail, remedy);
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

/* Prints the remedies of all rows, for people only: those of faults, then the notes'. */
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

/* ---- The settings, the users and the daemon ---- */

static const char sysusers[] =
    "systemd-sysusers /usr/lib/sysusers.d/cloudauth.conf; systemctl restart cloudauthd";

/* Notes settings that have no effect, and an `allow` that is too wide. */
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

/* Checks the settings. A file with the wrong owner or mode is refused before any of its lines is
 * read. */
static void check_settings(struct doctor *doctor)
{
    static const char own[] = "chown root:root " CLOUD_CONF_PATH " && chmod 644 " CLOUD_CONF_PATH;
    static const char edit[] =
        "editor " CLOUD_CONF_PATH "  # cloudauth.conf(5) describes each setting";
    static const char install[] =
        "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss cloudauth  # or make "
        "install; then edit " CLOUD_CONF_PATH;
    struct cloud_conf_error error = {0};

    if (cloud_conf_read(&doctor->conf, CLOUD_CONF_PATH, 0, &error)) {
        doctor_say(doctor, "settings", DOCTOR_OK, "", CLOUD_CONF_PATH);
        note_settings(doctor);
        return;
    }
    cloud_conf_defaults(&doctor->conf);
    doctor_say(doctor, "settings", DOCTOR_BAD,
               access(CLOUD_CONF_PATH, F_OK) != 0        ? install
               : strstr(error.text, "the file ") != NULL ? own
                                                         : edit,
               CLOUD_CONF_PATH ":%u: %s", error.line, error.text);
}

static void check_users(struct doctor *doctor)
{
    uint32_t uid = 0, gid = 0;

    if (!local_ids_refresh(doctor->local_ids)) {
        doctor_say(doctor, "users", DOCTOR_UNKNOWN, "ls -l /etc/passwd /etc/group",
                   "/etc/passwd or /etc/group cannot be read");
        return;
    }
    if (!local_ids_find_user(doctor->local_ids, "cloudauth", &doctor->daemon_uid,
                             &doctor->daemon_gid) ||
        doctor->daemon_uid == 0)
        doctor_say(doctor, "users", DOCTOR_BAD, sysusers,
                   "there is no user cloudauth for the daemon to run as");
    else if (!local_ids_find_user(doctor->local_ids, "cloudauth-keys", &uid, &gid) || uid == 0)
        doctor_say(doctor, "users", DOCTOR_BAD, sysusers,
                   "there is no user cloudauth-keys for the helper to run as");
    else
        doctor_say(doctor, "users", DOCTOR_OK, "", "cloudauth and cloudauth-keys");
}

/* Chooses a known account to ask sshd about. An account with a '-', which has no sFTP account, is
 * chosen only if there is no other. */
static const char *known_account(const struct ask_rows *documents)
{
    const char *found = "";

    for (size_t i = 0; i < documents->n; i++) {
        const char *login = documents->row[i].field[2], *state = documents->row[i].field[3];
        if ((strcmp(state, "fresh") == 0 || strcmp(state, "aged") == 0 ||
             strcmp(state, "failing") == 0) &&
            (found[0] == '\0' || strchr(found, '-') != NULL))
            found = login;
    }
    return found;
}

/* Chooses a name of `allow` that has no '*', if the daemon knows no account yet. */
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
    doctor->clock = health_has(health, "clock") ? "is off"
                    : health_value(health, "clock_offset")[0] != '\0'
                        ? "agrees with the project API's"
                        : NULL;
}

/* Has the daemon ask for the account's document, so that what STATUS then says of the project API
 * is true now. */
static void check_daemon(struct doctor *doctor)
{
    struct cloud_question status = {.op = CLOUD_OP_STATUS}, refresh = {.op = CLOUD_OP_REFRESH};
    struct cloud_question documents = {.op = CLOUD_OP_DOCUMENTS};
    struct ask_rows known = {0};
    static struct health health;
    struct cloud_answer answer;
    bool answers = ask_once(&status, &answer) == CLOUD_OK;

    if (answers && doctor->account[0] == '\0' && ask_rows(&documents, &known) == CTL_YES)
        doctor->account = known_account(&known);
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

int cmd_doctor(struct ctl *ctl)
{
    static struct doctor doctor;
    struct out out;

    doctor.local_ids = local_ids_new();
    if (geteuid() != 0 || doctor.local_ids == NULL) {
        ctl_say("only root can read all that doctor looks at");
        return CTL_UNKNOWN;
    }
    doctor.out = &out;
    doctor.account = ctl->words == 1 ? ctl->word[0] : "";
    out_start(&out, ctl->json);
    /* For people the remedies stand below the table, each command on a line of its own. */
    out_table(&out, "checks", ctl->json ? "check result detail remedy" : "check result detail");
    check_settings(&doctor);
    check_users(&doctor);
    check_daemon(&doctor);
    doctor_nss(&doctor);
    doctor_sshd(&doctor);
    doctor_pam(&doctor);
    doctor_files(&doctor);
    doctor_ranges(&doctor);
    doctor_homes(&doctor);
    doctor_proc(&doctor);
    doctor_programs(&doctor);
    out_table_end(&out);
    show_remedies(&doctor);
    local_ids_free(doctor.local_ids);
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return doctor.bad ? CTL_NO : doctor.unknown ? CTL_UNKNOWN : CTL_YES;
}
