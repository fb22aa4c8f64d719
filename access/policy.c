/* SPDX-License-Identifier: Apache-2.0 */
#include "access/policy.h"

#include "access/address.h"
#include "access/denials.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

static const char *const tokens[POLICY_REASONS] = {
    [POLICY_REFUSED] = "refused",
    [POLICY_GRANTED] = "granted",
    [POLICY_NOT_OURS] = "not-ours",
    [POLICY_LOCAL] = "local-user",
    [POLICY_KIND_MISMATCH] = "kind-mismatch",
    [POLICY_KEY_UNUSABLE] = "key-unusable",
    [POLICY_KEY_UNKNOWN] = "key-unknown",
    [POLICY_LINE_TOO_LONG] = "line-too-long",
    [POLICY_KEY_EXPIRED] = "key-expired",
    [POLICY_PERSON_EXPIRED] = "person-expired",
    [POLICY_TOO_EARLY] = "too-early",
    [POLICY_FROM] = "from-elsewhere",
    [POLICY_CERTIFICATE_UNUSABLE] = "certificate-unusable",
    [POLICY_CERTIFICATE_EARLY] = "certificate-not-yet-valid",
    [POLICY_CERTIFICATE_EXPIRED] = "certificate-expired",
    [POLICY_AUTHORITY_UNKNOWN] = "authority-unknown",
    [POLICY_CERTIFICATE_UNKNOWN] = "certificate-unknown",
    [POLICY_STATUS_INACTIVE] = "environment-inactive",
    [POLICY_STATUS_PAUSED] = "environment-paused",
    [POLICY_STATUS_DELETING] = "environment-deleting",
    [POLICY_STATUS_UNKNOWN] = "environment-status-unknown",
    [POLICY_ROLE] = "role-too-low",
    [POLICY_ROLE_SFTP_ONLY] = "role-sftp-only",
    [POLICY_ACCESS_OFF] = "access-off",
    [POLICY_MFA] = "mfa-required",
    [POLICY_APP_UNKNOWN] = "app-unknown",
    [POLICY_NOT_THIS_HOST] = "not-this-host",
    [POLICY_UNUSABLE] = "document-unusable",
    [POLICY_ABSENT] = "environment-absent",
    [POLICY_UNAVAILABLE] = "unavailable",
    [POLICY_NO_KEY_LINE] = "no-key-line",
    [POLICY_KEY_CHANGED] = "key-changed",
    [POLICY_DENIED] = "denied",
    [POLICY_IDS_CHANGED] = "ids-changed",
    [POLICY_LINE_CHANGED] = "line-changed",
};

const char *policy_token(enum policy_reason reason)
{
    return reason < POLICY_REASONS ? tokens[reason] : tokens[POLICY_REFUSED];
}

const char *policy_kind_word(enum cloud_kind kind)
{
    return kind == CLOUD_SFTP ? "sftp" : "shell";
}

enum policy_reason policy_account(const struct policy_host *host, const struct binding *account,
                                  char *why, size_t size)
{
    const struct cloud_conf *conf = host->conf;
    const struct local_ids *local = host->local_ids;
    char plain[CLOUD_NAME_MAX + 1];
    enum policy_reason reason = POLICY_LOCAL;

    if (!cloud_conf_has_id(conf, account->uid) || !cloud_conf_has_id(conf, account->gid)) {
        snprintf(why, size, "account: uid %u and gid %u are not both in this host's range %u-%u",
                 account->uid, account->gid, conf->uid_min, conf->uid_max);
        reason = POLICY_NOT_OURS;
    } else if (local_ids_has_uid(local, account->uid)) {
        snprintf(why, size, "account.uid: %u belongs to a local user", account->uid);
    } else if (local_ids_has_gid(local, account->gid)) {
        snprintf(why, size, "account.gid: %u belongs to a local group", account->gid);
    } else if (!cloud_name_plain(&conf->grammar, account->project, account->environment, plain)) {
        snprintf(why, size, "the environment has no login name under this host's grammar");
        reason = POLICY_NOT_OURS;
    } else if (local_ids_has_name(local, plain)) {
        snprintf(why, size, "the login name %s is a local user's or group's", plain);
    } else {
        reason = POLICY_GRANTED;
    }
    return reason;
}

bool policy_usable(const struct policy_host *host, const struct document *document, char *why,
                   size_t size)
{
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};
    struct binding bound;

    if (policy_account(host, &claim, why, size) != POLICY_GRANTED)
        return false;
    if (local_ids_is_subordinate(host->local_ids, claim.uid, claim.gid) &&
        !bindings_by_name(host->bindings, claim.project, claim.environment, &bound)) {
        snprintf(why, size,
                 "account: uid %u or gid %u is a subordinate id of a local user (/etc/subuid, "
                 "/etc/subgid)",
                 claim.uid, claim.gid);
        return false;
    }
    if (cloud_conf_has_home(host->conf, document->home))
        return bindings_allow(host->bindings, &claim, why, size);
    snprintf(why, size, "account.home: this host's homes does not allow %s", document->home);
    return false;
}

bool policy_app_usable(const struct cloud_conf *conf, const struct document_app *app, char *why,
                       size_t size)
{
    bool usable = app->home == NULL || cloud_conf_has_home(conf, app->home);

    if (!usable)
        snprintf(why, size, "apps.%s.home: this host's homes does not allow %s", app->name,
                 app->home);
    return usable;
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

const struct document_app *policy_app(const struct document *document,
                                      const struct cloud_name *name)
{
    return name->app[0] == '\0' ? NULL : document_find_app(document, name->app);
}

bool policy_app_exists(const struct document *document, const struct cloud_name *name)
{
    return name->app[0] == '\0' || !document->has_apps || policy_app(document, name) != NULL;
}

const char *policy_home(const struct document *document, const struct cloud_name *name)
{
    const struct document_app *app = policy_app(document, name);

    if (name->kind == CLOUD_SFTP)
        return "/";
    return app != NULL && app->home != NULL ? app->home : document->home;
}

const char *policy_shell(const struct document *document, const struct cloud_name *name)
{
    return name->kind == CLOUD_SFTP ? POLICY_NOLOGIN : document->shell;
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
    case DOCUMENT_DELETED: /* the cache treats such an environment as absent */
    case DOCUMENT_STATUS_UNKNOWN:
        break;
    }
    return POLICY_STATUS_UNKNOWN;
}

enum document_level policy_level(const struct document *document, const struct cloud_name *name)
{
    const struct document_app *app = policy_app(document, name);

    if (name->kind == CLOUD_SFTP)
        return document->sftp;
    return app != NULL && app->has_level ? app->ssh : document->ssh;
}

/* The login that the rules judge. */
struct attempt {
    const struct document *document;
    const struct cloud_name *name;
    const struct document_key *key;
    const struct policy_visit *visit;
};

const struct offered_key *policy_certificate(const struct policy_visit *visit)
{
    return visit->offered != NULL && visit->offered->certified ? visit->offered : NULL;
}

static enum policy_reason rule_certificate(const struct attempt *attempt)
{
    const struct offered_key *certificate = policy_certificate(attempt->visit);

    if (certificate == NULL)
        return POLICY_GRANTED;
    if (certificate->fault != NULL)
        return POLICY_CERTIFICATE_UNUSABLE;
    if (certificate->valid_after > attempt->visit->wall)
        return POLICY_CERTIFICATE_EARLY;
    return certificate->valid_before <= attempt->visit->now ? POLICY_CERTIFICATE_EXPIRED
                                                            : POLICY_GRANTED;
}

static enum policy_reason rule_denied(const struct attempt *attempt)
{
    const struct document_user *user = attempt->key->user;
    const struct offered_key *certificate = policy_certificate(attempt->visit);
    const struct denial_match match = {
        .project = attempt->document->project,
        .environment = attempt->document->environment,
        .user_id = user->id,
        .username = user->username,
        .fingerprint = certificate == NULL ? attempt->key->fingerprint : certificate->fingerprint,
        .ca = certificate == NULL ? NULL : certificate->ca,
        .serial = certificate == NULL ? 0 : certificate->serial};

    return denials_match(attempt->document->denials, &match, attempt->visit->wall) ? POLICY_DENIED
                                                                                   : POLICY_GRANTED;
}

static enum policy_reason rule_status(const struct attempt *attempt)
{
    return check_status(attempt->document);
}

static bool has_ended(const struct document_limits *limits, int64_t now)
{
    return limits->expires_at != DOCUMENT_NO_TIME && limits->expires_at <= now;
}

static enum policy_reason rule_expiry(const struct attempt *attempt)
{
    if (has_ended(&attempt->key->limits, attempt->visit->now))
        return POLICY_KEY_EXPIRED;
    return has_ended(&attempt->key->user->limits, attempt->visit->now) ? POLICY_PERSON_EXPIRED
                                                                       : POLICY_GRANTED;
}

struct offered_key policy_session_key(const struct cloud_conf *conf,
                                      const struct offered_key *offered)
{
    struct offered_key key = *offered;

    key.entered = true;
    key.valid_after = 0;
    if (conf->session_outlives_certificate)
        key.valid_before = INT64_MAX;
    return key;
}

int64_t policy_ends(const struct document_key *key, const struct offered_key *offered)
{
    int64_t own = key->limits.expires_at, person = key->user->limits.expires_at;
    int64_t ends =
        own == DOCUMENT_NO_TIME || (person != DOCUMENT_NO_TIME && person < own) ? person : own;

    if (offered != NULL && offered->certified && offered->valid_before != INT64_MAX &&
        (ends == DOCUMENT_NO_TIME || offered->valid_before < ends))
        ends = offered->valid_before;
    return ends > 0 ? ends : 0;
}

static enum policy_reason rule_begin(const struct attempt *attempt)
{
    /* A missing not_before is DOCUMENT_NO_TIME, which is before every time. */
    int64_t now = attempt->visit->wall;

    return attempt->key->limits.not_before > now || attempt->key->user->limits.not_before > now
               ? POLICY_TOO_EARLY
               : POLICY_GRANTED;
}

bool policy_has_from(const struct document_key *key)
{
    return key->limits.has_from || key->user->limits.has_from;
}

static bool admits(const struct document_limits *limits, const unsigned char *address)
{
    for (size_t i = 0; i < limits->blocks; i++)
        if (address_block_has(&limits->from[i], address))
            return true;
    return !limits->has_from;
}

static enum policy_reason rule_from(const struct attempt *attempt)
{
    const struct document_key *key = attempt->key;
    unsigned char address[ADDRESS_SIZE];

    if (attempt->visit->from == NULL || !policy_has_from(key))
        return POLICY_GRANTED;
    return address_read(attempt->visit->from, address) && admits(&key->limits, address) &&
                   admits(&key->user->limits, address)
               ? POLICY_GRANTED
               : POLICY_FROM;
}

static enum policy_reason rule_role(const struct attempt *attempt)
{
    static const enum document_role least[] = {
        [DOCUMENT_LEVEL_VIEWER] = DOCUMENT_ROLE_VIEWER,
        [DOCUMENT_LEVEL_CONTRIBUTOR] = DOCUMENT_ROLE_CONTRIBUTOR,
        [DOCUMENT_LEVEL_ADMIN] = DOCUMENT_ROLE_ADMIN,
    };
    const struct document *document = attempt->document;
    enum document_role role = attempt->key->user->role;
    enum document_level level = policy_level(document, attempt->name);

    if (document->session_unread || document->require.unread ||
        (level != DOCUMENT_LEVEL_VIEWER && level != DOCUMENT_LEVEL_CONTRIBUTOR &&
         level != DOCUMENT_LEVEL_ADMIN))
        return POLICY_ACCESS_OFF;
    if (role == DOCUMENT_ROLE_UNKNOWN)
        return POLICY_ROLE;
    if (role == DOCUMENT_ROLE_SFTP)
        return attempt->name->kind == CLOUD_SFTP ? POLICY_GRANTED : POLICY_ROLE_SFTP_ONLY;
    return role >= least[level] ? POLICY_GRANTED : POLICY_ROLE;
}

static bool has_amr(const struct certificate_claims *claims, const char *word)
{
    for (size_t i = 0; i < claims->amrs; i++)
        if (strcmp(claims->amr[i], word) == 0)
            return true;
    return false;
}

/* A security key with `verify` counts as MFA now, because sshd requires the key to verify its user
 * at the login. If the line that sshd got does not require this, because the document had no
 * `verify` then, the login is refused. `auth_time` may be up to CERTIFICATE_EARLY seconds in the
 * future, because an authority's clock may be fast. */
static enum policy_reason rule_require(const struct attempt *attempt)
{
    const struct document_require *require = &attempt->document->require;
    const struct policy_visit *visit = attempt->visit;
    const struct offered_key *certificate = policy_certificate(visit);
    struct certificate_claims claims = {0};

    if (visit->offered != NULL && visit->offered->entered)
        return POLICY_GRANTED;
    if (attempt->key->verify && visit->offered != NULL && visit->offered->unverified)
        return POLICY_NO_KEY_LINE;
    if (!require->given)
        return POLICY_GRANTED;
    if (certificate != NULL)
        claims = certificate->claims;
    else if (attempt->key->verify)
        claims = (struct certificate_claims){visit->now, 1, {"mfa"}};
    if (claims.auth_time <= 0 || claims.auth_time > visit->now + CERTIFICATE_EARLY ||
        (require->max_age != DOCUMENT_NO_BOUND && visit->now - claims.auth_time > require->max_age))
        return POLICY_MFA;
    for (size_t i = 0; i < require->amrs; i++)
        if (!has_amr(&claims, require->amr[i]))
            return POLICY_MFA;
    return POLICY_GRANTED;
}

static const struct rule {
    const char *name;
    enum policy_reason (*check)(const struct attempt *);
} rules[POLICY_RULES] = {
    {"certificate", rule_certificate},
    {"denied", rule_denied},
    {"status", rule_status},
    {"expiry", rule_expiry},
    {"begin", rule_begin},
    {"from", rule_from},
    {"role", rule_role},
    {"require", rule_require},
};

enum policy_reason policy_key(const struct document *document, const struct cloud_name *name,
                              const struct document_key *key, const struct policy_visit *visit)
{
    const struct attempt attempt = {document, name, key, visit};
    enum policy_reason reason = POLICY_REFUSED;

    for (size_t i = 0; i < POLICY_RULES; i++) {
        reason = rules[i].check(&attempt);
        if (reason != POLICY_GRANTED)
            break;
    }
    return reason;
}

void policy_rules(const struct document *document, const struct cloud_name *name,
                  const struct document_key *key, const struct policy_visit *visit,
                  struct policy_rule_verdict out[POLICY_RULES])
{
    const struct attempt attempt = {document, name, key, visit};

    for (size_t i = 0; i < POLICY_RULES; i++)
        out[i] = (struct policy_rule_verdict){rules[i].name, rules[i].check(&attempt)};
}

/* Returns the next entry of the document, after `after` (NULL: the first one), for the authority of
 * the certificate or, if that is NULL, for the plain key with that fingerprint; NULL if there is
 * none. */
static const struct document_key *next_key(const struct document *document,
                                           const struct offered_key *certificate,
                                           const unsigned char *fingerprint,
                                           const struct document_key *after)
{
    const struct document_key *first, *next;

    if (certificate == NULL)
        return document_find_key(document, fingerprint, after);
    first = document_find_authority(document, certificate->ca);
    if (first == NULL)
        return NULL;
    next = after == NULL ? first : after + 1;
    return next < first + document->users ? next : NULL;
}

/* Returns why a login is refused if no entry of the document is for the offered key. */
static enum policy_reason unknown(const struct document *document,
                                  const struct offered_key *offered)
{
    if (!offered->certified)
        return POLICY_KEY_UNKNOWN;
    return document_find_authority(document, offered->ca) == NULL ? POLICY_AUTHORITY_UNKNOWN
                                                                  : POLICY_CERTIFICATE_UNKNOWN;
}

struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const char *user_id, const struct policy_visit *visit)
{
    const struct offered_key *offered = visit->offered, *certificate = policy_certificate(visit);
    struct policy_verdict verdict = {unknown(document, offered), NULL};
    const struct document_key *key = NULL;

    if (!policy_app_exists(document, name))
        return (struct policy_verdict){POLICY_APP_UNKNOWN, NULL};
    if (user_id == NULL && visit->offered->certified)
        user_id = visit->offered->key_id;
    while ((key = next_key(document, certificate, offered->fingerprint, key)) != NULL) {
        if (user_id != NULL && strcmp(key->user->id, user_id) != 0)
            continue;
        enum policy_reason reason = policy_key(document, name, key, visit);
        if (verdict.key == NULL || reason == POLICY_GRANTED)
            verdict = (struct policy_verdict){reason, key};
        if (reason == POLICY_GRANTED)
            break;
    }
    return verdict;
}

struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const struct policy_visit *visit)
{
    return policy_person(document, name, NULL, visit);
}

const struct document_key *policy_next(const struct document *document,
                                       const struct cloud_name *name,
                                       const struct document_key *key,
                                       const struct policy_visit *visit)
{
    const struct offered_key *certificate = policy_certificate(visit);
    const struct document_key *next = key;

    while ((next = next_key(document, certificate, key->fingerprint, next)) != NULL)
        if ((certificate == NULL || strcmp(next->user->id, key->user->id) == 0) &&
            policy_key(document, name, next, visit) == POLICY_GRANTED)
            break;
    return next;
}

/* Whether the user could enter with a certificate of one of the document's authorities, if its
 * claims met access.require. */
static bool has_better_certificate(const struct document *document, const struct cloud_name *name,
                                   const struct document_user *user,
                                   const struct policy_visit *visit)
{
    static const struct offered_key with_claims = {.entered = true};
    const struct policy_visit certified = {visit->now, visit->wall, visit->from, &with_claims};
    size_t own = (size_t)(user - document->user);

    for (size_t i = 0; i < document->authorities; i++)
        if (policy_key(document, name, &document->certified[i * document->users + own],
                       &certified) == POLICY_GRANTED)
            return true;
    return false;
}

/* Whether the user of the refused key may enter with another key or, if the refused one is a plain
 * key, with a certificate: ssh(1) may offer a key before the certificate for it. There is no better
 * key if the user's own `from` is the reason, because it holds for all keys of the user. */
static bool has_better_key(const struct document *document, const struct cloud_name *name,
                           const struct policy_verdict *verdict, const struct policy_visit *visit)
{
    const struct policy_visit plain = {visit->now, visit->wall, visit->from, NULL};
    const struct document_key *refused = verdict->key, *key = document->key;

    if (verdict->reason == POLICY_FROM && !refused->limits.has_from)
        return false;
    if (policy_certificate(visit) == NULL &&
        has_better_certificate(document, name, refused->user, visit))
        return true;
    for (; key < document->key + document->keys; key++)
        if (key->user == refused->user &&
            memcmp(key->fingerprint, refused->fingerprint, KEY_FINGERPRINT_SIZE) != 0 &&
            policy_key(document, name, key, &plain) == POLICY_GRANTED)
            return true;
    return false;
}

/* Whether the reason may apply to one key of a user and not to another. */
static bool is_of_key(enum policy_reason reason)
{
    return reason == POLICY_KEY_EXPIRED || reason == POLICY_TOO_EARLY || reason == POLICY_DENIED ||
           reason == POLICY_FROM || reason == POLICY_MFA;
}

bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, const struct policy_visit *visit)
{
    if (verdict->key == NULL)
        return false;
    if (verdict->reason == POLICY_GRANTED)
        return true;
    if (name->kind == CLOUD_SFTP || verdict->reason == POLICY_CERTIFICATE_UNUSABLE ||
        verdict->reason == POLICY_CERTIFICATE_EARLY ||
        verdict->reason == POLICY_CERTIFICATE_EXPIRED)
        return false;
    return !is_of_key(verdict->reason) || !has_better_key(document, name, verdict, visit);
}

enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now)
{
    enum policy_reason reason = check_status(document);

    if (!policy_app_exists(document, name))
        return POLICY_APP_UNKNOWN;
    if (denials_environment(document->denials, document->project, document->environment, now))
        return POLICY_DENIED;
    /* Cron jobs of a paused environment still run: they belong to the application, and let no
     * person in. */
    if (reason == POLICY_STATUS_PAUSED && strcmp(service, "cron") == 0)
        return POLICY_GRANTED;
    return reason;
}
