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
 * The rules that decide who may enter. The functions are pure: they keep no state, and get the time
 * (seconds since 1970) as an argument.
 */

/* The circumstances of a login. */
struct policy_visit {
    int64_t now;      /* decides when rights end; does not go back when the wall clock is set back
                         (cache_visit) */
    int64_t wall;     /* the wall clock; decides when rights begin and denials end */
    const char *from; /* the client's address, from PAM_RHOST; NULL: not known yet, so that the
                         `from` of a person or key is not checked */
    const struct offered_key *offered; /* the key or certificate that the client offers */
};

enum policy_reason {
    POLICY_REFUSED = 0, /* the default: no rule has granted the login */
    POLICY_GRANTED,
    POLICY_NOT_OURS,      /* not a login name of this host (cloud_name_parse) */
    POLICY_LOCAL,         /* /etc/passwd or /etc/group has the name or an id of the account */
    POLICY_KIND_MISMATCH, /* sshd's Match block is for the other kind of account */
    POLICY_KEY_UNUSABLE,  /* the offered key is malformed, or its type or size is not accepted */
    POLICY_KEY_UNKNOWN,   /* no user of this environment has the key */
    POLICY_LINE_TOO_LONG, /* the lines for the key do not fit (key_line_write) */
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
    POLICY_MFA,        /* how or when the person authenticated does not meet `access.require` */
    POLICY_APP_UNKNOWN,
    POLICY_NOT_THIS_HOST, /* the document's `hosts` does not contain this host */
    POLICY_UNUSABLE,      /* this host may not use the document (policy_usable) */
    POLICY_ABSENT,        /* the API says that the environment does not exist */
    POLICY_UNAVAILABLE,   /* cannot be decided now, as in an outage without a usable document */
    POLICY_NO_KEY_LINE,   /* PAM: the helper gave this sshd process no key line for this account or,
                             for a key with `verify`, a line without verify-required */
    POLICY_KEY_CHANGED,   /* PAM session: the key that sshd recorded is not the one that PAM account
                             judged */
    POLICY_DENIED,        /* a denial of this host matches (denials.h) */
    POLICY_IDS_CHANGED,   /* PAM: the account's uid or gid has changed since this login began */
    POLICY_LINE_CHANGED,  /* PAM: the key line of this login grants other than the document does now
                             (key_line_grants) */
    POLICY_REASONS
};

/* The reason's token in the audit log, such as "role-too-low". */
const char *policy_token(enum policy_reason reason);

/* The word for a kind of account in the audit log: "shell" or "sftp". */
const char *policy_kind_word(enum cloud_kind kind);

/* The state of the host that documents are checked against. The caller must have called
 * local_ids_refresh before. */
struct policy_host {
    const struct cloud_conf *conf;
    const struct local_ids *local_ids;
    const struct bindings *bindings;
};

/*
 * Whether this host may have the account of an environment with this uid and gid. Returns
 * POLICY_GRANTED if so; POLICY_LOCAL if an id, or the environment's main login name, belongs to a
 * local user or group; POLICY_NOT_OURS if an id is outside uid_min to uid_max, or if the
 * environment has no main login name on this host. If the result is not POLICY_GRANTED, `why` says
 * what is wrong.
 */
enum policy_reason policy_account(const struct policy_host *host, const struct binding *account,
                                  char *why, size_t size);

/*
 * Whether this host may use the document: policy_account grants its account, `homes` allows its
 * home, bindings_allow allows its uid and gid and, if its environment is not bound yet, these are
 * not subordinate ids of a local user. If not, returns false, with the reason in `why`; the caller
 * treats such a document as an outage.
 */
bool policy_usable(const struct policy_host *host, const struct document *document, char *why,
                   size_t size);

/* Whether this host may use an application of a usable document: `homes` allows the application's
 * home. If not, returns false, with the reason in `why`, and only login names with that application
 * are refused. */
bool policy_app_usable(const struct cloud_conf *conf, const struct document_app *app, char *why,
                       size_t size);

/* Whether the document applies to this host: it has no `hosts`, or they contain host_id. */
bool policy_for_host(const struct cloud_conf *conf, const struct document *document);

/* Returns the document's entry for the application in the login name; NULL if the name has no
 * application, or if the document does not list it. */
const struct document_app *policy_app(const struct document *document,
                                      const struct cloud_name *name);

/* Returns the lowest role that may enter the account under that login name, or DOCUMENT_LEVEL_NONE
 * if no role may. */
enum document_level policy_level(const struct document *document, const struct cloud_name *name);

/* Whether the application in the login name exists: the name has none, or the document has no
 * `apps`, or `apps` contains it. */
bool policy_app_exists(const struct document *document, const struct cloud_name *name);

#define POLICY_NOLOGIN "/usr/sbin/nologin"

/* Return the home and the shell of the account under that login name; for an sFTP account these are
 * "/" and nologin. */
const char *policy_home(const struct document *document, const struct cloud_name *name);
const char *policy_shell(const struct document *document, const struct cloud_name *name);

/* Writes the directories that an sFTP account may see, in the wire format (common/wire.h); "" for a
 * shell account. Returns false, with *out empty, if they do not fit. */
bool policy_mounts(const struct document *document, const struct cloud_name *name, char *out,
                   size_t size);

struct policy_verdict {
    enum policy_reason reason; /* POLICY_GRANTED, or why the login is refused */
    /* The matching entry in document->key or, for a certificate, in document->certified; NULL if
     * there is none. key->user is the person. */
    const struct document_key *key;
};

/*
 * Whether the holder of visit->offered may enter the account now. A plain key must be the key of a
 * user. A certificate must be signed by an authority of the document, and its key id must be the id
 * of a user. If several users match, the result is for the first one who may enter; if none may,
 * for the first one.
 */
struct policy_verdict policy_login(const struct document *document, const struct cloud_name *name,
                                   const struct policy_visit *visit);

/* Judges an open session, as policy_login does, but considers only the user with that id. */
struct policy_verdict policy_person(const struct document *document, const struct cloud_name *name,
                                    const char *user_id, const struct policy_visit *visit);

/* Returns visit->offered if it is a certificate, otherwise NULL. */
const struct offered_key *policy_certificate(const struct policy_visit *visit);

/* Returns the key or certificate by which an open session is judged: `offered` without the
 * restrictions that matter only at the login. These are access.require, the start of a
 * certificate's validity and, with session_outlives_certificate, its end. */
struct offered_key policy_session_key(const struct cloud_conf *conf,
                                      const struct offered_key *offered);

/* Returns the next entry of the document, after `key`, for a user who has the same key and may
 * enter with it; NULL if there is none. For a certificate, considers only users with the same
 * id. */
const struct document_key *policy_next(const struct document *document,
                                       const struct cloud_name *name,
                                       const struct document_key *key,
                                       const struct policy_visit *visit);

/* Whether the key or its user has a `from`. */
bool policy_has_from(const struct document_key *key);

/* Judges one key of the document by the rules of policy_rules. Returns the reason of the first that
 * refuses, or POLICY_GRANTED. */
enum policy_reason policy_key(const struct document *document, const struct cloud_name *name,
                              const struct document_key *key, const struct policy_visit *visit);

/*
 * Writes the verdict of each rule on a key of the document, in the order in which policy_login
 * applies the rules (policy_login stops at the first rule that refuses). If visit->offered is NULL,
 * the key itself is judged, not a certificate.
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
 * Whether sshd gets an authorized_keys line for verdict->key. It gets one if the key's user may
 * enter, and in most cases also if not, so that PAM runs and can tell the user why. The exceptions
 * are:
 *
 * - An sFTP account. The ForceCommand of sshd's block overrides the command in the line, so with
 * `UsePAM no` the line would let a refused user into the chroot.
 *
 * - A key that is denied, expired, too early, refused by its own `from` or without MFA, while its
 * user may enter by another key, or by a certificate of an authority of the document. sshd closes
 * the connection when PAM refuses the login, so the client could not offer that other key or
 * certificate.
 *
 * - A certificate that has a fault or is outside its validity. Without a line, the client goes on
 * to its plain key.
 */
bool policy_gets_line(const struct document *document, const struct cloud_name *name,
                      const struct policy_verdict *verdict, const struct policy_visit *visit);

/* Returns when the person's right to enter with the key ends or, if `offered` comes from
 * policy_session_key, the right to stay in the session, in seconds since 1970. 0: never; or before
 * 1970, but then policy_login refuses the login. `offered` may be NULL: no certificate. */
int64_t policy_ends(const struct document_key *key, const struct offered_key *offered);

/* Whether a service that needs no key (su, sudo, cron) may use the account now. */
enum policy_reason policy_service(const struct document *document, const struct cloud_name *name,
                                  const char *service, int64_t now);

#endif
