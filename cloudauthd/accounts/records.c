/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/records.h"

#include "access/denials.h"

#include <string.h>
#include <time.h>

static uint32_t flags_of(const struct document *document)
{
    uint32_t flags = document->has_apps ? CLOUD_SNAPSHOT_APPS : 0;

    /* Who is not asked where the daemon is down: a denied environment is neither to him. */
    if (denials_environment(document->denials, document->project, document->environment,
                            (int64_t)time(NULL)))
        return flags;
    if (document->status == DOCUMENT_ACTIVE || document->status == DOCUMENT_DIRTY)
        flags |= CLOUD_SNAPSHOT_ACTIVE;
    if (document->status == DOCUMENT_PAUSED)
        flags |= CLOUD_SNAPSHOT_PAUSED;
    return flags;
}

static bool same_apps(const struct document *one, const struct document *other)
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

/* Whether what is published of the one holds for the other. */
static bool same_account(const struct document *one, const struct document *other)
{
    return one->uid == other->uid && one->gid == other->gid &&
           strcmp(one->gecos, other->gecos) == 0 && strcmp(one->home, other->home) == 0 &&
           strcmp(one->shell, other->shell) == 0 && flags_of(one) == flags_of(other) &&
           same_apps(one, other);
}

static void put(const struct records *publish, const struct cache_news *news,
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
            publish->looked_at ? 0 : news->asked_wall + publish->admission->conf->account_fresh,
        .expires = news->until,
        .apps = document->apps,
        .app = apps,
    };

    for (size_t i = 0; i < document->apps; i++)
        apps[i] = (struct snapshot_app){document->app[i].name, document->app[i].home};
    if (account.fresh > account.expires)
        account.fresh = account.expires;
    /* By a clock that was put back since, and nobody can say by how much: it is asked for anew. */
    if (news->asked_wall > (int64_t)time(NULL) + CLOUD_SNAPSHOT_SLACK)
        account.fresh = account.expires = 0;
    publish_put(publish->accounts, &account, change);
}

void records_news(void *arg, const struct cache_news *news)
{
    const struct records *publish = arg;
    enum publish_change change = PUBLISH_NEW;
    char why[256];

    if (news->document == NULL ||
        admission_judge(publish->admission, news->document, why, sizeof why) != POLICY_GRANTED) {
        publish_remove(publish->accounts, news->project, news->environment);
        return;
    }
    if (news->changed)
        change = PUBLISH_CHANGED;
    else if (news->before == news->document)
        change = PUBLISH_RENEWED;
    else if (news->before != NULL)
        change = same_account(news->before, news->document) ? PUBLISH_RENEWED : PUBLISH_CHANGED;
    put(publish, news, change);
}
