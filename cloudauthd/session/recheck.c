/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/recheck.h"

#include "access/denials.h"
#include "access/messages.h"
#include "base/elapsed.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reasons in the audit line, besides those of policy_token. */
#define REASON_MAX_STALE "session-max-stale"
#define REASON_MAX       "session-max"
#define REASON_IDLE      "session-idle"

#define MINUTE_MS 60000
#define INPUT_MS  8000 /* the kernel keeps a terminal's atime in steps of 8 s */
#define FRESH_MS  1000 /* for how long a look counts; also the error of times in whole seconds */

static void terminate(struct recheck_verdict *out, const char *reason, const char *message)
{
    out->terminate = true;
    out->reason = reason;
    snprintf(out->message, sizeof out->message, "%s", message);
}

/* A login name may mean another environment after the suffixes in the settings have changed. */
static bool is_same_environment(const struct cloud_name *a, const struct cloud_name *b)
{
    return strcmp(a->project, b->project) == 0 && strcmp(a->environment, b->environment) == 0;
}

bool recheck_is_denied(const struct denials *denials, const struct session *session)
{
    const struct denial_match match = {.project = session->name.project,
                                       .environment = session->name.environment,
                                       .user_id = session->user_id,
                                       .username = session->user,
                                       .fingerprint = session->offered.fingerprint,
                                       .ca =
                                           session->offered.certified ? session->offered.ca : NULL,
                                       .serial = session->offered.serial};

    return denials_match(denials, &match, (int64_t)time(NULL));
}

void recheck_judge_by_host(const struct admission *admission, const struct denials *denials,
                           const struct session *session, struct recheck_verdict *out)
{
    const struct policy_host host = {admission->conf, admission->local_ids, admission->bindings};
    struct binding account = {.gid = session->uid};
    struct cloud_name name;
    enum policy_reason reason = admission_judge_name(admission, session->account, &name);
    char why[256];

    (void)bindings_by_uid(admission->bindings, session->uid, &account);
    account = (struct binding){session->name.project, session->name.environment, session->uid,
                               account.gid};
    if (reason == POLICY_GRANTED && !is_same_environment(&name, &session->name))
        reason = POLICY_NOT_OURS;
    if (reason == POLICY_GRANTED)
        reason = policy_account(&host, &account, why, sizeof why);
    *out = (struct recheck_verdict){.key_expires = session->key_expires};
    if (reason == POLICY_NOT_OURS || reason == POLICY_LOCAL)
        terminate(out, policy_token(reason), "this host no longer serves the account");
    else if (recheck_is_denied(denials, session))
        terminate(out, policy_token(POLICY_DENIED),
                  "access is denied by the operator of this host");
}

bool recheck_may_use(enum policy_reason admitted)
{
    return admitted == POLICY_GRANTED || admitted == POLICY_NOT_THIS_HOST;
}

/* Judges the person and the key of a session by the document. */
static void judge_person(const struct recheck *recheck, const struct session *session,
                         struct recheck_verdict *out)
{
    const struct document *document = recheck->answer->document;
    const struct offered_key offered = policy_session_key(recheck->conf, &session->offered);
    struct policy_visit visit = recheck->visit;
    struct policy_verdict verdict = {recheck->admitted, NULL};

    visit.from = session->from;
    visit.offered = &offered;
    if (recheck->admitted == POLICY_GRANTED)
        verdict = policy_person(document, &session->name, session->user_id, &visit);
    if (verdict.reason == POLICY_GRANTED) {
        out->key_expires = policy_ends(verdict.key, &offered);
        out->max_seconds = document->session_max;
        out->idle_seconds = document->session_idle;
        return;
    }
    terminate(out, policy_token(verdict.reason), "your key no longer opens this account");
    if (verdict.key != NULL || session->offered.certified)
        messages_for_client(&(const struct message){verdict.reason, document, &session->name,
                                                    session->account, verdict.key, session->from,
                                                    NULL},
                            out->message, sizeof out->message);
}

/* Returns POLICY_CERTIFICATE_EXPIRED or POLICY_KEY_EXPIRED if the session's certificate or key has
 * expired, by the last document that could be used; else POLICY_GRANTED. */
static enum policy_reason find_expiry(const struct recheck *recheck, const struct session *session)
{
    if (session->key_expires == 0 || session->key_expires > recheck->visit.now)
        return POLICY_GRANTED;
    return session->offered.certified && session->offered.valid_before == session->key_expires
               ? POLICY_CERTIFICATE_EXPIRED
               : POLICY_KEY_EXPIRED;
}

/* Whether the API's last good answer is older than session_max_stale. If there has been none since
 * the daemon started, the time since the session was opened counts instead. A time for which a
 * virtual machine was paused counts (elapsed_ms). */
static bool is_too_stale(const struct recheck *recheck, const struct session *session)
{
    uint32_t most = recheck->conf->session_max_stale;
    int64_t now = cloud_clock_ms(), age;

    if (recheck->confirmed != 0)
        age = elapsed_ms(now - recheck->confirmed, recheck->visit.wall - recheck->confirmed_wall);
    else
        age = elapsed_ms(session->opened == 0 ? 0 : now - session->opened,
                         recheck->visit.now - session->since);
    return most != 0 && age > (int64_t)1000 * most;
}

void recheck_judge(const struct recheck *recheck, const struct session *session,
                   struct recheck_verdict *out)
{
    bool may_use = recheck_may_use(recheck->admitted);
    enum policy_reason expiry = find_expiry(recheck, session);

    *out = (struct recheck_verdict){.key_expires = session->key_expires,
                                    .max_seconds = session->max_seconds,
                                    .idle_seconds = session->idle_seconds};
    if (recheck->admitted == POLICY_ABSENT)
        terminate(out, policy_token(POLICY_ABSENT), "the environment no longer exists");
    else if (may_use)
        judge_person(recheck, session, out);
    else if (expiry != POLICY_GRANTED)
        terminate(out, policy_token(expiry),
                  expiry == POLICY_KEY_EXPIRED ? "your key has expired"
                                               : "your certificate has expired");
    if (!out->terminate && (!may_use || recheck->answer->stale) && is_too_stale(recheck, session))
        terminate(out, REASON_MAX_STALE, "your access can no longer be verified");
}

static void due_at(struct recheck_limit *out, int64_t due)
{
    if (due < out->due)
        out->due = due;
}

static void end(struct recheck_limit *out, const char *reason, const char *what, uint32_t seconds)
{
    out->step = RECHECK_END;
    out->reason = reason;
    snprintf(out->message, sizeof out->message, "%s %u seconds", what, seconds);
}

static void warn(struct recheck_limit *out, const char *what, uint32_t seconds)
{
    out->step = RECHECK_LOOK;
    snprintf(out->message, sizeof out->message,
             "cloudauth ends this session in a minute: %s %u seconds", what, seconds);
}

/* Judges the session by max_seconds. Its age is measured by the time since boot and by the wall
 * clock (now), and the greater one counts, so that no step of the wall clock prolongs the
 * session. */
static void judge_max(const struct session *session, int64_t now, struct recheck_use *use,
                      struct recheck_limit *out)
{
    static const char what[] = "a session here may last";
    int64_t at = cloud_clock_ms(), age = session->opened == 0 ? 0 : at - session->opened, left;

    if (1000 * (now - session->since) > age + FRESH_MS)
        age = 1000 * (now - session->since);
    left = (int64_t)1000 * session->max_seconds - age;
    if (left <= 0)
        end(out, REASON_MAX, what, session->max_seconds);
    else if (left <= MINUTE_MS && !use->warned_max)
        warn(out, what, session->max_seconds);
    use->warned_max |= left <= MINUTE_MS;
    due_at(out, at + (left > MINUTE_MS ? left - MINUTE_MS : left));
}

/* Judges the session by idle_seconds. It is warned or ended only if its terminals were looked at
 * within the last FRESH_MS; otherwise RECHECK_LOOK asks for a look first. */
static void judge_idle(const struct session *session, struct recheck_use *use,
                       struct recheck_limit *out)
{
    static const char what[] = "nothing was typed for";
    int64_t at = cloud_clock_ms();
    int64_t left = use->active_at + INPUT_MS + (int64_t)1000 * session->idle_seconds - at;

    due_at(out, at + (left > MINUTE_MS ? left - MINUTE_MS : left));
    if (left > MINUTE_MS || out->step != RECHECK_WAIT)
        return;
    if (use->looked_at == 0 || at - use->looked_at > FRESH_MS)
        out->step = RECHECK_LOOK;
    else if (left <= 0)
        end(out, REASON_IDLE, what, session->idle_seconds);
    else if (!use->warned_idle)
        warn(out, what, session->idle_seconds);
    use->warned_idle |= out->message[0] != '\0';
}

void recheck_limits(const struct session *session, int64_t now, struct recheck_use *use,
                    struct recheck_limit *out)
{
    *out = (struct recheck_limit){.step = RECHECK_WAIT, .due = INT64_MAX};
    if (session->max_seconds != 0)
        judge_max(session, now, use, out);
    if (session->idle_seconds != 0)
        judge_idle(session, use, out);
}

/* If `input` equals that of the last look, there was no input since. If it differs, there was:
 * active_at is kept between the two looks, in case the wall clock was set. */
void recheck_looked(const struct session *session, int64_t input, struct recheck_use *use)
{
    int64_t at = cloud_clock_ms(), before = use->looked_at != 0 ? use->looked_at : session->opened;
    int64_t active = at - 1000 * ((int64_t)time(NULL) - input);

    if (input == 0)
        use->active_at = at;
    else if (input != use->input)
        use->active_at = active < before ? before : active > at ? at : active;
    use->warned_idle &= input == use->input;
    use->input = input;
    use->looked_at = at;
}
