/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/health.h"

#include "cloudauthd/api/api.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/metrics/certificates.h"
#include "cloudauthd/state/denials_file.h"

#include <stdio.h>
#include <time.h>

const char *const health_file_keys[HEALTH_FILES] = {"token_file", "client_id_file", "client_cert",
                                                    "client_key", "ca_file"};

/* When the certificates of a file end; false, with the reason, if they cannot be read. */
static bool read_end(const char *key, const char *name, bool all, int64_t *end, char *why,
                     size_t size)
{
    struct credential file;
    struct certificates certificates;
    bool ok;

    if (!credential_read(key, name, CREDENTIAL_PUBLIC, &file, why, size))
        return false;
    ok = certificates_read(file.bytes, file.length, &certificates);
    credential_wipe(&file);
    if (!ok)
        snprintf(why, size,
                 "credential unusable: %s %.120s: holds no certificate in PEM, or a bad one", key,
                 name);
    else
        *end = all ? certificates.earliest : certificates.first;
    return ok;
}

static bool look_at(enum health_file file, const char *name, struct health_credentials *out,
                    char *why, size_t size)
{
    static const enum credential_kind kinds[HEALTH_FILES] = {
        CREDENTIAL_TEXT, CREDENTIAL_TEXT, CREDENTIAL_PUBLIC, CREDENTIAL_KEY, CREDENTIAL_PUBLIC};
    const char *key = health_file_keys[file];
    struct credential secret;
    bool ok;

    if (kinds[file] == CREDENTIAL_PUBLIC)
        return read_end(key, name, file == HEALTH_CA_FILE,
                        file == HEALTH_CA_FILE ? &out->ca_file : &out->client_cert, why, size);
    ok = credential_read(key, name, kinds[file], &secret, why, size);
    credential_wipe(&secret);
    return ok;
}

static void look_at_token(const struct context *context, struct health_credentials *out)
{
    struct api_view api;

    out->by_token_url = context->conf.token_url[0] != '\0';
    if (!out->by_token_url)
        return;
    api_look(context->api, &api);
    out->token = api.token.token;
    if (out->token)
        out->token_end = (int64_t)time(NULL) + api.token.left;
    snprintf(out->token_why, sizeof out->token_why, "%s", api.token.why);
}

void health_credentials(const struct context *context, struct health_credentials *out)
{
    const struct cloud_conf *conf = &context->conf;
    const char *const names[HEALTH_FILES] = {conf->token_file, conf->client_id_file,
                                             conf->client_cert, conf->client_key, conf->ca_file};
    char why[256];

    *out = (struct health_credentials){
        .client_cert = HEALTH_NO_TIME, .ca_file = HEALTH_NO_TIME, .token_end = HEALTH_NO_TIME};
    for (int i = 0; i < HEALTH_FILES; i++) {
        out->set[i] = names[i][0] != '\0';
        if (!out->set[i])
            continue;
        out->usable[i] = look_at((enum health_file)i, names[i], out, why, sizeof why);
        if (!out->usable[i] && out->why[0] == '\0')
            snprintf(out->why, sizeof out->why, "%s", why);
    }
    look_at_token(context, out);
}

void health_count(void *arg, const struct cache_view *view)
{
    struct health_documents *out = arg;

    out->failing += view->failing;
    if (view->failing && out->error[0] == '\0')
        snprintf(out->error, sizeof out->error, "%s/%s: %s", view->project, view->environment,
                 view->detail);
    if (view->document == NULL) {
        out->absent += view->absent && !view->failing;
        out->unknown += !view->absent || view->failing;
        return;
    }
    if (out->known == 0 || view->age > out->oldest)
        out->oldest = view->age;
    if (out->known == 0 || view->age < out->freshest)
        out->freshest = view->age;
    out->known++;
    out->fresh += view->fresh;
    out->unusable += !view->usable;
}

void health_denials(const struct context *context, uint64_t by_kind[DENIAL_ENVIRONMENT + 1])
{
    const struct denials *list = denials_file_list(context->denials);
    int64_t now = (int64_t)time(NULL);
    const struct denial *denial;

    for (int i = 0; i <= DENIAL_ENVIRONMENT; i++)
        by_kind[i] = 0;
    for (size_t i = 0; (denial = denials_at(list, i)) != NULL; i++)
        if (denials_in_force(denial, now))
            by_kind[denial->kind]++;
}
