/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_AUDIT_AUDIT_H
#define CLOUDAUTHD_AUDIT_AUDIT_H

#include "access/policy.h"
#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The audit line: one per decision, to the host's log (base/log.h), facility authpriv.
 *
 *   grant|refuse account= kind= project= environment= app= user= role= key=SHA256:... from=
 *   service= reason= source=api|cache|none age= [proof=none] [detail=] [session=]
 *
 * and one for each session that has ended: `end` where cloudauth ended it, `close` where it ended
 * by itself.
 *
 * age is in seconds. Values are written as cloud_text_add_value does it. A key that was only
 * offered, not proved, has proof=none: anyone can offer anyone's public key.
 */

/* Room for every value at its longest (CLOUD_TEXT_VALUE_MAX). */
#define AUDIT_LINE_MAX 14592
#define AUDIT_NO_AGE   UINT32_MAX

/* Strings may be NULL: nothing is known of them. */
struct audit {
    bool granted;
    const char *event; /* what stands in the place of grant or refuse, or NULL */
    const char *account, *kind, *project, *environment, *app, *worker;
    const char *user, *role;
    const unsigned char *key; /* a fingerprint (keys.h), or NULL */
    const char *from, *service, *reason, *source;
    uint32_t age;
    bool unproved;
    const char *detail;  /* a sentence for who reads the line, or NULL */
    const char *session; /* its id, or NULL */
};

/* Formats the line into out, NUL-terminated, without a newline; in less than AUDIT_LINE_MAX what
 * does not fit is left out value by value. Returns its length. */
size_t audit_format(const struct audit *audit, char *out, size_t size);

/* Formats the line and hands it to the log. */
void audit_write(const struct audit *audit);

/*
 * Whether a refused offer of that key for that account should be written: not if one was noted
 * within the last minute, nor if AUDIT_OFFERS others were, so that a flood of distinct offers
 * writes no more lines a minute. now is cloud_clock_ms().
 */
#define AUDIT_OFFERS 512
bool audit_offer_is_new(const char *account, const unsigned char *fingerprint, int64_t now);

/* Notes an offer that audit_offer_is_new says is new. */
void audit_note_offer(const char *account, const unsigned char *fingerprint, int64_t now);

/* Where a decision is made. A key that gets a line is decided on at PAM, not at its offer. */
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

/* Counts a decision, also one that has no line of its own; a reason other than POLICY_GRANTED is a
 * refusal. A stage or reason out of range is not counted. */
void audit_count(enum audit_stage stage, enum cloud_kind kind, enum policy_reason reason);

/* The counters, for metrics; borrowed, and valid for good. */
const struct audit_view *audit_look(void);

#endif
