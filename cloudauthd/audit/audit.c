/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/audit/audit.h"

#include "base/log.h"
#include "common/name.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define MINUTE 60000

/* Adds app=APP, or app=APP--WORKER. */
static void add_app(struct cloud_text *text, const struct audit *audit)
{
    cloud_text_add_pair(text, "app", audit->app);
    if (audit->worker != NULL && audit->worker[0] != '\0') {
        cloud_text_add(text, "--");
        cloud_text_add_value(text, audit->worker);
    }
}

/* Adds the pairs about the environment, the person and the key. */
static void add_subject(struct cloud_text *text, const struct audit *audit)
{
    const struct offered_key *offered = audit->offered;
    char fingerprint[KEY_FINGERPRINT_TEXT] = "";

    if (offered != NULL)
        keys_fingerprint_text(offered->fingerprint, fingerprint);
    cloud_text_add_pair(text, "project", audit->project);
    cloud_text_add_pair(text, "environment", audit->environment);
    add_app(text, audit);
    cloud_text_add_pair(text, "user", audit->user);
    cloud_text_add_pair(text, "role", audit->role);
    cloud_text_add_pair(text, "key", fingerprint);
    if (offered == NULL || !offered->certified)
        return;
    keys_fingerprint_text(offered->ca, fingerprint);
    cloud_text_add_pair(text, "cert", NULL);
    cloud_text_add_number(text, offered->serial);
    cloud_text_add_pair(text, "ca", fingerprint);
}

void audit_format_subject(const struct audit *audit, char *out)
{
    struct cloud_text text;

    cloud_text_start(&text, out, AUDIT_SUBJECT_MAX);
    add_subject(&text, audit);
}

size_t audit_format(const struct audit *audit, char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add(&text, audit->event != NULL ? audit->event
                          : audit->granted     ? "grant"
                                               : "refuse");
    cloud_text_add_pair(&text, "account", audit->account);
    cloud_text_add_pair(&text, "kind", audit->kind);
    add_subject(&text, audit);
    cloud_text_add_pair(&text, "from", audit->from);
    cloud_text_add_pair(&text, "service", audit->service);
    cloud_text_add_pair(&text, "reason", audit->reason);
    cloud_text_add_pair(&text, "source", audit->source);
    cloud_text_add_pair(&text, "age", NULL);
    if (audit->age != AUDIT_NO_AGE)
        cloud_text_add_number(&text, audit->age);
    if (audit->pid > 0) {
        cloud_text_add_pair(&text, "pid", NULL);
        cloud_text_add_number(&text, (uint64_t)audit->pid);
    }
    if (audit->unproved)
        cloud_text_add_pair(&text, "proof", "none");
    if (audit->grant != NULL && audit->grant[0] != '\0')
        cloud_text_add_pair(&text, "grant-reason", audit->grant);
    if (audit->detail != NULL && audit->detail[0] != '\0')
        cloud_text_add_pair(&text, "detail", audit->detail);
    if (audit->session != NULL)
        cloud_text_add_pair(&text, "session", audit->session);
    return text.used;
}

/* Whether the line is logged as a notice: a refusal, a session that cloudauthd ended, or omitted
 * offers. Other lines are logged as information. */
static bool is_notice(const struct audit *audit)
{
    return audit->event == NULL ? !audit->granted : strcmp(audit->event, "close") != 0;
}

void audit_write(const struct audit *audit)
{
    char line[AUDIT_LINE_MAX];

    audit_format(audit, line, sizeof line);
    log_write(LOG_AUTHPRIV | (is_notice(audit) ? LOG_NOTICE : LOG_INFO), line);
}

static struct audit_view counted;

void audit_count(enum audit_stage stage, enum cloud_kind kind, enum policy_reason reason)
{
    if (stage < AUDIT_STAGES && reason < POLICY_REASONS)
        counted.decisions[stage][kind == CLOUD_SFTP][reason]++;
}

const struct audit_view *audit_look(void)
{
    return &counted;
}

/* ---- Refused offers ---- */

/* A refused offer that got an audit line of its own. */
struct offer {
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    char account[CLOUD_NAME_MAX + 1];
    int64_t at; /* cloud_clock_ms() when the offer got its line */
    bool used;
};

/* The refused offers of one environment's accounts of one kind; or, if the grammar has no place for
 * the login name, those of this name. */
struct refused {
    int64_t at;       /* cloud_clock_ms() of the last refused offer */
    int64_t since;    /* cloud_clock_ms() of the first omitted offer */
    unsigned omitted; /* offers omitted since the last `omit` line */
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1]; /* "": not known */
    enum cloud_kind kind;
    char account[CLOUD_NAME_MAX + 1]; /* of the first omitted offer, or of the first offer */
    struct offer offers[AUDIT_OFFERS];
};

static struct refused records[AUDIT_ENVIRONMENTS];

static void tell_omitted(struct refused *refused)
{
    char detail[64];
    const struct audit audit = {.event = "omit",
                                .account = refused->account,
                                .kind = policy_kind_word(refused->kind),
                                .project = refused->project,
                                .environment = refused->environment,
                                .service = "sshd",
                                .age = AUDIT_NO_AGE,
                                .unproved = true,
                                .detail = detail};

    if (refused->omitted == 0)
        return;
    snprintf(detail, sizeof detail, "%u more refused offers of keys", refused->omitted);
    refused->omitted = 0;
    audit_write(&audit);
}

void audit_tell_omitted(int64_t now)
{
    for (struct refused *each = records; each < records + AUDIT_ENVIRONMENTS; each++)
        if (each->omitted > 0 && now - each->since >= MINUTE)
            tell_omitted(each);
}

static bool is_record_of(const struct refused *refused, const struct audit *audit)
{
    return refused->kind == cloud_name_kind(audit->account) &&
           strcmp(refused->project, audit->project) == 0 &&
           strcmp(refused->environment, audit->environment) == 0 &&
           (audit->project[0] != '\0' || strcmp(refused->account, audit->account) == 0);
}

/* Returns the record for an offer. A new record takes the place of the one whose last offer is the
 * oldest. */
static struct refused *find_record(const struct audit *audit)
{
    struct refused *oldest = records;

    for (struct refused *each = records; each < records + AUDIT_ENVIRONMENTS; each++) {
        if (is_record_of(each, audit))
            return each;
        if (each->at < oldest->at)
            oldest = each;
    }
    tell_omitted(oldest);
    memset(oldest, 0, sizeof *oldest);
    oldest->kind = cloud_name_kind(audit->account);
    snprintf(oldest->project, sizeof oldest->project, "%s", audit->project);
    snprintf(oldest->environment, sizeof oldest->environment, "%s", audit->environment);
    snprintf(oldest->account, sizeof oldest->account, "%s", audit->account);
    return oldest;
}

/* Returns a place for an offer that gets a line: an unused one, or one whose line is at least a
 * minute old. NULL if the offer gets no line: with *again set if the same key and account got one
 * within the last minute, otherwise because the lines of other offers take all places. */
static struct offer *find_offer(struct refused *refused, const char *account,
                                const unsigned char *fingerprint, int64_t now, bool *again)
{
    struct offer *unused = NULL;

    *again = false;
    for (struct offer *each = refused->offers; each < refused->offers + AUDIT_OFFERS; each++) {
        if (!each->used || now - each->at >= MINUTE) {
            unused = each;
        } else if (memcmp(each->fingerprint, fingerprint, sizeof each->fingerprint) == 0 &&
                   strcmp(each->account, account) == 0) {
            *again = true;
            return NULL;
        }
    }
    return unused;
}

bool audit_take_offer(const struct audit *audit, const unsigned char *fingerprint, int64_t now)
{
    const char *account = audit->account;
    struct refused *refused;
    struct offer *offer;
    bool again;

    if (strlen(account) >= sizeof refused->account || account[0] == '\0')
        return false;
    refused = find_record(audit);
    refused->at = now;
    offer = find_offer(refused, account, fingerprint, now, &again);
    if (offer != NULL) {
        memcpy(offer->fingerprint, fingerprint, sizeof offer->fingerprint);
        snprintf(offer->account, sizeof offer->account, "%s", account);
        offer->at = now;
        offer->used = true;
    } else if (!again && refused->omitted++ == 0) {
        refused->since = now;
        snprintf(refused->account, sizeof refused->account, "%s", account);
    }
    return offer != NULL;
}
