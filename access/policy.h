/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_POLICY_H
#define CLOUD_ACCESS_POLICY_H

#include "access/bindings.h"
#include "access/certificate.h"
#include "access/document.h"
#include "access/local_ids.h"

#include "common/conf.h"
#include "common/name.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The rules of who may enter. Pure functions: they keep no state, and the time is an argument
 * (seconds since 1970).
 */

/* How a person comes. */
struct policy_visit {
    int64_t now;      /* by which a right ends: never goes back (cache_visit) */
    int64_t wall;     /* by which a right begins, and a denial of this host ends: the wall clock */
    const char *from; /* the client's address, as PAM_RHOST has it; NULL: not known yet, so that
                         `from` refuses no person */
    const struct offered_key *offered; /* what the person comes with */
};

enum policy_reason {
    POLICY_REFUSED = 0, /* no rule granted it; the default */
    POLICY_GRANTED,
    POLICY_NOT_OURS,      /* grammar or allow: not a login name of this host */
    POLICY_LOCAL,         /* /etc/passwd or /etc/group has the name */
    POLICY_KIND_MISMATCH, /* the sshd block is that of the other kind of account */
    POLICY_KEY_UNUSABLE,  /* not a key of an accepted type and strength */
    POLICY_KEY_UNKNOWN,   /* no user of this environment has the key */
    POLICY_KEY_EXPIRED,
    POLICY_PERSON_EXPIRED,
    POLICY_TOO_EARLY, /* the person's or the key's not_before is in the future */
    POLICY_FROM,      /* the client's address is not in the person's or the key's `from` */
    POLICY_CERTIFICATE_UNUSABLE, /* it has a fault (certificate.h) */
    POLICY_CERTIFICATE_EARLY,
    POLICY_CERTIFICATE_EXPIRED,
    POLICY_AUTHORITY_UNKNOWN,   /* this environment does not accept its authority */
    POLICY_CERTIFICATE_UNKNOWN, /* no user of this environment has its key id as id */
    POLICY_STATUS_INACTIVE,
    POLICY_STATUS_PAUSED,
    POLICY_STATUS_DELETING,
    POLICY_STATUS_UNKNOWN,
    POLICY_ROLE, /* too low */
    POLICY_ROLE_SFTP_ONLY,
    POLICY_ACCESS_OFF, /* access.ssh or access.sftp is none, or `session` or `access.require` cannot
                           be read */
    POLICY_MFA,        /* `access.require` is not met by how or when the person has authenticated */
    POLICY_APP_UNKNOWN,
    POLICY_NOT_THIS_HOST, /* the document's `hosts` does not contain this host */
    POLICY_UNUSABLE,      /* this host may not use the document (policy_usable) */
    POLICY_ABSENT,        /* the API says that the environment does not exist */
    POLICY_UNAVAILABLE,   /* an outage, and no document that may still be used */
    POLICY_NO_KEY_LINE,   /* PAM: no key line was answered for this sshd process and account */
    POLICY_KEY_CHANGED,   /* PAM session: the key that logged in is not the one that was judged */
    POLICY_DENIED,        /* by a denial of this host (denials.h) */
    POLICY_IDS_CHANGED,   /* PAM: the account's uid or gid changed since this login began */
    POLICY_REASONS
};

/* The reason's token in the audit log, such as "role-too-low". */
const char *policy_token(enum policy_reason reason);

/* The word for a kind of account in the audit log: "shell" or "sftp". */
const char *policy_kind_word(enum cloud_kind kind);

/* What the rules of a host about documents depend on. The caller refreshes local_ids. */
struct policy_host {
    const struct cloud_conf *conf;
    const struct local_ids *local_ids;
    const struct bindings *bindings;
};

/*
 * Whether this host may have the account of an environment with these ids. POLICY_GRANTED if so;
 * POLICY_LOCAL if an id, or the account's plain name, belongs to a local user or group;
 * POLICY_NOT_OURS if an id is outside the range, or if the environment has no login name here. why
 * says what is wrong.
 */
enum policy_reason policy_account(const struct policy_host *host, const struct binding *account,
                                  char *why, size_t size);

/*
 * Whether this host may use the document: `allow` and the configured range admit its account, its
 * uid and gid are not bound to another environment and, if they are not bound at all, are not
 * subordinate ids of a local user, and `homes` allows its home. False with the reason in why; the
 * caller treats such a document as an outage.
 */
bool policy_usable(const struct policy_host *host, const struct document *document, char *why,
                   size_t size);

/* Whether this host may use an application of a document that it may use: `homes` allows its home.
 * False with the reason in why; only the login names of that application are refused then. */
bool policy_app_usable(const struct cloud_conf *conf, const struct document_app *app, char *why,
                       size_t size);

/* Whether the document applies to this host: it has no `hosts`, or they contain host_id. */
bool policy_for_host(const struct cloud_conf *conf, const struct document *document);

/* The application that the name means. NULL if it names none, or one that the document does not
 * list. */
const struct document_app *policy_app(const struct document *document,
                                      const struct cloud_name *name);

/* The least role that may enter the account, or DOCUMENT_LEVEL_NONE: no role may. */
enum document_level policy_level(const struct document *document, const struct cloud_name *name);

/* Whether the name's application exists: the name has none, the document has no `apps`, or they
 * contain it. */
bool policy_app_exists(const struct document *document, const struct cloud_name *name);

#define POLICY_NOLOGIN "/usr/sbin/nologin"

/* The account's home and shell for that name. An sFTP account has "/" and nologin. */
const char *policy_home(const struct document *document, const struct cloud_name *name);
const char *policy_shell(const struct document *document, const struct cloud_name *name);

/* Writes the directories that an sFTP account may see, in the format of the wire (common/wire.h);
 * "" for a shell account. False, with *out empty, if they do not fit. */
bool policy_mounts(const struct document *document, const struct cloud_name *name, char *out,
                   size_t size);

struct policy_verdict {
    enum policy_reason reason; /* POLICY_GRANTED, or why the login is refused */
    /* The user's key, or that of the authority for the user (`certified` of the document); NULL if
     * the document has neither. key->user is the person. */
    const struct document_key *key;
};

/*
 * Whether the holder of visit->offered may enter the account now. A plain key must be one of a
 * user's; a certificate must be signed by an authority of the document, and be for the user whose
 * id is its key id. If that holds for several users, the first who may enter counts, or else the
 * first.
 */
struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const struct policy_visit *visit);

/* The verdict on the user with that id alone, for a session that is already open. */
struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const char *user_id, const struct policy_visit *visit);

/* The certificate that the person comes with, or NULL. */
const struct offered_key *policy_certificate(const struct policy_visit *visit);

/* What an open session is judged by: without `access.require`, which is for the login, and for a
 * certificate without the times of the login, except that its end remains unless sessions outlive
 * it (session_outlives_certificate). */
struct offered_key policy_session_key(const struct cloud_conf *conf,
                                      const struct offered_key *offered);

/* The next copy of the key, of another user, with which that user may enter; NULL: there is none.
 */
const struct document_key *policy_next(const struct document *document,
                                       const struct cloud_name *name,
                                       const struct document_key *key,
                                       const struct policy_visit *visit);

/* Whether the key has a `from`, its own or the person's. */
bool policy_has_from(const struct document_key *key);

/*
 * The verdict of each rule for a key of the document, in the order in which policy_login applies
 * them; policy_login stops at the first that refuses. visit->offered may be NULL: the key itself.
 */
#define POLICY_RULES 8
struct policy_rule_verdict {
    const char *rule; /* "certificate", "denied", "status", "expiry", "begin", "from", "role",
                         "require" */
    enum policy_reason reason;
};
void policy_rules(const struct document *document, const struct cloud_name *name,
                  const struct document_key *key, const struct policy_visit *visit,
                  struct policy_rule_verdict out[POLICY_RULES]);

/*
 * Whether sshd is given an authorized_keys line for the key. It is given one if the user of the key
 * may enter, and in most cases also if not, so that PAM runs and can tell the user why. The
 * exceptions are:
 *
 * - An sFTP account. The ForceCommand of sshd's block overrides the command in the line, so with
 * `UsePAM no` the line would let a refused user into the chroot.
 *
 * - A key that is denied, expired, too early, refused by its own `from` or without MFA, while its
 * user has another key that may enter. sshd closes the connection after PAM's refusal, so that the
 * client could not offer the other key.
 *
 * - A certificate that itself opens nothing. The client goes on to its plain key.
 */
bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, const struct policy_visit *visit);

/* When the person's right to enter by the key ends, or that of a session (policy_session_key), in
 * seconds since 1970; 0: never, or before 1970 (policy_login refuses such a login). offered may be
 * NULL: no certificate. */
int64_t policy_ends(const struct document_key *key, const struct offered_key *offered);

/* Whether a service that needs no key (su, sudo, cron) may use the account now. */
enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now);

#endif
