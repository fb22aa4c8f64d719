/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_BROKER_H
#define CLOUD_BROKER_BROKER_H

#include "cache.h"
#include "denials_file.h"
#include "hostdb.h"
#include "list.h"
#include "logins.h"
#include "loop.h"
#include "owners.h"
#include "publish.h"

#include "common/conf.h"

#include <sys/types.h>

/* What the rooms of the daemon share. One thread owns all of it. */
struct broker {
    struct cloud_conf conf;
    uid_t keys_uid; /* of cloudauth-keys, who runs the helper; (uid_t)-1: there is none */
    struct loop *loop;
    struct hostdb *hostdb;
    struct owners *owners;
    struct api *api;
    struct cache *cache;
    struct list *list;              /* the account list */
    size_t listed;                  /* of its accounts, told so far */
    size_t last_listed, last_total; /* as logged */
    struct store *store;            /* NULL while the bindings are being read from it */
    struct logins *logins;
    struct sessions *sessions;
    struct server *server;
    struct denials_file *denials; /* what this host refuses by itself */
    int64_t started;              /* loop_now() */
    int64_t bound;                /* loop_now() when the bindings had been read from the store */
    struct publish publish;       /* accounts.snapshot */
    struct loop_timer probe;      /* of documents whose last request failed */
    struct metrics *metrics;
};

/* The user that the helper runs as (AuthorizedKeysCommandUser), and the daemon's own. */
#define BROKER_KEYS_USER   "cloudauth-keys"
#define BROKER_DAEMON_USER "cloudauth"

/* cache_accept: whether this host may use the document; if so its uid and gid are bound to its
 * environment. arg is the broker. */
cache_accept broker_accept;

#endif
