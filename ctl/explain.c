/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"
#include "ctl/remedy.h"
#include "ctl/subject.h"

#include "access/address.h"
#include "jail/jail.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- explain ---- */

struct explanation {
    struct out *out;
    const char *token, *message; /* the decision: its token, and the sentence for the client */
};

/* ---- Rules of the host, which the daemon cannot check ---- */

struct host_rule {
    const char *rule, *detail;
    const char *token, *message; /* the decision if the rule fails */
};

/* Adds the row of a rule of the host. The first rule that fails changes the decision from "granted"
 * to its own. */
static void judge(struct explanation *explanation, bool passed, const struct host_rule *rule)
{
    OUT_ROW(explanation->out, rule->rule, passed ? "yes" : "no", rule->detail);
    if (passed || strcmp(explanation->token, "granted") != 0)
        return;
    explanation->token = rule->token;
    explanation->message = rule->message;
}

static bool find_nologin(void *arg, char *line)
{
    bool *found = arg;

    *found = strstr(line, "pam_nologin.so") != NULL;
    return !*found;
}

/* Looks for the files of nologin(5). While one exists, and if sshd's PAM stack has pam_nologin, as
 * on Debian, only root can log in. sshd itself does not check the files if it uses PAM. */
static void look_at_nologin(struct explanation *explanation)
{
    static const char *const files[] = {"/run/nologin", "/etc/nologin"};
    const char *found = "";
    bool asked = false;

    (void)lines_read("/etc/pam.d/sshd", true, find_nologin, &asked);
    for (size_t i = 0; asked && i < sizeof files / sizeof *files; i++)
        if (access(files[i], F_OK) == 0)
            found = files[i];
    judge(explanation, found[0] == '\0',
          &(const struct host_rule){"nologin", found, "nologin", ""});
}

/* Checks the shell: sshd(8) refuses an account whose shell is not an executable file, without
 * telling the client why. */
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

/* Checks the directories of an sFTP login with the functions that the PAM module uses, so that a
 * fault has the sentence that the client would see. Drops the supplementary groups of this process
 * first, as sshd has done when the PAM module runs. */
static void look_at_mounts(struct explanation *explanation, const struct ask_rows *rows)
{
    static char mounts[JAIL_TEXT_SIZE];
    static struct jail jail;
    static struct jail_fault fault;
    struct jail_account listed = {.home = "", .mounts = mounts};
    char why[128];
    size_t used = 0;

    if (setgroups(0, NULL) != 0) {
        snprintf(why, sizeof why, "groups cannot be dropped: %s", strerror(errno));
        judge(explanation, false,
              &(const struct host_rule){"sftp-folders", why, "unavailable", ""});
        return;
    }
    for (size_t i = 0; i < rows->n; i++) {
        const char *const *field = rows->row[i].field;
        if (strcmp(field[0], "home") == 0)
            listed = (struct jail_account){field[1], (uid_t)strtoul(field[2], NULL, 10),
                                           (gid_t)strtoul(field[3], NULL, 10), mounts};
        if (strcmp(field[0], "mount") == 0 && used < sizeof mounts)
            used += (size_t)snprintf(mounts + used, sizeof mounts - used, "%s\n", field[1]);
    }
    bool there = jail_read(&jail, &listed, &fault) && jail_check(&jail, &fault);
    judge(explanation, there,
          &(const struct host_rule){"sftp-folders", fault.text, "sftp-folders", fault.text});
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

/* Terminates a word of key->line with a NUL, and returns the word. */
static const char *end_word(struct subject_key *key, struct key_bytes word)
{
    char *at = key->line + ((const char *)word.at - key->line);

    at[word.n] = '\0';
    return at;
}

/* Sets the key or certificate of the question: its type and base64 if the operator gave a key line,
 * otherwise its fingerprint. */
static void split_key(struct subject_key *key, struct cloud_question *question)
{
    struct key_bytes type, base64;
    const char *why;

    question->key_type = "";
    question->key = key->fingerprint;
    if (!keys_split_line(key->line, &type, &base64, &why))
        return;
    question->key_type = end_word(key, type);
    question->key = end_word(key, base64);
}

static void put_fact(struct out *out, const char *const *field)
{
    char time[32];

    if (field[3][0] == '@')
        out_time(strtoll(field[2], NULL, 10), time, sizeof time);
    out_pair(out, field[1], field[3][0] == '@' ? time : field[2]);
}

static void put_answer(struct explanation *explanation, const struct ask_rows *rows,
                       const char *account)
{
    bool of_shell = false;

    for (size_t i = 0; i < rows->n; i++) {
        const char *const *field = rows->row[i].field;
        if (strcmp(field[0], "fact") == 0)
            put_fact(explanation->out, field);
        if (strcmp(field[0], "warning") == 0)
            ctl_say("warning: %s", field[1]);
        if (strcmp(field[0], "decision") == 0)
            *explanation = (struct explanation){explanation->out, field[1], field[2]};
        of_shell |= strcmp(field[1], "kind") == 0 && strcmp(field[2], "shell") == 0;
    }
    out_table(explanation->out, "rules", "rule passed detail");
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->row[i].field[0], "rule") == 0)
            out_row(explanation->out, rows->row[i].field + 1);
    if (strcmp(explanation->token, "granted") == 0) {
        look_at_nologin(explanation);
        if (of_shell)
            look_at_shell(explanation, account);
        else
            look_at_mounts(explanation, rows);
    }
    out_table_end(explanation->out);
}

int cmd_explain(struct ctl *ctl)
{
    static struct subject_key key;
    struct explanation explanation;
    struct ask_rows rows = {0};
    struct cloud_question question = {.op = CLOUD_OP_EXPLAIN};
    const char *from = ctl_option(ctl, "--from");
    unsigned char address[ADDRESS_SIZE];
    char remedy[REMEDY_SIZE];
    struct out out;
    int status;

    if (from != NULL && !address_read(from, address)) {
        ctl_say("--from %s: not an IP address", from);
        return CTL_USAGE;
    }
    status = subject_read_key(ctl->word[1], &key);
    if (status != CTL_YES)
        return status;
    question.account = ctl->word[0];
    question.from = from == NULL ? "" : from;
    split_key(&key, &question);
    out_start(&out, ctl->json);
    out_pair(&out, "fingerprint", key.fingerprint);
    status = ask_rows(&question, &rows);
    explanation = (struct explanation){&out, "", ""};
    put_answer(&explanation, &rows, ctl->word[0]);
    if (status == CTL_YES) {
        out_pair(&out, "decision", explanation.token);
        out_pair(&out, "message", explanation.message);
        status = status_of(explanation.token);
    }
    if (status == CTL_UNKNOWN && remedy_fill(REMEDY_ACCOUNT, ctl->word[0], remedy))
        out_pair(&out, "remedy", remedy);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* ---- keys ---- */

/* Compares two rows of PEOPLE, for qsort(3): by user name, then by fingerprint. */
static int by_user(const void *one, const void *other)
{
    const struct ask_row *a = one, *b = other;
    int order = strcmp(a->field[1], b->field[1]);

    return order != 0 ? order : strcmp(a->field[4], b->field[4]);
}

int cmd_keys(struct ctl *ctl)
{
    struct cloud_question question = {.op = CLOUD_OP_PEOPLE};
    struct ask_rows rows = {0};
    char remedy[REMEDY_SIZE];
    struct out out;
    int status;

    question.account = ctl->word[0];
    status = ask_rows(&question, &rows);
    if (status == CTL_UNKNOWN && remedy_fill(REMEDY_ACCOUNT, ctl->word[0], remedy))
        ctl_say("%s", remedy);
    if (status != CTL_YES)
        return status;
    if (rows.n > 0)
        qsort(rows.row, rows.n, sizeof *rows.row, by_user);
    status = CTL_NO;
    out_start(&out, ctl->json);
    out_table(&out, "keys", "user id role fingerprint type title expires@ verdict");
    for (size_t i = 0; i < rows.n; i++) {
        const char *const *field = rows.row[i].field;
        if (strcmp(field[0], "key") != 0) {
            ctl_say("warning: %s", field[1]);
            continue;
        }
        out_row(&out, field + 1);
        if (strcmp(field[8], "granted") == 0)
            status = CTL_YES;
    }
    out_table_end(&out);
    return out_end(&out) ? status : CTL_UNKNOWN;
}
