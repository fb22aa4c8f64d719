/* SPDX-License-Identifier: Apache-2.0 */
#include "access/document.h"
#include "cloudauthd/accounts/list_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * check_document FILE...: what the daemon's parser says of access documents, a line each: "FILE:
 * ok", "FILE: left out: " and the first thing that is left out, or "FILE: " and why it is invalid.
 * The last two parts of FILE name the project and the environment:
 * .../<project>/<environment>.json.
 *
 * check_document --list FILE...: the same of pages of the account list.
 */

/* Copies the part of a path that ends at end, and moves end before it. */
static void take_part(const char *path, const char **end, char *out, size_t size)
{
    const char *start = *end;

    while (start > path && start[-1] != '/')
        start--;
    (void)snprintf(out, size, "%.*s", (int)(*end - start), start);
    *end = start > path ? start - 1 : path;
}

/* -1 if the file cannot be read. A byte more than a document may have is read, and refused. */
static long read_file(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rbe");

    if (file == NULL)
        return -1;
    size_t n = fread(bytes, 1, size, file);
    int broken = ferror(file);
    (void)fclose(file);
    return broken != 0 ? -1 : (long)n;
}

static int check_page(const char *path, char *bytes, size_t size)
{
    static const struct cloud_grammar grammar; /* serves nothing: items are checked all the same */
    struct document_problem problem = {""};
    long n = read_file(path, bytes, size);

    if (n < 0) {
        perror(path);
        return 1;
    }
    struct list_page *page = list_pages_parse(bytes, (size_t)n, &grammar, &problem);
    printf("%s: %s\n", path, page == NULL ? problem.text : "ok");
    list_pages_release(page);
    return 0;
}

static int check(const char *path, char *bytes, size_t size)
{
    struct document_problem problem = {""};
    char project[64], environment[256];
    size_t length = strlen(path);
    const char *end = path + (length > 5 ? length - 5 : 0); /* ".json" */
    long n = read_file(path, bytes, size);

    if (n < 0) {
        perror(path);
        return 1;
    }
    take_part(path, &end, environment, sizeof environment);
    take_part(path, &end, project, sizeof project);
    struct document *document = document_parse(bytes, (size_t)n, project, environment, &problem);
    if (document == NULL)
        printf("%s: %s\n", path, problem.text);
    else if (document->warnings > 0)
        printf("%s: left out: %s\n", path, document->warning[0]);
    else
        printf("%s: ok\n", path);
    document_free(document);
    return 0;
}

int main(int argc, char **argv)
{
    size_t size = (size_t)DOCUMENT_SIZE_MAX + 1;
    char *bytes = malloc(size);
    int pages = argc > 1 && strcmp(argv[1], "--list") == 0;
    int status = argc < 2 + pages || bytes == NULL;

    for (int i = 1 + pages; i < argc && bytes != NULL; i++)
        status |= (pages != 0 ? check_page : check)(argv[i], bytes, size);
    free(bytes);
    return status;
}
