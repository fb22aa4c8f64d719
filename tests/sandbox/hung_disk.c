/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded: a disk that does not answer who opens a document of abcdefghij, while /run/hung is
 * there. */
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int openat64(int directory, const char *path, int flags, ...);
int openat(int directory, const char *path, int flags, ...) __attribute__((alias("openat64")));

int openat64(int directory, const char *path, int flags, ...)
{
    va_list more;
    int mode;

    va_start(more, flags);
    mode = va_arg(more, int);
    va_end(more);
    while (strncmp(path, "abcdefghij.", 11) == 0 && access("/run/hung", F_OK) == 0)
        usleep(1000);
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}
