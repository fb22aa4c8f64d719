/* SPDX-License-Identifier: Apache-2.0 */
#include "access/document.h"

#include <stdlib.h>
#include <string.h>

/*
 * Access documents of project abcdefghij, environment staging. A document that is taken must be
 * whole: its keys sorted and found, its strings terminated, its forwards fit for a key line.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_forwards(const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        require(strpbrk(list[i], "\",\\* \t\n") == NULL && strrchr(list[i], ':') != NULL);
}

static void check_keys(const struct document *document)
{
    for (size_t i = 0; i < document->keys; i++) {
        const struct document_key *key = &document->key[i];
        const struct document_key *first = document_find_key(document, key->fingerprint);
        require(first != NULL && first <= key && strpbrk(key->base64, " \"\n") == NULL);
        require(memcmp(first->fingerprint, key->fingerprint, KEY_FINGERPRINT_SIZE) == 0);
        require(key->user >= document->user && key->user < document->user + document->users);
        require(strlen(key->title) <= DOCUMENT_STRING_MAX);
    }
}

static void check(const struct document *document)
{
    require(strcmp(document->project, "abcdefghij") == 0);
    require(strcmp(document->environment, "staging") == 0);
    require(document->home[0] == '/' && strpbrk(document->home, ":\n") == NULL);
    require(document->shell[0] == '/' && strpbrk(document->shell, ": \n") == NULL);
    require(strpbrk(document->gecos, ":\n") == NULL);
    check_forwards(document->forwarding.local, document->forwarding.locals);
    check_forwards(document->forwarding.remote, document->forwarding.remotes);
    check_keys(document);
    for (size_t i = 0; i < document->apps; i++)
        require(document_find_app(document, document->app[i].name) == &document->app[i]);
    for (size_t i = 0; i < document->warnings && i < DOCUMENT_WARNINGS_MAX; i++)
        require(document->warning[i] != NULL && document->warning[i][0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document_problem problem = {""};
    struct document *document = document_parse(data, size, "abcdefghij", "staging", &problem);

    if (document == NULL)
        require(problem.text[0] != '\0');
    else
        check(document);
    document_free(document);
    return 0;
}
