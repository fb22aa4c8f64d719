/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

void log_open(bool to_stderr)
{
    openlog("cloudauthd", LOG_PID | LOG_NDELAY | (to_stderr ? LOG_PERROR : 0), LOG_DAEMON);
}

__attribute__((format(printf, 2, 0))) static void log_line(int priority, const char *format,
                                                           va_list arguments)
{
    char line[1024];
    int saved = errno;

    if (vsnprintf(line, sizeof line, format, arguments) >= 0) {
        for (char *c = line; *c != '\0'; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                *c = '?';
        syslog(priority, "%s", line);
    }
    errno = saved;
}

void log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(LOG_ERR, format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(LOG_WARNING, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(LOG_INFO, format, arguments);
    va_end(arguments);
}
