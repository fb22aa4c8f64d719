/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_REMEDY_H
#define CLOUD_CTL_REMEDY_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* A remedy: the command that repairs a finding, for an operator to read and to paste into root's
 * shell. Text behind "  # " in a remedy is a comment; a remedy that begins with '#' is advice
 * alone. */
#define REMEDY_SIZE 1024

/* Writes text as one word of a shell command, in quotes where it needs them. False, with out empty,
 * if the word does not fit into size bytes. */
bool remedy_quote(const char *text, char *out, size_t size);

/* Writes a command with each %s replaced by the quoted word. False, with out empty, if the command
 * does not fit, or if it has a %s and the word is "". */
bool remedy_fill(const char *command, const char *word, char out[REMEDY_SIZE]);

/*
 * The remedy for a request to the project API that failed. detail is the daemon's message about it,
 * which may begin with "project/environment: ".
 */
void remedy_for_api(const struct cloud_conf *conf, const char *detail, char out[REMEDY_SIZE]);

/* Prints a finding as a comment and its remedy, which may be "", as a command; for people only. */
void remedy_show(struct out *out, const char *finding, const char *remedy);

#endif
