/* SPDX-License-Identifier: Apache-2.0 */
#include "access/certificate.h"
#include "access/fields.h"
#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

/*
 * The bytes of a certificate. What is taken for one has the type that was given; without a fault it
 * has a principal that cannot end a quoted list; and its name can be read back.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct offered_key *offered)
{
    char name[CERTIFICATE_NAME_SIZE];
    unsigned char ca[KEY_FINGERPRINT_SIZE];
    uint64_t serial = 0;

    require(offered->certified);
    require(offered->key_id[0] == '\0' || fields_user_id(offered->key_id));
    require(offered->valid_after >= 0 && offered->valid_before >= 0);
    require(strlen(offered->principal) <= CERTIFICATE_TEXT_MAX);
    require(offered->fault != NULL || offered->principal[0] != '\0');
    require(strpbrk(offered->principal, ",\"\\\n\r\t\x7f") == NULL);
    certificate_name(offered, name);
    require(certificate_name_read(name, &serial, ca));
    require(serial == offered->serial && memcmp(ca, offered->ca, sizeof ca) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char base64[DIGEST_BASE64_SIZE(20000)];
    struct offered_key offered;
    const char *why = NULL;
    size_t n = size < 4 ? 0 : (size_t)data[2] << 8 | data[3]; /* of the type that it names */

    if (size > 20000 || n > size - 4)
        return 0;
    digest_base64_encode(data, size, base64);
    char type[KEY_BLOB_MAX];

    if (!offered_key_parse((const char *)data + 4, n, base64, &offered, &why))
        require(why != NULL);
    else if (offered.certified) {
        memcpy(type, data + 4, n);
        type[n] = '\0';
        certificate_read_claims(type, base64, "token-claims@platform.sh", &offered);
        check(&offered);
    }
    return 0;
}
