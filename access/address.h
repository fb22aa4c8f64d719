/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_ADDRESS_H
#define CLOUD_ACCESS_ADDRESS_H

#include <stdbool.h>

/*
 * IP addresses and blocks of them (CIDR, RFC 4632 and 4291), never names: a name is what the
 * client's name server says (CVE-2024-10963). IPv4 is stored as IPv4-mapped IPv6, so that both
 * spellings of an address are equal; but no block of IPv6 has an IPv4 address, as in sshd(8).
 * Pure functions.
 */

#define ADDRESS_SIZE 16
#define ADDRESS_TEXT 50 /* bytes of a block's text, with its NUL */

struct address_block {
    unsigned char address[ADDRESS_SIZE];
    unsigned bits; /* of the address, that count: 0 to 128 */
};

/* Reads "192.0.2.7", "2001:db8::7" or "::ffff:192.0.2.7", without a zone. */
bool address_read(const char *text, unsigned char out[ADDRESS_SIZE]);

/* Reads an address, or a block such as "192.0.2.0/24", in which the bits that do not count are
 * 0. */
bool address_block_read(const char *text, struct address_block *out);

bool address_block_has(const struct address_block *block, const unsigned char at[ADDRESS_SIZE]);

/* Writes the block as "192.0.2.0/24": what the `from` option of an authorized_keys line takes. */
void address_block_text(const struct address_block *block, char out[ADDRESS_TEXT]);

#endif
