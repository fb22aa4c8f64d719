/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_CTL_H
#define CLOUD_CTL_CTL_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>

/* cloudauthctl: a table of commands (main.c). Each command returns the exit status of the
 * program. */

enum {
    CTL_YES = 0,     /* the answer is yes, or the change is made */
    CTL_NO = 1,      /* no, refused, or something is wrong; the answer is printed */
    CTL_USAGE = 2,   /* the command line is wrong */
    CTL_UNKNOWN = 3, /* no answer from the daemon, the API or a file; or printing failed */
};

/* Returns the worse of two exit statuses: CTL_UNKNOWN is worse than CTL_NO. */
static inline int ctl_worse(int one, int other)
{
    return one > other ? one : other;
}

#define CTL_OPTIONS 8

struct ctl {
    bool json;
    const char *conf_path;
    const char *name, *command; /* the command's name: its first word, and all of it */
    char **word;                /* the arguments other than options, NULL-terminated */
    int words;
    struct {
        const char *name, *value;
        size_t n; /* length of the name, which is followed by "=VALUE" or a NUL */
    } option[CTL_OPTIONS];
    size_t options;
};

typedef int ctl_command(struct ctl *ctl);

ctl_command cmd_lookup, cmd_check, cmd_status, cmd_explain, cmd_keys, cmd_refresh, cmd_deny,
    cmd_undeny, cmd_doctor, cmd_hostkeys, cmd_edit, cmd_sessions, cmd_rebind, cmd_metrics;

/* Writes the usage of the command to standard error. Returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl);

/* Returns the value of an option such as "--title"; "" if the option takes no value, NULL if it is
 * not given. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Reads the host's settings from ctl->conf_path. On failure prints a message with file and line,
 * and returns false. */
bool ctl_conf(const struct ctl *ctl, struct cloud_conf *conf);

/* Writes a message to standard error, after the program's name. Control characters are escaped. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
