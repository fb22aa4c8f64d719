/* SPDX-License-Identifier: Apache-2.0 */
#include "access/messages.h"

#include "common/text.h"

#include <string.h>
#include <time.h>

static void add_date(struct cloud_text *text, int64_t seconds)
{
    time_t when = (time_t)seconds;
    char date[32];
    struct tm tm;

    if (gmtime_r(&when, &tm) != NULL && strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &tm) > 0)
        cloud_text_add(text, date);
}

/* If the environment has an sFTP account that could help: "; use <account>_sftp". */
static void add_sftp_name(struct cloud_text *text, const struct message *message)
{
    if (!message->name->plain || strchr(message->account, '-') != NULL ||
        message->document->sftp == DOCUMENT_LEVEL_NONE)
        return;
    cloud_text_add(text, "; use ");
    cloud_text_add(text, message->account);
    cloud_text_add(text, "_sftp");
}

static void add_environment(struct cloud_text *text, const struct document *document,
                            const char *state)
{
    cloud_text_add(text, "environment ");
    cloud_text_add(text, document->environment);
    cloud_text_add(text, state);
    if (document->message[0] != '\0') {
        cloud_text_add(text, ": ");
        cloud_text_add(text, document->message);
    }
}

static void add_role(struct cloud_text *text, const struct message *message)
{
    const struct document_user *user = message->key->user;

    cloud_text_add(text, "your role ");
    cloud_text_add(text, user->role_text);
    cloud_text_add(text, " may not use ");
    cloud_text_add(text, message->name->kind == CLOUD_SFTP ? "sFTP here" : "SSH here");
    if (user->role == DOCUMENT_ROLE_SFTP)
        add_sftp_name(text, message);
}

static void add_key_expired(struct cloud_text *text, const struct document_key *key)
{
    cloud_text_add(text, "your key ");
    cloud_text_add(text, key->title);
    cloud_text_add(text, key->title[0] == '\0' ? "expired on " : " expired on ");
    add_date(text, key->expires_at);
}

static void add_access_off(struct cloud_text *text, const struct message *message)
{
    cloud_text_add(text, message->name->kind == CLOUD_SFTP ? "sFTP is off for environment "
                                                           : "SSH is off for environment ");
    cloud_text_add(text, message->document->environment);
    if (message->name->kind == CLOUD_SHELL)
        add_sftp_name(text, message);
}

void messages_for_client(const struct message *message, char *out, size_t size)
{
    enum policy_reason reason = message->reason;
    const struct document *document = message->document;
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        cloud_text_add(&text, "who may enter cannot be checked right now; try again in a minute");
    else if (reason == POLICY_ABSENT)
        cloud_text_add(&text, "there is no such environment any more");
    else if (reason == POLICY_NO_KEY_LINE || reason == POLICY_KEY_CHANGED)
        cloud_text_add(&text, "the key of this login is not one that cloudauth has answered for");
    else if (reason == POLICY_IDS_CHANGED)
        cloud_text_add(&text, "this account has been changed meanwhile; connect again");
    else if (document == NULL || message->name == NULL)
        cloud_text_add(&text, "you may not enter here");
    else if (reason == POLICY_STATUS_PAUSED)
        add_environment(&text, document, " is paused");
    else if (reason == POLICY_STATUS_INACTIVE)
        add_environment(&text, document, " is inactive");
    else if (reason == POLICY_STATUS_DELETING)
        add_environment(&text, document, " is being deleted");
    else if (reason == POLICY_STATUS_UNKNOWN)
        add_environment(&text, document, " is not active");
    else if (reason == POLICY_DENIED)
        cloud_text_add(&text, "access is denied by the operator of this host");
    else if (reason == POLICY_ACCESS_OFF)
        add_access_off(&text, message);
    else if (reason == POLICY_KEY_EXPIRED && message->key != NULL)
        add_key_expired(&text, message->key);
    else if ((reason == POLICY_ROLE || reason == POLICY_ROLE_SFTP_ONLY) && message->key != NULL)
        add_role(&text, message);
    else
        cloud_text_add(&text, "you may not enter here");
}

void messages_detail(const struct message *message, char *out, size_t size)
{
    static const char *const least[] = {
        [DOCUMENT_LEVEL_NONE] = "",
        [DOCUMENT_LEVEL_VIEWER] = ", needs viewer",
        [DOCUMENT_LEVEL_CONTRIBUTOR] = ", needs contributor",
        [DOCUMENT_LEVEL_ADMIN] = ", needs admin",
    };
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (message->document == NULL || message->key == NULL ||
        (message->reason != POLICY_ROLE && message->reason != POLICY_ROLE_SFTP_ONLY))
        return;
    cloud_text_add(&text, "key of ");
    cloud_text_add(&text, message->key->user->username);
    cloud_text_add(&text, ": role ");
    cloud_text_add(&text, message->key->user->role_text);
    cloud_text_add(&text, least[policy_level(message->document, message->name)]);
}

void messages_detail_elsewhere(const struct document_key *key, const char *where, const char *here,
                               char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add(&text, "key of ");
    cloud_text_add(&text, key->user->username);
    cloud_text_add(&text, ": ");
    cloud_text_add(&text, key->user->role_text);
    cloud_text_add(&text, " in ");
    cloud_text_add(&text, where);
    cloud_text_add(&text, ", not known in ");
    cloud_text_add(&text, here);
}

const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account)
{
    struct cloud_name name;

    return cloud_name_parse_any(grammar, account, &name)
               ? "it fits the grammar, but no pattern of `allow` matches it"
               : "it does not fit the grammar of login names, or is reserved";
}
