/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/subject.h"

#include "access/denials.h"
#include "access/fields.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The options of deny and undeny. */
struct order {
    const char *kind, *until, *reason;
    bool list, all;
};

static const struct option long_options[] = {
    {"key", no_argument, NULL, 'k'},          {"user", no_argument, NULL, 'u'},
    {"environment", no_argument, NULL, 'e'},  {"until", required_argument, NULL, 't'},
    {"reason", required_argument, NULL, 'r'}, {"list", no_argument, NULL, 'l'},
    {"all", no_argument, NULL, 'a'},          {NULL, 0, NULL, 0}};

static bool take_options(int argc, char **argv, struct order *order)
{
    int option;

    *order = (struct order){.until = "", .reason = ""};
    optind = 0;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        switch (option) {
        case 'k':
            order->kind = "key";
            break;
        case 'u':
            order->kind = "user";
            break;
        case 'e':
            order->kind = "environment";
            break;
        case 't':
            order->until = optarg;
            break;
        case 'r':
            order->reason = optarg;
            break;
        case 'l':
            order->list = true;
            break;
        case 'a':
            order->all = true;
            break;
        default:
            return false;
        }
    return true;
}

/* Parses a span ("2h", "30m", "7d") or an RFC 3339 time to come. False after a message. */
static bool read_until(const char *text, int64_t *until)
{
    int64_t now = (int64_t)time(NULL);
    int64_t span;

    *until = DENIAL_FOREVER;
    if (text[0] == '\0')
        return true;
    if (ctl_span(text, &span))
        *until = now + span;
    else if (!fields_time(text, until) || *until <= now) {
        ctl_say(
            "--until %s: neither a time to come, such as 2027-01-01T00:00:00Z, nor a span, such "
            "as 30m, 2h or 7d",
            text);
        return false;
    }
    return true;
}

/* The kind of subject that the argument looks like, where no option names one. */
static const char *guess_kind(const char *what)
{
    if (subject_is_key(what))
        return "key";
    if (strlen(what) > 4 && strcmp(what + strlen(what) - 4, ".pub") == 0)
        return "key";
    return strchr(what, '/') != NULL ? "environment" : "user";
}

/* Whether the argument could name a user or an environment, with a message if so: an operator would
 * not notice that the wrong one is denied. Settings that cannot be read do not prevent a denial. */
static bool is_ambiguous(const struct ctl *ctl, const char *what)
{
    static struct cloud_conf conf;
    struct cloud_conf_error error;

    if (!cloud_conf_read(&conf, ctl->conf_path, 0, &error) ||
        !cloud_name_parse(&conf.grammar, what, NULL))
        return false;
    ctl_say("%s is a login name of this host: add --environment or --user to say which is meant",
            what);
    return true;
}

/* Parses the argument and the options into a denial. False after a message. */
static bool read_denial(const struct ctl *ctl, const struct order *order, const char *what,
                        struct denial *denial)
{
    static struct subject_key key;
    const char *kind = order->kind == NULL ? guess_kind(what) : order->kind, *why;
    char subject[DENIAL_LINE_SIZE], line[2 * DENIAL_LINE_SIZE];
    int64_t until;

    snprintf(subject, sizeof subject, "%s", what);
    if (!read_until(order->until, &until) || (order->kind == NULL && is_ambiguous(ctl, what)))
        return false;
    if (strcmp(kind, "key") == 0) {
        if (!subject_read_key(what, &key))
            return false;
        snprintf(subject, sizeof subject, "%s", key.fingerprint);
    } else if (strcmp(kind, "environment") == 0 &&
               !subject_environment(ctl, what, subject, sizeof subject)) {
        return false;
    }
    snprintf(line, sizeof line, "%s\t%s\t%lld\t0\t%s", kind, subject, (long long)until,
             order->reason);
    if (denials_parse(line, strlen(line), denial, &why))
        return true;
    ctl_say("%s: %s", what,
            strlen(order->reason) >= DENIAL_REASON_SIZE ? "the reason is too long" : why);
    return false;
}

static void add_documents(void *arg, const struct ask_row *row)
{
    if (strcmp(row->field[0], "documents") == 0)
        *(int64_t *)arg += strtoll(row->field[1], NULL, 10);
}

/* Prints how many of the daemon's documents contain the subject, and warns if none does: a subject
 * that is misspelt denies no one, and an operator would not notice. */
static void say_documents(struct out *out, const char *line, const char *kind, const char *subject)
{
    struct cloud_question question = {.op = CLOUD_OP_NAMED, .text = line};
    int64_t documents = 0;

    if (ask_rows(&question, add_documents, &documents) != CTL_YES)
        return;
    out_number(out, "documents", documents);
    if (documents == 0)
        ctl_say("warning: no document that is known here names the %s %s: if it is misspelt, no "
                "one is denied",
                kind, subject);
}

static int send_change(struct ctl *ctl, enum cloud_op op, const char *line)
{
    struct cloud_question question = {.op = op, .text = line};
    int status = ask_rows(&question, ask_ignore, NULL);
    char kind[16] = "all", subject[DENIAL_SUBJECT_SIZE] = "";
    struct denial denial;
    const char *why;
    struct out out;

    if (status != CTL_YES)
        return status;
    if (denials_parse(line, strlen(line), &denial, &why)) {
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(line, "\t"), line);
        snprintf(subject, sizeof subject, "%s", denial.subject);
    }
    out_start(&out, ctl->json);
    out_pair(&out, op == CLOUD_OP_DENY ? "denied" : "undenied", kind);
    out_pair(&out, "subject", subject);
    if (op == CLOUD_OP_DENY)
        say_documents(&out, line, kind, subject);
    return out_end(&out) ? CTL_YES : CTL_UNKNOWN;
}

static void list_denial(void *arg, const struct ask_row *row)
{
    char until[32], since[32];
    const char *cells[] = {row->field[0], row->field[1], until, since, row->field[4]};

    ctl_time(strtoll(row->field[2], NULL, 10), until, sizeof until);
    ctl_time(strtoll(row->field[3], NULL, 10), since, sizeof since);
    out_row(arg, cells);
}

static int list_denials(struct ctl *ctl)
{
    static const struct out_column columns[] = {{"kind", OUT_STRING},
                                                {"subject", OUT_STRING},
                                                {"until", OUT_STRING},
                                                {"since", OUT_STRING},
                                                {"reason", OUT_STRING}};
    struct cloud_question question = {.op = CLOUD_OP_DENIALS};
    struct out out;
    int status;

    out_start(&out, ctl->json);
    out_table(&out, "denials", columns, sizeof columns / sizeof *columns);
    status = ask_rows(&question, list_denial, &out);
    out_table_end(&out);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

int cmd_deny(struct ctl *ctl, int argc, char **argv)
{
    struct order order;
    struct denial denial;
    char line[DENIAL_LINE_SIZE];

    if (!take_options(argc, argv, &order) || order.all || argc - optind != (order.list ? 0 : 1))
        return ctl_usage(argv);
    if (order.list)
        return list_denials(ctl);
    if (!read_denial(ctl, &order, argv[optind], &denial))
        return CTL_USAGE;
    denials_format(&denial, line);
    return send_change(ctl, CLOUD_OP_DENY, line);
}

int cmd_undeny(struct ctl *ctl, int argc, char **argv)
{
    struct order order;
    struct denial denial;
    char line[DENIAL_LINE_SIZE];

    if (!take_options(argc, argv, &order) || order.list || order.until[0] != '\0' ||
        order.reason[0] != '\0' || argc - optind != (order.all ? 0 : 1))
        return ctl_usage(argv);
    if (order.all)
        return send_change(ctl, CLOUD_OP_UNDENY, "all");
    if (!read_denial(ctl, &order, argv[optind], &denial))
        return CTL_USAGE;
    denials_format(&denial, line);
    return send_change(ctl, CLOUD_OP_UNDENY, line);
}
