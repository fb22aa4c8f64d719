/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/audit/audit.h"

#include "access/keys.h"
#include "base/log.h"
#include "common/name.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define MINUTE 60000

/* app=app, or app=app--worker */
static void add_app(struct cloud_text *text, const struct audit *audit)
{
    cloud_text_add_pair(text, "app", audit->app);
    if (audit->worker != NULL && audit->worker[0] != '\0') {
        cloud_text_add(text, "--");
        cloud_text_add_value(text, audit->worker);
    }
}

size_t audit_format(const struct audit *audit, char *out, size_t size)
{
    struct cloud_text text;
    char fingerprint[KEY_FINGERPRINT_TEXT] = "";

    if (audit->key != NULL)
        keys_fingerprint_text(audit->key, fingerprint);
    cloud_text_start(&text, out, size);
    cloud_text_add(&text, audit->event != NULL ? audit->event
                          : audit->granted     ? "grant"
                                               : "refuse");
    cloud_text_add_pair(&text, "account", audit->account);
    cloud_text_add_pair(&text, "kind", audit->kind);
    cloud_text_add_pair(&text, "project", audit->project);
    cloud_text_add_pair(&text, "environment", audit->environment);
    add_app(&text, audit);
    cloud_text_add_pair(&text, "user", audit->user);
    cloud_text_add_pair(&text, "role", audit->role);
    cloud_text_add_pair(&text, "key", fingerprint);
    cloud_text_add_pair(&text, "from", audit->from);
    cloud_text_add_pair(&text, "service", audit->service);
    cloud_text_add_pair(&text, "reason", audit->reason);
    cloud_text_add_pair(&text, "source", audit->source);
    cloud_text_add_pair(&text, "age", NULL);
    if (audit->age != AUDIT_NO_AGE)
        cloud_text_add_number(&text, audit->age);
    if (audit->unproved)
        cloud_text_add_pair(&text, "proof", "none");
    if (audit->detail != NULL && audit->detail[0] != '\0')
        cloud_text_add_pair(&text, "detail", audit->detail);
    if (audit->session != NULL)
        cloud_text_add_pair(&text, "session", audit->session);
    return text.used;
}

/* Whether a person was refused, or a session ended by cloudauthd: a notice, else information. */
static bool is_notice(const struct audit *audit)
{
    return audit->event == NULL ? !audit->granted : strcmp(audit->event, "end") == 0;
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

/* A refused offer that was logged. */
struct offer {
    char account[CLOUD_NAME_MAX + 1];
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    int64_t at; /* cloud_clock_ms() */
};

static struct offer offers[AUDIT_OFFERS];

static bool is_recent(const struct offer *offer, int64_t now)
{
    return offer->account[0] != '\0' && now - offer->at < MINUTE;
}

/* The offer if it was noted within the last minute, else the entry for it: a free one, or the
 * oldest. */
static struct offer *find_offer(const char *account, const unsigned char *fingerprint, int64_t now)
{
    struct offer *oldest = &offers[0];

    for (size_t i = 0; i < AUDIT_OFFERS; i++) {
        struct offer *offer = &offers[i];
        if (is_recent(offer, now) && strcmp(offer->account, account) == 0 &&
            memcmp(offer->fingerprint, fingerprint, sizeof offer->fingerprint) == 0)
            return offer;
        if (offer->account[0] == '\0' || offer->at < oldest->at)
            oldest = offer;
    }
    return oldest;
}

bool audit_offer_is_new(const char *account, const unsigned char *fingerprint, int64_t now)
{
    return strlen(account) < sizeof offers[0].account &&
           !is_recent(find_offer(account, fingerprint, now), now);
}

void audit_note_offer(const char *account, const unsigned char *fingerprint, int64_t now)
{
    struct offer *offer = find_offer(account, fingerprint, now);

    snprintf(offer->account, sizeof offer->account, "%s", account);
    memcpy(offer->fingerprint, fingerprint, sizeof offer->fingerprint);
    offer->at = now;
}
