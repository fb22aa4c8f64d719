/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/tree.h"

#include "access/policy.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* This host, against whose settings, ids and bindings documents are checked. */
struct host {
    struct cloud_conf conf;
    bool known; /* `conf` was read from a file; otherwise it has the defaults */
    struct signers signers;
    struct local_ids *local_ids;
    struct bindings *bindings;
};

/* Reads the settings. If -c does not name a file (`given`) and there is none at the default path,
 * the defaults apply and every name is allowed. Returns CTL_YES; on failure prints a message and
 * returns CTL_UNKNOWN. */
static int read_host(const struct ctl *ctl, bool given, struct host *host)
{
    struct cloud_conf_error error;

    host->known = given || access(ctl->conf_path, F_OK) == 0;
    if (host->known && !ctl_conf(ctl, &host->conf))
        return CTL_UNKNOWN;
    if (!host->known) {
        cloud_conf_defaults(&host->conf);
        cloud_conf_line(&host->conf, "allow = *", 9, &error);
    }
    host->local_ids = local_ids_new();
    host->bindings = bindings_new();
    if (!envelope_parse_signers(host->conf.signing_key, &host->signers)) {
        ctl_say("%s: signing_key is not up to four keys", ctl->conf_path);
        return CTL_UNKNOWN;
    }
    return CTL_YES;
}

/* Returns the path that the argument names. For a file:// URL with a placeholder this is the
 * directory above the first placeholder. Returns NULL for any other URL. May modify the
 * argument. */
static const char *path_of(char *argument)
{
    char *brace, *slash;

    if (strncmp(argument, "file://", 7) != 0)
        return strstr(argument, "://") == NULL ? argument : NULL;
    argument += 7;
    brace = strchr(argument, '{');
    if (brace != NULL) {
        *brace = '\0';
        slash = strrchr(argument, '/');
        if (slash != NULL && slash != argument)
            *slash = '\0';
    }
    return argument[0] == '/' ? argument : NULL;
}

/* Returns when a signed document becomes outdated, in seconds since 1970. The cache must compute
 * the same time. */
static int64_t end_of(const struct host *host, const struct document *document)
{
    return document->issued_at + document_bound(document, host->conf.max_stale);
}

/* Checks the times of a signed document as the cache does. A document with an invalid issued_at is
 * dropped; one that is only outdated is still shown. */
static void judge_times(const struct host *host, struct checked *checked, int64_t now)
{
    const struct document *document = checked->document;
    const char *fault;
    char until[32];

    if (host->signers.n == 0 || document == NULL)
        return;
    fault = envelope_time_fault(document->issued_at, now);
    if (fault != NULL) {
        snprintf(checked->problem, sizeof checked->problem, "%s", fault);
        document_free(checked->document);
        checked->document = NULL;
    } else if (end_of(host, document) <= now) {
        out_time(end_of(host, document), until, sizeof until);
        snprintf(checked->problem, sizeof checked->problem, "outdated: usable until %s", until);
    }
}

static void put_document(struct out *out, const struct host *host, const struct checked *checked)
{
    const struct document *document = checked->document;
    char plain[CLOUD_NAME_MAX + 1] = "", until[32] = "";

    if (document == NULL) {
        bool placed = checked->line > 0;
        OUT_ROW(out, checked->path, "no", placed ? CLOUD_DIGITS(checked->line) : "",
                placed ? CLOUD_DIGITS(checked->column) : "", checked->problem, "", "", "", "", "",
                "");
        return;
    }
    cloud_name_plain(&host->conf.grammar, document->project, document->environment, plain);
    if (host->signers.n > 0)
        out_time(end_of(host, document), until, sizeof until);
    OUT_ROW(out, checked->path, checked->problem[0] == '\0' ? "yes" : "no", "", "",
            checked->problem, plain, document->status_text, CLOUD_DIGITS(document->uid),
            CLOUD_DIGITS(document->users), CLOUD_DIGITS(document->keys), until);
}

/* Returns the token of the policy's verdict on a login to the account with the key; "" if the
 * account does not belong to the document's environment. */
static const char *verdict_for(const struct host *host, const struct document *document,
                               const struct document_key *key, const char *account)
{
    int64_t now = (int64_t)time(NULL);
    struct cloud_name name;

    if (!cloud_name_parse_any(&host->conf.grammar, account, &name) ||
        strcmp(name.environment, document->environment) != 0)
        return "";
    return policy_token(
        policy_key(document, &name, key, &(const struct policy_visit){now, now, NULL, NULL}));
}

static void put_key(struct out *out, const struct host *host, const struct checked *checked,
                    const struct document_key *key)
{
    const struct document *document = checked->document;
    char fingerprint[KEY_FINGERPRINT_TEXT], expires[32] = "";
    char plain[CLOUD_NAME_MAX + 1] = "", sftp[CLOUD_NAME_MAX + 6];

    cloud_name_plain(&host->conf.grammar, document->project, document->environment, plain);
    snprintf(sftp, sizeof sftp, "%s_sftp", plain);
    keys_fingerprint_text(key->fingerprint, fingerprint);
    if (policy_ends(key, NULL) != 0)
        out_time(policy_ends(key, NULL), expires, sizeof expires);
    OUT_ROW(out, checked->path, key->user->username, key->user->role_text, fingerprint, key->title,
            expires, verdict_for(host, document, key, plain),
            verdict_for(host, document, key, sftp));
}

/* Adds a row for each key, grouped by user in the document's order, and a row for each user who has
 * no key. */
static void put_people(struct out *out, const struct host *host, const struct checked *checked)
{
    const struct document *document = checked->document;

    for (size_t u = 0; document != NULL && u < document->users; u++) {
        bool any = false;
        for (size_t k = 0; k < document->keys; k++)
            if (document->key[k].user == &document->user[u]) {
                put_key(out, host, checked, &document->key[k]);
                any = true;
            }
        if (!any)
            OUT_ROW(out, checked->path, document->user[u].username, document->user[u].role_text, "",
                    "", "", "", "");
    }
}

static void put_grant(struct out *out, const struct checked *checked, const char *app,
                      const char *grant, const char *value)
{
    OUT_ROW(out, checked->path, app, grant, value);
}

static void put_forwarding(struct out *out, const struct checked *checked, const char *app,
                           const struct document_forwarding *forwarding)
{
    if (forwarding == NULL)
        return;
    for (size_t i = 0; i < forwarding->locals; i++)
        put_grant(out, checked, app, "forward-local", forwarding->local[i]);
    for (size_t i = 0; i < forwarding->remotes; i++)
        put_grant(out, checked, app, "forward-remote", forwarding->remote[i]);
    if (forwarding->agent)
        put_grant(out, checked, app, "forward-agent", "yes");
}

static void put_grants(struct out *out, const struct checked *checked)
{
    const struct document *document = checked->document;

    if (document == NULL)
        return;
    put_forwarding(out, checked, "", &document->forwarding);
    for (size_t i = 0; i < document->apps; i++) {
        put_grant(out, checked, document->app[i].name, "app", "");
        put_forwarding(out, checked, document->app[i].name, document->app[i].forwarding);
    }
    for (size_t i = 0; i < document->mounts; i++)
        put_grant(out, checked, "", document->mount[i].writable ? "mount-writable" : "mount",
                  document->mount[i].path);
}

static void warn(struct out *out, const struct checked *checked, const char *text)
{
    OUT_ROW(out, checked->path, text);
}

/* Warns if this host would not use the document, or a part of it. Otherwise claims its ids, so that
 * a later document with the same ids gets a warning. */
static void put_host_warnings(struct out *out, const struct host *host,
                              const struct checked *checked)
{
    const struct document *document = checked->document;
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};
    char plain[CLOUD_NAME_MAX + 1], why[256];
    struct cloud_name name;

    if (!policy_usable(&(const struct policy_host){&host->conf, host->local_ids, host->bindings},
                       document, why, sizeof why))
        warn(out, checked, why);
    else
        bindings_claim(host->bindings, &claim);
    for (size_t i = 0; i < document->apps; i++)
        if (!policy_app_usable(&host->conf, &document->app[i], why, sizeof why))
            warn(out, checked, why);
    if (!host->known)
        return;
    if (cloud_name_plain(&host->conf.grammar, document->project, document->environment, plain) &&
        !cloud_name_parse(&host->conf.grammar, plain, &name))
        warn(out, checked, "this host's `allow` does not list its login name");
    if (!policy_for_host(&host->conf, document))
        warn(out, checked, "`hosts` does not contain this host's host_id");
}

static void put_warnings(struct out *out, const struct host *host, const struct checked *checked)
{
    const struct document *document = checked->document;

    if (document == NULL)
        return;
    for (size_t i = 0; i < document->warnings; i++)
        warn(out, checked, document->warning[i]);
    for (char *at = checked->unknown, *line; (line = strsep(&at, "\n")) != NULL;)
        if (line[0] != '\0')
            warn(out, checked, line);
    if (document->status == DOCUMENT_STATUS_UNKNOWN)
        warn(out, checked, "environment.status is unknown: no one may enter");
    for (size_t i = 0; i < document->users; i++)
        if (document->user[i].role == DOCUMENT_ROLE_UNKNOWN)
            warn(out, checked, "a user has an unknown role, which may enter nowhere");
    if (document->status != DOCUMENT_DELETED)
        put_host_warnings(out, host, checked);
}

static void put_tree(struct out *out, const struct host *host, const struct tree *tree)
{
    out_table(out, "documents",
              "file valid line# column# problem login status uid# users# keys# until");
    for (size_t i = 0; i < tree->n; i++)
        put_document(out, host, &tree->checked[i]);
    out_table_end(out);
    out->skip = tree->n == 1 ? 1 : 0;
    /* In text output, these tables are printed only for a single document: for a tree they would be
     * too long. */
    if (out->json || tree->n == 1) {
        out_table(out, "people", "file user role key title expires shell sftp");
        for (size_t i = 0; i < tree->n; i++)
            put_people(out, host, &tree->checked[i]);
        out_table_end(out);
        out_table(out, "grants", "file app grant value");
        for (size_t i = 0; i < tree->n; i++)
            put_grants(out, &tree->checked[i]);
        out_table_end(out);
    }
    out_table(out, "warnings", "file warning");
    for (size_t i = 0; i < tree->n; i++)
        put_warnings(out, host, &tree->checked[i]);
    out_table_end(out);
}

static int status_of(const struct tree *tree)
{
    int status = CTL_YES;

    for (size_t i = 0; i < tree->n; i++) {
        if (tree->checked[i].unreadable && status == CTL_YES)
            status = CTL_UNKNOWN;
        else if (tree->checked[i].problem[0] != '\0' && !tree->checked[i].unreadable)
            status = CTL_NO;
    }
    return status;
}

int cmd_check(struct ctl *ctl)
{
    static struct host host;
    struct tree tree = {0};
    struct out out;
    const char *given = ctl_option(ctl, "-c");
    char *own[] = {host.conf.access_url, NULL};
    int status;

    if (given != NULL)
        ctl->conf_path = given;
    status = read_host(ctl, given != NULL, &host);
    for (char **word = ctl->words > 0 ? ctl->word : own; *word != NULL && status == CTL_YES;
         word++) {
        const char *path = path_of(*word);
        if (path == NULL) {
            ctl_say("%s: only files, directories and file:// are read here", *word);
            status = CTL_USAGE;
        } else if (!tree_add(&tree, path, &host.signers)) {
            status = CTL_UNKNOWN;
        }
    }
    if (status == CTL_YES && !local_ids_refresh(host.local_ids)) {
        ctl_say("/etc/passwd or /etc/group cannot be read");
        status = CTL_UNKNOWN;
    }
    for (size_t i = 0; i < tree.n; i++)
        judge_times(&host, &tree.checked[i], (int64_t)time(NULL));
    if (status == CTL_YES) {
        out_start(&out, ctl->json);
        put_tree(&out, &host, &tree);
        status = out_end(&out) ? status_of(&tree) : CTL_UNKNOWN;
    }
    tree_free(&tree);
    local_ids_free(host.local_ids);
    bindings_free(host.bindings);
    return status;
}
