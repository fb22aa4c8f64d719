/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"

#include "common/io.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 86400u

struct conf_key;

/* Parses a value into a member of struct cloud_conf. May overwrite the text of the value. False
 * with the reason in *error. */
typedef bool conf_take(void *member, const struct conf_key *key, char *value,
                       struct cloud_conf_error *error);

struct conf_key {
    const char *name;
    conf_take *take;
    size_t offset;        /* of the member in struct cloud_conf */
    uint32_t least, most; /* bounds of a number; for a string `most` is the size of its buffer */
    bool (*good)(const char *word); /* whether a word of a list is valid */
};

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BLANKS " \t"

static bool fail(struct cloud_conf_error *error, const char *what, const char *more)
{
    struct cloud_text text;

    cloud_text_start(&text, error->text, sizeof error->text);
    cloud_text_add(&text, what);
    cloud_text_add_bytes(&text, more, strnlen(more, 80));
    return false;
}

static bool fail_with(struct cloud_conf_error *error, const char *what)
{
    return fail(error, what, "");
}

/* Whether every character of text is one of `characters`. */
static bool has_only(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

/* Removes the blanks at both ends of the text, in place. Returns its new start. */
static char *trim(char *text)
{
    size_t n;

    text += strspn(text, BLANKS);
    for (n = strlen(text); n > 0 && strchr(BLANKS, text[n - 1]) != NULL; n--)
        ;
    text[n] = '\0';
    return text;
}

static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
    return cloud_text_read_number(text, strlen(text), most, out);
}

static bool take_id(void *member, const struct conf_key *key, char *value,
                    struct cloud_conf_error *error)
{
    uint64_t id;

    if (!read_number(value, key->most, &id) || id < key->least)
        return fail_with(error, "not an id from 1000 to 2147483646");
    *(uint32_t *)member = (uint32_t)id;
    return true;
}

/* Parses a duration: a number of seconds, or a number with the unit s, m or h. */
static bool take_seconds(void *member, const struct conf_key *key, char *value,
                         struct cloud_conf_error *error)
{
    uint64_t seconds, unit = 1;
    size_t n = strlen(value);
    char last = value[n == 0 ? 0 : n - 1];

    if (last == 's' || last == 'm' || last == 'h') {
        unit = last == 's' ? 1 : last == 'm' ? 60 : 3600;
        value[n - 1] = '\0';
        value = trim(value);
    }
    if (!read_number(value, UINT32_MAX, &seconds))
        return fail_with(error, "not a time such as 30, 30s, 5m or 1h");
    if (seconds * unit < key->least || seconds * unit > key->most)
        return fail_with(error, "the time is out of this key's bounds");
    *(uint32_t *)member = (uint32_t)(seconds * unit);
    return true;
}

static bool take_seconds_or_forever(void *member, const struct conf_key *key, char *value,
                                    struct cloud_conf_error *error)
{
    if (strcmp(value, "forever") != 0)
        return take_seconds(member, key, value, error);
    *(uint32_t *)member = UINT32_MAX;
    return true;
}

/* Appends the words of the value to a list: several lines with the same key add up. */
static bool take_words(void *member, const struct conf_key *key, char *value,
                       struct cloud_conf_error *error)
{
    char *rest = value, *word;

    if (value[0] == '\0')
        return fail_with(error, "the value is empty");
    while ((word = strtok_r(rest, BLANKS, &rest)) != NULL) {
        if (!key->good(word))
            return fail(error, "a bad name or pattern: ", word);
        if (!cloud_words_add(member, word, strlen(word)))
            return fail_with(error, "the list is too long");
    }
    return true;
}

static bool is_pattern(const char *word)
{
    return has_only(word, LOWER UPPER DIGITS "_-.*") && strlen(word) <= CLOUD_NAME_MAX;
}

static bool is_plain_word(const char *word)
{
    return is_pattern(word) && strchr(word, '*') == NULL;
}

static bool is_home_pattern(const char *word)
{
    return word[0] == '/' && cloud_text_is_path(word + 1);
}

static bool take_project_length(void *member, const struct conf_key *key, char *value,
                                struct cloud_conf_error *error)
{
    struct cloud_grammar *grammar = member;
    char *most_text = strchr(value, '-');
    uint64_t least, most;

    (void)key;
    if (most_text != NULL)
        *most_text++ = '\0';
    if (most_text == NULL || !read_number(value, CLOUD_PROJECT_MAX, &least) ||
        !read_number(most_text, CLOUD_PROJECT_MAX, &most) || least < CLOUD_PROJECT_MIN ||
        most < least)
        return fail_with(error, "not two lengths from 5 to 32, such as 7-20");
    grammar->project_min = (unsigned)least;
    grammar->project_max = (unsigned)most;
    return true;
}

/*
 * Whether a suffix may be mapped to an environment. No environment may get two login names.
 * Therefore "production", which has no suffix, and environments with a <machine_name> are refused,
 * and so are a suffix or environment that is already mapped. "_sftp" is refused, because it marks
 * sFTP accounts. Both texts must end in a letter, because a number may follow them.
 */
static bool suffix_ok(const struct cloud_grammar *grammar, const char *suffix,
                      const char *environment)
{
    size_t s = strlen(suffix), e = strlen(environment);

    if (s < 2 || suffix[0] != '_' || strcmp(suffix, "_sftp") == 0 || e == 0 ||
        strcmp(environment, "production") == 0 || !cloud_name_environment_ok(environment) ||
        cloud_name_is_machine(environment))
        return false;
    if (!has_only(suffix + 1, LOWER DIGITS))
        return false;
    if (suffix[s - 1] < 'a' || environment[e - 1] < 'a') /* one of them ends in a digit or '-' */
        return false;
    for (unsigned i = 0; i < grammar->suffixes; i++)
        if (strcmp(grammar->suffix[i].suffix, suffix) == 0 ||
            strcmp(grammar->suffix[i].environment, environment) == 0)
            return false;
    return true;
}

static bool take_suffixes(void *member, const struct conf_key *key, char *value,
                          struct cloud_conf_error *error)
{
    struct cloud_grammar *grammar = member;
    char *rest = value, *word;

    (void)key;
    grammar->suffixes = 0;
    memset(grammar->suffix, 0, sizeof grammar->suffix);
    while ((word = strtok_r(rest, BLANKS, &rest)) != NULL) {
        char *environment = strchr(word, '=');
        if (grammar->suffixes == CLOUD_SUFFIXES_MAX)
            return fail_with(error, "more than 8 suffixes");
        if (environment != NULL)
            *environment++ = '\0';
        if (environment == NULL || strlen(word) >= CLOUD_SUFFIX_SIZE ||
            strlen(environment) > CLOUD_ENVIRONMENT_MAX || !suffix_ok(grammar, word, environment)) {
            if (environment != NULL)
                environment[-1] = '=';
            return fail(error, "not a suffix and its environment, such as _stg=staging: ", word);
        }
        strcpy(grammar->suffix[grammar->suffixes].suffix, word);
        strcpy(grammar->suffix[grammar->suffixes].environment, environment);
        grammar->suffixes++;
    }
    return true;
}

static bool take_text(void *member, const struct conf_key *key, char *value,
                      struct cloud_conf_error *error)
{
    if (value[0] == '\0')
        return fail_with(error, "the value is empty");
    if (strlen(value) >= key->most)
        return fail_with(error, "the value is too long");
    strcpy(member, value);
    return true;
}

static bool take_url(void *member, const struct conf_key *key, char *value,
                     struct cloud_conf_error *error)
{
    for (const char *at = value; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return fail_with(error, "the URL has a space or a character that is not ASCII");
    return take_text(member, key, value, error);
}

/* Parses a URL, or an empty value for no proxy. */
static bool take_proxy(void *member, const struct conf_key *key, char *value,
                       struct cloud_conf_error *error)
{
    *(char *)member = '\0';
    return value[0] == '\0' || take_url(member, key, value, error);
}

/* Parses an absolute path, or the plain name of a file in systemd's credentials directory. */
static bool take_path(void *member, const struct conf_key *key, char *value,
                      struct cloud_conf_error *error)
{
    if (value[0] != '\0' && value[0] != '/' && (value[0] == '.' || !is_plain_word(value)))
        return fail_with(error, "neither an absolute path nor a name of [A-Za-z0-9._-]");
    return take_text(member, key, value, error);
}

static bool take_absolute(void *member, const struct conf_key *key, char *value,
                          struct cloud_conf_error *error)
{
    if (value[0] != '\0' && value[0] != '/')
        return fail_with(error, "not an absolute path");
    return take_text(member, key, value, error);
}

static bool take_env_prefix(void *member, const struct conf_key *key, char *value,
                            struct cloud_conf_error *error)
{
    if (!has_only(value, UPPER DIGITS "_") || (value[0] >= '0' && value[0] <= '9'))
        return fail_with(error, "not a prefix of [A-Z0-9_], such as CLOUDAUTH_");
    return take_text(member, key, value, error);
}

static bool take_yes_or_no(void *member, const struct conf_key *key, char *value,
                           struct cloud_conf_error *error)
{
    bool yes = strcmp(value, "yes") == 0;

    (void)key;
    if (!yes && strcmp(value, "no") != 0)
        return fail_with(error, "neither yes nor no");
    *(bool *)member = yes;
    return true;
}

static bool take_signing_key(void *member, const struct conf_key *key, char *value,
                             struct cloud_conf_error *error)
{
    if (!has_only(value, LOWER UPPER DIGITS "+/= "))
        return fail_with(error, "not Ed25519 public keys in base64");
    return take_text(member, key, value, error);
}

#define ID(name)                                                                                   \
    {                                                                                              \
#name, take_id, offsetof(struct cloud_conf, name), CLOUD_ID_FLOOR, CLOUD_ID_CEILING, NULL  \
    }
#define SECONDS(name, least, most)                                                                 \
    {                                                                                              \
#name, take_seconds, offsetof(struct cloud_conf, name), least, most, NULL                  \
    }
#define STRING(name, take)                                                                         \
    {                                                                                              \
#name, take, offsetof(struct cloud_conf, name), 0, sizeof((struct cloud_conf *)0)->name,   \
            NULL                                                                                   \
    }
#define YES_OR_NO(name)                                                                            \
    {                                                                                              \
#name, take_yes_or_no, offsetof(struct cloud_conf, name), 0, 0, NULL                       \
    }
#define GRAMMAR offsetof(struct cloud_conf, grammar)

static const struct conf_key keys[] = {
    STRING(access_url, take_url),
    STRING(changes_url, take_url),
    SECONDS(changes_wait, 1, 60),
    {"allow", take_words, offsetof(struct cloud_conf, grammar.allow), 0, 0, is_pattern},
    STRING(host_id, take_text),
    ID(uid_min),
    ID(uid_max),
    ID(ssh_gid),
    ID(sftp_gid),
    {"homes", take_words, offsetof(struct cloud_conf, homes), 0, 0, is_home_pattern},
    {"project_id_length", take_project_length, GRAMMAR, 0, 0, NULL},
    {"environment_suffixes", take_suffixes, GRAMMAR, 0, 0, NULL},
    {"reserved_names", take_words, offsetof(struct cloud_conf, grammar.reserved), 0, 0,
     is_plain_word},
    SECONDS(keys_fresh, 0, DAY),
    SECONDS(account_fresh, 0, DAY),
    SECONDS(absent_fresh, 0, DAY),
    SECONDS(max_stale, 0, DAY),
    SECONDS(connect_timeout, 1, 60),
    SECONDS(request_timeout, 1, 60),
    STRING(env_prefix, take_env_prefix),
    SECONDS(session_recheck, 0, DAY),
    SECONDS(session_max_stale, 0, DAY),
    {"certificates_max", take_seconds_or_forever, offsetof(struct cloud_conf, certificates_max), 1,
     UINT32_MAX - 1, NULL},
    STRING(certificates_claims, take_text),
    YES_OR_NO(session_outlives_certificate),
    STRING(signing_key, take_signing_key),
    STRING(token_file, take_path),
    STRING(token_url, take_url),
    STRING(client_id_file, take_path),
    STRING(client_cert, take_path),
    STRING(client_key, take_path),
    STRING(ca_file, take_path),
    STRING(proxy, take_proxy),
    STRING(api_socket, take_absolute),
    YES_OR_NO(enumerate),
};

#define NO_LISTENER                                                                                \
    "`cloudauthctl metrics` prints the metrics, and cloudauth-metrics.timer has node_exporter "    \
    "collect them"

const struct cloud_conf_obsolete cloud_conf_obsolete[CLOUD_CONF_OBSOLETE] = {
    {"metrics_socket", NO_LISTENER},
    {"metrics_listen", NO_LISTENER},
    {"accounts_url",
     "changes_url is the URL of the change feed, which names all environments, too"},
};

void cloud_conf_defaults(struct cloud_conf *conf)
{
    /* The bytes of a list beyond `used` are never read; clearing them would only touch more pages
     * of memory. */
    memset(conf, 0, offsetof(struct cloud_conf, grammar.reserved.text));
    conf->grammar.allow.used = conf->homes.used = 0;
    conf->grammar.project_min = 7;
    conf->grammar.project_max = 20;
    conf->grammar.suffixes = 1;
    strcpy(conf->grammar.suffix[0].suffix, "_stg");
    strcpy(conf->grammar.suffix[0].environment, "staging");
    conf->uid_min = 70000;
    conf->uid_max = 99999;
    conf->ssh_gid = 69998;
    conf->sftp_gid = 69999;
    conf->keys_fresh = 3;
    conf->account_fresh = 300;
    conf->absent_fresh = 10;
    conf->max_stale = 3600;
    conf->changes_wait = 10;
    conf->connect_timeout = 1;
    conf->request_timeout = 5;
    strcpy(conf->env_prefix, "CLOUDAUTH_");
    conf->session_recheck = 60;
    conf->session_max_stale = 0;
    conf->certificates_max = 86400;
    strcpy(conf->certificates_claims, "token-claims@platform.sh");
    conf->session_outlives_certificate = true;
}

bool cloud_conf_line(struct cloud_conf *conf, const char *line, size_t n,
                     struct cloud_conf_error *error)
{
    char text[CLOUD_CONF_LINE_MAX + 1], *value, *name;
    const char *hash = memchr(line, '#', n);
    struct cloud_conf_error why = {0};
    struct cloud_text told;

    /* A comment may contain any byte, so it is cut off before the bytes are checked. */
    if (hash != NULL)
        n = (size_t)(hash - line);
    if (n >= sizeof text)
        return fail_with(error, "the line is too long");
    for (size_t i = 0; i < n; i++)
        if (cloud_text_is_control(line[i]) && line[i] != '\t')
            return fail_with(error, "a control character in the line");
    memcpy(text, line, n);
    text[n] = '\0';
    name = trim(text);
    if (name[0] == '\0')
        return true;
    value = strchr(name, '=');
    if (value == NULL)
        return fail(error, "not `key = value`: ", name);
    *value++ = '\0';
    name = trim(name);
    value = trim(value);
    for (const struct conf_key *key = keys; key < keys + sizeof keys / sizeof *keys; key++) {
        if (strcmp(key->name, name) != 0)
            continue;
        if (key->take((char *)conf + key->offset, key, value, &why))
            return true;
        cloud_text_start(&told, error->text, sizeof error->text);
        cloud_text_add_all(&told, name, ": ", why.text);
        return false;
    }
    for (size_t i = 0; i < CLOUD_CONF_OBSOLETE; i++)
        if (strcmp(cloud_conf_obsolete[i].key, name) == 0) {
            conf->obsolete_line[i] = error->line;
            return true;
        }
    return fail(error, "unknown key: ", name);
}

static bool check_credentials(const struct cloud_conf *conf, struct cloud_conf_error *error)
{
    bool file = conf->token_file[0] != '\0', client = conf->client_id_file[0] != '\0';

    if (conf->token_url[0] != '\0' && file == client)
        return fail_with(error, "token_url needs client_id_file or token_file, and not both");
    if (conf->token_url[0] == '\0' && client)
        return fail_with(error, "client_id_file needs token_url");
    if ((conf->client_cert[0] != '\0') != (conf->client_key[0] != '\0'))
        return fail_with(error, "client_cert and client_key need each other");
    return true;
}

bool cloud_conf_check(const struct cloud_conf *conf, struct cloud_conf_error *error)
{
    error->line = 0;
    if (conf->access_url[0] == '\0')
        return fail_with(error, "access_url is required");
    if (conf->grammar.allow.used == 0)
        return fail_with(error, "allow is required (write `allow = *` to serve every name)");
    if (conf->uid_min > conf->uid_max)
        return fail_with(error, "uid_min is greater than uid_max");
    if (conf->ssh_gid == conf->sftp_gid || cloud_conf_has_id(conf, conf->ssh_gid) ||
        cloud_conf_has_id(conf, conf->sftp_gid))
        return fail_with(error, "ssh_gid and sftp_gid must differ and lie outside the uid range");
    return check_credentials(conf, error);
}

/* Parses the complete lines in the buffer, moves the incomplete rest to the buffer's start and sets
 * *used to its length. On an error returns false with *error filled. */
static bool take_lines(struct cloud_conf *conf, char *buffer, size_t *used,
                       struct cloud_conf_error *error)
{
    char *line = buffer, *end = buffer + *used, *newline;

    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        error->line++;
        if (!cloud_conf_line(conf, line, (size_t)(newline - line), error))
            return false;
        line = newline + 1;
    }
    *used = (size_t)(end - line);
    if (*used == CLOUD_CONF_LINE_MAX) {
        error->line++;
        return fail_with(error, "the line is too long");
    }
    memmove(buffer, line, *used);
    return true;
}

static bool fault(struct cloud_conf_error *error, enum cloud_conf_fault of, const char *what)
{
    error->line = 0;
    error->fault = of;
    return fail_with(error, what);
}

static bool read_lines(struct cloud_conf *conf, int fd, struct cloud_conf_error *error)
{
    char buffer[CLOUD_CONF_LINE_MAX];
    size_t used = 0, total = 0;

    error->line = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + used, sizeof buffer - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault(error, CLOUD_CONF_UNREAD, "cannot be read");
        if (got == 0)
            break;
        total += (size_t)got;
        used += (size_t)got;
        /* check_file() checked the size, but the file may have grown since. */
        if (total > CLOUD_CONF_MAX)
            return fault(error, CLOUD_CONF_CONTENT, "the file is larger than 64 KiB");
        if (!take_lines(conf, buffer, &used, error))
            return false;
    }
    error->line++;
    return cloud_conf_line(conf, buffer, used, error);
}

static bool fail_open(struct cloud_conf_error *error)
{
    switch (errno) {
    case ENOENT:
        return fault(error, CLOUD_CONF_MISSING, "there is no such file");
    case EACCES:
        return fault(error, CLOUD_CONF_ACCESS, "cannot be opened");
    case ELOOP:
    case ENXIO:
    case ENODEV:
        return fault(error, CLOUD_CONF_TYPE, "cannot be opened");
    default:
        return fault(error, CLOUD_CONF_UNREAD, "cannot be opened");
    }
}

static bool check_file(int fd, uid_t owner, struct cloud_conf_error *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return fault(error, CLOUD_CONF_UNREAD, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return fault(error, CLOUD_CONF_TYPE, "not a regular file");
    if (!cloud_owned_by(st.st_uid, owner))
        return fault(error, CLOUD_CONF_ACCESS, "the file belongs to a user who may not own it");
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fault(error, CLOUD_CONF_ACCESS, "the file is writable by others than its owner");
    if (st.st_size > (off_t)CLOUD_CONF_MAX)
        return fault(error, CLOUD_CONF_CONTENT, "the file is larger than 64 KiB");
    return true;
}

bool cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                     struct cloud_conf_error *error)
{
    /* O_NONBLOCK: a FIFO in the file's place must not block the processes that look up users. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool ok;

    error->line = 0;
    error->text[0] = '\0';
    error->fault = CLOUD_CONF_CONTENT;
    cloud_conf_defaults(conf);
    if (fd < 0)
        return fail_open(error);
    ok = check_file(fd, owner, error) && read_lines(conf, fd, error) &&
         cloud_conf_check(conf, error);
    close(fd);
    return ok;
}

bool cloud_conf_has_id(const struct cloud_conf *conf, uint32_t id)
{
    return id >= conf->uid_min && id <= conf->uid_max;
}

static size_t count_slashes(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '/';
    return n;
}

/* '*' may match a slash in cloud_name_matches, but not if both texts have equally many slashes. */
static bool matches_home(const char *pattern, const char *home)
{
    return count_slashes(pattern) == count_slashes(home) && cloud_name_matches(pattern, home);
}

bool cloud_conf_has_home(const struct cloud_conf *conf, const char *home)
{
    const char *pattern;
    size_t at = 0;

    if (home[0] != '/' || !cloud_text_is_path(home + 1))
        return false;
    if (conf->homes.used == 0)
        return matches_home(CLOUD_CONF_HOMES, home);
    while ((pattern = cloud_words_next(&conf->homes, &at)) != NULL)
        if (matches_home(pattern, home))
            return true;
    return false;
}
