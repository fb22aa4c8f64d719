/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/faults.h"

#ifdef CLOUD_NSS_FAULTS

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_for_append(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    /* Whatever umask the first caller has; a later one is another user and may not do it. */
    if (fd >= 0 && fchmod(fd, 0666) != 0)
        errno = 0;
    return fd;
}

/* The number of this call, or 0. O_APPEND leaves the offset behind the byte that we wrote. */
static uint64_t next_number(void)
{
    int fd = open_for_append(CLOUD_NSS_FAULTS_DIR "/count");
    off_t number = 0;

    if (fd < 0)
        return 0;
    if (write(fd, ".", 1) == 1)
        number = lseek(fd, 0, SEEK_CUR);
    close(fd);
    return number > 0 ? (uint64_t)number : 0;
}

static void note_call(uint64_t number, const char *function, const char *name, uint32_t id)
{
    char line[512];
    struct cloud_text text;
    int fd = open_for_append(CLOUD_NSS_FAULTS_DIR "/calls");

    if (fd < 0)
        return;
    cloud_text_start(&text, line, sizeof line);
    cloud_text_add_number(&text, number);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, function);
    cloud_text_add(&text, " ");
    if (name != NULL)
        cloud_text_add(&text, name);
    else
        cloud_text_add_number(&text, id);
    cloud_text_add(&text, "\n");
    if (write(fd, line, text.used) < 0)
        errno = 0;
    close(fd);
}

static bool status_of(const char *word, enum nss_status *status)
{
    if (strcmp(word, "NOTFOUND") == 0)
        *status = NSS_STATUS_NOTFOUND;
    else if (strcmp(word, "UNAVAIL") == 0)
        *status = NSS_STATUS_UNAVAIL;
    else if (strcmp(word, "TRYAGAIN") == 0)
        *status = NSS_STATUS_TRYAGAIN;
    else
        return false;
    return true;
}

/* Whether a line of `fail` names this call. Cuts the line in two. */
static bool line_names(char *line, uint64_t number, enum nss_status *status)
{
    char *space = strchr(line, ' ');
    uint64_t named;

    if (space == NULL)
        return false;
    *space = '\0';
    if (strcmp(line, "all") != 0 &&
        !(cloud_number(line, strlen(line), UINT64_MAX, &named) && named == number))
        return false;
    return status_of(space + 1, status);
}

static bool told_to_fail(uint64_t number, enum nss_status *status)
{
    char lines[4096], *line = lines, *save = NULL;
    int fd = open(CLOUD_NSS_FAULTS_DIR "/fail", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, lines, sizeof lines - 1);
    close(fd);
    lines[got > 0 ? got : 0] = '\0';
    for (line = strtok_r(lines, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (line_names(line, number, status))
            return true;
    return false;
}

bool fault_injected(const char *function, const char *name, uint32_t id, enum nss_status *status,
                    int *errnop)
{
    int saved = errno;
    uint64_t number = next_number();
    bool fail = false;

    if (number != 0) {
        note_call(number, function, name, id);
        fail = told_to_fail(number, status);
    }
    errno = saved;
    if (fail && *status != NSS_STATUS_NOTFOUND)
        *errnop = EAGAIN;
    return fail;
}

#endif
