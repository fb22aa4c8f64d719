/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/records.h"

#include "access/denials.h"

#include <string.h>
#include <time.h>

static uint32_t flags_of(const struct document *document)
{
    uint32_t flags = document->has_apps ? CLOUD_SNAPSHOT_APPS : 0;

    /* A denied environment counts as neither active nor paused: while the daemon cannot be reached,
     * PAM lets the jobs of both run. */
    if (denials_environment(document->denials, document->project, document->environment,
                            (int64_t)time(NULL)))
        return flags;
    if (document->status == DOCUMENT_ACTIVE || document->status == DOCUMENT_DIRTY)
        flags |= CLOUD_SNAPSHOT_ACTIVE;
    if (document->status == DOCUMENT_PAUSED)
        flags |= CLOUD_SNAPSHOT_PAUSED;
    return flags;
}

static bool has_same_apps(const struct document *one, const struct document *other)
{
    if (one->has_apps != other->has_apps || one->apps != other->apps)
        return false;
    for (size_t i = 0; i < one->apps; i++) {
        const char *a = one->app[i].home, *b = other->app[i].home;
        if (strcmp(one->app[i].name, other->app[i].name) != 0 ||
            strcmp(a == NULL ? "" : a, b == NULL ? "" : b) != 0)
            return false;
    }
    return true;
}

/* Whether both documents give the same record, apart from its times. */
static bool has_same_record(const struct document *one, const struct document *other)
{
    return one->uid == other->uid && one->gid == other->gid &&
           strcmp(one->gecos, other->gecos) == 0 && strcmp(one->home, other->home) == 0 &&
           strcmp(one->shell, other->shell) == 0 && flags_of(one) == flags_of(other) &&
           has_same_apps(one, other);
}

static void put(const struct records *records, const struct cache_news *news,
                enum publish_change change)
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
    /* The clock was put back by an unknown time since the document was fetched. So lookups have it
     * fetched again. */
    if (news->asked_wall > (int64_t)time(NULL) + CLOUD_SNAPSHOT_SLACK)
        account.fresh = account.expires = 0;
    publish_put(records->publish, &account, change);
}

bool records_news(void *arg, const struct cache_news *news)
{
    const struct records *records = arg;
    enum publish_change change = PUBLISH_NEW;
    char why[256];

    if (news->document == NULL || admission_judge(records->admission, news->document, NULL, why,
                                                  sizeof why) != POLICY_GRANTED) {
        publish_remove(records->publish, news->project, news->environment);
        return false;
    }
    if (news->changed)
        change = PUBLISH_CHANGED;
    else if (news->before == news->document)
        change = PUBLISH_RENEWED;
    else if (news->before != NULL)
        change = has_same_record(news->before, news->document) ? PUBLISH_RENEWED : PUBLISH_CHANGED;
    put(records, news, change);
    return true;
}
