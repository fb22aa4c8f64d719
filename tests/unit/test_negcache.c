/* SPDX-License-Identifier: Apache-2.0 */

/* The negative cache, with a fake clock. Runs under ThreadSanitizer too. */
#include "common/clock.h"
#include "common/name.h"
#include "nss_cloud/negcache.h"
#include "tests/unit/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS  50000

static _Atomic int64_t clock_ms = 5;
static uint64_t file = 77;
static void (*interrupt)(void); /* called once, at the next look at the clock */

int64_t cloud_clock_ms(void)
{
    void (*now)(void) = interrupt;

    if (now != NULL) {
        interrupt = NULL;
        now();
    }
    return clock_ms;
}

static int fresh(void **state)
{
    (void)state;
    clock_ms += 2 * NEGCACHE_MS;
    file++; /* entries of other tests are of another file */
    return 0;
}

static struct negcache_key by_name(const char *name)
{
    return (struct negcache_key){.op = CLOUD_OP_PASSWD_BY_NAME, .name = name, .file = file};
}

static struct negcache_key by_id(uint32_t id)
{
    return (struct negcache_key){.op = CLOUD_OP_PASSWD_BY_ID, .id = id, .file = file};
}

static void test_names(void **state)
{
    static const char *const others[] = {"abcdefghij_st", "abcdefghij_stg2", "abcdefghij", "",
                                         "abcdefghij_stg_sftp"};
    struct negcache_key absent = by_name("abcdefghij_stg"), other;

    (void)state;
    assert_false(negcache_has(&absent));
    negcache_add(&absent);
    assert_true(negcache_has(&absent));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        other = by_name(others[i]);
        assert_false(negcache_has(&other));
    }
    absent.op = CLOUD_OP_GROUP_BY_NAME;
    assert_false(negcache_has(&absent));
}

/* Names of each length, and those with one character less, more or different. */
static void test_lengths(void **state)
{
    char name[CLOUD_NAME_MAX + 3] = "";
    struct negcache_key absent = by_name(name);

    (void)state;
    for (size_t n = 0; n <= CLOUD_NAME_MAX; n++) {
        file++;
        absent.file = file;
        memset(name, 'a', sizeof name);
        name[n] = '\0';
        negcache_add(&absent);
        assert_true(negcache_has(&absent));
        name[n] = 'a';
        name[n + 1] = '\0';
        assert_false(negcache_has(&absent));
        if (n == 0)
            continue;
        name[n - 1] = 'b';
        name[n] = '\0';
        assert_false(negcache_has(&absent));
        name[n - 1] = '\0';
        assert_false(negcache_has(&absent));
    }
    memset(name, 'a', sizeof name);
    name[CLOUD_NAME_MAX + 1] = '\0';
    negcache_add(&absent);
    assert_false(negcache_has(&absent));
}

static void test_ids(void **state)
{
    struct negcache_key absent = by_id(200001), other = by_id(200002);

    (void)state;
    negcache_add(&absent);
    assert_true(negcache_has(&absent));
    assert_false(negcache_has(&other));
    other = by_id(200001);
    other.op = CLOUD_OP_GROUP_BY_ID;
    assert_false(negcache_has(&other));
}

static void test_time(void **state)
{
    struct negcache_key absent = by_id(200001);

    (void)state;
    negcache_add(&absent);
    clock_ms += NEGCACHE_MS - 1;
    assert_true(negcache_has(&absent));
    clock_ms++;
    assert_false(negcache_has(&absent));
    negcache_add(&absent);
    assert_true(negcache_has(&absent));
}

/* An account may have been added with another file. */
static void test_other_file(void **state)
{
    struct negcache_key absent = by_id(200001);

    (void)state;
    negcache_add(&absent);
    absent.file++;
    assert_false(negcache_has(&absent));
}

static void test_many(void **state)
{
    unsigned known = 0;

    (void)state;
    for (uint32_t id = 200000; id < 201000; id++) {
        struct negcache_key absent = by_id(id);
        negcache_add(&absent);
        assert_true(negcache_has(&absent));
    }
    for (uint32_t id = 200000; id < 202000; id++) {
        struct negcache_key absent = by_id(id);
        known += negcache_has(&absent);
        assert_true(id < 201000 || !negcache_has(&absent));
    }
    assert_true(known > 1);
    assert_true(known <= NEGCACHE_PLACES);
}

static struct negcache_key unfinished;
static int child_status;

/* The child has no thread that completes the entry. */
static void fork_while_it_is_written(void)
{
    pid_t child = fork();

    if (child == 0) {
        bool known = negcache_has(&unfinished);
        negcache_add(&unfinished);
        _exit(known || negcache_has(&unfinished));
    }
    child_status = -1;
    waitpid(child, &child_status, 0);
}

/* A place whose entry is never completed is not used again, and no caller waits for it. */
static void test_unfinished(void **state)
{
    (void)state;
    unfinished = by_id(200001);
    negcache_add(&unfinished);
    interrupt = fork_while_it_is_written; /* negcache_add() reads the clock while it writes */
    negcache_add(&unfinished);
    assert_int_equal(child_status, 0);
    assert_true(negcache_has(&unfinished));
}

static atomic_uint wrong, right;

/* Names of even numbers are added, those of odd ones are looked up. They differ in end and length.
 */
static void *remember_and_ask(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg + 1;
    char name[CLOUD_NAME_MAX + 1];

    for (int i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned number = (unsigned)(random >> 33) % 64;
        size_t n = 20 + number / 2;
        memset(name, 'a', n);
        name[n] = number % 2 == 0 ? 'e' : 'o';
        name[n + 1] = '\0';
        struct negcache_key absent = by_name(name);
        if (number % 2 != 0)
            wrong += negcache_has(&absent);
        else if (i % 2 == 0)
            negcache_add(&absent);
        else
            right += negcache_has(&absent);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, remember_and_ask, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(wrong, 0);
    assert_true(right > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, fresh),      cmocka_unit_test_setup(test_lengths, fresh),
        cmocka_unit_test_setup(test_ids, fresh),        cmocka_unit_test_setup(test_time, fresh),
        cmocka_unit_test_setup(test_other_file, fresh), cmocka_unit_test_setup(test_many, fresh),
        cmocka_unit_test_setup(test_unfinished, fresh), cmocka_unit_test_setup(test_threads, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
