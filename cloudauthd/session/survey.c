/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/survey.h"

#include "base/fatal.h"

#include <stdlib.h>

bool survey_owns(uint32_t audit, uint32_t uid, const struct process_ids *ids)
{
    return audit != PROCESS_NO_AUDIT && audit == ids->audit &&
           (process_has_uid(ids, uid) || ids->uid[0] != 0);
}

/* A process counts even if it has ended meanwhile, because a child may go on in its place. */
static void meet(void *arg, const struct process_met *met)
{
    struct survey *survey = arg;
    struct process_info info;

    for (size_t i = 0; i < survey->n; i++) {
        struct survey_item *item = &survey->item[i];
        if (!item->lives && survey_owns(item->audit, item->uid, &met->ids))
            item->lives = !(process_look(met->pid, &info) && info.zombie);
    }
}

static bool all_live(const struct survey *survey)
{
    size_t i = 0;

    while (i < survey->n && survey->item[i].lives)
        i++;
    return i == survey->n;
}

/* Runs in the worker. If a process may have been missed, all sessions count as alive. */
static void run(struct work *work)
{
    struct survey *survey = (struct survey *)work;
    bool failed = !process_visit(meet, survey);

    if (!failed && !all_live(survey))
        failed = !process_visit(meet, survey);
    for (size_t i = 0; failed && i < survey->n; i++)
        survey->item[i].lives = true;
}

static void finish(struct work *work)
{
    struct survey *survey = (struct survey *)work;

    survey->done(survey->arg, survey);
    free(survey);
}

struct survey *survey_new(size_t n)
{
    struct survey *survey = xcalloc(1, sizeof *survey + n * sizeof survey->item[0]);

    survey->n = n;
    return survey;
}

void survey_begin(struct survey *survey, struct worker *worker)
{
    survey->work = (struct work){.run = run, .finish = finish};
    worker_add(worker, &survey->work);
}
