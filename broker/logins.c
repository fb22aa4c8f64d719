/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/logins.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_MAX     4096
#define FIELD_PARENT 4 /* of /proc/PID/stat, counted from 1 as proc(5) does */
#define FIELD_START  22

/* The processes and the ages stand apart from the rest, so that a search walks little memory. */
struct logins {
    struct process monitor[LOGINS_MAX];
    uint64_t used[LOGINS_MAX]; /* order of use; 0: free */
    struct login login[LOGINS_MAX];
    uint64_t clock;
};

/* Reads /proc/PID/stat; false if there is no such process. */
static bool read_stat(pid_t pid, char *out, size_t size)
{
    char path[64];
    struct cloud_text text;
    ssize_t got = -1;
    int fd;

    if (pid <= 0)
        return false;
    cloud_text_start(&text, path, sizeof path);
    cloud_text_add(&text, "/proc/");
    cloud_text_add_number(&text, (uint64_t)pid);
    cloud_text_add(&text, "/stat");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    do
        got = read(fd, out, size - 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    if (got <= 0)
        return false;
    out[got] = '\0';
    return true;
}

/* The number in a field after the command's name, which may itself hold spaces and brackets. */
static bool field(const char *stat, unsigned wanted, uint64_t *out)
{
    const char *at = strrchr(stat, ')');

    if (at == NULL || at[1] != ' ')
        return false;
    at += 2;
    for (unsigned number = 3; number < wanted; number++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
    }
    return cloud_number(at, strcspn(at, " \n"), UINT64_MAX, out);
}

bool process_find(pid_t pid, struct process *out)
{
    char stat[STAT_MAX];
    uint64_t start;

    if (!read_stat(pid, stat, sizeof stat) || !field(stat, FIELD_START, &start))
        return false;
    *out = (struct process){pid, start};
    return true;
}

bool process_find_parent(pid_t child, struct process *out)
{
    char stat[STAT_MAX];
    uint64_t parent;

    return read_stat(child, stat, sizeof stat) && field(stat, FIELD_PARENT, &parent) &&
           parent > 0 && parent <= INT32_MAX && process_find((pid_t)parent, out);
}

struct logins *logins_new(void)
{
    return calloc(1, sizeof(struct logins));
}

void logins_free(struct logins *logins)
{
    free(logins);
}

static bool is_same(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* The monitor's place, or LOGINS_MAX. */
static size_t find_place(const struct logins *logins, const struct process *monitor)
{
    size_t i = 0;

    while (i < LOGINS_MAX && !(is_same(&logins->monitor[i], monitor) && logins->used[i] != 0))
        i++;
    return i;
}

static size_t oldest_place(const struct logins *logins)
{
    size_t oldest = 0;

    for (size_t i = 1; i < LOGINS_MAX; i++)
        if (logins->used[i] < logins->used[oldest])
            oldest = i;
    return oldest;
}

struct login *logins_remember(struct logins *logins, const struct process *monitor,
                              const char *account,
                              const unsigned char fingerprint[KEY_FINGERPRINT_SIZE])
{
    size_t place = find_place(logins, monitor);
    struct login *login;

    if (strlen(account) >= sizeof login->account)
        return NULL;
    if (place == LOGINS_MAX)
        place = oldest_place(logins);
    login = &logins->login[place];
    memset(login, 0, sizeof *login);
    strcpy(login->account, account);
    memcpy(login->fingerprint, fingerprint, KEY_FINGERPRINT_SIZE);
    logins->monitor[place] = *monitor;
    logins->used[place] = ++logins->clock;
    return login;
}

struct login *logins_find(struct logins *logins, const struct process *monitor, const char *account)
{
    size_t place = find_place(logins, monitor);

    if (place == LOGINS_MAX || strcmp(logins->login[place].account, account) != 0)
        return NULL;
    return &logins->login[place];
}
