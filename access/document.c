/* SPDX-License-Identifier: Apache-2.0 */
#include "access/document.h"

#include "access/fields.h"
#include "access/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CHUNK_SIZE   4096u
#define ALIGNMENT    _Alignof(max_align_t)
#define ID_NUMBER    UINT32_MAX
#define KEY_ID_MAX   ((1ull << 53) - 1)
#define USERNAME_MAX 128
#define WARNING_SIZE 640 /* holds a username, a title and a sentence; or two paths */

/* A document's arrays and strings live in chunks, which document_free frees together. */
struct chunk {
    SLIST_ENTRY(chunk) next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct owned {
    struct document document; /* first: document_free casts it back */
    SLIST_HEAD(chunks, chunk) chunks;
};

/* A key, until all of them are sorted. */
struct candidate {
    struct document_key key;
    size_t order; /* in the document */
};

struct reader {
    struct owned *owned;
    struct document *document; /* &owned->document */
    struct json root;
    struct candidate *candidate;
    size_t candidates;
};

struct word {
    const char *text;
    int value;
};

static const struct word statuses[] = {
    {"active", DOCUMENT_ACTIVE},     {"dirty", DOCUMENT_DIRTY},
    {"inactive", DOCUMENT_INACTIVE}, {"paused", DOCUMENT_PAUSED},
    {"deleting", DOCUMENT_DELETING}, {"deleted", DOCUMENT_DELETED},
    {NULL, DOCUMENT_STATUS_UNKNOWN},
};

static const struct word roles[] = {
    {"sftp", DOCUMENT_ROLE_SFTP},
    {"viewer", DOCUMENT_ROLE_VIEWER},
    {"contributor", DOCUMENT_ROLE_CONTRIBUTOR},
    {"admin", DOCUMENT_ROLE_ADMIN},
    {NULL, DOCUMENT_ROLE_UNKNOWN},
};

static const struct word levels[] = {
    {"viewer", DOCUMENT_LEVEL_VIEWER},
    {"contributor", DOCUMENT_LEVEL_CONTRIBUTOR},
    {"admin", DOCUMENT_LEVEL_ADMIN},
    {NULL, DOCUMENT_LEVEL_NONE},
};

/* The value of the word, or of the NULL that ends the table. */
static int value_of(const struct word *word, const char *text)
{
    while (word->text != NULL && strcmp(word->text, text) != 0)
        word++;
    return word->value;
}

bool document_role_known(const char *word)
{
    return value_of(roles, word) != DOCUMENT_ROLE_UNKNOWN;
}

static struct chunk *add_chunk(struct owned *owned, size_t least)
{
    size_t size = least > CHUNK_SIZE ? least : CHUNK_SIZE;
    struct chunk *chunk = calloc(1, sizeof *chunk + size);

    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    SLIST_INSERT_HEAD(&owned->chunks, chunk, next);
    owned->document.bytes += sizeof *chunk + size;
    return chunk;
}

/* Zeroed memory for count objects. The product cannot overflow: a DOCUMENT_..._MAX bounds count. */
static void *allot(struct reader *reader, size_t count, size_t size)
{
    struct chunk *chunk = SLIST_FIRST(&reader->owned->chunks);
    size_t n = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    if (chunk == NULL || n > chunk->size - chunk->used)
        chunk = add_chunk(reader->owned, n);
    if (chunk == NULL) {
        (void)json_fail(&reader->root, "out of memory");
        return NULL;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += n;
    return at;
}

static bool copy_bytes(struct reader *reader, const char *text, size_t n, const char **out)
{
    char *copy = allot(reader, n + 1, 1);

    if (copy == NULL)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *out = copy;
    return true;
}

static bool copy_string(struct reader *reader, const char *text, const char **out)
{
    *out = "";
    return text[0] == '\0' || copy_bytes(reader, text, strlen(text), out);
}

/* Copies a member that is a string into the document. */
static bool take_string(struct reader *reader, const struct json *object, const char *name,
                        size_t max, const char **out)
{
    const char *text = "";

    return json_get_string(object, name, JSON_REQUIRED, max, &text) &&
           copy_string(reader, text, out);
}

/* The same; "" if the member is missing. */
static bool take_optional(struct reader *reader, const struct json *object, const char *name,
                          size_t max, const char **out)
{
    const char *text = "";

    return json_get_string(object, name, JSON_OPTIONAL, max, &text) &&
           copy_string(reader, text, out);
}

/* Fails for a member of object. */
static bool fail_member(const struct json *object, const char *name, const char *what)
{
    struct json at = {.parent = object, .name = name, .problem = object->problem};

    return json_fail(&at, what);
}

/* Checks that a member is a string, and that it equals expected unless that is NULL. */
static bool check_string(const struct json *object, const char *name, enum json_need need,
                         const char *expected)
{
    const char *text = "";

    if (!json_get_string(object, name, need, DOCUMENT_STRING_MAX, &text))
        return false;
    return expected == NULL || strcmp(text, expected) == 0 ||
           fail_member(object, name, "not the one that was asked for");
}

static bool take_number(const struct json *object, const char *name, uint32_t *out)
{
    uint64_t number = 0;

    if (!json_get_whole(object, name, JSON_REQUIRED, ID_NUMBER, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool take_version(struct reader *reader)
{
    uint64_t version = 0;

    if (!json_get_whole(&reader->root, "version", JSON_REQUIRED, ID_NUMBER, &version))
        return false;
    return version == 1 || fail_member(&reader->root, "version", "not 1");
}

static bool take_environment(struct reader *reader, const char *name)
{
    struct document *document = reader->document;
    struct json environment;

    if (!json_get_object(&reader->root, "environment", JSON_REQUIRED, &environment) ||
        !check_string(&environment, "name", JSON_REQUIRED, name) ||
        !check_string(&environment, "type", JSON_OPTIONAL, NULL) ||
        !take_optional(reader, &environment, "title", DOCUMENT_STRING_MAX, &document->title) ||
        !take_string(reader, &environment, "status", DOCUMENT_STRING_MAX, &document->status_text))
        return false;
    document->status = (enum document_status)value_of(statuses, document->status_text);
    return copy_bytes(reader, name, strlen(name), &document->environment);
}

static bool take_account(struct reader *reader)
{
    struct document *document = reader->document;
    const char *gecos = "", *home = "", *shell = "";
    struct json account;

    if (!json_get_object(&reader->root, "account", JSON_REQUIRED, &account) ||
        !take_number(&account, "uid", &document->uid) ||
        !take_number(&account, "gid", &document->gid) ||
        !json_get_string(&account, "gecos", JSON_OPTIONAL, DOCUMENT_STRING_MAX, &gecos) ||
        !json_get_string(&account, "home", JSON_REQUIRED, DOCUMENT_STRING_MAX, &home) ||
        !json_get_string(&account, "shell", JSON_REQUIRED, DOCUMENT_STRING_MAX, &shell))
        return false;
    if (strchr(gecos, ':') != NULL)
        return fail_member(&account, "gecos", "has a ':'");
    if (!fields_home(home))
        return fail_member(&account, "home", "not a plain absolute path");
    if (!fields_shell(shell))
        return fail_member(&account, "shell", "not a plain absolute path");
    return copy_string(reader, gecos, &document->gecos) &&
           copy_string(reader, home, &document->home) &&
           copy_string(reader, shell, &document->shell);
}

/* Leaves *out as it was if the member is missing; *has (may be NULL) says whether it is not. */
static bool take_level(const struct json *access, const char *name, enum document_level *out,
                       bool *has)
{
    const char *text = NULL;

    if (!json_get_string(access, name, JSON_OPTIONAL, DOCUMENT_STRING_MAX, &text))
        return false;
    if (text != NULL)
        *out = (enum document_level)value_of(levels, text);
    if (has != NULL)
        *has = text != NULL;
    return true;
}

static bool take_access(struct reader *reader)
{
    struct document *document = reader->document;
    struct json access;

    document->ssh = document->sftp = DOCUMENT_LEVEL_CONTRIBUTOR;
    return json_get_object(&reader->root, "access", JSON_OPTIONAL, &access) &&
           take_level(&access, "ssh", &document->ssh, NULL) &&
           take_level(&access, "sftp", &document->sftp, NULL);
}

/* Copies an array of strings into the document. */
static bool take_strings(struct reader *reader, const struct json *array, const char ***out)
{
    const char **list = allot(reader, array->count, sizeof *list);
    const char *text = "";
    struct json at;

    if (list == NULL)
        return false;
    *out = list;
    for (bool more = json_first(array, &at); more; more = json_next(&at), list++)
        if (!json_expect_string(&at, DOCUMENT_STRING_MAX, &text) ||
            !copy_bytes(reader, text, strlen(text), list))
            return false;
    return true;
}

static bool take_forwards(struct reader *reader, const struct json *forwarding, const char *name,
                          const char ***out, size_t *count)
{
    struct json array, at;
    const char *text = "";

    if (!json_get_array(forwarding, name, JSON_OPTIONAL, DOCUMENT_FORWARDS_MAX, &array))
        return false;
    for (bool more = json_first(&array, &at); more; more = json_next(&at))
        if (!json_expect_string(&at, DOCUMENT_STRING_MAX, &text) ||
            (!fields_forward(text) && !json_fail(&at, "not a host:port that can be forwarded")))
            return false;
    *count = array.count;
    return take_strings(reader, &array, out);
}

static bool take_forwarding(struct reader *reader, const struct json *forwarding,
                            struct document_forwarding *out)
{
    return take_forwards(reader, forwarding, "local", &out->local, &out->locals) &&
           take_forwards(reader, forwarding, "remote", &out->remote, &out->remotes) &&
           json_get_bool(forwarding, "agent", &out->agent);
}

static bool take_mount(struct reader *reader, const struct json *at, struct document_mount *out)
{
    if (!json_expect_object(at) || !json_get_bool(at, "writable", &out->writable) ||
        !take_string(reader, at, "path", DOCUMENT_STRING_MAX, &out->path))
        return false;
    if (!fields_mount(out->path, false))
        return fail_member(at, "path", "not a plain relative path");
    return fields_mount(out->path, out->writable) ||
           fail_member(at, "path", "must not be writable: the home itself, or a hidden part");
}

/* The path at which the jail shows the directory (jail/jail.h). */
static const char *target_of(const struct document_mount *mount)
{
    return mount->path[0] == '\0' ? "home" : mount->path;
}

static bool contains(const struct document_mount *mount, const struct document_mount *other)
{
    const char *outer = target_of(mount), *inner = target_of(other);
    size_t n = strlen(outer);

    return strncmp(outer, inner, n) == 0 && (inner[n] == '/' || inner[n] == '\0');
}

/* Warns of the first two directories that overlap: PAM refuses the sFTP account for that, and tells
 * the person who logs in; this tells the document's author. */
static bool warn_overlap(struct reader *reader)
{
    struct document *document = reader->document;
    char text[WARNING_SIZE];

    for (size_t i = 0; i < document->mounts; i++)
        for (size_t j = 0; j < i; j++) {
            const struct document_mount *one = &document->mount[j], *two = &document->mount[i];
            if (!contains(one, two) && !contains(two, one))
                continue;
            document->warnings++;
            (void)snprintf(text, sizeof text,
                           "sftp.mounts[%zu] and [%zu]: /%s and /%s overlap, so the sFTP account "
                           "cannot be used",
                           j, i, target_of(one), target_of(two));
            return copy_bytes(reader, text, strlen(text), &document->warning[0]);
        }
    return true;
}

static bool take_sftp(struct reader *reader)
{
    struct json sftp, array, at;

    if (!json_get_object(&reader->root, "sftp", JSON_OPTIONAL, &sftp) ||
        !json_get_array(&sftp, "mounts", JSON_OPTIONAL, DOCUMENT_MOUNTS_MAX, &array))
        return false;
    struct document_mount *mount = allot(reader, array.count, sizeof *mount);
    if (mount == NULL)
        return false;
    reader->document->mounts = array.count;
    reader->document->mount = mount;
    for (bool more = json_first(&array, &at); more; more = json_next(&at), mount++)
        if (!take_mount(reader, &at, mount))
            return false;
    return warn_overlap(reader);
}

static bool take_user(struct reader *reader, const struct json *at, struct document_user *out)
{
    struct json keys;

    if (!json_expect_object(at) || !take_string(reader, at, "id", DOCUMENT_STRING_MAX, &out->id) ||
        !take_string(reader, at, "username", USERNAME_MAX, &out->username) ||
        !take_optional(reader, at, "mail", DOCUMENT_STRING_MAX, &out->mail) ||
        !take_string(reader, at, "role", DOCUMENT_STRING_MAX, &out->role_text) ||
        !json_get_array(at, "ssh_keys", JSON_REQUIRED, DOCUMENT_KEYS_MAX, &keys))
        return false;
    if (!fields_user_id(out->id))
        return fail_member(at, "id", "not 1 to 128 of A-Z a-z 0-9 . _ : @ + = -");
    if (out->username[0] == '\0')
        return fail_member(at, "username", "empty");
    out->role = (enum document_role)value_of(roles, out->role_text);
    reader->candidates += keys.count;
    return true;
}

/* Warns of a key that is left out; the rest of the document stays valid. */
static bool warn(struct reader *reader, const struct json *key, const struct document_user *user,
                 const char *title, const char *why)
{
    struct document *document = reader->document;
    const struct json *owner = key->parent->parent;
    char text[WARNING_SIZE];

    if (document->warnings++ >= DOCUMENT_WARNINGS_MAX)
        return true;
    (void)snprintf(text, sizeof text, "users[%zu] (%s) ssh_keys[%zu]%s%s%s: %s", owner->index,
                   user->username, key->index, title[0] == '\0' ? "" : " (", title,
                   title[0] == '\0' ? "" : ")", why);
    return copy_bytes(reader, text, strlen(text), &document->warning[document->warnings - 1]);
}

static bool take_key(struct reader *reader, const struct json *at, const struct document_user *user)
{
    struct document_key key = {.expires_at = DOCUMENT_NO_TIME, .user = user};
    const char *value = "", *expires = NULL, *title = "", *why = NULL;
    uint64_t key_id = 0;
    struct key parsed;

    if (!json_expect_object(at) ||
        !json_get_whole(at, "key_id", JSON_OPTIONAL, KEY_ID_MAX, &key_id) ||
        !json_get_string(at, "title", JSON_OPTIONAL, DOCUMENT_STRING_MAX, &title) ||
        !json_get_any_string(at, "value", JSON_REQUIRED, &value) ||
        !json_get_any_string(at, "expires_at", JSON_OPTIONAL, &expires))
        return false;
    if (expires != NULL && !fields_time(expires, &key.expires_at))
        return warn(reader, at, user, title, "expires_at is not an RFC 3339 date-time");
    if (!keys_parse_line(value, &parsed, &why))
        return warn(reader, at, user, title, why);
    if (!copy_bytes(reader, title, strlen(title), &key.title) ||
        !copy_bytes(reader, parsed.base64, parsed.base64_length, &key.base64))
        return false;
    key.type = parsed.type;
    memcpy(key.fingerprint, parsed.fingerprint, sizeof key.fingerprint);
    reader->candidate[reader->candidates] = (struct candidate){key, reader->candidates};
    reader->candidates++;
    return true;
}

static bool take_keys(struct reader *reader, const struct json *users)
{
    const struct document_user *user = reader->document->user;
    struct json owner, keys, at;

    for (bool more = json_first(users, &owner); more; more = json_next(&owner), user++) {
        if (!json_get_array(&owner, "ssh_keys", JSON_REQUIRED, DOCUMENT_KEYS_MAX, &keys))
            return false;
        for (bool next = json_first(&keys, &at); next; next = json_next(&at))
            if (!take_key(reader, &at, user))
                return false;
    }
    return true;
}

static int by_fingerprint(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int order = memcmp(a->key.fingerprint, b->key.fingerprint, sizeof a->key.fingerprint);

    if (order != 0)
        return order;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool sort_keys(struct reader *reader)
{
    struct document_key *key = allot(reader, reader->candidates, sizeof *key);

    if (key == NULL)
        return false;
    if (reader->candidates > 1)
        qsort(reader->candidate, reader->candidates, sizeof *reader->candidate, by_fingerprint);
    for (size_t i = 0; i < reader->candidates; i++)
        key[i] = reader->candidate[i].key;
    reader->document->key = key;
    reader->document->keys = reader->candidates;
    return true;
}

/* Walks over the users twice: the first walk counts the keys. */
static bool take_users(struct reader *reader)
{
    struct json users, at;

    if (!json_get_array(&reader->root, "users", JSON_REQUIRED, DOCUMENT_USERS_MAX, &users))
        return false;
    struct document_user *user = allot(reader, users.count, sizeof *user);
    if (user == NULL)
        return false;
    reader->document->users = users.count;
    reader->document->user = user;
    for (bool more = json_first(&users, &at); more; more = json_next(&at), user++)
        if (!take_user(reader, &at, user))
            return false;
    reader->candidate = calloc(reader->candidates + 1, sizeof *reader->candidate);
    if (reader->candidate == NULL)
        return json_fail(&reader->root, "out of memory");
    reader->candidates = 0;
    return take_keys(reader, &users) && sort_keys(reader);
}

static bool take_hosts(struct reader *reader)
{
    struct document *document = reader->document;
    struct json array;

    if (!json_get_array(&reader->root, "hosts", JSON_OPTIONAL, DOCUMENT_HOSTS_MAX, &array))
        return false;
    document->has_hosts = array.value != NULL;
    document->hosts = array.count;
    return take_strings(reader, &array, &document->host);
}

static bool take_app_forwarding(struct reader *reader, const struct json *app,
                                struct document_app *out)
{
    struct json forwarding;

    if (!json_get_object(app, "forwarding", JSON_OPTIONAL, &forwarding))
        return false;
    if (forwarding.value == NULL)
        return true;
    struct document_forwarding *own = allot(reader, 1, sizeof *own);
    out->forwarding = own;
    return own != NULL && take_forwarding(reader, &forwarding, own);
}

static bool take_app_home(struct reader *reader, const struct json *app, struct document_app *out)
{
    const char *text = NULL;

    if (!json_get_string(app, "home", JSON_OPTIONAL, DOCUMENT_STRING_MAX, &text))
        return false;
    if (text != NULL && !fields_home(text))
        return fail_member(app, "home", "not a plain absolute path");
    return text == NULL || copy_bytes(reader, text, strlen(text), &out->home);
}

static bool take_app(struct reader *reader, const struct json *at, struct document_app *out)
{
    enum document_level sftp;
    struct json access;

    if (!fields_app(at->name))
        return json_fail(at->parent, "a name is not 1 to 100 of A-Z a-z 0-9 _ - without \"--\"");
    for (const struct document_app *app = reader->document->app; app < out; app++)
        if (strcmp(app->name, at->name) == 0)
            return json_fail(at, "given twice");
    return copy_bytes(reader, at->name, strlen(at->name), &out->name) && json_expect_object(at) &&
           json_get_object(at, "access", JSON_OPTIONAL, &access) &&
           take_level(&access, "ssh", &out->ssh, &out->has_level) &&
           take_level(&access, "sftp", &sftp, NULL) && take_app_home(reader, at, out) &&
           take_app_forwarding(reader, at, out);
}

static bool take_apps(struct reader *reader)
{
    struct json apps, at;
    size_t count = 0;

    if (!json_get_object(&reader->root, "apps", JSON_OPTIONAL, &apps))
        return false;
    for (bool more = json_first(&apps, &at); more; more = json_next(&at))
        if (++count > DOCUMENT_APPS_MAX)
            return json_fail(&apps, "too many");
    struct document_app *app = allot(reader, count, sizeof *app);
    if (app == NULL)
        return false;
    reader->document->has_apps = apps.value != NULL;
    reader->document->apps = count;
    reader->document->app = app;
    for (bool more = json_first(&apps, &at); more; more = json_next(&at), app++)
        if (!take_app(reader, &at, app))
            return false;
    return true;
}

static bool take_times(struct reader *reader)
{
    struct document *document = reader->document;
    const char *issued_at = NULL;
    uint64_t max_stale = DOCUMENT_NO_BOUND;

    document->issued_at = DOCUMENT_NO_TIME;
    if (!json_get_string(&reader->root, "issued_at", JSON_OPTIONAL, DOCUMENT_STRING_MAX,
                         &issued_at) ||
        !json_get_whole(&reader->root, "max_stale_seconds", JSON_OPTIONAL, DOCUMENT_NO_BOUND - 1,
                        &max_stale))
        return false;
    if (issued_at != NULL && !fields_time(issued_at, &document->issued_at))
        return fail_member(&reader->root, "issued_at", "not an RFC 3339 date-time");
    document->max_stale = (uint32_t)max_stale;
    return true;
}

/* The members that a tombstone (status deleted) does not need. */
static bool take_body(struct reader *reader)
{
    struct document *document = reader->document;
    const struct json *root = &reader->root;
    struct json forwarding;

    return take_account(reader) && take_access(reader) &&
           json_get_object(root, "forwarding", JSON_OPTIONAL, &forwarding) &&
           take_forwarding(reader, &forwarding, &document->forwarding) && take_sftp(reader) &&
           take_users(reader) &&
           take_optional(reader, root, "message", DOCUMENT_MESSAGE_MAX, &document->message) &&
           take_hosts(reader) && take_apps(reader);
}

static bool take_document(struct reader *reader, const char *project, const char *environment)
{
    struct document *document = reader->document;
    const struct json *root = &reader->root;

    return json_expect_object(root) && take_version(reader) &&
           check_string(root, "project", JSON_REQUIRED, project) &&
           copy_bytes(reader, project, strlen(project), &document->project) &&
           take_environment(reader, environment) && take_times(reader) &&
           (document->status == DOCUMENT_DELETED || take_body(reader));
}

struct document *document_parse(const void *body, size_t n, const char *project,
                                const char *environment, struct document_problem *problem)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    struct reader reader = {0};
    struct cloud_text text;

    cloud_text_start(&text, problem->text, sizeof problem->text);
    if (n > DOCUMENT_SIZE_MAX) {
        cloud_text_add(&text, "the document: longer than 4194304 bytes");
        return NULL;
    }
    if (!json_parse(body, n, &limits, &text, &reader.root))
        return NULL;
    reader.owned = calloc(1, sizeof *reader.owned);
    if (reader.owned == NULL) {
        json_free(&reader.root);
        (void)json_fail(&reader.root, "out of memory");
        return NULL;
    }
    reader.document = &reader.owned->document;
    reader.document->bytes = sizeof *reader.owned;
    bool ok = take_document(&reader, project, environment);
    free(reader.candidate);
    json_free(&reader.root);
    if (ok)
        return reader.document;
    document_free(reader.document);
    return NULL;
}

void document_free(struct document *document)
{
    struct owned *owned = (struct owned *)document;
    struct chunk *chunk;

    if (owned == NULL)
        return;
    while ((chunk = SLIST_FIRST(&owned->chunks)) != NULL) {
        SLIST_REMOVE_HEAD(&owned->chunks, next);
        free(chunk);
    }
    free(owned);
}

const struct document_key *document_find_key(const struct document *document,
                                             const unsigned char fingerprint[KEY_FINGERPRINT_SIZE])
{
    size_t low = 0, high = document->keys;

    /* Finds the first key that does not sort before the fingerprint. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(document->key[middle].fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == document->keys ||
        memcmp(document->key[low].fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) != 0)
        return NULL;
    return &document->key[low];
}

const struct document_app *document_find_app(const struct document *document, const char *name)
{
    for (size_t i = 0; i < document->apps; i++)
        if (strcmp(document->app[i].name, name) == 0)
            return &document->app[i];
    return NULL;
}

static bool read_subject(const struct json *root, char project[CLOUD_PROJECT_MAX + 1],
                         char environment[CLOUD_NAME_MAX + 1])
{
    const char *project_text = "", *environment_text = "";
    struct json object;

    if (!json_expect_object(root) ||
        !json_get_string(root, "project", JSON_REQUIRED, CLOUD_PROJECT_MAX, &project_text) ||
        !json_get_object(root, "environment", JSON_REQUIRED, &object) ||
        !json_get_string(&object, "name", JSON_REQUIRED, CLOUD_NAME_MAX, &environment_text))
        return false;
    if (cloud_name_project_ok(project_text))
        strcpy(project, project_text);
    if (cloud_name_environment_ok(environment_text))
        strcpy(environment, environment_text);
    return true;
}

bool document_subject(const void *body, size_t n, char project[CLOUD_PROJECT_MAX + 1],
                      char environment[CLOUD_NAME_MAX + 1], struct document_problem *problem)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    struct cloud_text text;
    struct json root;
    bool ok;

    project[0] = environment[0] = '\0';
    cloud_text_start(&text, problem->text, sizeof problem->text);
    if (!json_parse(body, n, &limits, &text, &root))
        return false;
    ok = read_subject(&root, project, environment);
    json_free(&root);
    return ok;
}
