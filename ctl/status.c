/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY             INT64_C(86400)
#define EXPIRES_SOON    (14 * DAY) /* of certificates: degraded */
#define EXPIRES_AT_ONCE (2 * DAY)  /* critical */
#define FINDINGS_MAX    16
#define FINDING_SIZE    700

/* What monitoring makes of it, worst last. */
enum level { GOOD, DEGRADED, CRITICAL };

/* CTL_YES, CTL_NO, and what plugins of Nagios give for the worst; CTL_UNKNOWN is theirs, too. */
#define STATUS_CRITICAL 2

static const char *const levels[] = {"good", "degraded", "critical"};

struct finding {
    enum level level;
    char text[FINDING_SIZE];
};

/* The rows of STATUS, as far as they decide the exit status. */
struct health {
    struct out *out;
    enum level level;
    int64_t now;
    char version[32]; /* the daemon's */
    size_t findings;
    struct finding finding[FINDINGS_MAX];
};

static void find(struct health *health, enum level level, const char *what, const char *more)
{
    if (level > health->level)
        health->level = level;
    if (health->findings == FINDINGS_MAX)
        return;
    health->finding[health->findings].level = level;
    snprintf(health->finding[health->findings].text, FINDING_SIZE, "%s%s%.512s", what,
             more[0] == '\0' ? "" : ": ", more);
    health->findings++;
}

static bool is_number(const char *text)
{
    text += text[0] == '-';
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A host may be called 007. */
static bool is_text(const char *name)
{
    return strcmp(name, "version") == 0 || strcmp(name, "host_id") == 0;
}

/* A row whose value, unless it is the good one, is worth a finding. */
struct rule {
    const char *name, *good, *what;
    enum level level;
    bool shows; /* the value, behind what it is */
};

static const struct rule rules[] = {
    {"failing", "0",
     "environments whose last request failed, the last good document serves (see error)", DEGRADED,
     true},
    {"unusable", "0", "environments that nobody can enter: their document is too old", CRITICAL,
     true},
    {"absences", "believed",
     "many environments turned absent at once, and it is not believed (kill -USR1 confirms it)",
     DEGRADED, false},
    {"credential_error", "", "a credential cannot be used", CRITICAL, true},
    {"token_error", "", "no new access token can be had", DEGRADED, true},
    {"snapshot_file", "written",
     "accounts.snapshot cannot be written: every lookup asks the daemon", DEGRADED, false},
    {"denials_file", "whole", "the list of denials is damaged: every cloud account is refused",
     CRITICAL, false},
    {"helper_user", "present", "there is no user cloudauth-keys: no key is answered", CRITICAL,
     false},
};

static void judge_expiry(struct health *health, const char *what, const char *value)
{
    int64_t left = strtoll(value, NULL, 10) - health->now;
    char when[40];

    ctl_time(strtoll(value, NULL, 10), when, sizeof when);
    if (left <= 0)
        find(health, CRITICAL, what, "it has expired");
    else if (left < EXPIRES_AT_ONCE)
        find(health, CRITICAL, what, when);
    else if (left < EXPIRES_SOON)
        find(health, DEGRADED, what, when);
}

static void take_status(void *arg, const struct ask_row *row)
{
    struct health *health = arg;
    const char *name = row->field[0], *value = row->field[1];

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(name, rules[i].name) == 0 && strcmp(value, rules[i].good) != 0)
            find(health, rules[i].level, rules[i].what, rules[i].shows ? value : "");
    if (strcmp(name, "client_cert_expires") == 0)
        judge_expiry(health, "the client certificate ends", value);
    else if (strcmp(name, "ca_file_expires") == 0)
        judge_expiry(health, "a certificate of ca_file ends", value);
    else if (strcmp(name, "version") == 0)
        snprintf(health->version, sizeof health->version, "%s", value);
    if (is_number(value) && !is_text(name))
        out_number(health->out, name, strtoll(value, NULL, 10));
    else
        out_pair(health->out, name, value);
}

static const struct out_column columns[] = {{"project", OUT_STRING}, {"environment", OUT_STRING},
                                            {"login", OUT_STRING},   {"state", OUT_STRING},
                                            {"age", OUT_NUMBER},     {"status", OUT_STRING},
                                            {"detail", OUT_STRING}};

static const struct out_column finding_columns[] = {{"level", OUT_STRING}, {"finding", OUT_STRING}};

static void take_document(void *arg, const struct ask_row *row)
{
    out_row(arg, row->field);
}

/* The verdict, and what it is made of. */
static void say_findings(struct health *health)
{
    if (strcmp(health->version, CLOUD_VERSION) != 0)
        find(health, DEGRADED, "the daemon is of another version than cloudauthctl: restart it",
             CLOUD_VERSION);
    out_pair(health->out, "ctl_version", CLOUD_VERSION);
    out_pair(health->out, "health", levels[health->level]);
    out_table(health->out, "findings", finding_columns, 2);
    for (size_t i = 0; i < health->findings; i++)
        out_row(health->out,
                (const char *const[]){levels[health->finding[i].level], health->finding[i].text});
    out_table_end(health->out);
}

int cmd_status(struct ctl *ctl, int argc, char **argv)
{
    static const int exits[] = {CTL_YES, CTL_NO, STATUS_CRITICAL};
    struct cloud_question question = {.op = CLOUD_OP_STATUS};
    bool documents = argc == 2 && strcmp(argv[1], "--documents") == 0;
    static struct health health;
    struct out out;
    int status;

    if (argc > 1 && !documents)
        return ctl_usage(argv);
    health = (struct health){.out = &out, .now = (int64_t)time(NULL)};
    out_start(&out, ctl->json);
    status = ask_rows(&question, take_status, &health);
    if (status == CTL_YES)
        say_findings(&health);
    if (status == CTL_YES && documents) {
        question = (struct cloud_question){.op = CLOUD_OP_DOCUMENTS};
        out_table(&out, "list", columns, sizeof columns / sizeof *columns);
        status = ask_rows(&question, take_document, &out);
        out_table_end(&out);
    }
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return status == CTL_YES ? exits[health.level] : status;
}
