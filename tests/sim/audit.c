/* SPDX-License-Identifier: Apache-2.0 */

/* Each decision is one line in the log, which says what was decided, and about whom. */
#include "tests/sim/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For all offers of which no key can be read. */
#define OFFER_CUT (-1)

void audit_take(const char *line)
{
    if (strncmp(line, "grant ", 6) != 0 && strncmp(line, "refuse ", 7) != 0)
        return;
    world->lines++;
    snprintf(world->line, sizeof world->line, "%s ", line);
}

static bool is_cut(int offer)
{
    return offer >= KEYS && world->certificate[offer - KEYS].fault == CERTIFICATE_CUT;
}

/* The same offer gets a line a minute; those whose key cannot be read count as one. An offer for a
 * name that `allow` does not list is one of no environment. */
static bool was_told(const struct person_login *login, bool foreign)
{
    const struct told mine = {
        login->environment,  login->kind, foreign, is_cut(login->key) ? OFFER_CUT : login->key,
        world->incarnations, world->boot};
    struct told *oldest = world->told;

    for (struct told *told = world->told; told < world->told + TOLD; told++) {
        if (told->environment == mine.environment && told->kind == mine.kind &&
            told->foreign == mine.foreign && told->offer == mine.offer &&
            told->incarnation == mine.incarnation && mine.at - told->at < 60000)
            return true;
        if (told->at < oldest->at)
            oldest = told;
    }
    *oldest = mine;
    return false;
}

/* How many lines the answer must have. */
static int count_lines(const struct person_login *login, bool ok, bool foreign)
{
    bool at_account = login->kind != SFTP_KIND; /* sFTP is granted with its session */

    if (login->stage == 0)
        return 0;
    if (login->stage <= 2)
        return !ok && !was_told(login, foreign);
    return !ok || at_account == (login->stage == 3);
}

/* The line has `format`. */
__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...)
{
    char text[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (strstr(world->line, text) == NULL)
        wrong("\"%s\" is not in the line %s", text, world->line);
}

static void expect_key(int offer)
{
    const struct certificate *certificate = &world->certificate[offer - KEYS];

    if (offer < KEYS)
        expect(" key=%s from=", sim_keys[offer].fingerprint);
    else
        expect(" key=%s cert=%u ca=%s from=", sim_keys[certificate->key].fingerprint,
               certificate->serial, sim_keys[certificate->authority].fingerprint);
}

static void expect_person(struct person_login *login, const char *text)
{
    const char *user = strstr(text, " user=user"), *role = strstr(text, " role=");
    int person = user == NULL ? -1 : (int)strtol(user + strlen(" user=user"), NULL, 10);

    if (person < 0 || role == NULL || !model_is_person(login, person, role + strlen(" role=")))
        wrong("it is granted to no person who may enter: %s", text);
    login->person = person;
}

/* Whether a refusal may be for a reason that no document has to tell. */
static bool needs_no_document(const char *reason)
{
    static const char *const reasons[] = {"not-ours",     "local-user",  "kind-mismatch",
                                          "key-unusable", "no-key-line", "unavailable"};

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

static bool is_age(const struct origins *origins, int64_t age, const char *reason)
{
    bool absent = strcmp(reason, "environment-absent") == 0, any = needs_no_document(reason);

    for (const struct span *span = origins->span; span < origins->span + origins->spans; span++)
        if ((any || span->absent == absent) && span->least <= age && age <= span->most)
            return true;
    return false;
}

/* The line says by which document it was decided. */
static void check_origin(const struct origins *origins, const char *reason, bool session)
{
    const char *source = strstr(world->line, " source="), *age = strstr(world->line, " age=");
    bool api = source != NULL && strncmp(source, " source=api ", 12) == 0;

    if (source == NULL || age == NULL)
        wrong("it is not said by which document: %s", world->line);
    if (strncmp(source, " source=none ", 13) == 0) {
        if (strcmp(reason, "granted") == 0 || (!session && !needs_no_document(reason)) ||
            age[5] != ' ')
            wrong("there was a document: %s", world->line);
        return;
    }
    if (!api && strncmp(source, " source=cache ", 14) != 0)
        wrong("the source is unknown: %s", world->line);
    if (api ? !origins->api : !origins->cache)
        wrong("the API has %sanswered: %s", origins->api ? "" : "not ", world->line);
    if (!is_age(origins, strtol(age + 5, NULL, 10), reason))
        wrong("no document is as old as that: %s", world->line);
}

void audit_check(struct person_login *login, const struct answered *answered)
{
    static const char *const apps[KINDS] = {"", "", "app", "other"};
    const struct environment *e = &world->environment[login->environment];
    const char *address = addresses[login->stage < 3 ? 0 : login->address];
    bool quoted = strchr(address, '%') != NULL;
    int lines = world->lines;
    struct origins origins;
    bool foreign;

    world->lines = 0;
    model_origins(login->environment, &origins);
    if (login->stage == 4) /* an sFTP login was granted then */
        origins = login->origins;
    login->origins = origins;
    /* A name that `allow` has lost while the API was waited for has kept its meaning. */
    foreign = !answered->ok && strcmp(answered->reason, "not-ours") == 0 &&
              (login->asked > world->reloaded ||
               (lines > 0 && strstr(world->line, " project= ") != NULL));
    if (lines != count_lines(login, answered->ok, foreign))
        wrong("%d lines tell of %s at stage %d", lines, answered->ok ? "a grant" : "a refusal",
              login->stage);
    if (answered->ok && login->stage == 3) {
        expect_person(login, login->kind == SFTP_KIND ? answered->subject : world->line);
        snprintf(login->subject, sizeof login->subject, "%s", answered->subject);
    }
    if (lines == 0)
        return;
    expect("%s account=%s kind=%s project=%s environment=%s app=%s user=",
           answered->ok ? "grant" : "refuse", answered->name,
           login->kind == SFTP_KIND ? "sftp" : "shell", foreign ? "" : e->project,
           foreign ? "" : e->name, foreign ? "" : apps[login->kind]);
    expect(" service=sshd reason=%s source=", answered->ok ? "granted" : answered->reason);
    check_origin(&origins, answered->ok ? "granted" : answered->reason, login->stage == 4);
    if (login->stage >= 3)
        expect(" from=%s%s%s service=", quoted ? "\"" : "", address, quoted ? "\"" : "");
    else
        expect(" from= service=");
    if (login->stage >= 3)
        expect(" pid=%d ", login->pid);
    else
        expect(" proof=none ");
    if (answered->ok || strstr(world->line, " key= ") == NULL)
        expect_key(login->key);
    else if (login->stage < 3 ? !is_cut(login->key) : login->lined == world->incarnations)
        wrong("a refusal does not say for which key: %s", world->line);
    if (answered->ok && login->stage == 4)
        expect("%s", login->subject);
}
