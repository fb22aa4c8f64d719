/* SPDX-License-Identifier: Apache-2.0 */

/* The records that documents become in accounts.snapshot. */
#include "cloudauthd/accounts/records.h"

#include "access/bindings.h"
#include "access/local_ids.h"
#include "tests/unit/support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct snapshot_account told;
static enum publish_change told_as;
static unsigned removed;

void publish_put(struct publish *accounts, const struct snapshot_account *account,
                 enum publish_change change)
{
    (void)accounts;
    told = *account;
    told_as = change;
}

void publish_remove(struct publish *accounts, const char *project, const char *environment)
{
    (void)accounts;
    (void)project;
    (void)environment;
    removed++;
}

static struct cloud_conf conf;
static struct admission admission = {.conf = &conf};
static const struct records records = {.admission = &admission};
static const struct document document = {.project = "abcdefghij",
                                         .environment = "production",
                                         .status = DOCUMENT_ACTIVE,
                                         .uid = 200001,
                                         .gid = 200001,
                                         .gecos = "",
                                         .home = "/app/x",
                                         .shell = "/bin/sh"};

static int setup(void **state)
{
    struct cloud_conf_error error;

    (void)state;
    cloud_conf_defaults(&conf);
    conf.uid_min = 200000;
    conf.uid_max = 999999;
    assert_true(cloud_conf_line(&conf, "allow=*", 7, &error));
    admission.bindings = bindings_new();
    admission.local_ids = local_ids_new();
    removed = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bindings_free(admission.bindings);
    local_ids_free(admission.local_ids);
    return 0;
}

static void tell(int64_t asked_wall, const struct document *before)
{
    const struct cache_news news = {.project = document.project,
                                    .environment = document.environment,
                                    .document = &document,
                                    .before = before,
                                    .asked_wall = asked_wall,
                                    .until = asked_wall + 3600};

    records_news((void *)(uintptr_t)&records, &news);
}

static void test_times(void **state)
{
    int64_t now = (int64_t)time(NULL);

    (void)state;
    tell(now, NULL);
    assert_int_equal(told.fresh, now + conf.account_fresh);
    assert_int_equal(told.expires, now + 3600);
    assert_int_equal(told.flags, CLOUD_SNAPSHOT_ACTIVE);
    assert_int_equal(told_as, PUBLISH_NEW);
    tell(now, &document);
    assert_int_equal(told_as, PUBLISH_RENEWED);
    assert_int_equal(removed, 0);
}

/* The clock was put back since the document was fetched: its record is not used without asking. */
static void test_from_the_future(void **state)
{
    (void)state;
    tell((int64_t)time(NULL) + 1800, &document);
    assert_true(told.fresh <= (int64_t)time(NULL));
    assert_true(told.expires <= (int64_t)time(NULL));
}

/* A document for other hosts is withdrawn. */
static void test_not_for_this_host(void **state)
{
    struct document other = document;
    const struct cache_news news = {
        .project = other.project, .environment = other.environment, .document = &other};

    (void)state;
    other.has_hosts = true;
    records_news((void *)(uintptr_t)&records, &news);
    assert_int_equal(removed, 1);
}

/* An operator has released the binding, and another environment has bound the uid since: a
 * confirmation of the former document must not publish the uid a second time. */
static void test_uid_of_another_environment(void **state)
{
    const struct binding claim = {"abcdefghij", "staging", 200001, 200002};

    (void)state;
    tell((int64_t)time(NULL), NULL);
    assert_int_equal(removed, 0);
    assert_true(bindings_claim(admission.bindings, &claim));
    tell((int64_t)time(NULL), &document);
    assert_int_equal(removed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_times),
        TEST(test_from_the_future),
        TEST(test_not_for_this_host),
        TEST(test_uid_of_another_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
