/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ANSWERS_H
#define CLOUDAUTHD_CACHE_ANSWERS_H

#include "access/document.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* What the cache is asked, what it answers, and what it reports. */

/* An answer that was asked for within this time, in milliseconds, after the feed has named the
 * environment may not show the change yet, as where a replica answers. */
#define CACHE_SETTLE_MS 10000

enum cache_need {
    CACHE_ACCOUNT, /* the passwd entry: fresh for account_fresh; in an outage the last good document
                      has it without a bound, because what runs as the account needs its name */
    CACHE_KEYS,    /* who may enter: fresh for keys_fresh */
    CACHE_NOW,     /* for an operator: the API is always asked, also within a back-off */
};

enum cache_result {
    CACHE_UNAVAILABLE = 0, /* an outage, and no document that may be used */
    CACHE_DOCUMENT,
    CACHE_ABSENT, /* the API has answered that there is no such environment */
};

struct cache_answer {
    enum cache_result result;
    const struct document *document; /* CACHE_DOCUMENT: borrowed for the call */
    bool stale;    /* this is the last good document: the last request failed, or is not answered */
    uint32_t age;  /* seconds since the answer was certainly true */
    bool current;  /* the change feed is live and has named nothing that it may not show */
    bool at_once;  /* it is given before cache_ask returns */
    int64_t asked; /* cloud_clock_ms() when the last good answer was asked for; 0: never */
    const char *detail; /* stale or CACHE_UNAVAILABLE: why, for logs */
};

/* One question. The caller owns it and keeps it until it is answered or cache_forget. */
struct cache_waiter {
    /* Must not call cache_ask; may call cache_forget, for any waiter. */
    void (*answered)(void *arg, const struct cache_answer *answer);
    void *arg;
    bool trusted; /* root or cloudauth-keys asks: it has limits of its own */
    bool hurried; /* it takes the last good document, within its bound, from an API that has not
                     answered within connect_timeout */
    /* NULL, or a function that says whether the question may be trusted. It is called with arg if a
     * limit depends on it: a set-user-ID program (su) asks as root for the user that runs it. */
    bool (*may_trust)(void *arg);
    /* NULL, or whether the last good document settles the question, which is asked once more before
     * it counts: then it is answered at once, and the API is asked meanwhile. */
    bool (*suits)(void *arg, const struct document *document);
    /* Set by the cache: */
    LIST_ENTRY(cache_waiter) link;
    struct cache_entry *entry;
    enum cache_need need;
    int64_t since; /* cloud_clock_ms() of the question */
};

/* What a cache is built on. All of it is borrowed, and outlives the cache but for the store and the
 * worker. */
struct cache_setup {
    const struct cloud_conf *conf; /* its signing_key is one that envelope_parse_signers takes */
    struct api *api;
    const struct admission *admission; /* of every new document */
    struct store *store;               /* NULL: documents are not kept */
    struct worker *loader;             /* reads them from the store */
    struct worker *worker;             /* reads large documents (limits.h); or NULL */
    /* Reads the documents of environments that are not bound (admission_is_bound), and asks the
     * other name services for their uids and gids (base/foreign.h): a document is invalid if a
     * service has one of them. A service that hangs delays new environments and nothing else.
     * NULL: no service is asked. */
    struct worker *asker;
    const struct denials *denials; /* every document refers to them */
    struct loop *loop;             /* for the timer of hurried waiters; NULL: they wait */
    /* Whether the change feed names every change within changes_wait; NULL: there is no feed. */
    bool (*feed_lives)(void *arg);
    void *feed_arg;
};

/* Seconds: a confirmation is stored at most so often, so that a document that is read from the disk
 * may have been confirmed as much later than its file says. */
#define CACHE_LAG 60

/* A change of what is known of an environment. */
struct cache_news {
    const char *project, *environment;
    const struct document *document; /* NULL: there is none, or none any longer */
    int64_t asked_wall;              /* when it was asked for, seconds since 1970 */
    int64_t until;                   /* until when an outage may use it, seconds since 1970 */
};

/* Tells the subscriber of a change. Returns whether this host takes news->document; false if that
 * is NULL. */
typedef bool cache_told(void *arg, const struct cache_news *news);

/* Questions and answers since the start, for operators. */
struct cache_figures {
    uint64_t hits;        /* answered without waiting for the API */
    uint64_t misses;      /* waited for the API */
    uint64_t limited;     /* refused by a limit: the API was not asked */
    uint64_t stale;       /* answers by the last good document, in an outage */
    uint64_t unavailable; /* answers CACHE_UNAVAILABLE */
    size_t bytes;         /* of memory, now, of all documents */
    bool guarded;         /* environments that turn absent are not believed */
};

#endif
