/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_PACK_H
#define CLOUD_NSS_PACK_H

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A string of n bytes, not counting the NUL that follows them. */
struct pack_text {
    const char *at;
    size_t n;
};

/* An entry to be copied to the caller of a lookup. Its strings are borrowed. */
struct pack_account {
    struct pack_text name, gecos, home, shell;
    uint32_t uid, gid;
};

struct pack_text pack_text(const char *string);

/* Whether gecos, home and shell are valid as fields of passwd(5): they have no ':' and no control
 * character. A program that prints an entry with a newline in it would print two entries. */
bool pack_fields_ok(const struct pack_account *account);

/* Copies an entry into the caller's struct and buffer. Every pointer then points into the buffer.
 * False, with struct and buffer unchanged, if the entry does not fit. pw_passwd and gr_passwd are
 * "*": with "x", pam_unix(8) would look for a shadow entry. A group has no members. */
bool pack_passwd(const struct pack_account *account, struct passwd *out, char *buffer, size_t size);
bool pack_group(const struct pack_text *name, uint32_t gid, struct group *out, char *buffer,
                size_t size);

#endif
