/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/marks.h"

#include "base/table.h"

#include <sys/random.h>

bool marks_start(struct marks *marks)
{
    marks->all = INT64_MIN;
    return getrandom(&marks->seed, sizeof marks->seed, 0) == (ssize_t)sizeof marks->seed;
}

/* "" stands for the whole project, because no environment has that name. */
static uint64_t place(const struct marks *marks, const char *project, const char *environment)
{
    const struct table table = {.seed = marks->seed};

    return table_hash_pair(&table, project, environment) % MARKS;
}

void marks_name(struct marks *marks, const char *project, const char *environment, int64_t now)
{
    marks->mark[place(marks, project, environment == NULL ? "" : environment)] = now;
}

int64_t marks_named(const struct marks *marks, const char *project, const char *environment)
{
    int64_t own = marks->mark[place(marks, project, environment)],
            all = marks->mark[place(marks, project, "")];

    return own > all ? own : all;
}

int64_t marks_last(const struct marks *marks, const char *project, const char *environment)
{
    int64_t named = marks_named(marks, project, environment);

    return named > 0 && named > marks->all ? named : marks->all;
}
