/* SPDX-License-Identifier: Apache-2.0 */

/* The cache against an API and a clock of the test's own. */
#include "base/foreign.h"
#include "base/worker.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/background.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/entries.h"
#include "cloudauthd/cache/limits.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#define NAMED_DOCUMENT                                                                             \
    "{\"version\":1,\"project\":\"abcdefghij\",\"environment\":{\"name\":\"%s\","                  \
    "\"status\":\"active\"},\"account\":{\"uid\":200002,\"gid\":200002,\"home\":\"/app/x\","       \
    "\"shell\":\"/bin/bash\"},\"users\":[]}"
#define DOCUMENT                                                                                   \
    "{\"version\":1,\"project\":\"abcdefghij\",\"environment\":{\"name\":\"staging\","             \
    "\"status\":\"active\"},\"account\":{\"uid\":200002,\"gid\":200002,\"home\":\"/app/x\","       \
    "\"shell\":\"/bin/bash\"},\"users\":[]%s}"

/* The seed of hashes: with another one two projects of a test could share their limits. */
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    (void)flags;
    memset(out, 1, size);
    return (ssize_t)size;
}

static bool no_memory, memory_fails;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (!memory_fails)
        return __real_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

static bool is_file;
static int64_t ahead_by_api;
static bool accepted;
static bool any_name;
static bool feed; /* whether the change feed is live */
static uint32_t retry_after;
static size_t padded; /* bytes of a document, or 0: as many as it needs */
static struct cloud_conf conf;
static struct cache *cache;
static struct cache_setup plan;
/* Where a test does not look: a store without files, workers that work at once, a loop without
 * timers. */
static char quiet;

/* Requests that the cache has made and that the test has not answered yet. */
static struct {
    api_done *done;
    void *arg;
    char validator[256];
} pending[UNKNOWN_LOOKUPS_MAX + UNKNOWN_LOGINS_MAX + UNKNOWN_OTHERS_MAX + 1];
static size_t pendings, requests;

bool api_is_file(const struct api *api)
{
    (void)api;
    return is_file;
}

int64_t api_ahead(struct api *api)
{
    (void)api;
    return ahead_by_api;
}

void api_get(struct api *api, const struct api_request *request)
{
    (void)api;
    assert_true(any_name || strcmp(request->project, "abcdefghij") == 0);
    assert_non_null(request->environment);
    assert_true(pendings < sizeof pending / sizeof pending[0]);
    pending[pendings].done = request->done;
    pending[pendings].arg = request->arg;
    snprintf(pending[pendings].validator, sizeof pending[0].validator, "%s",
             request->validator->etag);
    pendings++;
    requests++;
}

/* Answers the oldest request. */
static void api_says(enum api_verdict verdict, const char *extra)
{
    static char body[DOCUMENT_SIZE_MAX];
    struct api_result result = {.verdict = verdict, .body = body, .retry_after = retry_after};
    api_done *done = pending[0].done;
    void *arg = pending[0].arg;

    assert_true(pendings > 0);
    pendings--;
    memmove(pending, pending + 1, pendings * sizeof pending[0]);
    if (verdict == API_DOCUMENT && strcmp(extra, "garbage") == 0)
        result.length = (size_t)snprintf(body, sizeof body, "<html>");
    else if (verdict == API_DOCUMENT)
        result.length = (size_t)snprintf(body, sizeof body, DOCUMENT, extra);
    if (result.length > 0 && result.length < padded) {
        memset(body + result.length, ' ', padded - result.length);
        result.length = padded;
    }
    strcpy(result.validator.etag, "\"v1\"");
    strcpy(result.detail, "connection refused");
    done(arg, &result);
}

static void api_says_bytes(const char *body)
{
    struct api_result result = {.verdict = API_DOCUMENT, .body = body, .length = strlen(body)};
    api_done *done = pending[0].done;
    void *arg = pending[0].arg;

    assert_true(pendings > 0);
    pendings--;
    memmove(pending, pending + 1, pendings * sizeof pending[0]);
    done(arg, &result);
}

/* A store that commits when the test says so. */
static struct {
    store_done *done;
    void *arg;
    bool fails, at_once;
    bool no_memory;
    size_t puts, touches, removals;
    int error;              /* of reading a file that is not there */
    const char *unreadable; /* the environment of a file that cannot be read */
    size_t reads;
    bool foreign;  /* all documents are of another host or API */
    bool ageless;  /* the age of no document is known */
    bool unlisted; /* the documents cannot be listed */
    uint64_t documents;
} disk;

/* The files that it reads; of any environment, if there is but one without a name. */
static struct kept {
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    struct stored_document from;
    char body[4096];
} file[16];
static size_t files;

static void keep(const struct stored_document *from, const char *body, size_t length)
{
    struct kept *kept = file;

    while (kept < file + files && (strcmp(kept->project, from->project) != 0 ||
                                   strcmp(kept->environment, from->environment) != 0))
        kept++;
    files += kept == file + files;
    assert_true(files <= sizeof file / sizeof file[0] && length < sizeof kept->body);
    strcpy(kept->project, from->project);
    strcpy(kept->environment, from->environment);
    kept->from = *from;
    kept->from.length = length;
    memcpy(kept->body, body, length);
}

void store_read(const struct store *store, const char *project, const char *environment,
                struct store_file *out)
{
    memset(out, 0, sizeof *out);
    out->error = ENOENT;
    if (store == (const struct store *)&quiet)
        return;
    disk.reads++;
    out->error = disk.error;
    out->failed = disk.error == EIO;
    for (struct kept *kept = file; kept < file + files; kept++) {
        if (kept->project[0] != '\0' &&
            (strcmp(kept->project, project) != 0 || strcmp(kept->environment, environment) != 0))
            continue;
        out->error = disk.unreadable != NULL && strcmp(environment, disk.unreadable) == 0 ? EIO : 0;
        out->failed = out->error != 0;
        if (out->failed)
            continue;
        out->bytes = malloc(sizeof kept->body);
        assert_non_null(out->bytes);
        out->file.document = kept->from;
        if (kept->project[0] == '\0')
            out->file.document.length =
                (size_t)snprintf(out->bytes, sizeof kept->body, NAMED_DOCUMENT, environment);
        else
            memcpy(out->bytes, kept->body, kept->from.length);
        out->file.document.body = out->bytes;
        out->is_whole = true;
    }
}

bool store_judge(struct store *store, struct store_file *read)
{
    (void)store;
    if (disk.ageless) {
        read->file.document.asked = STORE_AGE_UNKNOWN;
        read->file.document.asked_wall = 0;
    }
    return read->is_whole && !disk.foreign;
}

static int64_t most_ahead;

void store_watch_clock(struct store *store)
{
    int64_t ahead = fake_time - fake_ms / 1000;

    (void)store;
    if (ahead > most_ahead)
        most_ahead = ahead;
}

int64_t store_ahead(const struct store *store)
{
    (void)store;
    return most_ahead;
}

void store_look(const struct store *store, struct store_figures *out)
{
    (void)store;
    *out = (struct store_figures){.documents = disk.documents};
}

static size_t counted, lists;

void store_count(struct store *store, size_t documents)
{
    (void)store;
    counted = documents;
}

char *store_list(const struct store *store, size_t *n)
{
    char *names = malloc(sizeof file), *at = names;

    (void)store;
    assert_non_null(names);
    lists++;
    if (disk.unlisted) {
        free(names);
        return NULL;
    }
    for (*n = 0; *n < files; ++*n)
        at += sprintf(at, "%s%c%s", file[*n].project, 0, file[*n].environment) + 1;
    return names;
}

void store_put(struct store *store, const struct stored_document *entry, store_done *done,
               void *arg)
{
    if (store == (struct store *)&quiet) {
        done(arg, true);
        return;
    }
    assert_string_equal(entry->project, "abcdefghij");
    assert_true(entry->length > 0 && entry->body != NULL);
    assert_null(disk.done);
    disk.puts++;
    if (disk.at_once) {
        keep(entry, entry->body, entry->length);
        done(arg, true);
        return;
    }
    disk.done = done;
    disk.arg = arg;
}

void store_touch(struct store *store, const struct stored_document *entry)
{
    if (store == (struct store *)&quiet)
        return;
    assert_int_equal(entry->asked, fake_ms);
    disk.touches++;
}

void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg)
{
    (void)project;
    if (store == (struct store *)&quiet) {
        done(arg, true);
        return;
    }
    assert_true(any_name || strcmp(environment, "staging") == 0);
    disk.removals++;
    if (disk.no_memory || disk.at_once) {
        done(arg, !disk.no_memory);
        return;
    }
    disk.done = done;
    disk.arg = arg;
}

static void disk_says_done(void)
{
    store_done *done = disk.done;

    assert_non_null(done);
    disk.done = NULL;
    done(disk.arg, !disk.fails);
}

/* A worker that does its oldest work when the test says so. */
static struct work *working[LIMITS_ASKING_MAX + LIMITS_UNREAD_MAX / DOCUMENT_SIZE_MAX + 2];
static size_t workings;

/* The loader, which does its work after each question unless its disk hangs. */
static struct work *loading[64];
static size_t loadings;
static bool hangs;

static void loads_are_done(void)
{
    while (loadings > 0) {
        struct work *work = loading[--loadings];
        memory_fails = no_memory;
        work->run(work);
        memory_fails = false;
        work->finish(work);
    }
}

void worker_add(struct worker *worker, struct work *work)
{
    if (worker == (struct worker *)loading) {
        assert_true(loadings < sizeof loading / sizeof loading[0]);
        loading[loadings++] = work;
        return;
    }
    if (worker == (struct worker *)&quiet) {
        work->run(work);
        work->finish(work);
        return;
    }
    assert_ptr_equal(worker, working);
    assert_true(workings < sizeof working / sizeof working[0]);
    working[workings++] = work;
}

static void worker_is_done(void)
{
    struct work *work = working[0];

    assert_true(workings > 0);
    workings--;
    memmove(working, working + 1, workings * sizeof working[0]);
    work->run(work);
    work->finish(work);
}

/* Makes the cache anew, by the plan. */
static void start_cache(void)
{
    if (cache != NULL)
        cache_free(cache);
    cache = cache_new(&plan);
}

static void keep_documents(void)
{
    plan.store = (struct store *)&disk;
    plan.loader = (struct worker *)loading;
    start_cache();
}

static bool unbound, has_project;
static bool no_local_accounts; /* /etc/passwd cannot be read */

bool admission_refresh(const struct admission *admission)
{
    (void)admission;
    return !no_local_accounts;
}

static size_t bound_count = SIZE_MAX;

size_t admission_count(const struct admission *admission)
{
    (void)admission;
    return bound_count;
}

bool admission_has_project(const struct admission *admission, const char *project)
{
    (void)admission;
    return has_project && strcmp(project, "abcdefghij") == 0;
}

bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment)
{
    (void)admission;
    (void)project;
    (void)environment;
    return !unbound;
}

static bool released_since;

bool admission_is_released_since(const struct admission *admission, const char *project,
                                 const char *environment, int64_t asked)
{
    (void)admission;
    (void)project;
    (void)environment;
    (void)asked;
    return released_since;
}

static const char *lost; /* the environment without a binding */
static bool all_lost;
static unsigned bound_again;

bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment)
{
    (void)admission;
    assert_string_equal(project, "abcdefghij");
    return all_lost || (lost != NULL && strcmp(environment, lost) == 0);
}

bool admission_bind_stored(const struct admission *admission, const struct binding *claim)
{
    (void)admission;
    assert_string_equal(claim->environment, lost);
    bound_again++;
    return true;
}

static unsigned doubted;

void admission_doubt_stored(const struct admission *admission, const struct binding *claim)
{
    (void)admission;
    (void)claim;
    doubted++;
}

bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size)
{
    (void)admission;
    (void)document;
    (void)is_stored;
    snprintf(why, size, "uid belongs to another environment");
    return accepted;
}

static bool feed_lives(void *arg)
{
    (void)arg;
    return feed;
}

static int setup(void **state)
{
    (void)state;
    cloud_conf_defaults(&conf);
    fake_ms = 1000000;
    fake_time = 1800000000;
    is_file = false;
    ahead_by_api = INT64_MAX;
    most_ahead = 0;
    accepted = true;
    any_name = false;
    retry_after = 0;
    pendings = requests = padded = 0;
    memset(&disk, 0, sizeof disk);
    disk.error = EIO;
    files = loadings = 0;
    unbound = has_project = hangs = no_local_accounts = no_memory = false;
    lost = NULL;
    bound_again = 0;
    plan = (struct cache_setup){.conf = &conf,
                                .store = (struct store *)&quiet,
                                .loader = (struct worker *)&quiet,
                                .worker = (struct worker *)&quiet,
                                .asker = (struct worker *)&quiet,
                                .loop = (struct loop *)&quiet,
                                .feed_lives = feed_lives};
    feed = false;
    start_cache();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cache_free(cache);
    cache = NULL;
    return 0;
}

static void put_question(const char *project, const char *environment, enum cache_need need,
                         struct cache_waiter *waiter)
{
    cache_ask(cache, project, environment, need, waiter);
    if (!hangs)
        loads_are_done();
}

/* A client of the cache, and the last answer that it got. */
struct client {
    struct cache_waiter waiter;
    unsigned answers;
    enum cache_result result;
    bool stale, current;
    uint32_t age;
    int64_t asked;
    char detail[256];
};

static void on_answer(void *arg, const struct cache_answer *answer)
{
    struct client *client = arg;

    client->answers++;
    client->result = answer->result;
    client->stale = answer->stale;
    client->current = answer->current;
    client->age = answer->age;
    client->asked = answer->asked;
    assert_int_equal(answer->document != NULL, answer->result == CACHE_DOCUMENT);
    snprintf(client->detail, sizeof client->detail, "%s",
             answer->detail == NULL ? "" : answer->detail);
}

static void ask(struct client *client, enum cache_need need)
{
    *client = (struct client){.waiter = {.answered = on_answer, .arg = client}};
    put_question("abcdefghij", "staging", need, &client->waiter);
}

static void ask_for(struct client *client, const char *project, const char *environment)
{
    *client = (struct client){.waiter = {.answered = on_answer, .arg = client}};
    put_question(project, environment, CACHE_ACCOUNT, &client->waiter);
}

static void assert_told(const struct client *client, enum cache_result result)
{
    assert_int_equal(client->answers, 1);
    assert_int_equal(client->result, result);
}

/* Asks and expects an answer at once, without a request. */
static struct client told_at_once(enum cache_need need, enum cache_result result)
{
    struct client client;
    size_t before = requests;

    ask(&client, need);
    assert_told(&client, result);
    assert_int_equal(requests, before);
    return client;
}

static void learn(const char *extra)
{
    struct client client;

    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_DOCUMENT, extra);
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
}

static void test_one_request_for_all(void **state)
{
    struct client clients[100];

    (void)state;
    for (size_t i = 0; i < 100; i++)
        ask(&clients[i], i % 2 == 0 ? CACHE_KEYS : CACHE_ACCOUNT);
    assert_int_equal(requests, 1);
    api_says(API_DOCUMENT, "");
    for (size_t i = 0; i < 100; i++)
        assert_told(&clients[i], CACHE_DOCUMENT);
    assert_int_equal(requests, 1);
}

static void test_freshness(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 2999;
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    fake_ms += 1;
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    assert_string_equal(pending[0].validator, "\"v1\"");
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(client.age, 0);
    fake_ms += 239999;
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    fake_ms += 60000;
    ask(&client, CACHE_ACCOUNT); /* nearly stale: answered at once, revalidated behind it */
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    fake_ms += 1;
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT); /* account data does not wait for a slow API */
    ask(&client, CACHE_KEYS);                    /* who may enter does */
    assert_int_equal(client.answers, 0);
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    if (client.answers == 0) /* the first request was sent too long before */
        api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
    told_at_once(CACHE_ACCOUNT, CACHE_ABSENT);
}

static bool count_news(void *arg, const struct cache_news *news)
{
    (void)news;
    ++*(unsigned *)arg;
    return true;
}

/* Confirms the document, which may have been confirmed milliseconds ago. */
static void confirm(int64_t milliseconds)
{
    struct client client;

    fake_ms += milliseconds;
    fake_time += milliseconds / 1000;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
}

/* Not every confirmation is reported. After the wall clock was put back one is, because the
 * subscriber's `until` is wrong by then. */
static void test_confirmations_told(void **state)
{
    unsigned news = 0;

    (void)state;
    learn("");
    cache_subscribe(cache, count_news, &news);
    assert_int_equal(news, 1);
    confirm(10000);
    assert_int_equal(news, 1);
    confirm(70000);
    assert_int_equal(news, 2);
    fake_time -= 1800;
    confirm(10000);
    assert_int_equal(news, 3);
    confirm(10000);
    assert_int_equal(news, 3);
}

/* An answer is as old as its request: one that was long under way is not fresh. */
static void test_slow_answer(void **state)
{
    struct client first, second;

    (void)state;
    ask(&first, CACHE_KEYS);
    fake_ms += 4000;
    ask(&second, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_told(&first, CACHE_DOCUMENT);
    assert_int_equal(second.answers, 0);
    assert_int_equal(requests, 2);
    api_says(API_DOCUMENT, "");
    assert_told(&second, CACHE_DOCUMENT);
    assert_int_equal(second.age, 0);
}

static void test_absent(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
    told_at_once(CACHE_ACCOUNT, CACHE_ABSENT); /* forgotten at once, for lookups too */
    fake_ms += 9999;
    told_at_once(CACHE_KEYS, CACHE_ABSENT);
    fake_ms += 1;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, ""); /* an outage neither makes absent nor brings a document back */
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_string_equal(client.detail, "connection refused");
}

static void test_outage(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 10000;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    assert_int_equal(client.age, 10);
    fake_ms += 500;
    client = told_at_once(CACHE_KEYS, CACHE_DOCUMENT); /* no client waits again */
    assert_true(client.stale);
    fake_ms += 500;
    ask(&client, CACHE_KEYS); /* served at once; one probe goes */
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    api_says(API_OUTAGE, "");
    fake_ms += 1999;
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT); /* backing off */
    fake_ms += 1;
    ask(&client, CACHE_KEYS);
    assert_int_equal(pendings, 1);
    api_says(API_UNCHANGED, "");
    client = told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    assert_false(client.stale);
}

/* 429 or 503 with Retry-After: the API is asked after that time, the document serves until then. */
static void test_retry_after(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    retry_after = 120;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    fake_ms += 119999;
    assert_true(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).stale);
    fake_ms += 1;
    ask(&client, CACHE_KEYS);
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
}

/* The end of an outage is noticed without a login, so that no login is decided by an old document.
 */
static void test_probe(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    background_probe(cache);
    assert_int_equal(pendings, 0); /* backing off */
    fake_ms += 1000;
    background_probe(cache);
    background_probe(cache);
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    fake_ms += 1000;
    background_probe(cache);
    assert_int_equal(pendings, 0);
    told_at_once(CACHE_KEYS, CACHE_ABSENT);
}

/* A document past its bound is not probed. */
static void test_probe_ends(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    fake_ms += 3600 * 1000;
    background_probe(cache);
    assert_int_equal(pendings, 0);
}

static void use_feed(void)
{
    feed = true;
    start_cache();
}

/* While the change feed is live, a document that it has not named decides without a request. One
 * that has not been asked for within account_fresh is revalidated behind that, so that a change
 * that the feed has lost is found. */
static void test_current(void **state)
{
    struct client client;

    (void)state;
    use_feed();
    learn("");
    fake_ms += 200000;
    assert_true(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).current);
    feed = false;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_false(client.current);
    feed = true;
    fake_ms += 3599999;
    ask(&client, CACHE_KEYS);
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
    fake_ms += 1;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_ABSENT, "");
    if (client.answers == 0)
        api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
}

/* A feed that is live prolongs no document past its own bound, as an outage may not. */
static void test_current_within_bound(void **state)
{
    struct client client;

    (void)state;
    use_feed();
    learn(",\"max_stale_seconds\":600");
    fake_ms += 200000;
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    fake_ms += 400000;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
}

/* What the feed names is asked for again, however fresh it is; what it does not name is not. */
static void check_named(const char *project, const char *environment, bool asked)
{
    struct client client;

    fake_ms += 10;
    if (project == NULL)
        cache_all_named(cache);
    else
        cache_named(cache, project, environment);
    assert_int_equal(cache_named_at(cache, "abcdefghij", "staging") == fake_ms,
                     asked && project != NULL);
    fake_ms += 10;
    if (!asked) {
        told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
        return;
    }
    ask(&client, CACHE_ACCOUNT); /* a lookup does not wait */
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
}

static void test_named(void **state)
{
    (void)state;
    use_feed();
    learn("");
    check_named("abcdefghij", "staging", true);
    check_named("abcdefghij", NULL, true);
    check_named(NULL, NULL, true);
    check_named("abcdefghij", "production", false);
    check_named("abcdefghik", NULL, false);
    feed = false; /* what is named is asked for in any case */
    check_named("abcdefghij", "staging", true);
}

/* What is asked for right after a naming may not show the change yet: keys_fresh holds for it.
 * Where all were named, no change in particular is under way. */
static void test_named_too_early(void **state)
{
    struct client client;

    (void)state;
    use_feed();
    learn("");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += CACHE_SETTLE_MS - 1;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    fake_ms += 2999;
    assert_false(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).current);
    fake_ms += 1;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_UNCHANGED, "");
    fake_ms += 200000;
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    cache_all_named(cache);
    fake_ms += 10;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    fake_ms += 200000;
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
}

/* An answer to a request that was sent before the environment was named serves those alone who
 * asked before that. */
static void test_named_in_flight(void **state)
{
    struct client before, after;

    (void)state;
    use_feed();
    ask(&before, CACHE_KEYS);
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
    ask(&after, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_told(&before, CACHE_DOCUMENT);
    assert_int_equal(after.answers, 0);
    api_says(API_ABSENT, "");
    assert_told(&after, CACHE_ABSENT);
}

static void name(void)
{
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
}

/* A name ends the back-off after a failure, also that for which the API has asked, once. */
static void test_named_in_back_off(void **state)
{
    struct client client;

    (void)state;
    retry_after = 300;
    use_feed();
    learn("");
    fake_ms += 1000;
    name();
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_true(client.stale);
    fake_ms += 10;
    assert_true(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).stale);
    background_probe(cache);
    assert_int_equal(pendings, 0);
    name();
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    fake_ms += 10;
    assert_true(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).stale);
    fake_ms += 10;
    cache_all_named(cache);
    fake_ms += 10;
    ask(&client, CACHE_ACCOUNT); /* a lookup does not wait */
    assert_told(&client, CACHE_DOCUMENT);
    api_says(API_OUTAGE, "");
    name();
    background_probe(cache);
    api_says(API_ABSENT, "");
    told_at_once(CACHE_KEYS, CACHE_ABSENT);
}

/* The same where no document is known. */
static void test_named_unknown_in_back_off(void **state)
{
    struct client client;

    (void)state;
    retry_after = 300;
    use_feed();
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    fake_ms += 10;
    told_at_once(CACHE_KEYS, CACHE_UNAVAILABLE);
    assert_true(background_prefetch(cache, "abcdefghij", "staging"));
    assert_int_equal(pendings, 0);
    name();
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    name();
    assert_true(background_prefetch(cache, "abcdefghij", "staging"));
    api_says(API_DOCUMENT, "");
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
}

/* The failure of a request that was sent before the name does not settle a question from after it;
 * that of the next one does, though names go on. */
static void test_named_before_failure(void **state)
{
    struct client before, after;

    (void)state;
    use_feed();
    learn("");
    fake_ms += 1000;
    name();
    ask(&before, CACHE_KEYS);
    name();
    ask(&after, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&before, CACHE_DOCUMENT);
    assert_int_equal(after.answers, 0);
    name();
    api_says(API_OUTAGE, "");
    assert_told(&after, CACHE_DOCUMENT);
    assert_int_equal(pendings, 0);
}

/* ---- An API that does not answer within connect_timeout ---- */

static LIST_HEAD(, loop_timer) timers = LIST_HEAD_INITIALIZER(timers);

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds)
{
    if (loop == (struct loop *)&quiet)
        return;
    loop_timer_clear(loop, timer);
    timer->at = fake_ms + milliseconds;
    timer->set = true;
    LIST_INSERT_HEAD(&timers, timer, link);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (timer->set)
        LIST_REMOVE(timer, link);
    timer->set = false;
}

/* Returns the timer that is due first, unless that is later than `to`. */
static struct loop_timer *first_due(int64_t to)
{
    struct loop_timer *timer, *first = NULL;

    LIST_FOREACH(timer, &timers, link) {
        if (timer->at <= to && (first == NULL || timer->at < first->at))
            first = timer;
    }
    return first;
}

/* Lets time pass, and timers be due. */
static void pass(int64_t milliseconds)
{
    int64_t to = fake_ms + milliseconds;
    struct loop_timer *timer;

    while ((timer = first_due(to)) != NULL) {
        fake_ms = timer->at;
        loop_timer_clear(NULL, timer);
        timer->due(timer->arg);
    }
    fake_ms = to;
}

static void ask_hurried(struct client *client, enum cache_need need)
{
    *client = (struct client){.waiter = {.answered = on_answer, .arg = client, .hurried = true}};
    put_question("abcdefghij", "staging", need, &client->waiter);
}

static void use_timer(void)
{
    plan.loop = (struct loop *)&timers;
    start_cache();
}

static void test_hurried(void **state)
{
    struct client patient, login, next, operator;

    (void)state;
    use_timer();
    learn("");
    fake_ms += 3000;
    ask(&patient, CACHE_KEYS);
    ask_hurried(&login, CACHE_KEYS);
    ask_hurried(&operator, CACHE_NOW);
    pass(999);
    assert_int_equal(login.answers, 0);
    pass(1);
    assert_told(&login, CACHE_DOCUMENT);
    assert_true(login.stale);
    ask_hurried(&next, CACHE_KEYS); /* no other login waits */
    assert_told(&next, CACHE_DOCUMENT);
    assert_true(next.stale);
    assert_int_equal(requests, 2);
    pass(1000);
    assert_int_equal(patient.answers + operator.answers, 0);
    api_says(API_ABSENT, ""); /* the late answer */
    assert_told(&patient, CACHE_ABSENT);
    assert_told(&operator, CACHE_ABSENT);
    pass(10000);
}

/* A login waits as long as a reload says that has come meanwhile. */
static void test_hurried_reload(void **state)
{
    struct client login;

    (void)state;
    use_timer();
    learn("");
    fake_ms += 3000;
    ask_hurried(&login, CACHE_KEYS);
    conf.connect_timeout = 10;
    cache_configure(cache, CACHE_SAME);
    pass(1000);
    assert_int_equal(login.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&login, CACHE_DOCUMENT);
    assert_false(login.stale);
    conf.connect_timeout = 1;
    fake_ms += 3000;
    ask_hurried(&login, CACHE_KEYS);
    conf.connect_timeout = 3;
    pass(2999);
    assert_int_equal(login.answers, 0);
    pass(1);
    assert_told(&login, CACHE_DOCUMENT);
    assert_true(login.stale);
}

/* Nothing is known, or it is past its bound: logins wait, and are refused with the request. */
/* What the feed says has changed is not decided by the document from before; where all were named,
 * no change of this one is known. */
static void test_hurried_named(void **state)
{
    struct client login, late;

    (void)state;
    use_feed();
    use_timer();
    learn("");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
    ask_hurried(&login, CACHE_KEYS);
    pass(4000);
    ask_hurried(&late, CACHE_KEYS);
    assert_int_equal(login.answers + late.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&login, CACHE_DOCUMENT);
    fake_ms += 10;
    cache_all_named(cache);
    fake_ms += 10;
    ask_hurried(&login, CACHE_KEYS);
    pass(1000);
    assert_told(&login, CACHE_DOCUMENT);
    assert_true(login.stale);
}

/* After a reboot the last good document is from before the boot. */
static void test_hurried_rebooted(void **state)
{
    char body[1024];
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .asked = -60000,
                                   .asked_wall = fake_time - 65};
    struct client login;

    (void)state;
    fake_ms = 5000;
    keep_documents();
    use_timer();
    keep(&kept, body, (size_t)snprintf(body, sizeof body, DOCUMENT, ""));
    ask_hurried(&login, CACHE_KEYS);
    pass(999);
    assert_int_equal(login.answers, 0);
    pass(1);
    assert_told(&login, CACHE_DOCUMENT);
    api_says(API_OUTAGE, "");
}

static void test_hurried_past_bound(void **state)
{
    struct client login, lookup;

    (void)state;
    use_timer();
    ask_hurried(&login, CACHE_KEYS);
    pass(2000);
    assert_int_equal(login.answers, 0);
    api_says(API_DOCUMENT, ",\"max_stale_seconds\":60");
    assert_told(&login, CACHE_DOCUMENT);
    fake_ms += 60000;
    fake_time += 60;
    ask_hurried(&login, CACHE_KEYS);
    pass(5000);
    assert_int_equal(login.answers, 0);
    ask_hurried(&lookup, CACHE_ACCOUNT);
    assert_told(&lookup, CACHE_DOCUMENT);
    api_says(API_OUTAGE, "");
    assert_told(&login, CACHE_UNAVAILABLE);
}

/* A name outlives the bound, and a question about it waits no longer than a login. */
static void test_hurried_lookup(void **state)
{
    struct client lookup;

    (void)state;
    use_timer();
    learn("");
    fake_ms += 86400000;
    fake_time += 86400;
    ask_hurried(&lookup, CACHE_ACCOUNT);
    assert_int_equal(lookup.answers, 0);
    pass(1000);
    assert_told(&lookup, CACHE_DOCUMENT);
    api_says(API_OUTAGE, "");
}

static bool suited;

static bool suits(void *arg, const struct document *document)
{
    assert_non_null(arg);
    assert_non_null(document);
    return suited;
}

static void ask_suited(struct client *client)
{
    *client = (struct client){.waiter = {.answered = on_answer, .arg = client, .suits = suits}};
    cache_ask(cache, "abcdefghij", "staging", CACHE_KEYS, &client->waiter);
}

/* A question that the last good document settles is answered while the API is asked, unless the
 * document is named or past the bound. */
static void test_settled(void **state)
{
    struct client offer, signature;

    (void)state;
    learn(",\"max_stale_seconds\":60");
    fake_ms += 3000;
    suited = false;
    ask_suited(&offer);
    assert_int_equal(offer.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&offer, CACHE_DOCUMENT);
    fake_ms += 3000;
    suited = true;
    ask_suited(&offer);
    assert_told(&offer, CACHE_DOCUMENT);
    assert_int_equal(pendings, 1);
    fake_ms += 10;
    ask(&signature, CACHE_KEYS);
    assert_int_equal(signature.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&signature, CACHE_DOCUMENT);
    assert_int_equal(requests, 3);
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
    ask_suited(&offer);
    assert_int_equal(offer.answers, 0);
    api_says(API_UNCHANGED, "");
    fake_ms += 60000;
    ask_suited(&offer);
    assert_int_equal(offer.answers, 0);
    api_says(API_ABSENT, "");
    assert_told(&offer, CACHE_ABSENT);
}

/* A question of a budget of its own for names that are not known. */
struct asker {
    bool trusted;
    enum cache_need need;
    unsigned most; /* requests in flight */
};

static const struct asker robots = {false, CACHE_ACCOUNT, UNKNOWN_OTHERS_MAX},
                          lookups = {true, CACHE_ACCOUNT, UNKNOWN_LOOKUPS_MAX},
                          logins = {true, CACHE_KEYS, UNKNOWN_LOGINS_MAX};

static void ask_as(struct client *client, const struct asker *asker, const char *project,
                   const char *environment)
{
    *client = (struct client){
        .waiter = {.answered = on_answer, .arg = client, .trusted = asker->trusted}};
    put_question(project, environment, asker->need, &client->waiter);
}

/* Asks for more unknown names than may be in flight, without an answer of the API. More than one
 * more, because projects whose hashes agree share their limits. */
static void hang(struct client *clients, const struct asker *asker, const char *prefix)
{
    size_t before = requests;
    char name[32];

    for (unsigned i = 0; i < 2 * asker->most; i++) {
        fake_ms += 1000;
        snprintf(name, sizeof name, "%s%05u", prefix, i);
        ask_as(&clients[i], asker, name, "production");
    }
    assert_int_equal(requests - before, asker->most);
    assert_told(&clients[2 * asker->most - 1], CACHE_UNAVAILABLE);
}

/* Unknown names that the API leaves hanging take a bounded number of requests, and those of one
 * kind of asker take nothing from another's. */
static void test_strangers_in_flight(void **state)
{
    static struct client clients[3][2 * UNKNOWN_LOOKUPS_MAX];
    struct client client;

    (void)state;
    any_name = true;
    hang(clients[0], &robots, "robot");
    hang(clients[1], &lookups, "lookup");
    hang(clients[2], &logins, "login");
    while (pendings > 0)
        api_says(API_ABSENT, "");
    ask_for(&client, "robot99999", "production");
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    /* None of them is counted any longer. */
    hang(clients[2], &logins, "later");
    hang(clients[1], &lookups, "other");
    hang(clients[0], &robots, "again");
    while (pendings > 0)
        api_says(API_ABSENT, "");
}

/* The names of one project that the API leaves hanging leave requests for another's. */
static void test_project_in_flight(void **state)
{
    static struct client clients[UNKNOWN_LOOKUPS_MAX + 1];
    struct client client;
    char name[32];

    (void)state;
    any_name = true;
    for (unsigned i = 0; i <= UNKNOWN_LOOKUPS_MAX; i++) {
        fake_ms += 1000;
        snprintf(name, sizeof name, "mc-ab%05u", i);
        ask_as(&clients[i], &lookups, "abcdefghij", name);
    }
    assert_int_equal(requests, UNKNOWN_LOOKUPS_MAX / 2);
    assert_told(&clients[UNKNOWN_LOOKUPS_MAX], CACHE_UNAVAILABLE);
    ask_as(&client, &lookups, "otherproject", "production");
    assert_int_equal(requests, UNKNOWN_LOOKUPS_MAX / 2 + 1);
    while (pendings > 0)
        api_says(API_ABSENT, "");
}

static void expect_bound(const char *extra, int64_t seconds)
{
    struct client client;

    learn(extra);
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    fake_ms += seconds * 1000 - 3000 - 1;
    ask(&client, CACHE_KEYS);
    assert_told(&client, CACHE_DOCUMENT);
    if (pendings > 0)
        api_says(API_OUTAGE, "");
    fake_ms += 1;
    told_at_once(CACHE_KEYS, CACHE_UNAVAILABLE);
}

static void test_host_bound(void **state)
{
    (void)state;
    expect_bound("", 3600);
}

/* The account has its name however long the outage lasts: processes run as it. */
static void test_own_bound(void **state)
{
    struct client client;

    (void)state;
    expect_bound(",\"max_stale_seconds\":60", 60);
    assert_true(told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT).stale);
    fake_ms += 86400000;
    ask(&client, CACHE_ACCOUNT); /* revalidated behind it */
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
}

static void test_lesser_bound(void **state)
{
    (void)state;
    expect_bound(",\"max_stale_seconds\":999999", 3600);
}

static void test_no_bound(void **state)
{
    struct client client;

    (void)state;
    learn(",\"max_stale_seconds\":0");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* A request fails while the last answer is fresh: that document serves, and is marked stale. */
static void test_failing_while_fresh(void **state)
{
    struct client client;

    (void)state;
    conf.keys_fresh = 60;
    conf.account_fresh = 10;
    learn("");
    fake_ms += 10000;
    ask(&client, CACHE_ACCOUNT); /* revalidated behind it */
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
    api_says(API_OUTAGE, "");
    client = told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    assert_true(client.stale);
    assert_int_equal(client.age, 10);
    assert_true(told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT).stale);
}

/* However fresh, a document serves in an outage for its own bound only. */
static void expect_bound_in_freshness(const char *extra, int64_t seconds)
{
    struct client client;

    conf.keys_fresh = 60;
    conf.account_fresh = 5;
    learn(extra);
    fake_ms += 5000;
    ask(&client, CACHE_ACCOUNT);
    assert_int_equal(client.answers, seconds > 5);
    api_says(API_OUTAGE, "");
    if (seconds > 5) {
        fake_ms += (seconds - 5) * 1000 - 1;
        ask(&client, CACHE_KEYS);
        assert_told(&client, CACHE_DOCUMENT);
        assert_true(client.stale);
        if (pendings > 0)
            api_says(API_OUTAGE, "");
        fake_ms += 1;
    }
    told_at_once(CACHE_KEYS, CACHE_UNAVAILABLE);
}

static void test_bound_below_keys_fresh(void **state)
{
    (void)state;
    expect_bound_in_freshness(",\"max_stale_seconds\":20", 20);
}

static void test_no_bound_below_keys_fresh(void **state)
{
    (void)state;
    expect_bound_in_freshness(",\"max_stale_seconds\":0", 0);
}

/* A clock may stand 2 seconds before the last good answer, and no more. */
static void test_clock_put_back(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 4000;
    fake_time -= 2;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    fake_ms += 1000;
    fake_time -= 1;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* No step of the clock makes a right last longer: its time neither goes back nor falls behind. */
static void test_time_of_rights(void **state)
{
    int64_t begin = fake_time;

    (void)state;
    assert_int_equal(cache_visit(cache, NULL).now, begin);
    fake_ms += 60000;
    fake_time -= 86400;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 60);
    assert_int_equal(cache_visit(cache, NULL).wall, begin - 86400);
    fake_time += 86400 + 3600; /* forward, or a virtual machine that was paused */
    assert_int_equal(cache_visit(cache, NULL).now, begin + 3600);
    fake_ms += 60000;
    fake_time -= 7200;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 3660);
    /* It was put back while no daemon ran. */
    most_ahead = begin + 9000 - fake_ms / 1000;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 9000);
    assert_string_equal(cache_visit(cache, "192.0.2.7").from, "192.0.2.7");
}

/* The API's clock decides whether a clock that was put back had been ahead. Alone it ends and
 * begins nothing. */
static void test_time_by_api(void **state)
{
    int64_t begin = fake_time, right = begin - fake_ms / 1000;

    (void)state;
    ahead_by_api = right + 3600; /* the API's is wrong */
    assert_int_equal(cache_visit(cache, NULL).now, begin);
    fake_time -= 86400;
    ahead_by_api = right;
    assert_int_equal(cache_visit(cache, NULL).now, begin);
    fake_time = begin + 7200;
    ahead_by_api = INT64_MAX; /* forgotten, as by api_ahead: it may have been a paused machine */
    assert_int_equal(cache_visit(cache, NULL).now, begin + 7200);
    fake_time = begin;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 7200);
    ahead_by_api = right; /* by the next answer */
    assert_int_equal(cache_visit(cache, NULL).now, begin);
    fake_time = begin - 60;
    fake_ms += 1000;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 1);
    ahead_by_api = right - 86400;
    assert_int_equal(cache_visit(cache, NULL).now, begin - 60);
    ahead_by_api = INT64_MAX;
    assert_int_equal(cache_visit(cache, NULL).now, begin + 7201);
}

/* A virtual machine was paused for longer than the bound: its time since boot stood still. */
static void test_paused(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_time += 3601;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0); /* the document is older than keys_fresh */
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(client.age, 3601);
}

/* A small step of the wall clock makes no answer older. */
static void test_clock_corrected(void **state)
{
    (void)state;
    learn("");
    fake_time += 2;
    assert_int_equal(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).age, 0);
}

static void test_invalid_is_an_outage(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "garbage");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    fake_ms += 1000;
    accepted = false;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, ",\"title\":\"new\"");
    client = told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    assert_true(client.stale);
}

static void test_nothing_known(void **state)
{
    struct client client;

    (void)state;
    ask(&client, CACHE_ACCOUNT);
    api_says(API_DOCUMENT, "garbage");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_non_null(strstr(client.detail, "invalid document"));
    fake_ms += 999;
    told_at_once(CACHE_ACCOUNT, CACHE_UNAVAILABLE);
    fake_ms += 1;
    ask(&client, CACHE_ACCOUNT); /* without a document to serve, the client waits for the probe */
    assert_int_equal(client.answers, 0);
    api_says(API_DOCUMENT, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
}

/* 304 to a request without a validator is a failure. */
static void test_unchanged_of_nothing(void **state)
{
    struct client client;

    (void)state;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

static void test_client_gone(void **state)
{
    struct client gone, here;

    (void)state;
    ask(&gone, CACHE_KEYS);
    ask(&here, CACHE_KEYS);
    cache_forget(&gone.waiter);
    cache_forget(&gone.waiter);
    api_says(API_DOCUMENT, "");
    assert_int_equal(gone.answers, 0);
    assert_told(&here, CACHE_DOCUMENT);
}

/* Two clients; the first one that is answered makes the other one give up. */
static struct client pair[2];

static void forget_other(void *arg, const struct cache_answer *answer)
{
    on_answer(arg, answer);
    cache_forget(arg == &pair[0] ? &pair[1].waiter : &pair[0].waiter);
}

static void test_forgotten_while_answering(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ask(&pair[i], CACHE_KEYS);
        pair[i].waiter.answered = forget_other;
    }
    api_says(API_DOCUMENT, "");
    assert_int_equal(pair[0].answers + pair[1].answers, 1);
}

static void test_file_is_looked_at_every_time(void **state)
{
    struct client client;

    (void)state;
    is_file = true;
    for (size_t i = 1; i <= 3; i++) {
        ask(&client, CACHE_ACCOUNT);
        assert_int_equal(requests, i);
        api_says(i == 1 ? API_DOCUMENT : API_UNCHANGED, "");
        assert_told(&client, CACHE_DOCUMENT);
    }
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_DOCUMENT, "");
    assert_told(&client, CACHE_DOCUMENT);
}

/* Another API: nothing that the old one said is believed, nor answers that are under way. */
static void test_other_api(void **state)
{
    struct client client;

    (void)state;
    learn("");
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    cache_configure(cache, CACHE_OTHER_API);
    api_says(API_UNCHANGED, ""); /* of the old API */
    assert_int_equal(client.answers, 0);
    assert_int_equal(pendings, 1);
    assert_string_equal(pending[0].validator, "");
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* ---- Large documents ---- */

static void use_worker(size_t bytes)
{
    plan.worker = (struct worker *)working;
    start_cache();
    padded = bytes;
}

/* A large document is read by the worker. Until then its own clients wait, and no others. */
static void test_large(void **state)
{
    struct client first, second, other;

    (void)state;
    any_name = true;
    use_worker(LIMITS_READ_MAX + 1);
    ask(&first, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    ask(&second, CACHE_KEYS);
    assert_int_equal(first.answers + second.answers, 0);
    assert_int_equal(requests, 1);
    padded = LIMITS_READ_MAX;
    ask_for(&other, "robot", "production");
    api_says(API_DOCUMENT, "");
    assert_int_equal(other.answers, 1);
    assert_int_equal(workings, 1);
    worker_is_done();
    assert_told(&first, CACHE_DOCUMENT);
    assert_told(&second, CACHE_DOCUMENT);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
}

static unsigned foreign_asked;

bool foreign_may_have_id(uint32_t uid, uint32_t gid, char *why, size_t size)
{
    (void)uid;
    (void)gid;
    foreign_asked++;
    snprintf(why, size, "account.uid: belongs to user root of systemd");
    return plan.asker == (struct worker *)working;
}

bool foreign_each(const char *database, foreign_service *each, void *arg)
{
    (void)database;
    (void)each;
    (void)arg;
    return true;
}

#define NAMED_TOMBSTONE                                                                            \
    "{\"version\":1,\"project\":\"abcdefghij\",\"environment\":{\"name\":\"%s\","                  \
    "\"status\":\"deleted\"}%s}"

/* No other name service is asked for the ids of a tombstone, which has none. */
static void test_tombstone_and_services(void **state)
{
    struct client client;
    char tombstone[512];

    (void)state;
    plan.asker = (struct worker *)working;
    unbound = true;
    start_cache();
    ask(&client, CACHE_KEYS);
    snprintf(tombstone, sizeof tombstone, NAMED_TOMBSTONE, "staging", "");
    api_says_bytes(tombstone);
    worker_is_done();
    assert_told(&client, CACHE_ABSENT);
    assert_int_equal(foreign_asked, 0);
    fake_ms += 3600000;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    worker_is_done();
    assert_int_equal(foreign_asked, 1);
    assert_told(&client, CACHE_UNAVAILABLE);
}

static void use_asker(void)
{
    plan.asker = plan.worker = (struct worker *)working;
    unbound = any_name = true;
    start_cache();
}

/* Prefetches environments without ids until a prefetch is refused. Returns how many were not. */
static unsigned prefetch_unbound(void)
{
    char name[32];
    unsigned sent;

    for (sent = 0; sent < LIMITS_ASKING_MAX; sent++) {
        fake_ms += 100;
        snprintf(name, sizeof name, "env%u", sent);
        if (!background_prefetch(cache, "abcdefghij", name))
            break;
        assert_int_equal(pendings, 1);
        api_says(API_DOCUMENT, "");
    }
    return sent;
}

/* Prefetches an environment that has its ids, of which the disk has no file. */
static void prefetch_bound(const char *environment)
{
    struct client client;

    unbound = false;
    ask_for(&client, "abcdefghij", environment);
    api_says(API_ABSENT, "");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", environment);
    fake_ms += 10;
    assert_true(background_prefetch(cache, "abcdefghij", environment));
    assert_int_equal(pendings, 1);
}

/* Logs in to the environment without ids that has this number; the API answers. */
static void log_in_unbound(struct client *client, unsigned number)
{
    char name[32];

    fake_ms += 1000;
    snprintf(name, sizeof name, "login%u", number);
    ask_as(client, &logins, "abcdefghij", name);
    assert_int_equal(pendings, 1);
    api_says(API_DOCUMENT, "");
    assert_int_equal(client->answers, 0);
}

/* While another name service hangs, new environments wait for it, and take no request from others:
 * neither from those that the feed names, nor from the logins of their project. */
static void test_services_hang(void **state)
{
    static struct client clients[2 * UNKNOWN_LOGINS_MAX];
    struct client known;

    (void)state;
    use_asker();
    unbound = false;
    learn("");
    unbound = true;
    assert_int_equal(prefetch_unbound(), BACKGROUND_MAX);
    for (unsigned i = 0; i < 2 * UNKNOWN_LOGINS_MAX; i++)
        log_in_unbound(&clients[i], i);
    assert_int_equal(workings, BACKGROUND_MAX + 2 * UNKNOWN_LOGINS_MAX);
    fake_ms += 60000;
    unbound = false;
    ask(&known, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    fake_ms += 1000;
    background_probe(cache);
    assert_int_equal(pendings, 1);
    api_says(API_UNCHANGED, "");
    while (workings > 0)
        worker_is_done();
    for (unsigned i = 0; i < 2 * UNKNOWN_LOGINS_MAX; i++)
        assert_told(&clients[i], CACHE_UNAVAILABLE);
    /* None of them is counted any longer, and none twice. */
    unbound = true;
    hang(clients, &logins, "later");
    while (pendings > 0)
        api_says(API_ABSENT, "");
}

/* While a name service is slow, what the feed names waits for it in small numbers: the rest is
 * offered again, and neither a login nor an environment that has its ids waits behind it. */
static void test_services_slow(void **state)
{
    struct client client;

    (void)state;
    use_asker();
    assert_int_equal(prefetch_unbound(), BACKGROUND_MAX);
    prefetch_bound("bound");
    api_says(API_ABSENT, "");
    unbound = true;
    worker_is_done();
    assert_true(background_prefetch(cache, "abcdefghij", "refused"));
    api_says(API_DOCUMENT, "");
    assert_false(background_prefetch(cache, "abcdefghij", "later"));
    log_in_unbound(&client, 0);
    while (workings > 0)
        worker_is_done();
    assert_told(&client, CACHE_UNAVAILABLE);
    padded = DOCUMENT_SIZE_MAX;
    fake_ms += 60000;
    assert_int_equal(prefetch_unbound(), LIMITS_UNREAD_MAX / 2 / DOCUMENT_SIZE_MAX);
    while (workings > 0)
        worker_is_done();
}

/* Nor do those that were sent before the first large answer take the bytes of logins, also of one
 * that has joined such a request. What is dropped is asked for again at once. */
static void test_services_slow_and_large(void **state)
{
    struct client client, joined, dropped;
    char name[32];

    (void)state;
    use_asker();
    for (unsigned i = 0; i < BACKGROUND_MAX; i++) {
        snprintf(name, sizeof name, "large%u", i);
        assert_true(background_prefetch(cache, "abcdefghij", name));
    }
    ask_as(&joined, &logins, "abcdefghij", name);
    padded = DOCUMENT_SIZE_MAX;
    for (unsigned i = 0; i < BACKGROUND_MAX; i++)
        api_says(API_DOCUMENT, "");
    assert_int_equal(joined.answers, 0);
    assert_int_equal(workings, LIMITS_UNREAD_MAX / 2 / DOCUMENT_SIZE_MAX + 2);
    log_in_unbound(&client, 0);
    snprintf(name, sizeof name, "large%u", BACKGROUND_MAX - 2);
    ask_as(&dropped, &logins, "abcdefghij", name);
    assert_int_equal(dropped.answers, 0);
    api_says(API_DOCUMENT, "");
    while (workings > 0)
        worker_is_done();
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_told(&joined, CACHE_UNAVAILABLE);
    assert_non_null(strstr(joined.detail, "invalid document"));
    assert_told(&dropped, CACHE_UNAVAILABLE);
    assert_non_null(strstr(dropped.detail, "invalid document"));
    assert_non_null(strstr(client.detail, "invalid document"));
}

/* What waits for it is bounded by number and by bytes, and large documents of others are read. */
static void test_services_hang_for_long(void **state)
{
    static struct client clients[LIMITS_ASKING_MAX];
    struct client client;

    (void)state;
    use_asker();
    for (unsigned i = 0; i < LIMITS_ASKING_MAX; i++)
        log_in_unbound(&clients[i], i);
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_non_null(strstr(client.detail, "wait to be read or judged"));
    prefetch_bound("next");
    unbound = true; /* it has lost its ids meanwhile */
    api_says(API_DOCUMENT, "");
    /* The API is well, so others are fetched all the same. */
    prefetch_bound("other");
    api_says(API_ABSENT, "");
    while (workings > 0)
        worker_is_done();
    fake_ms += 60000;
    unbound = true;
    padded = DOCUMENT_SIZE_MAX;
    for (unsigned i = 0; workings <= LIMITS_UNREAD_MAX / DOCUMENT_SIZE_MAX; i++) {
        log_in_unbound(&clients[i], LIMITS_ASKING_MAX + i);
        assert_int_equal(workings, i + 1);
    }
    unbound = false;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_int_equal(client.answers, 0);
    while (workings > 0)
        worker_is_done();
    assert_told(&client, CACHE_DOCUMENT);
}

/* What it says counts as it would at once: the known body is a confirmation, a bad one a failure.
 */
static void test_large_again(void **state)
{
    struct client client;

    (void)state;
    use_worker(LIMITS_READ_MAX + 1);
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    worker_is_done();
    accepted = false; /* a document that was parsed again would be refused */
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    worker_is_done();
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "garbage");
    worker_is_done();
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    assert_non_null(strstr(client.detail, "invalid document"));
}

/* The settings name another API while a document of the old one is read. */
static void test_large_of_other_api(void **state)
{
    struct client client;

    (void)state;
    use_worker(LIMITS_READ_MAX + 1);
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    cache_configure(cache, CACHE_OTHER_API);
    worker_is_done();
    assert_int_equal(client.answers, 0);
    assert_int_equal(pendings, 1);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* The memory of those that wait to be read is bounded. */
static void test_large_many(void **state)
{
    static struct client clients[LIMITS_UNREAD_MAX / DOCUMENT_SIZE_MAX + 1], last;
    const size_t most = sizeof clients / sizeof clients[0];
    char name[32];

    (void)state;
    any_name = true;
    use_worker(DOCUMENT_SIZE_MAX);
    for (size_t i = 0; i < most; i++) {
        snprintf(name, sizeof name, "robot%05zu", i);
        ask_for(&clients[i], name, "production");
        api_says(API_DOCUMENT, "");
        assert_int_equal(clients[i].answers, 0);
    }
    assert_int_equal(workings, most);
    ask(&last, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_told(&last, CACHE_UNAVAILABLE);
    assert_non_null(strstr(last.detail, "too many of them wait"));
    while (workings > 0)
        worker_is_done();
    fake_ms += 1000;
    ask(&last, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    worker_is_done();
    assert_told(&last, CACHE_DOCUMENT);
}

/* No client is answered by a document that a crash could undo. */
static void test_answers_wait_for_the_disk(void **state)
{
    struct client first, second;

    (void)state;
    keep_documents();
    ask(&first, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_int_equal(first.answers, 0);
    ask(&second, CACHE_ACCOUNT);
    assert_int_equal(second.answers, 0);
    assert_int_equal(requests, 1);
    disk_says_done();
    assert_told(&first, CACHE_DOCUMENT);
    assert_told(&second, CACHE_DOCUMENT);
    assert_int_equal(disk.puts, 1);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
}

/* A 304, or the same body again, is not parsed, and is written to the store once a minute. */
static void test_confirmations(void **state)
{
    struct client client;

    (void)state;
    keep_documents();
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    disk_says_done();
    accepted = false; /* a document that was parsed again would be refused */
    for (unsigned i = 0; i < 20; i++) {
        fake_ms += 3000;
        ask(&client, CACHE_KEYS);
        api_says(i % 2 == 0 ? API_UNCHANGED : API_DOCUMENT, "");
        assert_told(&client, CACHE_DOCUMENT);
        assert_false(client.stale);
    }
    assert_int_equal(disk.puts, 1);
    assert_int_equal(disk.touches, 1);
    fake_ms += 3000;
    cache_configure(cache, CACHE_OTHER_HOST); /* the file is another host's until then */
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_int_equal(disk.touches, 2);
    fake_ms += 3000;
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    disk_says_done();
    assert_told(&client, CACHE_ABSENT);
    assert_int_equal(disk.removals, 1);
}

/* A document that the store failed to write is fetched whole and stored, a minute later. */
static void test_kept_later(void **state)
{
    struct client client;

    (void)state;
    keep_documents();
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    disk.fails = true;
    disk_says_done();
    assert_told(&client, CACHE_DOCUMENT);
    for (unsigned i = 1; i <= 3; i++) {
        fake_ms += 59000;
        ask(&client, CACHE_KEYS);
        assert_string_equal(pending[0].validator, "\"v1\"");
        api_says(API_UNCHANGED, "");
        assert_told(&client, CACHE_DOCUMENT);
        assert_int_equal(disk.puts, i);
        fake_ms += 3000;
        ask(&client, CACHE_KEYS);
        assert_string_equal(pending[0].validator, i < 3 ? "" : "\"v1\"");
        if (i == 3)
            break;
        api_says(API_DOCUMENT, "");
        assert_int_equal(disk.puts, i + 1);
        disk.fails = i == 1; /* the disk has space again */
        disk_says_done();
        assert_told(&client, CACHE_DOCUMENT);
    }
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(disk.touches, 1);
}

/* No client is told that it is absent while a crash could bring it back; its file is removed once.
 */
static void test_absence_waits_for_the_disk(void **state)
{
    struct client first, second;

    (void)state;
    keep_documents();
    ask(&first, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    disk_says_done();
    fake_ms += 3000;
    ask(&first, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_int_equal(first.answers, 0);
    ask(&second, CACHE_ACCOUNT);
    assert_int_equal(second.answers, 0);
    assert_int_equal(pendings, 0);
    disk_says_done();
    assert_told(&first, CACHE_ABSENT);
    assert_told(&second, CACHE_ABSENT);
    fake_ms += 10000;
    ask(&first, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_told(&first, CACHE_ABSENT);
    assert_int_equal(disk.removals, 1);
    /* If it comes back, it is stored and removed anew. */
    fake_ms += 10000;
    ask(&first, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    disk_says_done();
    assert_told(&first, CACHE_DOCUMENT);
    fake_ms += 3000;
    ask(&first, CACHE_KEYS);
    api_says(API_ABSENT, "");
    disk_says_done();
    assert_int_equal(disk.removals, 2);
}

/* A failure of the disk changes no answer; removal is tried again the next time. */
static void test_absence_on_a_bad_disk(void **state)
{
    struct client client;

    (void)state;
    keep_documents();
    disk.fails = true;
    for (unsigned i = 1; i <= 2; i++) {
        ask(&client, CACHE_KEYS);
        api_says(API_ABSENT, "");
        assert_int_equal(client.answers, 0);
        disk_says_done();
        assert_told(&client, CACHE_ABSENT);
        assert_int_equal(disk.removals, i);
        fake_ms += 10000;
    }
}

/* Without memory to remove its file, the request that follows for a later client counts as one in
 * flight all the same. */
static void test_absence_without_memory(void **state)
{
    static struct client clients[UNKNOWN_OTHERS_MAX];
    struct client late;
    char name[32];

    (void)state;
    any_name = disk.no_memory = true;
    keep_documents();
    ask_for(&clients[0], "abcdefghij", "production");
    fake_ms += (int64_t)1000 * conf.account_fresh + 1;
    ask_for(&late, "abcdefghij", "production");
    api_says(API_ABSENT, "");
    assert_told(&clients[0], CACHE_ABSENT);
    assert_int_equal(late.answers, 0);
    assert_int_equal(pendings, 1);
    for (unsigned i = 1; i < UNKNOWN_OTHERS_MAX; i++) {
        snprintf(name, sizeof name, "robot%05u", i);
        ask_for(&clients[i], name, "production");
        assert_int_equal(clients[i].answers, 0);
    }
    ask_for(&clients[0], "another", "production");
    assert_told(&clients[0], CACHE_UNAVAILABLE);
    assert_string_equal(clients[0].detail, "too many requests for unknown names");
}

/* While a disk hangs, the number of absent names is bounded, also with file:// documents. */
static void test_absent_names_on_a_slow_disk(void **state)
{
    static struct client clients[UNKNOWN_OTHERS_MAX + 1];
    static store_done *done[UNKNOWN_OTHERS_MAX];
    static void *arg[UNKNOWN_OTHERS_MAX];
    char name[32];

    (void)state;
    is_file = any_name = unbound = true;
    keep_documents();
    for (unsigned i = 0; i <= UNKNOWN_OTHERS_MAX; i++) {
        snprintf(name, sizeof name, "robot%05u", i);
        ask_for(&clients[i], name, "production");
        if (pendings == 0)
            break;
        api_says(API_ABSENT, "");
        done[i] = disk.done;
        arg[i] = disk.arg;
    }
    assert_int_equal(disk.removals, UNKNOWN_OTHERS_MAX);
    assert_told(&clients[UNKNOWN_OTHERS_MAX], CACHE_UNAVAILABLE);
    for (unsigned i = 0; i < UNKNOWN_OTHERS_MAX; i++) {
        assert_int_equal(clients[i].answers, 0);
        done[i](arg[i], true);
        assert_told(&clients[i], CACHE_ABSENT);
    }
    ask_for(&clients[0], "robot99999", "production");
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    disk.done(disk.arg, true);
}

/* After a restart the bound counts from the last confirmation, and the API is asked first. */
static void test_restored(void **state)
{
    char body[1024];
    int n = snprintf(body, sizeof body, DOCUMENT, "");
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .validator = {.etag = "\"v0\""},
                                   .asked = fake_ms - 3500 * 1000,
                                   .asked_wall = fake_time - 3500};
    struct client client;

    (void)state;
    keep_documents();
    keep(&kept, body, (size_t)n);
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    assert_int_equal(disk.reads, 1);
    assert_string_equal(pending[0].validator, "\"v0\"");
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    assert_int_equal(client.age, 3500);
    fake_ms += 100 * 1000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

static bool count_gone(void *arg, const struct cache_news *news)
{
    *(unsigned *)arg += news->document == NULL;
    return false;
}

/* The subscriber hears of a stored document that may not be used: an earlier process may have told
 * it. Of an environment without a file it hears nothing. */
static void test_unusable_told(void **state)
{
    const struct stored_document kept = {.project = "abcdefghij", .environment = "staging"};
    struct client client;
    unsigned gone = 0;

    (void)state;
    disk.error = ENOENT;
    keep_documents();
    cache_subscribe(cache, count_gone, &gone);
    ask_for(&client, "abcdefghij", "production");
    assert_int_equal(gone, 0);
    keep(&kept, "{}", 2);
    ask(&client, CACHE_KEYS);
    assert_int_equal(gone, 1);
    disk.error = EPERM;
    ask_for(&client, "abcdefghij", "damaged");
    assert_int_equal(gone, 2);
}

/* Puts a file for an environment into the store, of a document that was asked for just now. */
static void keep_named(const char *environment)
{
    const struct stored_document kept = {.project = "abcdefghij",
                                         .environment = environment,
                                         .asked = fake_ms,
                                         .asked_wall = fake_time};
    char body[1024];
    int n = snprintf(body, sizeof body, NAMED_DOCUMENT, environment);

    keep(&kept, body, (size_t)n);
}

struct told {
    unsigned documents, gone;
    int64_t until;
};

static bool take_news(void *arg, const struct cache_news *news)
{
    struct told *told = arg;

    told->documents += news->document != NULL;
    told->gone += news->document == NULL;
    told->until = news->until;
    return news->document != NULL;
}

static void assert_names_only(void)
{
    struct client client;

    ask(&client, CACHE_KEYS);
    if (client.answers == 0)
        api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    ask(&client, CACHE_ACCOUNT);
    if (client.answers == 0)
        api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(client.age, CACHE_AGE_UNKNOWN);
}

/* A restart forgets that the API fails. It does not make a document usable that is past its bound,
 * however long documents are fresh. */
static void test_bound_after_restart(void **state)
{
    struct client client;

    (void)state;
    conf.keys_fresh = 3600;
    conf.max_stale = 60;
    keep_documents();
    keep_named("staging");
    fake_ms += 60000;
    fake_time += 60;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* A stored document whose age is not known names its account for the whole outage, and lets no
 * person in until the API confirms it, however slow the API is. */
static void test_age_unknown(void **state)
{
    struct told told = {0};
    struct client client, late;

    (void)state;
    disk.ageless = true;
    keep_documents();
    keep_named("staging");
    cache_subscribe(cache, take_news, &told);
    assert_names_only();
    assert_int_equal(told.documents, 1);
    assert_int_equal(told.until, 0);
    cache_subscribe(cache, take_news, &told);
    assert_int_equal(told.until, 0);
    for (unsigned i = 0; i < 3; i++) {
        fake_ms += 3600000;
        fake_time += 3600;
        assert_names_only();
    }
    fake_ms += 20000;
    ask_hurried(&client, CACHE_KEYS);
    fake_ms += 60000;
    ask_hurried(&late, CACHE_KEYS);
    assert_int_equal(client.answers + late.answers, 0);
    cache_forget(&late.waiter);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    fake_ms += 20000;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
    assert_int_equal(told.gone, 0);
}

/* A failure to read a file takes nothing back: the file is read again, after a wait that grows. */
static void test_load_fails(void **state)
{
    struct told told = {0};
    struct client client;

    (void)state;
    keep_documents();
    keep_named("staging");
    cache_subscribe(cache, take_news, &told);
    disk.unreadable = "staging";
    ask(&client, CACHE_ACCOUNT);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    told_at_once(CACHE_ACCOUNT, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 1);
    fake_ms += 1000;
    ask(&client, CACHE_ACCOUNT);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 2);
    disk.unreadable = NULL;
    no_local_accounts = true; /* then no document can be judged */
    fake_ms += 2000;
    ask(&client, CACHE_ACCOUNT);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 3);
    no_local_accounts = false;
    no_memory = true; /* nor can it be parsed */
    fake_ms += 4000;
    ask(&client, CACHE_ACCOUNT);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 4);
    assert_int_equal(told.documents + told.gone, 0);
    no_memory = false;
    fake_ms += 8000;
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    assert_int_equal(told.documents, 1);
    assert_int_equal(disk.reads, 5);
    assert_int_equal(told.gone, 0);
}

/* A file that could not be read is not read once the API has said something newer. */
static void test_load_fails_and_the_api_answers(void **state)
{
    struct client client;

    (void)state;
    disk.at_once = true;
    keep_documents();
    keep_named("staging");
    disk.unreadable = "staging";
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
    disk.unreadable = NULL;
    fake_ms += 3600000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 1);
}

/* A document is read once, for all who ask meanwhile, and then they ask as they would have. */
static void test_read_first(void **state)
{
    struct client keys, account, now;

    (void)state;
    hangs = true;
    keep_documents();
    keep_named("staging");
    ask(&keys, CACHE_KEYS);
    ask(&account, CACHE_ACCOUNT);
    ask(&now, CACHE_NOW);
    assert_int_equal(loadings, 1);
    assert_int_equal(requests, 0);
    cache_forget(&account.waiter);
    loads_are_done();
    assert_told(&keys, CACHE_DOCUMENT);
    assert_int_equal(account.answers, 0);
    assert_int_equal(now.answers, 0);
    api_says(API_UNCHANGED, "");
    assert_told(&now, CACHE_DOCUMENT);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    assert_int_equal(disk.reads, 1);
}

/* While a disk hangs, documents in memory decide, and unknown names are bounded. */
static void test_hung_disk(void **state)
{
    static struct client clients[UNKNOWN_OTHERS_MAX + 1], bound[8];
    char name[32];

    (void)state;
    keep_documents();
    keep_named("staging");
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    hangs = any_name = true;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "env%u", i);
        ask_for(&bound[i], "abcdefghij", name);
    }
    unbound = true;
    for (unsigned i = 0; i <= UNKNOWN_OTHERS_MAX; i++) {
        snprintf(name, sizeof name, "robot%05u", i);
        ask_for(&clients[i], name, "production");
        assert_int_equal(clients[i].answers, i == UNKNOWN_OTHERS_MAX);
    }
    assert_told(&clients[UNKNOWN_OTHERS_MAX], CACHE_UNAVAILABLE);
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    assert_int_equal(loadings, 8 + UNKNOWN_OTHERS_MAX);
    assert_int_equal(requests, 0);
    /* The request follows the file that is not there, by the same permit. */
    loads_are_done();
    assert_int_equal(requests, UNKNOWN_OTHERS_MAX);
}

/* Without a store's file the API decides. An absent name that was never stored is not removed. */
static void test_no_file(void **state)
{
    struct client client;

    (void)state;
    disk.error = ENOENT;
    keep_documents();
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
    assert_int_equal(disk.removals, 0);
}

/* An evicted document is read again, and memory is bounded. */
static void test_evicted(void **state)
{
    struct cache_figures figures;
    struct client client;
    char name[32];

    (void)state;
    keep_documents();
    file[0].from.asked = fake_ms;
    file[0].from.asked_wall = fake_time;
    files = 1; /* of any environment */
    file[0].project[0] = '\0';
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "env%u", i);
        ask_for(&client, "abcdefghij", name);
        assert_told(&client, CACHE_DOCUMENT);
    }
    cache_look(cache, &figures);
    assert_in_range(figures.bytes, ENTRIES_BYTES_MAX / 4, ENTRIES_BYTES_MAX);
    ask_for(&client, "abcdefghij", name);
    assert_int_equal(disk.reads, 20000);
    ask_for(&client, "abcdefghij", "env0");
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(disk.reads, 20001);
    assert_int_equal(requests, 0);
}

/* What was read for another API is ignored, and read again. */
static void test_read_of_other_api(void **state)
{
    struct client client;

    (void)state;
    hangs = true;
    keep_documents();
    keep_named("staging");
    ask(&client, CACHE_KEYS);
    cache_configure(cache, CACHE_OTHER_API);
    loads_are_done();
    assert_int_equal(disk.reads, 2);
    assert_told(&client, CACHE_DOCUMENT);
}

/* A document that the feed named while it was not in memory is asked for. */
static void test_named_on_disk(void **state)
{
    struct client client;

    (void)state;
    keep_documents();
    keep_named("staging");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    assert_int_equal(pendings, 1);
}

/* After cache_stop nothing follows what is being read. */
static void test_stopped(void **state)
{
    struct client client;

    (void)state;
    hangs = true;
    keep_documents();
    ask(&client, CACHE_KEYS);
    cache_forget(&client.waiter);
    background_prefetch(cache, "abcdefghij", "production");
    cache_survey(cache, NULL, NULL);
    cache_stop(cache);
    keep_named("staging");
    keep_named("production");
    loads_are_done();
    assert_int_equal(requests, 0);
    assert_int_equal(loadings, 0);
}

static const struct notify notify = {.fd = -1};
static unsigned extended;

void notify_extend(const struct notify *told)
{
    assert_ptr_equal(told, &notify);
    extended++;
}

/* Lists the stored documents, and binds what was lost. */
static void bind_stored(void)
{
    cache_list_stored(cache, (struct worker *)loading);
    loads_are_done();
    cache_bind_stored(cache, &notify);
}

static void bind_none(void *arg)
{
    (void)arg;
    bind_stored();
}

/* At the start the documents of environments without a binding are read, also those that may not be
 * used, and no others. */
static void test_bind_stored(void **state)
{
    (void)state;
    keep_documents();
    keep_named("staging");
    keep_named("production");
    disk.foreign = true;
    bind_stored();
    assert_int_equal(counted, 2);
    assert_int_equal(disk.reads, 0);
    assert_int_equal(extended, 0);
    lost = "production";
    bind_stored();
    assert_int_equal(disk.reads, 1);
    assert_int_equal(bound_again, 1);
    assert_int_equal(extended, 1);
    all_lost = true; /* they have the same ids */
    bind_stored();
    assert_int_equal(doubted, 2);
    assert_int_equal(bound_again, 1);
    all_lost = false;
    strcpy(file[1].body, "{");
    file[1].from.length = 1;
    bind_stored();
    assert_int_equal(bound_again, 1);
    disk.unlisted = true;
    assert_fatal(bind_none, NULL);
}

static void count_done(void *arg)
{
    ++*(unsigned *)arg;
}

/* A survey reports each stored document once, and keeps those in memory that are used. */
static void test_survey(void **state)
{
    unsigned news = 0, done = 0;
    char name[32];

    (void)state;
    keep_documents();
    cache_subscribe(cache, count_news, &news);
    keep_named("staging");
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "env%u", i);
        keep_named(name);
    }
    cache_survey(cache, count_done, &done);
    assert_int_equal(done, 0);
    loads_are_done();
    assert_int_equal(done, 1);
    assert_int_equal(news, 10);
    assert_int_equal(disk.reads, 10);
    /* They are in memory now, and reported by cache_subscribe. */
    cache_subscribe(cache, count_news, &news);
    cache_survey(cache, count_done, &done);
    cache_survey(cache, count_done, &done);
    loads_are_done();
    assert_int_equal(done, 2);
    assert_int_equal(news, 20);
    assert_int_equal(disk.reads, 10);
    assert_int_equal(requests, 0);
}

/* The list of the start only binds: each survey lists anew. */
static void test_survey_of_the_start(void **state)
{
    unsigned done = 0;

    (void)state;
    keep_documents();
    keep_named("staging");
    lists = 0;
    bind_stored();
    loads_are_done();
    assert_int_equal(disk.reads, 0);
    assert_int_equal(lists, 1);
    keep_named("production");
    cache_survey(cache, count_done, &done);
    loads_are_done();
    assert_int_equal(done, 1);
    assert_int_equal(disk.reads, 2);
    assert_int_equal(lists, 2);
}

/* One that has missed a document of a bad disk is not done: the next process has to look again. */
static void test_survey_of_bad_disk(void **state)
{
    unsigned news = 0, done = 0;

    (void)state;
    keep_documents();
    cache_subscribe(cache, count_news, &news);
    keep_named("staging");
    keep_named("production");
    disk.unreadable = "staging";
    cache_survey(cache, count_done, &done);
    loads_are_done();
    assert_int_equal(done, 0);
    disk.unreadable = NULL;
    start_cache();
    cache_subscribe(cache, count_news, &news);
    cache_survey(cache, count_done, &done);
    loads_are_done();
    assert_int_equal(done, 1);
}

/* One that could not list the documents lists them later, and only once. */
static void test_survey_unlisted(void **state)
{
    unsigned done = 0;

    (void)state;
    keep_documents();
    keep_named("staging");
    lists = 0;
    disk.unlisted = true;
    cache_survey(cache, count_done, &done);
    loads_are_done();
    disk.unlisted = false;
    fake_ms += 1000;
    background_probe(cache);
    loads_are_done();
    assert_int_equal(lists, 1);
    fake_ms += 60000;
    background_probe(cache);
    loads_are_done();
    assert_int_equal(done, 1);
    assert_int_equal(lists, 2);
    assert_int_equal(disk.reads, 1);
    fake_ms += 60000;
    background_probe(cache);
    loads_are_done();
    assert_int_equal(lists, 2);
}

static bool note_failing(void *arg, const struct cache_view *view)
{
    char(*names)[64] = arg;

    if (view->failing)
        strcat(strcat(*names, view->environment), " ");
    return false;
}

/* Which environments operators are told are failing. */
static const char *failing(void)
{
    static char names[64];

    names[0] = '\0';
    (void)cache_walk(cache, 0, note_failing, &names);
    return names;
}

static void api_answers(const char *environment, enum api_verdict verdict, const char *extra)
{
    struct client client = {.waiter = {.answered = on_answer, .arg = &client}};

    put_question("abcdefghij", environment, CACHE_NOW, &client.waiter);
    api_says(verdict, extra);
    assert_int_equal(client.answers, 1);
    fake_ms += 1000;
    fake_time++;
}

/* A name that a stranger asked for in an outage tells nothing once the API has answered again. */
static void test_failing(void **state)
{
    (void)state;
    unbound = true;
    api_answers("stray", API_OUTAGE, "");
    assert_string_equal(failing(), "stray ");
    api_answers("other", API_ABSENT, "");
    assert_string_equal(failing(), "");
    api_answers("stray", API_OUTAGE, "");
    assert_string_equal(failing(), "stray ");
    api_answers("staging", API_DOCUMENT, "");
    assert_string_equal(failing(), "");
    /* What the API has sent is an environment. */
    api_answers("invalid", API_DOCUMENT, "garbage");
    api_answers("staging", API_DOCUMENT, "");
    assert_string_equal(failing(), "invalid ");
    api_answers("invalid", API_ABSENT, "");
    assert_string_equal(failing(), "");
    /* So is what a document is known of. */
    api_answers("staging", API_OUTAGE, "");
    api_answers("other", API_ABSENT, "");
    assert_string_equal(failing(), "staging ");
    /* So is what has had an account here: only a damaged file, say, makes its document unknown. */
    api_answers("stray", API_ABSENT, "");
    api_answers("damaged", API_OUTAGE, "");
    api_answers("staging", API_DOCUMENT, "");
    assert_string_equal(failing(), "");
    unbound = false;
    assert_string_equal(failing(), "damaged ");
}

/* Whether an absence is withheld. */
static bool is_guarded(void)
{
    struct cache_figures figures;

    cache_look(cache, &figures);
    return figures.guarded;
}

/* Lets the API say that so many environments are absent; returns how many are. */
static unsigned turn_absent(unsigned n)
{
    unsigned absent = 0;
    struct client client;
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "env%u", i);
        keep_named(name);
        client = (struct client){.waiter = {.answered = on_answer, .arg = &client}};
        put_question("abcdefghij", name, CACHE_NOW, &client.waiter);
        api_says(API_ABSENT, "");
        assert_int_equal(client.answers, 1);
        absent += client.result == CACHE_ABSENT;
    }
    return absent;
}

/* The guard against mass absence knows of all documents on the disk. */
static void test_guard(void **state)
{
    (void)state;
    any_name = true;
    disk.no_memory = true;
    keep_documents();
    disk.documents = 10;
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    keep_documents();
    disk.documents = 100;
    assert_int_equal(turn_absent(8), 8);
    keep_documents();
    bound_count = 10; /* the other files are of no environment of this host */
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    bound_count = SIZE_MAX;
}

/* Nor does it believe that those are absent whose documents could not be read. */
static void test_guard_of_bad_disk(void **state)
{
    (void)state;
    any_name = true;
    disk.no_memory = true;
    keep_documents();
    disk.documents = 10;
    no_local_accounts = true;
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    unbound = true; /* these have no documents */
    keep_documents();
    assert_int_equal(turn_absent(8), 8);
}

/* Nor where the stored documents are of another API, because access_url is wrong: after a restart,
 * and after a reload. */
static void test_guard_of_other_api(void **state)
{
    struct client client;
    char name[32];

    (void)state;
    any_name = true;
    disk.no_memory = true;
    keep_documents();
    disk.documents = 10;
    disk.foreign = true;
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    assert_true(is_guarded());
    disk.foreign = false;
    start_cache();
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "env%u", i);
        ask_for(&client, "abcdefghij", name);
        assert_told(&client, CACHE_DOCUMENT);
    }
    disk.foreign = true;
    cache_configure(cache, CACHE_OTHER_API);
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    assert_true(is_guarded());
}

/* An environment whose absence was believed has no document, even if the disk has refused to remove
 * the file and the API has failed since: its absence is believed again. */
static void test_guard_of_absent(void **state)
{
    struct client client = {.waiter = {.answered = on_answer, .arg = &client}};

    (void)state;
    any_name = true;
    disk.no_memory = true;
    keep_documents();
    disk.documents = 10;
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    fake_ms += 60000;
    put_question("abcdefghij", "env0", CACHE_NOW, &client.waiter);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    put_question("abcdefghij", "env0", CACHE_NOW, &client.waiter);
    api_says(API_ABSENT, "");
    assert_int_equal(client.result, CACHE_ABSENT);
}

/* One environment that the API loses and finds again and again is absent each time. */
static void test_guard_flapping(void **state)
{
    struct client client;

    (void)state;
    disk.at_once = true;
    keep_documents();
    disk.documents = 10;
    for (int i = 0; i < 3 * GUARD_COUNT; i++) {
        ask(&client, CACHE_NOW);
        api_says(API_DOCUMENT, "");
        assert_int_equal(client.result, CACHE_DOCUMENT);
        ask(&client, CACHE_NOW);
        api_says(API_ABSENT, "");
        assert_int_equal(client.result, CACHE_ABSENT);
        fake_ms += 10000;
        fake_time += 10;
    }
    any_name = true;
    assert_int_equal(turn_absent(8), GUARD_COUNT - 1);
}

/* An environment that the API has again is no longer withheld, even if the host refuses its
 * document, for instance because its uid has become a local one. */
static void test_guard_of_refused(void **state)
{
    struct cache_figures figures;
    struct client client;
    char name[32], body[1024];

    (void)state;
    any_name = true;
    disk.no_memory = true;
    keep_documents();
    disk.documents = 10;
    assert_int_equal(turn_absent(8), GUARD_COUNT);
    accepted = false;
    fake_ms += 60000;
    for (unsigned i = GUARD_COUNT; i < 8; i++) {
        cache_look(cache, &figures);
        assert_true(figures.guarded);
        snprintf(name, sizeof name, "env%u", i);
        snprintf(body, sizeof body, NAMED_DOCUMENT " ", name);
        client = (struct client){.waiter = {.answered = on_answer, .arg = &client}};
        put_question("abcdefghij", name, CACHE_NOW, &client.waiter);
        api_says_bytes(body);
        assert_int_equal(client.answers, 1);
    }
    cache_look(cache, &figures);
    assert_false(figures.guarded);
}

/* Has a probe find that the API has env<i> again, an hour after it was last asked for. */
static void find_again(unsigned i)
{
    char name[32], body[1024];

    fake_ms += 3601 * 1000;
    fake_time += 3601;
    assert_true(is_guarded());
    background_probe(cache);
    loads_are_done();
    assert_int_equal(pendings, 1);
    snprintf(name, sizeof name, "env%u", i);
    snprintf(body, sizeof body, NAMED_DOCUMENT " ", name);
    api_says_bytes(body);
    assert_false(is_guarded());
}

/* An environment that is withheld is probed beyond the bound of its document, and without one,
 * since as long as it is withheld, no absence of another one is believed. */
static void test_guard_past_bound(void **state)
{
    (void)state;
    any_name = true;
    disk.at_once = true;
    keep_documents();
    disk.documents = 10;
    assert_int_equal(turn_absent(GUARD_COUNT + 1), GUARD_COUNT);
    find_again(GUARD_COUNT);
    keep_documents();
    no_local_accounts = true; /* no stored document may be used */
    assert_int_equal(turn_absent(GUARD_COUNT + 1), GUARD_COUNT);
    find_again(GUARD_COUNT);
}

/* Asks a new cache for staging, of which there is that file. Returns whether the file served. */
static bool serves(const char *body, size_t length)
{
    const struct stored_document kept = {.project = "abcdefghij",
                                         .environment = "staging",
                                         .asked = fake_ms,
                                         .asked_wall = fake_time};
    struct client client;

    keep_documents();
    keep(&kept, body, length);
    ask(&client, CACHE_KEYS);
    if (client.answers == 0) {
        assert_string_equal(pending[0].validator, "");
        api_says(API_OUTAGE, "");
    }
    assert_int_equal(client.answers, 1);
    return client.result == CACHE_DOCUMENT;
}

/* A stored document that may not be used is as if there were none. */
static void test_not_restored(void **state)
{
    char body[1024];
    int n = snprintf(body, sizeof body, DOCUMENT, "");

    (void)state;
    assert_true(serves(body, (size_t)n));
    assert_false(serves("{}", 2));
    accepted = false;
    assert_false(serves(body, (size_t)n));
    accepted = true;
    n = snprintf(body, sizeof body, NAMED_DOCUMENT, "production");
    assert_false(serves(body, (size_t)n));
}

/* Asks for n names of a project, or of as many projects; returns how many requests that were. */
static unsigned flood(const struct asker *asker, const char *project, unsigned n)
{
    struct client client;
    unsigned asked = 0;
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "robot%05u", i);
        ask_as(&client, asker, project == NULL ? name : project,
               project == NULL ? "production" : name);
        asked += pendings > 0;
        if (pendings > 0)
            api_says(API_ABSENT, "");
        assert_int_equal(client.answers, 1);
    }
    return asked;
}

/* Unknown names get as many requests as the buckets have tokens: the project's, and that of all
 * projects without a known document. A known project has a larger one. */
static void test_unknown_names(void **state)
{
    struct client client;

    (void)state;
    any_name = true;
    assert_int_equal(flood(&robots, "otherproject", 1000), UNKNOWN_BURST);
    assert_int_equal(flood(&robots, NULL, 10000), STRANGERS_BURST - UNKNOWN_BURST);
    fake_ms += 1000;
    ask_for(&client, "abcdefghij", "staging");
    api_says(API_DOCUMENT, "");
    fake_ms += 3600 * 1000;
    has_project = true;
    assert_int_equal(flood(&robots, "abcdefghij", 1000), NEIGHBOUR_BURST);
    assert_int_equal(flood(&robots, NULL, 10000), STRANGERS_BURST);
    ask(&client, CACHE_KEYS); /* a known environment is not limited */
    assert_int_equal(pendings, 1);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    fake_ms += 1000;
    ask_for(&client, "robot09999", "production"); /* refused then, not remembered: asked now */
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_ABSENT);
}

/* The same with many entries of each kind: all are forgotten, and the walk ends. */
static void test_other_api_many(void **state)
{
    char name[32], body[1024];
    struct client client;

    (void)state;
    any_name = true;
    disk.error = ENOENT;
    keep_documents();
    for (unsigned i = 0; i < 10; i++) {
        struct stored_document kept = {
            .project = name, .environment = "staging", .asked = fake_ms, .asked_wall = fake_time};
        int n = snprintf(body, sizeof body, DOCUMENT, "");
        snprintf(name, sizeof name, "abcdefgh%02u", i);
        memcpy(strstr(body, "abcdefghij"), name, 10);
        keep(&kept, body, (size_t)n);
        ask_for(&client, name, "staging");
        assert_told(&client, CACHE_DOCUMENT);
        snprintf(name, sizeof name, "robot%05u", i);
        ask_for(&client, name, "production");
        api_says(API_ABSENT, "");
    }
    disk.foreign = true;
    cache_configure(cache, CACHE_OTHER_API);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "abcdefgh%02u", i);
        ask_for(&client, name, "staging");
        assert_int_equal(client.answers, 0);
        api_says(API_OUTAGE, "");
        assert_told(&client, CACHE_UNAVAILABLE);
    }
}

/* A flood of one project, by one kind of asker, takes no token of another. */
static void test_budgets(void **state)
{
    static const struct asker *const askers[] = {&robots, &lookups, &logins};

    (void)state;
    any_name = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(flood(askers[i], "abcdefghij", 500), UNKNOWN_BURST);
        assert_int_equal(flood(askers[i], "otherproject", 500), UNKNOWN_BURST);
        fake_ms += 10000; /* absent names are asked again by the next kind */
    }
}

static bool deny_trust(void *arg)
{
    (void)arg;
    return false;
}

/* A set-user-ID program, which asks as root for a user, takes from the user's budget. */
static void test_set_user_id(void **state)
{
    struct client client;

    (void)state;
    any_name = true;
    assert_int_equal(flood(&robots, "abcdefghij", 500), UNKNOWN_BURST);
    client = (struct client){
        .waiter = {
            .answered = on_answer, .arg = &client, .trusted = true, .may_trust = deny_trust}};
    put_question("abcdefghij", "staging", CACHE_ACCOUNT, &client.waiter);
    assert_told(&client, CACHE_UNAVAILABLE);
    ask_as(&client, &lookups, "abcdefghij", "staging");
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
}

/* ---- Signed documents ---- */

#define PAYLOAD_TYPE "application/vnd.cloudauth.access+json"

static EVP_PKEY *signer;

static void base64(const void *bytes, size_t n, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

/* From now on documents are signed; the second key is another publisher's. */
static void make_key(void)
{
    unsigned char key[32];
    size_t n = sizeof key;

    signer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(signer);
    assert_int_equal(EVP_PKEY_get_raw_public_key(signer, key, &n), 1);
    base64(key, n, conf.signing_key);
}

static void use_signatures(void)
{
    make_key();
    cache_configure(cache, CACHE_OTHER_SIGNERS);
}

static void make_signature(const char *type, const char *payload, char out[100])
{
    unsigned char signature[64];
    size_t n = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char *text = NULL;
    int length =
        asprintf(&text, "DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(payload), payload);

    assert_true(length > 0);
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, signer), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &n, (unsigned char *)text, (size_t)length),
                     1);
    EVP_MD_CTX_free(context);
    free(text);
    base64(signature, n, out);
}

static void sign(const char *type, const char *payload, const char *shown, char *out, size_t size)
{
    char encoded[4000], sig[100];

    make_signature(type, payload, sig);
    base64(shown, strlen(shown), encoded);
    int used = snprintf(
        out, size, "{\"payloadType\":\"%s\",\"payload\":\"%s\",\"signatures\":[{\"sig\":\"%s\"}]}",
        type, encoded, sig);
    assert_true(used > 0 && (size_t)used < size);
}

/* A member issued_at, so many seconds from now. */
static const char *issued(int64_t seconds)
{
    static char text[64];
    time_t when = fake_time + seconds;
    struct tm tm;

    strftime(text, sizeof text, ",\"issued_at\":\"%Y-%m-%dT%H:%M:%SZ\"", gmtime_r(&when, &tm));
    return text;
}

/* Asks, lets the API send that payload signed, and expects this. */
static struct client told_by(const char *extra, enum cache_result result)
{
    char payload[1024], envelope[4096];
    struct client client;

    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    snprintf(payload, sizeof payload, DOCUMENT, extra);
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    assert_int_equal(pendings, 1);
    api_says_bytes(envelope);
    if (client.answers == 0)
        fail_msg("not answered");
    if (client.result != result)
        fail_msg("%s: %s", extra, client.detail);
    return client;
}

static void test_signed(void **state)
{
    struct client client;

    (void)state;
    use_signatures();
    assert_false(told_by(issued(0), CACHE_DOCUMENT).stale);
    client = told_by(issued(-1), CACHE_DOCUMENT); /* an older one: the last good one serves */
    assert_true(client.stale);
    told_by(issued(0), CACHE_DOCUMENT); /* answered at once, and the probe brings it */
    assert_false(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).stale);
    assert_false(told_by(issued(300), CACHE_DOCUMENT).stale);
    EVP_PKEY_free(signer);
}

#define ISSUED(micros) ",\"issued_at\":\"2027-01-15T08:00:00." micros "Z\""

/* Of two documents of one second the order counts, too, for one that is deleted as well. */
static void test_signed_in_one_second(void **state)
{
    char tombstone[256], envelope[4096];
    struct client client;

    (void)state;
    fake_time = 1800000000;
    use_signatures();
    told_by(ISSUED("9"), CACHE_DOCUMENT);
    assert_true(told_by(ISSUED("899999"), CACHE_DOCUMENT).stale);
    told_by(ISSUED("9"), CACHE_DOCUMENT);
    assert_false(told_by(ISSUED("900001"), CACHE_DOCUMENT).stale);
    snprintf(tombstone, sizeof tombstone, NAMED_TOMBSTONE, "staging", ISSUED("900002"));
    sign(PAYLOAD_TYPE, tombstone, tombstone, envelope, sizeof envelope);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    api_says_bytes(envelope);
    assert_told(&client, CACHE_ABSENT);
    told_by(ISSUED("900001"), CACHE_UNAVAILABLE);
    EVP_PKEY_free(signer);
}

/* In an outage the bound of a document counts from its request, though it is from the future. */
static void test_signed_until(void **state)
{
    struct told told = {0};

    (void)state;
    use_signatures();
    cache_subscribe(cache, take_news, &told);
    told_by(issued(300), CACHE_DOCUMENT);
    assert_int_equal(told.until, fake_time + conf.max_stale);
    EVP_PKEY_free(signer);
}

/* Asks, and lets the API send a payload of that length with so many wrong signatures before the
 * right one. */
static struct client told_behind(unsigned wrong, size_t length)
{
    char *payload = NULL, *encoded = malloc(length * 2 + 4096), *envelope = NULL;
    char *padding = malloc(length + 1), sig[100], wrong_sig[87], wrongs[16 * 120] = "";
    struct client client;

    memset(padding, 'a', length);
    padding[length] = '\0';
    memset(wrong_sig, 'A', sizeof wrong_sig - 1);
    wrong_sig[sizeof wrong_sig - 1] = '\0';
    for (unsigned i = 0; i < wrong; i++)
        snprintf(wrongs + strlen(wrongs), sizeof wrongs - strlen(wrongs), "{\"sig\":\"%s==\"},",
                 wrong_sig);
    snprintf(sig, sizeof sig, "%s", issued(0));
    assert_true(asprintf(&envelope, "%s,\"unknown\":\"%s\"", sig, padding) > 0);
    assert_true(asprintf(&payload, DOCUMENT, envelope) > 0);
    free(envelope);
    make_signature(PAYLOAD_TYPE, payload, sig);
    base64(payload, strlen(payload), encoded);
    assert_true(asprintf(&envelope,
                         "{\"payloadType\":\"%s\",\"payload\":\"%s\",\"signatures\":[%s{\"sig\":"
                         "\"%s\"}]}",
                         PAYLOAD_TYPE, encoded, wrongs, sig) > 0);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    api_says_bytes(envelope);
    assert_int_equal(client.answers, 1);
    free(padding);
    free(payload);
    free(encoded);
    free(envelope);
    return client;
}

/* A proxy cannot make the host hash a large document any number of times. */
static void test_signed_behind_many(void **state)
{
    struct client client;

    (void)state;
    use_signatures();
    client = told_behind(5, 3000000);
    assert_int_equal(client.result, CACHE_UNAVAILABLE);
    assert_non_null(strstr(client.detail, "too many for a payload of this length"));
    assert_int_equal(told_behind(2, 3000000).result, CACHE_DOCUMENT);
    client = told_behind(15, 1000);
    assert_int_equal(client.result, CACHE_DOCUMENT);
    assert_false(client.stale);
    EVP_PKEY_free(signer);
}

static void test_signed_times(void **state)
{
    (void)state;
    use_signatures();
    told_by("", CACHE_UNAVAILABLE);
    told_by(issued(301), CACHE_UNAVAILABLE);
    told_by(issued(-3600), CACHE_UNAVAILABLE); /* its bound is over, though the API answers */
    told_by(issued(-3599), CACHE_DOCUMENT);
    EVP_PKEY_free(signer);
}

/* The bound counts from the signature, however often the API answers 304. */
static void test_signed_age(void **state)
{
    struct client client;

    (void)state;
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    fake_ms += 3599000 - 61000;
    fake_time += 3599;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_int_equal(client.age, 3599);
    fake_ms += 3000;
    fake_time += 1;
    ask(&client, CACHE_KEYS);
    if (client.answers == 0)
        api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    EVP_PKEY_free(signer);
}

/* Putting the wall clock back makes no signature younger. */
static void test_signed_clock_put_back(void **state)
{
    struct client client;

    (void)state;
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    for (int i = 0; i < 2; i++) {
        fake_ms += 1800000;
        ask(&client, CACHE_KEYS);
        api_says(API_UNCHANGED, "");
        assert_told(&client, i == 0 ? CACHE_DOCUMENT : CACHE_UNAVAILABLE);
        assert_int_equal(client.age, 1800 * (i + 1));
    }
    EVP_PKEY_free(signer);
}

/* Nor does the same payload in another envelope: the signature covers the payload alone. */
static void test_signed_sent_again(void **state)
{
    char payload[1024], envelope[4096];
    struct client client;

    (void)state;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(0));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope - 4);
    for (int i = 0; i < 3; i++) {
        ask(&client, CACHE_KEYS);
        api_says_bytes(envelope);
        assert_told(&client, i < 2 ? CACHE_DOCUMENT : CACHE_UNAVAILABLE);
        strcat(envelope, " ");
        fake_ms += 1800000;
    }
    EVP_PKEY_free(signer);
}

/* After the wall clock was put back, answers of the API count as before. */
static void test_signed_after_clock_put_back(void **state)
{
    struct client client;

    (void)state;
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    fake_time -= 60;
    assert_false(told_by(issued(61), CACHE_DOCUMENT).stale);
    fake_time -= 60;
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    api_says(API_UNCHANGED, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_false(client.stale);
    EVP_PKEY_free(signer);
}

/* Where documents are signed, there is no tombstone of a name that a stranger made up. */
static void test_failing_signed(void **state)
{
    (void)state;
    unbound = true;
    use_signatures();
    api_answers("stray", API_ABSENT, "");
    assert_string_equal(failing(), "");
    api_answers("stray", API_OUTAGE, "");
    assert_string_equal(failing(), "stray ");
    EVP_PKEY_free(signer);
}

static void test_unsigned_is_refused(void **state)
{
    struct client client;
    char payload[1024], other[1024], envelope[4096];

    (void)state;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(0));
    snprintf(other, sizeof other, DOCUMENT, issued(1));
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, issued(0)); /* unsigned */
    assert_told(&client, CACHE_UNAVAILABLE);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    sign("application/json", payload, payload, envelope, sizeof envelope);
    api_says_bytes(envelope);
    assert_told(&client, CACHE_UNAVAILABLE);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    sign(PAYLOAD_TYPE, payload, other, envelope,
         sizeof envelope); /* the signature is another payload's */
    api_says_bytes(envelope);
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_non_null(strstr(client.detail, "signing_key"));
    EVP_PKEY_free(signer);
}

/* Only a signed tombstone makes an environment absent, and no older document is accepted after it.
 */
static void test_signed_absence(void **state)
{
    struct client client;
    char tombstone[512], envelope[4096];

    (void)state;
    disk.at_once = true;
    keep_documents();
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    snprintf(tombstone, sizeof tombstone, NAMED_TOMBSTONE, "staging", issued(1));
    sign(PAYLOAD_TYPE, tombstone, tombstone, envelope, sizeof envelope);
    api_says_bytes(envelope);
    client = told_at_once(CACHE_KEYS, CACHE_ABSENT);
    told_by(issued(0), CACHE_UNAVAILABLE);
    /* Also after many other names were asked for. */
    is_file = any_name = true;
    disk.error = ENOENT;
    disk.reads = 0;
    for (unsigned i = 0; i < 12000; i++) {
        char name[32];
        snprintf(name, sizeof name, "robot%05u", i);
        ask_for(&client, name, "production");
        api_says(API_OUTAGE, "");
    }
    is_file = false;
    told_by(issued(0), CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, 12001);
    told_by(issued(2), CACHE_DOCUMENT);
    EVP_PKEY_free(signer);
}

/* Puts a signed tombstone of the environment on the disk, and into `envelope`. */
static void keep_tombstone(const char *environment, char envelope[4096])
{
    const struct stored_document kept = {.project = "abcdefghij",
                                         .environment = environment,
                                         .asked = fake_ms,
                                         .asked_wall = fake_time};
    char tombstone[512];

    snprintf(tombstone, sizeof tombstone, NAMED_TOMBSTONE, environment, issued(0));
    sign(PAYLOAD_TYPE, tombstone, tombstone, envelope, 4096);
    keep(&kept, envelope, strlen(envelope));
}

/* The tombstones on the disk were believed before: after a restart no guard counts them. */
static void test_signed_tombstones_stored(void **state)
{
    char name[32], envelope[4096];
    struct client client;

    (void)state;
    any_name = true;
    keep_documents();
    use_signatures();
    disk.documents = 10;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "env%u", i);
        keep_tombstone(name, envelope);
        ask_for(&client, "abcdefghij", name);
        assert_told(&client, CACHE_ABSENT);
    }
    assert_false(is_guarded());
    EVP_PKEY_free(signer);
}

/* A file that this host does not use any more, because access_url or the key has changed, may as
 * well be a tombstone: those that the API signs now are believed, however many they are. */
static void test_signed_tombstones_of_other_api(void **state)
{
    char name[32], envelope[4096];
    struct client client;

    (void)state;
    any_name = true;
    keep_documents();
    use_signatures();
    disk.documents = 10;
    disk.foreign = true;
    disk.at_once = true;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "env%u", i);
        keep_tombstone(name, envelope);
        ask_for(&client, "abcdefghij", name);
        api_says_bytes(envelope);
        assert_told(&client, CACHE_ABSENT);
    }
    assert_false(is_guarded());
    EVP_PKEY_free(signer);
}

/* No document is accepted that is older than a stored one, even if this host refuses that one now.
 */
static void test_signed_not_restored(void **state)
{
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .asked = fake_ms,
                                   .asked_wall = fake_time};
    char payload[1024], envelope[4096];

    (void)state;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(-60));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    accepted = false;
    disk.at_once = true;
    keep_documents();
    keep(&kept, envelope, strlen(envelope));
    told_by(issued(-61), CACHE_UNAVAILABLE);
    accepted = true;
    told_by(issued(-61), CACHE_UNAVAILABLE);
    told_by(issued(-60), CACHE_DOCUMENT);
    EVP_PKEY_free(signer);
}

/* The same where the clock was put back: the age of the stored one is not known, or it is from the
 * future. It names its account. */
static void test_signed_not_restored_by_clock(void **state)
{
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .asked = fake_ms,
                                   .asked_wall = fake_time};
    char payload[1024], envelope[4096];

    (void)state;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(0));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    disk.at_once = true;
    keep(&kept, envelope, strlen(envelope));
    disk.ageless = true;
    keep_documents();
    told_by(issued(-1), CACHE_UNAVAILABLE);
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    disk.ageless = false;
    fake_time -= 3600;
    keep_documents();
    told_by(issued(-1), CACHE_UNAVAILABLE);
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    EVP_PKEY_free(signer);
}

/* The same where access_url has changed, also after a restart; another API with other keys begins
 * anew. */
static void test_signed_not_restored_by_other_api(void **state)
{
    EVP_PKEY *first;

    (void)state;
    use_signatures();
    disk.at_once = true;
    keep_documents();
    told_by(issued(0), CACHE_DOCUMENT);
    disk.foreign = true;
    cache_configure(cache, CACHE_OTHER_API);
    told_by(issued(-1), CACHE_UNAVAILABLE);
    start_cache();
    told_by(issued(-1), CACHE_UNAVAILABLE);
    told_by(issued(0), CACHE_DOCUMENT);
    first = signer;
    make_key();
    cache_configure(cache, CACHE_OTHER_API);
    told_by(issued(-1), CACHE_DOCUMENT);
    EVP_PKEY_free(first);
    EVP_PKEY_free(signer);
}

/* While keys are replaced, the documents that one of them has signed go on, and none that is older
 * is accepted. */
static void test_signed_keys_replaced(void **state)
{
    EVP_PKEY *first;
    char key[sizeof conf.signing_key];
    struct client client;

    (void)state;
    disk.at_once = true;
    keep_documents();
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    first = signer;
    snprintf(key, sizeof key, "%s", conf.signing_key);
    use_signatures();
    told_by("", CACHE_UNAVAILABLE); /* the first key is gone */
    EVP_PKEY_free(signer);
    signer = first;
    strcat(conf.signing_key, " ");
    strcat(conf.signing_key, key); /* and is back */
    cache_configure(cache, CACHE_OTHER_SIGNERS);
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    client = told_by(issued(-1), CACHE_DOCUMENT);
    assert_true(client.stale);
    EVP_PKEY_free(signer);
}

/* An answer to a request from before the release of the ids does not bind them again. */
static void test_asked_before_release(void **state)
{
    struct client client;

    (void)state;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    assert_int_equal(client.result, CACHE_DOCUMENT);
    assert_false(client.stale);
    fake_ms += 61000;
    fake_time += 61;
    ask(&client, CACHE_KEYS);
    unbound = released_since = true;
    api_says(API_DOCUMENT, "");
    unbound = released_since = false;
    assert_true(client.stale);
    assert_non_null(strstr(client.detail, "requested before its ids were released"));
}

/* Stores a document that is 61 minutes old, and makes its file unreadable. Writes its envelope to
 * `envelope`, and to `newer` the envelope of one that is signed 10 seconds later. Both are older
 * than max_stale. */
static void keep_unreadable(char envelope[4096], char newer[4096], struct told *told)
{
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .asked = fake_ms,
                                   .asked_wall = fake_time};
    char payload[1024];

    conf.max_stale = 3600;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(0));
    sign(PAYLOAD_TYPE, payload, payload, envelope, 4096);
    snprintf(payload, sizeof payload, DOCUMENT, issued(10));
    sign(PAYLOAD_TYPE, payload, payload, newer, 4096);
    keep(&kept, envelope, strlen(envelope));
    disk.at_once = true;
    keep_documents();
    cache_subscribe(cache, take_news, told);
    fake_ms += 3660000;
    fake_time += 3660;
    disk.unreadable = "staging";
}

/* The API sends a document while the stored one cannot be read. The file, which is read later, in
 * an outage, is the same, or an older one: the account keeps its name. */
static void test_read_after_the_api(void **state)
{
    char envelope[4096], newer[4096];
    struct client client;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct told told = {0};
        keep_unreadable(envelope, newer, &told);
        ask(&client, CACHE_ACCOUNT);
        api_says_bytes(i == 0 ? envelope : newer);
        assert_int_equal(client.result, CACHE_DOCUMENT);
        disk.unreadable = NULL;
        for (int k = 0; k < 3; k++) {
            fake_ms += 16000;
            fake_time += 16;
            ask(&client, CACHE_ACCOUNT);
            while (pendings > 0)
                api_says(API_OUTAGE, "");
            assert_int_equal(client.result, CACHE_DOCUMENT);
        }
        assert_int_equal(told.gone, 0);
        EVP_PKEY_free(signer);
        start_cache();
    }
}

/* While the stored document cannot be read, a tombstone older than max_stale is not believed: the
 * document may be newer. */
static void test_old_tombstone(void **state)
{
    char payload[1024], envelope[4096], newer[4096];
    struct told told = {0};
    struct client client;

    (void)state;
    keep_unreadable(envelope, newer, &told);
    snprintf(payload, sizeof payload, NAMED_TOMBSTONE, "staging", issued(-3600));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    ask(&client, CACHE_KEYS);
    api_says_bytes(envelope);
    assert_int_equal(client.result, CACHE_UNAVAILABLE);
    assert_int_equal(told.gone, 0);
    fake_ms += 16000;
    fake_time += 16;
    snprintf(payload, sizeof payload, NAMED_TOMBSTONE, "staging", issued(-3590));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    ask(&client, CACHE_KEYS);
    api_says_bytes(envelope);
    assert_int_equal(client.result, CACHE_ABSENT);
    EVP_PKEY_free(signer);
}

/* A reload while a newer document waits for the disk, which then refuses it: the older one that the
 * disk has is not read. */
static void test_signed_not_kept(void **state)
{
    char payload[1024], envelope[4096];
    struct client client;
    size_t reads;

    (void)state;
    disk.at_once = true;
    keep_documents();
    use_signatures();
    told_by(issued(0), CACHE_DOCUMENT);
    disk.at_once = false;
    reads = disk.reads;
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    snprintf(payload, sizeof payload, DOCUMENT, issued(1));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    api_says_bytes(envelope);
    cache_configure(cache, CACHE_OTHER_SIGNERS);
    disk.fails = true;
    disk_says_done();
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(disk.reads, reads);
    told_by(issued(0), CACHE_UNAVAILABLE); /* nor is it accepted from the API */
    EVP_PKEY_free(signer);
}

/* A document waits for the disk while the settings name another API. On a host that has just
 * booted, "never asked" is not "asked at the boot", which would be fresh. */
static void test_other_api_after_boot(void **state)
{
    struct client client;

    (void)state;
    keep_documents();
    fake_ms = 1000;
    conf.keys_fresh = 60;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, "");
    disk.foreign = true;
    cache_configure(cache, CACHE_OTHER_API);
    disk_says_done();
    loads_are_done();
    assert_int_equal(client.answers, 0);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
}

/* Another access_url, whose API does not answer. */
static void go_away(void)
{
    fake_ms += 10000;
    fake_time += 10;
    disk.foreign = true;
    cache_configure(cache, CACHE_OTHER_API);
}

/* And the former one again, whose API does not answer either. Returns what a client is told. */
static enum cache_result come_back(void)
{
    struct client client;

    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    disk.foreign = false;
    cache_configure(cache, CACHE_OTHER_API);
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_int_equal(client.answers, 1);
    return client.result;
}

/* In an outage access_url is changed, and changed back: the stored document serves again, unless
 * the disk has refused a newer one. */
static void test_other_api_and_back(void **state)
{
    struct client client;

    (void)state;
    disk.at_once = true;
    keep_documents();
    learn("");
    go_away();
    assert_int_equal(come_back(), CACHE_DOCUMENT);
    disk.at_once = false;
    disk.fails = true;
    fake_ms += 61000;
    ask(&client, CACHE_KEYS);
    api_says(API_DOCUMENT, ",\"extra\":1");
    disk_says_done();
    assert_told(&client, CACHE_DOCUMENT);
    go_away();
    assert_int_equal(come_back(), CACHE_UNAVAILABLE);
}

/* A stored document binds its ids again also where its signature is by a key that is gone. It is
 * not used for more. A tombstone has none. */
static void test_bind_signed(void **state)
{
    struct stored_document kept = {.project = "abcdefghij",
                                   .environment = "staging",
                                   .asked = fake_ms,
                                   .asked_wall = fake_time};
    struct client client;
    char payload[1024], envelope[4096];

    (void)state;
    use_signatures();
    snprintf(payload, sizeof payload, DOCUMENT, issued(0));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    EVP_PKEY_free(signer);
    use_signatures();
    disk.at_once = true;
    keep_documents();
    keep(&kept, envelope, strlen(envelope));
    lost = "staging";
    bind_stored();
    assert_int_equal(bound_again, 1);
    ask(&client, CACHE_ACCOUNT);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    snprintf(payload, sizeof payload, NAMED_TOMBSTONE, "staging", issued(0));
    sign(PAYLOAD_TYPE, payload, payload, envelope, sizeof envelope);
    keep(&kept, envelope, strlen(envelope));
    bind_stored();
    assert_int_equal(bound_again, 1);
    EVP_PKEY_free(signer);
}

/* Answers the oldest request with a document of that project. */
static void api_says_for(const char *project)
{
    char text[1024];

    snprintf(text, sizeof text, DOCUMENT, "");
    memcpy(strstr(text, "abcdefghij"), project, strlen("abcdefghij"));
    api_says_bytes(text);
}

/* Makes n environments known: staging of project000 and so on, in ten characters. */
static void know(unsigned n)
{
    struct client client;

    any_name = true;
    for (unsigned i = 0; i < n; i++) {
        char project[32];
        snprintf(project, sizeof project, "project%03u", i);
        client =
            (struct client){.waiter = {.answered = on_answer, .arg = &client, .trusted = true}};
        fake_ms += 1000; /* for the bucket */
        put_question(project, "staging", CACHE_ACCOUNT, &client.waiter);
        api_says_for(project);
        assert_told(&client, CACHE_DOCUMENT);
    }
}

/* A failing document is probed after its back-off, not earlier. */
static void test_probe_failing(void **state)
{
    struct client client;

    (void)state;
    ask(&client, CACHE_ACCOUNT);
    api_says(API_DOCUMENT, "");
    fake_ms += 3001;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    background_probe(cache);
    assert_int_equal(requests, 2);
    fake_ms += 1000;
    background_probe(cache);
    assert_int_equal(requests, 3);
    api_says(API_ABSENT, "");
    told_at_once(CACHE_ACCOUNT, CACHE_ABSENT);
}

/* However slowly the API fails, probes leave room for other requests in the background, which their
 * failures do not stop. */
static void test_probe_many(void **state)
{
    enum { MANY = 3 * BACKGROUND_PROBES };
    struct client client;
    char project[32];

    (void)state;
    know(MANY);
    fake_ms += 3000;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(project, sizeof project, "project%03u", i);
        client = (struct client){.waiter = {.answered = on_answer, .arg = &client}};
        put_question(project, "staging", CACHE_KEYS, &client.waiter);
        while (pendings > 0)
            api_says(API_OUTAGE, "");
    }
    fake_ms += 1000;
    background_probe(cache);
    assert_int_equal(pendings, BACKGROUND_PROBES);
    background_probe(cache);
    assert_int_equal(pendings, BACKGROUND_PROBES);
    api_says(API_OUTAGE, "");
    requests = 0;
    unbound = true;
    assert_true(background_prefetch(cache, "another", "staging"));
    assert_int_equal(requests, 1);
}

/* ---- The environments that the change feed offers ---- */

static bool prefetch(const char *project)
{
    bool done;

    unbound = true; /* otherwise its document is on the disk */
    done = background_prefetch(cache, project, "staging");
    loads_are_done();
    return done;
}

/* A document is fetched if none is known, and only once. */
static void test_prefetch(void **state)
{
    (void)state;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(requests, 1);
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(requests, 1);
    api_says(API_DOCUMENT, "");
    told_at_once(CACHE_ACCOUNT, CACHE_DOCUMENT);
    fake_ms += 100000000; /* a known document is revalidated by its users */
    fake_time += 100000;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(requests, 1);
}

/* What the change feed names is fetched anew, once. */
static void test_prefetch_named(void **state)
{
    (void)state;
    learn("");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(pendings, 0);
    told_at_once(CACHE_KEYS, CACHE_ABSENT);
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging"); /* it was made again */
    fake_ms += 10;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(pendings, 1);
    api_says(API_DOCUMENT, "");
    told_at_once(CACHE_KEYS, CACHE_DOCUMENT);
    fake_ms += 10;
    cache_all_named(cache); /* then it is fetched by need alone */
    fake_ms += 10;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(pendings, 0);
}

/* An absent environment that the feed names is asked for at once. */
static void test_named_absent(void **state)
{
    struct client client;

    (void)state;
    ask(&client, CACHE_KEYS);
    api_says(API_ABSENT, "");
    fake_ms += 10;
    cache_named(cache, "abcdefghij", "staging");
    fake_ms += 10;
    ask(&client, CACHE_KEYS);
    assert_int_equal(client.answers, 0);
    api_says(API_DOCUMENT, "");
    assert_told(&client, CACHE_DOCUMENT);
}

static void test_prefetch_absent(void **state)
{
    (void)state;
    conf.absent_fresh = 60;
    assert_true(prefetch("abcdefghij"));
    api_says(API_ABSENT, "");
    told_at_once(CACHE_ACCOUNT, CACHE_ABSENT);
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(requests, 1);
    fake_ms += 60000;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(requests, 2);
    api_says(API_ABSENT, "");
}

/* A lookup meanwhile waits for that request and sends no second one. */
static void test_prefetch_joined(void **state)
{
    struct client client;

    (void)state;
    assert_true(prefetch("abcdefghij"));
    ask(&client, CACHE_KEYS);
    assert_int_equal(requests, 1);
    api_says(API_DOCUMENT, "");
    assert_told(&client, CACHE_DOCUMENT);
}

/* BACKGROUND_MAX are in flight at most, BACKGROUND_PREFETCH_RATE a second after the first
 * BACKGROUND_PREFETCH_BURST, and lookups of unknown names have their own bounds. */
static void test_prefetch_many(void **state)
{
    struct client clients[UNKNOWN_OTHERS_MAX];
    char project[32];
    unsigned sent = 0;

    (void)state;
    any_name = true;
    for (; sent < BACKGROUND_MAX; sent++) {
        snprintf(project, sizeof project, "project%03u", sent);
        assert_true(prefetch(project));
    }
    assert_false(prefetch("lateproject"));
    assert_int_equal(requests, BACKGROUND_MAX);
    for (unsigned i = 0; i < 16; i++) {
        snprintf(project, sizeof project, "another%03u", i);
        ask_for(&clients[i], project, "staging");
    }
    assert_int_equal(requests, BACKGROUND_MAX + 16);
    while (pendings > 0)
        api_says(API_ABSENT, "");
    for (; sent < BACKGROUND_PREFETCH_BURST; sent++) {
        snprintf(project, sizeof project, "project%03u", sent);
        assert_true(prefetch(project));
    }
    while (pendings > 0)
        api_says(API_ABSENT, "");
    assert_false(prefetch("lateproject"));
    fake_ms += 1000 / BACKGROUND_PREFETCH_RATE;
    assert_true(prefetch("lateproject"));
    assert_int_equal(pendings, 1);
    api_says(API_ABSENT, "");
}

/* Many failures at one time count as one, and after the pause one request goes alone. */
static void test_prefetch_many_failing(void **state)
{
    char project[32];

    (void)state;
    any_name = true;
    for (unsigned i = 0; i < BACKGROUND_MAX; i++) {
        snprintf(project, sizeof project, "project%03u", i);
        assert_true(prefetch(project));
    }
    while (pendings > 0)
        api_says(API_OUTAGE, "");
    fake_ms += 999;
    assert_false(prefetch("abcdefghij"));
    fake_ms += 1;
    assert_true(prefetch("abcdefghij"));
    assert_false(prefetch("abcdefghik"));
    api_says(API_DOCUMENT, "");
    assert_true(prefetch("abcdefghik"));
    assert_true(prefetch("abcdefghil"));
    assert_int_equal(pendings, 2);
    api_says(API_ABSENT, "");
    api_says(API_ABSENT, "");
}

/* An API that fails is asked for one environment after 1 s, 2 s, 4 s and so on; a document that
 * this host does not take is no such failure. */
static void test_prefetch_failing(void **state)
{
    static const int64_t seconds[] = {1, 2, 4, 8, 15, 15};
    char project[32];

    (void)state;
    any_name = true;
    for (unsigned i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        snprintf(project, sizeof project, "project%03u", i);
        assert_true(prefetch(project));
        api_says(API_OUTAGE, "");
        fake_ms += seconds[i] * 1000 - 1;
        assert_false(prefetch("abcdefghij"));
        fake_ms += 1;
    }
    retry_after = 40;
    assert_true(prefetch("abcdefghik"));
    api_says(API_OUTAGE, "");
    fake_ms += 39999;
    assert_false(prefetch("abcdefghij"));
    fake_ms += 1;
    retry_after = 0;
    accepted = false;
    assert_true(prefetch("abcdefghij"));
    api_says(API_DOCUMENT, "");
    assert_true(prefetch("abcdefghij")); /* not before its own back-off */
    assert_int_equal(pendings, 0);
    assert_true(prefetch("abcdefghil"));
    api_says(API_OUTAGE, "");
    fake_ms += 1000;
    assert_true(prefetch("abcdefghij"));
    assert_int_equal(pendings, 1);
    api_says(API_DOCUMENT, "");
}

/* `asked` is the time of the last good answer's request, also after failures. */
static void test_asked(void **state)
{
    struct client client;
    int64_t good = fake_ms;

    (void)state;
    learn("");
    fake_ms += 1000;
    assert_int_equal(told_at_once(CACHE_KEYS, CACHE_DOCUMENT).asked, good);
    fake_ms += 10000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_DOCUMENT);
    assert_true(client.stale);
    assert_int_equal(client.asked, good);
    fake_ms += 86400000;
    ask(&client, CACHE_KEYS);
    api_says(API_OUTAGE, "");
    assert_told(&client, CACHE_UNAVAILABLE);
    assert_int_equal(client.asked, good);
}

static bool note_environment(void *arg, const struct document *document)
{
    strcat(arg, document->environment);
    strcat(arg, " ");
    return true;
}

/* cache_each_of sends no request and leaves no entry behind. */
static void test_each_of(void **state)
{
    char names[128] = "";

    (void)state;
    cache_each_of(cache, "abcdefghij", note_environment, names);
    assert_string_equal(names, "");
    assert_int_equal(requests, 0);
    learn("");
    cache_each_of(cache, "abcdefghij", note_environment, names);
    assert_string_equal(names, "staging ");
    cache_each_of(cache, "otherproject", note_environment, names);
    assert_string_equal(names, "staging ");
    assert_int_equal(requests, 1);
}

static const struct CMUnitTest tests[] = {
    TEST(test_one_request_for_all),
    TEST(test_confirmations_told),
    TEST(test_freshness),
    TEST(test_asked),
    TEST(test_each_of),
    TEST(test_slow_answer),
    TEST(test_absent),
    TEST(test_outage),
    TEST(test_retry_after),
    TEST(test_probe),
    TEST(test_probe_ends),
    TEST(test_strangers_in_flight),
    TEST(test_project_in_flight),
    TEST(test_host_bound),
    TEST(test_own_bound),
    TEST(test_lesser_bound),
    TEST(test_no_bound),
    TEST(test_failing_while_fresh),
    TEST(test_bound_below_keys_fresh),
    TEST(test_no_bound_below_keys_fresh),
    TEST(test_clock_put_back),
    TEST(test_time_of_rights),
    TEST(test_time_by_api),
    TEST(test_paused),
    TEST(test_clock_corrected),
    TEST(test_invalid_is_an_outage),
    TEST(test_nothing_known),
    TEST(test_unchanged_of_nothing),
    TEST(test_client_gone),
    TEST(test_forgotten_while_answering),
    TEST(test_file_is_looked_at_every_time),
    TEST(test_other_api),
    TEST(test_other_api_after_boot),
    TEST(test_other_api_and_back),
    TEST(test_large),
    TEST(test_tombstone_and_services),
    TEST(test_services_hang),
    TEST(test_services_slow),
    TEST(test_services_slow_and_large),
    TEST(test_services_hang_for_long),
    TEST(test_large_again),
    TEST(test_large_of_other_api),
    TEST(test_large_many),
    TEST(test_answers_wait_for_the_disk),
    TEST(test_confirmations),
    TEST(test_kept_later),
    TEST(test_absence_waits_for_the_disk),
    TEST(test_absence_on_a_bad_disk),
    TEST(test_absence_without_memory),
    TEST(test_absent_names_on_a_slow_disk),
    TEST(test_restored),
    TEST(test_not_restored),
    TEST(test_unusable_told),
    TEST(test_age_unknown),
    TEST(test_bound_after_restart),
    TEST(test_load_fails),
    TEST(test_load_fails_and_the_api_answers),
    TEST(test_read_first),
    TEST(test_hung_disk),
    TEST(test_no_file),
    TEST(test_evicted),
    TEST(test_read_of_other_api),
    TEST(test_named_on_disk),
    TEST(test_stopped),
    TEST(test_bind_stored),
    TEST(test_survey),
    TEST(test_survey_of_the_start),
    TEST(test_survey_of_bad_disk),
    TEST(test_survey_unlisted),
    TEST(test_failing),
    TEST(test_failing_signed),
    TEST(test_guard),
    TEST(test_guard_flapping),
    TEST(test_guard_of_refused),
    TEST(test_guard_of_bad_disk),
    TEST(test_guard_of_other_api),
    TEST(test_guard_of_absent),
    TEST(test_guard_past_bound),
    TEST(test_unknown_names),
    TEST(test_other_api_many),
    TEST(test_budgets),
    TEST(test_set_user_id),
    TEST(test_current),
    TEST(test_current_within_bound),
    TEST(test_named),
    TEST(test_named_too_early),
    TEST(test_named_in_flight),
    TEST(test_named_in_back_off),
    TEST(test_named_unknown_in_back_off),
    TEST(test_named_before_failure),
    TEST(test_settled),
    TEST(test_hurried),
    TEST(test_hurried_reload),
    TEST(test_hurried_named),
    TEST(test_hurried_rebooted),
    TEST(test_hurried_past_bound),
    TEST(test_hurried_lookup),
    TEST(test_probe_failing),
    TEST(test_probe_many),
    TEST(test_prefetch),
    TEST(test_prefetch_absent),
    TEST(test_prefetch_named),
    TEST(test_named_absent),
    TEST(test_prefetch_joined),
    TEST(test_prefetch_many),
    TEST(test_prefetch_failing),
    TEST(test_prefetch_many_failing),
    TEST(test_signed),
    TEST(test_signed_in_one_second),
    TEST(test_signed_until),
    TEST(test_signed_behind_many),
    TEST(test_signed_times),
    TEST(test_signed_age),
    TEST(test_signed_clock_put_back),
    TEST(test_signed_sent_again),
    TEST(test_signed_after_clock_put_back),
    TEST(test_unsigned_is_refused),
    TEST(test_signed_absence),
    TEST(test_signed_tombstones_stored),
    TEST(test_signed_tombstones_of_other_api),
    TEST(test_signed_not_restored_by_clock),
    TEST(test_signed_not_restored_by_other_api),
    TEST(test_signed_keys_replaced),
    TEST(test_signed_not_kept),
    TEST(test_asked_before_release),
    TEST(test_read_after_the_api),
    TEST(test_old_tombstone),
    TEST(test_signed_not_restored),
    TEST(test_bind_signed),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
