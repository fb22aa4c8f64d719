/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_SUBJECT_H
#define CLOUD_CTL_SUBJECT_H

#include "ctl/ctl.h"

#include "access/certificate.h"

#include <stdbool.h>

/* A key or certificate as an operator names it on the command line: as one argument in the format
 * of a .pub file, or by the name of such a file; a key also by its fingerprint (SHA256:..., as
 * ssh-keygen -l prints it). */
struct subject_key {
    char fingerprint[KEY_FINGERPRINT_TEXT];
    char line[KEY_VALUE_MAX + 1]; /* "" if the key is named by its fingerprint */
    struct offered_key offered;   /* parsed from line; all zero if line is "" */
};

/* Whether the argument looks like a key or its fingerprint, not like a name or a file. */
bool subject_is_key(const char *argument);

/* Reads the key or certificate that the argument names. False after a message. */
bool subject_read_key(const char *argument, struct subject_key *out);

/* Writes "project/environment" of an argument, which is either that already, or a login name of
 * this host. False after a message. */
bool subject_environment(const struct ctl *ctl, const char *what, char *out, size_t size);

#endif
