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
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHELL "/bin/bash"

/* The options of env, user and key; each command takes its own. */
struct wishes {
    const char *uid, *gid, *home, *shell, *title, *role, *id, *mail, *expires, *writable;
};

static const struct option env_options[] = {
    {"uid", required_argument, NULL, 'u'},   {"gid", required_argument, NULL, 'g'},
    {"home", required_argument, NULL, 'h'},  {"shell", required_argument, NULL, 's'},
    {"title", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
static const struct option user_options[] = {{"role", required_argument, NULL, 'r'},
                                             {"id", required_argument, NULL, 'i'},
                                             {"mail", required_argument, NULL, 'm'},
                                             {NULL, 0, NULL, 0}};
static const struct option key_options[] = {{"title", required_argument, NULL, 't'},
                                            {"expires", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
static const struct option mount_options[] = {{"writable", no_argument, NULL, 'w'},
                                              {NULL, 0, NULL, 0}};

/* Takes the options, which may stand anywhere behind the verb in argv[1]. The other arguments then
 * begin at argv[1 + optind]. */
static bool take_wishes(int argc, char **argv, const struct option *options, struct wishes *wishes)
{
    int option;

    *wishes = (struct wishes){.title = "", .mail = "", .expires = "", .shell = SHELL};
    optind = 0;
    while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1) {
        const char **place = option == 'u'   ? &wishes->uid
                             : option == 'g' ? &wishes->gid
                             : option == 'h' ? &wishes->home
                             : option == 's' ? &wishes->shell
                             : option == 't' ? &wishes->title
                             : option == 'r' ? &wishes->role
                             : option == 'i' ? &wishes->id
                             : option == 'm' ? &wishes->mail
                             : option == 'e' ? &wishes->expires
                             : option == 'w' ? &wishes->writable
                                             : NULL;
        if (place == NULL)
            return false;
        *place = optarg == NULL ? "" : optarg;
    }
    return true;
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
static bool plan_account(const struct edit *edit, const struct wishes *wishes,
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
    account->home = wishes->home == NULL ? home : wishes->home;
    account->shell = wishes->shell;
    account->title = wishes->title;
    ok = ok && read_id(wishes->uid, free_id(&edit->conf, &tree, local_ids), &account->uid) &&
         read_id(wishes->gid, account->uid, &account->gid);
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

static int list_environments(struct ctl *ctl)
{
    static const struct out_column columns[] = {
        {"project", OUT_STRING}, {"environment", OUT_STRING}, {"login", OUT_STRING},
        {"status", OUT_STRING},  {"uid", OUT_NUMBER},         {"users", OUT_NUMBER},
        {"keys", OUT_NUMBER}};
    static struct edit edit;
    struct tree tree = {0};
    int status = CTL_YES;
    struct out out;

    if (!edit_directory(ctl, &edit) || !read_tree(&edit, &tree))
        return CTL_UNKNOWN;
    out_start(&out, ctl->json);
    out_table(&out, "environments", columns, sizeof columns / sizeof *columns);
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
        const char *cells[] = {document->project,
                               document->environment,
                               plain,
                               document->status_text,
                               uid,
                               users,
                               keys};
        out_row(&out, cells);
    }
    out_table_end(&out);
    tree_free(&tree);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* Reads an environment's document, to list what is in it. False after a message; edit_end and
 * tree_free are due in either case. */
static bool read_listed(struct ctl *ctl, const char *environment, struct edit *edit,
                        struct tree *tree)
{
    static const struct signers none;
    bool found = edit_start(ctl, environment, false, edit);

    if (found && edit->root == NULL)
        ctl_say("%s: there is no such environment", edit->path);
    return found && edit->root != NULL && tree_add(tree, edit->path, &none) &&
           tree->checked[0].document != NULL;
}

static int list_mounts(struct ctl *ctl, const char *environment)
{
    static const struct out_column columns[] = {{"path", OUT_STRING}, {"access", OUT_STRING}};
    static struct edit edit;
    struct tree tree = {0};
    struct out out;
    int status = CTL_NO;

    if (read_listed(ctl, environment, &edit, &tree)) {
        const struct document *document = tree.checked[0].document;
        out_start(&out, ctl->json);
        out_table(&out, "mounts", columns, sizeof columns / sizeof *columns);
        for (size_t i = 0; i < document->mounts; i++) {
            const char *cells[] = {document->mount[i].path,
                                   document->mount[i].writable ? "read-write" : "read-only"};
            out_row(&out, cells);
        }
        out_table_end(&out);
        status = out_end(&out) ? CTL_YES : CTL_UNKNOWN;
    }
    tree_free(&tree);
    edit_end(&edit);
    return status;
}

/* argv[1] is "mount". */
static int cmd_mount(struct ctl *ctl, int argc, char **argv)
{
    static struct edit edit;
    struct wishes wishes;
    bool add = argc > 2 && strcmp(argv[2], "add") == 0;

    if (argc == 4 && strcmp(argv[2], "list") == 0)
        return list_mounts(ctl, argv[3]);
    if (argc < 5 || (!add && strcmp(argv[2], "remove") != 0) ||
        !take_wishes(argc - 1, argv + 1, add ? mount_options : mount_options + 1, &wishes) ||
        argc - 2 - optind != 2)
        return ctl_usage(argv);
    if (!edit_start(ctl, argv[2 + optind], true, &edit) ||
        !(add ? edit_add_mount(&edit, argv[3 + optind], wishes.writable != NULL)
              : edit_remove_mount(&edit, argv[3 + optind])))
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

int cmd_env(struct ctl *ctl, int argc, char **argv)
{
    static struct edit edit;
    struct edit_account account;
    struct wishes wishes;

    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list_environments(ctl);
    if (argc > 1 && strcmp(argv[1], "mount") == 0)
        return cmd_mount(ctl, argc, argv);
    if (argc < 3 || strcmp(argv[1], "create") != 0 ||
        !take_wishes(argc, argv, env_options, &wishes) || argc - 1 - optind != 1)
        return ctl_usage(argv);
    if (!make_tree(ctl) || !edit_start(ctl, argv[1 + optind], true, &edit) ||
        !plan_account(&edit, &wishes, &account) || !edit_create(&edit, &account))
        return failed(&edit);
    int status = done(ctl, &edit, "created");
    /* Without a home sshd would start the shell in /, with a message. */
    if (status == CTL_YES)
        (void)home_make(account.home, account.uid, account.gid);
    return status;
}

/* ---- user ---- */

int cmd_user(struct ctl *ctl, int argc, char **argv)
{
    static struct edit edit;
    struct wishes wishes;
    bool add = argc > 1 && strcmp(argv[1], "add") == 0;

    if (argc < 4 || (!add && strcmp(argv[1], "remove") != 0) ||
        !take_wishes(argc, argv, add ? user_options : user_options + 3, &wishes) ||
        argc - 1 - optind != 2)
        return ctl_usage(argv);
    const char *environment = argv[1 + optind], *username = argv[2 + optind];
    if (wishes.role != NULL && !document_role_known(wishes.role)) {
        ctl_say("--role %s: not a role; the roles are sftp, viewer, contributor and admin",
                wishes.role);
        return CTL_USAGE;
    }
    if (!edit_start(ctl, environment, true, &edit) ||
        !(add ? edit_add_user(&edit, username, wishes.id == NULL ? username : wishes.id,
                              wishes.mail, wishes.role == NULL ? "contributor" : wishes.role)
              : edit_remove_user(&edit, username)))
        return failed(&edit);
    return done(ctl, &edit, "written");
}

/* ---- key ---- */

static int list_keys(struct ctl *ctl, const char *environment)
{
    static const struct out_column columns[] = {
        {"user", OUT_STRING}, {"role", OUT_STRING},  {"fingerprint", OUT_STRING},
        {"type", OUT_STRING}, {"title", OUT_STRING}, {"expires", OUT_STRING}};
    static struct edit edit;
    struct tree tree = {0};
    struct out out;
    const struct document *document;

    if (!read_listed(ctl, environment, &edit, &tree))
        return failed(&edit);
    document = tree.checked[0].document;
    out_start(&out, ctl->json);
    out_table(&out, "keys", columns, sizeof columns / sizeof *columns);
    for (size_t u = 0; u < document->users; u++)
        for (size_t k = 0; k < document->keys; k++) {
            const struct document_key *key = &document->key[k];
            char fingerprint[KEY_FINGERPRINT_TEXT], expires[32] = "";
            if (key->user != &document->user[u])
                continue;
            keys_fingerprint_text(key->fingerprint, fingerprint);
            if (key->expires_at != DOCUMENT_NO_TIME)
                ctl_time(key->expires_at, expires, sizeof expires);
            const char *cells[] = {key->user->username, key->user->role_text, fingerprint,
                                   key->type,           key->title,           expires};
            out_row(&out, cells);
        }
    out_table_end(&out);
    tree_free(&tree);
    edit_end(&edit);
    return out_end(&out) ? CTL_YES : CTL_UNKNOWN;
}

/* Reads a key of which the whole line is needed, not the fingerprint alone. */
static bool read_whole_key(const char *argument, struct subject_key *key)
{
    if (!subject_read_key(argument, key))
        return false;
    if (key->line[0] == '\0')
        ctl_say("the key itself is needed, not its fingerprint");
    return key->line[0] != '\0';
}

int cmd_key(struct ctl *ctl, int argc, char **argv)
{
    static struct subject_key key;
    static struct edit edit;
    struct wishes wishes;
    bool add = argc > 1 && strcmp(argv[1], "add") == 0;
    int64_t expires;

    if (argc == 3 && strcmp(argv[1], "list") == 0)
        return list_keys(ctl, argv[2]);
    if (argc < 5 || (!add && strcmp(argv[1], "remove") != 0) ||
        !take_wishes(argc, argv, add ? key_options : key_options + 2, &wishes) ||
        argc - 1 - optind != 3)
        return ctl_usage(argv);
    if (wishes.expires[0] != '\0' && !fields_time(wishes.expires, &expires)) {
        ctl_say("--expires %s: not a time such as 2027-01-01T00:00:00Z", wishes.expires);
        return CTL_USAGE;
    }
    const char *environment = argv[1 + optind], *username = argv[2 + optind];
    if (add ? !read_whole_key(argv[3 + optind], &key) : !subject_read_key(argv[3 + optind], &key))
        return CTL_USAGE;
    if (!edit_start(ctl, environment, true, &edit) ||
        !(add ? edit_add_key(&edit, username, key.line, wishes.title, wishes.expires)
              : edit_remove_key(&edit, username, key.fingerprint)))
        return failed(&edit);
    return done(ctl, &edit, "written");
}
