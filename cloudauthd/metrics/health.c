/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/health.h"

#include "cloudauthd/api/api.h"
#include "cloudauthd/state/denials_file.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- Certificates ---- */

/* Reads when a certificate expires, in seconds since 1970. False if OpenSSL cannot parse the
 * time. */
static bool not_after(const X509 *certificate, int64_t *out)
{
    struct tm parts = {.tm_mday = 1};

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return false;
    *out = (int64_t)timegm(&parts);
    return true;
}

/* Whether PEM_read_bio_X509(3) has failed because the text has no further certificate, and not
 * because one cannot be parsed. */
static bool at_end(void)
{
    unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

bool certificates_read(const char *pem, size_t n, struct certificates *out)
{
    BIO *bio = n > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)n);
    X509 *certificate;
    bool whole = bio != NULL;
    int64_t end;

    *out = (struct certificates){0};
    ERR_clear_error();
    while (whole && out->n < CERTIFICATES_MAX &&
           (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        whole = not_after(certificate, &end);
        X509_free(certificate);
        if (!whole)
            break;
        if (out->n == 0)
            out->first = end;
        if (out->n == 0 || end < out->earliest)
            out->earliest = end;
        out->n++;
    }
    whole = whole && out->n > 0 && (out->n == CERTIFICATES_MAX || at_end());
    ERR_clear_error();
    BIO_free(bio);
    return whole;
}

/* ---- Health ---- */

/* Reads the file of a credential as requests to the API do. If it has certificates, stores when
 * they expire: for client_cert the first certificate in the file, for ca_file the one that expires
 * first. False with the reason in why if the file cannot be used. */
static bool check_file(const struct credential_file *file, struct health_credentials *out,
                       char *why, size_t size)
{
    struct credential content;
    struct certificates certificates;
    bool ok = credential_read(file, &content, why, size);

    if (ok && file->kind == CREDENTIAL_PUBLIC) {
        ok = certificates_read(content.bytes, content.length, &certificates);
        if (!ok)
            snprintf(why, size,
                     "credential unusable: %s %.120s: holds no certificate in PEM, or a bad one",
                     file->key, file->name);
        else if (strcmp(file->key, "ca_file") == 0)
            out->ca_file = certificates.earliest;
        else
            out->client_cert = certificates.first;
    }
    credential_wipe(&content);
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
    char why[256];

    *out = (struct health_credentials){
        .client_cert = HEALTH_NO_TIME, .ca_file = HEALTH_NO_TIME, .token_end = HEALTH_NO_TIME};
    for (int i = 0; i < CREDENTIALS; i++) {
        const struct credential_file file = credential_file(&context->conf, (enum credential_id)i);
        out->set[i] = file.name[0] != '\0';
        if (!out->set[i])
            continue;
        out->usable[i] = check_file(&file, out, why, sizeof why);
        if (!out->usable[i] && out->why[0] == '\0')
            snprintf(out->why, sizeof out->why, "%s", why);
    }
    look_at_token(context, out);
}

void health_count(struct health_documents *out, const struct cache_view *view)
{
    out->failing += view->failing;
    if (view->failing && out->error[0] == '\0')
        snprintf(out->error, sizeof out->error, "%s/%s: %s", view->project, view->environment,
                 view->detail);
    if (view->document == NULL) {
        out->absent += view->absent;
        out->unknown += !view->absent;
        return;
    }
    out->known++;
    if (view->age != CACHE_AGE_UNKNOWN) {
        if (out->aged == 0 || view->age > out->oldest)
            out->oldest = view->age;
        if (out->aged == 0 || view->age < out->freshest)
            out->freshest = view->age;
        out->aged++;
    }
    out->fresh += view->fresh;
    out->unusable += !view->usable;
}

void health_disk(const struct context *context, struct health_disk *out)
{
    int64_t reading = worker_busy_ms(context->loader);
    int64_t writing = worker_busy_ms(context->state_worker);

    *out = (struct health_disk){.reads = worker_pending(context->loader),
                                .changes = worker_pending(context->state_worker),
                                .seconds = (reading > writing ? reading : writing) / 1000};
}

uint64_t health_denials(const struct context *context, uint64_t by_kind[DENIAL_KINDS])
{
    const struct denials *list = denials_file_list(context->denials);
    int64_t now = (int64_t)time(NULL);
    const struct denial *denial;
    uint64_t sum = 0;

    memset(by_kind, 0, DENIAL_KINDS * sizeof *by_kind);
    for (size_t i = 0; (denial = denials_at(list, i)) != NULL; i++)
        if (denials_in_force(denial, now)) {
            by_kind[denial->kind]++;
            sum++;
        }
    return sum;
}
