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

bool edit_directory(const struct ctl *ctl, struct edit *edit)
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

/* Whether the bytes are a document for that environment, with the message if not. *left_out is how
 * much of it may not be read, and becomes how much is not. */
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

/* The lock's mode lets those open it who may write in the directory, so that no other user can hold
 * it. */
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

/* A symbolic link could lead to another environment's document, or out of the directory. */
static bool is_no_link(const struct edit *edit)
{
    struct stat st;

    if (lstat(edit->path, &st) != 0 || !S_ISLNK(st.st_mode))
        return true;
    ctl_say("%s is a symbolic link: change what it leads to", edit->path);
    return false;
}

bool edit_start(const struct ctl *ctl, const char *environment, bool change, struct edit *edit)
{
    char subject[CLOUD_PROJECT_MAX + CLOUD_NAME_MAX + 8];
    struct cloud_name name;

    if (!edit_directory(ctl, edit) ||
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
    edit->place = open(edit->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (edit->place < 0 || (change && (!open_lock(edit) || !wait_for_lock(edit)))) {
        ctl_say("%s%s: %s", edit->directory, edit->place < 0 ? "" : "/" LOCK, strerror(errno));
        return false;
    }
    return (!change || is_no_link(edit)) && read_document(edit);
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

/* ---- The changes ---- */

static cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is_text(const cJSON *object, const char *name, const char *text)
{
    const cJSON *value = member(object, name);

    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

static bool add_text(cJSON *object, const char *name, const char *text)
{
    return text == NULL || text[0] == '\0' || cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool no_memory(void)
{
    ctl_say("out of memory");
    return false;
}

bool edit_create(struct edit *edit, const struct edit_account *account)
{
    cJSON *root, *environment, *of_account;

    if (edit->root != NULL) {
        ctl_say("%s is there already", edit->path);
        return false;
    }
    edit->root = root = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(root, "version", 1) == NULL ||
        !add_text(root, "project", edit->project) ||
        (environment = cJSON_AddObjectToObject(root, "environment")) == NULL ||
        !add_text(environment, "name", edit->environment) ||
        !add_text(environment, "status", "active") ||
        !add_text(environment, "title", account->title) ||
        (of_account = cJSON_AddObjectToObject(root, "account")) == NULL ||
        cJSON_AddNumberToObject(of_account, "uid", account->uid) == NULL ||
        cJSON_AddNumberToObject(of_account, "gid", account->gid) == NULL ||
        !add_text(of_account, "home", account->home) ||
        !add_text(of_account, "shell", account->shell) ||
        cJSON_AddArrayToObject(root, "users") == NULL)
        return no_memory();
    return true;
}

/* The list that the change adds to. NULL, after a message, if it is none. */
static cJSON *list_of(const struct edit *edit, const cJSON *object, const char *name)
{
    cJSON *list = member(object, name);

    if (cJSON_IsArray(list))
        return list;
    ctl_say("%s: %s is not a list", edit->path, name);
    return NULL;
}

/* The user's object and its index in `users`, or NULL. */
static cJSON *find_user(const struct edit *edit, const char *username, int *index)
{
    cJSON *user;

    *index = 0;
    cJSON_ArrayForEach(user, member(edit->root, "users"))
    {
        if (is_text(user, "username", username))
            return user;
        ++*index;
    }
    return NULL;
}

/* The same; NULL after a message, also where there is no document. */
static cJSON *need_user(const struct edit *edit, const char *username, int *index)
{
    cJSON *user = edit->root == NULL ? NULL : find_user(edit, username, index);

    if (edit->root == NULL)
        ctl_say("%s: there is no such environment", edit->path);
    else if (user == NULL)
        ctl_say("%s: there is no user %s", edit->path, username);
    return user;
}

bool edit_add_user(struct edit *edit, const char *username, const char *id, const char *mail,
                   const char *role)
{
    cJSON *users, *user;
    int index;

    if (edit->root == NULL) {
        ctl_say("%s: there is no such environment", edit->path);
        return false;
    }
    if (find_user(edit, username, &index) != NULL) {
        ctl_say("%s: there is a user %s already", edit->path, username);
        return false;
    }
    users = list_of(edit, edit->root, "users");
    if (users == NULL)
        return false;
    user = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(users, user) || !add_text(user, "id", id) ||
        !add_text(user, "username", username) || !add_text(user, "mail", mail) ||
        !add_text(user, "role", role) || cJSON_AddArrayToObject(user, "ssh_keys") == NULL)
        return no_memory();
    return true;
}

bool edit_remove_user(struct edit *edit, const char *username)
{
    int index;

    if (need_user(edit, username, &index) == NULL)
        return false;
    /* A document that other tools wrote may contain the user twice. */
    do
        cJSON_DeleteItemFromArray(member(edit->root, "users"), index);
    while (find_user(edit, username, &index) != NULL);
    return true;
}

static bool has_fingerprint(const cJSON *of_key, const char *fingerprint)
{
    const cJSON *value = member(of_key, "value");
    char text[KEY_FINGERPRINT_TEXT];
    struct key key;
    const char *why;

    if (!cJSON_IsString(value) || !keys_parse_line(value->valuestring, &key, &why))
        return false;
    keys_fingerprint_text(key.fingerprint, text);
    return strcmp(text, fingerprint) == 0;
}

/* The index of the user's key, or -1. */
static int find_key(const cJSON *user, const char *fingerprint)
{
    const cJSON *key;
    int index = 0;

    cJSON_ArrayForEach(key, member(user, "ssh_keys"))
    {
        if (has_fingerprint(key, fingerprint))
            return index;
        index++;
    }
    return -1;
}

bool edit_add_key(struct edit *edit, const char *username, const char *line, const char *title,
                  const char *expires)
{
    char fingerprint[KEY_FINGERPRINT_TEXT];
    struct key parsed;
    const char *why;
    int index;
    cJSON *user = need_user(edit, username, &index), *key;
    cJSON *keys = user == NULL ? NULL : list_of(edit, user, "ssh_keys");

    if (keys == NULL || !keys_parse_line(line, &parsed, &why))
        return false;
    keys_fingerprint_text(parsed.fingerprint, fingerprint);
    if (find_key(user, fingerprint) >= 0) {
        ctl_say("%s: %s has that key already", edit->path, username);
        return false;
    }
    key = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(keys, key) || !add_text(key, "title", title) ||
        !add_text(key, "value", line) || !add_text(key, "expires_at", expires))
        return no_memory();
    return true;
}

/* Removes the key from a user's object. Returns how many times it was there. */
static size_t remove_key(cJSON *user, const char *fingerprint)
{
    size_t n = 0;
    int at;

    for (; (at = find_key(user, fingerprint)) >= 0; n++)
        cJSON_DeleteItemFromArray(member(user, "ssh_keys"), at);
    return n;
}

bool edit_remove_key(struct edit *edit, const char *username, const char *fingerprint)
{
    size_t n = 0;
    int index;
    cJSON *user = need_user(edit, username, &index);

    if (user == NULL)
        return false;
    /* A document that other tools wrote may contain the user and the key twice. */
    cJSON_ArrayForEach(user, member(edit->root, "users"))
    {
        if (is_text(user, "username", username))
            n += remove_key(user, fingerprint);
    }
    if (n == 0)
        ctl_say("%s: %s does not have the key %s", edit->path, username, fingerprint);
    return n > 0;
}

/* The list of mounts, and the index of the one with that path in it, or -1. */
static cJSON *find_mount(const struct edit *edit, const char *path, int *index)
{
    cJSON *mounts = member(member(edit->root, "sftp"), "mounts"), *mount;
    int at = 0;

    *index = -1;
    cJSON_ArrayForEach(mount, mounts)
    {
        if (is_text(mount, "path", path))
            *index = at;
        at++;
    }
    return mounts;
}

bool edit_add_mount(struct edit *edit, const char *path, bool writable)
{
    int index;
    cJSON *mounts = find_mount(edit, path, &index), *sftp, *mount;

    if (edit->root == NULL || index >= 0) {
        ctl_say(index >= 0 ? "%s: %s is listed already" : "%s: there is no such environment",
                edit->path, path);
        return false;
    }
    if (!cJSON_IsArray(mounts)) {
        /* Neither may be there, or be null or PHP's empty array. */
        sftp = member(edit->root, "sftp");
        if (!cJSON_IsObject(sftp)) {
            cJSON_DeleteItemFromObjectCaseSensitive(edit->root, "sftp");
            sftp = cJSON_AddObjectToObject(edit->root, "sftp");
        }
        cJSON_DeleteItemFromObjectCaseSensitive(sftp, "mounts");
        mounts = cJSON_AddArrayToObject(sftp, "mounts");
    }
    mount = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(mounts, mount) ||
        cJSON_AddStringToObject(mount, "path", path) == NULL ||
        cJSON_AddBoolToObject(mount, "writable", writable) == NULL)
        return no_memory();
    return true;
}

bool edit_remove_mount(struct edit *edit, const char *path)
{
    bool found = false;
    cJSON *mounts;
    int index;

    while ((mounts = find_mount(edit, path, &index)) != NULL && index >= 0) {
        cJSON_DeleteItemFromArray(mounts, index);
        found = true;
    }
    if (!found)
        ctl_say("%s: there is no mount %s", edit->path, path);
    return found;
}

/* ---- The file ---- */

/* Owner and mode are those of the document that it will replace. */
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

/* A file aside is one that a crash left: this process holds the lock. */
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
        (void)no_memory();
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
