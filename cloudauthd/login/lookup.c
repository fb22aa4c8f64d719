/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/login.h"

#include "access/bindings.h"
#include "access/policy.h"
#include "cloudauthd/accounts/publish.h"

void lookup_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known)
{
    (void)known;
    login_answer_no(connection, reason, CLOUD_ABSENT);
}

/* An environment has one group, whose name is the environment's main login name. */
enum policy_reason lookup_check_group(struct connection *connection)
{
    enum policy_reason reason = login_check_name(connection, connection->question.account);

    return reason == POLICY_GRANTED && !connection->name.plain ? POLICY_NOT_OURS : reason;
}

/*
 * Finds the main login name of the environment that has a uid or gid: by the binding or, if there
 * is none because an operator has released it, by the published snapshot. The document of the
 * environment then decides whether the id is its own.
 */
static bool name_of_id(const struct connection *connection, char plain[CLOUD_NAME_MAX + 1])
{
    const struct context *context = connection->context;
    uint32_t id = connection->question.id;
    bool gid = connection->question.op == CLOUD_OP_GROUP_BY_ID;
    struct cloud_snapshot_account published;
    struct binding owner = {.uid = id};
    bool bound = gid ? bindings_by_gid(context->bindings, id, &owner)
                     : bindings_by_uid(context->bindings, id, &owner);

    if (!bound) {
        if (!publish_by_id(context->publish, id, gid, &published))
            return false;
        owner.project = published.project;
        owner.environment = published.environment;
    }
    return cloud_name_plain(&context->conf.grammar, owner.project, owner.environment, plain);
}

enum policy_reason lookup_check_id(struct connection *connection)
{
    char plain[CLOUD_NAME_MAX + 1];

    if (cloud_conf_has_id(&connection->context->conf, connection->question.id) &&
        name_of_id(connection, plain))
        return login_check_name(connection, plain);
    return POLICY_ABSENT;
}

void lookup_answer(struct connection *connection, const struct cache_answer *known)
{
    const struct document *document = known->document;
    const struct cloud_question *question = &connection->question;
    const struct cloud_name *name = &connection->name;
    bool by_id = question->op == CLOUD_OP_PASSWD_BY_ID || question->op == CLOUD_OP_GROUP_BY_ID;
    char plain[CLOUD_NAME_MAX + 1];
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .account = by_id ? plain : question->account,
                                  .id = document->uid,
                                  .gid = document->gid,
                                  .gecos = document->gecos,
                                  .home = policy_home(document, name),
                                  .shell = policy_shell(document, name)};

    /* This always succeeds: policy_usable refuses a document without a main login name. */
    cloud_name_plain(&connection->context->conf.grammar, document->project, document->environment,
                     plain);
    if (question->op == CLOUD_OP_PASSWD_BY_ID && document->uid != question->id)
        lookup_refuse(connection, POLICY_ABSENT, known);
    else if (question->op == CLOUD_OP_GROUP_BY_ID && document->gid != question->id)
        lookup_refuse(connection, POLICY_ABSENT, known);
    else if (!policy_app_exists(document, name))
        lookup_refuse(connection, POLICY_APP_UNKNOWN, known);
    else
        server_answer(connection, &answer);
}
