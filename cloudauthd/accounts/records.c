/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/records.h"

#include "access/denials.h"

#include <time.h>

/* Returns the flags that the record of an environment must not have: none unless the environment is
 * denied. While the daemon cannot be reached, pam_cloud lets cron and other services use an account
 * that is marked active or paused. */
static uint32_t denied_flags(const struct denials *denials, const char *project,
                             const char *environment)
{
    bool denied = denials_environment(denials, project, environment, (int64_t)time(NULL));

    return denied ? CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_PAUSED : 0;
}

static uint32_t flags_of(const struct document *document)
{
    uint32_t flags = document->has_apps ? CLOUD_SNAPSHOT_APPS : 0;

    if (document->status == DOCUMENT_ACTIVE || document->status == DOCUMENT_DIRTY)
        flags |= CLOUD_SNAPSHOT_ACTIVE;
    if (document->status == DOCUMENT_PAUSED)
        flags |= CLOUD_SNAPSHOT_PAUSED;
    return flags & ~denied_flags(document->denials, document->project, document->environment);
}

static void put(const struct records *records, const struct cache_news *news)
{
    const struct document *document = news->document;
    struct snapshot_app apps[DOCUMENT_APPS_MAX];
    struct snapshot_account account = {
        .project = document->project,
        .environment = document->environment,
        .gecos = document->gecos,
        .home = document->home,
        .shell = document->shell,
        .uid = document->uid,
        .gid = document->gid,
        .flags = flags_of(document),
        .fresh =
            records->always_ask ? 0 : news->asked_wall + records->admission->conf->account_fresh,
        .expires = news->until,
        .apps = document->apps,
        .app = apps,
    };

    for (size_t i = 0; i < document->apps; i++)
        apps[i] = (struct snapshot_app){document->app[i].name, document->app[i].home};
    /* The request for the document lies in the future: the clock has been put back since, by an
     * unknown time. With times of 0, lookups ask the daemon, which fetches the document again. */
    if (news->asked_wall > (int64_t)time(NULL) + CLOUD_SNAPSHOT_SLACK)
        account.fresh = account.expires = 0;
    publish_put(records->publish, &account);
}

bool records_news(void *arg, const struct cache_news *news)
{
    const struct records *records = arg;
    char why[256];

    if (news->document == NULL || admission_judge(records->admission, news->document, NULL, why,
                                                  sizeof why) != POLICY_GRANTED) {
        publish_remove(records->publish, news->project, news->environment);
        return false;
    }
    put(records, news);
    return true;
}

bool records_judge(void *arg, const struct cloud_snapshot_account *account, uint32_t *flags)
{
    const struct records *records = arg;
    const struct binding ids = {account->project, account->environment, account->record.uid,
                                account->record.gid};

    *flags &= ~denied_flags(records->denials, account->project, account->environment);
    return admission_keeps(records->admission, &ids, account->home);
}
