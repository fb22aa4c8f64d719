/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/edit.h"
#include "ctl/home.h"
#include "ctl/subject.h"
#include "ctl/tree.h"

#include "access/fields.h"
#include "access/policy.h"

#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The value of an option, or what holds without it. */
static const char *wish(const struct ctl *ctl, const char *option, const char *otherwise)
{
    const char *value = ctl_option(ctl, option);

    return value == NULL ? otherwise : value;
}

static int done(struct ctl *ctl, struct edit *edit, const char *what)
{
    int status = edit_write(edit);
    struct out out;

    if (status == CTL_YES) {
        out_start(&out, ctl->json);
        out_pair(&out, what, edit->path);
        if (!out_end(&out))
            status = CTL_UNKNOWN;
    }
    edit_end(edit);
    return status;
}

static int failed(struct edit *edit)
{
    edit_end(edit);
    return CTL_NO;
}

/* ---- env ---- */

/* Reads the documents of the directory, of which there may be none. False after a message. */
static bool read_tree(const struct edit *edit, struct tree *tree)
{
    static const struct signers none;

    return tree_add_directory(tree, edit->directory, &none);
}

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

/* One more than the highest uid in use, so that no id is given to a second environment. */
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

/* Fills in what no option says, and checks that this host would use the account. */
static bool plan_account(const struct ctl *ctl, const struct edit *edit,
                         struct edit_account *account)
{
    static char home[CLOUD_NAME_MAX + 8];
    char plain[CLOUD_NAME_MAX + 1] = "";
    struct local_ids *local_ids = local_ids_new();
    struct tree tree = {0};
    bool ok = local_ids != NULL && local_ids_refresh(local_ids) && read_tree(edit, &tree);

    if (ok && !cloud_name_plain(&edit->conf.grammar, edit->project, edit->environment, plain)) {
        ctl_say("%s/%s has no login name under this host's grammar", edit->project,
                edit->environment);
        ok = false;
    }
    snprintf(home, sizeof home, "/app/%s", plain);
    account->home = wish(ctl, "--home", home);
    account->shell = wish(ctl, "--shell", "/bin/bash");
    account->title = wish(ctl, "--title", "");
    ok = ok &&
         read_id(ctl_option(ctl, "--uid"), free_id(&edit->conf, &tree, local_ids), &account->uid) &&
         read_id(ctl_option(ctl, "--gid"), account->uid, &account->gid);
    if (ok &&
        (!cloud_conf_has_id(&edit->conf, account->uid) ||
         !cloud_conf_has_id(&edit->conf, account->gid) ||
         is_taken(&tree, local_ids, account->uid) || is_taken(&tree, local_ids, account->gid))) {
        ctl_say("uid %u and gid %u: not in this host's range %u-%u, or in use", account->uid,
                account->gid, edit->conf.uid_min, edit->conf.uid_max);
        ok = false;
    }
    if (ok && !cloud_conf_has_home(&edit->conf, account->home)) {
        ctl_say("home %s: this host's homes does not allow it", account->home);
        ok = false;
    }
    tree_free(&tree);
    local_ids_free(local_ids);
    return ok;
}

int cmd_env_list(struct ctl *ctl)
{
    static struct edit edit;
    struct tree tree = {0};
    int status = CTL_YES;
    struct out out;

    if (!edit_directory(ctl, &edit) || !read_tree(&edit, &tree))
        return CTL_UNKNOWN;
    out_start(&out, ctl->json);
    out_table(&out, "environments", "project environment login status uid# users# keys#");
    for (size_t i = 0; i < tree.n; i++) {
        const struct document *document = tree.checked[i].document;
        char plain[CLOUD_NAME_MAX + 1] = "", uid[16], users[24], keys[24];
        if (document == NULL) {
            ctl_say("%s: invalid; cloudauthctl check says why", tree.checked[i].path);
            status = CTL_NO;
            continue;
        }
        cloud_name_plain(&edit.conf.grammar, document->project, document->environment, plain);
        snprintf(uid, sizeof uid, "%u", document->uid);
        snprintf(users, sizeof users, "%zu", document->users);
        snprintf(keys, sizeof keys, "%zu", document->keys);
        OUT_ROW(&out, document->project, document->environment, plain, document->status_text, uid,
                users, keys);
    }
    out_table_end(&out);
    tree_free(&tree);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* Reads an environment's document, to list what is in it. False after a message; edit_end and
 * tree_free are due in either case. */
static bool read_listed(const struct ctl *ctl, struct edit *edit, struct tree *tree)
{
    static const struct signers none;
    bool found = edit_start(ctl, ctl->word[0], false, edit);

    if (found && edit->root == NULL)
        ctl_say("%s: there is no such environment", edit->path);
    return found && edit->root != NULL && tree_add(tree, edit->path, &none) &&
           tree->checked[0].document != NULL;
}

int cmd_env_mount_list(struct ctl *ctl)
{
    static struct edit edit;
    struct tree tree = {0};
    struct out out;
    int status = CTL_NO;

    if (read_listed(ctl, &edit, &tree)) {
        const struct document *document = tree.checked[0].document;
        out_start(&out, ctl->json);
        out_table(&out, "mounts", "path access");
        for (size_t i = 0; i < document->mounts; i++)
            OUT_ROW(&out, document->mount[i].path,
                    document->mount[i].writable ? "read-write" : "read-only");
        out_table_end(&out);
        status = out_end(&out) ? CTL_YES : CTL_UNKNOWN;
    }
    tree_free(&tree);
    edit_end(&edit);
    return status;
}

int cmd_env_mount_add(struct ctl *ctl)
{
    static struct edit edit;

    if (!edit_start(ctl, ctl->word[0], true, &edit) ||
        !edit_add_mount(&edit, ctl->word[1], ctl_option(ctl, "--writable") != NULL))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

int cmd_env_mount_remove(struct ctl *ctl)
{
    static struct edit edit;

    if (!edit_start(ctl, ctl->word[0], true, &edit) || !edit_remove_mount(&edit, ctl->word[1]))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

/* Makes the directory of the documents, if there is none; its own has to be there. */
static bool make_tree(const struct ctl *ctl)
{
    static struct edit edit;

    if (!edit_directory(ctl, &edit))
        return false;
    if (mkdir(edit.directory, 0755) == 0 || errno == EEXIST)
        return true;
    ctl_say("%s: %s", edit.directory, strerror(errno));
    return false;
}

int cmd_env_create(struct ctl *ctl)
{
    static struct edit edit;
    struct edit_account account;

    if (!make_tree(ctl) || !edit_start(ctl, ctl->word[0], true, &edit) ||
        !plan_account(ctl, &edit, &account) || !edit_create(&edit, &account))
        return failed(&edit);
    int status = done(ctl, &edit, "created");
    /* Without a home sshd would start the shell in /, with a message. */
    if (status == CTL_YES)
        (void)home_make(account.home, account.uid, account.gid);
    return status;
}

/* ---- user ---- */

int cmd_user_add(struct ctl *ctl)
{
    static struct edit edit;
    const char *username = ctl->word[1], *role = wish(ctl, "--role", "contributor");

    if (!document_role_known(role)) {
        ctl_say("--role %s: not a role; the roles are sftp, viewer, contributor and admin", role);
        return CTL_USAGE;
    }
    if (!edit_start(ctl, ctl->word[0], true, &edit) ||
        !edit_add_user(&edit, username, wish(ctl, "--id", username), wish(ctl, "--mail", ""), role))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

int cmd_user_remove(struct ctl *ctl)
{
    static struct edit edit;

    if (!edit_start(ctl, ctl->word[0], true, &edit) || !edit_remove_user(&edit, ctl->word[1]))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

/* ---- key ---- */

int cmd_key_list(struct ctl *ctl)
{
    static struct edit edit;
    struct tree tree = {0};
    struct out out;
    const struct document *document;

    if (!read_listed(ctl, &edit, &tree))
        return failed(&edit);
    document = tree.checked[0].document;
    out_start(&out, ctl->json);
    out_table(&out, "keys", "user role fingerprint type title expires");
    for (size_t u = 0; u < document->users; u++)
        for (size_t k = 0; k < document->keys; k++) {
            const struct document_key *key = &document->key[k];
            char fingerprint[KEY_FINGERPRINT_TEXT], expires[32] = "";
            if (key->user != &document->user[u])
                continue;
            keys_fingerprint_text(key->fingerprint, fingerprint);
            if (key->expires_at != DOCUMENT_NO_TIME)
                out_time(key->expires_at, expires, sizeof expires);
            OUT_ROW(&out, key->user->username, key->user->role_text, fingerprint, key->type,
                    key->title, expires);
        }
    out_table_end(&out);
    tree_free(&tree);
    edit_end(&edit);
    return out_end(&out) ? CTL_YES : CTL_UNKNOWN;
}

int cmd_key_add(struct ctl *ctl)
{
    static struct subject_key key;
    static struct edit edit;
    const char *expires = wish(ctl, "--expires", "");
    int64_t time;

    if (expires[0] != '\0' && !fields_time(expires, &time)) {
        ctl_say("--expires %s: not a time such as 2027-01-01T00:00:00Z", expires);
        return CTL_USAGE;
    }
    if (!subject_read_key(ctl->word[2], &key))
        return CTL_USAGE;
    if (key.line[0] == '\0') {
        ctl_say("the key itself is needed, not its fingerprint");
        return CTL_USAGE;
    }
    if (!edit_start(ctl, ctl->word[0], true, &edit) ||
        !edit_add_key(&edit, ctl->word[1], key.line, wish(ctl, "--title", ""), expires))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

int cmd_key_remove(struct ctl *ctl)
{
    static struct subject_key key;
    static struct edit edit;

    if (!subject_read_key(ctl->word[2], &key))
        return CTL_USAGE;
    if (!edit_start(ctl, ctl->word[0], true, &edit) ||
        !edit_remove_key(&edit, ctl->word[1], key.fingerprint))
        return failed(&edit);
    return done(ctl, &edit, "written");
}
