/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CONTEXT_H
#define CLOUDAUTHD_SERVER_CONTEXT_H

#include "common/conf.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * The settings in force and the subsystems of the daemon, which the handlers of requests work with.
 * The subsystems are pointers, so that this header includes none of their headers. The main thread
 * owns everything; daemon.c fills it in at the start.
 */
struct context {
    struct cloud_conf conf;
    uid_t keys_uid; /* of user cloudauth-keys, which runs the helper; (uid_t)-1: no such user */
    struct notify *notify; /* to the service manager */
    struct loop *loop;
    struct local_ids *local_ids;
    struct bindings *bindings;
    struct admission *admission; /* judges documents by the two above and conf */
    struct api *api;
    struct cache *cache;
    struct feed *feed;           /* the change feed */
    struct worker *loader;       /* reads stored documents */
    struct worker *reader;       /* reads large documents, and the answers of the feed */
    struct worker *asker;        /* asks other name services for the cache */
    struct worker *state_worker; /* writes the files of the next three */
    struct store *store;
    struct bindings_log *bindings_log; /* NULL until the bindings have been read from it */
    struct denials_file *denials;      /* `cloudauthctl deny` */
    struct pending *pending;
    struct sessions *sessions;
    struct server *server;
    struct publish *publish; /* accounts.snapshot */
    int64_t started;         /* cloud_clock_ms() at the start */
};

/* The user that the helper runs as (AuthorizedKeysCommandUser), and the daemon's own. */
#define CLOUDAUTHD_KEYS_USER   "cloudauth-keys"
#define CLOUDAUTHD_DAEMON_USER "cloudauth"

#endif
