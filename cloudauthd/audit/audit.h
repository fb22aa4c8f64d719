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
 * Each session that is over has a line, too, which begins with `end` if cloudauthd ended it, and
 * with `close` otherwise. Refused offers beyond AUDIT_OFFERS are only counted, in lines that begin
 * with `omit`.
 *
 * age is the age of the document in seconds. Values are quoted and escaped as by
 * cloud_text_add_value. A key that was only offered, without proof of its possession, has
 * proof=none: anyone can offer anyone's public key.
 */

#define AUDIT_LINE_MAX 14592      /* bytes: every value at its longest (CLOUD_TEXT_VALUE_MAX) */
#define AUDIT_NO_AGE   UINT32_MAX /* there is no document: the value of age= is empty */

/* What the audit line says. A string that is not known is NULL, and its value in the line is
 * empty. */
struct audit {
    bool granted;
    const char *event; /* the first word, in place of grant or refuse; NULL: one of these */
    const char *account, *kind, *project, *environment, *app, *worker;
    const char *user, *role;
    const struct offered_key *offered; /* the key or certificate, or NULL */
    const char *from, *service, *reason, *source;
    uint32_t age;
    pid_t pid;           /* process id of sshd or of another service; 0: not known */
    bool unproved;       /* the key was only offered: proof=none */
    const char *grant;   /* the reason that the document gives for the person's right, or NULL */
    const char *detail;  /* a sentence for the reader of the line, or NULL */
    const char *session; /* the session's id, or NULL */
};

/* Formats the line into out, with a NUL and no newline. If size is less than AUDIT_LINE_MAX, values
 * that do not fit are left out. Returns the length of the line. */
size_t audit_format(const struct audit *audit, char *out, size_t size);

/* Formats " project= environment= app= user= role= key= [cert= ca=]" into out, of AUDIT_SUBJECT_MAX
 * bytes. pam_cloud.so puts it into its own audit line if it refuses an sFTP login that the daemon
 * has granted. */
#define AUDIT_SUBJECT_MAX 2048
void audit_format_subject(const struct audit *audit, char *out);

/* Formats the line and logs it. */
void audit_write(const struct audit *audit);

/*
 * Records that the offer of a key was refused. Returns whether the offer gets an audit line of its
 * own, which is that of `audit`; its account, project and environment must not be NULL. It gets
 * none if the same key got one for this account within the last minute, or if AUDIT_OFFERS other
 * offers for accounts of this environment and kind did; in the latter case it counts as omitted
 * (audit_tell_omitted). So neither made-up keys nor names of made-up applications flood the log or
 * hide offers for other environments. now is cloud_clock_ms().
 */
#define AUDIT_OFFERS       64
#define AUDIT_ENVIRONMENTS 128 /* records of both kinds; a new one replaces the least recent */
bool audit_take_offer(const struct audit *audit, const unsigned char *fingerprint, int64_t now);

/* Writes an `omit` line, with the number of omitted offers, for each environment whose first
 * omitted offer is at least a minute old. now is cloud_clock_ms() or, at exit, INT64_MAX: then each
 * environment with omitted offers gets its line. Must be called every second. */
void audit_tell_omitted(int64_t now);

/* Where a decision is made. If the helper answers an offered key with an authorized_keys line, that
 * is not a decision: PAM decides later. */
enum audit_stage {
    AUDIT_OFFER,   /* the helper: a key that gets no authorized_keys line */
    AUDIT_LOGIN,   /* PAM account of an SSH login */
    AUDIT_SERVICE, /* PAM account of su, sudo, cron and others */
    AUDIT_SESSION, /* PAM session of an SSH login */
    AUDIT_STAGES
};

/* The number of decisions since the start, by stage, kind of account (0: shell, 1: sFTP) and
 * reason. */
struct audit_view {
    uint64_t decisions[AUDIT_STAGES][2][POLICY_REASONS];
};

/* Counts a decision, with or without an audit line (audit_take_offer). Does not count one whose
 * stage or reason is out of range. */
void audit_count(enum audit_stage stage, enum cloud_kind kind, enum policy_reason reason);

/* Returns the counters of decisions, which are static, for the metrics. */
const struct audit_view *audit_look(void);

#endif
