/* SPDX-License-Identifier: Apache-2.0 */
#include "access/certificate.h"
#include "access/fields.h"
#include "base/digest.h"
#include "tests/fuzz/fuzz.h"

/* Only this file reads the key that sshd says has logged in. */
#include "cloudauthd/login/pam.c" /* NOLINT(bugprone-suspicious-include) */

/*
 * The bytes of a certificate. The first one, which is 0 in each certificate, says whether it is
 * offered as the type that it names or as another. What is taken for one has the type that was
 * given; without a fault it has a principal that cannot end a quoted list; and its name can be read
 * back. The bytes are also such a name, what a key line has, and a line of SSH_AUTH_INFO_0.
 */

#define BYTES_MAX 20000

static void check(const struct offered_key *offered)
{
    char name[CERTIFICATE_NAME_SIZE];
    unsigned char ca[KEY_FINGERPRINT_SIZE];
    struct offered_key limited = *offered, plain = *offered;
    uint64_t serial = 0;

    require(offered->certified);
    require(offered->key_id[0] == '\0' || fields_user_id(offered->key_id));
    require(offered->valid_after >= 0 && offered->valid_before >= 0);
    require(strlen(offered->principal) <= CERTIFICATE_TEXT_MAX);
    require(offered->fault != NULL || offered->principal[0] != '\0');
    require(strpbrk(offered->principal, ",\"\\\n\r\t\x7f") == NULL);
    certificate_limit(&limited, UINT32_MAX);
    require(limited.fault == offered->fault);
    certificate_limit(&limited, 3600);
    require(limited.fault != NULL ||
            offered->valid_before - offered->valid_after <= 3600 + CERTIFICATE_EARLY);
    plain.certified = false;
    certificate_limit(&plain, 0);
    require(plain.fault == offered->fault);
    certificate_name(offered, name);
    require(certificate_name_read(name, &serial, ca));
    require(serial == offered->serial && memcmp(ca, offered->ca, sizeof ca) == 0);
}

/* A line of the type and the bytes is the same as both by themselves, unless the type has a blank.
 */
static void check_line(const char *type, const char *base64, const struct offered_key *offered)
{
    static char line[KEY_BLOB_MAX + DIGEST_BASE64_SIZE(BYTES_MAX) + 1];
    struct offered_key same;
    const char *why = NULL;
    bool ok;

    stpcpy(stpcpy(stpcpy(line, type), " "), base64);
    ok = offered_key_parse_line(line, &same, &why);
    require(ok || why != NULL);
    require(!ok || !offered->certified || offered_key_equal(&same, offered));
}

/* SSH_AUTH_INFO_0 has the key of the login, but not of a login with another. */
static void check_auth_info(const char *type, const char *base64, const struct offered_key *offered)
{
    static char line[KEY_BLOB_MAX + DIGEST_BASE64_SIZE(BYTES_MAX) + 16];
    static struct login login;

    stpcpy(stpcpy(stpcpy(stpcpy(line, "publickey "), type), " "), base64);
    login.session.offered = *offered;
    require(is_login_key(line, &login) || strchr(type, ' ') != NULL);
    require(!is_login_key(line + 1, &login));
    login.session.offered.digest[0] ^= 1;
    require(!is_login_key(line, &login));
}

static void check_name(const uint8_t *data, size_t size)
{
    static const struct login none;
    unsigned char ca[KEY_FINGERPRINT_SIZE];
    char *name = fuzz_text(data, size);
    uint64_t serial;

    require(!is_login_key(name, &none)); /* its digest is that of no key */
    require(!certificate_name_read(name, &serial, ca) || strchr(name, '@') != NULL);
    free(name);
}

/* Without memory nothing is offered, and no claim is there. */
static bool parse(const char *type, const char *base64, struct offered_key *out)
{
    const char *why = NULL;
    bool ok =
        offered_key_parse(key_bytes_of(type, strlen(type)), key_bytes_of(base64, strlen(base64)),
                          "token-claims@platform.sh", out, &why);

    require(ok || why != NULL);
    return ok;
}

static void check_memory(const char *type, const char *base64, bool has_claims)
{
    struct offered_key offered;
    bool failed = true, ok;

    for (unsigned n = 1; failed; n++) {
        fuzz_fail(n);
        ok = parse(type, base64, &offered);
        failed = fuzz_failed();
        require(!ok || !failed || (has_claims && offered.claims.amrs == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const others[] = {"ssh-ed25519-cert-v01@openssh.com",
                                         "ssh-rsa-cert-v01@openssh.com", "ssh-ed25519"};
    static char base64[DIGEST_BASE64_SIZE(BYTES_MAX)], type[KEY_BLOB_MAX];
    static uint8_t bytes[BYTES_MAX];
    struct offered_key offered;
    size_t n = size < 4 ? 0 : (size_t)data[2] << 8 | data[3]; /* of the type that it names */

    check_name(data, size);
    if (size < 4 || size > BYTES_MAX || n > size - 4 || n >= sizeof type)
        return 0;
    memcpy(bytes, data, size);
    bytes[0] = 0;
    memcpy(type, data + 4, n);
    type[n] = '\0';
    if (data[0] != 0)
        strcpy(type, others[data[0] % 3]);
    digest_base64_encode(bytes, size, base64);
    if (parse(type, base64, &offered)) {
        if (offered.certified)
            check(&offered);
        check_auth_info(type, base64, &offered);
    }
    check_line(type, base64, &offered);
    check_memory(type, base64, offered.claims.amrs > 0 || offered.certified);
    return 0;
}
