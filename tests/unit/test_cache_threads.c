/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cache with a real loop and real worker threads, for ThreadSanitizer (make check-tsan): large
 * documents are read by one while small ones are read by the loop and stored ones by another, and
 * the settings change.
 */
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/limits.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 50u
#define STORED 100u

#define DOCUMENT                                                                                   \
    "{\"version\":1,\"project\":\"abcdefghij\",\"environment\":{\"name\":\"%s\","                  \
    "\"status\":\"active\"},\"account\":{\"uid\":200002,\"gid\":200002,\"home\":\"/app/x\","       \
    "\"shell\":\"/bin/bash\"},\"message\":\"%u\",\"users\":[{\"id\":\"1\",\"username\":\"a\","     \
    "\"role\":\"admin\",\"ssh_keys\":[{\"value\":\"" ECDSA_256_TYPE " " ECDSA_256_BASE64           \
    "\"}]}]}%*s"

static struct loop *loop;
static struct cloud_conf conf;
static struct cache *cache;
static unsigned sent, answered;
static bool surveyed;

bool api_is_file(const struct api *api)
{
    (void)api;
    return false;
}

int64_t api_ahead(struct api *api)
{
    (void)api;
    return INT64_MAX;
}

/* Each answer is another document; that of "large" is too large to be read by the loop. */
void api_get(struct api *api, const struct api_request *request)
{
    static char body[2 * LIMITS_READ_MAX];
    struct api_result result = {.verdict = API_DOCUMENT, .body = body};
    int blanks = strcmp(request->environment, "large") == 0 ? (int)LIMITS_READ_MAX : 0;

    (void)api;
    result.length =
        (size_t)snprintf(body, sizeof body, DOCUMENT, request->environment, ++sent, blanks, "");
    request->done(request->arg, &result);
}

void store_read(const struct store *from, const char *project, const char *environment,
                struct store_file *out)
{
    (void)from;
    (void)project;
    memset(out, 0, sizeof *out);
    out->bytes = malloc(2 * LIMITS_READ_MAX);
    assert_non_null(out->bytes);
    out->file.document.length =
        (size_t)snprintf(out->bytes, (size_t)2 * LIMITS_READ_MAX, DOCUMENT, environment, 0, 1, "");
    out->file.document.body = out->bytes;
    out->is_whole = true;
}

bool store_judge(struct store *from, struct store_file *file)
{
    (void)from;
    return file->is_whole;
}

char *store_list(const struct store *from, size_t *n)
{
    char *names = calloc(STORED, 64), *at = names;

    (void)from;
    assert_non_null(names);
    for (*n = 0; *n < STORED; ++*n)
        at += sprintf(at, "abcdefghij%cstored%zu", 0, *n) + 1;
    return names;
}

void store_count(struct store *to, size_t documents)
{
    (void)to;
    (void)documents;
}

void store_put(struct store *to, const struct stored_document *document, store_done *done,
               void *arg)
{
    (void)to;
    (void)document;
    done(arg, true);
}

void store_touch(struct store *to, const struct stored_document *document)
{
    (void)to;
    (void)document;
}

void store_remove(struct store *from, const char *project, const char *environment,
                  store_done *done, void *arg)
{
    (void)from;
    (void)project;
    (void)environment;
    done(arg, true);
}

int64_t store_ahead(const struct store *store)
{
    (void)store;
    return 0;
}

void store_watch_clock(struct store *store)
{
    (void)store;
}

void store_look(const struct store *of, struct store_figures *out)
{
    (void)of;
    memset(out, 0, sizeof *out);
}

static void on_surveyed(void *arg)
{
    (void)arg;
    surveyed = true;
    if (answered == 2)
        loop_stop(loop);
}

bool admission_refresh(const struct admission *admission)
{
    (void)admission;
    return true;
}

size_t admission_count(const struct admission *admission)
{
    (void)admission;
    return 0;
}

bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment)
{
    (void)admission;
    (void)project;
    (void)environment;
    return true;
}

bool admission_is_released_since(const struct admission *admission, const char *project,
                                 const char *environment, int64_t asked)
{
    (void)admission;
    (void)project;
    (void)environment;
    (void)asked;
    return false;
}

bool admission_lacks_ids(const struct admission *admission, const char *project,
                         const char *environment)
{
    return !admission_is_bound(admission, project, environment);
}

bool admission_bind_stored(const struct admission *admission, const struct binding *claim)
{
    (void)admission;
    (void)claim;
    return true;
}

void admission_doubt_stored(const struct admission *admission, const struct binding *claim)
{
    (void)admission;
    (void)claim;
}

bool admission_has_project(const struct admission *admission, const char *project)
{
    (void)admission;
    (void)project;
    return true;
}

bool admission_accept(const struct admission *admission, const struct document *document,
                      bool is_stored, char *why, size_t size)
{
    (void)admission;
    (void)is_stored;
    (void)why;
    (void)size;
    return document->keys == 1;
}

static void on_answer(void *arg, const struct cache_answer *answer)
{
    (void)arg;
    assert_int_equal(answer->result, CACHE_DOCUMENT);
    assert_false(answer->stale);
    if (++answered == 2)
        loop_stop(loop);
}

static bool feed_lives(void *arg)
{
    (void)arg;
    return false;
}

static void test_threads(void **state)
{
    struct worker *worker, *loader;
    char store;

    (void)state;
    cloud_conf_defaults(&conf);
    loop = loop_new();
    worker = worker_new(loop);
    loader = worker_new(loop);
    cache = cache_new(&(const struct cache_setup){.conf = &conf,
                                                  .store = (struct store *)&store,
                                                  .loader = loader,
                                                  .worker = worker,
                                                  .asker = worker,
                                                  .loop = loop,
                                                  .feed_lives = feed_lives});
    assert_true(worker != NULL && loader != NULL && cache != NULL);
    cache_survey(cache, on_surveyed, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct cache_waiter large = {.answered = on_answer}, small = {.answered = on_answer};
        answered = 0;
        cache_ask(cache, "abcdefghij", "large", CACHE_NOW, &large);
        cache_ask(cache, "abcdefghij", "small", CACHE_NOW, &small);
        cache_configure(cache, i % 3 == 0 ? CACHE_OTHER_API
                                          : CACHE_SAME); /* also while a document is read */
        assert_true(loop_run(loop));
    }
    if (!surveyed)
        assert_true(loop_run(loop));
    cache_stop(cache);
    worker_free(loader);
    worker_free(worker);
    cache_free(cache);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
