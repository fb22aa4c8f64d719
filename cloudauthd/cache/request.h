/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_REQUEST_H
#define CLOUDAUTHD_CACHE_REQUEST_H

#include "cloudauthd/cache/answers.h"
#include "cloudauthd/cache/entries.h"
#include "cloudauthd/cache/freshness.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One request of an entry to the API, from when it is sent until its waiters are answered: the
 * answer is taken (take.h), then written to the store, and only then given to the waiters, so that
 * no crash brings back a person who was removed.
 */

/* Sends a request for an entry that is IDLE. It counts for the budget until its answer is there. */
void request_start(struct cache_entry *entry, enum entry_budget budget);

/* The budget of a request that the waiter needs. */
enum entry_budget request_budget(const struct cache_entry *entry,
                                 const struct cache_waiter *waiter);

/* The limits of a budget for unknown environments, or NULL, and what the entry's project has of
 * them. */
struct askers *request_askers(struct cache *cache, enum entry_budget budget);
struct share *request_share(struct askers *askers, const struct cache_entry *entry);

/* Milliseconds for which an answer is fresh enough for a need. */
int64_t request_fresh_ms(const struct cache *cache, enum cache_need need);

/* The answer that the entry gives without a new request. */
struct cache_answer request_known(const struct cache_entry *entry, enum cache_need need,
                                  struct freshness_now now);

/* Answers a waiter that is on no list. */
void request_answer(struct cache *cache, struct cache_waiter *waiter,
                    const struct cache_answer *answer);

#endif
