/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/daemon.h"

#include "access/bindings.h"
#include "access/envelope.h"
#include "access/local_ids.h"
#include "base/daemonize.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/privileges.h"
#include "cloudauthd/accounts/records.h"
#include "cloudauthd/api/feed.h"
#include "cloudauthd/api/file_watch.h"
#include "cloudauthd/api/url.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/background.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/login/pending.h"
#include "cloudauthd/requests.h"
#include "cloudauthd/server/context.h"
#include "cloudauthd/server/server.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/bindings_log.h"
#include "cloudauthd/state/denials_file.h"
#include "cloudauthd/state/store.h"
#include "common/clock.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define RUN_DIRECTORY   "/run/cloudauth"
#define STATE_DIRECTORY "/var/lib/cloudauth"
#define PROBE_MS        1000
#define NO_UID          ((uid_t)-1)

static const char *conf_path;
static struct records records;
static struct admission admission;
static unsigned judged_by;      /* local_ids_reads() when the published accounts were last judged */
static bool keys_user_is_due;   /* /etc/passwd may have changed since the last find_keys_user */
static struct loop_timer probe; /* runs on_probe, every PROBE_MS */

static void log_obsolete(const struct cloud_conf *conf)
{
    for (size_t i = 0; i < CLOUD_CONF_OBSOLETE; i++)
        if (conf->obsolete_line[i] > 0)
            log_warning("%s:%u: %s is obsolete and has no effect: %s", conf_path,
                        conf->obsolete_line[i], cloud_conf_obsolete[i].key,
                        cloud_conf_obsolete[i].instead);
}

/* Reads and checks the configuration. If it is wrong, writes why, with the file and, if the fault
 * is in one line, the line's number. */
static bool read_conf(struct cloud_conf *conf, char *why, size_t size)
{
    struct cloud_conf_error error;
    struct signers signers;
    char wrong[256] = "";

    if (!cloud_conf_read(conf, conf_path, 0, &error)) {
        if (error.line > 0)
            snprintf(why, size, "%s:%u: %s", conf_path, error.line, error.text);
        else
            snprintf(why, size, "%s: %s", conf_path, error.text);
        return false;
    }
    if (!api_check(conf, wrong, sizeof wrong)) {
        snprintf(why, size, "%s: %s", conf_path, wrong);
        return false;
    }
    if (!envelope_parse_signers(conf->signing_key, &signers)) {
        snprintf(why, size,
                 "%s: signing_key: not up to four Ed25519 public keys of 32 bytes in base64, none "
                 "of a small order",
                 conf_path);
        return false;
    }
    if (conf->host_id[0] == '\0' && gethostname(conf->host_id, sizeof conf->host_id - 1) != 0) {
        snprintf(why, size, "%s: host_id is not set and the host has no name", conf_path);
        return false;
    }
    log_obsolete(conf);
    return true;
}

/* Sets keys_uid to the uid of CLOUDAUTHD_KEYS_USER, or to NO_UID if there is no such user. Does
 * nothing unless keys_user_is_due or keys_uid is NO_UID. In this process getpwnam_r(3) reads only
 * /etc/passwd (main.c). If it fails, the last uid stays in force, and the next call tries again. */
static void find_keys_user(struct context *context)
{
    static char text[16384];
    struct passwd entry, *user = NULL;

    keys_user_is_due |= context->keys_uid == NO_UID;
    if (!keys_user_is_due ||
        getpwnam_r(CLOUDAUTHD_KEYS_USER, &entry, text, sizeof text, &user) != 0)
        return;
    keys_user_is_due = false;
    context->keys_uid = user == NULL || user->pw_uid == 0 ? NO_UID : user->pw_uid;
}

/* The same, and logs whether there is such a user if that has changed. */
static void follow_keys_user(struct context *context)
{
    uid_t before = context->keys_uid;

    find_keys_user(context);
    if (context->keys_uid == NO_UID && before != NO_UID)
        log_error("the user %s is gone: no key is answered", CLOUDAUTHD_KEYS_USER);
    else if (context->keys_uid != NO_UID && before == NO_UID)
        log_info("there is a user %s now: keys are answered", CLOUDAUTHD_KEYS_USER);
}

/* Returns the origin (publish_new): a text of the settings on which the records of
 * accounts.snapshot depend although no record shows them, that is, which documents are genuine,
 * which of them are for this host, and for how long they are used. The next call overwrites the
 * text. */
static const char *origin_of(const struct cloud_conf *conf)
{
    static char
        origin[sizeof conf->access_url + sizeof conf->signing_key + sizeof conf->host_id + 32];

    snprintf(origin, sizeof origin, "%s\n%s\n%s\n%u %u", conf->access_url, conf->signing_key,
             conf->host_id, conf->account_fresh, conf->max_stale);
    return origin;
}

/* Has the published accounts judged again, and publishes the accounts of all documents in
 * memory. */
static void publish_all(struct context *context)
{
    (void)admission_refresh(context->admission);
    judged_by = local_ids_reads(context->local_ids);
    keys_user_is_due = true;
    publish_judge(context->publish, false);
    cache_subscribe(context->cache, records_news, &records);
}

static void on_surveyed(void *arg)
{
    const struct context *context = arg;

    publish_set_whole(context->publish);
}

/* Has the cache report every stored document, unless an earlier process of this boot has published
 * the accounts of all of them. */
static void survey(struct context *context)
{
    if (!publish_is_whole(context->publish))
        cache_survey(context->cache, on_surveyed, context);
}

/* Returns what the new settings leave of the cache's documents: none, if the API or the signing
 * keys have changed. */
static enum cache_change compare(const struct cloud_conf *old, const struct cloud_conf *new)
{
    if (strcmp(new->access_url, old->access_url) != 0)
        return CACHE_OTHER_API;
    if (strcmp(new->signing_key, old->signing_key) != 0)
        return CACHE_OTHER_SIGNERS;
    return strcmp(new->host_id, old->host_id) != 0 ? CACHE_OTHER_HOST : CACHE_SAME;
}

/* Reads the settings again. If they are wrong, the last good ones stay in force. */
static void reload(struct context *context)
{
    struct cloud_conf *conf = malloc(sizeof *conf);
    enum cache_change change;

    snprintf(context->conf_error, sizeof context->conf_error, "out of memory");
    if (conf == NULL || !read_conf(conf, context->conf_error, sizeof context->conf_error)) {
        log_error("%s", context->conf_error);
        log_error("the settings were not reloaded: the old ones stay in force");
        free(conf);
        return;
    }
    change = compare(&context->conf, conf);
    context->conf_error[0] = '\0';
    context->conf = *conf;
    free(conf);
    api_configure(context->api, &context->conf);
    cache_configure(context->cache, change);
    publish_reload(context->publish, origin_of(&context->conf));
    records.always_ask = api_is_file(context->api);
    publish_all(context);
    store_configure(context->store, context->conf.host_id, context->conf.access_url);
    survey(context);
    sessions_configure(context->sessions);
    feed_configure(context->feed, &context->conf,
                   change == CACHE_OTHER_API || change == CACHE_OTHER_SIGNERS);
    log_info("settings reloaded from %s", conf_path);
}

static struct loop_watch signals;

static void on_signal(void *arg, uint32_t events)
{
    struct context *context = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(context);
        else
            loop_stop(context->loop);
    }
}

static void watch_signals(struct context *context)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    signals =
        (struct loop_watch){signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, context};
    if (signals.fd < 0 || !loop_add(context->loop, &signals, EPOLLIN))
        fatal("signalfd: %s", strerror(errno));
}

/* If started as root, creates the directories and becomes the daemon's user for good. Otherwise the
 * service manager has set the user, and the process only gives up capabilities that it does not
 * need. */
static void drop_privileges(const struct context *context)
{
    bool ends_sessions = context->conf.session_recheck > 0;
    const struct passwd *user;
    const struct group *tty;

    if (geteuid() != 0) {
        if (!privileges_limit(ends_sessions))
            log_warning("capabilities that are not needed cannot be dropped: %s", strerror(errno));
        return;
    }
    errno = 0; /* a group that does not exist leaves it so */
    tty = ends_sessions ? getgrnam("tty") : NULL;
    if (tty == NULL && errno != 0)
        fatal("group tty cannot be looked up: %s", strerror(errno));
    user = getpwnam(CLOUDAUTHD_DAEMON_USER);
    if (user == NULL || user->pw_uid == 0 || user->pw_gid == 0)
        fatal("there is no user %s to run as", CLOUDAUTHD_DAEMON_USER);
    if ((mkdir(RUN_DIRECTORY, 0755) != 0 && errno != EEXIST) ||
        chown(RUN_DIRECTORY, user->pw_uid, user->pw_gid) != 0 ||
        (mkdir(STATE_DIRECTORY, 0755) != 0 && errno != EEXIST) ||
        chown(STATE_DIRECTORY, user->pw_uid, user->pw_gid) != 0 ||
        !privileges_drop(user->pw_uid, user->pw_gid, tty == NULL ? 0 : tty->gr_gid, ends_sessions))
        fatal("cannot become user %s: %s", CLOUDAUTHD_DAEMON_USER, strerror(errno));
}

static void take_binding(void *arg, const struct binding *line)
{
    if (bindings_log_is_release(line))
        admission_release_line(arg, line);
    else
        admission_bind_line(arg, line);
}

static void open_bindings(struct context *context)
{
    struct bindings_log *log = bindings_log_new(context->state_worker, STATE_DIRECTORY);

    bindings_log_load(log, take_binding, &admission, &admission.bindings_damaged);
    context->bindings_log = admission.bindings_log = log;
}

static bool feed_lives(void *arg)
{
    const struct context *context = arg;

    return feed_is_live(context->feed);
}

/* To be called after denials_file_new, because each document of the cache refers to the denials. */
static void open_cache(struct context *context)
{
    const struct cache_setup setup = {.conf = &context->conf,
                                      .api = context->api,
                                      .admission = context->admission,
                                      .store = context->store,
                                      .loader = context->loader,
                                      .worker = context->reader,
                                      .asker = context->asker,
                                      .denials = denials_file_list(context->denials),
                                      .loop = context->loop,
                                      .feed_lives = feed_lives,
                                      .feed_arg = context};

    context->cache = cache_new(&setup);
}

/* Loads what an earlier process has stored. To be called after daemonize_start, whose fork(2) no
 * worker's thread would survive. */
static void open_state(struct context *context)
{
    struct worker *lister;

    context->state_worker = worker_new(context->loop);
    context->loader = worker_new(context->loop);
    context->reader = worker_new(context->loop);
    context->asker = worker_new(context->loop);
    context->denials = denials_file_new(context->state_worker, STATE_DIRECTORY);
    context->store = store_new(context->state_worker, STATE_DIRECTORY, context->conf.host_id,
                               context->conf.access_url);
    open_cache(context);
    lister = worker_new(context->loop);
    /* The worker lists the stored documents while this thread reads the bindings: with 100,000
     * environments each takes a tenth of a second. */
    cache_list_stored(context->cache, lister);
    open_bindings(context);
    worker_free(lister);
}

/* Opens accounts.snapshot. From now on every process of the host can look accounts up in it. */
static void open_snapshot(struct context *context)
{
    const struct publish_setup setup = {.loop = context->loop,
                                        .store = context->state_worker,
                                        .directory = STATE_DIRECTORY,
                                        .judges = records_judge,
                                        .arg = &records};

    records.admission = context->admission;
    records.denials = denials_file_list(context->denials);
    context->publish = publish_new(&setup, origin_of(&context->conf));
    cache_bind_stored(context->cache, context->notify);
    records.publish = context->publish;
    records.always_ask = api_is_file(context->api);
    publish_all(context);
    survey(context);
}

static void on_named(void *arg, const char *project, const char *environment)
{
    const struct context *context = arg;

    cache_named(context->cache, project, environment);
}

static void on_all_named(void *arg)
{
    const struct context *context = arg;

    cache_all_named(context->cache);
}

static bool on_offer(void *arg, const char *project, const char *environment)
{
    const struct context *context = arg;

    return background_prefetch(context->cache, project, environment);
}

static void open_feed(struct context *context)
{
    const struct feed_events events = {on_named, on_all_named, on_offer, context};

    context->feed = feed_new(context->loop, context->api, context->reader, &context->conf, &events);
}

static void on_files(void *arg)
{
    const struct context *context = arg;

    sessions_check(context->sessions);
}

/* Loads the sessions that were open before a restart, and begins to watch documents that are
 * files. */
static void open_sessions(struct context *context)
{
    bool wanted = context->conf.session_recheck > 0, may_end = wanted && privileges_may_kill();
    struct process init;

    if (wanted && !may_end)
        log_warning("no CAP_KILL: sessions whose key is revoked are listed, but not ended");
    if (!process_find(1, &init))
        log_error(
            "/proc hides root's processes (hidepid): every login is refused, and no session can "
            "be ended");
    context->sessions =
        sessions_new(&(const struct sessions_setup){.conf = &context->conf,
                                                    .loop = context->loop,
                                                    .cache = context->cache,
                                                    .admission = context->admission,
                                                    .denials = denials_file_list(context->denials),
                                                    .directory = RUN_DIRECTORY,
                                                    .former = STATE_DIRECTORY,
                                                    .may_terminate = may_end});
    file_watch_start(context->loop, on_files, context);
    log_info("%zu sessions are open", sessions_count(context->sessions));
}

static void watch_files_of(void *arg, const char *project, const char *environment)
{
    const struct context *context = arg;
    char url[URL_SIZE];

    if (api_is_file(context->api) &&
        url_expand(context->conf.access_url, project, environment, url, sizeof url))
        file_watch_add(url_file_path(url));
}

static void on_probe(void *arg)
{
    struct context *context = arg;

    /* Every PROBE_MS, admission_refresh costs only four stat(2). inotify(7) would miss a change of
     * a file behind a bind mount or a symbolic link, and a change that another host makes. */
    if (admission_refresh(context->admission) && local_ids_reads(context->local_ids) != judged_by) {
        publish_all(context);
        sessions_configure(context->sessions);
    }
    follow_keys_user(context);
    background_probe(context->cache);
    sessions_each_environment(context->sessions, watch_files_of, context);
    file_watch_commit();
    store_watch_clock(context->store);
    publish_follow_clock(context->publish);
    bindings_log_retry(context->bindings_log);
    audit_tell_omitted(cloud_clock_ms());
    loop_timer_set(context->loop, &probe, PROBE_MS);
}

static void start(struct context *context, bool foreground)
{
    int ready = -1;

    if (!foreground && !daemonize_start(&ready))
        fatal("cannot go to the background: %s", strerror(errno));
    context->local_ids = local_ids_new();
    context->bindings = bindings_new();
    admission.conf = &context->conf;
    admission.local_ids = context->local_ids;
    admission.bindings = context->bindings;
    context->admission = &admission;
    context->pending = pending_new();
    context->loop = loop_new();
    if (context->loop == NULL)
        fatal("out of memory");
    log_start(context->loop);
    context->started = cloud_clock_ms();
    context->keys_uid = NO_UID;
    find_keys_user(context);
    if (context->keys_uid == NO_UID)
        log_error("there is no user %s: no key is answered", CLOUDAUTHD_KEYS_USER);
    daemonize_set_limits();
    drop_privileges(context);
    watch_signals(context);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    context->api = api_new(context->loop, &context->conf);
    context->server = server_new(context, requests_handle);
    open_state(context);
    open_snapshot(context);
    open_sessions(context);
    open_feed(context);
    /* The parent exits with 0 only now, when the socket exists and nothing can fail any longer. */
    if (!foreground && !daemonize_finish(ready))
        fatal("cannot go to the background: %s", strerror(errno));
}

/* Stops the daemon. False if the asker's thread still waits for another name service. */
static bool stop(struct context *context)
{
    bool asking;

    server_free(context->server);
    sessions_free(context->sessions);
    cache_stop(context->cache);
    api_free(context->api);
    feed_free(context->feed);
    /* These workers end before the state worker, so that it still writes the documents that they
     * have read. */
    worker_free(context->loader);
    worker_free(context->reader);
    /* If another name service hangs, the asker's thread is left behind, with the cache that it
     * reads. */
    asking = worker_pending(context->asker) > 0;
    if (!asking)
        worker_free(context->asker);
    worker_free(context->state_worker);
    store_free(context->store);
    bindings_log_free(context->bindings_log);
    publish_free(context->publish);
    if (!asking)
        cache_free(context->cache);
    denials_file_free(context->denials);
    audit_tell_omitted(INT64_MAX);
    log_stop();
    loop_free(context->loop);
    pending_free(context->pending);
    bindings_free(context->bindings);
    local_ids_free(context->local_ids);
    return !asking;
}

int daemon_run(const struct daemon_options *options, struct notify *notify)
{
    static struct context context;
    bool ok;

    conf_path = options->conf_path;
    if (!read_conf(&context.conf, context.conf_error, sizeof context.conf_error)) {
        log_error("%s", context.conf_error);
        return EX_CONFIG; /* the unit does not restart the daemon then: only an operator can help */
    }
    context.notify = notify;
    start(&context, options->foreground);
    probe = (struct loop_timer){.due = on_probe, .arg = &context};
    on_probe(&context);
    log_info("cloudauthd %s serves %s", CLOUD_VERSION, context.conf.access_url);
    notify_ready(notify, context.loop);
    ok = loop_run(context.loop);
    if (!ok)
        log_error("cloudauthd ends because of a failure");
    notify_stop(notify);
    /* exit(3) would run the exit handlers of libraries, while another thread still runs. */
    if (!stop(&context))
        _exit(ok ? 0 : 1);
    return ok ? 0 : 1;
}
