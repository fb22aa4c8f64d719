/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/tree.h"

#include "ctl/ctl.h"

#include "access/json.h"
#include "base/array.h"
#include "common/io.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".json"

char *tree_read(const char *path, size_t most, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    char *bytes = NULL;
    ssize_t got = -1;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        errno = EINVAL;
    else if ((bytes = malloc(most + 1)) != NULL)
        got = io_read_all(fd, bytes, most + 1);
    close(fd);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    *n = (size_t)got;
    return bytes;
}

/* Looks for a JSON syntax error with json_scan, as the parser does, but notes its line and column.
 * Returns false if there is none. */
static bool find_fault(struct checked *checked, const char *body, size_t n)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    struct json_fault fault;

    if (n > DOCUMENT_SIZE_MAX || json_scan(body, n, &limits, NULL, &fault))
        return false;
    checked->line = checked->column = 1;
    for (size_t i = 0; i < fault.offset && i < n; i++) {
        checked->column++;
        if (body[i] == '\n') {
            checked->line++;
            checked->column = 1;
        }
    }
    snprintf(checked->problem, sizeof checked->problem, "%s", fault.what);
    return true;
}

/* The members that docs/api.md describes, separated by spaces. `of` is the member that contains
 * them, an object or an array of objects; "" is the document. */
static const struct {
    const char *of, *known;
} members[] = {
    {"", "version project environment account access session forwarding sftp users message hosts "
         "certificate_authorities apps issued_at max_stale_seconds"},
    {"environment", "name status title type"},
    {"account", "uid gid gecos home shell"},
    {"access", "ssh sftp require"},
    {"require", "amr max_age"},
    {"session", "max_seconds idle_seconds"},
    {"forwarding", "local remote agent"},
    {"sftp", "mounts"},
    {"mounts", "path writable"},
    {"users", "id username mail role ssh_keys from not_before expires_at grant"},
    {"ssh_keys", "title value key_id verify from not_before expires_at grant"},
    {"certificate_authorities", "title value key_id from not_before expires_at grant"},
    {"apps.", "access forwarding home"}, /* members of an entry of `apps` */
};

/* Whether `name` is one of the words of a text. A name that has a space is none. */
static bool is_word(const char *words, const char *name)
{
    size_t length = strlen(name), n;

    for (; *words != '\0'; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (n == length && memcmp(words, name, n) == 0)
            return true;
    }
    return false;
}

static bool is_known(const char *of, const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i].of, of) == 0)
            return is_word(members[i].known, name);
    return false;
}

/* Adds a line for each unknown member of the objects in a value. `of` is the name in the table
 * `members` for the value. */
static void find_unknown(const struct json *value, const char *of, struct cloud_text *out)
{
    struct json at;

    for (bool more = json_first(value, &at); more; more = json_next(&at)) {
        bool is_app = at.name != NULL && strcmp(of, "apps") == 0;
        at.count = SIZE_MAX; /* if the value is an array, makes json_next visit all of it */
        if (at.name != NULL && !is_app && !is_known(of, at.name)) {
            if (!cloud_text_has_control(at.name))
                (void)json_fail(&at, "unknown member");
            else
                (void)json_fail(value, "unknown member");
            cloud_text_add_all(out, at.problem->at, "\n");
        } else {
            find_unknown(&at, is_app ? "apps." : at.name != NULL ? at.name : of, out);
        }
    }
}

/* Collects the members of a valid document that cloudauth does not know, in checked->unknown. */
static void note_unknown(struct checked *checked, const char *body, size_t n)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    char problem[512], lines[4096];
    struct cloud_text one, all;
    struct json root;

    cloud_text_start(&one, problem, sizeof problem);
    cloud_text_start(&all, lines, sizeof lines);
    if (!json_parse(body, n, &limits, &one, &root))
        return;
    find_unknown(&root, "", &all);
    json_free(&root);
    checked->unknown = lines[0] == '\0' ? NULL : strdup(lines);
    if (lines[0] != '\0' && checked->unknown == NULL)
        out_no_memory();
}

/* What a document is checked against: the keys one of which must have signed it, and its project
 * and environment. */
struct source {
    const struct signers *signers;
    const char *project, *environment; /* from the path of the file, or DOCUMENT_ANY */
};

/* Parses the bytes of a file, and stores the document, or what is wrong with it, in *checked. */
static void judge(struct checked *checked, const char *body, size_t n, const struct source *source)
{
    struct document_problem problem = {""};
    char *payload = NULL;

    if (find_fault(checked, body, n))
        return;
    if (source->signers->n > 0) {
        payload = envelope_open(body, n, source->signers, &n, &problem);
        body = payload;
    }
    if (body != NULL)
        checked->document = document_parse(body, n, source->project, source->environment, &problem);
    if (checked->document == NULL)
        snprintf(checked->problem, sizeof checked->problem, "%s", problem.text);
    else
        note_unknown(checked, body, n);
    free(payload);
}

static struct checked *add_checked(struct tree *tree, const char *path)
{
    const struct checked checked = {.path = strdup(path)};

    if (checked.path == NULL ||
        !array_add(&tree->checked, &tree->n, &tree->room, &checked, sizeof checked))
        out_no_memory();
    return &tree->checked[tree->n - 1];
}

static void add_file(struct tree *tree, const char *path, const struct source *source)
{
    struct checked *checked = add_checked(tree, path);
    size_t n = 0;
    char *body = tree_read(path, DOCUMENT_SIZE_MAX, &n);

    if (body != NULL) {
        judge(checked, body, n, source);
    } else {
        checked->unreadable = true;
        snprintf(checked->problem, sizeof checked->problem, "cannot be read: %s", strerror(errno));
    }
    free(body);
}

/* Whether the name does not begin with a dot; for scandir(3). */
static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Adds the documents in the directory of a project, and ignores other files. On failure prints a
 * message and returns false. */
static bool add_project(struct tree *tree, const char *directory, const char *project,
                        const struct signers *signers)
{
    struct dirent **entry = NULL;
    int n = scandir(directory, &entry, not_hidden, alphasort);
    char path[4096], environment[CLOUD_NAME_MAX + 1];

    if (n < 0)
        ctl_say("%s: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        size_t length = strlen(name), stem = length - (sizeof SUFFIX - 1);
        if (length > sizeof SUFFIX - 1 && strcmp(name + stem, SUFFIX) == 0 &&
            stem < sizeof environment &&
            snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path) {
            memcpy(environment, name, stem);
            environment[stem] = '\0';
            add_file(tree, path, &(const struct source){signers, project, environment});
        }
        free(entry[i]);
    }
    free(entry);
    return n >= 0;
}

/* Adds every document of a directory, which may be empty. On failure prints a message and returns
 * false. */
static bool add_directory(struct tree *tree, const char *directory, const struct signers *signers)
{
    struct dirent **entry = NULL;
    int n = scandir(directory, &entry, not_hidden, alphasort);
    bool ok = n >= 0;
    char path[4096];

    if (!ok)
        ctl_say("%s: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (ok &&
            snprintf(path, sizeof path, "%s/%s", directory, entry[i]->d_name) < (int)sizeof path &&
            is_directory(path))
            ok = add_project(tree, path, entry[i]->d_name, signers);
        free(entry[i]);
    }
    free(entry);
    return ok;
}

bool tree_add(struct tree *tree, const char *path, const struct signers *signers)
{
    size_t before = tree->n;

    if (!is_directory(path))
        add_file(tree, path, &(const struct source){signers, DOCUMENT_ANY, DOCUMENT_ANY});
    else if (!add_directory(tree, path, signers))
        return false;
    if (tree->n == before)
        ctl_say("%s: there is no {project}/{environment}.json in it", path);
    return tree->n > before;
}

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->n; i++) {
        document_free(tree->checked[i].document);
        free(tree->checked[i].path);
        free(tree->checked[i].unknown);
    }
    free(tree->checked);
}
