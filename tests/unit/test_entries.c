/* SPDX-License-Identifier: Apache-2.0 */

/* The entries' states and bounds, with documents that are as large as the test says. */
#include "cloudauthd/cache/entries.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct entries entries;

void document_free(struct document *document)
{
    free(document);
}

static int setup(void **state)
{
    (void)state;
    entries_start(&entries);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    entries_end(&entries);
    return 0;
}

static struct cache_entry *find(const char *environment)
{
    struct cache_entry *entry = entries_find_or_add(&entries, "abcdefghij", environment);

    assert_non_null(entry);
    return entry;
}

/* Whether a document is known; an entry that was made by asking goes again. */
static bool has_document(const char *environment)
{
    struct cache_entry *entry = find(environment);
    bool has = entry->document != NULL;

    entries_drop_if_new(entry);
    return has;
}

static struct document *make_document(size_t bytes)
{
    struct document *document = calloc(1, sizeof *document);

    assert_non_null(document);
    document->bytes = bytes;
    return document;
}

/* An entry with a document of that size. */
static struct cache_entry *learn(const char *environment, size_t bytes)
{
    struct cache_entry *entry = find(environment);

    entry->asked = entry->asked_wall = 7;
    strcpy(entry->validator.etag, "\"v1\"");
    entries_apply(entry, ENTRY_DOCUMENT, make_document(bytes));
    entries_evict(&entries);
    return entry;
}

static void apply(struct cache_entry *entry, enum entry_event event)
{
    entries_apply(entry, event, event == ENTRY_DOCUMENT ? make_document(1) : NULL);
}

/* A fresh entry in that state. */
static struct cache_entry *entry_in(enum entry_state state)
{
    struct cache_entry *entry = find("any");

    apply(entry, ENTRY_FORGET);
    if (state == ENTRY_CURRENT || state == ENTRY_STALE)
        apply(entry, ENTRY_DOCUMENT);
    if (state == ENTRY_STALE || state == ENTRY_FAILING)
        apply(entry, ENTRY_FAILURE);
    if (state == ENTRY_ABSENT)
        apply(entry, ENTRY_ABSENCE);
    assert_int_equal(entry->state, state);
    return entry;
}

/* The table of entries.h; an impossible event is a failure. */
static void test_states(void **state)
{
    static const char letters[] = "UCSAF";
    static const char *const expected[ENTRY_EVENTS] = {
        [ENTRY_DOCUMENT] = "CCCCC", [ENTRY_CONFIRM] = "FCCFF", [ENTRY_ABSENCE] = "AAAAA",
        [ENTRY_FAILURE] = "FSSFF",  [ENTRY_FORGET] = "UUUUU",
    };

    (void)state;
    for (enum entry_event event = 0; event < ENTRY_EVENTS; event++) {
        char got[ENTRY_STATES + 1] = "";
        for (enum entry_state from = 0; from < ENTRY_STATES; from++) {
            struct cache_entry *entry = entry_in(from);
            apply(entry, event);
            got[from] = letters[entry->state];
            assert_int_equal(entry->document != NULL, strchr("CS", got[from]) != NULL);
            assert_int_equal(entries_is_failing(entry), strchr("SF", got[from]) != NULL);
            assert_int_equal(entries.known.used, entry->document != NULL);
        }
        assert_string_equal(got, expected[event]);
    }
}

/* A document that is missing is a failure, and the last good one stays. */
static void test_no_document(void **state)
{
    struct cache_entry *entry = entry_in(ENTRY_CURRENT);

    (void)state;
    entries_apply(entry, ENTRY_DOCUMENT, NULL);
    assert_int_equal(entry->state, ENTRY_STALE);
    assert_non_null(entry->document);
    assert_string_equal(entry->detail, "internal error");
}

/* The table of entries.h; an impossible step changes nothing. */
static void test_phases(void **state)
{
    static const char letters[] = "ILSOW";
    static const char *const expected[ENTRY_STEPS] = {
        [ENTRY_LOAD] = "L----",  [ENTRY_SEND] = "S----",    [ENTRY_ANSWER] = "-III-",
        [ENTRY_WRITE] = "W----", [ENTRY_WRITTEN] = "----I", [ENTRY_ORPHAN] = "IOOOW",
    };
    struct cache_entry *entry = find("any");

    (void)state;
    for (enum entry_step step = 0; step < ENTRY_STEPS; step++) {
        char got[ENTRY_PHASES + 1] = "";
        for (enum entry_phase from = 0; from < ENTRY_PHASES; from++) {
            entry->phase = from;
            got[from] = '-';
            if (entries_step(entry, step))
                got[from] = letters[entry->phase];
            else
                assert_int_equal(entry->phase, from);
        }
        assert_string_equal(got, expected[step]);
    }
    entry->phase = ENTRY_IDLE;
    entries_touch(entry);
}

#define ALL   ENTRIES_BYTES_MAX
#define ENTRY sizeof(struct cache_entry)

static void test_longest_unused_goes(void **state)
{
    (void)state;
    learn("first", ALL / 2 - ENTRY);
    learn("second", ALL / 2 - ENTRY);
    assert_int_equal(entries.known.used, 2);
    entries_touch(find("first"));
    learn("third", 1);
    assert_true(has_document("first"));
    assert_false(has_document("second"));
    assert_int_equal(entries.bytes, ALL / 2 - ENTRY + 1);
}

/* A cold entry takes the place of none that is used. */
static void test_cold_goes_first(void **state)
{
    struct cache_entry *cold = find("cold");

    (void)state;
    learn("first", ALL / 2 - ENTRY);
    cold->cold = true;
    learn("cold", 1);
    assert_true(has_document("cold"));
    learn("second", ALL / 2 - ENTRY);
    assert_true(has_document("first"));
    assert_false(has_document("cold"));
}

/* An entry with something under way stays, and one that knows more than the disk. */
static void test_in_use_stays(void **state)
{
    (void)state;
    learn("first", ALL / 2)->phase = ENTRY_SENT;
    learn("second", ALL / 2)->phase = ENTRY_WRITING;
    learn("third", ALL / 2)->stored = ENTRY_STORE_FAILED;
    entries_set_absence(learn("fourth", ALL / 2), ENTRY_WITHHELD);
    entries_set_absence(learn("fifth", ALL / 2), ENTRY_CONFIRMED);
    learn("sixth", ALL / 2);
    learn("seventh", 1);
    assert_int_equal(entries.known.used, 6);
    assert_false(has_document("sixth"));
    assert_false(entries.overflowed);
}

/* Entries that the disk has refused are bounded: past the bound the disk is not read. */
static void test_overflow(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 2 * ENTRIES_OVERFLOW; i++) {
        snprintf(name, sizeof name, "env%u", i);
        learn(name, ALL / 2 - ENTRY)->stored = ENTRY_STORE_FAILED;
    }
    assert_false(entries.overflowed);
    learn("last", ALL / 2);
    assert_true(entries.overflowed);
    learn("last", ALL / 2);
    assert_int_equal(entries.known.used, 1);
}

/* So are those with an absence that is withheld; some are, as long as no operator confirms one. */
static void test_withheld_are_bounded(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < ENTRIES_WITHHELD_MAX + 10; i++) {
        snprintf(name, sizeof name, "env%u", i);
        entries_set_absence(learn(name, 1), ENTRY_WITHHELD);
    }
    learn("large", ALL);
    assert_int_equal(entries.withheld, ENTRIES_WITHHELD_MAX);
    assert_false(has_document("env0"));
    assert_true(has_document("env100"));
}

static void test_unknown_are_bounded(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < ENTRIES_UNKNOWN_MAX + 10; i++) {
        snprintf(name, sizeof name, "robot%u", i);
        entries_touch(find(name));
        entries_evict(&entries);
    }
    assert_int_equal(entries.unknown.used, ENTRIES_UNKNOWN_MAX);
}

static void test_forgotten(void **state)
{
    struct cache_entry *entry = learn("first", 1);

    (void)state;
    entry->issued = 1800000000;
    entries_forget(entry);
    assert_int_equal(entry->issued, 0);
    assert_int_equal(entries.unknown.used, 1);
}

/* Absences that are withheld are counted until there is a good answer, or the entry goes. */
static void test_withheld(void **state)
{
    struct cache_entry *first = learn("first", 1), *second = learn("second", 1);

    (void)state;
    entries_set_absence(first, ENTRY_WITHHELD);
    entries_set_absence(second, ENTRY_WITHHELD);
    entries_set_absence(second, ENTRY_WITHHELD);
    entries_apply(second, ENTRY_FAILURE, NULL);
    assert_int_equal(entries.withheld, 2);
    entries_apply(second, ENTRY_CONFIRM, NULL);
    assert_int_equal(second->absence, ENTRY_BELIEVED);
    assert_int_equal(entries.withheld, 1);
    entries_forget(first);
    assert_int_equal(entries.withheld, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_states),
        TEST(test_no_document),
        TEST(test_phases),
        TEST(test_longest_unused_goes),
        TEST(test_in_use_stays),
        TEST(test_cold_goes_first),
        TEST(test_overflow),
        TEST(test_withheld_are_bounded),
        TEST(test_unknown_are_bounded),
        TEST(test_forgotten),
        TEST(test_withheld),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
