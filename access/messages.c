/* SPDX-License-Identifier: Apache-2.0 */
#include "access/messages.h"

#include "access/address.h"

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

/* Adds "; use <account>_sftp" if the environment has an sFTP account that the person may be able to
 * use. */
static void add_sftp_name(struct cloud_text *text, const struct message *message)
{
    if (message->name->plain && strchr(message->account, '-') == NULL &&
        message->document->sftp != DOCUMENT_LEVEL_NONE)
        cloud_text_add_all(text, "; use ", message->account, "_sftp");
}

static void add_status(struct cloud_text *text, const struct document *document, const char *status)
{
    cloud_text_add_all(text, "environment ", document->environment, status);
    if (document->message[0] != '\0')
        cloud_text_add_all(text, ": ", document->message);
}

static void add_role(struct cloud_text *text, const struct message *message)
{
    const struct document_user *user = message->key->user;

    cloud_text_add_all(text, "your role ", user->role_text, " may not use ",
                       message->name->kind == CLOUD_SFTP ? "sFTP here" : "SSH here");
    if (user->role == DOCUMENT_ROLE_SFTP)
        add_sftp_name(text, message);
}

static void add_key_expired(struct cloud_text *text, const struct document_key *key)
{
    cloud_text_add_all(text, "your key ", key->title, key->title[0] == '\0' ? "" : " ",
                       "expired on ");
    add_date(text, key->limits.expires_at);
}

static void add_person_expired(struct cloud_text *text, const struct document_key *key)
{
    cloud_text_add(text, "your access ended on ");
    add_date(text, key->user->limits.expires_at);
}

static void add_too_early(struct cloud_text *text, const struct document_key *key)
{
    int64_t own = key->limits.not_before, person = key->user->limits.not_before;

    cloud_text_add(text, "your access begins on ");
    add_date(text, own > person ? own : person);
}

/* The address is told only if it is one: a name is the client's own word. */
static void add_from(struct cloud_text *text, const struct message *message)
{
    unsigned char address[ADDRESS_SIZE];
    bool known = message->from != NULL && address_read(message->from, address);

    cloud_text_add_all(text, "you may not enter from ", known ? message->from : "here",
                       " with this key");
}

static void add_access_off(struct cloud_text *text, const struct message *message)
{
    cloud_text_add_all(text, message->name->kind == CLOUD_SFTP ? "sFTP" : "SSH",
                       " is off for environment ", message->document->environment);
    if (message->name->kind == CLOUD_SHELL)
        add_sftp_name(text, message);
}

/* The sentence for a reason that is always told in the same words; NULL for other reasons. */
static const char *fixed_sentence(enum policy_reason reason)
{
    switch (reason) {
    case POLICY_UNAVAILABLE:
    case POLICY_UNUSABLE:
        return "your access cannot be checked right now; try again in a minute";
    case POLICY_ABSENT:
        return "this environment no longer exists";
    case POLICY_NO_KEY_LINE:
    case POLICY_KEY_CHANGED:
        return "the key of this login is not one that cloudauth has accepted";
    case POLICY_IDS_CHANGED:
        return "this account has just changed; connect again";
    case POLICY_CERTIFICATE_UNUSABLE:
        return "this host does not accept your certificate";
    case POLICY_CERTIFICATE_EARLY:
        return "your certificate is not valid yet";
    case POLICY_CERTIFICATE_EXPIRED:
        return "your certificate has expired";
    case POLICY_AUTHORITY_UNKNOWN:
        return "this environment does not accept the authority that signed your certificate";
    case POLICY_CERTIFICATE_UNKNOWN:
        return "your certificate is for a person who is not known here";
    case POLICY_MFA:
        return "log in again with multi-factor authentication, and connect with a new certificate";
    case POLICY_DENIED:
        return "access is denied by the operator of this host";
    default:
        return NULL;
    }
}

/* Adds the sentence for a reason that depends on the document. False if the document does not
 * explain it. */
static bool add_sentence(struct cloud_text *text, const struct message *message)
{
    const struct document *document = message->document;

    switch (message->reason) {
    case POLICY_STATUS_PAUSED:
        add_status(text, document, " is paused");
        return true;
    case POLICY_STATUS_INACTIVE:
        add_status(text, document, " is inactive");
        return true;
    case POLICY_STATUS_DELETING:
        add_status(text, document, " is being deleted");
        return true;
    case POLICY_STATUS_UNKNOWN:
        add_status(text, document, " is not active");
        return true;
    case POLICY_ACCESS_OFF:
        add_access_off(text, message);
        return true;
    case POLICY_KEY_EXPIRED:
        if (message->key != NULL)
            add_key_expired(text, message->key);
        return message->key != NULL;
    case POLICY_PERSON_EXPIRED:
        if (message->key != NULL)
            add_person_expired(text, message->key);
        return message->key != NULL;
    case POLICY_TOO_EARLY:
        if (message->key != NULL)
            add_too_early(text, message->key);
        return message->key != NULL;
    case POLICY_FROM:
        add_from(text, message);
        return true;
    case POLICY_ROLE:
    case POLICY_ROLE_SFTP_ONLY:
        if (message->key != NULL)
            add_role(text, message);
        return message->key != NULL;
    default:
        return false;
    }
}

void messages_for_client(const struct message *message, char *out, size_t size)
{
    const char *fixed = fixed_sentence(message->reason);
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (fixed != NULL)
        cloud_text_add(&text, fixed);
    else if (message->document == NULL || message->name == NULL || !add_sentence(&text, message))
        cloud_text_add(&text, "you may not enter here");
}

void messages_for_pam(const struct message *message, char *out, size_t size)
{
    const struct document_require *require =
        message->document == NULL ? NULL : &message->document->require;
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (message->reason == POLICY_MFA && require != NULL) {
        cloud_text_add(&text, "Error: Access denied\nParameters: {");
        for (size_t i = 0; i < require->amrs; i++)
            cloud_text_add_all(&text, i == 0 ? "\"amr\":[\"" : ",\"", require->amr[i], "\"");
        cloud_text_add(&text, require->amrs > 0 ? "]" : "");
        if (require->max_age != DOCUMENT_NO_BOUND) {
            cloud_text_add_all(&text, require->amrs > 0 ? "," : "", "\"max_age\":");
            cloud_text_add_number(&text, require->max_age);
        }
        cloud_text_add(&text, "}\n");
    }
    messages_for_client(message, out + text.used, size - text.used);
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
    cloud_text_add_all(&text, "key of ", message->key->user->username, ": role ",
                       message->key->user->role_text,
                       least[policy_level(message->document, message->name)]);
}

void messages_detail_elsewhere(const struct document_user *user, const char *where,
                               const char *here, char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add_all(&text, "key of ", user->username, ": ", user->role_text, " in ", where,
                       ", not known in ", here);
}

const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account)
{
    struct cloud_name name;

    return cloud_name_parse_any(grammar, account, &name)
               ? "it fits the grammar, but no pattern of `allow` matches it"
               : "it does not fit the grammar of login names, or is reserved";
}
