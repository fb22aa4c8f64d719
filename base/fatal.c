/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fatal.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fatal(const char *format, ...)
{
    char reason[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    log_error("%s", reason);
    log_error("cloudauthd ends because of a failure");
    _exit(1); /* not exit(3), whose handlers must not run beside other threads */
}

void *xcalloc(size_t n, size_t size)
{
    void *memory = calloc(n, size);

    if (memory == NULL)
        fatal("out of memory");
    return memory;
}

char *xstrdup(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        fatal("out of memory");
    return copy;
}
