/* SPDX-License-Identifier: Apache-2.0 */

/* The entries' bounds, with documents that are as large as the test says. */
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
    return !entries_start(&entries);
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

    if (entry->list == NULL)
        entries_drop(entry);
    return has;
}

/* An entry with a document of that size, signed at that time if it is not 0. */
static struct cache_entry *learn(const char *environment, size_t bytes, int64_t issued)
{
    struct cache_entry *entry = find(environment);
    struct document *document = calloc(1, sizeof *document);

    assert_non_null(document);
    document->bytes = bytes;
    entry->issued = issued;
    entry->asked = entry->asked_wall = 7;
    strcpy(entry->validator.etag, "\"v1\"");
    entries_set_document(entry, document);
    entries_make_room(&entries);
    return entry;
}

static void test_longest_unused_goes(void **state)
{
    (void)state;
    learn("first", ENTRIES_BYTES_MAX / 2, 0);
    learn("second", ENTRIES_BYTES_MAX / 2, 0);
    assert_int_equal(entries.known.used, 2);
    entries_touch(find("first"));
    learn("third", 1, 0);
    assert_true(has_document("first"));
    assert_false(has_document("second"));
    assert_int_equal(entries.bytes, ENTRIES_BYTES_MAX / 2 + 1);
    assert_true(entries_know_project(&entries, "abcdefghij"));
}

/* What is waited for, or under way, stays. */
static void test_in_use_stays(void **state)
{
    (void)state;
    learn("first", ENTRIES_BYTES_MAX, 0)->in_flight = true;
    learn("second", ENTRIES_BYTES_MAX, 0)->committing = true;
    learn("third", ENTRIES_BYTES_MAX, 0);
    learn("fourth", 1, 0);
    assert_int_equal(entries.known.used, 3);
    assert_false(has_document("third"));
}

/* Of a signed document that had to go, it stays known when it was signed, and nothing else. */
static void test_signature_is_remembered(void **state)
{
    struct cache_entry *entry;

    (void)state;
    learn("first", ENTRIES_BYTES_MAX, 1800000000);
    learn("second", 1, 0);
    entry = find("first");
    assert_null(entry->document);
    assert_int_equal(entry->issued, 1800000000);
    assert_string_equal(entry->validator.etag, "");
    assert_int_equal(entry->asked, 0);
    assert_int_equal(entries.known.used, 1);
    assert_int_equal(entries.bytes, 1);
    /* Names that nobody knows do not push it out. */
    for (unsigned i = 0; i < ENTRIES_UNKNOWN_MAX + 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "robot%u", i);
        entries_touch(find(name));
        entries_make_room(&entries);
    }
    assert_int_equal(entries.unknown.used, ENTRIES_UNKNOWN_MAX);
    assert_ptr_equal(find("first"), entry);
    assert_int_equal(entry->issued, 1800000000);
}

static void test_remembered_are_bounded(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < ENTRIES_ISSUED_MAX + 10; i++) {
        snprintf(name, sizeof name, "env%u", i);
        learn(name, ENTRIES_BYTES_MAX, 1800000000);
    }
    assert_int_equal(entries.issued.used, ENTRIES_ISSUED_MAX);
    entries_touch(find("env0"));
    assert_int_equal(find("env0")->issued, 0); /* the longest unused */
    assert_int_equal(find("env100")->issued, 1800000000);
    assert_int_equal(entries.known.used, 1);
}

static void test_forgotten(void **state)
{
    struct cache_entry *entry;

    (void)state;
    entry = learn("first", 1, 1800000000);
    entries_forget(entry);
    assert_int_equal(entry->issued, 0);
    assert_int_equal(entries.issued.used, 0);
    assert_int_equal(entries.unknown.used, 1);
    assert_false(entries_know_project(&entries, "abcdefghij"));
}

/* By number or by bytes, an eighth before the longest unused would go. */
static void test_nearly_full(void **state)
{
    const struct lru none = entries.known;

    (void)state;
    assert_false(entries_nearly_full(&entries));
    entries.known.used = ENTRIES_KNOWN_MAX / 8 * 7 - 1;
    entries.bytes = ENTRIES_BYTES_MAX / 8 * 7 - 1;
    assert_false(entries_nearly_full(&entries));
    entries.bytes++;
    assert_true(entries_nearly_full(&entries));
    entries.bytes--;
    entries.known.used++;
    assert_true(entries_nearly_full(&entries));
    entries.known = none;
    entries.bytes = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_longest_unused_goes),
        TEST(test_in_use_stays),
        TEST(test_signature_is_remembered),
        TEST(test_remembered_are_bounded),
        TEST(test_forgotten),
        TEST(test_nearly_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
