/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CONTEXT_H
#define CLOUDAUTHD_SERVER_CONTEXT_H

#include "common/conf.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * The settings in force and the subsystems of the daemon, which the handlers of requests use. The
 * subsystems are pointers, so that this header needs none of their headers. The main thread owns
 * everything; daemon.c sets the members at the start.
 */
struct context {
    struct cloud_conf conf;
    char conf_error[512]; /* why the last reload has not replaced conf; "" if it has */
    uid_t keys_uid; /* uid of user cloudauth-keys, who runs the helper; (uid_t)-1: no such user */
    struct notify *notify; /* notifies the service manager */
    struct loop *loop;
    struct local_ids *local_ids;
    struct bindings *bindings;
    struct admission *admission; /* judges documents by conf, local_ids and bindings */
    struct api *api;
    struct cache *cache;
    struct feed *feed;           /* the client of the change feed */
    struct worker *loader;       /* the thread that reads stored documents */
    struct worker *reader;       /* parses large documents and the answers of the feed */
    struct worker *asker;        /* asks the host's other name services about new documents' ids */
    struct worker *state_worker; /* writes the files of store, bindings_log and denials */
    struct store *store;
    struct bindings_log *bindings_log; /* NULL until the bindings have been read from the log */
    struct denials_file *denials;      /* what operators have denied (cloudauthctl deny) */
    struct pending *pending;           /* pending logins (pending.h) */
    struct sessions *sessions;         /* the list of open SSH sessions */
    struct server *server;
    struct publish *publish; /* publishes accounts.snapshot */
    int64_t started;         /* cloud_clock_ms() when the daemon started */
};

/* The user that runs the helper cloud-authkeys (AuthorizedKeysCommandUser), and the user that runs
 * the daemon. */
#define CLOUDAUTHD_KEYS_USER   "cloudauth-keys"
#define CLOUDAUTHD_DAEMON_USER "cloudauth"

#endif
