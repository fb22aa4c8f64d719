/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct out_column document_columns[] = {
    {"project", OUT_STRING}, {"environment", OUT_STRING}, {"login", OUT_STRING},
    {"state", OUT_STRING},   {"age", OUT_NUMBER},         {"status", OUT_STRING},
    {"detail", OUT_STRING}};

static const struct out_column finding_columns[] = {
    {"level", OUT_STRING}, {"finding", OUT_STRING}, {"remedy", OUT_STRING}};

static void take_document(void *arg, const struct ask_row *row)
{
    out_row(arg, row->field);
}

static int list_documents(struct out *out)
{
    struct cloud_question question = {.op = CLOUD_OP_DOCUMENTS};
    int status;

    out_table(out, "list", document_columns, sizeof document_columns / sizeof *document_columns);
    status = ask_rows(&question, take_document, out);
    out_table_end(out);
    return status;
}

/* ---- For programs: the daemon's rows ---- */

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

static int put_rows(struct out *out, const struct health *health, bool documents)
{
    for (size_t i = 0; i < health->rows; i++) {
        const struct health_row *row = &health->row[i];
        if (is_number(row->value) && !is_text(row->name))
            out_number(out, row->name, strtoll(row->value, NULL, 10));
        else
            out_pair(out, row->name, row->value);
    }
    out_pair(out, "ctl_version", CLOUD_VERSION);
    out_pair(out, "health", health_word(health->level));
    out_table(out, "findings", finding_columns, out->json ? 3 : 2);
    for (size_t i = 0; i < health->findings; i++) {
        const struct health_finding *finding = &health->finding[i];
        out_row(out,
                (const char *const[]){health_word(finding->level), finding->text, finding->remedy});
    }
    out_table_end(out);
    return documents ? list_documents(out) : CTL_YES;
}

/* ---- For people at a terminal: a page ---- */

#define MINUTE INT64_C(60)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* "3 d 4 h", "55 min", "12 s" */
static const char *span(int64_t seconds, char out[40])
{
    if (seconds >= DAY)
        snprintf(out, 40, "%" PRId64 " d %" PRId64 " h", seconds / DAY, seconds % DAY / HOUR);
    else if (seconds >= HOUR)
        snprintf(out, 40, "%" PRId64 " h %" PRId64 " min", seconds / HOUR, seconds % HOUR / MINUTE);
    else if (seconds >= MINUTE)
        snprintf(out, 40, "%" PRId64 " min", seconds / MINUTE);
    else
        snprintf(out, 40, "%" PRId64 " s", seconds);
    return out;
}

/* A line of a section. */
__attribute__((format(printf, 3, 4))) static void put(struct out *out, const char *name,
                                                      const char *format, ...)
{
    char text[CLOUD_URL_SIZE + 100], line[CLOUD_URL_SIZE + 200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "  %-12s  %s", name, text);
    out_line(out, line);
}

static bool is_good(const struct health *health, const char *name, const char *good)
{
    return strcmp(health_value(health, name), good) == 0;
}

static void put_end(struct out *out, const struct health *health, const char *name, const char *row)
{
    char when[40];

    ctl_time(health_number(health, row), when, sizeof when);
    if (when[0] != '\0')
        put(out, name, "until %s", when);
}

static void put_api(struct out *out, const struct health *health)
{
    const char *error = health_value(health, "error"), *token = health_value(health, "token");
    const char *offset = health_value(health, "clock_offset");
    const char *credential = health_value(health, "credential_error");

    out_heading(out, "API");
    put(out, "access_url", "%s", health_value(health, "access_url"));
    put(out, "last error", "%s", error[0] == '\0' ? "none" : error);
    if (credential[0] != '\0')
        put(out, "credential", "%s", credential);
    if (token[0] != '\0')
        put(out, "token", "%s", token);
    put_end(out, health, "", "token_expires");
    put_end(out, health, "client_cert", "client_cert_expires");
    put_end(out, health, "ca_file", "ca_file_expires");
    if (offset[0] != '\0')
        put(out, "clock", "%s s ahead of the API's", offset);
}

static void put_documents(struct out *out, const struct health *health)
{
    char oldest[40], freshest[40], bound[40];
    int64_t known = health_number(health, "documents");

    out_heading(out, "Documents");
    put(out, "known", "%s: %s fresh, %s failing, %s unusable; and %s absent",
        health_value(health, "documents"), health_value(health, "fresh"),
        health_value(health, "failing"), health_value(health, "unusable"),
        health_value(health, "absent"));
    if (known > 0)
        put(out, "confirmed", "the last %s ago, the oldest %s ago (max_stale is %s)",
            span(health_number(health, "freshest_age"), freshest),
            span(health_number(health, "oldest_age"), oldest),
            span(health_number(health, "max_stale"), bound));
    if (!is_good(health, "absences", "believed"))
        put(out, "absences", "not believed");
}

static void put_snapshot(struct out *out, const struct health *health)
{
    char age[40];

    out_heading(out, "Snapshot");
    put(out, "state", "%s%s", health_value(health, "snapshot"),
        is_good(health, "snapshot_file", "written") ? "" : ", and the disk takes no new one");
    if (health_value(health, "snapshot_age")[0] != '\0')
        put(out, "accounts", "%s, as of %s ago", health_value(health, "snapshot_accounts"),
            span(health_number(health, "snapshot_age"), age));
}

static void put_sessions(struct out *out, const struct health *health)
{
    out_heading(out, "Sessions");
    put(out, "open", "%s", health_value(health, "open_sessions"));
    put(out, "denials", "%s in force%s", health_value(health, "denials"),
        is_good(health, "denials_file", "whole") ? "" : ", but the list is damaged");
}

/* The findings come last, where a terminal shows them above the prompt. */
static void put_findings(struct out *out, const struct health *health)
{
    char line[800];

    if (health->findings == 0) {
        out_heading(out, "Nothing is wrong.");
        return;
    }
    out_heading(out, "What is wrong, with its remedy (each command can be pasted as it stands)");
    for (size_t i = 0; i < health->findings; i++) {
        const struct health_finding *finding = &health->finding[i];
        snprintf(line, sizeof line, "%s: %s", health_word(finding->level), finding->text);
        remedy_show(out, line, finding->remedy);
    }
}

static int put_page(struct out *out, const struct health *health, bool documents)
{
    char line[512], uptime[40];
    int status = CTL_YES;

    snprintf(line, sizeof line, "cloudauthd %s on %.256s, up %s: %s",
             health_value(health, "version"), health_value(health, "host_id"),
             span(health_number(health, "uptime"), uptime), health_word(health->level));
    out_heading(out, line);
    out_line(out, "");
    put_api(out, health);
    put_documents(out, health);
    if (documents)
        status = list_documents(out);
    put_snapshot(out, health);
    put_sessions(out, health);
    out_line(out, "");
    put_findings(out, health);
    return status;
}

int cmd_status(struct ctl *ctl, int argc, char **argv)
{
    struct cloud_question question = {.op = CLOUD_OP_STATUS};
    bool documents = argc == 2 && strcmp(argv[1], "--documents") == 0;
    static struct cloud_conf conf;
    struct cloud_conf_error error;
    static struct health health;
    struct out out;
    int status;

    if (argc > 1 && !documents)
        return ctl_usage(argv);
    /* Broken settings are doctor's to report; the running daemon goes on with its own. */
    if (!cloud_conf_read(&conf, ctl->conf_path, 0, &error))
        cloud_conf_defaults(&conf);
    out_start(&out, ctl->json);
    status = ask_rows(&question, health_take, &health);
    if (status == CTL_YES) {
        health_judge(&health, &conf, (int64_t)time(NULL));
        status = out_is_terminal(&out) ? put_page(&out, &health, documents)
                                       : put_rows(&out, &health, documents);
    }
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return status == CTL_YES && health.findings > 0 ? CTL_NO : status;
}
