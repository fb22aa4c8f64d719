/* SPDX-License-Identifier: Apache-2.0 */
#include "access/keys.h"
#include "tests/fuzz/fuzz.h"

/*
 * Public key lines. One that is taken is a type that we know and one run of base64 with nothing but
 * blanks before and between them;
 * the two alone are the same key, and nothing of them could end a key line.
 */

static void check_key(const char *line, const struct key *key)
{
    struct key same;
    const char *why = NULL;
    char base64[KEY_VALUE_MAX + 1], print[KEY_FINGERPRINT_TEXT];
    size_t type = strlen(key->type);
    const char *blanks = " \t\r\n\xc2\xa0\xef\xbb\xbf", *found = line + strspn(line, blanks);

    require(strncmp(found, key->type, type) == 0 && key->base64 > found + type);
    require(key->base64 == found + type + strspn(found + type, blanks));
    require(key->base64 + key->base64_length <= line + strlen(line));
    for (size_t i = 0; i < key->base64_length; i++)
        require(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
                       key->base64[i]) != NULL);
    memcpy(base64, key->base64, key->base64_length);
    base64[key->base64_length] = '\0';
    require(keys_parse(key_bytes_of(key->type, type), key_bytes_of(base64, key->base64_length),
                       &same, &why));
    require(same.type == key->type);
    require(memcmp(same.fingerprint, key->fingerprint, KEY_FINGERPRINT_SIZE) == 0);
    keys_fingerprint_text(key->fingerprint, print);
    require(strlen(print) == KEY_FINGERPRINT_TEXT - 1);
}

/* The blob of an authority in a certificate, the base64 that a client offers, and a fingerprint in
 * an operator's words. */
static void check_blob(const uint8_t *data, size_t size, const char *line)
{
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    char print[KEY_FINGERPRINT_TEXT];
    const char *why = NULL;
    struct key key;

    require(
        keys_parse(key_bytes_of("ssh-ed25519", 11), key_bytes_of(line, strlen(line)), &key, &why) ||
        why != NULL);
    require(keys_read((struct key_bytes){data, size}, &key, &why) || why != NULL);
    if (!keys_fingerprint_read(line, fingerprint))
        return;
    keys_fingerprint_text(fingerprint, print);
    require(strcmp(print, line) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key key;
    const char *why = NULL;
    char *line = malloc(size + 1);
    bool failed = true, ok;

    require(line != NULL);
    if (size > 0)
        memcpy(line, data, size);
    line[size] = '\0';
    for (unsigned n = 1; failed; n++) {
        fuzz_fail(n);
        ok = keys_parse_line(line, &key, &why);
        failed = fuzz_failed();
        require(!ok || !failed);
    }
    if (ok)
        check_key(line, &key);
    else
        require(why != NULL);
    check_blob(data, size, line);
    free(line);
    return 0;
}
