/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/pack.h"

#include <stdalign.h>
#include <string.h>

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 if one of eight bytes cannot stand in a field. A byte from 0x80 on can; of the others, each
 * subtraction borrows for a wrong one alone, and what it borrows from stands behind a wrong one. */
static uint64_t has_wrong(uint64_t word)
{
    uint64_t control = word - EACH(' '), colon = (word ^ EACH(':')) - EACH(1),
             rubout = (word ^ EACH(0x7f)) - EACH(1);

    return (control | colon | rubout) & ~word & EACH(0x80);
}

static bool is_wrong(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f || c == ':';
}

/* Eight bytes at a time, the last ones perhaps twice: each lookup looks at three fields. */
bool pack_field_ok(const struct pack_text *text)
{
    uint64_t word, wrong = 0;

    if (text->n < sizeof word) {
        for (size_t i = 0; i < text->n; i++)
            if (is_wrong(text->at[i]))
                return false;
        return true;
    }
    for (size_t i = 0; i + sizeof word <= text->n; i += sizeof word) {
        memcpy(&word, text->at + i, sizeof word);
        wrong |= has_wrong(word);
    }
    memcpy(&word, text->at + text->n - sizeof word, sizeof word);
    return (wrong | has_wrong(word)) == 0;
}

struct pack_text pack_text(const char *string)
{
    return (struct pack_text){string, strlen(string)};
}

/* Takes the next bytes of a buffer that was measured before, for a text and its NUL. */
static char *put(char **at, const struct pack_text *text)
{
    char *place = *at;

    memcpy(place, text->at, text->n);
    place[text->n] = '\0';
    *at += text->n + 1;
    return place;
}

static const struct pack_text no_password = {"*", 1};

/* The three that stand one behind the other in a record are copied as one. */
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
    /* Each string came out of one packet or record, so that their sum cannot wrap. */
    size_t all =
        account->name.n + no_password.n + account->gecos.n + account->home.n + account->shell.n + 5;
    char *at = buffer;

    if (all > size)
        return false;
    out->pw_name = put(&at, &account->name);
    out->pw_passwd = put(&at, &no_password);
    out->pw_uid = account->uid;
    out->pw_gid = account->gid;
    put_rest(at, account, out);
    return true;
}

bool pack_group(const struct pack_text *name, uint32_t gid, struct group *out, char *buffer,
                size_t size)
{
    /* The buffer is the caller's and may begin anywhere; the list of members may not. */
    size_t unaligned = (uintptr_t)buffer % alignof(char *);
    size_t padding = unaligned == 0 ? 0 : alignof(char *) - unaligned;
    char *const no_members = NULL;
    char *at;

    if (padding + sizeof no_members + name->n + no_password.n + 2 > size)
        return false;
    at = buffer + padding;
    memcpy(at, &no_members, sizeof no_members);
    out->gr_mem = (char **)(void *)at;
    at += sizeof no_members;
    out->gr_name = put(&at, name);
    out->gr_passwd = put(&at, &no_password);
    out->gr_gid = gid;
    return true;
}
