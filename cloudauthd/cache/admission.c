/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/admission.h"

#include "access/bindings.h"
#include "access/local_ids.h"
#include "base/log.h"
#include "cloudauthd/state/bindings_log.h"

#include <stdio.h>

bool admission_refresh(const struct admission *admission)
{
    return local_ids_refresh(admission->local_ids);
}

enum policy_reason admission_judge_name(const struct admission *admission, const char *account,
                                        struct cloud_name *out)
{
    if (!cloud_name_parse(&admission->conf->grammar, account, out))
        return POLICY_NOT_OURS;
    if (!admission_refresh(admission))
        return POLICY_UNAVAILABLE;
    if (local_ids_has_name(admission->local_ids, account))
        return POLICY_LOCAL;
    return POLICY_GRANTED;
}

enum policy_reason admission_judge(const struct admission *admission,
                                   const struct document *document, const struct cloud_name *name,
                                   char *why, size_t size)
{
    const struct policy_host host = {admission->conf, admission->local_ids, admission->bindings};
    const struct document_app *app = name == NULL ? NULL : policy_app(document, name);

    if (!policy_usable(&host, document, why, size))
        return POLICY_UNUSABLE;
    if (app != NULL && !policy_app_usable(admission->conf, app, why, size))
        return POLICY_UNUSABLE;
    return policy_for_host(admission->conf, document) ? POLICY_GRANTED : POLICY_NOT_THIS_HOST;
}

bool admission_keeps(const struct admission *admission, const struct binding *ids, const char *home)
{
    const struct policy_host host = {admission->conf, admission->local_ids, admission->bindings};
    char why[256];

    return policy_account(&host, ids, why, sizeof why) == POLICY_GRANTED &&
           cloud_conf_has_home(admission->conf, home) &&
           !bindings_is_released(admission->bindings, ids->project, ids->environment) &&
           bindings_allow(admission->bindings, ids, why, sizeof why);
}

bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment)
{
    struct binding known;

    return bindings_by_name(admission->bindings, project, environment, &known);
}

bool admission_has_project(const struct admission *admission, const char *project)
{
    return bindings_has_project(admission->bindings, project);
}

size_t admission_count(const struct admission *admission)
{
    return bindings_count(admission->bindings);
}

enum policy_reason admission_of(const struct admission *admission,
                                const struct cache_answer *answer, const struct cloud_name *name,
                                bool looked)
{
    char why[256];

    if (answer->result == CACHE_ABSENT)
        return POLICY_ABSENT;
    if (answer->result != CACHE_DOCUMENT ||
        !((answer->at_once && looked) || admission_refresh(admission)))
        return POLICY_UNAVAILABLE;
    return admission_judge(admission, answer->document, name, why, sizeof why);
}

static void bind_ids(const struct admission *admission, const struct binding *claim)
{
    bindings_claim(admission->bindings, claim);
    if (admission->bindings_log != NULL)
        bindings_log_add(admission->bindings_log, claim);
}

static void bind_document(const struct admission *admission, const struct document *document)
{
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};
    struct binding known;

    if (!bindings_by_uid(admission->bindings, claim.uid, &known))
        bind_ids(admission, &claim); /* else to this environment: another would have been refused */
}

bool admission_is_released_since(const struct admission *admission, const char *project,
                                 const char *environment, int64_t asked)
{
    int64_t changed = bindings_changed_at(admission->bindings, project, environment);

    return changed != 0 && asked < changed && !admission_is_bound(admission, project, environment);
}

bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment)
{
    return !admission_is_bound(admission, project, environment) &&
           (admission->bindings_damaged ||
            !bindings_is_released(admission->bindings, project, environment));
}

void admission_release_line(const struct admission *admission, const struct binding *line)
{
    bindings_claim(admission->bindings, line); /* if there is none: what is forgotten is released */
    (void)bindings_forget(admission->bindings, line->project, line->environment);
}

void admission_bind_line(const struct admission *admission, const struct binding *line)
{
    char why[256];

    if (!bindings_allow(admission->bindings, line, why, sizeof why)) {
        log_error("binding of %s/%s: a release before it was lost: %s", line->project,
                  line->environment, why);
        bindings_forget_for(admission->bindings, line);
    }
    bindings_claim(admission->bindings, line);
}

void admission_doubt_stored(const struct admission *admission, const struct binding *claim)
{
    const struct binding release = {claim->project, claim->environment, 0, 0};
    char why[256];

    if (bindings_allow(admission->bindings, claim, why, sizeof why))
        snprintf(why, sizeof why, "they were released, or another stored document has them");
    log_error(
        "the ids of %s/%s, uid %u and gid %u, are not bound again: %s; no stored document with "
        "them is used until the API confirms it",
        claim->project, claim->environment, claim->uid, claim->gid, why);
    bindings_doubt(admission->bindings, claim);
    admission_release_line(admission, &release);
}

bool admission_bind_stored(const struct admission *admission, const struct binding *claim)
{
    char why[256];

    if (bindings_is_released(admission->bindings, claim->project, claim->environment) ||
        !bindings_allow(admission->bindings, claim, why, sizeof why)) {
        admission_doubt_stored(admission, claim);
        return false;
    }
    bind_ids(admission, claim);
    return true;
}

bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size)
{
    enum policy_reason reason;

    if (!admission_refresh(admission)) {
        snprintf(why, size, "/etc/passwd or /etc/group cannot be read");
        return false;
    }
    reason = admission_judge(admission, document, NULL, why, size);
    if (reason == POLICY_UNUSABLE)
        return false;
    if (is_stored &&
        bindings_is_released(admission->bindings, document->project, document->environment)) {
        snprintf(why, size, "its uid was released: not used until the API confirms it");
        return false;
    }
    if (reason == POLICY_NOT_THIS_HOST && !is_stored)
        log_warning("document %s/%s: hosts does not contain this host's host_id %s",
                    document->project, document->environment, admission->conf->host_id);
    bind_document(admission, document);
    if (!is_stored)
        bindings_trust(admission->bindings, document->project, document->environment);
    return true;
}
