/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/pack.h"

#include <stdalign.h>
#include <string.h>

#define NO_PASSWORD "*"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 if one of eight bytes is 0; only a byte behind a 0 can be taken for one wrongly. */
static uint64_t has_zero(uint64_t word)
{
    return (word - EACH(1)) & ~word & EACH(0x80);
}

/* Not 0 if one of eight bytes cannot stand in a field. */
static uint64_t has_wrong(uint64_t word)
{
    uint64_t control = (word - EACH(' ')) & ~word & EACH(0x80); /* exact up to the first of them */

    return control | has_zero(word ^ EACH(':')) | has_zero(word ^ EACH(0x7f));
}

static bool is_wrong(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f || c == ':';
}

/* Eight bytes at a time, the last ones perhaps twice: each lookup looks at three fields. */
bool pack_field_ok(const char *text)
{
    size_t n = strlen(text);
    uint64_t word, wrong = 0;

    if (n < sizeof word) {
        while (*text != '\0' && !is_wrong(*text))
            text++;
        return *text == '\0';
    }
    for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        wrong |= has_wrong(word);
    }
    memcpy(&word, text + n - sizeof word, sizeof word);
    return (wrong | has_wrong(word)) == 0;
}

/* Takes the next n bytes of a buffer that was measured before. */
static char *put(char **at, const char *text, size_t n)
{
    char *place = *at;

    memcpy(place, text, n);
    *at += n;
    return place;
}

bool pack_passwd(const struct pack_account *account, struct passwd *out, char *buffer, size_t size)
{
    /* Each string came out of one packet, so that their sum cannot wrap. */
    size_t name = strlen(account->name) + 1, gecos = strlen(account->gecos) + 1;
    size_t home = strlen(account->home) + 1, shell = strlen(account->shell) + 1;
    char *at = buffer;

    if (name + sizeof NO_PASSWORD + gecos + home + shell > size)
        return false;
    out->pw_name = put(&at, account->name, name);
    out->pw_passwd = put(&at, NO_PASSWORD, sizeof NO_PASSWORD);
    out->pw_uid = account->uid;
    out->pw_gid = account->gid;
    out->pw_gecos = put(&at, account->gecos, gecos);
    out->pw_dir = put(&at, account->home, home);
    out->pw_shell = put(&at, account->shell, shell);
    return true;
}

bool pack_group(const char *name, uint32_t gid, struct group *out, char *buffer, size_t size)
{
    /* The buffer is the caller's and may begin anywhere; the list of members may not. */
    size_t unaligned = (uintptr_t)buffer % alignof(char *);
    size_t padding = unaligned == 0 ? 0 : alignof(char *) - unaligned;
    size_t n = strlen(name) + 1;
    char *const no_members = NULL;
    char *at;

    if (padding + sizeof no_members + n + sizeof NO_PASSWORD > size)
        return false;
    at = buffer + padding;
    out->gr_mem = (char **)(void *)put(&at, (const char *)&no_members, sizeof no_members);
    out->gr_name = put(&at, name, n);
    out->gr_passwd = put(&at, NO_PASSWORD, sizeof NO_PASSWORD);
    out->gr_gid = gid;
    return true;
}
