/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_STACK_H
#define CLOUD_CTL_STACK_H

#include <stdbool.h>

/* A line of a PAM stack: its control, and its module without the folder. False: no more. */
typedef bool stack_each(void *arg, const char *control, const char *module);

/*
 * Calls each for the lines of that type ("account") in a service's stack as pam.d(5) has it, those
 * of included files and substacks in their place, eight deep at most. A file that cannot be read
 * has no lines.
 */
void stack_read(const char *service, const char *type, stack_each *each, void *arg);

#endif
