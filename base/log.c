/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/devlog.h"

#include <errno.h>
#include <paths.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

void log_open(bool to_stderr)
{
    devlog_open(_PATH_LOG, to_stderr);
}

__attribute__((format(printf, 2, 0))) static void log_line(int priority, const char *format,
                                                           va_list arguments)
{
    char line[1024];
    int saved = errno;

    if (vsnprintf(line, sizeof line, format, arguments) >= 0)
        devlog_write(LOG_DAEMON | priority, line);
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
