/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_DAEMON_H
#define CLOUDAUTHD_DAEMON_H

#include <stdbool.h>

/* The daemon as a whole: its start, the reload of its settings, and its stop. */

struct notify;

struct daemon_options {
    const char *conf_path;
    bool foreground;
};

/*
 * Starts every subsystem, serves until SIGTERM or SIGINT, and stops the subsystems. SIGHUP reloads
 * the settings (cloudauthd(8)). To be called before the process has another thread. Returns the
 * exit status: 0 after a signal; EX_CONFIG (sysexits.h) if the settings are wrong at the start; 1
 * after any other failure. The log says why.
 */
int daemon_run(const struct daemon_options *options, struct notify *notify);

#endif
