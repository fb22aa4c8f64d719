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
#define USER_NUMBER  999999999999999 /* greatest id read as a number; others are text (json.h) */
#define USERNAME_MAX 128
#define WARNING_SIZE 400 /* bytes of a problem's text and a username */

/* A document's arrays and strings live in chunks, which document_free frees together. */
struct chunk {
    SLIST_ENTRY(chunk) next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct owned {
    struct document document; /* must be first: document_free casts a pointer to it */
    SLIST_HEAD(chunks, chunk) chunks;
};

struct reader {
    struct owned *owned;
    struct document *document; /* &owned->document */
    struct json root;
    struct document_key *key; /* where the next key of a user is stored */
    const char *person;       /* username of the owner of the keys being read, or NULL */
    size_t left_out;
    bool no_memory;
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

/* Returns the value for the text. The last row of the table, without a text, has the value for any
 * unknown text. */
static int value_of(const struct word *word, const char *text)
{
    while (word->text != NULL && strcmp(word->text, text) != 0)
        word++;
    return word->value;
}

/* Adds a chunk of at least `least` bytes. A chunk for one large array is inserted behind the first
 * chunk, because allot goes on to take from the first. Returns NULL if out of memory. */
static struct chunk *add_chunk(struct owned *owned, size_t least)
{
    size_t size = least > CHUNK_SIZE ? least : CHUNK_SIZE;
    struct chunk *chunk = calloc(1, sizeof *chunk + size), *first = SLIST_FIRST(&owned->chunks);

    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    if (first != NULL && least > CHUNK_SIZE)
        SLIST_INSERT_AFTER(first, chunk, next);
    else
        SLIST_INSERT_HEAD(&owned->chunks, chunk, next);
    owned->document.bytes += sizeof *chunk + size;
    return chunk;
}

/* Returns zeroed memory for `count` objects of `size` bytes each, which the document owns; NULL if
 * out of memory. The product cannot overflow: the DOCUMENT_..._MAX limits bound `count`. */
static void *allot(struct reader *reader, size_t count, size_t size)
{
    struct chunk *chunk = SLIST_FIRST(&reader->owned->chunks);
    size_t n = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    if (chunk == NULL || n > chunk->size - chunk->used)
        chunk = add_chunk(reader->owned, n);
    if (chunk == NULL) {
        reader->no_memory = !json_fail(&reader->root, "out of memory");
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

/* Copies a required member, which must be a string, into the document. Returns false if it cannot
 * be read. */
static bool take_string(struct reader *reader, const struct json *object, const char *name,
                        size_t max, const char **out)
{
    const char *text = "";

    return json_get_string(object, name, JSON_REQUIRED, max, &text) &&
           copy_string(reader, text, out);
}

/*
 * Turns the current problem into a warning; the caller leaves the value that it is about out of the
 * document. Returns false if out of memory, which makes the whole parse fail.
 */
static bool leave_out(struct reader *reader)
{
    struct document *document = reader->document;
    const char *person = reader->person == NULL ? "" : reader->person;
    char text[WARNING_SIZE];

    if (reader->no_memory || ++reader->left_out > DOCUMENT_WARNINGS_MAX)
        return !reader->no_memory;
    (void)snprintf(text, sizeof text, "%s%s%s%s", reader->root.problem->at,
                   person[0] == '\0' ? "" : " (", person, person[0] == '\0' ? "" : ")");
    return copy_bytes(reader, text, strlen(text), &document->warning[document->warnings++]);
}

/* If more than DOCUMENT_WARNINGS_MAX values were left out, adds a last warning that says how many
 * more there are. */
static bool count_the_rest(struct reader *reader)
{
    struct document *document = reader->document;
    char text[64];

    if (reader->left_out <= DOCUMENT_WARNINGS_MAX)
        return true;
    (void)snprintf(text, sizeof text, "and %zu more", reader->left_out - DOCUMENT_WARNINGS_MAX);
    return copy_bytes(reader, text, strlen(text), &document->warning[document->warnings++]);
}

/* Reads an optional string that is shown to people. A string that cannot be read becomes "", with a
 * warning. Returns false if out of memory. */
static bool take_text(struct reader *reader, const struct json *object, const char *name,
                      size_t max, const char **out)
{
    const char *text = "";

    return (json_get_string(object, name, JSON_OPTIONAL, max, &text) || leave_out(reader)) &&
           copy_string(reader, text, out);
}

/* Reads an optional string that is only a label. A string that cannot be read becomes "", without a
 * warning. Returns false if out of memory. */
static bool take_label(struct reader *reader, const struct json *object, const char *name,
                       const char **out)
{
    const char *text = "";

    (void)json_get_string(object, name, JSON_OPTIONAL, DOCUMENT_STRING_MAX, &text);
    return copy_string(reader, text, out);
}

/* Writes a problem about a member of the object. Returns false. */
static bool fail_member(const struct json *object, const char *name, const char *what)
{
    struct json at = {.parent = object, .name = name, .problem = object->problem};

    return json_fail(&at, what);
}

/* Reads the name of the project or environment. On entry, *out is the expected name, or
 * DOCUMENT_ANY; on success, it is a copy of the name in the document. The name must be the expected
 * one or, with DOCUMENT_ANY, one that is_possible accepts; otherwise the document is invalid. */
static bool take_subject(struct reader *reader, const struct json *object, const char *name,
                         bool (*is_possible)(const char *), const char **out)
{
    const char *text = "";

    return json_get_string(object, name, JSON_REQUIRED, DOCUMENT_STRING_MAX, &text) &&
           ((strcmp(*out, DOCUMENT_ANY) == 0 ? is_possible(text) : strcmp(text, *out) == 0) ||
            fail_member(object, name, "not the one that was asked for")) &&
           copy_bytes(reader, text, strlen(text), out);
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

static bool take_environment(struct reader *reader)
{
    struct document *document = reader->document;
    struct json environment;

    if (!json_get_object(&reader->root, "environment", JSON_REQUIRED, &environment) ||
        !take_subject(reader, &environment, "name", cloud_name_environment_ok,
                      &document->environment) ||
        !take_label(reader, &environment, "title", &document->title) ||
        !take_string(reader, &environment, "status", DOCUMENT_STRING_MAX, &document->status_text))
        return false;
    document->status = (enum document_status)value_of(statuses, document->status_text);
    return true;
}

static bool take_account(struct reader *reader)
{
    struct document *document = reader->document;
    const char *home = "", *shell = "";
    struct json account;

    if (!json_get_object(&reader->root, "account", JSON_REQUIRED, &account) ||
        !take_number(&account, "uid", &document->uid) ||
        !take_number(&account, "gid", &document->gid) ||
        !take_text(reader, &account, "gecos", DOCUMENT_STRING_MAX, &document->gecos) ||
        !json_get_string(&account, "home", JSON_REQUIRED, DOCUMENT_STRING_MAX, &home) ||
        !json_get_string(&account, "shell", JSON_REQUIRED, DOCUMENT_STRING_MAX, &shell))
        return false;
    if (!fields_home(home))
        return fail_member(&account, "home", "not a plain absolute path");
    if (!fields_shell(shell))
        return fail_member(&account, "shell", "not a plain absolute path");
    if (strchr(document->gecos, ':') != NULL) {
        document->gecos = "";
        (void)fail_member(&account, "gecos", "has a ':'");
        if (!leave_out(reader))
            return false;
    }
    return copy_string(reader, home, &document->home) &&
           copy_string(reader, shell, &document->shell);
}

/* Reads a level. If the member is missing, *out keeps its value. *has is set to whether the member
 * is there; `has` may be NULL. */
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

/* Reads a word of access.require.amr. messages.c writes the word unescaped into the JSON that a
 * refused client reads, so it must not contain a character that needs escaping. */
static bool take_amr(struct reader *reader, const struct json *at, struct document_require *out)
{
    const char *word;

    if (!json_expect_string(at, 32, &word))
        return false;
    for (const char *c = word; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return json_fail(at, "not a word of printable ASCII");
    return (word[0] != '\0' || json_fail(at, "empty")) &&
           copy_string(reader, word, &out->amr[out->amrs++]);
}

static bool read_require(struct reader *reader, const struct json *require,
                         struct document_require *out)
{
    uint64_t max_age = DOCUMENT_NO_BOUND;
    struct json array, at;
    bool ok = json_get_array(require, "amr", JSON_OPTIONAL, DOCUMENT_AMRS_MAX, &array) &&
              json_get_whole(require, "max_age", JSON_OPTIONAL, DOCUMENT_NO_BOUND - 1, &max_age);

    for (bool more = ok && json_first(require, &at); ok && more; more = json_next(&at))
        ok = strcmp(at.name, "amr") == 0 || strcmp(at.name, "max_age") == 0 ||
             json_fail(require, "a member is not known");
    if (ok && array.value != NULL && array.count == 0)
        return json_fail(&array, "empty");
    for (bool more = ok && json_first(&array, &at); ok && more; more = json_next(&at))
        ok = take_amr(reader, &at, out);
    out->max_age = (uint32_t)max_age;
    return ok && (out->amrs > 0 || max_age != DOCUMENT_NO_BOUND || json_fail(require, "empty"));
}

/* Reads access.require. If it cannot be read, no person may enter. Returns false if out of
 * memory. */
static bool take_require(struct reader *reader, const struct json *access)
{
    struct document_require *out = &reader->document->require;
    struct json require;

    out->unread = !json_get_object(access, "require", JSON_OPTIONAL, &require) ||
                  (require.value != NULL && !read_require(reader, &require, out));
    out->given = require.value != NULL;
    return !out->unread || leave_out(reader);
}

static bool take_access(struct reader *reader)
{
    struct document *document = reader->document;
    struct json access;

    document->ssh = document->sftp = DOCUMENT_LEVEL_CONTRIBUTOR;
    return json_get_object(&reader->root, "access", JSON_OPTIONAL, &access) &&
           take_level(&access, "ssh", &document->ssh, NULL) &&
           take_level(&access, "sftp", &document->sftp, NULL) && take_require(reader, &access);
}

/* Reads a session limit in seconds; *out is 0 if it is missing. Returns false if it cannot be read
 * or is less than DOCUMENT_SESSION_MIN. */
static bool take_seconds(const struct json *session, const char *name, uint32_t *out)
{
    uint64_t seconds = DOCUMENT_NO_BOUND;

    if (!json_get_whole(session, name, JSON_OPTIONAL, DOCUMENT_NO_BOUND - 1, &seconds))
        return false;
    *out = seconds == DOCUMENT_NO_BOUND ? 0 : (uint32_t)seconds;
    return seconds >= DOCUMENT_SESSION_MIN || fail_member(session, name, "less than 60");
}

/* Reads `session`. If a limit cannot be read, no session may begin, because without the limit a
 * session could last too long. Returns false if out of memory. */
static bool take_session(struct reader *reader)
{
    struct document *document = reader->document;
    struct json session;

    document->session_unread =
        !json_get_object(&reader->root, "session", JSON_OPTIONAL, &session) ||
        !take_seconds(&session, "max_seconds", &document->session_max) ||
        !take_seconds(&session, "idle_seconds", &document->session_idle);
    return !document->session_unread || leave_out(reader);
}

static bool take_forwards(struct reader *reader, const struct json *forwarding, const char *name,
                          const char ***out, size_t *count)
{
    bool local = strcmp(name, "local") == 0;
    struct json array, at;
    const char *text = "";

    if (!json_get_array(forwarding, name, JSON_OPTIONAL, DOCUMENT_FORWARDS_MAX, &array) &&
        !leave_out(reader))
        return false;
    *out = allot(reader, array.count, sizeof **out);
    if (*out == NULL)
        return false;
    for (bool more = json_first(&array, &at); more; more = json_next(&at)) {
        bool ok = json_expect_string(&at, DOCUMENT_STRING_MAX, &text) &&
                  (fields_forward(text) || (local && fields_forward_any(text)) ||
                   json_fail(&at, "not a host:port that can be forwarded"));
        if (ok ? !copy_bytes(reader, text, strlen(text), &(*out)[(*count)++]) : !leave_out(reader))
            return false;
    }
    return true;
}

/* Reads `forwarding`. If it cannot be read, no forward is allowed. *has is set to whether the
 * object has this member. Returns false if out of memory. */
static bool take_forwarding(struct reader *reader, const struct json *object,
                            struct document_forwarding *out, bool *has)
{
    struct json forwarding;
    bool ok = json_get_object(object, "forwarding", JSON_OPTIONAL, &forwarding);

    *has = !ok || forwarding.value != NULL;
    return (ok || leave_out(reader)) &&
           take_forwards(reader, &forwarding, "local", &out->local, &out->locals) &&
           take_forwards(reader, &forwarding, "remote", &out->remote, &out->remotes) &&
           (json_get_bool(&forwarding, "agent", &out->agent) || leave_out(reader));
}

static bool take_mount(struct reader *reader, const struct json *at, struct document_mount *out)
{
    *out = (struct document_mount){0};
    if (!json_expect_object(at) || !json_get_bool(at, "writable", &out->writable) ||
        !take_string(reader, at, "path", DOCUMENT_STRING_MAX, &out->path))
        return false;
    if (!fields_mount(out->path, false))
        return fail_member(at, "path", "not a plain relative path");
    return fields_mount(out->path, out->writable) ||
           fail_member(at, "path", "must not be writable: the home itself, or a hidden part");
}

/* Returns the path at which the directory appears in the jail (jail/jail.h). */
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

/* Warns if the directory that was added last overlaps another. Both stay in the document, and PAM
 * then refuses sFTP logins and tells each person why. The warning tells the document's author. */
static bool warn_overlap(struct reader *reader, const struct json *at)
{
    const struct document *document = reader->document;
    const struct document_mount *mount = &document->mount[document->mounts - 1];

    for (const struct document_mount *other = document->mount; other < mount; other++)
        if (contains(other, mount) || contains(mount, other)) {
            (void)json_fail(at, "overlaps another, so the sFTP account cannot be used");
            return leave_out(reader);
        }
    return true;
}

static bool take_sftp(struct reader *reader)
{
    struct document *document = reader->document;
    struct json sftp, array, at;

    if ((!json_get_object(&reader->root, "sftp", JSON_OPTIONAL, &sftp) && !leave_out(reader)) ||
        (!json_get_array(&sftp, "mounts", JSON_OPTIONAL, DOCUMENT_MOUNTS_MAX, &array) &&
         !leave_out(reader)))
        return false;
    struct document_mount *mount = allot(reader, array.count, sizeof *mount);
    if (mount == NULL)
        return false;
    document->mount = mount;
    for (bool more = json_first(&array, &at); more; more = json_next(&at)) {
        bool ok = take_mount(reader, &at, &mount[document->mounts]);
        document->mounts += ok;
        if (ok ? !warn_overlap(reader, &at) : !leave_out(reader))
            return false;
    }
    return true;
}

/* Reads the id of a user. A number is converted to its decimal digits. Returns false if the id
 * cannot be read. */
static bool take_user_id(struct reader *reader, const struct json *user, const char **out)
{
    const char *text = "";
    char digits[24];
    uint64_t number = 0;

    if (json_get_whole(user, "id", JSON_REQUIRED, USER_NUMBER, &number)) {
        (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
        text = digits;
    } else if (!json_get_string(user, "id", JSON_REQUIRED, DOCUMENT_STRING_MAX, &text)) {
        return false;
    }
    return fields_user_id(text)
               ? copy_string(reader, text, out)
               : fail_member(user, "id", "not 1 to 128 of A-Z a-z 0-9 . _ : @ + = -");
}

/* Reads an optional time; *out is DOCUMENT_NO_TIME if it is missing. Returns false if it cannot be
 * read. micros: fields_time */
static bool take_time(const struct json *object, const char *name, int64_t *out, int64_t *micros)
{
    const char *text = NULL;

    *out = DOCUMENT_NO_TIME;
    return json_get_any_string(object, name, JSON_OPTIONAL, &text) &&
           (text == NULL || fields_time(text, out, micros) ||
            fail_member(object, name, "not an RFC 3339 date-time"));
}

static bool take_from(struct reader *reader, const struct json *object, struct document_limits *out)
{
    struct json array, at;
    struct address_block *block;
    const char *text = "";

    if (!json_get_array(object, "from", JSON_OPTIONAL, DOCUMENT_FROM_MAX, &array))
        return false;
    out->has_from = array.value != NULL;
    out->from = block = allot(reader, array.count, sizeof *block);
    if (block == NULL)
        return false;
    for (bool more = json_first(&array, &at); more; more = json_next(&at)) {
        if (!json_expect_string(&at, DOCUMENT_STRING_MAX, &text))
            return false;
        if (!address_block_read(text, &block[out->blocks++]))
            return json_fail(&at, "not an IP address or block (CIDR)");
    }
    return true;
}

/* Reads the limits of a person or a key. Returns false if `not_before`, `expires_at` or `from`
 * cannot be read; the person or key is then left out, because without the limit it would have more
 * rights. */
static bool take_limits(struct reader *reader, const struct json *object,
                        struct document_limits *out)
{
    return take_time(object, "not_before", &out->not_before, NULL) &&
           take_time(object, "expires_at", &out->expires_at, NULL) &&
           take_from(reader, object, out) &&
           take_text(reader, object, "grant", DOCUMENT_STRING_MAX, &out->grant);
}

static bool take_user(struct reader *reader, const struct json *at, struct document_user *out)
{
    *out = (struct document_user){0};
    if (!json_expect_object(at) || !take_user_id(reader, at, &out->id) ||
        !take_string(reader, at, "username", USERNAME_MAX, &out->username) ||
        !take_label(reader, at, "mail", &out->mail) ||
        !take_string(reader, at, "role", DOCUMENT_STRING_MAX, &out->role_text) ||
        !take_limits(reader, at, &out->limits))
        return false;
    if (out->username[0] == '\0')
        return fail_member(at, "username", "empty");
    out->role = (enum document_role)value_of(roles, out->role_text);
    return true;
}

/* Reads the line of a key, which must be a string of an object. */
static bool take_value(const struct json *at, const char **out)
{
    return json_expect_object(at) && json_get_any_string(at, "value", JSON_REQUIRED, out);
}

/* Reads a key of a user or of an authority. Returns false if it cannot be read; *out is written
 * only if it has a line (take_value). */
static bool take_key(struct reader *reader, const struct json *at, struct document_key *out)
{
    const char *value = "", *why = NULL;
    struct key parsed;

    if (!take_value(at, &value))
        return false;
    *out = (struct document_key){0};
    if (!take_limits(reader, at, &out->limits) || !json_get_bool(at, "verify", &out->verify))
        return false;
    if (!keys_parse_line(value, &parsed, &why)) {
        reader->no_memory = why == key_no_memory;
        return reader->no_memory ? json_fail(&reader->root, why) : fail_member(at, "value", why);
    }
    /* sshd applies verify-required to security keys only. */
    if (out->verify && strncmp(parsed.type, "sk-", 3) != 0)
        return fail_member(at, "verify", "only a security key (sk-) can verify a person");
    if (!take_label(reader, at, "title", &out->title) ||
        !copy_bytes(reader, parsed.base64, parsed.base64_length, &out->base64))
        return false;
    out->type = parsed.type;
    memcpy(out->fingerprint, parsed.fingerprint, sizeof out->fingerprint);
    return true;
}

static bool take_keys(struct reader *reader, const struct json *owner,
                      const struct document_user *user)
{
    struct json keys, at;
    bool ok;

    reader->person = user->username;
    ok = json_get_array(owner, "ssh_keys", JSON_REQUIRED, DOCUMENT_KEYS_MAX, &keys) ||
         leave_out(reader);
    for (bool more = ok && json_first(&keys, &at); ok && more; more = json_next(&at)) {
        if (take_key(reader, &at, reader->key)) {
            reader->key->user = user;
            reader->key++->place = reader->document->keys++;
        } else {
            ok = leave_out(reader);
        }
    }
    reader->person = NULL;
    return ok;
}

/* Returns the most keys that the users can have: take_key writes no other. */
static size_t count_keys(const struct json *users)
{
    struct json user, keys, at;
    const char *value;
    size_t count = 0;

    for (bool more = json_first(users, &user); more; more = json_next(&user)) {
        (void)json_get_array(&user, "ssh_keys", JSON_OPTIONAL, DOCUMENT_KEYS_MAX, &keys);
        for (bool key = json_first(&keys, &at); key; key = json_next(&at))
            count += take_value(&at, &value);
    }
    return count;
}

static int by_fingerprint(const void *left, const void *right)
{
    const struct document_key *a = left, *b = right;
    int order = memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint);

    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static bool take_users(struct reader *reader)
{
    struct document *document = reader->document;
    struct json users, at;

    /* A document without `users` is valid and admits no one. If it were invalid, the previous
     * document would stay in use, and people who have left would keep their rights. */
    if (!json_get_array(&reader->root, "users", JSON_REQUIRED, DOCUMENT_USERS_MAX, &users) &&
        !leave_out(reader))
        return false;
    /* Called before allot, because it would overwrite the problem that a failed allot sets. */
    size_t keys = count_keys(&users);
    struct document_user *user = allot(reader, users.count, sizeof *user);
    struct document_key *key = allot(reader, keys, sizeof *key);
    if (user == NULL || key == NULL)
        return false;
    document->user = user;
    document->key = reader->key = key;
    for (bool more = json_first(&users, &at); more; more = json_next(&at)) {
        bool ok = take_user(reader, &at, &user[document->users]);
        if (ok ? !take_keys(reader, &at, &user[document->users]) : !leave_out(reader))
            return false;
        document->users += ok;
    }
    if (document->keys > 1)
        qsort(key, document->keys, sizeof *key, by_fingerprint);
    return true;
}

static bool take_authorities(struct reader *reader)
{
    struct document *document = reader->document;
    struct json array, at;

    if (!json_get_array(&reader->root, "certificate_authorities", JSON_OPTIONAL,
                        DOCUMENT_AUTHORITIES_MAX, &array) &&
        !leave_out(reader))
        return false;
    struct document_key *authority = allot(reader, array.count, sizeof *authority);
    struct document_key *certified =
        allot(reader, array.count * document->users, sizeof *certified);
    if (authority == NULL || certified == NULL)
        return false;
    document->authority = authority;
    document->certified = certified;
    for (bool more = json_first(&array, &at); more; more = json_next(&at)) {
        bool ok = take_key(reader, &at, &authority[document->authorities]) &&
                  (!authority[document->authorities].verify ||
                   fail_member(&at, "verify", "an authority verifies no person"));
        if (!ok && !leave_out(reader))
            return false;
        for (size_t u = 0; ok && u < document->users; u++, certified++) {
            *certified = authority[document->authorities];
            certified->user = &document->user[u];
        }
        document->authorities += ok;
    }
    return true;
}

static bool take_hosts(struct reader *reader)
{
    struct document *document = reader->document;
    struct json array, at;
    const char *text = "";

    if (!json_get_array(&reader->root, "hosts", JSON_OPTIONAL, DOCUMENT_HOSTS_MAX, &array))
        return false;
    document->has_hosts = array.value != NULL;
    document->host = allot(reader, array.count, sizeof *document->host);
    if (document->host == NULL)
        return false;
    for (bool more = json_first(&array, &at); more; more = json_next(&at))
        if (!json_expect_string(&at, DOCUMENT_STRING_MAX, &text) ||
            !copy_bytes(reader, text, strlen(text), &document->host[document->hosts++]))
            return false;
    return true;
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
    struct document_forwarding *forwarding;
    struct json app, access;
    bool own = false;

    *out = (struct document_app){0};
    if (!fields_app(at->name))
        return json_fail(at->parent, "a name is not 1 to 100 of A-Z a-z 0-9 _ - without \"--\"");
    forwarding = allot(reader, 1, sizeof *forwarding);
    /* Looks the application up by its name, because this fails if the application is given
     * twice. */
    if (forwarding == NULL || !json_get_object(at->parent, at->name, JSON_REQUIRED, &app) ||
        !copy_bytes(reader, at->name, strlen(at->name), &out->name) ||
        !json_get_object(&app, "access", JSON_OPTIONAL, &access) ||
        !take_level(&access, "ssh", &out->ssh, &out->has_level) ||
        !take_app_home(reader, &app, out) || !take_forwarding(reader, &app, forwarding, &own))
        return false;
    out->forwarding = own ? forwarding : NULL;
    return true;
}

/* Reads `apps`. An application that cannot be read is left out of the list, so it does not exist.
 * If `apps` itself cannot be read, no application exists; it is not treated as missing, because a
 * document without `apps` admits every application name. */
static bool take_apps(struct reader *reader)
{
    struct document *document = reader->document;
    struct json apps, at;
    size_t count = 0;
    bool ok = json_get_object(&reader->root, "apps", JSON_OPTIONAL, &apps);

    document->has_apps = !ok || apps.value != NULL;
    for (bool more = json_first(&apps, &at); more; more = json_next(&at))
        count++;
    if (count > DOCUMENT_APPS_MAX)
        ok = json_fail(&apps, "more than 256 members, so none of them counts");
    if (!ok)
        return leave_out(reader);
    struct document_app *app = allot(reader, count, sizeof *app);
    if (app == NULL)
        return false;
    document->app = app;
    for (bool more = json_first(&apps, &at); more; more = json_next(&at)) {
        ok = take_app(reader, &at, &app[document->apps]);
        if (!ok && !leave_out(reader))
            return false;
        document->apps += ok;
    }
    return true;
}

static bool take_times(struct reader *reader)
{
    struct document *document = reader->document;
    uint64_t max_stale = DOCUMENT_NO_BOUND;

    if (!take_time(&reader->root, "issued_at", &document->issued_at, &document->issued_micros))
        return false;
    if (!json_get_whole(&reader->root, "max_stale_seconds", JSON_OPTIONAL, DOCUMENT_NO_BOUND - 1,
                        &max_stale)) {
        max_stale = 0; /* a limit that cannot be read counts as the strictest one */
        if (!leave_out(reader))
            return false;
    }
    document->max_stale = (uint32_t)max_stale;
    return true;
}

/* Reads the members that a document with status "deleted" does not need. */
static bool take_body(struct reader *reader)
{
    struct document *document = reader->document;
    const struct json *root = &reader->root;
    bool has;

    return take_account(reader) && take_access(reader) && take_session(reader) &&
           take_forwarding(reader, root, &document->forwarding, &has) && take_sftp(reader) &&
           take_users(reader) && take_authorities(reader) &&
           take_text(reader, root, "message", DOCUMENT_MESSAGE_MAX, &document->message) &&
           take_hosts(reader) && take_apps(reader);
}

static bool take_document(struct reader *reader)
{
    struct document *document = reader->document;
    const struct json *root = &reader->root;

    return json_expect_object(root) && take_version(reader) &&
           take_subject(reader, root, "project", cloud_name_project_ok, &document->project) &&
           take_environment(reader) && take_times(reader) &&
           (document->status == DOCUMENT_DELETED || take_body(reader)) && count_the_rest(reader);
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
    reader.document->project = project;
    reader.document->environment = environment;
    bool ok = take_document(&reader);
    json_free(&reader.root);
    if (ok) {
        problem->text[0] = '\0'; /* clears the last problem that became a warning */
        return reader.document;
    }
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

uint32_t document_bound(const struct document *document, uint32_t most)
{
    return document->max_stale < most ? document->max_stale : most;
}

/* A binary search, because each session of an environment is judged by it at each recheck. */
static size_t find_first(const struct document *document,
                         const unsigned char fingerprint[KEY_FINGERPRINT_SIZE])
{
    size_t low = 0, high = document->keys;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(document->key[middle].fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct document_key *document_find_key(const struct document *document,
                                             const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                             const struct document_key *after)
{
    size_t i =
        after == NULL ? find_first(document, fingerprint) : (size_t)(after - document->key) + 1;

    if (i == document->keys ||
        memcmp(document->key[i].fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) != 0)
        return NULL;
    return &document->key[i];
}

const struct document_key *
document_find_authority(const struct document *document,
                        const unsigned char fingerprint[KEY_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < document->authorities; i++)
        if (memcmp(document->authority[i].fingerprint, fingerprint, KEY_FINGERPRINT_SIZE) == 0)
            return &document->certified[i * document->users];
    return NULL;
}

const struct document_app *document_find_app(const struct document *document, const char *name)
{
    for (size_t i = 0; i < document->apps; i++)
        if (strcmp(document->app[i].name, name) == 0)
            return &document->app[i];
    return NULL;
}
