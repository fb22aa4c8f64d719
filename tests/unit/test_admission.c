/* SPDX-License-Identifier: Apache-2.0 */

/* Whether this host takes a document, and what taking it binds. */
#include "access/bindings.h"
#include "access/local_ids.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/state/bindings_log.h"
#include "common/clock.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct cloud_conf conf;
static bool restores;
static struct admission admission;
static struct document document;
static const char *hosts[] = {"web2"};
static char why[256];

/* In the place of /etc/passwd and /etc/group. */
static bool readable;
static uint32_t local_uid;

bool local_ids_refresh(struct local_ids *db)
{
    (void)db;
    return readable;
}

bool local_ids_has_name(const struct local_ids *db, const char *name)
{
    (void)db;
    (void)name;
    return false;
}

bool local_ids_has_uid(const struct local_ids *db, uint32_t uid)
{
    (void)db;
    return uid == local_uid;
}

bool local_ids_has_gid(const struct local_ids *db, uint32_t gid)
{
    (void)db;
    (void)gid;
    return false;
}

bool local_ids_is_subordinate(const struct local_ids *db, uint32_t uid, uint32_t gid)
{
    (void)db;
    (void)uid;
    (void)gid;
    return false;
}

/* In the place of the log of bindings. */
static int logs; /* admission.bindings_log points here */
static unsigned added;
static struct binding last; /* its strings are the document's */

void bindings_log_add(struct bindings_log *log, const struct binding *binding)
{
    assert_ptr_equal(log, &logs);
    added++;
    last = *binding;
}

static int setup(void **state)
{
    struct cloud_conf_error error;

    (void)state;
    cloud_conf_defaults(&conf);
    conf.uid_min = 200000;
    conf.uid_max = 999999;
    assert_true(cloud_conf_line(&conf, "allow=*", 7, &error));
    strcpy(conf.host_id, "web1");
    document = (struct document){.project = "abcdefghij",
                                 .environment = "staging",
                                 .uid = 200002,
                                 .gid = 200003,
                                 .home = "/app/x"};
    admission = (struct admission){.conf = &conf,
                                   .bindings = bindings_new(),
                                   .bindings_log = (struct bindings_log *)(void *)&logs};
    assert_non_null(admission.bindings);
    readable = true;
    local_uid = 0;
    added = 0;
    why[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bindings_free(admission.bindings);
    return 0;
}

static enum policy_reason judge(void)
{
    return admission_judge(&admission, &document, NULL, why, sizeof why);
}

static bool is_bound(void)
{
    struct binding owner;

    return bindings_by_name(admission.bindings, document.project, document.environment, &owner);
}

static void test_judging_binds_nothing(void **state)
{
    (void)state;
    assert_int_equal(judge(), POLICY_GRANTED);
    assert_false(is_bound());
    assert_int_equal(added, 0);
}

/* The home of one application costs the login names of that application, and no others. */
static void test_home_of_an_application(void **state)
{
    static const struct document_app apps[] = {{.name = "shop", .home = "/etc/cron.d/x"},
                                               {.name = "blog", .home = "/app/blog"},
                                               {.name = "wiki"}};
    struct cloud_name name = {.kind = CLOUD_SHELL};

    (void)state;
    document.apps = 3;
    document.app = apps;
    assert_int_equal(judge(), POLICY_GRANTED);
    for (size_t i = 0; i < 3; i++) {
        strcpy(name.app, apps[i].name);
        assert_int_equal(admission_judge(&admission, &document, &name, why, sizeof why),
                         i == 0 ? POLICY_UNUSABLE : POLICY_GRANTED);
    }
    assert_non_null(strstr(why, "apps.shop.home: this host's homes does not allow /etc/cron.d/x"));
}

static void test_local_user_added_since(void **state)
{
    (void)state;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    local_uid = document.uid;
    assert_true(admission_refresh(&admission));
    assert_int_equal(judge(), POLICY_UNUSABLE);
    assert_non_null(strstr(why, "belongs to a local user"));
}

static void test_other_host(void **state)
{
    (void)state;
    document.has_hosts = true;
    document.host = hosts;
    document.hosts = 1;
    assert_int_equal(judge(), POLICY_NOT_THIS_HOST);
    local_uid = document.uid;
    assert_int_equal(judge(), POLICY_UNUSABLE);
    local_uid = 0;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(is_bound());
}

static void test_accepting_binds_once(void **state)
{
    struct binding owner;

    (void)state;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(bindings_by_uid(admission.bindings, 200002, &owner));
    assert_string_equal(owner.environment, "staging");
    assert_int_equal(owner.gid, 200003);
    assert_int_equal(added, 1);
    assert_string_equal(last.project, "abcdefghij");
    assert_string_equal(last.environment, "staging");
    assert_true(last.uid == 200002 && last.gid == 200003);
}

static void test_refusing_binds_nothing(void **state)
{
    (void)state;
    readable = false;
    assert_false(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_non_null(strstr(why, "cannot be read"));
    readable = true;
    document.uid = 0;
    assert_false(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_non_null(strstr(why, "range"));
    document.uid = 200002;
    assert_false(is_bound());
    assert_int_equal(added, 0);
}

static void test_uid_of_another_environment(void **state)
{
    (void)state;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    document.environment = "production";
    assert_false(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_non_null(strstr(why, "uid 200002 belongs to environment staging"));
    assert_false(is_bound());
}

/* Until the log has been read nothing is written to it. */
static void test_without_a_log(void **state)
{
    (void)state;
    admission.bindings_log = NULL;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(is_bound());
    assert_int_equal(added, 0);
}

/* A document that was stored before its ids were released does not bind them again. */
static void test_restored_after_release(void **state)
{
    (void)state;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(bindings_forget(admission.bindings, document.project, document.environment));
    restores = true;
    assert_false(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_non_null(strstr(why, "its uid was released"));
    assert_int_equal(added, 1);
    restores = false;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    restores = true;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    restores = false;
    assert_int_equal(added, 2);
}

static void test_bound_again_after_release(void **state)
{
    (void)state;
    assert_true(admission_accept(&admission, &document, restores, why, sizeof why));
    assert_true(bindings_forget(admission.bindings, document.project, document.environment));
    assert_int_equal(judge(), POLICY_GRANTED);
    assert_false(is_bound());
    assert_true(admission_accept(&admission, &document, false, why, sizeof why));
    assert_true(is_bound());
    assert_int_equal(added, 2);
}

/* An environment that was bound, and is not since then. */
static void test_released_since(void **state)
{
    int64_t before = cloud_clock_ms() - 1;

    (void)state;
    assert_false(admission_is_released_since(&admission, "abcdefghij", "staging", before));
    assert_true(admission_accept(&admission, &document, false, why, sizeof why));
    assert_false(admission_is_released_since(&admission, "abcdefghij", "staging", before));
    assert_true(bindings_forget(admission.bindings, document.project, document.environment));
    assert_true(admission_is_released_since(&admission, "abcdefghij", "staging", before));
    assert_false(admission_is_released_since(&admission, "abcdefghij", "staging", INT64_MAX));
    assert_true(admission_accept(&admission, &document, false, why, sizeof why));
    assert_false(admission_is_released_since(&admission, "abcdefghij", "staging", before));
}

/* A document that is stored had ids. If none are bound, a line of the log was lost, unless they
 * were released; where lines are damaged, one may have been lost after the release. */
static void test_lost_bindings(void **state)
{
    (void)state;
    assert_true(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    assert_true(admission_accept(&admission, &document, false, why, sizeof why));
    assert_false(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    assert_true(bindings_forget(admission.bindings, "abcdefghij", "staging"));
    assert_false(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    admission.bindings_damaged = true;
    assert_true(admission_lacks_ids(&admission, "abcdefghij", "staging"));
}

/* A stored document binds its ids even if it may not be used here now. */
static void test_stored_binds_again(void **state)
{
    const struct binding claim = {"abcdefghij", "staging", document.uid, document.gid};

    (void)state;
    local_uid = document.uid;
    assert_int_equal(judge(), POLICY_UNUSABLE);
    assert_true(admission_bind_stored(&admission, &claim));
    assert_true(is_bound());
    assert_int_equal(added, 1);
}

static bool accepts(const char *environment, bool is_stored)
{
    document.environment = environment;
    return admission_accept(&admission, &document, is_stored, why, sizeof why);
}

/* Stored documents with the same ids are not used until the API has confirmed one. */
static void test_stored_doubted(void **state)
{
    const struct binding claims[] = {{"abcdefghij", "staging", document.uid, document.gid},
                                     {"abcdefghij", "other", document.uid, 200009}};

    (void)state;
    admission_doubt_stored(&admission, &claims[0]);
    admission_doubt_stored(&admission, &claims[1]);
    assert_int_equal(added, 0);
    assert_int_equal(admission_count(&admission), 0);
    assert_false(accepts("staging", true));
    assert_non_null(strstr(why, "its uid was released"));
    assert_false(accepts("other", true));
    assert_true(accepts("staging", false));
    assert_int_equal(added, 1);
    assert_true(accepts("staging", true));
    assert_false(accepts("other", false));
}

/* Where the log has another binding of the ids, that stands, but neither stored document is used:
 * the release of it and the line of the other may be lost. */
static void test_stored_contradicts_log(void **state)
{
    const struct binding line = {"abcdefghij", "staging", document.uid, 200009},
                         claim = {"abcdefghij", "other", document.uid, document.gid};
    struct binding owner;

    (void)state;
    document.gid = 200009;
    admission_bind_line(&admission, &line);
    assert_true(accepts("staging", true));
    assert_false(admission_bind_stored(&admission, &claim));
    assert_true(bindings_by_uid(admission.bindings, document.uid, &owner));
    assert_string_equal(owner.environment, "staging");
    assert_false(accepts("staging", true));
    assert_false(admission_keeps(&admission, &line, document.home));
    assert_false(accepts("other", true));
    assert_false(accepts("other", false));
    assert_true(accepts("staging", false));
    assert_true(accepts("staging", true));
    assert_int_equal(added, 0);
}

/* Where lines are damaged, a document from before a release binds nothing. */
static void test_stored_released(void **state)
{
    const struct binding claim = {"abcdefghij", "staging", document.uid, document.gid};

    (void)state;
    admission.bindings_damaged = true;
    admission_bind_line(&admission, &claim);
    admission_release_line(&admission, &claim);
    assert_true(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    assert_false(admission_bind_stored(&admission, &claim));
    assert_int_equal(admission_count(&admission), 0);
    assert_false(accepts("staging", true));
    assert_true(accepts("staging", false));
}

/* A line of the log that takes ids of another environment comes after a release that was lost. */
static void test_lines_contradict(void **state)
{
    const struct binding lines[] = {{"abcdefghij", "staging", 70001, 70001},
                                    {"abcdefghij", "third", 70002, 70003},
                                    {"abcdefghij", "other", 70001, 70003},
                                    {"abcdefghij", "fourth", 70004, 70004},
                                    {"abcdefghij", "fourth", 70005, 70004}};
    struct binding owner;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        admission_bind_line(&admission, &lines[i]);
    assert_true(bindings_by_uid(admission.bindings, 70001, &owner));
    assert_string_equal(owner.environment, "other");
    assert_int_equal(owner.gid, 70003);
    assert_false(admission_is_bound(&admission, "abcdefghij", "staging"));
    assert_false(admission_is_bound(&admission, "abcdefghij", "third"));
    assert_true(bindings_by_name(admission.bindings, "abcdefghij", "fourth", &owner));
    assert_int_equal(owner.uid, 70005);
    assert_int_equal(admission_count(&admission), 2);
}

/* A release counts though the line of its binding was refused by a full disk. */
static void test_line_of_release(void **state)
{
    const struct binding release = {"abcdefghij", "staging", 0, 0};

    (void)state;
    assert_true(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    admission_release_line(&admission, &release);
    assert_false(admission_lacks_ids(&admission, "abcdefghij", "staging"));
    assert_int_equal(admission_count(&admission), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_judging_binds_nothing),
        TEST(test_home_of_an_application),
        TEST(test_local_user_added_since),
        TEST(test_other_host),
        TEST(test_accepting_binds_once),
        TEST(test_refusing_binds_nothing),
        TEST(test_uid_of_another_environment),
        TEST(test_without_a_log),
        TEST(test_restored_after_release),
        TEST(test_bound_again_after_release),
        TEST(test_released_since),
        TEST(test_lost_bindings),
        TEST(test_stored_binds_again),
        TEST(test_stored_doubted),
        TEST(test_stored_contradicts_log),
        TEST(test_stored_released),
        TEST(test_lines_contradict),
        TEST(test_line_of_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
