/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_CTL_H
#define CLOUD_CTL_CTL_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>

/*
 * cloudauthctl: a table of commands. Each gets its arguments without --json, argv[0] being its own
 * name, and returns the exit status.
 */

enum {
    CTL_YES = 0,   /* yes, or done */
    CTL_NO = 1,    /* no, refused, or something is wrong; the answer is printed */
    CTL_USAGE = 2, /* the command line makes no sense */
    CTL_UNKNOWN =
        3, /* no answer: of the daemon, the project API or a file; or it cannot be printed */
};

struct ctl {
    bool json;
    const char *conf_path;
};

typedef int ctl_command(struct ctl *ctl, int argc, char **argv);

ctl_command cmd_lookup, cmd_check, cmd_status, cmd_explain, cmd_keys, cmd_refresh, cmd_deny,
    cmd_undeny, cmd_doctor, cmd_env, cmd_user, cmd_key, cmd_sessions, cmd_rebind, cmd_metrics;

/* Writes the usage of the command in argv[0] to standard error. Returns CTL_USAGE. */
int ctl_usage(char **argv);

/* Reads the host's settings. False after a message with file and line. */
bool ctl_conf(const struct ctl *ctl, struct cloud_conf *conf);

/* Writes a message to standard error, after the program's name. Control characters are escaped. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "2026-11-22 10:00:00 UTC", or "" for no time. */
void ctl_time(int64_t seconds, char *out, size_t size);

/* Parses a span such as "30s", "10m", "2h" or "7d" into seconds. */
bool ctl_span(const char *text, int64_t *seconds);

#endif
