/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/certificates.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

/* Reads when a certificate expires. False if OpenSSL cannot parse the time. */
static bool not_after(const X509 *certificate, int64_t *out)
{
    struct tm parts = {.tm_mday = 1};

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return false;
    *out = (int64_t)timegm(&parts);
    return true;
}

/* Whether the text has been read to its end; if not, a block in it is no certificate. */
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
