/* SPDX-License-Identifier: Apache-2.0 */
#include "access/policy.h"

#include "access/denials.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NOLOGIN     "/usr/sbin/nologin"
#define LAST_EXPIRY INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char *const tokens[POLICY_REASONS] = {
    [POLICY_REFUSED] = "refused",
    [POLICY_GRANTED] = "granted",
    [POLICY_NOT_OURS] = "not-ours",
    [POLICY_LOCAL] = "local-user",
    [POLICY_KIND_MISMATCH] = "kind-mismatch",
    [POLICY_KEY_UNUSABLE] = "key-unusable",
    [POLICY_KEY_UNKNOWN] = "key-unknown",
    [POLICY_KEY_EXPIRED] = "key-expired",
    [POLICY_STATUS_INACTIVE] = "environment-inactive",
    [POLICY_STATUS_PAUSED] = "environment-paused",
    [POLICY_STATUS_DELETING] = "environment-deleting",
    [POLICY_STATUS_UNKNOWN] = "environment-status-unknown",
    [POLICY_ROLE] = "role-too-low",
    [POLICY_ROLE_SFTP_ONLY] = "role-sftp-only",
    [POLICY_ACCESS_OFF] = "access-off",
    [POLICY_APP_UNKNOWN] = "app-unknown",
    [POLICY_NOT_THIS_HOST] = "not-this-host",
    [POLICY_UNUSABLE] = "document-unusable",
    [POLICY_ABSENT] = "environment-absent",
    [POLICY_UNAVAILABLE] = "unavailable",
    [POLICY_NO_KEY_LINE] = "no-key-line",
    [POLICY_KEY_CHANGED] = "key-changed",
    [POLICY_DENIED] = "denied",
    [POLICY_IDS_CHANGED] = "ids-changed",
};

const char *policy_token(enum policy_reason reason)
{
    return reason < POLICY_REASONS ? tokens[reason] : tokens[POLICY_REFUSED];
}

const char *policy_kind_word(enum cloud_kind kind)
{
    return kind == CLOUD_SFTP ? "sftp" : "shell";
}

bool policy_usable(const struct cloud_conf *conf, const struct local_ids *db,
                   const struct bindings *owners, const struct document *document, char *why,
                   size_t size)
{
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};
    char plain[CLOUD_NAME_MAX + 1];

    if (!cloud_conf_id_ours(conf, document->uid) || !cloud_conf_id_ours(conf, document->gid))
        snprintf(why, size, "account: uid %u and gid %u are not both in this host's range %u-%u",
                 document->uid, document->gid, conf->uid_min, conf->uid_max);
    else if (local_ids_has_uid(db, document->uid))
        snprintf(why, size, "account.uid: %u belongs to a local user", document->uid);
    else if (local_ids_has_gid(db, document->gid))
        snprintf(why, size, "account.gid: %u belongs to a local group", document->gid);
    else if (!cloud_name_plain(&conf->grammar, document->project, document->environment, plain))
        snprintf(why, size, "the environment has no login name under this host's grammar");
    else if (local_ids_has_user(db, plain) || local_ids_has_group(db, plain))
        snprintf(why, size, "the login name %s is a local user's or group's", plain);
    else
        return bindings_allow(owners, &claim, why, size);
    return false;
}

bool policy_for_host(const struct cloud_conf *conf, const struct document *document)
{
    if (!document->has_hosts)
        return true;
    for (size_t i = 0; i < document->hosts; i++)
        if (strcmp(document->host[i], conf->host_id) == 0)
            return true;
    return false;
}

static const struct document_app *find_app(const struct document *document,
                                           const struct cloud_name *name)
{
    return name->app[0] == '\0' ? NULL : document_find_app(document, name->app);
}

bool policy_app_exists(const struct document *document, const struct cloud_name *name)
{
    return name->app[0] == '\0' || !document->has_apps || find_app(document, name) != NULL;
}

const char *policy_home(const struct document *document, const struct cloud_name *name)
{
    const struct document_app *app = find_app(document, name);

    if (name->kind == CLOUD_SFTP)
        return "/";
    return app != NULL && app->home != NULL ? app->home : document->home;
}

const char *policy_shell(const struct document *document, const struct cloud_name *name)
{
    return name->kind == CLOUD_SFTP ? NOLOGIN : document->shell;
}

bool policy_mounts(const struct document *document, const struct cloud_name *name, char *out,
                   size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    for (size_t i = 0; name->kind == CLOUD_SFTP && i < document->mounts; i++) {
        cloud_text_add(&text, document->mount[i].writable ? "rw " : "ro ");
        cloud_text_add(&text, document->mount[i].path);
        cloud_text_add_char(&text, '\n');
    }
    if (text.cut)
        out[0] = '\0';
    return !text.cut;
}

static enum policy_reason check_status(const struct document *document)
{
    switch (document->status) {
    case DOCUMENT_ACTIVE:
    case DOCUMENT_DIRTY:
        return POLICY_GRANTED;
    case DOCUMENT_PAUSED:
        return POLICY_STATUS_PAUSED;
    case DOCUMENT_INACTIVE:
        return POLICY_STATUS_INACTIVE;
    case DOCUMENT_DELETING:
        return POLICY_STATUS_DELETING;
    case DOCUMENT_DELETED: /* the cache has made an absence of it */
    case DOCUMENT_STATUS_UNKNOWN:
        break;
    }
    return POLICY_STATUS_UNKNOWN;
}

/* The least role for the account, or that nobody has one. */
static enum document_level level_of(const struct document *document, const struct cloud_name *name)
{
    const struct document_app *app = find_app(document, name);

    if (name->kind == CLOUD_SFTP)
        return document->sftp;
    return app != NULL && app->has_level ? app->ssh : document->ssh;
}

static enum policy_reason check_role(const struct document *document, const struct cloud_name *name,
                                     enum document_role role)
{
    static const enum document_role least[] = {
        [DOCUMENT_LEVEL_VIEWER] = DOCUMENT_ROLE_VIEWER,
        [DOCUMENT_LEVEL_CONTRIBUTOR] = DOCUMENT_ROLE_CONTRIBUTOR,
        [DOCUMENT_LEVEL_ADMIN] = DOCUMENT_ROLE_ADMIN,
    };
    enum document_level level = level_of(document, name);

    if (level != DOCUMENT_LEVEL_VIEWER && level != DOCUMENT_LEVEL_CONTRIBUTOR &&
        level != DOCUMENT_LEVEL_ADMIN)
        return POLICY_ACCESS_OFF;
    if (role == DOCUMENT_ROLE_UNKNOWN)
        return POLICY_ROLE;
    if (role == DOCUMENT_ROLE_SFTP)
        return name->kind == CLOUD_SFTP ? POLICY_GRANTED : POLICY_ROLE_SFTP_ONLY;
    return role >= least[level] ? POLICY_GRANTED : POLICY_ROLE;
}

/* What the rules look at. */
struct attempt {
    const struct document *document;
    const struct cloud_name *name;
    const struct document_key *key;
    int64_t now;
};

static enum policy_reason rule_denied(const struct attempt *attempt)
{
    const struct document_user *user = attempt->key->user;
    const struct denial_match match = {.project = attempt->document->project,
                                       .environment = attempt->document->environment,
                                       .user_id = user->id,
                                       .username = user->username,
                                       .fingerprint = attempt->key->fingerprint};

    return denials_match(attempt->document->denials, &match, attempt->now) ? POLICY_DENIED
                                                                           : POLICY_GRANTED;
}

static enum policy_reason rule_status(const struct attempt *attempt)
{
    return check_status(attempt->document);
}

static enum policy_reason rule_expiry(const struct attempt *attempt)
{
    int64_t expires_at = attempt->key->expires_at;

    return expires_at != DOCUMENT_NO_TIME && expires_at <= attempt->now ? POLICY_KEY_EXPIRED
                                                                        : POLICY_GRANTED;
}

int64_t policy_key_expires(const struct document_key *key)
{
    return key->expires_at != DOCUMENT_NO_TIME && key->expires_at > 0 ? key->expires_at : 0;
}

static enum policy_reason rule_role(const struct attempt *attempt)
{
    return check_role(attempt->document, attempt->name, attempt->key->user->role);
}

static const struct rule {
    const char *name;
    enum policy_reason (*check)(const struct attempt *);
} rules[POLICY_RULES] = {
    {"denied", rule_denied}, {"status", rule_status}, {"expiry", rule_expiry}, {"role", rule_role}};

static enum policy_reason check_key(const struct document *document, const struct cloud_name *name,
                                    const struct document_key *key, int64_t now)
{
    const struct attempt attempt = {document, name, key, now};
    enum policy_reason reason = POLICY_REFUSED;

    for (size_t i = 0; i < POLICY_RULES; i++) {
        reason = rules[i].check(&attempt);
        if (reason != POLICY_GRANTED)
            break;
    }
    return reason;
}

void policy_rules(const struct document *document, const struct cloud_name *name,
                  const struct document_key *key, int64_t now,
                  struct policy_rule_verdict out[POLICY_RULES])
{
    const struct attempt attempt = {document, name, key, now};

    for (size_t i = 0; i < POLICY_RULES; i++)
        out[i] = (struct policy_rule_verdict){rules[i].name, rules[i].check(&attempt)};
}

struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                    const char *user_id, int64_t now)
{
    const struct document_key *key = document_find_key(document, fingerprint);
    const struct document_key *end = document->key + document->keys;
    struct policy_verdict verdict = {POLICY_KEY_UNKNOWN, NULL};

    if (!policy_app_exists(document, name)) {
        verdict.reason = POLICY_APP_UNKNOWN;
        return verdict;
    }
    for (; key != NULL && key < end; key++) {
        if (memcmp(key->fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) != 0)
            break;
        if (user_id != NULL && strcmp(key->user->id, user_id) != 0)
            continue;
        enum policy_reason reason = check_key(document, name, key, now);
        if (verdict.key == NULL || reason == POLICY_GRANTED)
            verdict = (struct policy_verdict){reason, key};
        if (reason == POLICY_GRANTED)
            break;
    }
    return verdict;
}

struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                   int64_t now)
{
    return policy_person(document, name, fingerprint, NULL, now);
}

static bool has_better_key(const struct document *document, const struct cloud_name *name,
                           const struct document_user *user, int64_t now)
{
    for (size_t i = 0; i < document->keys; i++)
        if (document->key[i].user == user &&
            check_key(document, name, &document->key[i], now) == POLICY_GRANTED)
            return true;
    return false;
}

bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, int64_t now)
{
    if (verdict->key == NULL)
        return false;
    if (verdict->reason == POLICY_GRANTED)
        return true;
    if (name->kind == CLOUD_SFTP)
        return false;
    return (verdict->reason != POLICY_KEY_EXPIRED && verdict->reason != POLICY_DENIED) ||
           !has_better_key(document, name, verdict->key->user, now);
}

enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now)
{
    enum policy_reason reason = check_status(document);

    if (!policy_app_exists(document, name))
        return POLICY_APP_UNKNOWN;
    if (denials_environment(document->denials, document->project, document->environment, now))
        return POLICY_DENIED;
    /* A paused environment keeps its cron jobs: they are its own, nobody enters by them. */
    if (reason == POLICY_STATUS_PAUSED && strcmp(service, "cron") == 0)
        return POLICY_GRANTED;
    return reason;
}

static void add_date(struct cloud_text *text, int64_t seconds)
{
    time_t when = (time_t)seconds;
    char date[32];
    struct tm tm;

    if (gmtime_r(&when, &tm) != NULL && strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &tm) > 0)
        cloud_text_add(text, date);
}

/* Where the account has an sFTP spelling that can help: "; use <name>_sftp". */
static void add_sftp_name(struct cloud_text *text, const struct document *document,
                          const struct cloud_name *name, const char *account)
{
    if (!name->plain || strchr(account, '-') != NULL || document->sftp == DOCUMENT_LEVEL_NONE)
        return;
    cloud_text_add(text, "; use ");
    cloud_text_add(text, account);
    cloud_text_add(text, "_sftp");
}

static void add_environment(struct cloud_text *text, const struct document *document,
                            const char *state)
{
    cloud_text_add(text, "environment ");
    cloud_text_add(text, document->environment);
    cloud_text_add(text, state);
    if (document->message[0] != '\0') {
        cloud_text_add(text, ": ");
        cloud_text_add(text, document->message);
    }
}

static void add_role(struct cloud_text *text, const struct document *document,
                     const struct cloud_name *name, const char *account,
                     const struct document_key *key)
{
    cloud_text_add(text, "your role ");
    cloud_text_add(text, key->user->role_text);
    cloud_text_add(text, " may not use ");
    cloud_text_add(text, name->kind == CLOUD_SFTP ? "sFTP here" : "SSH here");
    if (key->user->role == DOCUMENT_ROLE_SFTP)
        add_sftp_name(text, document, name, account);
}

static void add_key_expired(struct cloud_text *text, const struct document_key *key)
{
    cloud_text_add(text, "your key ");
    cloud_text_add(text, key->title);
    cloud_text_add(text, key->title[0] == '\0' ? "expired on " : " expired on ");
    add_date(text, key->expires_at);
}

static void add_access_off(struct cloud_text *text, const struct document *document,
                           const struct cloud_name *name, const char *account)
{
    cloud_text_add(text, name->kind == CLOUD_SFTP ? "sFTP is off for environment "
                                                  : "SSH is off for environment ");
    cloud_text_add(text, document->environment);
    if (name->kind == CLOUD_SHELL)
        add_sftp_name(text, document, name, account);
}

void policy_message(enum policy_reason reason, const struct document *document,
                    const struct cloud_name *name, const char *account,
                    const struct document_key *key, char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        cloud_text_add(&text, "who may enter cannot be checked right now; try again in a minute");
    else if (reason == POLICY_ABSENT)
        cloud_text_add(&text, "there is no such environment any more");
    else if (reason == POLICY_NO_KEY_LINE || reason == POLICY_KEY_CHANGED)
        cloud_text_add(&text, "the key of this login is not one that cloudauth has answered for");
    else if (reason == POLICY_IDS_CHANGED)
        cloud_text_add(&text, "this account has been changed meanwhile; connect again");
    else if (document == NULL || name == NULL)
        cloud_text_add(&text, "you may not enter here");
    else if (reason == POLICY_STATUS_PAUSED)
        add_environment(&text, document, " is paused");
    else if (reason == POLICY_STATUS_INACTIVE)
        add_environment(&text, document, " is inactive");
    else if (reason == POLICY_STATUS_DELETING)
        add_environment(&text, document, " is being deleted");
    else if (reason == POLICY_STATUS_UNKNOWN)
        add_environment(&text, document, " is not active");
    else if (reason == POLICY_DENIED)
        cloud_text_add(&text, "access is denied by the operator of this host");
    else if (reason == POLICY_ACCESS_OFF)
        add_access_off(&text, document, name, account);
    else if (reason == POLICY_KEY_EXPIRED && key != NULL)
        add_key_expired(&text, key);
    else if ((reason == POLICY_ROLE || reason == POLICY_ROLE_SFTP_ONLY) && key != NULL)
        add_role(&text, document, name, account, key);
    else
        cloud_text_add(&text, "you may not enter here");
}

void policy_detail(enum policy_reason reason, const struct document *document,
                   const struct cloud_name *name, const struct document_key *key, char *out,
                   size_t size)
{
    static const char *const least[] = {
        [DOCUMENT_LEVEL_NONE] = "",
        [DOCUMENT_LEVEL_VIEWER] = ", needs viewer",
        [DOCUMENT_LEVEL_CONTRIBUTOR] = ", needs contributor",
        [DOCUMENT_LEVEL_ADMIN] = ", needs admin",
    };
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (document == NULL || key == NULL ||
        (reason != POLICY_ROLE && reason != POLICY_ROLE_SFTP_ONLY))
        return;
    cloud_text_add(&text, "key of ");
    cloud_text_add(&text, key->user->username);
    cloud_text_add(&text, ": role ");
    cloud_text_add(&text, key->user->role_text);
    cloud_text_add(&text, least[level_of(document, name)]);
}

void policy_detail_elsewhere(const struct document_key *key, const char *where, const char *here,
                             char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add(&text, "key of ");
    cloud_text_add(&text, key->user->username);
    cloud_text_add(&text, ": ");
    cloud_text_add(&text, key->user->role_text);
    cloud_text_add(&text, " in ");
    cloud_text_add(&text, where);
    cloud_text_add(&text, ", not known in ");
    cloud_text_add(&text, here);
}

static const struct document_forwarding *forwarding_of(const struct document *document,
                                                       const struct cloud_name *name)
{
    const struct document_app *app = find_app(document, name);

    return app != NULL && app->forwarding != NULL ? app->forwarding : &document->forwarding;
}

/* An absent list would mean "anything" to sshd, so an empty one names a place that is none. */
static void add_places(struct cloud_text *text, const char *option, const char **place, size_t n)
{
    for (size_t i = 0; i < n || i == 0; i++) {
        cloud_text_add(text, ",");
        cloud_text_add(text, option);
        cloud_text_add(text, "=\"");
        cloud_text_add(text, n == 0 ? "none:1" : place[i]);
        cloud_text_add(text, "\"");
    }
}

/* "20270101000000Z": UTC, as sshd takes it since 9.1. A year of five digits, which an offset can
 * make of 9999, would make it throw the whole line away. */
static void add_expiry(struct cloud_text *text, int64_t seconds)
{
    time_t when = (time_t)(seconds < LAST_EXPIRY ? seconds : LAST_EXPIRY);
    char stamp[32];
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL || strftime(stamp, sizeof stamp, "%Y%m%d%H%M%SZ", &tm) == 0) {
        text->cut = true;
        return;
    }
    cloud_text_add(text, ",expiry-time=\"");
    cloud_text_add(text, stamp);
    cloud_text_add(text, "\"");
}

static void add_grants(struct cloud_text *text, const struct document *document,
                       const struct cloud_name *name)
{
    const struct document_forwarding *forwarding = forwarding_of(document, name);

    if (name->kind == CLOUD_SFTP)
        return;
    cloud_text_add(text, ",pty");
    if (forwarding->agent)
        cloud_text_add(text, ",agent-forwarding");
    if (forwarding->locals + forwarding->remotes == 0)
        return;
    cloud_text_add(text, ",port-forwarding");
    add_places(text, "permitopen", forwarding->local, forwarding->locals);
    add_places(text, "permitlisten", forwarding->remote, forwarding->remotes);
}

bool policy_key_line(const struct document *document, const struct cloud_name *name,
                     const struct policy_verdict *verdict, char *out, size_t size)
{
    const struct document_key *key = verdict->key;
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add(&text, "restrict");
    if (verdict->reason != POLICY_GRANTED) {
        cloud_text_add(&text, ",command=\"" NOLOGIN "\"");
    } else {
        add_grants(&text, document, name);
        if (key->expires_at != DOCUMENT_NO_TIME)
            add_expiry(&text, key->expires_at);
    }
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->type);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->base64);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->user->id);
    if (text.cut)
        out[0] = '\0';
    return !text.cut;
}
