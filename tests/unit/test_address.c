/* SPDX-License-Identifier: Apache-2.0 */
#include "access/address.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *block, *text; /* NULL: it cannot be read */
} blocks[] = {
    {"192.0.2.7", "192.0.2.7/32"},
    {"192.0.2.0/24", "192.0.2.0/24"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"::ffff:192.0.2.7", "192.0.2.7/32"},
    {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
    {"::ffff:0:0/96", "0.0.0.0/0"},
    {"2001:DB8::7", "2001:db8::7/128"},
    {"2001:db8::/33", "2001:db8::/33"},
    {"::/0", "::/0"},
    {"", NULL},
    {"/24", NULL},
    {"192.0.2", NULL},
    {"192.0.2.07", NULL},
    {"192.0.2.256", NULL},
    {" 192.0.2.7", NULL},
    {"192.0.2.7 ", NULL},
    {"192.0.2.7/", NULL},
    {"192.0.2.0/024", NULL},
    {"192.0.2.0/33", NULL},
    {"192.0.2.0/-1", NULL},
    {"192.0.2.0/255.255.255.0", NULL},
    {"192.0.2.1/24", NULL},
    {"192.0.2.128/24", NULL},
    {"::ffff:192.0.2.0/95", NULL},
    {"::ffff:0:0/80", NULL},
    {"2001:db8::1/32", NULL},
    {"2001:db8::/129", NULL},
    {"fe80::1%eth0", NULL},
    {"[2001:db8::7]", NULL},
    {"!192.0.2.7", NULL},
    {"192.0.2.*", NULL},
    {"192.0.2.7,192.0.2.8", NULL},
    {"office.example.com", NULL},
    {"127.1", NULL},
    {"0x7f000001", NULL},
    {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
};

static void test_blocks(void **state)
{
    char text[ADDRESS_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        struct address_block block, again;
        bool ok = address_block_read(blocks[i].block, &block);
        if (ok != (blocks[i].text != NULL))
            fail_msg("%s: %d", blocks[i].block, ok);
        if (!ok)
            continue;
        address_block_text(&block, text);
        assert_string_equal(text, blocks[i].text);
        assert_true(address_block_read(text, &again));
        assert_memory_equal(block.address, again.address, ADDRESS_SIZE);
        assert_int_equal(block.bits, again.bits);
    }
}

static const struct {
    const char *block, *address;
    bool in;
} pairs[] = {
    {"192.0.2.0/24", "192.0.2.255", true},
    {"192.0.2.0/24", "192.0.3.0", false},
    {"192.0.2.0/25", "192.0.2.127", true},
    {"192.0.2.0/25", "192.0.2.128", false},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7", "192.0.2.6", false},
    {"192.0.2.7", "::ffff:192.0.2.7", true},
    {"::ffff:192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7", "::192.0.2.7", false},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "2001:db8::7", false},
    {"::/0", "2001:db8::7", true},
    {"::/0", "203.0.113.9", false},
    {"::/0", "::ffff:203.0.113.9", false},
    {"2001:db8::/33", "2001:db8:7fff::", true},
    {"2001:db8::/33", "2001:db8:8000::", false},
    {"fe80::/10", "fe80::1", true},
};

static void test_membership(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        unsigned char address[ADDRESS_SIZE];
        struct address_block block;
        assert_true(address_block_read(pairs[i].block, &block));
        assert_true(address_read(pairs[i].address, address));
        if (address_block_has(&block, address) != pairs[i].in)
            fail_msg("%s in %s", pairs[i].address, pairs[i].block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_membership)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
