/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_SIM_H
#define CLOUD_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * One host, its project API, its people and its clocks, as one process plays them from one number
 * (tests/README.md). The world outlives the daemon: it lies in memory that the processes of a
 * scenario share, each of which is the daemon from one start to its end.
 *
 *   sim.c    the scenario: what happens next
 *   faults.c the answers of docs/outages.md
 *   host.c   what the daemon's modules are linked with in the place of the host: clocks, loop,
 *            workers, API, processes, disk
 *   audit.c  what the log must say of each decision
 *   certificate.c  what certificates are on the wire
 *   envelope.c     the publisher of signed documents
 *   model.c  the judgement: who may enter, by docs/api.md alone, and what must hold at every step
 */

enum {
    ENVIRONMENTS = 8, /* at most; mostly FEW */
    FEW = 3,
    PEOPLE = 20, /* in the world; a document lists some of them */
    LISTED = 8,
    PERSON_KEYS = 3,
    KEYS = 24,         /* in the world */
    SECURITY_KEYS = 4, /* of these, the last ones are of a security key */
    VERSIONS = 48,     /* of all documents, in a scenario */
    LOGINS = 4,        /* at a time */
    SESSIONS = 24,     /* in a scenario */
    ADDRESSES = 6,
    GOODS = 16,
    CHANGES = 64,    /* that the feed remembers */
    UNDOS = 16,      /* changes of directories, and files, that are not synced */
    AUTHORITIES = 4, /* the first keys certify others too */
    SERIALS = 3,
    CERTIFICATES = 24, /* in a scenario */
    LISTED_AUTHORITIES = 2,
    /* What an operator can deny: each key, person by name and by id, environment, certificate. */
    NAMES = KEYS,
    IDS = NAMES + PEOPLE,
    WHOLES = IDS + PEOPLE,
    CERTIFIED = WHOLES + ENVIRONMENTS,
    SUBJECTS = CERTIFIED + AUTHORITIES * SERIALS,
    TOLD = 64,         /* refused offers that are remembered */
    ABSENCES = 1024,   /* that are remembered: an uncertain one is noted at each answer */
    SIGNERS = 4,       /* keys of the publisher, and of others who sign */
    ENVELOPES = 256,   /* that the publisher has signed, in a scenario */
    OPERATOR = LOGINS, /* asks the daemon as a login does */
};

enum role { ADMIN, CONTRIBUTOR, VIEWER, SFTP_ROLE, OTHER_ROLE, ROLES };
enum level {
    LEVEL_DEFAULT,
    LEVEL_ADMIN,
    LEVEL_CONTRIBUTOR,
    LEVEL_VIEWER,
    LEVEL_NONE,
    LEVEL_OTHER,
    LEVELS
};
enum status { ACTIVE, DIRTY, PAUSED, INACTIVE, DELETING, OTHER_STATUS, STATUSES };
enum from { FROM_ANYWHERE, FROM_NET, FROM_TWO, FROM_NOWHERE, FROMS };

extern const char *const roles[ROLES], *const levels[LEVELS], *const statuses[STATUSES],
                                                                  *const froms[FROMS],
                                                                      *const addresses[ADDRESSES];

/* From where and until when a person may enter, or a key opens. Times are of the wall clock; 0:
 * none. */
struct right {
    enum from from;
    int64_t not_before, expires_at;
    bool unreadable; /* one of the three cannot be read */
};

struct listed_key {
    int key;
    bool verify;
    struct right right;
};

struct listed {
    int person;
    enum role role;
    struct right right;
    int keys;
    struct listed_key key[PERSON_KEYS];
};

/* A user certificate. What a login comes with is the number of a key, or from KEYS on of one of
 * these. */
struct certificate {
    int authority, key; /* keys */
    int person;         /* whose id is the key id; -1: nobody's */
    unsigned serial;
    struct right right; /* when it is valid */
    enum {
        CERTIFICATE_GOOD,
        CERTIFICATE_OF_HOST,
        CERTIFICATE_OF_NONE, /* it has no principals, or a bad one */
        CERTIFICATE_OF_BAD,
        CERTIFICATE_COMMAND, /* critical options */
        CERTIFICATE_OPTION,
        CERTIFICATE_CUT,
        CERTIFICATE_FAULTS
    } fault;
    enum {
        CLAIMS_NONE,
        CLAIMS_HAS_MFA,
        CLAIMS_MFA,
        CLAIMS_OTHER,
        CLAIMS_UNREADABLE,
        CLAIMS
    } claims;
    int64_t auth_time;
    char type[60], base64[900];
};

/* The document of an environment, as the API has it at a time. */
struct version {
    int environment;
    uint32_t uid, gid;
    enum status status;
    enum level ssh, sftp, app; /* app: access.ssh of the application "app" */
    bool apps, lists_app;      /* `apps` is present, and has the member "app" */
    bool require_mfa;          /* access.require: {"amr": ["mfa"]} */
    bool unreadable_people, unreadable_session, unreadable_require;
    int hosts;         /* 0: not present, 1: this host among others, 2: others, 3: an empty list */
    int64_t max_stale; /* -1: not present */
    uint32_t max_seconds; /* 0: not present */
    int listed;
    struct listed person[LISTED];
    bool unreadable_authorities;
    int authorities;
    struct listed_key authority[LISTED_AUTHORITIES];
};

/* A signed document on its way: what its payload says, and who has signed it. */
struct envelope {
    int environment, version; /* the version, or ABSENT: a tombstone */
    int64_t issued;           /* issued_at, in seconds; 0: it has none */
    unsigned signers;         /* a bit for each key that has signed it */
    enum {
        ENVELOPE_GOOD,
        ENVELOPE_LONG,    /* other signatures stand before the right ones, and unknown members */
        ENVELOPE_SWAPPED, /* the signatures are of another payload */
        ENVELOPE_DAMAGED, /* a bit of each signature is wrong */
        ENVELOPE_TYPE,    /* it is of another type of payload */
        ENVELOPE_TYPED,   /* the signatures are of another type of payload */
        ENVELOPE_MANY,    /* there are 17 signatures */
        ENVELOPE_CUT,
        ENVELOPE_FLAWS
    } flaw;
};

/* A login name of an environment: the plain one, sFTP, an application that versions may list, and
 * one that none does. */
enum kind { PLAIN, SFTP_KIND, APP, NO_APP, KINDS };

enum { ABSENT = -1, UNAVAILABLE = -2 }; /* as the number of a version */

/* A good answer of the API: when it was asked for, by each clock. */
struct good {
    int version;            /* or ABSENT */
    unsigned signers;       /* that have signed it; 0: it is not signed */
    int64_t issued;         /* of a signed one: issued_at, in seconds */
    int64_t signed_age;     /* how old that made it when it was taken, in milliseconds, ... */
    int64_t taken;          /* ... and when that was (lived); 0: it may not have been */
    bool doubtful;          /* the daemon may have refused it */
    int64_t lived, wall;    /* milliseconds */
    int64_t came;           /* lived: when the answer came */
    int boots, incarnation; /* in which boot of the host, and to which daemon */
    bool dead;              /* not to be used before the API confirms it */
    bool behind;            /* the clock was put back since: so after the next start of the host */
    int64_t kept,
        kept_wall; /* lived and wall: the oldest confirmation that may be on the disk, ... */
    int64_t keep, keep_wall; /* ... and once this answer is settled */
    int64_t kept_last;       /* lived: the newest */
    int64_t slack;           /* how far the daemon's time of it may be off */
    int64_t since;           /* lived: this daemon holds it for asked by then, or earlier; 0: ? */
};

/* Whose id the environment's is. */
enum local_id { LOCAL_NOT, LOCAL_UID, LOCAL_GID, LOCAL_PRIMARY, LOCAL_IDS };

struct environment {
    const char *project, *name, *plain;
    uint32_t id;
    /* What the host has bound to it, and whether it is certainly on the disk, as it is if nothing
     * has failed since. A daemon that perhaps has a binding may have any ids of the versions. */
    enum { UNBOUND, PERHAPS_BOUND, BOUND } binding;
    uint32_t uid, gid; /* BOUND */
    bool binding_kept;
    int binding_failures; /* world->disk_failures when it was bound; -1: unknown */
    int64_t released;     /* lived: when an operator has released the binding; 0: never */
    int released_in;      /* the incarnation that has done so */
    int64_t rebound;      /* lived: a login may need to have begun since; 0 */
    int64_t leaving;      /* lived: an operator has last asked for a release; 0 */
    int now;              /* what the API has: a version or ABSENT */
    int gone; /* ABSENT: the version that the API has lost, and may find again; or ABSENT */
    /* The answers of which the daemon may have any: the last one alone, if that is on the disk. */
    int goods;
    struct good good[GOODS];
    /* The last answer, refused for its ids: until the daemon certainly has judged it. */
    bool has_ids_of_other;
    struct good refused;
    bool stuck;        /* the disk may have an older document, which it has refused to remove */
    bool unsure;       /* the daemon may have refused the last answer */
    bool withheld;     /* the API has said that it is absent, which the daemon does not believe */
    bool doubted;      /* or perhaps does not */
    bool confirmed;    /* an operator has confirmed it: the next such answer is believed */
    int64_t tombstone; /* issued_at of the last tombstone that was not believed, or 0 */
    int64_t former;    /* issued_at of the last document that another API was believed, or 0 */
    bool left;         /* the disk may have a document of another API */
    int envelope;      /* the last one that the publisher has signed of it; -1: none */
    bool local[KINDS]; /* a local user or group has the login name */
    enum local_id local_id;
    int64_t local_until; /* lived: when it was last not to be handled, or that began */
    bool failed;         /* the last request of this process led to nothing good */
    int64_t asked;       /* boot clock, since when a request is under way; -1: none is */
    int64_t naming[2];   /* lived: when an answer of the feed came that names it, or all, and
                            that the daemon may not have read; 0: it has */
    int64_t named_after; /* lived: when the feed last named it, at the earliest; -1: never */
    int64_t whole_after; /* the same of an answer that names all */
    int64_t named;       /* and when the daemon certainly knew; -1 */
};

/* What the line of a decision may say about the document: where it is from, and how old it is. */
struct origins {
    bool api, cache;
    int spans;
    struct span {
        bool absent; /* there is no such environment */
        int64_t least, most;
    } span[GOODS];
};

struct person_login {
    bool used;
    int environment, key, address;
    enum kind kind;
    int stage; /* what sshd asks next: 0 name, 1 key, 2 key again, 3 account, 4 session */
    int pid;
    int64_t began;
    bool waiting;           /* for the daemon */
    int lined;              /* the incarnation that has answered a line for the key; 0: none has */
    int granted;            /* and the one that has granted the account */
    int line;               /* what that line permits (model_line); -1: to read the reason */
    int person;             /* who that was for */
    char subject[320];      /* what the account's answer says for the line of an sFTP login */
    struct origins origins; /* of what granted the account */
    int64_t asked;          /* lived */
    int run_failures;       /* world->run_failures then */
    uint32_t uid;           /* that sshd has looked up; 0: none */
    int64_t started;        /* lived: when its sshd process has */
};

struct open_session {
    bool used, ended; /* ended: the daemon has begun to end it */
    int environment, key, address, pid, person;
    int64_t began;
    enum kind kind;
    int64_t lived; /* when it was opened */
};

struct settings {
    uint32_t keys_fresh, account_fresh, absent_fresh, max_stale, request_timeout, session_recheck;
    bool feed, outlives; /* a session its certificate */
    bool narrow;         /* `allow` lists the first project alone */
    int url;             /* which API it is */
    unsigned signers;    /* signing_key: a bit for each; 0: documents are not signed */
};

/* An operator's denial of a subject: it is certainly in force before `least`, and may be before
 * `most`, of the wall clock in seconds. */
struct denied {
    int64_t least, most;
};

/* What the operator asks for. */
struct order {
    bool waiting, deny, all;
    bool confirms,
        withheld; /* the absence of an environment, which is certainly withheld, or not */
    bool rebinds; /* releases the binding of the environment `subject` */
    bool bound;   /* which has one, by all that has come, ... */
    bool idle;    /* ... and has been read */
    int subject;
    int64_t until; /* seconds; 0: for ever */
    bool known;    /* it certainly is denied now */
    int64_t done;  /* lived: when it was answered that it is done; 0: it was not */
};

/* A refused offer that has a line. */
struct told {
    int environment;
    enum kind kind;
    bool foreign; /* `allow` did not list the name */
    int offer, incarnation;
    int64_t at; /* boot clock */
};

enum disk { DISK_WELL, DISK_FULL, DISK_BROKEN };

/* A change of a directory that is not synced. */
struct undo {
    int part, number; /* the directory; lost/<number> is the file that was there */
    bool was;         /* there was one */
    bool stays;       /* the file that is there could not be removed since */
    char name[200];
};

struct world {
    uint64_t seed, random;
    bool trace;
    struct settings settings;
    /* The clocks. lived never goes back or stands still: the time that passes for the host. */
    int64_t lived, boot, wall; /* milliseconds */
    int boots;                 /* how often the host has started */
    int environments;
    struct environment environment[ENVIRONMENTS];
    int absences;
    struct {
        int environment;
        int64_t at; /* lived */
        int incarnation;
        bool sure; /* else the daemon may have withheld it, or may not have known a document */
    } absence[ABSENCES]; /* that the daemon has believed of environments with a document */
    int api;             /* how it answers: sim.c */
    int versions;
    struct version version[VERSIONS];
    int certificates;
    struct certificate certificate[CERTIFICATES];
    int envelopes;
    struct envelope envelope[ENVELOPES];
    int64_t publisher; /* what the publisher's clock is ahead of `lived`, milliseconds */
    int origin;        /* counts changes of the API, or of signing_key */
    struct person_login login[LOGINS];
    struct open_session session[SESSIONS];
    int sessions;
    int pids;
    struct denied denied[SUBJECTS];
    struct denied list_damaged; /* all is denied while it is */
    struct order order;
    int lines; /* since the last answer; and the last one */
    char line[1024];
    struct told told[TOLD];
    int64_t feed_heard, feed_wall; /* lived and wall, when the last good answer of the feed came, as
                                      long as it may be live; -1: it is not */
    bool feed_failed;              /* an answer has come that the daemon may not have read yet */
    int changes, changed[CHANGES]; /* what the feed is to name */
    int feed_server;               /* how often it was restored */
    int64_t ends_by;   /* wall, seconds: what the daemon has certainly seen of the clock ... */
    int64_t ends_boot; /* ... and when, by the boot clock */
    int64_t highest;   /* wall - boot: the most that it can have seen, seconds */
    bool apps_only;    /* `allow` lists no name of the second project's but applications' */
    bool clock_set;    /* a clock was set in this scenario */
    bool stepped;      /* and since the daemon has started */
    bool disk_failed;  /* a write has failed in it, or a file was damaged */
    int disk_failures; /* writes that have failed */
    bool owners_damaged;
    bool moves_ids; /* the API changes uids and gids, and gives one to several environments */
    enum disk disk, run;
    int run_failures; /* of calls in /run */
    struct undo undo[UNDOS];
    struct {
        uint64_t inode;
        int64_t size; /* that is synced */
    } dirty[UNDOS];
    int undos, lost;
    int64_t reloaded; /* lived: when the settings last were */
    int64_t edited;   /* lived, and how often: */
    int edits;        /* of the files of local users and groups */
    int64_t put_back; /* lived: the clock was put back, and the daemon may not have seen it; 0 */
    enum { REBOOT_NO, REBOOT_STOP, REBOOT_POWER } reboot; /* the daemon ends with the host */
    int steps, incarnations;
    int grants, refusals;
    int kill_in; /* events until the process is killed; 0: it is not */
    char failure[512];
};

extern struct world *world;

/* A number below n, from the seed. */
uint32_t below(uint32_t n);
bool one_in(uint32_t n);

/* A line of the trace. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An invariant does not hold: ends the scenario. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- model.c ---- */

enum verdict { NO, EITHER, YES };

/* The operator has asked for the order, and the daemon has answered that it is done. */
void model_ordered(struct order *order);
void model_done(struct order *order);

/* That file of the state is damaged while no daemon runs. */
void model_damaged(const char *name);

/* The operator has the environment's ids released; and the answer to that. */
void model_rebinds(struct order *order);
void model_rebound(const struct order *order, const char *reason);

/* An operator confirms that the environment is absent. */
void model_confirmed(int environment);

/* Whether the person with the key may enter by that name of the environment, as the version has it.
 * address -1: not known. */
enum verdict model_judge(int version, enum kind kind, int key, int address);

/* Whether the host takes the envelope as the environment's document. */
enum verdict model_takes(int environment, const struct envelope *envelope);

/* Whether the host may have the document of the envelope: then it hears that the API has the
 * environment, also where the clock was put back and it does not take the document. */
bool model_has(int environment, const struct envelope *envelope);

/* The API's answer has come to the daemon, good or not. */
void model_answered(int environment, const struct good *good);

/* It was a document that the host does not use. */
void model_refuses(int environment);

/* An answer of the change feed has come, with all its pages, that names these; NULL: a failure. */
void model_feed(const bool named[ENVIRONMENTS], bool whole);

/* All that has come is on the disk, or was refused. */
void model_settled(void);

/* The settings, or the files of local users and groups, are about to change, or have changed. */
void model_local(void);

/* The documents are another API's from now on; or other signatures count. */
void model_forget(void);
void model_keys_changed(void);

/* The clock was set while an answer may be under way within the daemon. */
void model_clock_set(void);

/* The daemon was killed, or stopped. */
void model_ended(void);

/* The host has started anew, perhaps with the clock put back. */
void model_booted(bool back);

/* The daemon has granted, or refused, the account of a login at PAM. */
/* What the version permits in a line for an account of that kind: 1 a forward, else 0. */
int model_line(int version, enum kind kind);
void model_granted(const struct person_login *login);
void model_offered(const struct person_login *login); /* sshd has a line that opens */
/* The daemon has answered a lookup: with the document of that version, ABSENT, or UNAVAILABLE; and
 * with those ids. */
void model_looked(const struct person_login *login, int version, uint32_t uid, uint32_t gid);
void model_refused(const struct person_login *login, const char *reason, bool unavailable);
void model_opened(const struct person_login *login); /* the session */

/* Whether the person may enter as the login does, with that role; more text may follow it. */
bool model_is_person(const struct person_login *login, int person, const char *role);

/* What a line about the environment may say now. */
void model_origins(int environment, struct origins *out);

/* Lookups find the account without the daemon. */
void model_published(int environment, uint32_t uid);

/* No session is open that was denied a while ago, in an outage too. */
void model_sessions(void);

/* The daemon begins to end a session. */
void model_ending(const struct open_session *session);

/* At rest: no open session may be one that must not be. */
void model_rest(void);

/* ---- audit.c ---- */

/* An answer of the daemon to a login. */
struct answered {
    const char *name, *reason, *subject;
    bool ok;
};

/* A line of the log; and the answer that it must fit. */
void audit_take(const char *line);
void audit_check(struct person_login *login, const struct answered *answered);

/* ---- certificate.c ---- */

/* Writes type and base64. */
void certificate_write(struct certificate *certificate);

/* ---- envelope.c ---- */

/* Makes the publisher's keys. */
void publisher_prepare(void);

/* A key as in signing_key. */
const char *publisher_key(int signer);

/* The number of the envelope that the publisher has of the environment now. */
int publisher_sign(int environment);

/* Writes the envelope, and returns its length. */
size_t envelope_write(const struct envelope *envelope, char *out, size_t size);

/* ---- host.c ---- */

/* What a key is on the wire. */
extern struct sim_key {
    char type[40], base64[200];
    char fingerprint[60]; /* "SHA256:..." */
    unsigned char blob[200];
    size_t size;
} sim_keys[KEYS];

#endif
