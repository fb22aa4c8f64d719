/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_AUDIT_RING_H
#define CLOUDAUTHD_AUDIT_RING_H

#include "common/text.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The last audit lines, in memory, for an operator who follows them: at most RECENT_LINES_MAX, of
 * RECENT_BYTES_MAX together; the oldest make room. It has no readers, only places that readers come
 * back with, so that none of them can be slow: who comes too late is told how many he has missed.
 * For the loop's thread alone. The host's log has them all (audit.h); these end with the process.
 */

#define RECENT_LINES_MAX  4096
#define RECENT_BYTES_MAX  (1u << 20)
#define RECENT_PLACE_SIZE 48 /* of a place, with the NUL */

/* Keeps a line, without its newline; time in seconds since 1970. Where memory is out it counts as
 * missed. */
void recent_add(int64_t time, const char *line);

/*
 * Writes the lines behind place, oldest first, each as time, a tab, the line and a newline, as many
 * as fit whole. place is "" for the oldest that is kept, or what an earlier call gave; one that
 * this process did not give is taken for "". next is the place to go on from. Returns how many
 * lines behind place are not kept any more.
 */
uint32_t recent_list(const char *place, struct cloud_text *out, char next[RECENT_PLACE_SIZE]);

/* Forgets all. */
void recent_clear(void);

#endif
