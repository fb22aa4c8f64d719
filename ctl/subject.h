/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_SUBJECT_H
#define CLOUD_CTL_SUBJECT_H

#include "ctl/ctl.h"

#include "access/certificate.h"

#include <stdbool.h>

/* A key or certificate as an operator names it on the command line: as one argument that is the
 * line of a .pub file, or as the name of such a file. A key can also be named by its fingerprint
 * (SHA256:..., as ssh-keygen -l prints it). */
struct subject_key {
    char fingerprint[KEY_FINGERPRINT_TEXT];
    char line[KEY_VALUE_MAX + 1]; /* "" if the key is named by its fingerprint */
    struct offered_key offered;   /* parsed from `line`; all zero if that is "" */
};

/* Whether the argument looks like a key line or a fingerprint, not like the name of a user or a
 * file. */
bool subject_is_key(const char *argument);

/* Reads the key or certificate that the argument names. Returns CTL_YES; on failure prints a
 * message, without what is in a file, and returns CTL_UNKNOWN if the argument names a file that
 * cannot be read, otherwise CTL_USAGE. A private key is refused. */
int subject_read_key(const char *argument, struct subject_key *out);

/* Writes the "project/environment" that an argument names: the argument itself, if it has a '/', or
 * the environment of a login name of this host. Returns CTL_YES; on failure prints a message and
 * returns CTL_UNKNOWN if the settings cannot be read, otherwise CTL_USAGE. */
int subject_environment(const struct ctl *ctl, const char *what, char *out, size_t size);

#endif
