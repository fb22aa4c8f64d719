/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_SUBJECT_H
#define CLOUD_CTL_SUBJECT_H

#include "ctl/ctl.h"

#include "access/certificate.h"

#include <stdbool.h>

/*
 * A key as an operator names it: by its fingerprint (SHA256:..., as ssh-keygen -l prints it), by
 * the public key as one argument, or by a file that contains it; or a certificate, by either of the
 * last two.
 */
struct subject_key {
    char fingerprint[KEY_FINGERPRINT_TEXT];
    char line[KEY_VALUE_MAX + 1]; /* "" if it is named by its fingerprint */
    struct offered_key offered;   /* of the line */
};

/* Whether the argument looks like a key or its fingerprint, not like a name or a file. */
bool subject_is_key(const char *argument);

/* Reads the key. False after a message. */
bool subject_read_key(const char *argument, struct subject_key *out);

/* Writes "project/environment"; the argument is either that, or a login name of this host. False
 * after a message. */
bool subject_environment(const struct ctl *ctl, const char *what, char *out, size_t size);

#endif
