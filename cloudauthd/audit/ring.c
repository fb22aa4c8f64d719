/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/audit/ring.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct map {
    int64_t time;
    char *line;
    size_t size;
};

/* Line n, counted from 0 as they come, stands at n % RECENT_LINES_MAX; those from first to next - 1
 * are kept. */
static struct map kept[RECENT_LINES_MAX];
static uint64_t first, next_line, process; /* process: a number of this one's own */
static size_t bytes;

static void drop_oldest(void)
{
    struct map *oldest = &kept[first++ % RECENT_LINES_MAX];

    bytes -= oldest->size;
    free(oldest->line);
    oldest->line = NULL;
}

void recent_clear(void)
{
    while (first < next_line)
        drop_oldest();
}

void recent_add(int64_t time, const char *line)
{
    struct map new = {time, strdup(line), strlen(line) + 1};

    if (new.line == NULL || new.size > RECENT_BYTES_MAX) {
        free(new.line);
        recent_clear();
        first = ++next_line;
        return;
    }
    while (first < next_line &&
           (next_line - first >= RECENT_LINES_MAX || bytes + new.size > RECENT_BYTES_MAX))
        drop_oldest();
    kept[next_line++ % RECENT_LINES_MAX] = new;
    bytes += new.size;
}

/* The number of the first line that is wanted. */
static uint64_t read_place(const char *place)
{
    unsigned long long of, at;
    char again[RECENT_PLACE_SIZE];

    if (process == 0)
        arc4random_buf(&process, sizeof process);
    /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit does not come back the same */
    if (sscanf(place, "%16llx.%20llu", &of, &at) != 2 || of != process || at > next_line)
        return first;
    snprintf(again, sizeof again, "%016llx.%llu", of, at);
    return strcmp(again, place) == 0 ? at : first;
}

uint32_t recent_list(const char *place, struct cloud_text *out, char next[RECENT_PLACE_SIZE])
{
    uint64_t at = read_place(place), missed = at < first ? first - at : 0;

    for (at += missed; at < next_line; at++) {
        const struct map *line = &kept[at % RECENT_LINES_MAX];
        struct cloud_text before = *out;
        cloud_text_add_number(out, line->time > 0 ? (uint64_t)line->time : 0);
        cloud_text_add_char(out, '\t');
        cloud_text_add_bytes(out, line->line, line->size - 1);
        cloud_text_add_char(out, '\n');
        if (!out->cut)
            continue;
        *out = before;
        out->at[out->used] = '\0';
        break;
    }
    snprintf(next, RECENT_PLACE_SIZE, "%016llx.%llu", (unsigned long long)process,
             (unsigned long long)at);
    return missed > UINT32_MAX ? UINT32_MAX : (uint32_t)missed;
}
