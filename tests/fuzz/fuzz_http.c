/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Requests as they come, byte by byte: what is said of a beginning holds for all that begins so, so
 * that it does not matter in which pieces a request arrives; and at the latest at the bound
 * something is said.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Of a copy that ends where it ends. */
static unsigned judge(const uint8_t *data, size_t n, bool *head)
{
    char *copy = malloc(n == 0 ? 1 : n);
    unsigned status;

    require(copy != NULL);
    memcpy(copy, data, n);
    status = http_judge(copy, n, "/metrics", head);
    free(copy);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
    bool head = false, before_head = false;
    unsigned said = judge(data, n, &head), before;

    require(said == 0 || strlen(http_phrase(said)) > 0);
    require(said != 0 || n < HTTP_HEAD_MAX);
    require(!head || said == 200);
    for (size_t i = 0; i < n; i += 1 + i / 16) {
        before = judge(data, i, &before_head);
        require(before == 0 || (before == said && before_head == head));
    }
    return 0;
}
