/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_ADDRESS_H
#define CLOUD_ACCESS_ADDRESS_H

#include <stdbool.h>

/*
 * IP addresses and CIDR blocks (RFC 4632, RFC 4291). Host names are not accepted, because the owner
 * of an address chooses the name that the DNS returns for it (CVE-2024-10963). An IPv4 address is
 * stored as an IPv4-mapped IPv6 address, so that "192.0.2.7" and "::ffff:192.0.2.7" are equal. An
 * IPv6 block never contains an IPv4 address, as in sshd(8). All functions are pure.
 */

#define ADDRESS_SIZE 16
#define ADDRESS_TEXT 50 /* size of a block's text, including the NUL */

struct address_block {
    unsigned char address[ADDRESS_SIZE];
    unsigned bits; /* prefix length: 0 to 128, for an IPv4 block 96 to 128 */
};

/* Parses an address such as "192.0.2.7", "2001:db8::7" or "::ffff:192.0.2.7". Returns false, with
 * *out undefined, for any other text, also for an address with a zone ("fe80::1%eth0"). */
bool address_read(const char *text, unsigned char out[ADDRESS_SIZE]);

/* Parses an address block in CIDR notation (RFC 4632), for example "192.0.2.0/24"; the bits after
 * the prefix must be 0. A plain address is a block of one address. Returns false, with *out
 * undefined, for any other text. */
bool address_block_read(const char *text, struct address_block *out);

bool address_block_has(const struct address_block *block, const unsigned char at[ADDRESS_SIZE]);

/* Writes the block as "192.0.2.0/24", the form that the `from` option of authorized_keys needs. */
void address_block_text(const struct address_block *block, char out[ADDRESS_TEXT]);

#endif
