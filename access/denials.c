/* SPDX-License-Identifier: Apache-2.0 */
#include "access/denials.h"

#include "access/certificate.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define TIME_MAX 253402300799u /* the end of the year 9999 */

static const char *const kinds[DENIAL_KINDS] = {[DENIAL_KEY] = "key",
                                                [DENIAL_USER] = "user",
                                                [DENIAL_ENVIRONMENT] = "environment",
                                                [DENIAL_CERTIFICATE] = "certificate"};

/* ---- Lines ---- */

/* Copies the next field of the line to `out`, and moves *at past it. The last field must end at the
 * end of the line, every other field at a tab. Returns false if the field ends otherwise, is too
 * long or contains a NUL. */
static bool take_field(const char **at, const char *end, bool last, char *out, size_t size)
{
    const char *tab = memchr(*at, '\t', (size_t)(end - *at));
    size_t n = (size_t)((tab == NULL ? end : tab) - *at);

    if ((tab == NULL) != last || n >= size || memchr(*at, '\0', n) != NULL)
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at = tab == NULL ? end : tab + 1;
    return true;
}

/* Checks that the subject is valid for the kind of the denial, and decodes its fingerprint and
 * serial. Returns NULL, or a static error message. */
static const char *take_subject(struct denial *denial)
{
    struct cloud_name name;

    switch (denial->kind) {
    case DENIAL_KEY:
        return keys_fingerprint_read(denial->subject, denial->fingerprint)
                   ? NULL
                   : "a key is named by its fingerprint, SHA256:... as ssh-keygen -l prints it";
    case DENIAL_USER:
        return denial->subject[0] != '\0' && strlen(denial->subject) <= 128 &&
                       !cloud_text_has_control(denial->subject)
                   ? NULL
                   : "a user is named by 1 to 128 bytes without a control character";
    case DENIAL_ENVIRONMENT:
        return cloud_name_split(denial->subject, &name)
                   ? NULL
                   : "an environment is named PROJECT/ENVIRONMENT";
    case DENIAL_CERTIFICATE:
        return certificate_name_read(denial->subject, &denial->serial, denial->fingerprint)
                   ? NULL
                   : "a certificate is named by its serial and its authority, SERIAL@SHA256:...";
    }
    return "neither key, user, environment nor certificate";
}

bool denials_parse(const char *line, size_t n, struct denial *out, const char **why)
{
    const char *at = line, *end = line + n;
    char kind[16], until[16], since[16];
    uint64_t number = 0, second = 0;

    memset(out, 0, sizeof *out);
    *why = "not five fields with tabs between them";
    if (!take_field(&at, end, false, kind, sizeof kind) ||
        !take_field(&at, end, false, out->subject, sizeof out->subject) ||
        !take_field(&at, end, false, until, sizeof until) ||
        !take_field(&at, end, false, since, sizeof since) ||
        !take_field(&at, end, true, out->reason, sizeof out->reason))
        return false;
    for (int i = DENIAL_KEY; i < DENIAL_KINDS; i++)
        if (strcmp(kind, kinds[i]) == 0)
            out->kind = (enum denial_kind)i;
    *why = take_subject(out);
    if (*why == NULL && (!cloud_text_read_number(until, strlen(until), TIME_MAX, &number) ||
                         !cloud_text_read_number(since, strlen(since), TIME_MAX, &second)))
        *why = "not a time";
    if (*why == NULL && cloud_text_has_control(out->reason))
        *why = "the reason has a control character";
    out->until = (int64_t)number;
    out->since = (int64_t)second;
    return *why == NULL;
}

void denials_format(const struct denial *denial, char out[DENIAL_LINE_SIZE])
{
    snprintf(out, DENIAL_LINE_SIZE, "%s\t%s\t%lld\t%lld\t%s", kinds[denial->kind], denial->subject,
             (long long)denial->until, (long long)denial->since, denial->reason);
}

const char *denials_kind(enum denial_kind kind)
{
    return kinds[kind];
}

/* ---- Matching ---- */

bool denials_in_force(const struct denial *denial, int64_t now)
{
    return denial->until == DENIAL_FOREVER || now < denial->until;
}

static bool is_environment(const struct denial *denial, const char *project,
                           const char *environment)
{
    size_t n = strlen(project);

    return strncmp(denial->subject, project, n) == 0 && denial->subject[n] == '/' &&
           strcmp(denial->subject + n + 1, environment) == 0;
}

static bool is_key(const struct denial *denial, const unsigned char *fingerprint)
{
    return fingerprint != NULL &&
           memcmp(denial->fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) == 0;
}

static bool matches(const struct denial *denial, const struct denial_match *match)
{
    switch (denial->kind) {
    case DENIAL_KEY:
        return is_key(denial, match->fingerprint) || is_key(denial, match->ca);
    case DENIAL_USER:
        return match->username != NULL && (strcmp(denial->subject, match->username) == 0 ||
                                           strcmp(denial->subject, match->user_id) == 0);
    case DENIAL_ENVIRONMENT:
        return is_environment(denial, match->project, match->environment);
    case DENIAL_CERTIFICATE:
        return is_key(denial, match->ca) && denial->serial == match->serial;
    }
    return true;
}

bool denials_match(const struct denials *denials, const struct denial_match *match, int64_t now)
{
    if (denials == NULL)
        return false;
    for (size_t i = 0; i < denials->list->n; i++) {
        const struct denial *denial = &denials->list->denial[i];
        if (denials_in_force(denial, now) && matches(denial, match))
            return true;
    }
    return denials->damaged;
}

bool denials_environment(const struct denials *denials, const char *project,
                         const char *environment, int64_t now)
{
    const struct denial_match match = {.project = project, .environment = environment};

    return denials_match(denials, &match, now);
}

const struct denial *denials_at(const struct denials *denials, size_t i)
{
    return denials != NULL && i < denials->list->n ? &denials->list->denial[i] : NULL;
}
