/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/verify.h"

#include "access/document.h"
#include "access/envelope.h"
#include "cloudauthd/cache/cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int say(const char *path, const char *what, const char *why)
{
    printf("%s: %s%s\n", path, what, why);
    return 1;
}

/* The file's bytes, malloc'ed, or NULL. One byte more than a document may have shows that it is
 * too long. */
static char *read_whole(const char *path, size_t *n)
{
    FILE *file = fopen(path, "re");
    char *bytes = file == NULL ? NULL : malloc(DOCUMENT_SIZE_MAX + 1);

    if (bytes != NULL)
        *n = fread(bytes, 1, DOCUMENT_SIZE_MAX + 1, file);
    if (bytes != NULL && ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL)
        (void)fclose(file); /* it was only read */
    return bytes;
}

static void add_time(char *out, size_t size, int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, size, "?");
}

/* The times of a signed document, as the cache sees them. */
static int judge_times(const struct cloud_conf *conf, const char *path,
                       const struct document *document)
{
    uint32_t bound = document->max_stale < conf->max_stale ? document->max_stale : conf->max_stale;
    int64_t now = (int64_t)time(NULL);
    char until[32];

    if (document->issued_at == DOCUMENT_NO_TIME)
        return say(path, "invalid: ", "issued_at: missing, and documents are signed here");
    if (document->issued_at > now + ENVELOPE_FUTURE)
        return say(path, "invalid: ", "issued_at: more than 5 minutes in the future");
    add_time(until, sizeof until, document->issued_at + bound);
    if (document->issued_at + bound <= now)
        return say(path, "outdated: usable until ", until);
    printf("%s: signed, usable until %s\n", path, until);
    return 0;
}

static int judge(const struct cloud_conf *conf, const char *path, const char *body, size_t n,
                 bool is_signed)
{
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    struct document_problem problem = {""};
    struct document *document;
    int status = 0;

    if (!document_subject(body, n, project, environment, &problem))
        return say(path, "invalid: ", problem.text);
    document = document_parse(body, n, project, environment, &problem);
    if (document == NULL)
        return say(path, "invalid: ", problem.text);
    for (size_t i = 0; i < document->warnings && i < DOCUMENT_WARNINGS_MAX; i++)
        printf("%s: warning: %s\n", path, document->warning[i]);
    printf("%s: project %s, environment %s, status %s, %zu users, %zu keys\n", path, project,
           environment, document->status_text, document->users, document->keys);
    if (is_signed)
        status = judge_times(conf, path, document);
    document_free(document);
    return status;
}

int verify_file(const struct cloud_conf *conf, const char *path)
{
    struct document_problem problem = {""};
    struct signers signers;
    char *body, *payload = NULL;
    size_t n = 0;
    int status;

    if (!signers_parse(conf->signing_key, &signers))
        return say(path, "", "signing_key is not up to four Ed25519 public keys in base64");
    body = read_whole(path, &n);
    if (body == NULL)
        return say(path, "cannot be read: ", strerror(errno));
    if (signers.n > 0)
        payload = envelope_open(body, n, &signers, &n, &problem);
    if (signers.n > 0 && payload == NULL)
        status = say(path, "invalid: ", problem.text);
    else
        status = judge(conf, path, payload != NULL ? payload : body, n, payload != NULL);
    free(payload);
    free(body);
    return status;
}
