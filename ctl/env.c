/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/edit.h"
#include "ctl/subject.h"
#include "ctl/tree.h"

#include "access/fields.h"
#include "access/keys.h"
#include "access/local_ids.h"

#include "common/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The value of an option, or `otherwise` if the option is not given. */
static const char *wish(const struct ctl *ctl, const char *option, const char *otherwise)
{
    const char *value = ctl_option(ctl, option);

    return value == NULL ? otherwise : value;
}

/* ---- The document ---- */

static cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is_text(const cJSON *object, const char *name, const char *text)
{
    const cJSON *value = member(object, name);

    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

/* Whether the text names this object of a list. */
typedef bool is_named(const cJSON *object, const char *text);

static bool is_user(const cJSON *object, const char *username)
{
    return is_text(object, "username", username);
}

static bool is_mount(const cJSON *object, const char *path)
{
    return is_text(object, "path", path);
}

static bool is_key(const cJSON *object, const char *fingerprint)
{
    const cJSON *value = member(object, "value");
    char text[KEY_FINGERPRINT_TEXT];
    struct key key;
    const char *why;

    if (!cJSON_IsString(value) || !keys_parse_line(value->valuestring, &key, &why))
        return false;
    keys_fingerprint_text(key.fingerprint, text);
    return strcmp(text, fingerprint) == 0;
}

/* The first object that the text names, or NULL. */
static cJSON *find(const cJSON *list, is_named *named, const char *text)
{
    cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (named(item, text))
            return item;
    }
    return NULL;
}

/* Removes all objects that the text names; a document that other tools wrote may have more than
 * one. Returns their number. */
static size_t remove_all(cJSON *list, is_named *named, const char *text)
{
    size_t n = 0;

    for (cJSON *item; (item = find(list, named, text)) != NULL; n++)
        cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
    return n;
}

static bool add_text(cJSON *object, const char *name, const char *text)
{
    return text[0] == '\0' || cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool no_memory(void)
{
    ctl_say("out of memory");
    return false;
}

/* The member of that name, which must be a list. NULL, after a message, if it is not. */
static cJSON *list_of(const struct edit *edit, const cJSON *object, const char *name)
{
    cJSON *list = member(object, name);

    if (cJSON_IsArray(list))
        return list;
    ctl_say("%s: %s is not a list", edit->path, name);
    return NULL;
}

/* ---- The commands ---- */

/* Changes the document in memory. False after a message. */
typedef bool document_change(const struct ctl *ctl, struct edit *edit);
static document_change create;

/* Makes the change, and prints the path of the document. */
static int run(const struct ctl *ctl, document_change *change)
{
    static struct edit edit;
    bool creates = change == create;
    int status = CTL_NO;
    struct out out;

    if (edit_start(ctl, ctl->word[0], creates, &edit)) {
        if (creates == (edit.root != NULL))
            ctl_say("%s%s", edit.path,
                    creates ? " is there already" : ": there is no such environment");
        else if (change(ctl, &edit))
            status = edit_write(&edit);
    }
    if (status == CTL_YES) {
        out_start(&out, ctl->json);
        out_pair(&out, creates ? "created" : "written", edit.path);
        if (!out_end(&out))
            status = CTL_UNKNOWN;
    }
    edit_end(&edit);
    return status;
}

/* ---- env ---- */

/* What a new document says of its account. */
static struct {
    uint32_t uid, gid;
    const char *home, *shell;
} account;

static bool is_taken(const struct tree *tree, const struct local_ids *local_ids, uint32_t id)
{
    for (size_t i = 0; i < tree->n; i++) {
        const struct document *document = tree->checked[i].document;
        if (document != NULL && (document->uid == id || document->gid == id))
            return true;
    }
    return local_ids_has_uid(local_ids, id) || local_ids_has_gid(local_ids, id) ||
           local_ids_is_subordinate(local_ids, id, id);
}

/* An id above the highest uid of all documents, so that no environment gets the id of another
 * one. */
static uint32_t free_id(const struct cloud_conf *conf, const struct tree *tree,
                        const struct local_ids *local_ids)
{
    uint32_t id = conf->uid_min;

    for (size_t i = 0; i < tree->n; i++) {
        const struct document *document = tree->checked[i].document;
        if (document != NULL && cloud_conf_has_id(conf, document->uid) && document->uid >= id)
            id = document->uid + 1;
    }
    while (id <= conf->uid_max && is_taken(tree, local_ids, id))
        id++;
    return id;
}

static bool read_id(const char *text, uint32_t otherwise, uint32_t *out)
{
    uint64_t number = otherwise;

    if (text != NULL && !cloud_text_read_number(text, strlen(text), UINT32_MAX, &number)) {
        ctl_say("%s: not a number", text);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* Fills in `account` from the options and the defaults, and checks that this host would take it. */
static bool plan_account(const struct ctl *ctl, const struct edit *edit)
{
    static const struct signers none;
    static char home[CLOUD_NAME_MAX + 8];
    char plain[CLOUD_NAME_MAX + 1] = "";
    struct local_ids *local_ids = local_ids_new();
    struct tree tree = {0};
    bool ok = local_ids != NULL && local_ids_refresh(local_ids) &&
              tree_add_directory(&tree, edit->directory, &none);

    if (ok && !cloud_name_plain(&edit->conf.grammar, edit->project, edit->environment, plain)) {
        ctl_say("%s/%s has no login name under this host's grammar", edit->project,
                edit->environment);
        ok = false;
    }
    snprintf(home, sizeof home, "/app/%s", plain);
    account.home = wish(ctl, "--home", home);
    account.shell = wish(ctl, "--shell", "/bin/bash");
    ok = ok &&
         read_id(ctl_option(ctl, "--uid"), free_id(&edit->conf, &tree, local_ids), &account.uid) &&
         read_id(ctl_option(ctl, "--gid"), account.uid, &account.gid);
    if (ok &&
        (!cloud_conf_has_id(&edit->conf, account.uid) ||
         !cloud_conf_has_id(&edit->conf, account.gid) || is_taken(&tree, local_ids, account.uid) ||
         is_taken(&tree, local_ids, account.gid))) {
        ctl_say("uid %u and gid %u: not in this host's range %u-%u, or in use", account.uid,
                account.gid, edit->conf.uid_min, edit->conf.uid_max);
        ok = false;
    }
    if (ok && !cloud_conf_has_home(&edit->conf, account.home)) {
        ctl_say("home %s: this host's homes does not allow it", account.home);
        ok = false;
    }
    tree_free(&tree);
    local_ids_free(local_ids);
    return ok;
}

static bool create(const struct ctl *ctl, struct edit *edit)
{
    cJSON *root, *environment, *of_account;

    if (!plan_account(ctl, edit))
        return false;
    edit->root = root = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(root, "version", 1) == NULL ||
        !add_text(root, "project", edit->project) ||
        (environment = cJSON_AddObjectToObject(root, "environment")) == NULL ||
        !add_text(environment, "name", edit->environment) ||
        !add_text(environment, "status", "active") ||
        !add_text(environment, "title", wish(ctl, "--title", "")) ||
        (of_account = cJSON_AddObjectToObject(root, "account")) == NULL ||
        cJSON_AddNumberToObject(of_account, "uid", account.uid) == NULL ||
        cJSON_AddNumberToObject(of_account, "gid", account.gid) == NULL ||
        !add_text(of_account, "home", account.home) ||
        !add_text(of_account, "shell", account.shell) ||
        cJSON_AddArrayToObject(root, "users") == NULL)
        return no_memory();
    return true;
}

/* Whether only root can change what a path leads to: each directory above it belongs to root, is
 * writable by no other user, and is no symbolic link. */
static bool is_guarded(const char *path)
{
    char above[PATH_MAX];
    struct stat st;

    if (path[0] != '/' || strlen(path) >= sizeof above)
        return false;
    strcpy(above, path);
    for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
        *slash = '\0';
        if (lstat(slash == above ? "/" : above, &st) != 0 || !S_ISDIR(st.st_mode) ||
            st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            return false;
    }
    return true;
}

/* Makes a directory if there is nothing at the path and only root can change the directory above,
 * which may be reached by a link that root made. False with errno. */
static bool make(const char *path, mode_t mode)
{
    char above[PATH_MAX], real[PATH_MAX + 2];

    snprintf(above, sizeof above, "%.*s/", (int)(strrchr(path, '/') - path), path);
    if (realpath(above, real) == NULL)
        return false;
    strcat(real, "/x");
    errno = EPERM;
    return is_guarded(real) && (mkdir(path, mode) == 0 || errno == EEXIST);
}

/*
 * Makes the home directory of an account, with mode 0750 and the account as its owner, and the
 * missing directories above it, with mode 0755. What exists stays as it is. Prints a message if
 * that fails, or if another user than root may write in a directory above the home and so could
 * choose where it is made.
 */
static void make_home(const char *path, uint32_t uid, uint32_t gid)
{
    char part[PATH_MAX];
    struct stat st;
    bool ok = true;

    if (lstat(path, &st) == 0)
        return;
    if (path[0] != '/' || strlen(path) >= sizeof part || path[strlen(path) - 1] == '/') {
        ctl_say("%s: not a path that a home can be made at", path);
        return;
    }
    for (const char *slash = path; ok && (slash = strchr(slash + 1, '/')) != NULL;) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        ok = make(part, 0755);
    }
    /* Only root can put something else at the path now. */
    ok = ok && make(path, 0700);
    if (ok && errno != EEXIST)
        ok = chmod(path, 0750) == 0 && chown(path, uid, gid) == 0;
    if (!ok)
        ctl_say("the home %s is not made: %s", path,
                errno == EPERM ? "another user than root may write in a directory above it"
                               : strerror(errno));
}

int cmd_env_create(struct ctl *ctl)
{
    int status = run(ctl, create);

    /* Without a home sshd would start the shell in /, with a message. */
    if (status == CTL_YES)
        make_home(account.home, account.uid, account.gid);
    return status;
}

static bool add_mount(const struct ctl *ctl, struct edit *edit)
{
    const char *path = ctl->word[1];
    cJSON *sftp = member(edit->root, "sftp"), *mounts = member(sftp, "mounts"), *mount;

    if (find(mounts, is_mount, path) != NULL) {
        ctl_say("%s: %s is listed already", edit->path, path);
        return false;
    }
    if (!cJSON_IsArray(mounts)) {
        /* `sftp` and `mounts` may be missing, be null, or be PHP's empty array. */
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
        cJSON_AddBoolToObject(mount, "writable", ctl_option(ctl, "--writable") != NULL) == NULL)
        return no_memory();
    return true;
}

int cmd_env_mount_add(struct ctl *ctl)
{
    return run(ctl, add_mount);
}

static bool remove_mount(const struct ctl *ctl, struct edit *edit)
{
    if (remove_all(member(member(edit->root, "sftp"), "mounts"), is_mount, ctl->word[1]) > 0)
        return true;
    ctl_say("%s: there is no mount %s", edit->path, ctl->word[1]);
    return false;
}

int cmd_env_mount_remove(struct ctl *ctl)
{
    return run(ctl, remove_mount);
}

/* ---- user ---- */

static bool add_user(const struct ctl *ctl, struct edit *edit)
{
    const char *username = ctl->word[1];
    cJSON *users = list_of(edit, edit->root, "users"), *user;

    if (users == NULL)
        return false;
    if (find(users, is_user, username) != NULL) {
        ctl_say("%s: there is a user %s already", edit->path, username);
        return false;
    }
    user = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(users, user) || !add_text(user, "id", wish(ctl, "--id", username)) ||
        !add_text(user, "username", username) || !add_text(user, "mail", wish(ctl, "--mail", "")) ||
        !add_text(user, "role", wish(ctl, "--role", "contributor")) ||
        cJSON_AddArrayToObject(user, "ssh_keys") == NULL)
        return no_memory();
    return true;
}

int cmd_user_add(struct ctl *ctl)
{
    const char *role = ctl_option(ctl, "--role");

    if (role == NULL || document_role_known(role))
        return run(ctl, add_user);
    ctl_say("--role %s: not a role; the roles are sftp, viewer, contributor and admin", role);
    return CTL_USAGE;
}

static bool no_user(const struct edit *edit, const char *username)
{
    ctl_say("%s: there is no user %s", edit->path, username);
    return false;
}

static bool remove_user(const struct ctl *ctl, struct edit *edit)
{
    return remove_all(member(edit->root, "users"), is_user, ctl->word[1]) > 0 ||
           no_user(edit, ctl->word[1]);
}

int cmd_user_remove(struct ctl *ctl)
{
    return run(ctl, remove_user);
}

/* ---- key ---- */

static struct subject_key key; /* that the command line names */

static bool add_key(const struct ctl *ctl, struct edit *edit)
{
    const char *username = ctl->word[1];
    cJSON *user = find(member(edit->root, "users"), is_user, username), *keys, *item;

    if (user == NULL)
        return no_user(edit, username);
    keys = list_of(edit, user, "ssh_keys");
    if (keys == NULL)
        return false;
    if (find(keys, is_key, key.fingerprint) != NULL) {
        ctl_say("%s: %s has that key already", edit->path, username);
        return false;
    }
    item = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(keys, item) || !add_text(item, "title", wish(ctl, "--title", "")) ||
        !add_text(item, "value", key.line) ||
        !add_text(item, "expires_at", wish(ctl, "--expires", "")))
        return no_memory();
    return true;
}

int cmd_key_add(struct ctl *ctl)
{
    const char *expires = wish(ctl, "--expires", "");
    int64_t time;

    if (expires[0] != '\0' && !fields_time(expires, &time)) {
        ctl_say("--expires %s: not a time such as 2027-01-01T00:00:00Z", expires);
        return CTL_USAGE;
    }
    if (!subject_read_key(ctl->word[2], &key))
        return CTL_USAGE;
    if (key.line[0] != '\0')
        return run(ctl, add_key);
    ctl_say("the key itself is needed, not its fingerprint");
    return CTL_USAGE;
}

static bool remove_key(const struct ctl *ctl, struct edit *edit)
{
    const cJSON *users = member(edit->root, "users"), *user;
    size_t n = 0;

    if (find(users, is_user, ctl->word[1]) == NULL)
        return no_user(edit, ctl->word[1]);
    cJSON_ArrayForEach(user, users)
    {
        if (is_user(user, ctl->word[1]))
            n += remove_all(member(user, "ssh_keys"), is_key, key.fingerprint);
    }
    if (n == 0)
        ctl_say("%s: %s does not have the key %s", edit->path, ctl->word[1], key.fingerprint);
    return n > 0;
}

int cmd_key_remove(struct ctl *ctl)
{
    return subject_read_key(ctl->word[2], &key) ? run(ctl, remove_key) : CTL_USAGE;
}
