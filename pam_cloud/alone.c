/* SPDX-License-Identifier: Apache-2.0 */
#include "pam_cloud/alone.h"

#include "common/snapshot.h"

#include <string.h>
#include <time.h>

static bool record_grants(const struct cloud_conf *conf, const struct cloud_name *name,
                          const char *service, const struct cloud_snapshot_account *account)
{
    const char *home; /* found only if the application exists */

    if (!cloud_conf_has_id(conf, account->uid) || !cloud_snapshot_home(account, name, &home) ||
        !cloud_conf_has_home(conf, home))
        return false;
    if ((account->flags & CLOUD_SNAPSHOT_ACTIVE) != 0)
        return true;
    return (account->flags & CLOUD_SNAPSHOT_PAUSED) != 0 && strcmp(service, "cron") == 0;
}

bool alone_grants(const struct cloud_conf *conf, const char *account, const char *service)
{
    struct cloud_snapshot_account record;
    struct cloud_snapshot snapshot;
    struct cloud_name name;
    int64_t now = (int64_t)time(NULL);
    bool granted;

    if (!cloud_name_parse(&conf->grammar, account, &name) || !cloud_snapshot_map(&snapshot))
        return false;
    granted = !cloud_snapshot_retired(&snapshot) && cloud_snapshot_current(&snapshot, now) &&
              cloud_snapshot_by_name(&snapshot, name.project, name.environment, &record) &&
              now < record.expires && record_grants(conf, &name, service, &record);
    cloud_snapshot_unmap(&snapshot);
    return granted;
}
