/* SPDX-License-Identifier: Apache-2.0 */

/*
 * State files. The first byte says of which kind, and whether the checksums are made right; the
 * rest is the content, or the name, of the file. What a whole file says is what is written of it,
 * and read again.
 */
#include "cloudauthd/state/bindings_log.h"
#include "cloudauthd/state/denials_file.h"
#include "cloudauthd/state/document_file.h"
#include "cloudauthd/state/session_files.h"
#include "cloudauthd/state/statefile.h"
#include "tests/fuzz/fuzz.h"

/* Only this file knows the count of the clock, and the names of documents. */
#include "cloudauthd/state/store.c" /* NOLINT(bugprone-suspicious-include) */

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* The numbers that are left, up to SEALED, stand for OWNERS. */
enum { DOCUMENT, SESSION, DENIALS, OWNERS, COUNT, NAME, SEALED = 8 };

static const struct statefile_format formats[] = {
    {"cloudauth document 1\nsha256 ", false},
    {"cloudauth session 1 ", true},
    {"cloudauth denials 1\nsha256 ", false},
};

static void check_document(const char *bytes, size_t size)
{
    struct document_file file, again;
    char *made;
    size_t n;

    if (!document_file_parse(bytes, size, &file))
        return;
    require(file.document.length <= size && file.document.project == file.project);
    made = document_file_make(&file, &n);
    require(made != NULL && document_file_parse(made, n, &again));
    require(strcmp(file.url, again.url) == 0 && strcmp(file.boot, again.boot) == 0 &&
            file.document.asked == again.document.asked &&
            file.document.asked_wall == again.document.asked_wall && file.clock == again.clock &&
            memcmp(&file.document.validator, &again.document.validator,
                   sizeof file.document.validator) == 0 &&
            file.document.length == again.document.length &&
            memcmp(file.document.body, again.document.body, file.document.length) == 0);
    free(made);
}

static void check_session(const char *bytes, size_t size)
{
    char boot[PROCESS_BOOT_SIZE], made[SESSION_FILE_SIZE], second[SESSION_FILE_SIZE];
    struct session session, again;
    size_t n, m;

    if (!session_files_parse(bytes, size, &session, boot))
        return;
    n = session_files_format(&session, boot, made);
    if (n == 0)
        return; /* of more than SESSION_FILE_SIZE bytes */
    require(session_files_parse(made, n, &again, boot));
    m = session_files_format(&again, boot, second);
    require(n == m && memcmp(made, second, n) == 0);
}

/* Whether the list refuses what each of its denials is about, and not what none is about. */
static void check_matches(const struct denials *denials)
{
    unsigned char none[KEY_FINGERPRINT_SIZE] = {0};
    struct denial_match other = {.project = "x", .environment = "x", .fingerprint = none};
    struct cloud_name name;

    require(!denials_match(NULL, &other, 0) && denials_at(NULL, 0) == NULL);
    require(denials_at(denials, denials->list->n) == NULL);
    (void)denials_match(denials, &other, 0);
    for (size_t i = 0; i < denials->list->n; i++) {
        const struct denial *denial = denials_at(denials, i);
        struct denial_match match = {.project = "x", .environment = "x"};
        match.fingerprint = match.ca = denial->fingerprint;
        match.serial = denial->serial;
        if (denial->kind == DENIAL_USER)
            match.username = match.user_id = denial->subject;
        if (denial->kind == DENIAL_ENVIRONMENT && cloud_name_split(denial->subject, &name)) {
            match.project = name.project;
            match.environment = name.environment;
        }
        require(denials_match(denials, &match, denial->until - 1));
        match.serial++;
        match.user_id = "";
        match.username = "alice";
        match.fingerprint = none;
        (void)denials_match(denials, &match, INT64_MAX);
    }
}

static void check_denials(const char *bytes, size_t size)
{
    static const struct denial_match match = {.project = "abcdefghij", .environment = "staging"};
    const struct denials *denials;
    struct denials_file *file;

    fuzz_file("denials", bytes, size);
    file = denials_file_new(NULL, ".");
    require(file != NULL);
    denials = denials_file_list(file);
    require(!denials->damaged || (denials->list->n == 0 && denials_match(denials, &match, 0)));
    check_matches(denials);
    for (size_t i = 0; i < denials->list->n; i++) {
        char line[DENIAL_LINE_SIZE];
        const char *why;
        struct denial again;
        denials_format(&denials->list->denial[i], line);
        require(strchr(line, '\n') == NULL && denials_parse(line, strlen(line), &again, &why));
        require(strcmp(again.subject, denials->list->denial[i].subject) == 0 &&
                again.until == denials->list->denial[i].until);
    }
    denials_file_free(file);
}

/* What the daemon does with each line at its start: an id has one owner. */
static void take_binding(void *arg, const struct binding *line)
{
    struct bindings *bindings = arg;
    struct binding owner;
    char why[512];

    require(strlen(line->project) <= CLOUD_PROJECT_MAX);
    require(strlen(line->environment) <= CLOUD_NAME_MAX);
    if (bindings_log_is_release(line)) {
        (void)bindings_forget(bindings, line->project, line->environment);
    } else if (bindings_allow(bindings, line, why, sizeof why)) {
        bindings_claim(bindings, line);
        require(bindings_by_uid(bindings, line->uid, &owner) &&
                strcmp(owner.project, line->project) == 0 &&
                strcmp(owner.environment, line->environment) == 0);
    }
}

static void take_none(void *arg, const struct binding *line)
{
    (void)line;
    require(arg == NULL);
}

/* Files that are missing, and one that is no file. */
static void check_no_files(void)
{
    struct bindings_log *log = bindings_log_new(NULL, "none");
    struct denials_file *file;
    bool damaged;

    bindings_log_load(log, take_none, NULL, &damaged);
    require(!damaged);
    bindings_log_free(log);
    file = denials_file_new(NULL, "none");
    require(!denials_file_list(file)->damaged);
    denials_file_free(file);
    file = denials_file_new(NULL, "odd");
    require(denials_file_list(file)->damaged);
    denials_file_free(file);
}

static void check_owners(const char *bytes, size_t size)
{
    struct bindings_log *log = bindings_log_new(NULL, ".");
    struct bindings *bindings = bindings_new();
    bool damaged;

    fuzz_file("owners", bytes, size);
    require(log != NULL && bindings != NULL);
    bindings_log_load(log, take_binding, bindings, &damaged);
    bindings_free(bindings);
    bindings_log_free(log);
}

/* The count of how often the clock was put back. A damaged one is none. */
static void check_count(const char *bytes, size_t size)
{
    static struct store store;
    char line[STATEFILE_LINE_SIZE];
    uint32_t count;

    store.documents = statefile_directory(".", "count");
    fuzz_file("count/" CLOCK, bytes, size);
    if (read_clock(&store)) {
        count = store.own.clock;
        store.own.clock = 0;
        size = statefile_end_line(line, snprintf(line, sizeof line, "%u", count));
        fuzz_file("count/" CLOCK, line, size);
        require(read_clock(&store) && store.own.clock == count);
        line[0] ^= 1;
        fuzz_file("count/" CLOCK, line, size);
        require(!read_clock(&store));
    }
    require(unlink("count/" CLOCK) == 0 && !read_clock(&store));
    close(store.documents);
}

/* A file with the name of an environment's document is listed as such, and no other is: it has one
 * dot, with a project before it and an environment behind it. */
static void check_listed(const struct store *store, const char *name)
{
    size_t n, project = strcspn(name, ".");
    size_t environment = name[project] == '\0' ? 0 : strcspn(name + project + 1, ".");
    char *list = store_list(store, &n), again[NAME_SIZE];
    bool is_document = project > 0 && project <= CLOUD_PROJECT_MAX && environment > 0 &&
                       environment <= CLOUD_NAME_MAX && name[project + 1 + environment] == '\0';

    require(list != NULL && n == is_document);
    if (n > 0) {
        require(strlen(list) == project && memcmp(list, name, project) == 0);
        require(file_name(list, list + project + 1, again) && strcmp(again, name) == 0);
    }
    free(list);
}

static void check_file_name(const char *name, size_t size)
{
    struct store store;
    char path[NAME_MAX + 16];

    if (strlen(name) < size || size == 0 || size > NAME_MAX || strchr(name, '/') != NULL ||
        strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    store.documents = statefile_directory(".", "documents");
    snprintf(path, sizeof path, "documents/%s", name);
    fuzz_file(path, "", 0);
    check_listed(&store, name);
    require(unlink(path) == 0);
    close(store.documents);
}

/* Makes each line's check right. Returns the new size. */
static size_t seal_lines(const char *text, char *out, size_t room)
{
    size_t used = 0;

    while (*text != '\0' && used + STATEFILE_LINE_SIZE < room) {
        size_t n = strcspn(text, "\n");
        char *line = out + used;
        used += statefile_end_line(line, snprintf(line, STATEFILE_LINE_SIZE, "%.*s", (int)n, text));
        text += n + (text[n] != '\0');
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char file[65536];
    unsigned kind = size == 0 ? 0 : data[0] % SEALED;
    size_t n = size - 1;
    char *text;

    if (size < 1 || size > 20000)
        return 0;
    log_open("log", false);
    if (mkdir("none", 0700) == 0)
        require(mkdir("odd", 0700) == 0 && mkdir("odd/denials", 0700) == 0);
    check_no_files();
    text = fuzz_text(data + 1, n);
    memcpy(file, text, n);
    if ((data[0] & SEALED) != 0 && kind >= OWNERS) {
        n = kind == NAME ? n : seal_lines(text, file, sizeof file);
    } else if ((data[0] & SEALED) != 0) {
        memcpy(file + STATEFILE_HEAD_MAX, text, n);
        n = statefile_seal(&formats[kind], file, n);
    }
    free(text);
    text = fuzz_text(file, n);
    if (kind == DOCUMENT)
        check_document(text, n);
    else if (kind == SESSION)
        check_session(text, n);
    else if (kind == DENIALS)
        check_denials(text, n);
    else if (kind == COUNT)
        check_count(text, n);
    else if (kind == NAME)
        check_file_name(text, n);
    else
        check_owners(text, n);
    free(text);
    return 0;
}
