/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/edit.h"

#include "ctl/subject.h"
#include "ctl/tree.h"

#include "access/document.h"
#include "access/json.h"
#include "common/io.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK         ".lock"
#define LOCK_WAIT_MS 5000
#define LOCK_LOOK_MS 20
#define PLACES       "/{project}/{environment}.json"

/* Fills in conf and directory from the settings of the host. False after a message. */
static bool find_directory(const struct ctl *ctl, struct edit *edit)
{
    const char *url = NULL;
    size_t n;

    memset(edit, 0, sizeof *edit);
    edit->place = edit->lock = -1;
    if (!ctl_conf(ctl, &edit->conf))
        return false;
    url = edit->conf.access_url;
    n = strlen(url);
    if (strncmp(url, "file:///", 8) != 0 || n <= 7 + sizeof PLACES ||
        strcmp(url + n - (sizeof PLACES - 1), PLACES) != 0 ||
        strchr(url, '{') != url + n - (sizeof PLACES - 1) + 1) {
        ctl_say("access_url is %s: only file://DIRECTORY" PLACES " can be changed from here", url);
        return false;
    }
    if (edit->conf.signing_key[0] != '\0') {
        ctl_say("signing_key is set: a signed document is changed where it is signed");
        return false;
    }
    snprintf(edit->directory, sizeof edit->directory, "%.*s", (int)(n - 7 - (sizeof PLACES - 1)),
             url + 7);
    return true;
}

/* Whether the bytes are a valid document of the environment; prints why if not. *left_out is the
 * number of warnings that the document may have, and is set to the number that it has. */
static bool is_valid(const struct edit *edit, const char *body, size_t n, size_t *left_out)
{
    struct document_problem problem = {""};
    struct document *document = document_parse(body, n, edit->project, edit->environment, &problem);
    bool ok = document != NULL && document->warnings <= *left_out;

    if (document == NULL)
        ctl_say("%s: %s: %s", edit->path,
                edit->root == NULL ? "as it stands it is invalid" : "it would be invalid",
                problem.text);
    else if (!ok)
        ctl_say("%s: it would be left out: %s", edit->path,
                document->warning[document->warnings - 1]);
    else
        *left_out = document->warnings;
    document_free(document);
    return ok;
}

static bool read_document(struct edit *edit)
{
    size_t n = 0;
    char *body = tree_read(edit->path, DOCUMENT_SIZE_MAX, &n), *kept;
    bool ok;

    if (body == NULL && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (body == NULL) {
        ctl_say("%s: %s", edit->path, strerror(errno));
        return false;
    }
    edit->left_out = SIZE_MAX;
    ok = is_valid(edit, body, n, &edit->left_out);
    kept = ok ? json_keep_digits(body, n, &n) : NULL;
    if (kept != NULL)
        edit->root = cJSON_ParseWithLength(kept, n);
    free(kept);
    free(body);
    return ok && edit->root != NULL;
}

/* Opens the lock. Its mode lets only those users open it who may write in the directory, so that no
 * other user can hold the lock. */
static bool open_lock(struct edit *edit)
{
    struct stat directory, lock;
    mode_t mode;

    edit->lock =
        openat(edit->place, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (edit->lock < 0 || fstat(edit->place, &directory) != 0 || fstat(edit->lock, &lock) != 0)
        return false;
    mode = 0600 | (directory.st_mode & 022) | (directory.st_mode & 022) << 1;
    if (lock.st_uid != geteuid() || (lock.st_mode & 0777) == mode)
        return true;
    return fchown(edit->lock, (uid_t)-1, directory.st_gid) == 0 && fchmod(edit->lock, mode) == 0;
}

static bool wait_for_lock(const struct edit *edit)
{
    for (int waited = 0; flock(edit->lock, LOCK_EX | LOCK_NB) != 0; waited += LOCK_LOOK_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        if (waited >= LOCK_WAIT_MS) {
            errno = EBUSY;
            return false;
        }
        poll(NULL, 0, LOCK_LOOK_MS);
    }
    return true;
}

/* Whether the document is no symbolic link, which could lead to the document of another environment
 * or out of the directory. Prints a message if it is one. */
static bool is_no_link(const struct edit *edit)
{
    struct stat st;

    if (lstat(edit->path, &st) != 0 || !S_ISLNK(st.st_mode))
        return true;
    ctl_say("%s is a symbolic link: change what it leads to", edit->path);
    return false;
}

bool edit_start(const struct ctl *ctl, const char *environment, bool create, struct edit *edit)
{
    char subject[CLOUD_PROJECT_MAX + CLOUD_NAME_MAX + 8];
    struct cloud_name name;

    if (!find_directory(ctl, edit) ||
        !subject_environment(ctl, environment, subject, sizeof subject))
        return false;
    if (!cloud_name_split(subject, &name)) {
        ctl_say("%s: not PROJECT/ENVIRONMENT as login names can have it", environment);
        return false;
    }
    strcpy(edit->project, name.project);
    strcpy(edit->environment, name.environment);
    snprintf(edit->path, sizeof edit->path, "%s/%s/%s.json", edit->directory, edit->project,
             edit->environment);
    if (!create || mkdir(edit->directory, 0755) == 0 || errno == EEXIST)
        edit->place = open(edit->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (edit->place < 0 || !open_lock(edit) || !wait_for_lock(edit)) {
        ctl_say("%s%s: %s", edit->directory, edit->place < 0 ? "" : "/" LOCK, strerror(errno));
        return false;
    }
    return is_no_link(edit) && read_document(edit);
}

void edit_end(struct edit *edit)
{
    cJSON_Delete(edit->root);
    edit->root = NULL;
    if (edit->lock >= 0)
        close(edit->lock);
    if (edit->place >= 0)
        close(edit->place);
    edit->place = edit->lock = -1;
}

/* Writes the new file, with the owner and mode of the document that it will replace. */
static bool write_aside(const struct edit *edit, int directory, const char *aside, const char *text)
{
    int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    bool ok = fd >= 0 && io_write_all(fd, text, strlen(text));

    if (stat(edit->path, &st) == 0)
        ok = ok && fchown(fd, st.st_uid, st.st_gid) == 0 && fchmod(fd, st.st_mode & 0777) == 0;
    else
        ok = ok && fchmod(fd, 0644) == 0;
    ok = ok && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0 && close(fd) != 0 && ok)
        return false;
    errno = saved;
    return ok;
}

/* Replaces the document. A file that is there under the name of the new one was left by a crash,
 * because this process holds the lock. */
static bool replace(const struct edit *edit, const char *text)
{
    char aside[CLOUD_NAME_MAX + 16], name[CLOUD_NAME_MAX + 8];
    bool ok = false;
    int directory, saved;

    if (mkdirat(edit->place, edit->project, 0755) != 0 && errno != EEXIST)
        return false;
    directory = openat(edit->place, edit->project, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    snprintf(name, sizeof name, "%s.json", edit->environment);
    snprintf(aside, sizeof aside, ".%s.new", name);
    (void)unlinkat(directory, aside, 0);
    ok = write_aside(edit, directory, aside, text) &&
         renameat(directory, aside, directory, name) == 0;
    if (!ok) {
        saved = errno;
        unlinkat(directory, aside, 0);
        errno = saved;
    } else if (fsync(directory) != 0 || fsync(edit->place) != 0) {
        ctl_say("%s is changed, but a crash could bring the old one back", edit->path);
        ok = false;
    }
    saved = errno;
    close(directory);
    errno = saved;
    return ok;
}

int edit_write(struct edit *edit)
{
    char *text = cJSON_Print(edit->root);
    int status = CTL_NO;

    if (text == NULL) {
        ctl_say("out of memory");
        return CTL_UNKNOWN;
    }
    if (is_valid(edit, text, strlen(text), &edit->left_out)) {
        status = replace(edit, text) ? CTL_YES : CTL_UNKNOWN;
        if (status != CTL_YES)
            ctl_say("%s: %s", edit->path, strerror(errno));
    }
    free(text);
    return status;
}
