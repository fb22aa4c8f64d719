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

/* The circumstances of a login. */
struct policy_visit {
    int64_t now;  /* decides the end of rights: not put back with the wall clock (cache_visit) */
    int64_t wall; /* the wall clock: decides the begin of rights, and the end of denials */
    const char *from; /* the client's address, as PAM_RHOST has it; NULL: not known yet, so that
                         `from` refuses no person */
    const struct offered_key *offered; /* the key or certificate that the person offers */
};

enum policy_reason {
    POLICY_REFUSED = 0, /* the default: no rule has granted the login */
    POLICY_GRANTED,
    POLICY_NOT_OURS,      /* not a login name of this host (cloud_name_parse) */
    POLICY_LOCAL,         /* /etc/passwd or /etc/group has the name */
    POLICY_KIND_MISMATCH, /* sshd's Match block is for the other kind of account */
    POLICY_KEY_UNUSABLE,  /* the type or size of the offered key is not accepted */
    POLICY_KEY_UNKNOWN,   /* no user of this environment has the key */
    POLICY_KEY_EXPIRED,
    POLICY_PERSON_EXPIRED,
    POLICY_TOO_EARLY, /* the person's or the key's not_before is in the future */
    POLICY_FROM,      /* the client's address is not in the person's or the key's `from` */
    POLICY_CERTIFICATE_UNUSABLE, /* the certificate has a fault (certificate.h) */
    POLICY_CERTIFICATE_EARLY,
    POLICY_CERTIFICATE_EXPIRED,
    POLICY_AUTHORITY_UNKNOWN,   /* this environment does not accept the certificate's authority */
    POLICY_CERTIFICATE_UNKNOWN, /* no user of this environment has the certificate's key id */
    POLICY_STATUS_INACTIVE,
    POLICY_STATUS_PAUSED,
    POLICY_STATUS_DELETING,
    POLICY_STATUS_UNKNOWN,
    POLICY_ROLE, /* the person's role is too low */
    POLICY_ROLE_SFTP_ONLY,
    POLICY_ACCESS_OFF, /* access.ssh or access.sftp is none, or `session` or `access.require` cannot
                           be read */
    POLICY_MFA,        /* `access.require` is not met by how or when the person has authenticated */
    POLICY_APP_UNKNOWN,
    POLICY_NOT_THIS_HOST, /* the document's `hosts` does not contain this host */
    POLICY_UNUSABLE,      /* this host may not use the document (policy_usable) */
    POLICY_ABSENT,        /* the API says that the environment does not exist */
    POLICY_UNAVAILABLE,   /* an outage, and there is no document that may still be used */
    POLICY_NO_KEY_LINE,   /* PAM: the helper gave no key line to this sshd process for this account
                             or, for a key with `verify`, none with verify-required */
    POLICY_KEY_CHANGED,   /* PAM session: sshd recorded another key than the one that PAM account
                             judged */
    POLICY_DENIED,        /* a denial of this host matches (denials.h) */
    POLICY_IDS_CHANGED,   /* PAM: the account's uid or gid has changed since this login began */
    POLICY_REASONS
};

/* The reason's token in the audit log, such as "role-too-low". */
const char *policy_token(enum policy_reason reason);

/* The word for a kind of account in the audit log: "shell" or "sftp". */
const char *policy_kind_word(enum cloud_kind kind);

/* What a host judges documents by. The caller calls local_ids_refresh first. */
struct policy_host {
    const struct cloud_conf *conf;
    const struct local_ids *local_ids;
    const struct bindings *bindings;
};

/*
 * Whether this host may have the account of an environment with these ids. POLICY_GRANTED if so;
 * POLICY_LOCAL if an id, or the environment's main login name, belongs to a local user or group;
 * POLICY_NOT_OURS if an id is outside uid_min to uid_max, or if the environment has no main login
 * name here. If not granted, why says what is wrong.
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

/* Whether this host may use an application of a usable document: `homes` allows the application's
 * home. If not, the reason is in why, and only the login names of that application are refused. */
bool policy_app_usable(const struct cloud_conf *conf, const struct document_app *app, char *why,
                       size_t size);

/* Whether the document applies to this host: it has no `hosts`, or they contain host_id. */
bool policy_for_host(const struct cloud_conf *conf, const struct document *document);

/* The application in the login name. NULL if the name has none, or if the document does not list
 * it. */
const struct document_app *policy_app(const struct document *document,
                                      const struct cloud_name *name);

/* The least role that may enter the account under that name, or DOCUMENT_LEVEL_NONE: no role
 * may. */
enum document_level policy_level(const struct document *document, const struct cloud_name *name);

/* Whether the application in the login name exists: the name has none, or the document has no
 * `apps`, or `apps` contains it. */
bool policy_app_exists(const struct document *document, const struct cloud_name *name);

#define POLICY_NOLOGIN "/usr/sbin/nologin"

/* The account's home and shell under that login name. An sFTP account has "/" and nologin. */
const char *policy_home(const struct document *document, const struct cloud_name *name);
const char *policy_shell(const struct document *document, const struct cloud_name *name);

/* Writes the directories that an sFTP account may see, in the format of the wire (common/wire.h);
 * "" for a shell account. False, with *out empty, if they do not fit. */
bool policy_mounts(const struct document *document, const struct cloud_name *name, char *out,
                   size_t size);

struct policy_verdict {
    enum policy_reason reason; /* POLICY_GRANTED, or why the login is refused */
    /* The user's entry in `key` of the document or, for a certificate, in `certified`; NULL if
     * there is none. key->user is the person. */
    const struct document_key *key;
};

/*
 * Whether the holder of visit->offered may enter the account now. A plain key must be the key of a
 * user. A certificate must be signed by an authority of the document, and its key id must be the id
 * of a user. If several users match, the first one that may enter counts, or else the first one.
 */
struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const struct policy_visit *visit);

/* Judges an open session: as policy_login, but only the user with that id counts. */
struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const char *user_id, const struct policy_visit *visit);

/* visit->offered if that is a certificate, else NULL. */
const struct offered_key *policy_certificate(const struct policy_visit *visit);

/* Returns the key or certificate that an open session is judged by: `offered` without what matters
 * at the login only. That is access.require, the begin of a certificate and, with
 * session_outlives_certificate, its end. */
struct offered_key policy_session_key(const struct cloud_conf *conf,
                                      const struct offered_key *offered);

/* The next entry of the document, after key, for a user who has the same key and may enter by it;
 * NULL if there is none. For a certificate, only users with the same id count. */
const struct document_key *policy_next(const struct document *document,
                                       const struct cloud_name *name,
                                       const struct document_key *key,
                                       const struct policy_visit *visit);

/* Whether the key or its user has a `from`. */
bool policy_has_from(const struct document_key *key);

/*
 * The verdict of each rule for a key of the document, in the order in which policy_login applies
 * the rules; policy_login stops at the first that refuses. If visit->offered is NULL, the key
 * itself is judged, not a certificate.
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
 * Whether sshd is given an authorized_keys line for verdict->key. It is given one if the key's user
 * may enter, and in most cases also if not, so that PAM runs and can tell the user why. The
 * exceptions are:
 *
 * - An sFTP account. The ForceCommand of sshd's block overrides the command in the line, so with
 * `UsePAM no` the line would let a refused user into the chroot.
 *
 * - A key that is denied, expired, too early, refused by its own `from` or without MFA, while its
 * user may enter by another key, or by a certificate of an authority of the document. sshd closes
 * the connection after PAM's refusal, so that the client could not offer the other one.
 *
 * - A certificate that has a fault or is outside its validity. The client goes on to its plain key.
 */
bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, const struct policy_visit *visit);

/* When the person's right to enter by the key ends, or to stay in a session (offered as
 * policy_session_key returns it), in seconds since 1970; 0: never, or before 1970 (policy_login
 * refuses such a login). offered may be NULL: no certificate. */
int64_t policy_ends(const struct document_key *key, const struct offered_key *offered);

/* Whether a service that needs no key (su, sudo, cron) may use the account now. */
enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now);

#endif
