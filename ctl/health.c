/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/health.h"

#include "ctl/ctl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY             INT64_C(86400)
#define EXPIRES_SOON    (14 * DAY) /* seconds; certificates that expire sooner are degraded */
#define EXPIRES_AT_ONCE (2 * DAY)  /* seconds; certificates that expire sooner are critical */
#define FEED_GRACE      30         /* seconds; the feed is reported when it has been down so long */
#define DISK_SLOW       5 /* seconds; waits of this length are reported: a busy disk causes less */
#define NUMBER_MAX      (INT64_MAX / 4) /* of a reply: what is calculated with it cannot overflow */
#define CLOCK_OFF       30 /* seconds of difference; slow answers and rounding cause less */

const char *health_word(enum health_level level)
{
    static const char *const words[] = {"good", "degraded", "critical"};

    return words[level];
}

const char *health_value(const struct health *health, const char *name)
{
    return ask_value(&health->rows, name);
}

int64_t health_number(const struct health *health, const char *name)
{
    int64_t number = strtoll(health_value(health, name), NULL, 10);

    if (number > NUMBER_MAX)
        return NUMBER_MAX;
    return number < -NUMBER_MAX ? -NUMBER_MAX : number;
}

bool health_has(const struct health *health, const char *check)
{
    for (size_t i = 0; i < health->findings; i++)
        if (strcmp(health->finding[i].check, check) == 0)
            return true;
    return false;
}

/* Raises the level to that of the finding, and adds the finding with its remedy if there is
 * space. */
__attribute__((format(printf, 5, 6))) static void find(struct health *health,
                                                       enum health_level level, const char *check,
                                                       const char *remedy, const char *format, ...)
{
    struct health_finding *finding = &health->finding[health->findings];
    va_list arguments;

    if (level > health->level)
        health->level = level;
    if (health->findings == HEALTH_FINDINGS)
        return;
    health->findings++;
    finding->level = level;
    finding->check = check;
    snprintf(finding->remedy, sizeof finding->remedy, "%s", remedy);
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

/* A row of STATUS that is a finding if it has any other value than `good`. A missing row, or an
 * empty value, is not a finding. If `good` is "", the value is the text of an error, and is
 * shown. */
static const struct rule {
    const char *name, *good;
    enum health_level level;
    const char *check, *what, *remedy;
} rules[] = {
    {"absences", "believed", HEALTH_DEGRADED, "absences",
     "many environments turned absent at once: cloudauthd takes that for an error of the API",
     "cloudauthctl confirm-absences  # lists them; with --all they are believed to be gone"},
    {"conflict", "", HEALTH_CRITICAL, "documents",
     "a document conflicts with this host, so that its accounts are refused",
     "cloudauthctl status --documents  # names all; then free the name or id, here or at the API"},
    {"settings_error", "", HEALTH_CRITICAL, "settings",
     "the last reload was refused, and cloudauthd would not start with these settings",
     "systemctl reload cloudauthd  # when the file is correct"},
    {"documents_files", "written", HEALTH_CRITICAL, "disk",
     "a document cannot be written: a restart would not find it, or a removal would come back",
     "df /var/lib/cloudauth; journalctl -u cloudauthd -g 'store: document' -n 5"},
    {"sessions_files", "written", HEALTH_CRITICAL, "disk",
     "the last file of a session could not be written: no session opens without one",
     "df /run; journalctl -u cloudauthd -g 'cannot be written' -n 5"},
    {"bindings_file", "whole", HEALTH_DEGRADED, "ids",
     "/var/lib/cloudauth/owners has damaged lines: bindings or releases in them are not known",
     "journalctl -u cloudauthd -g 'owners: line' -n 1  # docs/outages.md, \"Bindings that were "
     "lost\""},
    {"token_error", "", HEALTH_DEGRADED, "api", "no access token can be had",
     "journalctl -u cloudauthd -g 'token endpoint' -n 5"},
    {"snapshot_file", "written", HEALTH_DEGRADED, "snapshot",
     "accounts.snapshot cannot be written: every lookup asks cloudauthd",
     "df /var/lib/cloudauth; journalctl -u cloudauthd -g snapshot -n 5"},
    {"denials_file", "whole", HEALTH_CRITICAL, "denials",
     "the list of denials is damaged: every cloud account is refused",
     "cloudauthctl undeny --all  # begins a new list; then deny again who must stay out"},
    {"helper_user", "present", HEALTH_CRITICAL, "daemon",
     "cloudauthd does not know the user cloudauth-keys: it answers no key",
     "systemd-sysusers /usr/lib/sysusers.d/cloudauth.conf"},
};

/* Returns the remedy of a rule. A document can conflict with this host in several ways: if the
 * value names one that has a remedy of its own, writes that to `buffer` and returns it. */
static const char *remedy_of(const struct rule *rule, const struct cloud_conf *conf,
                             const char *value, char buffer[REMEDY_SIZE])
{
    if (strcmp(rule->name, "conflict") == 0 && remedy_known(conf, value, buffer))
        return buffer;
    return rule->remedy;
}

static void judge_rules(struct health *health, const struct cloud_conf *conf)
{
    char buffer[REMEDY_SIZE];

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *value = health_value(health, rules[i].name);
        if (value[0] == '\0' || strcmp(value, rules[i].good) == 0)
            continue;
        bool says_why = rules[i].good[0] == '\0';
        find(health, rules[i].level, rules[i].check, remedy_of(&rules[i], conf, value, buffer),
             "%s%s%.500s", rules[i].what, says_why ? ": " : "", says_why ? value : "");
    }
}

/* Says until when the environments whose last request failed can still be entered. Writes "" if
 * none of them can. */
static void say_until(const struct health *health, char out[128])
{
    int64_t first = health_number(health, "failing_until");
    int64_t last = health_number(health, "failing_last_until");
    char begin[32], end[32];

    out_time(first, begin, sizeof begin);
    out_time(last, end, sizeof end);
    out[0] = '\0';
    if (first > 0)
        snprintf(out, 128, ", people enter until %s%s%s", begin,
                 last > first ? ", at the last of them until " : "", last > first ? end : "");
}

static void judge_documents(struct health *health, const struct cloud_conf *conf)
{
    int64_t failing = health_number(health, "failing");
    int64_t unusable = health_number(health, "unusable");
    const char *error = health_value(health, "error");
    const char *credential = health_value(health, "credential_error");
    char remedy[REMEDY_SIZE], until[128];

    if (unusable > 0)
        find(health, HEALTH_CRITICAL, "documents",
             "cloudauthctl refresh --all  # when the project API answers again",
             "%" PRId64 " environment%s with a document that is too old: no one can enter",
             unusable, unusable == 1 ? "" : "s");
    if (failing > 0) {
        remedy_for_api(conf, error, remedy);
        say_until(health, until);
        find(health, HEALTH_DEGRADED, "api", remedy,
             "the last request failed for %" PRId64 " environment%s%s; %.500s", failing,
             failing == 1 ? "" : "s", until, error);
    }
    if (credential[0] != '\0') {
        remedy_for_api(conf, credential, remedy);
        find(health, HEALTH_CRITICAL, "api", remedy, "%.500s", credential);
    }
}

/* A feed that is not live is not critical: changes are still noticed, as late as the settings
 * keys_fresh, account_fresh and session_recheck allow. */
static void judge_feed(struct health *health)
{
    if (strcmp(health_value(health, "feed"), "not-live") == 0 &&
        health_number(health, "feed_since_age") >= FEED_GRACE)
        find(health, HEALTH_DEGRADED, "feed",
             "journalctl -u cloudauthd -g 'change feed' -n 5  # look at changes_url",
             "the change feed is not live, changes are seen as without it: %.500s",
             health_value(health, "feed_error"));
}

/* Makes a finding if a certificate has expired, or expires soon. `row` is the name of the row of
 * STATUS that has its expiry time, `key` the setting that names its file, `path` the value of that
 * setting. `now` is in seconds since 1970. */
static void judge_expiry(struct health *health, const char *row, const char *key, const char *path,
                         int64_t now)
{
    int64_t end = health_number(health, row), left = end - now;
    /* openssl x509 shows only the first certificate of a file, and ca_file has several. */
    const char *command =
        strcmp(key, "ca_file") == 0
            ? "openssl storeutl -noout -text -certs %s | grep -E 'Subject:|Not After'  # renew the "
              "one that ends"
            : "openssl x509 -noout -subject -enddate -in %s  # renew it";
    char when[40], remedy[REMEDY_SIZE] = "";

    if (health_value(health, row)[0] == '\0' || left >= EXPIRES_SOON)
        return;
    out_time(end, when, sizeof when);
    if (path[0] == '/')
        (void)remedy_fill(command, path, remedy);
    find(health, left < EXPIRES_AT_ONCE ? HEALTH_CRITICAL : HEALTH_DEGRADED, "certificates", remedy,
         "a certificate of %s %s: %s", key, left <= 0 ? "has expired" : "ends soon", when);
}

static void judge_clock(struct health *health)
{
    int64_t ahead = health_number(health, "clock_offset");
    int64_t was_ahead = health_number(health, "clock_was_ahead");

    if (ahead > CLOCK_OFF || ahead < -CLOCK_OFF)
        find(health, HEALTH_DEGRADED, "clock", "timedatectl set-ntp true",
             "this host's clock is %" PRId64 " seconds %s the project API's",
             ahead < 0 ? -ahead : ahead, ahead > 0 ? "ahead of" : "behind");
    else if (was_ahead > CLOCK_OFF)
        find(health, HEALTH_DEGRADED, "clock",
             "cloudauthctl refresh --all && systemctl restart cloudauthd",
             "this host's clock was %" PRId64
             " seconds ahead: rights that end within as many are over already",
             was_ahead);
}

/* Critical, because lookups and logins of environments that are not in memory wait for the disk,
 * and so do new documents from the API. */
static void judge_disk(struct health *health)
{
    int64_t seconds = health_number(health, "disk_waiting_age");

    if (seconds >= DISK_SLOW)
        find(health, HEALTH_CRITICAL, "disk", "findmnt -T /var/lib/cloudauth; journalctl -k -n 20",
             "%s documents wait for the disk, for %" PRId64 " seconds: it hangs, or is slow",
             health_value(health, "disk_waiting"), seconds);
}

static void judge_version(struct health *health)
{
    const char *version = health_value(health, "version");

    if (strcmp(version, CLOUD_VERSION) != 0)
        find(health, HEALTH_DEGRADED, "daemon", "systemctl restart cloudauthd",
             "the running cloudauthd is version %s, cloudauthctl is %s", version, CLOUD_VERSION);
}

void health_judge(struct health *health, const struct cloud_conf *conf, int64_t now)
{
    judge_documents(health, conf);
    judge_rules(health, conf);
    judge_feed(health);
    judge_expiry(health, "client_cert_expires", "client_cert", conf->client_cert, now);
    judge_expiry(health, "ca_file_expires", "ca_file", conf->ca_file, now);
    judge_clock(health);
    judge_disk(health);
    judge_version(health);
}

/* Critical, although the daemon keeps the settings that it read earlier: each login is a new sshd
 * process, which cannot read the settings. */
void health_settings(struct health *health, const char *path, const struct cloud_conf_error *error)
{
    find(health, HEALTH_CRITICAL, "settings", "cloudauthctl doctor",
         "%.200s:%u: %s: processes that start now, sshd's too, refuse cloud accounts", path,
         error->line, error->text);
}
