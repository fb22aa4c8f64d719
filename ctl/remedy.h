/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_REMEDY_H
#define CLOUD_CTL_REMEDY_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* A remedy: the command that repairs a finding, for an operator to read and to paste into root's
 * shell. Text after "  # " in a remedy is a comment; a remedy that begins with '#' is only
 * advice. */
#define REMEDY_SIZE 1024

/* Writes text as one word of a shell command, in quotes if it needs them. Returns false, with `out`
 * empty, if the word does not fit into `size` bytes. */
bool remedy_quote(const char *text, char *out, size_t size);

/* Writes the command with each %s in it replaced by the quoted word. Returns false, with `out`
 * empty, if the result does not fit, or if the command has a %s and the word is "". */
bool remedy_fill(const char *command, const char *word, char out[REMEDY_SIZE]);

/* The remedy (for remedy_fill) if the API or the daemon gives no answer about an account. */
#define REMEDY_ACCOUNT                                                                             \
    "cloudauthctl doctor %s  # as root: asks the project API anew, and prints what repairs it"

/*
 * Writes the remedy for a failed request to the project API. `detail` is the daemon's message about
 * the failure, which may begin with "project/environment: ".
 */
void remedy_for_api(const struct cloud_conf *conf, const char *detail, char out[REMEDY_SIZE]);

/* Writes the remedy that remedy_for_api has for just this kind of message, which may also be of a
 * document that conflicts with this host. Returns false, with `out` empty, if there is none. */
bool remedy_known(const struct cloud_conf *conf, const char *detail, char out[REMEDY_SIZE]);

/* Prints a finding as a comment and its remedy, which may be "", as a command; only in text
 * output. */
void remedy_show(struct out *out, const char *finding, const char *remedy);

#endif
