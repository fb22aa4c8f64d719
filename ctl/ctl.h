/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_CTL_H
#define CLOUD_CTL_CTL_H

#include "ctl/out.h"

#include "common/conf.h"

#include <stdbool.h>

/*
 * cloudauthctl: a table of subcommands. Each gets its arguments, argv[0] being its own name, with
 * --json already taken out, and returns the exit status.
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

/* How the command in argv[0] is called, on standard error. Returns CTL_USAGE. */
int ctl_usage(char **argv);

/* The host's settings; false after a message with file and line. */
bool ctl_conf(const struct ctl *ctl, struct cloud_conf *conf);

/* A message to standard error, behind the program's name; foreign bytes in it are escaped. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "2026-11-22 10:00:00 UTC", or "" for no time. */
void ctl_time(int64_t seconds, char *out, size_t size);

/* "30s", "10m", "2h", "7d" as seconds; false if it is none such. */
bool ctl_span(const char *text, int64_t *seconds);

#endif
