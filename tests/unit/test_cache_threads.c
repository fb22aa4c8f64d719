/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cache with a real loop and a real worker thread, for ThreadSanitizer (make check-tsan): large
 * documents are read by the one while small ones are read by the other, and the settings change.
 */
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/limits.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS 50u

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

bool api_is_file(const struct api *api)
{
    (void)api;
    return false;
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

bool admission_is_bound(const struct admission *admission, const char *project,
                        const char *environment)
{
    (void)admission;
    (void)project;
    (void)environment;
    return true;
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

static void test_threads(void **state)
{
    struct worker *worker;

    (void)state;
    cloud_conf_defaults(&conf);
    loop = loop_new();
    worker = worker_new(loop);
    cache = cache_new(&(const struct cache_setup){.conf = &conf, .worker = worker});
    assert_true(worker != NULL && cache != NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct cache_waiter large = {.answered = on_answer}, small = {.answered = on_answer};
        answered = 0;
        cache_ask(cache, "abcdefghij", "large", CACHE_NOW, &large);
        cache_ask(cache, "abcdefghij", "small", CACHE_NOW, &small);
        cache_configure(cache, i % 3 == 0); /* also while a document is read */
        assert_true(loop_run(loop));
    }
    worker_free(worker);
    cache_free(cache);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
