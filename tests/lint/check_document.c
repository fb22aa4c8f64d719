/* SPDX-License-Identifier: Apache-2.0 */
#include "access/document.h"
#include "cloudauthd/api/feed_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * check_document FILE...: what the daemon's parser says of access documents, a line each: "FILE:
 * ok", "FILE: left out: " and the first thing that is left out, or "FILE: " and why it is invalid.
 * The last two parts of FILE name the project and the environment:
 * .../<project>/<environment>.json.
 *
 * check_document --changes FILE...: the same of answers of the change feed.
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

static int check_answer(const char *path, char *bytes, size_t size)
{
    static const struct cloud_grammar
        grammar; /* serves nothing: entries are checked all the same */
    struct document_problem problem = {""};
    long n = read_file(path, bytes, size);

    if (n < 0) {
        perror(path);
        return 1;
    }
    struct feed_answer *answer = feed_answer_parse(bytes, (size_t)n, &grammar, &problem);
    printf("%s: %s\n", path, answer == NULL ? problem.text : "ok");
    feed_answer_free(answer);
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
    int answers = argc > 1 && strcmp(argv[1], "--changes") == 0;
    int status = argc < 2 + answers || bytes == NULL;

    for (int i = 1 + answers; i < argc && bytes != NULL; i++)
        status |= (answers != 0 ? check_answer : check)(argv[i], bytes, size);
    free(bytes);
    return status;
}
