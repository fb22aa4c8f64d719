/* SPDX-License-Identifier: Apache-2.0 */

/* The records that documents become in accounts.snapshot. */
#include "cloudauthd/accounts/records.h"

#include "access/bindings.h"
#include "access/denials.h"
#include "access/local_ids.h"
#include "tests/unit/support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct snapshot_account told;
static unsigned removed;

void publish_put(struct publish *accounts, const struct snapshot_account *account)
{
    (void)accounts;
    told = *account;
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
    enter_directory();
    test_here.passwd = "passwd";
    test_here.group = "group";
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
    leave_directory();
    return 0;
}

static void tell(int64_t asked_wall)
{
    const struct cache_news news = {.project = document.project,
                                    .environment = document.environment,
                                    .document = &document,
                                    .asked_wall = asked_wall,
                                    .until = asked_wall + 3600};

    records_news((void *)(uintptr_t)&records, &news);
}

static void test_times(void **state)
{
    int64_t now = (int64_t)time(NULL);

    (void)state;
    tell(now);
    assert_int_equal(told.fresh, now + conf.account_fresh);
    assert_int_equal(told.expires, now + 3600);
    assert_int_equal(told.flags, CLOUD_SNAPSHOT_ACTIVE);
    tell(now);
    assert_int_equal(removed, 0);
}

/* The clock was put back since the document was fetched: its record is not used without asking. */
static void test_from_the_future(void **state)
{
    (void)state;
    tell((int64_t)time(NULL) + 1800);
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
    tell((int64_t)time(NULL));
    assert_int_equal(removed, 0);
    bindings_claim(admission.bindings, &claim);
    tell((int64_t)time(NULL));
    assert_int_equal(removed, 1);
}

/* A published record is judged by what may have changed while no daemon ran. */
static struct cloud_snapshot_account published(uint32_t uid)
{
    return (struct cloud_snapshot_account){.project = "abcdefghij",
                                           .environment = "production",
                                           .home = "/app/x",
                                           .record.uid = uid,
                                           .record.gid = uid};
}

static bool stands(const struct cloud_snapshot_account *account)
{
    uint32_t flags = 0;

    return records_judge((void *)(uintptr_t)&records, account, &flags);
}

static void test_judge(void **state)
{
    const struct binding claim = {"abcdefghij", "staging", 200001, 200001};
    struct cloud_snapshot_account account = published(200001);
    struct cloud_conf_error error;

    (void)state;
    assert_true(stands(&account));
    account = published(1000);
    assert_false(stands(&account));
    account = published(200001);
    account.home = "/root";
    assert_false(stands(&account));
    account = published(200001);
    bindings_claim(admission.bindings, &claim);
    assert_false(stands(&account));
    account = published(200002);
    assert_true(stands(&account));
    account.environment = "staging"; /* its binding is released, and claimed by none yet */
    assert_true(bindings_forget(admission.bindings, "abcdefghij", "staging"));
    assert_false(stands(&account));
    account = published(200002);
    assert_true(stands(&account));
    cloud_conf_defaults(&conf);
    assert_true(cloud_conf_line(&conf, "allow=zyxwvutsrq", 16, &error));
    assert_false(stands(&account));
}

static void test_judge_local(void **state)
{
    struct cloud_snapshot_account account = published(200001);

    (void)state;
    write_file("group", "root:x:0:\n");
    write_file("passwd", "ada:x:200001:0::/:/bin/sh\n");
    assert_true(local_ids_refresh(admission.local_ids));
    assert_false(stands(&account));
    write_file("passwd", "abcdefghij:x:1500:0::/:/bin/sh\n");
    assert_true(local_ids_refresh(admission.local_ids));
    assert_false(stands(&account));
    write_file("passwd", "");
    assert_true(local_ids_refresh(admission.local_ids));
    assert_true(stands(&account));
}

/* A denied environment is not active, nor paused. */
static void test_judge_denied(void **state)
{
    struct cloud_snapshot_account account = published(200001);
    struct denial_list *list = calloc(1, sizeof *list + sizeof list->denial[0]);
    const struct denials denials = {.list = list};
    struct records denying = records;
    uint32_t flags = CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_APPS;

    (void)state;
    denying.denials = &denials;
    assert_true(records_judge(&denying, &account, &flags));
    assert_int_equal(flags, CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_APPS);
    list->n = 1;
    list->denial[0] =
        (struct denial){.kind = DENIAL_ENVIRONMENT, .subject = "abcdefghij/production"};
    assert_true(records_judge(&denying, &account, &flags));
    assert_int_equal(flags, CLOUD_SNAPSHOT_APPS);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_times),
        TEST(test_from_the_future),
        TEST(test_not_for_this_host),
        TEST(test_uid_of_another_environment),
        TEST(test_judge),
        TEST(test_judge_local),
        TEST(test_judge_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
