/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/doctor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_settings(struct doctor *doctor, const char *path)
{
    struct cloud_conf_error error = {0};

    if (cloud_conf_read(&doctor->conf, path, 0, &error)) {
        doctor_say(doctor, "settings", DOCTOR_OK, "", "%s", path);
        return;
    }
    doctor_say(doctor, "settings", DOCTOR_BAD,
               "repair it (cloudauth.conf(5)); it is root's, and nobody else may write it",
               "%s:%u: %s", path, error.line, error.text);
    cloud_conf_defaults(&doctor->conf);
}

static void check_users(struct doctor *doctor)
{
    uint32_t uid = 0, gid = 0;

    if (!local_ids_refresh(doctor->db)) {
        doctor_say(doctor, "users", DOCTOR_UNKNOWN, "make them readable",
                   "/etc/passwd or /etc/group cannot be read");
        return;
    }
    if (!local_ids_find_user(doctor->db, "cloudauth", &doctor->daemon_uid, &doctor->daemon_gid) ||
        doctor->daemon_uid == 0)
        doctor_say(doctor, "users", DOCTOR_BAD, "systemd-sysusers, or useradd --system cloudauth",
                   "there is no user cloudauth for the daemon to run as");
    else if (!local_ids_find_user(doctor->db, "cloudauth-keys", &uid, &gid) || uid == 0)
        doctor_say(doctor, "users", DOCTOR_BAD,
                   "systemd-sysusers, or useradd --system cloudauth-keys; then restart cloudauthd",
                   "there is no user cloudauth-keys for the helper to run as");
    else
        doctor_say(doctor, "users", DOCTOR_OK, "", "cloudauth and cloudauth-keys");
}

/* What is to be done about a failure, by the words of libcurl, OpenSSL and cloudauthd/api/api.c. */
static const struct {
    const char *words, *remedy;
} api_remedies[] = {
    {"local issuer certificate",
     "set ca_file in cloudauth.conf to the CA that signed the project API's certificate"},
    {"self-signed certificate",
     "set ca_file in cloudauth.conf to the CA that signed the project API's certificate"},
    {"self signed certificate",
     "set ca_file in cloudauth.conf to the CA that signed the project API's certificate"},
    {"setting certificate verify locations",
     "ca_file must be a file of CAs in PEM that is readable "
     "to cloudauth"},
    {"subject name", "access_url must name the host as the project API's certificate does"},
    {"certificate has expired",
     "renew the project API's certificate; look at this host's clock, too (timedatectl)"},
    {"not yet valid", "set this host's clock (timedatectl), or that of who made the certificate"},
    {"Could not resolve", "look at the name in access_url, and at this host's DNS"},
    {"credential unusable",
     "see that cloudauth owns the file, mode 400, and can search the folders "
     "above it; cloudauth.conf(5), Credentials"},
    {"cannot be opened: Permission denied",
     "let cloudauth read the document, and search the folders above it (chmod a+rX)"},
    {"refuses this host's credential",
     "renew the credential (token_file, client_id_file, client_cert) with the project API"},
    {"connect to server", "start the project API, or repair the host and port in access_url"},
    {"timed out", "look at the network between this host and the project API, and at the latter"},
    {"status 5", "look at the project API's log"},
    {"uid:gid changed", "if it moved indeed: cloudauthctl rebind NAME"},
    {" belongs to environment ", "if that environment is gone: cloudauthctl rebind "
                                 "PROJECT/ENVIRONMENT of it"},
    {"invalid document",
     "cloudauthctl check, with what the project API gives in a file, says where"},
};

static void say_api(struct doctor *doctor, const char *detail)
{
    const char *remedy = "look at access_url, the credentials and the project API; cloudauthctl "
                         "status --documents lists all";

    for (size_t i = 0; i < sizeof api_remedies / sizeof *api_remedies; i++)
        if (strstr(detail, api_remedies[i].words) != NULL) {
            remedy = api_remedies[i].remedy;
            break;
        }
    doctor_say(doctor, "api", DOCTOR_BAD, remedy, "%s", detail);
}

/* What is more than a second's delay and somebody's rounding. */
#define CLOCK_OFF 30

static void check_offset(struct doctor *doctor, const char *value)
{
    long long ahead = strtoll(value, NULL, 10);

    if (value[0] == '\0')
        return;
    if (ahead > CLOCK_OFF || ahead < -CLOCK_OFF)
        doctor_say(doctor, "clock", DOCTOR_BAD,
                   "set the clock, and keep it by NTP (timedatectl set-ntp true)",
                   "this host's clock is %lld seconds %s the project API's", llabs(ahead),
                   ahead > 0 ? "ahead of" : "behind");
    else
        doctor_say(doctor, "clock", DOCTOR_OK, "", "it goes with the project API's");
}

/* The rows of STATUS that tell of an illness. */
static void take_status(void *arg, const struct ask_row *row)
{
    struct doctor *doctor = arg;
    const char *name = row->field[0], *value = row->field[1];

    if (strcmp(name, "version") == 0)
        doctor_say(doctor, "daemon", DOCTOR_OK, "", "cloudauthd %s answers", value);
    if (strcmp(name, "error") == 0 && value[0] != '\0')
        say_api(doctor, value);
    if (strcmp(name, "clock_offset") == 0)
        check_offset(doctor, value);
    if (strcmp(name, "absences") == 0 && strcmp(value, "believed") != 0)
        doctor_say(doctor, "absences", DOCTOR_BAD,
                   "if they are gone indeed: systemctl kill -s USR1 cloudauthd",
                   "many environments turned absent at once, which is not believed");
    if (strcmp(name, "denials_file") == 0 && strcmp(value, "whole") != 0)
        doctor_say(doctor, "denials", DOCTOR_BAD, "cloudauthctl undeny --all",
                   "the list of denials is damaged: everybody is refused");
    if (strcmp(name, "helper_user") == 0 && strcmp(value, "present") != 0)
        doctor_say(doctor, "daemon", DOCTOR_BAD, "systemctl reload cloudauthd",
                   "it does not know the user cloudauth-keys: it answers no key");
}

/* An account that the daemon knows, to ask sshd about. */
struct find {
    char account[CLOUD_NAME_MAX + 1];
};

static void take_account(void *arg, const struct ask_row *row)
{
    struct find *find = arg;
    const char *login = row->field[2], *state = row->field[3];

    if ((strcmp(state, "fresh") == 0 || strcmp(state, "aged") == 0 ||
         strcmp(state, "failing") == 0) &&
        (find->account[0] == '\0' || strchr(find->account, '-') != NULL))
        snprintf(find->account, sizeof find->account, "%s", login);
}

/* An account that `allow` has without a '*', where the daemon knows none yet. */
static void guess_account(const struct doctor *doctor, struct find *find)
{
    const struct cloud_grammar *grammar = &doctor->conf.grammar;

    const char *pattern;

    for (size_t at = 0;
         find->account[0] == '\0' && (pattern = cloud_words_next(&grammar->allow, &at)) != NULL;)
        if (cloud_name_parse(grammar, pattern, NULL))
            snprintf(find->account, sizeof find->account, "%s", pattern);
}

static void nothing(void *arg, const struct ask_row *row)
{
    (void)arg;
    (void)row;
}

/* So that what STATUS says of the project API is of this moment. */
static void check_daemon(struct doctor *doctor, struct find *find)
{
    struct cloud_question status = {.op = CLOUD_OP_STATUS}, refresh = {.op = CLOUD_OP_REFRESH};
    struct cloud_question documents = {.op = CLOUD_OP_DOCUMENTS};
    struct cloud_answer answer;
    bool answers = ask_once(&status, &answer) == CLOUD_OK;

    if (answers && doctor->account[0] == '\0' &&
        ask_rows(&documents, take_account, find) == CTL_YES) {
        if (find->account[0] == '\0')
            guess_account(doctor, find);
        doctor->account = find->account;
    }
    refresh.account = doctor->account;
    if (answers && doctor->account[0] != '\0')
        (void)ask_rows(&refresh, nothing, NULL);
    if (!answers || ask_rows(&status, take_status, doctor) != CTL_YES)
        doctor_say(doctor, "daemon", DOCTOR_BAD,
                   "systemctl restart cloudauthd; its log says why it ended or hangs",
                   "cloudauthd does not answer at %s", CLOUD_SOCKET_PATH);
}

static bool take_options(int argc, char **argv, struct doctor *doctor)
{
    static const struct option options[] = {
        {"fix", no_argument, NULL, 'f'}, {"dry-run", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        doctor->fix |= option == 'f';
        doctor->dry_run |= option == 'd';
        if (option == '?')
            return false;
    }
    doctor->account = optind < argc ? argv[optind] : "";
    return argc - optind <= 1 && (doctor->fix || !doctor->dry_run);
}

int cmd_doctor(struct ctl *ctl, int argc, char **argv)
{
    static const struct out_column columns[] = {{"check", OUT_STRING},
                                                {"result", OUT_STRING},
                                                {"detail", OUT_STRING},
                                                {"remedy", OUT_STRING}};
    static struct doctor doctor;
    struct find find = {""};
    struct out out;

    if (!take_options(argc, argv, &doctor))
        return ctl_usage(argv);
    doctor.db = local_ids_new();
    if (geteuid() != 0 || doctor.db == NULL) {
        ctl_say("only root can see all that is to be looked at");
        return CTL_UNKNOWN;
    }
    doctor.out = &out;
    out_start(&out, ctl->json);
    out_table(&out, "checks", columns, sizeof columns / sizeof *columns);
    check_settings(&doctor, ctl->conf_path);
    check_users(&doctor);
    check_daemon(&doctor, &find);
    doctor_nss(&doctor);
    doctor_sshd(&doctor);
    doctor_pam(&doctor);
    doctor_files(&doctor);
    doctor_ranges(&doctor);
    doctor_proc(&doctor);
    out_table_end(&out);
    local_ids_free(doctor.db);
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return doctor.bad ? CTL_NO : doctor.unknown ? CTL_UNKNOWN : CTL_YES;
}
