/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/subject.h"

#include "access/denials.h"
#include "access/fields.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Returns the kind of subject that an option on the command line names; NULL if there is no such
 * option. */
static const char *kind_of(const struct ctl *ctl)
{
    static const char *const kinds[] = {"--key", "--user", "--environment", "--certificate"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (ctl_option(ctl, kinds[i]) != NULL)
            return kinds[i] + 2;
    return NULL;
}

/* Parses a duration such as "30s", "10m", "2h" or "7d" into seconds. */
static bool read_span(const char *text, int64_t *seconds)
{
    static const char units[] = "smhd";
    static const int64_t length[] = {1, 60, 3600, 86400};
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] == '\0' ? NULL : strchr(units, text[digits]);
    uint64_t n = 0;

    if (unit == NULL || text[digits + 1] != '\0' ||
        !cloud_text_read_number(text, digits, 999999, &n) || n == 0)
        return false;
    *seconds = (int64_t)n * length[unit - units];
    return true;
}

/* Parses the value of --until, a duration from now ("2h", "30m", "7d") or an RFC 3339 time in the
 * future, into seconds since 1970. If it is NULL, *until is DENIAL_FOREVER. On failure prints a
 * message and returns false. */
static bool read_until(const char *text, int64_t *until)
{
    int64_t now = (int64_t)time(NULL);
    int64_t span;

    *until = DENIAL_FOREVER;
    if (text == NULL)
        return true;
    if (read_span(text, &span))
        *until = now + span;
    else if (!fields_time(text, until, NULL) || *until <= now) {
        ctl_say(
            "--until %s: neither a time to come, such as 2027-01-01T00:00:00Z, nor a span, such "
            "as 30m, 2h or 7d",
            text);
        return false;
    }
    return true;
}

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), e = strlen(ending);

    return n > e && strcmp(text + n - e, ending) == 0;
}

/* Writes the name (SERIAL@SHA256:...) of a certificate to `out`. `what` is the certificate's file
 * or its line, or is such a name already; the caller has copied it to `out`. Returns CTL_YES; on
 * failure prints a message and returns the exit status. */
static int name_certificate(const char *what, struct subject_key *key, char *out, size_t size)
{
    char name[CERTIFICATE_NAME_SIZE];
    int status;

    if (strstr(what, "@SHA256:") != NULL)
        return CTL_YES;
    status = subject_read_key(what, key);
    if (status != CTL_YES)
        return status;
    if (!key->offered.certified) {
        ctl_say("%s: not a certificate", what);
        return CTL_USAGE;
    }
    certificate_name(&key->offered, name);
    snprintf(out, size, "%s", name);
    return CTL_YES;
}

/* Guesses the kind of subject from the form of the argument, for a command line without an option
 * that names the kind. */
static const char *guess_kind(const char *what)
{
    if (strstr(what, "@SHA256:") != NULL || ends_in(what, "-cert.pub"))
        return "certificate";
    if (subject_is_key(what) || ends_in(what, ".pub"))
        return "key";
    return strchr(what, '/') != NULL ? "environment" : "user";
}

/* Whether the argument is a login name of this host, and so could mean a user as well as an
 * environment. If so, prints a message, because an operator might not notice that the wrong one of
 * them is denied. Also returns false if the settings cannot be read, because broken settings must
 * not prevent a denial. */
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

/* Parses the argument and the options into a denial. Returns CTL_YES; on failure prints a message
 * and returns the exit status. */
static int read_denial(const struct ctl *ctl, struct denial *denial)
{
    static struct subject_key key;
    const char *what = ctl->word[0], *given = kind_of(ctl), *why;
    const char *kind = given == NULL ? guess_kind(what) : given;
    const char *reason = ctl_option(ctl, "--reason");
    char subject[DENIAL_LINE_SIZE], line[2 * DENIAL_LINE_SIZE];
    int64_t until;
    int status = CTL_YES;

    snprintf(subject, sizeof subject, "%s", what);
    if (!read_until(ctl_option(ctl, "--until"), &until) ||
        (given == NULL && is_ambiguous(ctl, what)))
        return CTL_USAGE;
    if (strcmp(kind, "key") == 0) {
        status = subject_read_key(what, &key);
        snprintf(subject, sizeof subject, "%s", key.fingerprint);
    } else if (strcmp(kind, "certificate") == 0) {
        status = name_certificate(what, &key, subject, sizeof subject);
    } else if (strcmp(kind, "environment") == 0) {
        status = subject_environment(ctl, what, subject, sizeof subject);
    }
    if (status != CTL_YES)
        return status;
    snprintf(line, sizeof line, "%s\t%s\t%lld\t0\t%s", kind, subject, (long long)until,
             reason == NULL ? "" : reason);
    if (denials_parse(line, strlen(line), denial, &why))
        return CTL_YES;
    ctl_say("%s: %s", what,
            reason != NULL && strlen(reason) >= DENIAL_REASON_SIZE ? "the reason is too long"
                                                                   : why);
    return CTL_USAGE;
}

/* Prints how many of the daemon's documents contain the subject. Warns if none does, because
 * otherwise an operator might not notice that a misspelt subject denies no one. */
static void say_documents(struct out *out, const char *line, const char *kind, const char *subject)
{
    struct cloud_question question = {.op = CLOUD_OP_NAMED, .text = line};
    struct ask_rows pages = {0};
    uint64_t documents = 0;

    if (ask_rows(&question, &pages) != CTL_YES)
        return;
    for (size_t i = 0; i < pages.n; i++)
        documents += strtoull(pages.row[i].field[1], NULL, 10);
    out_number(out, "documents", (int64_t)documents);
    if (documents == 0)
        ctl_say(
            "warning: no document in the daemon's memory names the %s %s: if it is misspelt, no "
            "one is denied",
            kind, subject);
}

#define COLUMNS "kind subject until@ since@ reason" /* of a denial: denials_format */

/* Prints the denial that the new one has replaced, which the rows of the answer to DENY name, so
 * that an operator notices if it had another reason or end. */
static void say_replaced(struct out *out, const struct ask_rows *rows)
{
    if (rows->n > 0)
        out_line(out, "It replaces this denial:");
    out_table(out, "replaced", COLUMNS);
    for (size_t i = 0; i < rows->n; i++)
        out_row(out, rows->row[i].field);
    out_table_end(out);
}

/* Makes the daemon add the denial (CLOUD_OP_DENY) or remove it (CLOUD_OP_UNDENY; NULL: remove all
 * denials). Returns the exit status. */
static int send_change(struct ctl *ctl, enum cloud_op op, const struct denial *denial)
{
    char line[DENIAL_LINE_SIZE] = "all", kind[16];
    struct cloud_question question = {.op = op, .text = line};
    const char *subject = denial == NULL ? "" : denial->subject;
    struct ask_rows replaced = {0};
    struct out out;
    int status;

    if (denial != NULL)
        denials_format(denial, line);
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(line, "\t"), line);
    status = ask_rows(&question, &replaced);
    if (status != CTL_YES)
        return status;
    out_start(&out, ctl->json);
    out_pair(&out, op == CLOUD_OP_DENY ? "denied" : "undenied", kind);
    out_pair(&out, "subject", subject);
    if (op == CLOUD_OP_DENY) {
        say_documents(&out, line, kind, subject);
        say_replaced(&out, &replaced);
    }
    return out_end(&out) ? CTL_YES : CTL_UNKNOWN;
}

static int list_denials(struct ctl *ctl)
{
    struct cloud_question question = {.op = CLOUD_OP_DENIALS};
    struct ask_rows rows = {0};
    struct out out;
    int status = ask_rows(&question, &rows);

    /* An empty list would say that there are no denials, which is not known. */
    if (status != CTL_YES)
        return status;
    out_start(&out, ctl->json);
    out_table(&out, "denials", COLUMNS);
    for (size_t i = 0; i < rows.n; i++)
        out_row(&out, rows.row[i].field);
    out_table_end(&out);
    return out_end(&out) ? CTL_YES : CTL_UNKNOWN;
}

/* Reads the denial from the command line, and makes the daemon add or remove it. Returns the exit
 * status. */
static int change(struct ctl *ctl, enum cloud_op op)
{
    struct denial denial;
    int status = read_denial(ctl, &denial);

    return status == CTL_YES ? send_change(ctl, op, &denial) : status;
}

int cmd_deny(struct ctl *ctl)
{
    bool list = ctl_option(ctl, "--list") != NULL;

    if (list == (ctl->words == 1))
        return ctl_usage(ctl);
    return list ? list_denials(ctl) : change(ctl, CLOUD_OP_DENY);
}

int cmd_undeny(struct ctl *ctl)
{
    bool all = ctl_option(ctl, "--all") != NULL;

    if (all == (ctl->words == 1))
        return ctl_usage(ctl);
    return all ? send_change(ctl, CLOUD_OP_UNDENY, NULL) : change(ctl, CLOUD_OP_UNDENY);
}
