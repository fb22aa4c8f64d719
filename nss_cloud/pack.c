/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/pack.h"

#include <stdalign.h>
#include <string.h>

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Returns a value other than 0 if one of the eight bytes is not allowed in a field of passwd(5): a
 * control character, ':' or DEL. Bytes from 0x80 on are allowed. Each subtraction sets the high bit
 * of a byte that is not allowed. A borrow from such a byte may change the bytes above it, but then
 * the result is not 0 anyway.
 */
static uint64_t has_wrong(uint64_t word)
{
    uint64_t control = word - EACH(' '), colon = (word ^ EACH(':')) - EACH(1),
             rubout = (word ^ EACH(0x7f)) - EACH(1);

    return (control | colon | rubout) & ~word & EACH(0x80);
}

/* Returns up to seven bytes as a word. The rest of the word is filled with spaces or repeated bytes
 * of the text, which do not change whether has_wrong returns 0. */
static uint64_t short_word(const char *text, size_t n)
{
    uint64_t word = EACH(' ');
    uint32_t head, tail;

    if (n >= sizeof head) {
        memcpy(&head, text, sizeof head);
        memcpy(&tail, text + n - sizeof tail, sizeof tail);
        return ((uint64_t)tail << 32) | head;
    }
    for (size_t i = 0; i < n; i++)
        word = (word << 8) | (unsigned char)text[i];
    return word;
}

/* Checks eight bytes at a time with has_wrong; the last eight may overlap those before. Inlined,
 * because the three fields that each lookup checks share the constants. */
static inline __attribute__((always_inline)) uint64_t wrong_of(const struct pack_text *text)
{
    uint64_t word, wrong = 0;

    if (text->n < sizeof word)
        return has_wrong(short_word(text->at, text->n));
    for (size_t i = sizeof word; i < text->n; i += sizeof word) {
        memcpy(&word, text->at + i - sizeof word, sizeof word);
        wrong |= has_wrong(word);
    }
    memcpy(&word, text->at + text->n - sizeof word, sizeof word);
    return wrong | has_wrong(word);
}

bool pack_fields_ok(const struct pack_account *account)
{
    return (wrong_of(&account->gecos) | wrong_of(&account->home) | wrong_of(&account->shell)) == 0;
}

struct pack_text pack_text(const char *string)
{
    return (struct pack_text){string, strlen(string)};
}

/* Copies a text and a NUL to *at, moves *at past them and returns the copy. The caller has checked
 * that there is space. */
static char *put(char **at, const struct pack_text *text)
{
    char *place = *at;

    memcpy(place, text->at, text->n);
    place[text->n] = '\0';
    *at += text->n + 1;
    return place;
}

#define NO_PASSWORD "*"

/* A constant size, so that the compiler copies the two bytes without a call of memcpy(3). */
static char *put_no_password(char **at)
{
    char *place = *at;

    memcpy(place, NO_PASSWORD, sizeof NO_PASSWORD);
    *at += sizeof NO_PASSWORD;
    return place;
}

/* Copies gecos, home and shell. If they are adjacent, as in a record of the snapshot, one memcpy(3)
 * copies all of them. */
static void put_rest(char *at, const struct pack_account *account, struct passwd *out)
{
    const struct pack_text *gecos = &account->gecos, *home = &account->home,
                           *shell = &account->shell;

    out->pw_gecos = at;
    out->pw_dir = at + gecos->n + 1;
    out->pw_shell = out->pw_dir + home->n + 1;
    if (home->at == gecos->at + gecos->n + 1 && shell->at == home->at + home->n + 1) {
        memcpy(at, gecos->at, gecos->n + home->n + shell->n + 3);
        return;
    }
    (void)put(&at, gecos);
    (void)put(&at, home);
    (void)put(&at, shell);
}

bool pack_passwd(const struct pack_account *account, struct passwd *out, char *buffer, size_t size)
{
    /* All strings are from one packet or one record, so the sum cannot overflow. */
    size_t all = account->name.n + sizeof NO_PASSWORD + account->gecos.n + account->home.n +
                 account->shell.n + 4;
    char *at = buffer;

    if (all > size)
        return false;
    out->pw_name = put(&at, &account->name);
    out->pw_passwd = put_no_password(&at);
    out->pw_uid = account->uid;
    out->pw_gid = account->gid;
    put_rest(at, account, out);
    return true;
}

bool pack_group(const struct pack_text *name, uint32_t gid, struct group *out, char *buffer,
                size_t size)
{
    /* The buffer may have any alignment, but the list of members needs that of a pointer. */
    size_t unaligned = (uintptr_t)buffer % alignof(char *);
    size_t padding = unaligned == 0 ? 0 : alignof(char *) - unaligned;
    char *const no_members = NULL;
    char *at;

    if (padding + sizeof no_members + name->n + 1 + sizeof NO_PASSWORD > size)
        return false;
    at = buffer + padding;
    memcpy(at, &no_members, sizeof no_members);
    out->gr_mem = (char **)(void *)at;
    at += sizeof no_members;
    out->gr_name = put(&at, name);
    out->gr_passwd = put_no_password(&at);
    out->gr_gid = gid;
    return true;
}
