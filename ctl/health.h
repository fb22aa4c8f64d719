/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_HEALTH_H
#define CLOUD_CTL_HEALTH_H

#include "ctl/ask.h"
#include "ctl/remedy.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Judges the rows of the answer to STATUS (cloudauthd/control/control.h), and makes findings, each
 * with its remedy, for the commands `status` and `doctor`. */

#define HEALTH_FINDINGS 16

/* From best to worst. */
enum health_level {
    HEALTH_GOOD,
    HEALTH_DEGRADED, /* all who should enter can, but something needs attention */
    HEALTH_CRITICAL, /* someone who should enter cannot, or soon will not */
};

/* Returns "good", "degraded" or "critical". */
const char *health_word(enum health_level level);

struct health_finding {
    enum health_level level;
    const char *check; /* the name of the check, as `doctor` prints it */
    char text[700], remedy[REMEDY_SIZE];
};

struct health {
    struct ask_rows rows;    /* of the answer to STATUS */
    enum health_level level; /* that of the worst finding */
    size_t findings;
    struct health_finding finding[HEALTH_FINDINGS];
};

/* health_value returns the value of the row with that name; "" if there is none. health_number
 * returns it as a number; 0 if there is none, and at most a fourth of what an int64_t holds. */
const char *health_value(const struct health *health, const char *name);
int64_t health_number(const struct health *health, const char *name);

/* Whether the check with that name has a finding. */
bool health_has(const struct health *health, const char *check);

/* Makes the findings about health->rows. `conf` has the host's settings, or the defaults if the
 * settings cannot be read. `now` is in seconds since 1970. */
void health_judge(struct health *health, const struct cloud_conf *conf, int64_t now);

/* Adds the finding that the settings at `path` cannot be read. Only for `status`, because `doctor`
 * has its own check of the settings. */
void health_settings(struct health *health, const char *path, const struct cloud_conf_error *error);

#endif
