/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_VERIFY_H
#define CLOUDAUTHD_VERIFY_H

#include "common/conf.h"

/*
 * cloudauthd --verify FILE, for publishers: says on standard output what a host with this
 * configuration would make of the file's document: signature, times, and every rule of
 * docs/api.md. It is read with the caller's own rights. Returns the exit status: 0 if the document
 * is valid, 1 if not.
 */
int verify_file(const struct cloud_conf *conf, const char *path);

#endif
