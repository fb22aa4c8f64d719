/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_POLICY_H
#define CLOUD_ACCESS_POLICY_H

#include "access/bindings.h"
#include "access/document.h"
#include "access/local_ids.h"

#include "common/conf.h"
#include "common/name.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Who may enter: pure functions of what they are given. They ask nobody, keep nothing and know no
 * clock but the time in their arguments.
 */

enum policy_reason {
    POLICY_REFUSED = 0, /* no rule granted it; the default */
    POLICY_GRANTED,
    POLICY_NOT_OURS,      /* grammar or allow: not a login name of this host */
    POLICY_LOCAL,         /* the host has such a user itself */
    POLICY_KIND_MISMATCH, /* asked by the wrong sshd block for this kind of account */
    POLICY_KEY_UNUSABLE,  /* not a key of a type and strength that we take */
    POLICY_KEY_UNKNOWN,   /* nobody's in this environment */
    POLICY_KEY_EXPIRED,
    POLICY_STATUS_INACTIVE,
    POLICY_STATUS_PAUSED,
    POLICY_STATUS_DELETING,
    POLICY_STATUS_UNKNOWN,
    POLICY_ROLE, /* too low */
    POLICY_ROLE_SFTP_ONLY,
    POLICY_ACCESS_OFF, /* access.ssh or access.sftp is none */
    POLICY_APP_UNKNOWN,
    POLICY_NOT_THIS_HOST, /* `hosts` lacks this host */
    POLICY_UNUSABLE,      /* the document may not be used here (policy_usable) */
    POLICY_ABSENT,        /* the API says there is no such environment */
    POLICY_UNAVAILABLE,   /* an outage, and nothing that may still be used */
    POLICY_NO_KEY_LINE,   /* PAM: no key line was answered for this sshd process and account */
    POLICY_KEY_CHANGED,   /* PAM session: the key that entered is not the one that was decided on */
    POLICY_DENIED,        /* by this host's own list (denials.h) */
    POLICY_IDS_CHANGED,   /* PAM: the account has other ids than when this login began */
    POLICY_REASONS
};

/* The token that stands for it in logs: "role-too-low". */
const char *policy_token(enum policy_reason reason);

/* The word for a kind and for a role, as they stand in logs. */
const char *policy_kind_word(enum cloud_kind kind);

/* What a host's rules about documents depend on; local_ids must be refreshed by the caller. */
struct policy_host {
    const struct cloud_conf *conf;
    const struct local_ids *local_ids;
    const struct bindings *bindings;
};

/*
 * Whether this host may use the document: its uid and gid are in the host's range, are not those of
 * a local user or group, and are not bound to another environment; its environment has a login name
 * on this host, and that is no local user's or group's. False with the reason in why; the caller
 * treats such a document as an outage.
 */
bool policy_usable(const struct policy_host *host, const struct document *document, char *why,
                   size_t size);

/* Whether the document is for this host: it has no `hosts`, or they contain host_id. */
bool policy_for_host(const struct cloud_conf *conf, const struct document *document);

/* The application that the name means, or NULL: it names none, or the document lists no such one.
 */
const struct document_app *policy_app(const struct document *document,
                                      const struct cloud_name *name);

/* The least role that may enter the account, or DOCUMENT_LEVEL_NONE: no role may. */
enum document_level policy_level(const struct document *document, const struct cloud_name *name);

/* Whether the name's application exists: none is named, no `apps` are listed, or it is. */
bool policy_app_exists(const struct document *document, const struct cloud_name *name);

#define POLICY_NOLOGIN "/usr/sbin/nologin"

/* The account's home and shell for that name (sFTP accounts have "/" and nologin). */
const char *policy_home(const struct document *document, const struct cloud_name *name);
const char *policy_shell(const struct document *document, const struct cloud_name *name);

/* What an sFTP account may see of the environment's home, as it stands on the wire (common/wire.h);
 * "" for every other account. False if it does not fit, with *out empty. */
bool policy_mounts(const struct document *document, const struct cloud_name *name, char *out,
                   size_t size);

struct policy_verdict {
    enum policy_reason reason;      /* POLICY_GRANTED, or why not */
    const struct document_key *key; /* NULL if the key is nobody's; key->user is the person */
};

/*
 * Whether the holder of the key may enter the account now (seconds since 1970). Where several
 * people list one key, the first who may enter counts, else the first.
 */
struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                   int64_t now);

/* The same for one person only, the one with that id: whether he may still be where he entered. */
struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                    const char *user_id, int64_t now);

/*
 * The rules that a key of the document must pass, in their order, each with its verdict: the same
 * that policy_login goes by, which stops at the first that is not passed.
 */
#define POLICY_RULES 4
struct policy_rule_verdict {
    const char *rule; /* "denied", "status", "expiry", "role" */
    enum policy_reason reason;
};
void policy_rules(const struct document *document, const struct cloud_name *name,
                  const struct document_key *key, int64_t now,
                  struct policy_rule_verdict out[POLICY_RULES]);

/*
 * Whether the key gets a line in sshd. It does if its owner may enter; and if he may not, so that
 * PAM is asked and can tell him why, but for two cases. An sFTP account: the sshd block's
 * ForceCommand beats the line's own command, and on a host that has switched PAM off the line would
 * open the chroot. And a key that has expired, or is denied, while its owner has another that may
 * enter: sshd ends the connection that PAM refuses, and the client would never come to its good
 * key.
 */
bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, int64_t now);

/* When the key expires: seconds since 1970; 0: never, or before 1970. */
int64_t policy_key_expires(const struct document_key *key);

/* Whether a service that asks for no key (su, sudo, cron) may use the account now. */
enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now);

#endif
