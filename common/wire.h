/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_WIRE_H
#define CLOUD_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The protocol between the daemon and its clients: one question and one answer over a
 * SOCK_SEQPACKET socket at /run/cloudauth/socket. A client connects, sends one packet, receives one
 * packet and closes. It keeps no connection open, because the process that it runs in could share
 * the descriptor through fork(2) or close it by mistake.
 *
 * A packet:
 *
 *   offset  size
 *   0       4     magic "CLDA"
 *   4       1     version, CLOUD_WIRE_VERSION
 *   5       1     opcode
 *   6       1     0 in a question; the status in an answer (enum cloud_status)
 *   7       1     0
 *   8       ...   the fields of the opcode (and, in an answer, of the status), in the order below
 *
 * A number is 4 bytes, little-endian. A string is its length in 4 bytes (without the NUL, at most
 * CLOUD_WIRE_STRING_MAX), its bytes, and one NUL; it contains no other NUL. No field is optional
 * and no byte may follow the last one. The fields:
 *
 *   opcode           question                             answer, CLOUD_OK
 *   PASSWD_BY_NAME   account                              account id gid gecos home shell
 *   PASSWD_BY_ID     id                                   the same
 *   GROUP_BY_NAME    account                              account gid
 *   GROUP_BY_ID      id                                   account gid
 *   KEYS             kind account key_type key id         line
 *   PAM_ACCOUNT      service account from is_ssh          reason message home id gid mounts
 *   PAM_SESSION      service account from auth_info       project environment app user
 *   PAM_SESSION_END  account                              (none)
 *   SESSIONS         session                              session text
 *   SESSION_END      session                              (none)
 *   STATUS           page                                 page text
 *   DOCUMENTS        page                                 page text
 *   EXPLAIN          account key_type key from            text
 *   PEOPLE           account page                         page text
 *   REFRESH          account                              text
 *   DENY, UNDENY     text                                 text
 *   DENIALS          page                                 page text
 *   REBIND           account page                         text
 *   NAMED            text page                            page text
 *   METRICS          (none)                               text
 *   CONFIRM          account                              text
 *
 * KEYS: id is the uid that sshd has looked up for the account, or 0 if sshd does not pass it to the
 * helper (%U). `line` has one authorized_keys line or several, separated by newlines; sshd uses the
 * first that admits the client.
 *
 * PAM_ACCOUNT: `home`, `id` and `gid` are the account's. `mounts` lists the directories below that
 * home that an sFTP account may see, one per line: "rw pub/media\n" or "ro var/log\n", in all at
 * most CLOUD_WIRE_MOUNTS_SIZE bytes with the NUL. For a shell account it is "". For an SSH login to
 * an sFTP account `message` has the pairs from project= to key= of the audit line, which PAM writes
 * if it refuses the login itself when the session opens.
 *
 * SESSIONS lists the sessions after the one whose id is in the question ("": from the first). The
 * answer's `session` is the id to put into the next question, "" at the end.
 *
 * `text` consists of lines of fields separated by tabs (cloudauthd/control/control.h); that of
 * METRICS has the text exposition format of Prometheus. Pages are counted from 0; an answer's
 * `page` is the next one to ask for, 0 at the end. In REBIND `page` is an enum cloud_rebind. Some
 * opcodes are unused.
 *
 * The fields of an answer depend on its status, too: CLOUD_REFUSED has `reason message` (a token
 * for logs, a sentence for the client), CLOUD_ABSENT and CLOUD_UNAVAILABLE have `reason`.
 */

/* The reason of CLOUD_REFUSED if the disk does not take a change. */
#define CLOUD_REASON_NOT_KEPT "not-kept"

#define CLOUD_WIRE_VERSION      1
#define CLOUD_WIRE_QUESTION_MAX 40960u  /* bytes of a question: holds a key of 16 KiB in base64 */
#define CLOUD_WIRE_ANSWER_MAX   131072u /* bytes of an answer: holds the longest key line */
#define CLOUD_WIRE_ACCOUNT_MAX  4096u   /* bytes of an answer to the NSS module */
#define CLOUD_WIRE_STRING_MAX   131000u
#define CLOUD_WIRE_MOUNTS_MAX   64  /* lines of `mounts` */
#define CLOUD_WIRE_PATH_MAX     255 /* bytes of a path in `mounts` */
#define CLOUD_WIRE_MOUNTS_SIZE  (CLOUD_WIRE_MOUNTS_MAX * (CLOUD_WIRE_PATH_MAX + 4) + 1)

#ifndef CLOUD_SOCKET_PATH
#define CLOUD_SOCKET_PATH "/run/cloudauth/socket"
#endif

enum cloud_op {
    CLOUD_OP_PASSWD_BY_NAME = 1,
    CLOUD_OP_PASSWD_BY_ID = 2,
    CLOUD_OP_GROUP_BY_NAME = 3,
    CLOUD_OP_GROUP_BY_ID = 4,
    CLOUD_OP_KEYS = 5,
    CLOUD_OP_PAM_ACCOUNT = 6,
    CLOUD_OP_PAM_SESSION = 7,
    CLOUD_OP_PAM_SESSION_END = 8,
    CLOUD_OP_SESSIONS = 9,
    CLOUD_OP_SESSION_END = 10,
    CLOUD_OP_STATUS = 32, /* from here on, questions that only cloudauthctl(1) asks */
    CLOUD_OP_DOCUMENTS = 33,
    CLOUD_OP_EXPLAIN = 34,
    CLOUD_OP_PEOPLE = 35,
    CLOUD_OP_REFRESH = 36,
    CLOUD_OP_DENY = 37,
    CLOUD_OP_UNDENY = 38,
    CLOUD_OP_DENIALS = 39,
    CLOUD_OP_REBIND = 43,
    CLOUD_OP_NAMED = 44,
    CLOUD_OP_METRICS = 45,
    CLOUD_OP_CONFIRM = 46,
    CLOUD_OP_END /* the highest opcode plus 1 */
};

/* The four possible answers to a question about an account, on the wire and in every program. They
 * are never confused: an outage is never answered as CLOUD_ABSENT. Each client has one function
 * that maps them to NSS, PAM or an exit status; its default refuses the login. */
enum cloud_status {
    CLOUD_UNAVAILABLE = 0, /* not known now: an outage, timeout or protocol error; the default */
    CLOUD_OK = 1,          /* the packet has the fields of the answer */
    CLOUD_ABSENT = 2,      /* there is no such account on this host */
    CLOUD_REFUSED = 3,     /* the policy refuses; the packet has a reason and a message */
};

/* What the `page` of a CLOUD_OP_REBIND question asks for: LOOK to show the binding, DO to release
 * it unless the environment has sessions, FORCE to release it in any case. */
enum cloud_rebind {
    CLOUD_REBIND_LOOK = 0,
    CLOUD_REBIND_DO = 1,
    CLOUD_REBIND_FORCE = 2,
};

/* The strings are borrowed; in a decoded packet they point into the packet. Members that the opcode
 * does not use are NULL or 0. */
struct cloud_question {
    enum cloud_op op;
    const char *account;
    uint32_t id;
    uint32_t kind; /* enum cloud_kind */
    const char *key_type, *key;
    const char *service, *from;
    const char *auth_info; /* the last line of SSH_AUTH_INFO_0 */
    uint32_t is_ssh;       /* 1 if the service authenticates with SSH keys, otherwise 0 */
    const char *session;   /* a session's id, or "" */
    const char *text;      /* a denial as a line (denials_parse), or "all" */
    uint32_t page;
};

struct cloud_answer {
    enum cloud_op op;
    enum cloud_status status;
    const char *account;
    uint32_t id, gid;
    const char *gecos, *home, *shell;
    const char *line;
    const char *reason, *message;
    const char *project, *environment, *app, *user;
    const char *session;
    const char *mounts;
    const char *text;
    uint32_t page;
};

/* Whether the opcode exists. */
bool cloud_wire_op_known(unsigned op);

/* Encode the packet into buffer, of size bytes. Return the bytes used, or 0 if the packet does not
 * fit, if a string that it needs is NULL, or if the opcode is unknown. */
size_t cloud_wire_put_question(const struct cloud_question *question, void *buffer, size_t size);
size_t cloud_wire_put_answer(const struct cloud_answer *answer, void *buffer, size_t size);

/* Decode a packet of n bytes, which must outlive *out. False, with *out untouched, if it is not
 * exactly one well-formed packet of this version. */
bool cloud_wire_get_question(const void *packet, size_t n, struct cloud_question *out);
bool cloud_wire_get_answer(const void *packet, size_t n, struct cloud_answer *out);

/* Returns the version in the header of a packet, or 0 if it is not a packet of this protocol. */
unsigned cloud_wire_version(const void *packet, size_t n);

#endif
