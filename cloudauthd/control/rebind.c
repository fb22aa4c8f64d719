/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "access/bindings.h"
#include "base/log.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/bindings_log.h"

#include <stdio.h>

/* The release of a binding that is being written to the disk. There is at most one at a time. */
static struct {
    bool busy;
    void *connection; /* gets the answer; NULL once the client has gone (connection->pending) */
    struct context *context;
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
} release;

static void put_binding(const struct context *context, const struct binding *owner, size_t sessions)
{
    char plain[CLOUD_NAME_MAX + 1] = "";

    cloud_name_plain(&context->conf.grammar, owner->project, owner->environment, plain);
    rows_start();
    ROW("project", owner->project);
    ROW("environment", owner->environment);
    ROW("account", plain);
    rows_add_number("uid", owner->uid);
    rows_add_number("gid", owner->gid);
    rows_add_number("sessions", (int64_t)sessions);
}

static void on_released(void *arg, bool ok)
{
    struct connection *connection = release.connection;
    struct context *context = release.context;
    struct binding owner;

    (void)arg;
    release.busy = false;
    bindings_set_leaving(context->bindings, release.project, release.environment, false);
    if (connection != NULL)
        connection->pending = NULL;
    if (ok && bindings_by_name(context->bindings, release.project, release.environment, &owner)) {
        put_binding(context, &owner, 0);
        log_warning("operator: the binding of uid %u and gid %u to %s/%s is released", owner.uid,
                    owner.gid, release.project, release.environment);
        (void)bindings_forget(context->bindings, release.project, release.environment);
        if (connection != NULL)
            rows_send(connection, 0);
    } else if (connection != NULL) {
        rows_refuse(connection, CLOUD_REFUSED, CLOUD_REASON_NOT_KEPT,
                    "the disk refuses the change; the log has the reason");
    }
}

void rebind_answer(struct connection *connection)
{
    struct context *context = connection->context;
    const struct cloud_name *name = &connection->name;
    enum policy_reason reason = refresh_check(connection);
    struct binding owner;

    if (reason != POLICY_GRANTED) {
        explain_refuse_name(connection, reason);
        return;
    }
    if (!bindings_by_name(context->bindings, name->project, name->environment, &owner)) {
        rows_refuse(connection, CLOUD_REFUSED, "not-bound",
                    "no uid is bound to that environment on this host");
        return;
    }
    size_t sessions =
        sessions_using(context->sessions, owner.project, owner.environment, owner.uid);
    put_binding(context, &owner, sessions);
    if (connection->question.page == CLOUD_REBIND_LOOK) {
        rows_send(connection, 0);
    } else if (connection->question.page != CLOUD_REBIND_FORCE && sessions > 0) {
        rows_refuse(connection, CLOUD_REFUSED, "in-use", "it has open sessions");
    } else if (release.busy || context->bindings_log == NULL) {
        rows_refuse(connection, CLOUD_UNAVAILABLE, "busy", NULL);
    } else {
        release.busy = true;
        release.context = context;
        release.connection = connection;
        connection->pending = &release.connection;
        snprintf(release.project, sizeof release.project, "%s", owner.project);
        snprintf(release.environment, sizeof release.environment, "%s", owner.environment);
        /* Until the line is on the disk the binding stands: a login that is under way must not open
         * a session after they were counted. */
        bindings_set_leaving(context->bindings, release.project, release.environment, true);
        bindings_log_release(context->bindings_log, release.project, release.environment,
                             on_released, NULL);
    }
}
