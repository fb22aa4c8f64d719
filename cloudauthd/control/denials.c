/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/denials_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A change of the denials that is being written to the disk. */
struct change {
    void *connection; /* gets the answer; NULL once the client has gone (connection->pending) */
    struct context *context;
    bool adds, of_all;   /* adds a denial; removes all of them */
    bool shows_accounts; /* removes an environment's denial: its account may be published again */
    char replaced[DENIAL_LINE_SIZE]; /* the denial that an added one replaces; "": none */
};

static void judge_accounts(const struct context *context)
{
    publish_judge(context->publish, true);
    cache_denials_changed(context->cache);
}

/* Says what the denials are after the disk has refused the change. An added one is in force at
 * once, a removed one until the list is written. */
static void refuse_unwritten(struct connection *connection, const struct change *change,
                             const char *problem)
{
    char message[512];

    if (change->adds)
        snprintf(message, sizeof message,
                 "the denial is in force, but not on the disk (%s): it ends with the daemon; deny "
                 "again when the list can be written",
                 problem);
    else
        snprintf(message, sizeof message, "%s in force: %s",
                 change->of_all ? "all denials stay" : "the denial stays", problem);
    rows_refuse(connection, CLOUD_REFUSED, CLOUD_REASON_NOT_KEPT, message);
}

/* Called when the change is on the disk, or has failed (then problem is not NULL). Must not use
 * context->sessions: when the daemon stops, the sessions are freed before the worker that calls
 * this. */
static void on_written(void *arg, const char *problem)
{
    struct change *change = arg;
    struct connection *connection = change->connection;

    if (change->shows_accounts)
        judge_accounts(change->context);
    if (connection != NULL) {
        connection->pending = NULL;
        rows_start();
        if (change->replaced[0] != '\0')
            rows_add_line(change->replaced);
        if (problem == NULL)
            rows_send(connection, 0);
        else
            refuse_unwritten(connection, change, problem);
    }
    free(change);
}

/* Writes the denial in force that has the kind and subject of `denial`; "" if there is none. */
static void find_replaced(const struct context *context, const struct denial *denial,
                          char out[DENIAL_LINE_SIZE])
{
    const struct denials *list = denials_file_list(context->denials);
    const struct denial *at;

    for (size_t i = 0; (at = denials_at(list, i)) != NULL; i++)
        if (at->kind == denial->kind && strcmp(at->subject, denial->subject) == 0 &&
            denials_in_force(at, denial->since))
            denials_format(at, out);
}

void denials_answer_change(struct connection *connection)
{
    struct context *context = connection->context;
    const char *line = connection->question.text, *why;
    bool add = connection->question.op == CLOUD_OP_DENY, all = !add && strcmp(line, "all") == 0;
    bool of_environment;
    struct denial denial = {0};
    struct change *change;

    if (denials_file_busy(context->denials)) {
        rows_refuse(connection, CLOUD_UNAVAILABLE, "busy", NULL);
        return;
    }
    if (!all && !denials_parse(line, strlen(line), &denial, &why)) {
        rows_refuse(connection, CLOUD_REFUSED, "malformed", why);
        return;
    }
    denial.since = (int64_t)time(NULL);
    of_environment = all || denial.kind == DENIAL_ENVIRONMENT;
    change = xcalloc(1, sizeof *change);
    *change = (struct change){.connection = connection,
                              .context = context,
                              .adds = add,
                              .of_all = all,
                              .shows_accounts = !add && of_environment};
    if (add)
        find_replaced(context, &denial, change->replaced);
    if (!denials_file_change(
            context->denials,
            &(const struct denials_change){all ? NULL : &denial, add, on_written, change}, &why)) {
        free(change);
        rows_refuse(connection, CLOUD_REFUSED, "not-done", why);
        return;
    }
    connection->pending = &change->connection;
    if (add && of_environment)
        judge_accounts(context);
    if (add) /* the denial is in force, although it may not be on the disk yet */
        sessions_judge_by_host(context->sessions);
    log_warning("operator: %s %s", add ? "deny" : "undeny", all ? "all" : denial.subject);
}

void denials_answer_list(struct connection *connection)
{
    const struct denials *list = denials_file_list(connection->context->denials);
    const struct denial *denial;
    size_t i = connection->question.page;
    int64_t now = (int64_t)time(NULL);
    char line[DENIAL_LINE_SIZE];

    if (list->damaged) {
        rows_refuse(connection, CLOUD_REFUSED, "the list of denials is damaged",
                    "it is not known who is denied, and every cloud account is refused; undeny "
                    "--all begins a new list");
        return;
    }
    rows_start();
    for (; (denial = denials_at(list, i)) != NULL && !rows_full(); i++) {
        if (!denials_in_force(denial, now))
            continue;
        denials_format(denial, line);
        rows_add_line(line);
    }
    rows_send(connection, denial == NULL ? 0 : (uint32_t)i);
}

/* ---- NAMED ---- */

#define NAMED_USERS 20000 /* the most users looked at for a page: more would block the loop */

struct naming {
    struct denial denial;
    size_t looked, found;
};

/* Whether the document contains the subject of the denial or, if that is a certificate, the
 * certificate's authority. */
static bool contains(const struct document *document, const struct denial *denial)
{
    char environment[DENIAL_SUBJECT_SIZE];

    if (denial->kind == DENIAL_KEY)
        return document_find_key(document, denial->fingerprint, NULL) != NULL ||
               document_find_authority(document, denial->fingerprint) != NULL;
    if (denial->kind == DENIAL_CERTIFICATE)
        return document_find_authority(document, denial->fingerprint) != NULL;
    if (denial->kind == DENIAL_ENVIRONMENT) {
        snprintf(environment, sizeof environment, "%s/%s", document->project,
                 document->environment);
        return strcmp(environment, denial->subject) == 0;
    }
    for (size_t i = 0; i < document->users; i++)
        if (strcmp(document->user[i].username, denial->subject) == 0 ||
            strcmp(document->user[i].id, denial->subject) == 0)
            return true;
    return false;
}

static bool look_for_name(void *arg, const struct cache_view *view)
{
    struct naming *naming = arg;

    if (view->document != NULL) {
        naming->looked += 1 + view->document->users;
        naming->found += contains(view->document, &naming->denial);
    }
    return naming->looked >= NAMED_USERS;
}

void denials_answer_named(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    struct naming naming = {0};
    const char *why;
    size_t next;

    if (!denials_parse(question->text, strlen(question->text), &naming.denial, &why)) {
        rows_refuse(connection, CLOUD_REFUSED, "malformed", why);
        return;
    }
    next = cache_walk(connection->context->cache, question->page, look_for_name, &naming);
    rows_start();
    rows_add_number("documents", (int64_t)naming.found);
    rows_send(connection, (uint32_t)next);
}
