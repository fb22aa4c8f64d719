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
 * with `close`; and one that begins with `omit` for refused offers without a line of their own.
 *
 * age is in seconds. Values are quoted and escaped as by cloud_text_add_value. A key that was only
 * offered, not proved, has proof=none: anyone can offer anyone's public key.
 */

#define AUDIT_LINE_MAX 14592 /* bytes: every value at its longest (CLOUD_TEXT_VALUE_MAX) */
#define AUDIT_NO_AGE   UINT32_MAX

/* What the audit line says. A string that is not known is NULL, and its value in the line empty. */
struct audit {
    bool granted;
    const char *event; /* the first word, instead of grant or refuse; or NULL */
    const char *account, *kind, *project, *environment, *app, *worker;
    const char *user, *role;
    const struct offered_key *offered; /* the key or certificate, or NULL */
    const char *from, *service, *reason, *source;
    uint32_t age;
    pid_t pid; /* of the process of sshd or another service; 0: not known */
    bool unproved;
    const char *grant;   /* the document's reason for the person's right, or NULL */
    const char *detail;  /* a sentence for the reader of the line, or NULL */
    const char *session; /* the session's id, or NULL */
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
 * Counts a refused offer of a key for an account. Returns whether the offer gets an audit line of
 * its own: it does not if the same offer got one within the last minute, or if AUDIT_OFFERS others
 * for this account did. So made-up keys neither flood the log nor hide offers for other accounts.
 * now is cloud_clock_ms().
 */
#define AUDIT_OFFERS   64
#define AUDIT_ACCOUNTS 128 /* accounts kept; a new one replaces that with the oldest offer */
bool audit_take_offer(const char *account, const unsigned char *fingerprint, int64_t now);

/* Writes an `omit` line for each account whose first omitted offer is a minute old; the line has
 * the number of omitted offers. now is cloud_clock_ms(), or INT64_MAX at exit, which writes a line
 * for every account. To be called every second. */
void audit_tell_omitted(int64_t now);

/* Where a decision is made. An offered key that the helper answers with an authorized_keys line is
 * not a decision: PAM decides later. */
enum audit_stage {
    AUDIT_OFFER,   /* the helper: a key that gets no authorized_keys line */
    AUDIT_LOGIN,   /* PAM account of an SSH login */
    AUDIT_SERVICE, /* PAM account of su, sudo, cron and others */
    AUDIT_SESSION, /* PAM session of an SSH login */
    AUDIT_STAGES
};

/* The number of decisions since the start, by stage, kind of account (1: sFTP) and reason. */
struct audit_view {
    uint64_t decisions[AUDIT_STAGES][2][POLICY_REASONS];
};

/* Counts a decision, whether or not it gets an audit line (audit_take_offer). A stage or reason out
 * of range is not counted. */
void audit_count(enum audit_stage stage, enum cloud_kind kind, enum policy_reason reason);

/* Returns the counters of decisions, which are static, for the metrics. */
const struct audit_view *audit_look(void);

#endif
