/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_COUNTERS_H
#define CLOUDAUTHD_METRICS_COUNTERS_H

#include "access/policy.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What has happened since the start, for the metrics (figures.h). The rooms of the daemon count
 * what they do, in the loop's thread alone. Nothing is decided by any of it. All dimensions are
 * closed sets: no foreign text, and nobody's name, ever becomes one.
 */

/* Where a decision was made. A key that gets a line is decided on at PAM, not at its offer. */
enum count_stage {
    COUNT_OFFER,   /* the helper: a key that opens nothing */
    COUNT_LOGIN,   /* PAM account of an SSH login */
    COUNT_SERVICE, /* PAM account of su, sudo, cron ... */
    COUNT_SESSION, /* PAM session of an SSH login */
    COUNT_STAGES
};

/* How a request to the project API over HTTP ended. */
enum count_outcome {
    COUNT_OTHER = 0,  /* none of the others: memory, settings that changed under it */
    COUNT_DOCUMENT,   /* 200 */
    COUNT_UNCHANGED,  /* 304 */
    COUNT_ABSENT,     /* 404, 410 */
    COUNT_REFUSED,    /* 401, 403: this host's credential */
    COUNT_THROTTLED,  /* 429 */
    COUNT_STATUS,     /* any other status */
    COUNT_TIMEOUT,    /* no answer in time */
    COUNT_TLS,        /* the server could not be believed, or did not believe us */
    COUNT_CONNECTION, /* no name, no connection, or one that broke */
    COUNT_CREDENTIAL, /* a file or token of ours cannot be used: nothing was sent */
    COUNT_OUTCOMES
};

/* How a session ended. */
enum count_end {
    COUNT_CLOSED, /* sshd said so */
    COUNT_GONE,   /* its sshd had gone */
    COUNT_ENDED,  /* by us: revoked, expired, by an operator */
    COUNT_ENDS
};

/* Upper bounds of the buckets, in milliseconds; the last bucket has none. */
#define COUNT_BUCKETS 12
extern const uint32_t count_bounds[COUNT_BUCKETS - 1];

struct count_times {
    uint64_t bucket[COUNT_BUCKETS]; /* not cumulated */
    uint64_t milliseconds;          /* in all */
};

struct counters {
    uint64_t decisions[COUNT_STAGES][2][POLICY_REASONS]; /* by enum cloud_kind, too */
    uint64_t requests[COUNT_OUTCOMES];
    struct count_times request_times;     /* of those that were sent */
    uint64_t exchanges, exchanges_failed; /* of tokens */
    uint64_t hits, misses, limited;       /* questions to the cache; limited: nobody was asked */
    uint64_t stale, unavailable;          /* its answers: by the last good document, and none */
    uint64_t sessions_opened, sessions_ended[COUNT_ENDS];
    uint64_t builds, builds_failed, build_milliseconds, last_build_milliseconds;
    uint64_t store_writes, store_errors;
    uint64_t questions, questions_refused; /* of the socket */
    uint64_t scrapes;
};

extern struct counters counters;

/* A decision; a reason other than POLICY_GRANTED is a refusal. */
void count_decision(enum count_stage stage, enum cloud_kind kind, enum policy_reason reason);

/* A request that ended; sent: it reached libcurl, and took so many milliseconds. */
void count_request(enum count_outcome outcome, bool sent, int64_t milliseconds);

#endif
