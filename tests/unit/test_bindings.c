/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"

#include "base/loop.h"
#include "base/table.h"
#include "common/clock.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct bindings *bindings;
static char why[200];

static int setup(void **state)
{
    (void)state;
    bindings = bindings_new();
    return bindings == NULL;
}

static int teardown(void **state)
{
    (void)state;
    bindings_free(bindings);
    return 0;
}

static bool allow(const char *project, const char *environment, uint32_t uid, uint32_t gid)
{
    struct binding claim = {project, environment, uid, gid};

    why[0] = '\0';
    return bindings_allow(bindings, &claim, why, sizeof why);
}

static void bind(const char *project, const char *environment, uint32_t uid, uint32_t gid)
{
    struct binding claim = {project, environment, uid, gid};

    assert_true(allow(project, environment, uid, gid));
    bindings_claim(bindings, &claim);
}

static void assert_owner(uint32_t id, const char *project, const char *environment)
{
    struct binding by_uid, by_gid;

    assert_true(bindings_by_uid(bindings, id, &by_uid));
    assert_true(bindings_by_gid(bindings, id, &by_gid));
    assert_string_equal(by_uid.project, project);
    assert_string_equal(by_uid.environment, environment);
    assert_int_equal(by_uid.uid, id);
    assert_string_equal(by_gid.project, project);
    assert_string_equal(by_gid.environment, environment);
    assert_int_equal(by_gid.gid, id);
}

static void test_unbound(void **state)
{
    struct binding owner = {"kept", "kept", 1, 1};

    (void)state;
    assert_false(bindings_by_uid(bindings, 200001, &owner));
    assert_false(bindings_by_gid(bindings, 200001, &owner));
    assert_false(bindings_by_uid(bindings, 0, &owner));
    assert_false(bindings_by_uid(bindings, UINT32_MAX, &owner));
    assert_string_equal(owner.project, "kept");
    assert_true(allow("abcdefghij", "staging", 200001, 200001));
}

static void test_bound(void **state)
{
    (void)state;
    bind("abcdefghij", "staging", 200001, 200001);
    assert_owner(200001, "abcdefghij", "staging");
    bind("abcdefghij", "staging", 200001, 200001); /* again */
    assert_owner(200001, "abcdefghij", "staging");
}

static void test_uid_and_gid_differ(void **state)
{
    struct binding owner;

    (void)state;
    bind("abcdefghij", "staging", 200001, 300001);
    assert_true(bindings_by_uid(bindings, 200001, &owner));
    assert_int_equal(owner.gid, 300001);
    assert_true(bindings_by_gid(bindings, 300001, &owner));
    assert_int_equal(owner.uid, 200001);
    assert_false(bindings_by_uid(bindings, 300001, &owner));
    assert_false(bindings_by_gid(bindings, 200001, &owner));
    bind("abcdefghij", "production", 300001, 200001); /* an id of the other sort is another id */
}

static void test_conflicts(void **state)
{
    (void)state;
    bind("abcdefghij", "staging", 200001, 300001);
    assert_false(allow("zyxwvutsrq", "staging", 200001, 300002));
    assert_string_equal(why, "uid 200001 belongs to environment staging of project abcdefghij");
    assert_false(allow("abcdefghij", "production", 200002, 300001));
    assert_string_equal(why, "gid 300001 belongs to environment staging of project abcdefghij");
    assert_false(allow("abcdefghij", "staging", 200002, 300001));
    assert_string_equal(why, "uid:gid changed from 200001:300001 to 200002:300001");
    assert_false(allow("abcdefghij", "staging", 200001, 300002));
    assert_string_equal(why, "uid:gid changed from 200001:300001 to 200001:300002");
    assert_true(allow("abcdefghij", "staging", 200001, 300001));
    assert_string_equal(why, "");
}

/* Two environments that exchange their ids are two conflicts. */
static void test_exchange(void **state)
{
    (void)state;
    bind("abcdefghij", "staging", 200001, 200001);
    bind("abcdefghij", "production", 200002, 200002);
    assert_false(allow("abcdefghij", "staging", 200002, 200002));
    assert_false(allow("abcdefghij", "production", 200001, 200001));
    assert_owner(200001, "abcdefghij", "staging");
    assert_owner(200002, "abcdefghij", "production");
}

/* A claim that bindings_allow refuses changes no other binding. */
static void test_claim_of_a_bound_name(void **state)
{
    struct binding claim = {"abcdefghij", "staging", 200009, 200009}, owner;

    (void)state;
    bind("abcdefghij", "staging", 200001, 200001);
    bindings_claim(bindings, &claim);
    assert_owner(200001, "abcdefghij", "staging");
    assert_false(bindings_by_uid(bindings, 200009, &owner));
}

/* "abcdefg" + "hij" is not "abcdefgh" + "ij". */
static void test_names_that_run_together(void **state)
{
    (void)state;
    bind("abcdefg", "hij", 200001, 200001);
    bind("abcdefgh", "ij", 200002, 200002);
    bind("hij", "abcdefg", 200003, 200003);
    assert_owner(200001, "abcdefg", "hij");
    assert_owner(200002, "abcdefgh", "ij");
    assert_owner(200003, "hij", "abcdefg");
}

static void test_names_are_copied(void **state)
{
    char project[] = "abcdefghij", environment[] = "staging";

    (void)state;
    bind(project, environment, 200001, 200001);
    memset(project, 'x', sizeof project - 1);
    memset(environment, 'y', sizeof environment - 1);
    assert_owner(200001, "abcdefghij", "staging");
}

static void test_short_reason(void **state)
{
    struct binding claim = {"zyxwvutsrq", "staging", 200001, 200001};
    char little[8];

    (void)state;
    bind("abcdefghij", "staging", 200001, 200001);
    assert_false(bindings_allow(bindings, &claim, little, sizeof little));
    assert_string_equal(little, "uid 200");
}

static void name_of(char out[16], uint32_t i)
{
    snprintf(out, 16, "project%06u", i);
}

static void test_many(void **state)
{
    enum { MANY = 20000 };
    char name[16];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        name_of(name, i);
        bind(name, "production", 200000 + i, 200000 + i);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        name_of(name, i);
        assert_owner(200000 + i, name, "production");
        assert_false(allow(name, "production", 200000 + i, 200000 + (i + 1) % MANY));
        assert_false(allow("stranger", "production", 200000 + i, 900000));
        assert_false(allow("stranger", "production", 900000, 200000 + i));
    }
    assert_true(allow("stranger", "production", 900000, 900000));
}

/* ---- base/table ---- */

struct thing {
    struct table_node node;
    unsigned number;
};

static bool is_number(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct thing, node)->number == *(const unsigned *)key;
}

static struct thing *find(const struct table *table, uint64_t hash, unsigned number)
{
    struct table_node *node = table_find(table, hash, is_number, &number);

    return node == NULL ? NULL : TABLE_OWNER(node, struct thing, node);
}

static void remove_thing(void *arg, struct table_node *node)
{
    table_remove(arg, node);
    TABLE_OWNER(node, struct thing, node)->number = 0;
    *node = (struct table_node){0};
}

/* All in one bucket, or even of one hash: each is found, and growing loses none. */
static void check_table(uint64_t step)
{
    enum { THINGS = 300 };
    static struct thing things[THINGS];
    struct table table;

    table_start(&table);
    for (unsigned i = 0; i < THINGS; i++) {
        things[i].number = i;
        table_insert(&table, &things[i].node, i * step);
    }
    assert_int_equal(table.used, THINGS);
    for (unsigned i = 0; i < THINGS; i++)
        assert_ptr_equal(find(&table, i * step, i), &things[i]);
    assert_null(find(&table, 0, THINGS));
    for (unsigned i = 0; i < THINGS; i += 2)
        table_remove(&table, &things[i].node);
    table_remove(&table, &things[0].node); /* was removed above */
    assert_int_equal(table.used, THINGS / 2);
    for (unsigned i = 0; i < THINGS; i++)
        assert_ptr_equal(find(&table, i * step, i), i % 2 == 0 ? NULL : &things[i]);
    table_each(&table, remove_thing, &table);
    assert_int_equal(table.used, 0);
    for (unsigned i = 1; i < THINGS; i += 2)
        assert_int_equal(things[i].number, 0);
    table_end(&table);
}

static void test_table(void **state)
{
    (void)state;
    check_table(1);
    check_table(0);
    check_table(UINT64_C(1) << 32);
    check_table(0x9e3779b97f4a7c15u);
}

/* Two tables put a key into different buckets: an attacker may choose the keys. */
static void test_table_seed(void **state)
{
    struct table first, second;

    (void)state;
    table_start(&first);
    table_start(&second);
    assert_int_equal(table_hash(&first, "abc", 3), table_hash(&first, "abc", 3));
    assert_true(table_hash(&first, "abc", 3) != table_hash(&first, "abd", 3));
    assert_true(table_hash(&first, "abc", 3) != table_hash(&second, "abc", 3));
    table_end(&first);
    table_end(&second);
}

static void test_forget(void **state)
{
    struct binding owner;

    (void)state;
    assert_false(bindings_forget(bindings, "abcdefghij", "staging"));
    bind("abcdefghij", "staging", 200001, 200002);
    bind("abcdefghij", "production", 200003, 200003);
    assert_true(bindings_by_name(bindings, "abcdefghij", "staging", &owner));
    assert_int_equal(owner.uid, 200001);
    assert_int_equal(owner.gid, 200002);
    assert_false(allow("abcdefghij", "staging2", 200001, 200009));
    assert_true(bindings_forget(bindings, "abcdefghij", "staging"));
    assert_false(bindings_forget(bindings, "abcdefghij", "staging"));
    assert_false(bindings_by_name(bindings, "abcdefghij", "staging", &owner));
    assert_false(bindings_by_uid(bindings, 200001, &owner));
    assert_false(bindings_by_gid(bindings, 200002, &owner));
    assert_owner(200003, "abcdefghij", "production");
    bind("abcdefghij", "staging2", 200001, 200001);
    bind("abcdefghij", "staging", 200004, 200004);
    assert_false(allow("abcdefghij", "staging", 200001, 200001));
}

/* A binding that is about to be removed says so; one that is made anew does not. */
static void test_leaving(void **state)
{
    (void)state;
    bindings_set_leaving(bindings, "abcdefghij", "staging", true);
    assert_false(bindings_is_leaving(bindings, "abcdefghij", "staging"));
    bind("abcdefghij", "staging", 200001, 200001);
    bind("abcdefghij", "production", 200002, 200002);
    bindings_set_leaving(bindings, "abcdefghij", "staging", true);
    assert_true(bindings_is_leaving(bindings, "abcdefghij", "staging"));
    assert_false(bindings_is_leaving(bindings, "abcdefghij", "production"));
    assert_owner(200001, "abcdefghij", "staging");
    bindings_set_leaving(bindings, "abcdefghij", "staging", false);
    assert_false(bindings_is_leaving(bindings, "abcdefghij", "staging"));
    bindings_set_leaving(bindings, "abcdefghij", "staging", true);
    assert_true(bindings_forget(bindings, "abcdefghij", "staging"));
    assert_false(bindings_is_leaving(bindings, "abcdefghij", "staging"));
    bind("abcdefghij", "staging", 200001, 200001);
    assert_false(bindings_is_leaving(bindings, "abcdefghij", "staging"));
}

/* The time of the last release, or of the claim after it, is known. */
static void test_changed_at(void **state)
{
    int64_t before = cloud_clock_ms(), taken, given;

    (void)state;
    assert_int_equal(bindings_changed_at(bindings, "abcdefghij", "staging"), 0);
    bind("abcdefghij", "staging", 200001, 200001);
    bind("abcdefghij", "production", 200002, 200002);
    assert_int_equal(bindings_changed_at(bindings, "abcdefghij", "staging"), 0);
    assert_true(bindings_forget(bindings, "abcdefghij", "staging"));
    taken = bindings_changed_at(bindings, "abcdefghij", "staging");
    assert_true(taken >= before);
    while (cloud_clock_ms() == taken)
        ;
    bind("abcdefghij", "staging", 200003, 200003);
    given = bindings_changed_at(bindings, "abcdefghij", "staging");
    assert_true(given > taken);
    bind("abcdefghij", "staging", 200003, 200003); /* bound already */
    assert_int_equal(bindings_changed_at(bindings, "abcdefghij", "staging"), given);
    assert_owner(200003, "abcdefghij", "staging");
    assert_int_equal(bindings_changed_at(bindings, "abcdefghij", "production"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unbound),
        TEST(test_bound),
        TEST(test_uid_and_gid_differ),
        TEST(test_conflicts),
        TEST(test_exchange),
        TEST(test_claim_of_a_bound_name),
        TEST(test_names_that_run_together),
        TEST(test_names_are_copied),
        TEST(test_short_reason),
        TEST(test_forget),
        TEST(test_leaving),
        TEST(test_changed_at),
        TEST(test_many),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
