/* SPDX-License-Identifier: Apache-2.0 */
#include "access/address.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96 /* length of the prefix ::ffff:0:0/96 */

static const unsigned char mapped[MAPPED_BITS / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_ipv4(const unsigned char *address)
{
    return memcmp(address, mapped, sizeof mapped) == 0;
}

bool address_read(const char *text, unsigned char out[ADDRESS_SIZE])
{
    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, out + sizeof mapped) == 1;
}

/* Whether the first `bits` bits of both addresses are equal. */
static bool is_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned rest = bits % 8;

    return memcmp(a, b, bits / 8) == 0 &&
           (rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

/* Whether all bits after the first `bits` are 0. */
static bool has_no_more(const unsigned char *address, unsigned bits)
{
    for (unsigned i = bits; i < 8 * ADDRESS_SIZE; i++)
        if ((address[i / 8] & (0x80u >> i % 8)) != 0)
            return false;
    return true;
}

bool address_block_read(const char *text, struct address_block *out)
{
    size_t n = strcspn(text, "/");
    uint64_t bits = 0, most;
    char address[INET6_ADDRSTRLEN];

    if (n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (!address_read(address, out->address))
        return false;
    most = strchr(address, ':') == NULL ? 32 : 128;
    if (text[n] == '\0')
        bits = most;
    else if (!cloud_text_read_number(text + n + 1, strlen(text + n + 1), most, &bits))
        return false;
    out->bits = (unsigned)bits + (most == 32 ? MAPPED_BITS : 0);
    return has_no_more(out->address, out->bits);
}

bool address_block_has(const struct address_block *block, const unsigned char at[ADDRESS_SIZE])
{
    return is_ipv4(block->address) == is_ipv4(at) && is_equal(block->address, at, block->bits);
}

void address_block_text(const struct address_block *block, char out[ADDRESS_TEXT])
{
    bool ipv4 = is_ipv4(block->address);
    unsigned skipped = ipv4 ? MAPPED_BITS : 0;
    char text[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(ipv4 ? AF_INET : AF_INET6, block->address + skipped / 8, text, sizeof text);
    snprintf(out, ADDRESS_TEXT, "%s/%u", text, block->bits - skipped);
}
