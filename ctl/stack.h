/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_STACK_H
#define CLOUD_CTL_STACK_H

#include <stdbool.h>

/* Called for a line of a PAM stack: its control, and its module as it stands there. Returns false
 * to stop. */
typedef bool stack_each(void *arg, const char *control, const char *module);

/* The module without its directory. */
const char *stack_module(const char *module);

/*
 * Calls each for every line of a type (such as "account") in a service's stack, in the order of
 * pam.d(5): lines of included files and substacks come in their place, at most eight deep. A file
 * that cannot be read has no lines.
 */
void stack_read(const char *service, const char *type, stack_each *each, void *arg);

#endif
