/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_HEALTH_H
#define CLOUD_CTL_HEALTH_H

#include "ctl/ask.h"
#include "ctl/remedy.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the rows of STATUS (cloudauthd/control/control.h) mean: findings, each with its remedy, for
 * the commands status and doctor.
 */

#define HEALTH_FINDINGS 16

/* The worst is last. */
enum health_level {
    HEALTH_GOOD,
    HEALTH_DEGRADED, /* who should enter does, but something needs attention */
    HEALTH_CRITICAL, /* someone who should enter cannot, or soon will not */
};

/* "good", "degraded", "critical". */
const char *health_word(enum health_level level);

struct health_finding {
    enum health_level level;
    const char *check; /* the word that doctor has for it */
    char text[700], remedy[REMEDY_SIZE];
};

struct health {
    struct ask_rows rows;    /* of STATUS */
    enum health_level level; /* of the worst finding */
    size_t findings;
    struct health_finding finding[HEALTH_FINDINGS];
};

/* The value of the row with that name, or "" if there is none; and the same as a number. */
const char *health_value(const struct health *health, const char *name);
int64_t health_number(const struct health *health, const char *name);

/* Whether there is a finding of that check. */
bool health_has(const struct health *health, const char *check);

/* Fills in the findings. conf has the host's settings, or the defaults where those
 * cannot be read. now is in seconds since 1970. */
void health_judge(struct health *health, const struct cloud_conf *conf, int64_t now);

#endif
