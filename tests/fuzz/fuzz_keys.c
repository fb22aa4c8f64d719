/* SPDX-License-Identifier: Apache-2.0 */
#include "access/keys.h"

#include <stdlib.h>
#include <string.h>

/*
 * Public key lines. One that is taken is a type that we know and one run of base64 with nothing but
 * blanks before and between them;
 * the two alone are the same key, and nothing of them could end a key line.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

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
    require(keys_parse(key->type, type, base64, &same, &why));
    require(same.type == key->type);
    require(memcmp(same.fingerprint, key->fingerprint, KEY_FINGERPRINT_SIZE) == 0);
    keys_fingerprint_text(key->fingerprint, print);
    require(strlen(print) == KEY_FINGERPRINT_TEXT - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key key;
    const char *why = NULL;
    char *line = malloc(size + 1);

    require(line != NULL);
    if (size > 0)
        memcpy(line, data, size);
    line[size] = '\0';
    if (keys_parse_line(line, &key, &why))
        check_key(line, &key);
    else
        require(why != NULL);
    free(line);
    return 0;
}
