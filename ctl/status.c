/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int list_documents(struct out *out)
{
    struct cloud_question question = {.op = CLOUD_OP_DOCUMENTS};

    return ask_table(out, "list", "project environment login state age# until@ status detail",
                     &question);
}

/* ---- For programs: the daemon's rows ---- */

static void put_rows(struct out *out, const struct health *health)
{
    for (size_t i = 0; i < health->rows.n; i++) {
        const char *const *field = health->rows.row[i].field;
        if (field[2][0] == '#')
            out_number(out, field[0], strtoll(field[1], NULL, 10));
        else
            out_pair(out, field[0], field[1]);
    }
    out_pair(out, "ctl_version", CLOUD_VERSION);
    out_pair(out, "health", health_word(health->level));
    out_table(out, "findings", out->json ? "level finding remedy" : "level finding");
    for (size_t i = 0; i < health->findings; i++) {
        const struct health_finding *finding = &health->finding[i];
        OUT_ROW(out, health_word(finding->level), finding->text, finding->remedy);
    }
    out_table_end(out);
}

/* ---- For people at a terminal: a page ---- */

#define MINUTE INT64_C(60)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Formats a duration, such as "3 d 4 h", "55 min" or "12 s". */
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

/* Prints a row of STATUS. The value is a time if the name of the row ends in "_expires" or
 * "_until", and a duration if it ends in "_age" or "_stale". */
static void put_row(struct out *out, const char *const *field)
{
    const char *end = strrchr(field[0], '_'), *value = field[1];
    char line[CLOUD_URL_SIZE + 100], readable[40];
    int64_t seconds = strtoll(value, NULL, 10);

    if (value[0] == '\0')
        return;
    if (end != NULL && (strcmp(end, "_expires") == 0 || strcmp(end, "_until") == 0)) {
        out_time(seconds, readable, sizeof readable);
        value = readable;
    } else if (end != NULL && (strcmp(end, "_age") == 0 || strcmp(end, "_stale") == 0)) {
        value = span(seconds, readable);
    }
    snprintf(line, sizeof line, "  %-20s%s", field[0], value);
    out_line(out, line);
}

/* Prints the findings. They come last, so that they are visible right above the next prompt. */
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

static void put_page(struct out *out, const struct health *health)
{
    static const char *const sections[][2] = {{"access_url", "API"},
                                              {"documents", "Documents"},
                                              {"snapshot", "Snapshot"},
                                              {"open_sessions", "Sessions"}};
    char line[512], uptime[40];
    bool in_section = false;

    snprintf(line, sizeof line, "cloudauthd %s on %.256s, up %s: %s",
             health_value(health, "version"), health_value(health, "host_id"),
             span(health_number(health, "uptime"), uptime), health_word(health->level));
    out_heading(out, line);
    out_line(out, "");
    for (size_t i = 0; i < health->rows.n; i++) {
        const char *const *field = health->rows.row[i].field;
        for (size_t s = 0; s < sizeof sections / sizeof *sections; s++)
            if (strcmp(field[0], sections[s][0]) == 0) {
                out_heading(out, sections[s][1]);
                in_section = true;
            }
        if (in_section)
            put_row(out, field);
    }
    out_line(out, "");
}

int cmd_status(struct ctl *ctl)
{
    struct cloud_question question = {.op = CLOUD_OP_STATUS};
    bool documents = ctl_option(ctl, "--documents") != NULL;
    static struct cloud_conf conf;
    struct cloud_conf_error error;
    static struct health health;
    struct out out;
    bool read = cloud_conf_read(&conf, ctl->conf_path, 0, &error);
    int status;

    if (!read)
        cloud_conf_defaults(&conf);
    out_start(&out, ctl->json);
    status = ask_rows(&question, &health.rows);
    if (status == CTL_YES) {
        if (!read)
            health_settings(&health, ctl->conf_path, &error);
        health_judge(&health, &conf, (int64_t)time(NULL));
        if (!out_is_terminal(&out))
            put_rows(&out, &health);
        else
            put_page(&out, &health);
        if (documents)
            status = list_documents(&out);
        if (out_is_terminal(&out))
            put_findings(&out, &health);
    }
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return status == CTL_YES && health.findings > 0 ? CTL_NO : status;
}

/* ---- metrics ---- */

/* Prints the daemon's text unchanged. A script that writes it to a file learns from the exit status
 * whether the text is complete. */
int cmd_metrics(struct ctl *ctl)
{
    const struct cloud_question question = {.op = CLOUD_OP_METRICS};
    struct cloud_answer answer;

    if (ctl->json) {
        ctl_say("the metrics have no JSON form");
        return CTL_USAGE;
    }
    if (ask_once(&question, &answer) != CLOUD_OK)
        return ask_failed(&answer);
    if (fputs(answer.text, stdout) >= 0 && fflush(stdout) == 0)
        return CTL_YES;
    ctl_say("the metrics could not be written whole");
    return CTL_UNKNOWN;
}
