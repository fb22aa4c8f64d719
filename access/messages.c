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

static void add_role(struct cloud_text *text, const struct message *message)
{
    const struct document_user *user = message->key->user;

    cloud_text_add_all(text, "your role ", user->role_text, " may not use ",
                       message->name->kind == CLOUD_SFTP ? "sFTP here" : "SSH here");
    if (user->role == DOCUMENT_ROLE_SFTP)
        add_sftp_name(text, message);
}

static void add_key_expired(struct cloud_text *text, const struct message *message)
{
    const struct document_key *key = message->key;

    cloud_text_add_all(text, "your key ", key->title, key->title[0] == '\0' ? "" : " ",
                       "expired on ");
    add_date(text, key->limits.expires_at);
}

static void add_person_expired(struct cloud_text *text, const struct message *message)
{
    cloud_text_add(text, "your access ended on ");
    add_date(text, message->key->user->limits.expires_at);
}

static void add_too_early(struct cloud_text *text, const struct message *message)
{
    int64_t own = message->key->limits.not_before, person = message->key->user->limits.not_before;

    cloud_text_add(text, "your access begins on ");
    add_date(text, own > person ? own : person);
}

/* Shows the client's address, but never a host name, because the owner of the address chooses
 * it. */
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

#define TRY_AGAIN    "your access cannot be checked right now; try again in a minute"
#define NOT_ACCEPTED "the key of this login is not one that cloudauth has accepted"
#define JUST_CHANGED "this account has just changed; connect again"

/* The sentence for each reason. One that is not `fixed` can only be made if the document and the
 * name are known. */
static const struct sentence {
    const char *fixed;  /* the whole sentence */
    const char *status; /* comes between the environment's name and the document's message */
    void (*add)(struct cloud_text *text, const struct message *message);
    bool of_key; /* `add` needs message->key */
} sentences[POLICY_REASONS] = {
    [POLICY_UNAVAILABLE] = {.fixed = TRY_AGAIN},
    [POLICY_UNUSABLE] = {.fixed = TRY_AGAIN},
    [POLICY_ABSENT] = {.fixed = "this environment no longer exists"},
    [POLICY_NO_KEY_LINE] = {.fixed = NOT_ACCEPTED},
    [POLICY_KEY_CHANGED] = {.fixed = NOT_ACCEPTED},
    [POLICY_IDS_CHANGED] = {.fixed = JUST_CHANGED},
    [POLICY_LINE_CHANGED] = {.fixed = JUST_CHANGED},
    [POLICY_CERTIFICATE_UNUSABLE] = {.fixed = "this host does not accept your certificate"},
    [POLICY_CERTIFICATE_EARLY] = {.fixed = "your certificate is not valid yet"},
    [POLICY_CERTIFICATE_EXPIRED] = {.fixed = "your certificate has expired"},
    [POLICY_AUTHORITY_UNKNOWN] = {.fixed = "this environment does not accept the authority that "
                                           "signed your certificate"},
    [POLICY_CERTIFICATE_UNKNOWN] = {.fixed = "your certificate is for a person who is not known "
                                             "here"},
    [POLICY_MFA] = {.fixed = "log in again with multi-factor authentication, and connect with a "
                             "new certificate"},
    [POLICY_DENIED] = {.fixed = "access is denied by the operator of this host"},
    [POLICY_STATUS_PAUSED] = {.status = " is paused"},
    [POLICY_STATUS_INACTIVE] = {.status = " is inactive"},
    [POLICY_STATUS_DELETING] = {.status = " is being deleted"},
    [POLICY_STATUS_UNKNOWN] = {.status = " is not active"},
    [POLICY_ACCESS_OFF] = {.add = add_access_off},
    [POLICY_FROM] = {.add = add_from},
    [POLICY_KEY_EXPIRED] = {.add = add_key_expired, .of_key = true},
    [POLICY_PERSON_EXPIRED] = {.add = add_person_expired, .of_key = true},
    [POLICY_TOO_EARLY] = {.add = add_too_early, .of_key = true},
    [POLICY_ROLE] = {.add = add_role, .of_key = true},
    [POLICY_ROLE_SFTP_ONLY] = {.add = add_role, .of_key = true},
};

void messages_for_client(const struct message *message, char *out, size_t size)
{
    const struct document *document = message->document;
    const struct sentence *sentence = &sentences[message->reason];
    bool known = document != NULL && message->name != NULL;
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    if (sentence->fixed != NULL) {
        cloud_text_add(&text, sentence->fixed);
    } else if (known && sentence->status != NULL) {
        cloud_text_add_all(&text, "environment ", document->environment, sentence->status);
        if (document->message[0] != '\0')
            cloud_text_add_all(&text, ": ", document->message);
    } else if (known && sentence->add != NULL && (!sentence->of_key || message->key != NULL)) {
        sentence->add(&text, message);
    } else {
        cloud_text_add(&text, "you may not enter here");
    }
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

static void add_offered(struct cloud_text *text, const struct message *message)
{
    if (message->offered == NULL || !message->offered->certified) {
        cloud_text_add(text, "key");
        return;
    }
    cloud_text_add(text, "certificate ");
    cloud_text_add_number(text, message->offered->serial);
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
    if (message->reason == POLICY_CERTIFICATE_UNKNOWN && message->offered != NULL) {
        add_offered(&text, message);
        cloud_text_add_all(&text, " for ", message->offered->key_id, ", not known in ",
                           message->name->environment);
    }
    if (message->document == NULL || message->key == NULL ||
        (message->reason != POLICY_ROLE && message->reason != POLICY_ROLE_SFTP_ONLY))
        return;
    add_offered(&text, message);
    cloud_text_add_all(&text, " of ", message->key->user->username, ": role ",
                       message->key->user->role_text,
                       least[policy_level(message->document, message->name)]);
}

void messages_detail_elsewhere(const struct message *message, const struct document_user *user,
                               const char *where, char *out, size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    add_offered(&text, message);
    cloud_text_add_all(&text, " of ", user->username, ": ", user->role_text, " in ", where,
                       message->reason == POLICY_AUTHORITY_UNKNOWN
                           ? ", by an authority that is not accepted in "
                           : ", not known in ",
                       message->name->environment);
}

const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account)
{
    struct cloud_name name;

    return cloud_name_parse_any(grammar, account, &name)
               ? "it fits the grammar, but no pattern of `allow` matches it"
               : "it does not fit the grammar of login names, or is reserved";
}
