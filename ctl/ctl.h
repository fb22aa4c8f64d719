/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_CTL_H
#define CLOUD_CTL_CTL_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>

/* cloudauthctl: a table of commands (main.c). Each command returns the exit status of the
 * program. */

enum {
    CTL_YES = 0,     /* yes, or done */
    CTL_NO = 1,      /* no, refused, or something is wrong; the answer is printed */
    CTL_USAGE = 2,   /* the command line makes no sense */
    CTL_UNKNOWN = 3, /* no answer of the daemon, the API or a file; or it cannot be printed */
};

#define CTL_OPTIONS 8

struct ctl {
    bool json;
    const char *conf_path;
    const char *name, *command; /* the first word of the command's name; the whole name */
    char **word;                /* the arguments that are not options, then NULL */
    int words;
    struct {
        const char *name, *value;
        size_t n; /* characters of the name, which "=VALUE" may follow */
    } option[CTL_OPTIONS];
    size_t options;
};

typedef int ctl_command(struct ctl *ctl);

ctl_command cmd_lookup, cmd_check, cmd_status, cmd_explain, cmd_keys, cmd_refresh, cmd_deny,
    cmd_undeny, cmd_doctor, cmd_hostkeys, cmd_edit, cmd_sessions, cmd_rebind, cmd_metrics;

/* Writes the usage of the command to standard error. Returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl);

/* The value of an option such as "--title": "" if the option takes none; NULL if it is not
 * given. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Reads the host's settings from conf_path. False after a message with file and line. */
bool ctl_conf(const struct ctl *ctl, struct cloud_conf *conf);

/* Writes a message to standard error, after the program's name. Control characters are escaped. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
