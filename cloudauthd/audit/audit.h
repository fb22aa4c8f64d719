/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_AUDIT_AUDIT_H
#define CLOUDAUTHD_AUDIT_AUDIT_H

#include "access/certificate.h"
#include "access/policy.h"
#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The audit line: one line for each decision, in the host's log (base/log.h) with facility
 * authpriv.
 *
 *   grant|refuse account= kind= project= environment= app= user= role= key=SHA256:...
 *   [cert=SERIAL ca=SHA256:...] from= service= reason= source=api|cache|none age= [pid=]
 *   [proof=none] [grant-reason=] [detail=] [session=]
 *
 * and one line for each session that is over, which begins with `end` if cloudauthd ended it, else
 * with `close`; and one that begins with `omit` for refused offers that have none.
 *
 * age is in seconds. Values are quoted and escaped as by cloud_text_add_value. A key that was only
 * offered, not proved, has proof=none: anyone can offer anyone's public key.
 */

#define AUDIT_LINE_MAX 14592 /* bytes: every value at its longest (CLOUD_TEXT_VALUE_MAX) */
#define AUDIT_NO_AGE   UINT32_MAX

/* A string may be NULL: it is not known, and its value is empty. */
struct audit {
    bool granted;
    const char *event; /* the first word, instead of grant or refuse; or NULL */
    const char *account, *kind, *project, *environment, *app, *worker;
    const char *user, *role;
    const struct offered_key *offered; /* the key or certificate, or NULL */
    const char *from, *service, *reason, *source;
    uint32_t age;
    pid_t pid; /* of sshd's or another service's process; 0: not known */
    bool unproved;
    const char *grant;   /* the document's reason for the person's right, or NULL */
    const char *detail;  /* a sentence for the reader of the line, or NULL */
    const char *session; /* its id, or NULL */
};

/* Formats the line into out, with a NUL and no newline. With less space than AUDIT_LINE_MAX, values
 * that do not fit are left out. Returns the line's length. */
size_t audit_format(const struct audit *audit, char *out, size_t size);

/* Formats " project= environment= app= user= role= key= [cert= ca=]" into out, of AUDIT_SUBJECT_MAX
 * bytes, for a line that pam_cloud.so may have to write. */
#define AUDIT_SUBJECT_MAX 2048
void audit_format_subject(const struct audit *audit, char *out);

/* Formats the line and logs it. */
void audit_write(const struct audit *audit);

/*
 * Counts a refused offer of a key for an account. Returns whether the offer gets a line of its own.
 * It does not if the same offer got one within the last minute, or if AUDIT_OFFERS others for this
 * account did: so made-up keys neither flood the log nor hide offers for other accounts. now is
 * cloud_clock_ms().
 */
#define AUDIT_OFFERS 64
#define AUDIT_ACCOUNTS                                                                             \
    128 /* that are distinguished; then the least recently offered is forgotten */
bool audit_take_offer(const char *account, const unsigned char *fingerprint, int64_t now);

/* Writes a line that begins with `omit`, with a number, for each account that has had offers
 * without a line for a minute. To be called every second, and with INT64_MAX at the end. */
void audit_tell_omitted(int64_t now);

/* Where a decision is made. An offered key that gets a line is not decided yet: PAM decides
 * later. */
enum audit_stage {
    AUDIT_OFFER,   /* the helper: a key that opens nothing */
    AUDIT_LOGIN,   /* PAM account of an SSH login */
    AUDIT_SERVICE, /* PAM account of su, sudo, cron and others */
    AUDIT_SESSION, /* PAM session of an SSH login */
    AUDIT_STAGES
};

/* Decisions since the start, by stage, enum cloud_kind and reason. */
struct audit_view {
    uint64_t decisions[AUDIT_STAGES][2][POLICY_REASONS];
};

/* Counts a decision, whether or not it gets an audit line (audit_take_offer). A stage or reason out
 * of range is not counted. */
void audit_count(enum audit_stage stage, enum cloud_kind kind, enum policy_reason reason);

/* The counters, for metrics; they are never freed. */
const struct audit_view *audit_look(void);

#endif
