/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_PACK_H
#define CLOUD_NSS_PACK_H

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A string of n bytes and a NUL. */
struct pack_text {
    const char *at;
    size_t n;
};

/* An entry whose strings stand elsewhere, to be copied to the caller of a lookup. */
struct pack_account {
    struct pack_text name, gecos, home, shell;
    uint32_t uid, gid;
};

struct pack_text pack_text(const char *string);

/*
 * Whether gecos, home and shell can stand in fields of passwd(5): no ':', no control character. A
 * newline in an entry would be a second entry to whoever prints it.
 */
bool pack_fields_ok(const struct pack_account *account);

/*
 * Copy an entry into the caller's struct and buffer, to which every pointer then points. False if
 * it does not fit; neither struct nor buffer is then touched. pw_passwd and gr_passwd are "*":
 * with "x", pam_unix would ask for a shadow entry. A group has no members.
 */
bool pack_passwd(const struct pack_account *account, struct passwd *out, char *buffer, size_t size);
bool pack_group(const struct pack_text *name, uint32_t gid, struct group *out, char *buffer,
                size_t size);

#endif
