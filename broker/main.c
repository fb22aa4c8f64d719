/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"
#include "broker/credentials.h"
#include "broker/denials_file.h"
#include "broker/devlog.h"
#include "broker/envelope.h"
#include "broker/log.h"
#include "broker/metrics.h"
#include "broker/notify.h"
#include "broker/privileges.h"
#include "broker/requests.h"
#include "broker/server.h"
#include "broker/sessions.h"
#include "broker/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <nss.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define RUN_DIRECTORY   "/run/cloudauth"
#define STATE_DIRECTORY "/var/lib/cloudauth"
#define PROBE_MS        1000

static const char *conf_path = CLOUD_CONF_PATH;

/* Reads and checks the configuration; what is wrong goes to the log with file and line. */
static bool read_conf(struct cloud_conf *conf)
{
    struct cloud_conf_error error;
    struct signers signers;
    char why[256] = "";

    if (!cloud_conf_read(conf, conf_path, 0, &error)) {
        if (error.line > 0)
            log_error("%s:%u: %s", conf_path, error.line, error.text);
        else
            log_error("%s: %s", conf_path, error.text);
        return false;
    }
    if (!api_check(conf, why, sizeof why)) {
        log_error("%s: %s", conf_path, why);
        return false;
    }
    if (!signers_parse(conf->signing_key, &signers)) {
        log_error("%s: signing_key: not up to four Ed25519 public keys of 32 bytes in base64",
                  conf_path);
        return false;
    }
    if (conf->host_id[0] == '\0' && gethostname(conf->host_id, sizeof conf->host_id - 1) != 0) {
        log_error("%s: host_id is not set and the host has no name", conf_path);
        return false;
    }
    return true;
}

static void find_keys_user(struct broker *broker)
{
    uint32_t uid, gid;

    broker->keys_uid = (uid_t)-1;
    if (hostdb_refresh(broker->hostdb) &&
        hostdb_find_user(broker->hostdb, BROKER_KEYS_USER, &uid, &gid) && uid != 0)
        broker->keys_uid = uid;
    else
        log_error("there is no user %s: no key will be answered", BROKER_KEYS_USER);
}

/* The settings that decide whose word on accounts is believed, and which accounts are this host's.
 */
static const char *origin_of(const struct cloud_conf *conf)
{
    static char origin[sizeof conf->access_url + sizeof conf->signing_key + sizeof conf->host_id];

    snprintf(origin, sizeof origin, "%s\n%s\n%s", conf->access_url, conf->signing_key,
             conf->host_id);
    return origin;
}

/* The last good settings stay in force where the new ones are wrong. */
static void reload(struct broker *broker)
{
    struct cloud_conf *conf = malloc(sizeof *conf);
    bool other_api;

    if (conf == NULL || !read_conf(conf)) {
        log_error("the settings were not reloaded: the old ones stay in force");
        free(conf);
        return;
    }
    /* What was believed by another API's word, or by other signatures, is not any more. */
    other_api = strcmp(conf->access_url, broker->conf.access_url) != 0 ||
                strcmp(conf->signing_key, broker->conf.signing_key) != 0;
    broker->conf = *conf;
    free(conf);
    find_keys_user(broker);
    api_configure(broker->api, &broker->conf);
    cache_configure(broker->cache, &broker->conf, other_api);
    /* What is published was judged by the old settings. */
    accounts_clear(broker->publish.accounts, origin_of(&broker->conf));
    broker->publish.looked_at = api_is_file(broker->api);
    cache_tell(broker->cache, publish_news, &broker->publish);
    store_configure(broker->store, broker->conf.host_id, broker->conf.access_url);
    sessions_configure(broker->sessions);
    metrics_configure(broker->metrics);
    broker->listed = 0;
    list_configure(broker->list, &broker->conf, other_api);
    log_info("settings reloaded from %s", conf_path);
}

static struct loop_watch signals;

static void on_signal(void *arg, uint32_t events)
{
    struct broker *broker = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(broker);
        else if (info.ssi_signo == SIGUSR1)
            cache_confirm_absent(broker->cache);
        else
            loop_stop(broker->loop);
    }
}

static bool watch_signals(struct broker *broker)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return false;
    signals =
        (struct loop_watch){signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, broker};
    return signals.fd >= 0 && loop_add(broker->loop, &signals, EPOLLIN);
}

/* As root: the socket's folder, then never root again. What systemd gave is only given back. */
static bool drop_privileges(const struct broker *broker)
{
    bool ends_sessions = broker->conf.session_recheck > 0;
    uint32_t uid, gid, tty = 0;

    if (geteuid() != 0) {
        if (!privileges_limit(ends_sessions))
            log_warning("capabilities that are not needed cannot be given back: %s",
                        strerror(errno));
        return true;
    }
    if (ends_sessions)
        hostdb_find_group(broker->hostdb, "tty", &tty);
    if (!hostdb_find_user(broker->hostdb, BROKER_DAEMON_USER, &uid, &gid) || uid == 0 || gid == 0) {
        log_error("there is no user %s to run as", BROKER_DAEMON_USER);
        return false;
    }
    if ((mkdir(RUN_DIRECTORY, 0755) != 0 && errno != EEXIST) ||
        chown(RUN_DIRECTORY, uid, gid) != 0 ||
        (mkdir(STATE_DIRECTORY, 0755) != 0 && errno != EEXIST) ||
        chown(STATE_DIRECTORY, uid, gid) != 0 || !privileges_drop(uid, gid, tty, ends_sessions)) {
        log_error("cannot become user %s: %s", BROKER_DAEMON_USER, strerror(errno));
        return false;
    }
    return true;
}

static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        if (limit.rlim_cur < limit.rlim_max)
            limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    /* No core: it would hold keys' owners and, with later settings, credentials. */
    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void take_owner(void *arg, const struct store_owner *owner)
{
    struct broker *broker = arg;
    const struct owner claim = {owner->project, owner->environment, owner->uid, owner->gid};
    char why[256];

    if (store_owner_is_release(owner))
        (void)owners_forget(broker->owners, owner->project, owner->environment);
    else if (!owners_allow(broker->owners, &claim, why, sizeof why))
        log_error("store: binding of %s/%s: %s", owner->project, owner->environment, why);
    else if (!owners_claim(broker->owners, &claim))
        log_error("store: no memory for the binding of %s/%s", owner->project, owner->environment);
}

/* What this host knew before it was restarted. After daemon(3), which no thread would survive. */
static bool open_store(struct broker *broker)
{
    struct store *store =
        store_new(broker->loop, STATE_DIRECTORY, broker->conf.host_id, broker->conf.access_url);
    size_t known;

    if (store == NULL || !store_load_owners(store, take_owner, broker)) {
        store_free(store);
        return false;
    }
    broker->bound = loop_now();
    broker->store = store;
    known = store_load(store, cache_restore, broker->cache);
    cache_keep(broker->cache, store);
    log_info("%zu documents found in %s", known, STATE_DIRECTORY);
    return true;
}

/* Before any document is taken: each refers to them. */
static bool open_denials(struct broker *broker)
{
    broker->denials = denials_file_new(broker->loop, STATE_DIRECTORY);
    if (broker->denials == NULL)
        return false;
    cache_deny(broker->cache, denials_file_list(broker->denials));
    return true;
}

/* A login that began with them is refused: sshd would go on with them. */
static void on_void(void *arg, const char *project, const char *environment)
{
    struct broker *broker = arg;

    log_warning("the account list gave environment %s of project %s ids that are not its own",
                environment, project);
    if (!owners_move(broker->owners, project, environment))
        log_error("out of memory");
}

/* Every process of the host may from now on know what this one knows. */
static bool open_snapshot(struct broker *broker)
{
    broker->publish.accounts =
        accounts_new(broker->loop, STATE_DIRECTORY, origin_of(&broker->conf));
    if (broker->publish.accounts == NULL)
        return false;
    accounts_on_void(broker->publish.accounts, on_void, broker);
    broker->publish.conf = &broker->conf;
    broker->publish.hostdb = broker->hostdb;
    broker->publish.owners = broker->owners;
    broker->publish.looked_at = api_is_file(broker->api);
    cache_tell(broker->cache, publish_news, &broker->publish);
    return true;
}

/* The account list's word on one account. It makes no decision: who may enter is asked of the
 * document at the login. */
static void on_listed(void *arg, const struct list_item *item)
{
    struct broker *broker = arg;

    publish_listed(&broker->publish, item);
    broker->listed++;
}

/* Its document decides whether it is gone, as does the guard against mass absence; where no
 * document is known nothing but the list spoke for it. */
static void on_left(void *arg, const char *project, const char *environment)
{
    const struct broker *broker = arg;

    if (!cache_recheck(broker->cache, project, environment))
        accounts_remove(broker->publish.accounts, project, environment);
}

static void on_complete(void *arg, size_t count)
{
    struct broker *broker = arg;

    if (broker->last_total != count || broker->last_listed != broker->listed)
        log_info("account list: %zu accounts, %zu here", count, broker->listed);
    accounts_make(broker->publish.accounts);
    broker->last_total = count;
    broker->last_listed = broker->listed;
    broker->listed = 0;
}

static bool open_list(struct broker *broker)
{
    const struct list_events events = {on_listed, on_left, on_complete, broker};

    broker->last_total = SIZE_MAX;
    broker->list = list_new(broker->loop, broker->api, &broker->conf, &events);
    return broker->list != NULL;
}

/* Who is in, from before a restart. */
static bool open_sessions(struct broker *broker)
{
    bool wanted = broker->conf.session_recheck > 0, may_end = wanted && privileges_may_kill();
    struct process init;

    if (wanted && !may_end)
        log_warning("no CAP_KILL: sessions whose key is revoked are listed, but not ended");
    if (!process_find(1, &init))
        log_error("/proc hides root's processes (hidepid): nobody can enter, no session be ended");
    broker->sessions = sessions_new(broker, STATE_DIRECTORY, may_end);
    if (broker->sessions == NULL)
        return false;
    log_info("%zu sessions are open", sessions_count(broker->sessions));
    return true;
}

static void on_probe(void *arg)
{
    struct broker *broker = arg;

    cache_probe(broker->cache);
    store_watch_clock(broker->store);
    loop_timer_set(broker->loop, &broker->probe, PROBE_MS);
}

/*
 * Goes to the background before there is a thread or a watch: a fork would leave threads behind,
 * and a signalfd in an epoll that the parent filled never wakes the child. The parent stays until
 * it is told by *tell that the socket is there, or until the child has ended.
 */
static bool go_to_background(int *tell)
{
    int ends[2];
    char ready;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    child = fork();
    if (child > 0) {
        close(ends[1]);
        _exit(read(ends[0], &ready, 1) == 1 ? 0 : 1);
    }
    close(ends[0]);
    *tell = ends[1];
    return child == 0 && setsid() >= 0 && chdir("/") == 0;
}

static bool let_parent_go(int tell)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = null >= 0;

    for (int fd = STDIN_FILENO; ok && fd <= STDERR_FILENO; fd++)
        ok = dup2(null, fd) == fd;
    if (null > STDERR_FILENO)
        close(null);
    ok = ok && write(tell, "", 1) == 1;
    close(tell);
    return ok;
}

static bool start(struct broker *broker, bool foreground)
{
    int tell = -1;

    if (!foreground && !go_to_background(&tell)) {
        log_error("cannot go to the background: %s", strerror(errno));
        return false;
    }
    broker->hostdb = hostdb_new();
    broker->owners = owners_new();
    broker->logins = logins_new();
    broker->loop = loop_new();
    if (broker->hostdb == NULL || broker->owners == NULL || broker->logins == NULL ||
        broker->loop == NULL) {
        log_error("out of memory");
        return false;
    }
    devlog_start(broker->loop);
    broker->started = loop_now();
    find_keys_user(broker);
    raise_limits();
    if (!drop_privileges(broker) || !watch_signals(broker))
        return false;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    broker->api = api_new(broker->loop, &broker->conf);
    broker->cache =
        broker->api == NULL ? NULL : cache_new(&broker->conf, broker->api, broker_accept, broker);
    if (broker->cache == NULL) {
        log_error("libcurl or memory failed");
        return false;
    }
    broker->server = server_new(broker, requests_handle);
    /* The socket is there before the parent returns: whoever started us may ask at once. And
     * nothing can fail any more, or he would be told that we are up. */
    return broker->server != NULL && open_denials(broker) && open_store(broker) &&
           open_snapshot(broker) && open_list(broker) && open_sessions(broker) &&
           (broker->metrics = metrics_new(broker)) != NULL && (foreground || let_parent_go(tell));
}

static void stop(struct broker *broker)
{
    metrics_free(broker->metrics);
    server_free(broker->server);
    sessions_free(broker->sessions);
    store_free(broker->store);
    api_free(broker->api);
    list_free(broker->list);
    accounts_free(broker->publish.accounts);
    cache_free(broker->cache);
    denials_file_free(broker->denials);
    devlog_stop();
    loop_free(broker->loop);
    logins_free(broker->logins);
    owners_free(broker->owners);
    hostdb_free(broker->hostdb);
}

/* systemd's wishes. What cannot be read is no reason not to serve: systemd gives up by itself. */
static void open_notify(struct notify *notify)
{
    const struct notify_wishes wishes = {getenv("NOTIFY_SOCKET"), getenv("WATCHDOG_USEC"),
                                         getenv("WATCHDOG_PID")};
    char why[128];

    if (!notify_open(notify, &wishes, why, sizeof why))
        log_warning("%s: the service manager is told nothing", why);
}

static int usage(void)
{
    fputs("usage: cloudauthd [-f] [-c FILE]\n"
          "       cloudauthd [-c FILE] --verify DOCUMENT\n"
          "       cloudauthd -V\n"
          "  -f       stay in the foreground, log to standard error too\n"
          "  -c FILE  settings (default " CLOUD_CONF_PATH ")\n"
          "  -V       print the version\n",
          stderr);
    return 2;
}

static int verify(const char *document)
{
    static struct cloud_conf conf;
    struct cloud_conf_error error;

    if (cloud_conf_read(&conf, conf_path, 0, &error))
        return verify_file(&conf, document);
    fprintf(stderr, "%s:%u: %s\n", conf_path, error.line, error.text);
    return EX_CONFIG;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"verify", required_argument, NULL, 'v'},
                                                 {NULL, 0, NULL, 0}};
    static struct broker broker;
    struct notify notify;
    const char *document = NULL;
    bool foreground = false, ok;
    int option;

    while ((option = getopt_long(argc, argv, "fc:V", long_options, NULL)) != -1) {
        if (option == 'f')
            foreground = true;
        else if (option == 'c')
            conf_path = optarg;
        else if (option == 'v')
            document = optarg;
        else if (option == 'V')
            return puts("cloudauthd " CLOUD_VERSION) < 0;
        else
            return usage();
    }
    if (optind != argc)
        return usage();
    if (document != NULL)
        return verify(document);
    /* Under systemd standard error and syslog end in the same journal: each line once. */
    log_open(foreground && getenv("JOURNAL_STREAM") == NULL);
    credentials_directory(getenv("CREDENTIALS_DIRECTORY"));
    open_notify(&notify);
    /* Nothing of the environment reaches libcurl or OpenSSL: no proxy, no key log, no CA. */
    clearenv();
    /* In this process our own module must not be asked: it would wait for us. */
    __nss_configure_lookup("passwd", "files");
    __nss_configure_lookup("group", "files");
    __nss_configure_lookup("initgroups", "files");
    umask(022);
    if (!read_conf(&broker.conf))
        return EX_CONFIG; /* the unit does not try again: only an operator can help */
    ok = start(&broker, foreground);
    if (ok) {
        broker.probe = (struct loop_timer){.due = on_probe, .arg = &broker};
        on_probe(&broker);
        log_info("cloudauthd %s serves %s", CLOUD_VERSION, broker.conf.access_url);
        notify_ready(&notify, broker.loop);
        ok = loop_run(broker.loop);
    }
    notify_stop(&notify);
    stop(&broker);
    return ok ? 0 : 1;
}
