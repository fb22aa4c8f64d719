/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lines.h"

#include "ctl/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE_MAX_READ (1u << 20)

/* Calls each for the lines of n bytes; the buffer has space for one more. */
static void give(char *bytes, size_t n, bool comments, lines_each *each, void *arg)
{
    char *at = bytes;

    bytes[n] = '\0';
    while (*at != '\0') {
        char *end = at + strcspn(at, "\n"), *next = *end == '\0' ? end : end + 1;
        *end = '\0';
        if (comments)
            at[strcspn(at, "#")] = '\0';
        if (!each(arg, at))
            return;
        at = next;
    }
}

bool lines_read(const char *path, bool comments, lines_each *each, void *arg)
{
    size_t n = 0;
    char *bytes = tree_read(path, SIZE_MAX_READ, &n);

    if (bytes == NULL)
        return false;
    if (n <= SIZE_MAX_READ)
        give(bytes, n, comments, each, arg);
    else
        errno = EFBIG;
    free(bytes);
    return n <= SIZE_MAX_READ;
}

static void run_child(char *const argv[], int out)
{
    static char *const environment[] = {NULL};
    int null = open("/dev/null", O_RDONLY);

    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0)
        execve(argv[0], argv, environment);
    _exit(127);
}

/* Reads to the end, and drops what does not fit. */
static size_t read_output(int fd, char *bytes)
{
    size_t used = 0;
    char rest[4096] = "";
    ssize_t got;

    do {
        bool fits = used < SIZE_MAX_READ;
        got = read(fd, fits ? bytes + used : rest, fits ? SIZE_MAX_READ - used : sizeof rest);
        if (got > 0 && fits)
            used += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return used;
}

bool lines_run(char *const argv[], lines_each *each, void *arg, int *status)
{
    char *bytes = malloc(SIZE_MAX_READ + 1);
    int ends[2] = {-1, -1};
    pid_t child = -1;
    size_t n = 0;

    if (bytes != NULL && pipe2(ends, O_CLOEXEC) == 0)
        child = fork();
    if (child == 0)
        run_child(argv, ends[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (child > 0) {
        n = read_output(ends[0], bytes);
        while (waitpid(child, status, 0) < 0 && errno == EINTR)
            ;
        give(bytes, n, false, each, arg);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    free(bytes);
    return child > 0;
}

char *lines_word(char **at)
{
    char *word = *at + strspn(*at, " \t\r");
    size_t n = strcspn(word, word[0] == '[' ? "]" : " \t\r");

    if (*word == '\0')
        return NULL;
    if (word[0] == '[' && word[n] == ']')
        n++;
    *at = word + n;
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}
