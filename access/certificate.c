/* SPDX-License-Identifier: Apache-2.0 */
#include "access/certificate.h"

#include "access/fields.h"
#include "access/json.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define TYPE_USER  1 /* SSH2_CERT_TYPE_USER */
#define CLAIMS_MAX 4096
#define HAS_MFA    "has-mfa@platform.sh"

/* The fields of a certificate, in the order of its blob. */
struct fields {
    struct key_bytes type, nonce;
    struct key_bytes key; /* the fields of the certified key, as in the blob of a plain key */
    uint64_t serial, kind;
    struct key_bytes key_id, principals;
    uint64_t valid_after, valid_before;
    struct key_bytes critical, extensions, reserved, authority, signature;
};

static bool take_fields(const struct key_type *type, struct key_bytes rest, struct fields *out,
                        const char **why)
{
    *why = "the certificate is malformed: it is cut off";
    if (!key_blob_take(&rest, &out->type) || !key_blob_take(&rest, &out->nonce))
        return false;
    out->key.at = rest.at;
    if (!key_type_read(type, &rest, why))
        return false;
    out->key.n = (size_t)(rest.at - out->key.at);
    if (!key_blob_take_number(&rest, 8, &out->serial) ||
        !key_blob_take_number(&rest, 4, &out->kind) || !key_blob_take(&rest, &out->key_id) ||
        !key_blob_take(&rest, &out->principals) ||
        !key_blob_take_number(&rest, 8, &out->valid_after) ||
        !key_blob_take_number(&rest, 8, &out->valid_before) ||
        !key_blob_take(&rest, &out->critical) || !key_blob_take(&rest, &out->extensions) ||
        !key_blob_take(&rest, &out->reserved) || !key_blob_take(&rest, &out->authority) ||
        !key_blob_take(&rest, &out->signature))
        return key_fail(why, "the certificate is malformed: it is cut off");
    return rest.n == 0 || key_fail(why, "the certificate is malformed: bytes follow it");
}

/* Computes the fingerprint of the certified key, the SHA-256 of the blob that it would have as a
 * plain key. Returns false if OpenSSL fails. */
static bool find_fingerprint(const struct key_type *type, struct key_bytes fields,
                             unsigned char out[KEY_FINGERPRINT_SIZE])
{
    unsigned char plain[KEY_BLOB_MAX] = {0};
    const char *name = key_type_name(type);
    size_t n = strlen(name);

    /* The blob of the plain key is shorter than that of the certificate, so it fits. */
    plain[3] = (unsigned char)n;
    strcpy((char *)plain + 4, name);
    memcpy(plain + 4 + n, fields.at, fields.n);
    return digest_sha256(plain, 4 + n + fields.n, out);
}

static bool is_principal(struct key_bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.at[i] == '\0' || strchr(",\"\\", text.at[i]) != NULL ||
            cloud_text_is_control((char)text.at[i]))
            return false;
    return text.n > 0 && text.n <= CERTIFICATE_TEXT_MAX;
}

static void set_fault(struct offered_key *offered, const char *sentence)
{
    if (offered->fault == NULL)
        offered->fault = sentence;
}

/* Reads the list of principals. Returns false if the list is malformed. */
static bool read_principals(struct key_bytes list, struct offered_key *out)
{
    struct key_bytes principal;

    while (list.n > 0) {
        if (!key_blob_take(&list, &principal))
            return false;
        if (!is_principal(principal))
            set_fault(out, "a principal of the certificate is empty or too long, or has a comma, "
                           "a quote, a backslash or a control character");
        else if (out->principal[0] == '\0')
            memcpy(out->principal, principal.at, principal.n);
    }
    if (out->principal[0] == '\0')
        set_fault(out, "the certificate has no principals");
    return true;
}

static void judge_critical(struct key_bytes name, struct offered_key *out)
{
    if (key_bytes_are(name, "force-command"))
        set_fault(out, "the certificate has a force-command");
    else if (!key_bytes_are(name, "source-address") && !key_bytes_are(name, "verify-required"))
        set_fault(out, "the certificate has a critical option that is not known here");
}

/* Reads the list of critical options. Returns false if the list is malformed. */
static bool read_critical(struct key_bytes list, struct offered_key *out)
{
    struct key_bytes name, data;

    while (list.n > 0) {
        if (!key_blob_take(&list, &name) || !key_blob_take(&list, &data))
            return false;
        judge_critical(name, out);
    }
    return true;
}

/* Adds a word of `amr`. A word of more than CERTIFICATE_AMR_MAX bytes is skipped, because no
 * document can require it. Returns false if there is no space for the word. */
static bool add_amr(struct certificate_claims *claims, const char *word)
{
    if (strlen(word) > CERTIFICATE_AMR_MAX)
        return true;
    if (claims->amrs == CERTIFICATE_AMRS_MAX)
        return false;
    strcpy(claims->amr[claims->amrs++], word);
    return true;
}

/* Reads the claims from the data of their extension, which is one SSH string that contains JSON.
 * Returns false if they cannot be read. */
static bool read_claims(struct key_bytes data, struct certificate_claims *out)
{
    static const struct json_limits limits = {8, 512};
    struct json root, array, at;
    struct cloud_text problem;
    struct key_bytes text;
    uint64_t auth_time = 0;
    const char *word;
    char why[256];
    bool ok;

    cloud_text_start(&problem, why, sizeof why);
    if (!key_blob_take(&data, &text) || data.n > 0 || text.n > CLAIMS_MAX ||
        !json_parse(text.at, text.n, &limits, &problem, &root))
        return false;
    ok = json_expect_object(&root) &&
         json_get_whole(&root, "auth_time", JSON_REQUIRED, 999999999999999, &auth_time) &&
         json_get_array(&root, "amr", JSON_REQUIRED, CERTIFICATE_AMRS_MAX, &array);
    for (bool more = ok && json_first(&array, &at); ok && more; more = json_next(&at))
        ok = json_expect_string(&at, CLAIMS_MAX, &word) && add_amr(out, word);
    out->auth_time = (int64_t)auth_time;
    json_free(&root);
    return ok;
}

/* Reads the claims from the list of extensions. The other extensions are left to sshd. Returns
 * false if the list is malformed. */
static bool read_extensions(struct key_bytes list, const char *claims, struct offered_key *out)
{
    struct certificate_claims found = {0};
    bool has_claims = false, has_mfa = false, ok = claims != NULL;
    struct key_bytes name, data;

    while (list.n > 0) {
        if (!key_blob_take(&list, &name) || !key_blob_take(&list, &data))
            return false;
        has_mfa |= key_bytes_are(name, HAS_MFA);
        if (ok && key_bytes_are(name, claims)) {
            ok = !has_claims && read_claims(data, &found);
            has_claims = true;
        }
    }
    if (has_mfa && !has_claims)
        found.auth_time = out->valid_after;
    if (ok && (!has_mfa || add_amr(&found, "mfa")))
        out->claims = found;
    return true;
}

static int64_t time_of(uint64_t seconds)
{
    return seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds;
}

static bool read_certificate(const struct key_type *type, struct key_bytes bytes,
                             const char *claims, struct offered_key *out, const char **why)
{
    struct fields fields;
    struct key ca;

    if (!take_fields(type, bytes, &fields, why))
        return false;
    if (key_type_find(fields.type, true) != type)
        return key_fail(why, "the certificate is of another type than it says");
    if (fields.signature.n == 0)
        return key_fail(why, "the certificate is not signed");
    out->certified = true;
    if (fields.kind != TYPE_USER)
        set_fault(out, "the certificate is not one for users");
    out->serial = fields.serial;
    out->valid_after = time_of(fields.valid_after);
    out->valid_before = time_of(fields.valid_before);
    if (fields.key_id.n <= CERTIFICATE_ID_MAX)
        memcpy(out->key_id, fields.key_id.at, fields.key_id.n);
    if (strlen(out->key_id) != fields.key_id.n || !fields_user_id(out->key_id))
        memset(out->key_id, 0, sizeof out->key_id);
    if (!read_principals(fields.principals, out) || !read_critical(fields.critical, out) ||
        !read_extensions(fields.extensions, claims, out))
        return key_fail(why, "the certificate is malformed: a list in it is cut off");
    if (!keys_read(fields.authority, &ca, why))
        return *why != key_no_memory &&
               key_fail(why, "the certificate is signed by a key that is not accepted");
    memcpy(out->ca, ca.fingerprint, sizeof out->ca);
    return (find_fingerprint(type, fields.key, out->fingerprint) &&
            digest_sha256(bytes.at, bytes.n, out->digest)) ||
           key_fail(why, key_no_memory);
}

bool offered_key_parse(struct key_bytes type, struct key_bytes base64, const char *claims,
                       struct offered_key *out, const char **why)
{
    const struct key_type *certified = key_type_find(type, true);
    unsigned char bytes[KEY_BLOB_MAX];
    struct key_bytes blob;
    struct key key;

    memset(out, 0, sizeof *out);
    if (certified != NULL)
        return keys_decode(base64, bytes, &blob, why) &&
               read_certificate(certified, blob, claims, out, why);
    if (!keys_parse(type, base64, &key, why))
        return false;
    memcpy(out->fingerprint, key.fingerprint, sizeof out->fingerprint);
    memcpy(out->digest, key.fingerprint, sizeof out->digest);
    return true;
}

bool offered_key_parse_line(const char *line, struct offered_key *out, const char **why)
{
    struct key_bytes type, base64;

    return keys_split_line(line, &type, &base64, why) &&
           offered_key_parse(type, base64, NULL, out, why);
}

bool offered_key_equal(const struct offered_key *a, const struct offered_key *b)
{
    return memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

void certificate_limit(struct offered_key *offered, uint32_t most)
{
    if (offered->certified && most != UINT32_MAX &&
        offered->valid_before - offered->valid_after > (int64_t)most + CERTIFICATE_EARLY)
        set_fault(offered,
                  "the certificate is valid for longer than certificates_max of this host");
}

void certificate_name(const struct offered_key *offered, char out[CERTIFICATE_NAME_SIZE])
{
    char ca[KEY_FINGERPRINT_TEXT];

    keys_fingerprint_text(offered->ca, ca);
    snprintf(out, CERTIFICATE_NAME_SIZE, "%llu@%s", (unsigned long long)offered->serial, ca);
}

bool certificate_name_read(const char *name, uint64_t *serial,
                           unsigned char ca[KEY_FINGERPRINT_SIZE])
{
    const char *at = strchr(name, '@');

    return at != NULL && cloud_text_read_number(name, (size_t)(at - name), UINT64_MAX, serial) &&
           keys_fingerprint_read(at + 1, ca);
}
