/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ANSWERS_H
#define CLOUDAUTHD_CACHE_ANSWERS_H

#include "access/document.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* The age of a stored document whose age is not known (STORE_AGE_UNKNOWN in store.h). */
#define CACHE_AGE_UNKNOWN (UINT32_MAX - 1)

/* What the cache is asked, what it answers, and what it reports. */

/* Milliseconds. An answer that was requested within this time after the change feed named its
 * environment may not show the change yet: it may come from a replica of the API that lags
 * behind. */
#define CACHE_SETTLE_MS 10000

enum cache_need {
    CACHE_ACCOUNT, /* the passwd entry: fresh for account_fresh; in an outage it is taken from the
                      last good document, however old, because processes of the account need their
                      name */
    CACHE_KEYS,    /* who may enter: fresh for keys_fresh */
    CACHE_NOW,     /* for an operator: the API is always asked, even during a back-off */
};

enum cache_result {
    CACHE_UNAVAILABLE = 0, /* no usable document: an outage, or a limit */
    CACHE_DOCUMENT,
    CACHE_ABSENT, /* the API has answered that there is no such environment */
};

struct cache_answer {
    enum cache_result result;
    const struct document *document; /* CACHE_DOCUMENT only: the document, borrowed for the call */
    bool stale;                      /* the last request failed, or is overdue */
    uint32_t age;  /* seconds since the answer was signed or, if unsigned, requested; or
                      CACHE_AGE_UNKNOWN */
    bool current;  /* the change feed is live, and the answer reflects all changes that the feed has
                      reported */
    bool at_once;  /* `answered` is called before cache_ask returns */
    int64_t asked; /* cloud_clock_ms() when the last good answer was requested; 0: never */
    int64_t asked_wall; /* time(2) of that */
    const char *detail; /* if `stale` or CACHE_UNAVAILABLE: the reason, for logs */
};

/* One question. The caller owns it and keeps it until `answered` is called or cache_forget
 * returns. */
struct cache_waiter {
    /* Receives the answer. Must not call cache_ask; may call cache_forget, for any waiter. */
    void (*answered)(void *arg, const struct cache_answer *answer);
    void *arg;
    bool trusted; /* asked by root or the user cloudauth-keys, who have limits of their own */
    bool hurried; /* if the API does not answer within connect_timeout, the last good document is
                     used, within its outage bound */
    /* Whether a question with `trusted` may really be trusted: a set-user-ID program such as su
     * asks as root on behalf of the user who runs it. Called with arg, and only if a limit depends
     * on the result. NULL: `trusted` is enough. */
    bool (*may_trust)(void *arg);
    /*
     * Whether the last good document settles the question although it is no longer fresh. If so,
     * the question is answered at once, and the API is asked in the background. To be set only if
     * the login is decided by a later question (offer_suits). NULL: no old document settles it.
     */
    bool (*suits)(void *arg, const struct document *document);
    /* Set by the cache: */
    LIST_ENTRY(cache_waiter) link;
    struct cache_entry *entry;
    enum cache_need need;
    int64_t since; /* cloud_clock_ms() when the question was asked */
};

/* What a cache uses. All of it is borrowed, and all but the store and the workers must outlive the
 * cache. */
struct cache_setup {
    const struct cloud_conf *conf; /* signing_key has been checked (envelope_parse_signers) */
    struct api *api;
    const struct admission *admission; /* judges every new document */
    struct store *store;
    struct worker *loader; /* the thread that reads documents from the store */
    struct worker *worker; /* the thread that parses large answers (LIMITS_READ_MAX) */
    /*
     * Reads the answers for environments without bound ids (admission_is_bound), and asks the
     * host's other name services whether they have the document's uid or gid (base/foreign.h); if
     * one has, the document is invalid. A service that hangs delays only new environments.
     */
    struct worker *asker;
    const struct denials *denials; /* what this host denies; every document points to it */
    struct loop *loop;             /* for the timer of hurried waiters */
    bool (*feed_lives)(void *arg); /* whether the change feed is live; called with feed_arg */
    void *feed_arg;
};

/* Seconds. Confirmations of a document are written to the disk at most once in this time, so a
 * document from the disk may have been confirmed up to this much later than its file says. */
#define CACHE_LAG 60

/* A change of what is known about an environment. */
struct cache_news {
    const char *project, *environment;
    const struct document *document; /* NULL: the environment has none, or none any longer */
    int64_t asked_wall;              /* when the API was asked, seconds since 1970 */
    int64_t until;                   /* when the document's outage bound ends, seconds since 1970 */
};

/* Tells the subscriber about a change. Returns whether this host takes news->document; false if
 * that is NULL. */
typedef bool cache_told(void *arg, const struct cache_news *news);

/* Questions and answers since the start, for operators. */
struct cache_figures {
    uint64_t hits;        /* questions answered without waiting for the API */
    uint64_t misses;      /* questions that waited for the API */
    uint64_t limited;     /* questions refused by a limit: the API was not asked */
    uint64_t stale;       /* answers with the last good document, in an outage */
    uint64_t unavailable; /* answers with the result CACHE_UNAVAILABLE */
    size_t bytes;         /* bytes of memory that all documents take now */
    bool guarded;         /* the guard withholds an absence now (limits.h) */
};

#endif
