/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/stack.h"
#include "ctl/subject.h"

#include "base/array.h"
#include "jail/jail.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- explain ---- */

#define RULES_MAX 32

/* The rows of an answer come in any order. Facts are printed as they come, and rules are kept, so
 * that JSON gets them as one array. */
struct explanation {
    struct out *out;
    char *rule[RULES_MAX][3];
    size_t rules;
    char token[64], message[2048];
    bool of_shell;                                        /* the account is a shell account */
    char home[JAIL_PATH_MAX + 1], mounts[JAIL_TEXT_SIZE]; /* of an sFTP login, as PAM gets them */
    uid_t uid;
    gid_t gid;
};

static void add_rule(struct explanation *explanation, const char *const *cell)
{
    if (explanation->rules == RULES_MAX)
        return;
    for (size_t i = 0; i < 3; i++)
        explanation->rule[explanation->rules][i] = strdup(cell[i]);
    explanation->rules++;
}

static void take_mounts(struct explanation *explanation, const struct ask_row *row)
{
    size_t used = strlen(explanation->mounts);

    if (strcmp(row->field[0], "home") == 0) {
        snprintf(explanation->home, sizeof explanation->home, "%s", row->field[1]);
        explanation->uid = (uid_t)strtoul(row->field[2], NULL, 10);
        explanation->gid = (gid_t)strtoul(row->field[3], NULL, 10);
    }
    if (strcmp(row->field[0], "mount") == 0)
        snprintf(explanation->mounts + used, sizeof explanation->mounts - used, "%s\n",
                 row->field[1]);
}

static void take_explained(void *arg, const struct ask_row *row)
{
    struct explanation *explanation = arg;

    if (strcmp(row->field[0], "fact") == 0) {
        out_pair(explanation->out, row->field[1], row->field[2]);
        explanation->of_shell |=
            strcmp(row->field[1], "kind") == 0 && strcmp(row->field[2], "shell") == 0;
    }
    if (strcmp(row->field[0], "rule") == 0)
        add_rule(explanation, row->field + 1);
    if (strcmp(row->field[0], "warning") == 0)
        ctl_say("warning: %s", row->field[1]);
    take_mounts(explanation, row);
    if (strcmp(row->field[0], "decision") != 0)
        return;
    snprintf(explanation->token, sizeof explanation->token, "%s", row->field[1]);
    snprintf(explanation->message, sizeof explanation->message, "%s", row->field[2]);
}

static void put_rules(struct explanation *explanation)
{
    static const struct out_column columns[] = {
        {"rule", OUT_STRING}, {"passed", OUT_STRING}, {"detail", OUT_STRING}};

    out_table(explanation->out, "rules", columns, 3);
    for (size_t i = 0; i < explanation->rules; i++) {
        char **cell = explanation->rule[i];
        if (cell[0] != NULL && cell[1] != NULL && cell[2] != NULL)
            out_row(explanation->out, (const char *const *)cell);
        else
            explanation->out->failed = true;
        for (size_t c = 0; c < 3; c++)
            free(cell[c]);
    }
    out_table_end(explanation->out);
}

/* ---- Rules of the host, which the daemon cannot check ---- */

struct host_rule {
    const char *rule, *detail;
    const char *token, *message; /* the decision if it is not passed */
};

/* Adds a rule of the host, which decides if it is the first that is not passed. */
static void judge(struct explanation *explanation, bool passed, const struct host_rule *rule)
{
    add_rule(explanation, (const char *const[]){rule->rule, passed ? "yes" : "no", rule->detail});
    if (passed || strcmp(explanation->token, "granted") != 0)
        return;
    snprintf(explanation->token, sizeof explanation->token, "%s", rule->token);
    snprintf(explanation->message, sizeof explanation->message, "%s", rule->message);
}

static bool is_nologin(void *arg, const char *control, const char *module)
{
    bool *found = arg;

    (void)control;
    *found = strcmp(stack_module(module), "pam_nologin.so") == 0;
    return !*found;
}

/* nologin(5): with that file only root enters, if pam_nologin is in sshd's stack, as on Debian.
 * sshd itself does not look at the file where it uses PAM. */
static void look_at_nologin(struct explanation *explanation)
{
    static const char *const files[] = {"/run/nologin", "/etc/nologin"};
    const char *found = "";
    bool asked = false;

    stack_read("sshd", "account", is_nologin, &asked);
    for (size_t i = 0; asked && i < sizeof files / sizeof *files; i++)
        if (access(files[i], F_OK) == 0)
            found = files[i];
    judge(explanation, found[0] == '\0',
          &(const struct host_rule){"nologin", found, "nologin", ""});
}

/* sshd(8) refuses an account whose shell it cannot start, without a message to the client. */
static void look_at_shell(struct explanation *explanation, const char *account)
{
    struct cloud_question question = {.op = CLOUD_OP_PASSWD_BY_NAME, .account = account};
    struct cloud_answer answer;
    struct stat st;

    if (ask_once(&question, &answer) != CLOUD_OK)
        return;
    bool runs = stat(answer.shell, &st) == 0 && S_ISREG(st.st_mode) &&
                (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
    judge(explanation, runs, &(const struct host_rule){"shell", answer.shell, "shell-missing", ""});
}

/* Checks the directories of an sFTP login by the functions that the PAM module calls, with the
 * sentence that the client sees; and without groups, since sshd has dropped its own by then. */
static void look_at_mounts(struct explanation *explanation)
{
    static struct jail jail;
    struct jail_fault fault = {""};
    char why[128];

    if (setgroups(0, NULL) != 0) {
        snprintf(why, sizeof why, "groups cannot be dropped: %s", strerror(errno));
        judge(explanation, false,
              &(const struct host_rule){"sftp-folders", why, "unavailable", ""});
        return;
    }
    const struct jail_account listed = {explanation->home, explanation->uid, explanation->gid,
                                        explanation->mounts};
    bool there = jail_read(&jail, &listed, &fault) && jail_check(&jail, &fault);
    judge(explanation, there,
          &(const struct host_rule){"sftp-folders", fault.text, "sftp-folders", fault.text});
}

static void look_at_host(struct explanation *explanation, const char *account)
{
    if (strcmp(explanation->token, "granted") != 0)
        return;
    look_at_nologin(explanation);
    if (explanation->of_shell)
        look_at_shell(explanation, account);
    else
        look_at_mounts(explanation);
}

static int status_of(const char *token)
{
    if (strcmp(token, "granted") == 0)
        return CTL_YES;
    return strcmp(token, "unavailable") == 0 || strcmp(token, "document-unusable") == 0 ||
                   token[0] == '\0'
               ? CTL_UNKNOWN
               : CTL_NO;
}

/* Splits the key's line, if it is named by one, into the two words that the question has. */
static void split_key(struct subject_key *key, struct cloud_question *question)
{
    struct key parsed;
    const char *why;

    question->key_type = "";
    question->key = key->fingerprint;
    if (!keys_parse_line(key->line, &parsed, &why))
        return;
    key->line[parsed.base64 - key->line + (ptrdiff_t)parsed.base64_length] = '\0';
    question->key_type = parsed.type;
    question->key = parsed.base64;
}

int cmd_explain(struct ctl *ctl, int argc, char **argv)
{
    static struct subject_key key;
    static struct explanation explanation;
    struct cloud_question question = {.op = CLOUD_OP_EXPLAIN};
    struct out out;
    int status;

    if (argc != 3 || argv[1][0] == '-')
        return ctl_usage(argv);
    if (!subject_read_key(argv[2], &key))
        return CTL_USAGE;
    question.account = argv[1];
    split_key(&key, &question);
    explanation.out = &out;
    out_start(&out, ctl->json);
    out_pair(&out, "fingerprint", key.fingerprint);
    status = ask_rows(&question, take_explained, &explanation);
    look_at_host(&explanation, argv[1]);
    put_rules(&explanation);
    if (status == CTL_YES) {
        out_pair(&out, "decision", explanation.token);
        out_pair(&out, "message", explanation.message);
        status = status_of(explanation.token);
    }
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* ---- keys ---- */

static const struct out_column key_columns[] = {
    {"user", OUT_STRING},        {"id", OUT_STRING},     {"role", OUT_STRING},
    {"fingerprint", OUT_STRING}, {"type", OUT_STRING},   {"title", OUT_STRING},
    {"expires", OUT_STRING},     {"verdict", OUT_STRING}};

#define KEY_COLUMNS (sizeof key_columns / sizeof *key_columns)

struct people {
    char *(*row)[KEY_COLUMNS];
    size_t n, room;
    bool failed, open;
};

static void take_key(void *arg, const struct ask_row *row)
{
    struct people *people = arg;
    char expires[32] = "";

    if (strcmp(row->field[0], "key") != 0) {
        ctl_say("warning: %s", row->field[1]);
        return;
    }
    void *grown = array_grow(people->row, people->n, &people->room, sizeof *people->row);
    if (grown == NULL) {
        people->failed = true;
        return;
    }
    people->row = grown;
    if (row->field[7][0] != '\0')
        ctl_time(strtoll(row->field[7], NULL, 10), expires, sizeof expires);
    for (size_t i = 0; i < KEY_COLUMNS; i++) {
        char *cell = strdup(i == 6 ? expires : row->field[i + 1]);
        people->failed |= cell == NULL;
        people->row[people->n][i] = cell;
    }
    people->open |= strcmp(row->field[8], "granted") == 0;
    people->n++;
}

static int by_user(const void *one, const void *other)
{
    char *const *a = one, *const *b = other;
    int order = a[0] == NULL || b[0] == NULL ? 0 : strcmp(a[0], b[0]);

    return order != 0 || a[3] == NULL || b[3] == NULL ? order : strcmp(a[3], b[3]);
}

int cmd_keys(struct ctl *ctl, int argc, char **argv)
{
    struct cloud_question question = {.op = CLOUD_OP_PEOPLE};
    struct people people = {0};
    struct out out;
    int status;

    if (argc != 2 || argv[1][0] == '-')
        return ctl_usage(argv);
    question.account = argv[1];
    status = ask_rows(&question, take_key, &people);
    if (status != CTL_YES)
        return status;
    out_start(&out, ctl->json);
    out.failed = people.failed;
    if (!people.failed && people.n > 0)
        qsort(people.row, people.n, sizeof *people.row, by_user);
    out_table(&out, "keys", key_columns, KEY_COLUMNS);
    for (size_t i = 0; i < people.n; i++) {
        if (!people.failed)
            out_row(&out, (const char *const *)people.row[i]);
        for (size_t c = 0; c < KEY_COLUMNS; c++)
            free(people.row[i][c]);
    }
    out_table_end(&out);
    free(people.row);
    return !out_end(&out) ? CTL_UNKNOWN : people.open ? CTL_YES : CTL_NO;
}
