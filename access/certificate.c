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

/* The fields of a certificate, in their order. */
struct fields {
    struct key_bytes type, nonce;
    struct key_bytes key; /* the fields of the key, as they are behind the type of a plain one */
    uint64_t serial, kind;
    struct key_bytes key_id, principals;
    uint64_t valid_after, valid_before;
    struct key_bytes critical, extensions, reserved, authority, signature;
};

static bool take_fields(const struct key_type *type, struct key_blob *blob, struct fields *out,
                        const char **why)
{
    *why = "the certificate is malformed: it is cut off";
    if (!key_blob_take(blob, &out->type) || !key_blob_take(blob, &out->nonce))
        return false;
    out->key.at = blob->at;
    if (!key_type_read(type, blob, why))
        return false;
    out->key.n = (size_t)(blob->at - out->key.at);
    if (!key_blob_take_number(blob, 8, &out->serial) ||
        !key_blob_take_number(blob, 4, &out->kind) || !key_blob_take(blob, &out->key_id) ||
        !key_blob_take(blob, &out->principals) ||
        !key_blob_take_number(blob, 8, &out->valid_after) ||
        !key_blob_take_number(blob, 8, &out->valid_before) ||
        !key_blob_take(blob, &out->critical) || !key_blob_take(blob, &out->extensions) ||
        !key_blob_take(blob, &out->reserved) || !key_blob_take(blob, &out->authority) ||
        !key_blob_take(blob, &out->signature))
        return key_fail(why, "the certificate is malformed: it is cut off");
    return blob->left == 0 || key_fail(why, "the certificate is malformed: bytes follow it");
}

/* The fingerprint of the certified key: that of the blob that it has without a certificate. */
static bool find_fingerprint(const struct key_type *type, struct key_bytes fields,
                             unsigned char out[KEY_FINGERPRINT_SIZE])
{
    unsigned char plain[KEY_BLOB_MAX] = {0};
    const char *name = key_type_name(type);
    size_t n = strlen(name);

    /* The type of a certificate is longer than that of its key, so this fits. */
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

/* Reads the list of principals. False if a length in it is wrong. */
static bool read_principals(struct key_bytes list, struct offered_key *out)
{
    struct key_blob blob = {list.at, list.n};
    struct key_bytes principal;

    while (blob.left > 0) {
        if (!key_blob_take(&blob, &principal))
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

/* Reads one option of a certificate; data is the content of its value. */
typedef void read_option(struct key_bytes name, struct key_bytes data, struct offered_key *out);

static void read_critical(struct key_bytes name, struct key_bytes data, struct offered_key *out)
{
    (void)data;
    if (key_bytes_are(name, "force-command"))
        set_fault(out, "the certificate has a force-command");
    else if (!key_bytes_are(name, "source-address") && !key_bytes_are(name, "verify-required"))
        set_fault(out, "the certificate has a critical option that is not known here");
}

static void read_extension(struct key_bytes name, struct key_bytes data, struct offered_key *out)
{
    (void)name, (void)data, (void)out; /* sshd grants no more than the key's line and these do */
}

/* Reads a list of options. False if a length in it is wrong. */
static bool read_options(struct key_bytes list, read_option *read, struct offered_key *out)
{
    struct key_blob blob = {list.at, list.n};
    struct key_bytes name, data;

    while (blob.left > 0) {
        if (!key_blob_take(&blob, &name) || !key_blob_take(&blob, &data))
            return false;
        read(name, data, out);
    }
    return true;
}

static int64_t time_of(uint64_t seconds)
{
    return seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds;
}

static bool read_certificate(const struct key_type *type, struct key_bytes bytes,
                             struct key_bytes name, struct offered_key *out, const char **why)
{
    struct key_blob blob = {bytes.at, bytes.n};
    struct fields fields;
    struct key ca;

    if (!take_fields(type, &blob, &fields, why))
        return false;
    if (fields.type.n != name.n || memcmp(fields.type.at, name.at, name.n) != 0)
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
    if (!read_principals(fields.principals, out) ||
        !read_options(fields.critical, read_critical, out) ||
        !read_options(fields.extensions, read_extension, out))
        return key_fail(why, "the certificate is malformed: a list in it is cut off");
    if (!keys_read(fields.authority, &ca, why))
        return key_fail(why, "the certificate is signed by a key that is not accepted");
    memcpy(out->ca, ca.fingerprint, sizeof out->ca);
    return (find_fingerprint(type, fields.key, out->fingerprint) &&
            digest_sha256(bytes.at, bytes.n, out->digest)) ||
           key_fail(why, "the certificate's fingerprint could not be computed");
}

static bool decode(const struct key_type *type, struct key_bytes name, struct key_bytes base64,
                   struct offered_key *out, const char **why)
{
    unsigned char bytes[KEY_BLOB_MAX];
    struct key_bytes blob;

    return keys_decode(base64, bytes, &blob, why) && read_certificate(type, blob, name, out, why);
}

static void set_plain(const struct key *key, struct offered_key *out)
{
    memcpy(out->fingerprint, key->fingerprint, sizeof out->fingerprint);
    memcpy(out->digest, key->fingerprint, sizeof out->digest);
}

bool offered_key_parse(const char *type, size_t type_length, const char *base64,
                       struct offered_key *out, const char **why)
{
    struct key_bytes name = {(const unsigned char *)type, type_length};
    struct key_bytes text = {(const unsigned char *)base64,
                             strnlen(base64, (size_t)KEY_VALUE_MAX + 1)};
    const struct key_type *certified = key_type_find(name, true);
    struct key key;

    memset(out, 0, sizeof *out);
    if (certified != NULL)
        return decode(certified, name, text, out, why);
    if (!keys_parse(type, type_length, base64, &key, why))
        return false;
    set_plain(&key, out);
    return true;
}

bool offered_key_parse_line(const char *line, struct offered_key *out, const char **why)
{
    const struct key_type *certified;
    struct key_bytes name, text;
    struct key key;

    memset(out, 0, sizeof *out);
    if (!keys_split_line(line, &name, &text, why))
        return false;
    certified = key_type_find(name, true);
    if (certified != NULL)
        return decode(certified, name, text, out, why);
    if (!keys_parse_line(line, &key, why))
        return false;
    set_plain(&key, out);
    return true;
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

/* Adds a word. One that is too long is one that no document can ask for. False: there is no space.
 */
static bool add_amr(struct certificate_claims *claims, const char *word)
{
    if (strlen(word) > CERTIFICATE_AMR_MAX)
        return true;
    if (claims->amrs == CERTIFICATE_AMRS_MAX)
        return false;
    strcpy(claims->amr[claims->amrs++], word);
    return true;
}

/* Reads the value of the extension, a string within its data. */
static bool read_claims(struct key_bytes data, struct certificate_claims *out)
{
    static const struct json_limits limits = {8, 512};
    struct key_blob blob = {data.at, data.n};
    struct json root, array, at;
    struct cloud_text problem;
    struct key_bytes text;
    uint64_t auth_time = 0;
    const char *word;
    char why[256];
    bool ok;

    cloud_text_start(&problem, why, sizeof why);
    if (!key_blob_take(&blob, &text) || blob.left > 0 || text.n > CLAIMS_MAX ||
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

void certificate_read_claims(const char *type, const char *base64, const char *name,
                             struct offered_key *offered)
{
    struct key_bytes text = {(const unsigned char *)base64, strlen(base64)}, bytes, option, data;
    const struct key_type *certified =
        key_type_find((struct key_bytes){(const unsigned char *)type, strlen(type)}, true);
    unsigned char space[KEY_BLOB_MAX];
    struct certificate_claims claims = {0};
    bool has_claims = false, has_mfa = false, ok;
    struct key_blob blob;
    struct fields fields;
    const char *why;

    if (!offered->certified || certified == NULL || !keys_decode(text, space, &bytes, &why))
        return;
    blob = (struct key_blob){bytes.at, bytes.n};
    ok = take_fields(certified, &blob, &fields, &why);
    for (blob = (struct key_blob){fields.extensions.at, fields.extensions.n};
         ok && blob.left > 0;) {
        ok = key_blob_take(&blob, &option) && key_blob_take(&blob, &data);
        has_mfa |= ok && key_bytes_are(option, HAS_MFA);
        if (ok && key_bytes_are(option, name)) {
            ok = !has_claims && read_claims(data, &claims);
            has_claims = true;
        }
    }
    if (has_mfa && !has_claims)
        claims.auth_time = offered->valid_after;
    if (ok && (!has_mfa || add_amr(&claims, "mfa")))
        offered->claims = claims;
}

bool certificate_name_read(const char *name, uint64_t *serial,
                           unsigned char ca[KEY_FINGERPRINT_SIZE])
{
    const char *at = strchr(name, '@');

    return at != NULL && cloud_text_read_number(name, (size_t)(at - name), UINT64_MAX, serial) &&
           keys_fingerprint_read(at + 1, ca);
}
