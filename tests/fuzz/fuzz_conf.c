/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"
#include "tests/fuzz/fuzz.h"

/*
 * Lines of a configuration, also as a file; after the first NUL, login names, which are read by the
 * grammar that those lines made. A line that is taken leaves a whole configuration behind, and a
 * name that is ours means one environment, one kind, and nothing outside the grammar's alphabet. A
 * name is also a home, and a project and an environment with a slash between them.
 */

static bool ends(const char *string, size_t size)
{
    return memchr(string, '\0', size) != NULL;
}

static void check_list(const struct cloud_words *words)
{
    const char *word;
    size_t at = 0;

    require(words->used <= CLOUD_WORDS_SIZE);
    while ((word = cloud_words_next(words, &at)) != NULL)
        require(at <= words->used && word[0] != '\0' && strlen(word) <= CLOUD_NAME_MAX &&
                word + strlen(word) + 1 == words->text + at);
}

static void check_conf(const struct cloud_conf *conf)
{
    const struct cloud_grammar *grammar = &conf->grammar;

    require(grammar->project_min >= CLOUD_PROJECT_MIN);
    require(grammar->project_min <= grammar->project_max);
    require(grammar->project_max <= CLOUD_PROJECT_MAX);
    require(grammar->suffixes <= CLOUD_SUFFIXES_MAX);
    for (unsigned i = 0; i < grammar->suffixes; i++) {
        require(ends(grammar->suffix[i].suffix, CLOUD_SUFFIX_SIZE));
        require(ends(grammar->suffix[i].environment, CLOUD_ENVIRONMENT_MAX + 1));
        require(grammar->suffix[i].suffix[0] == '_' && grammar->suffix[i].environment[0] != '\0');
    }
    check_list(&grammar->allow);
    check_list(&grammar->reserved);
    require(conf->uid_min >= CLOUD_ID_FLOOR && conf->uid_max <= CLOUD_ID_CEILING);
    require(conf->ssh_gid >= CLOUD_ID_FLOOR && conf->sftp_gid >= CLOUD_ID_FLOOR);
    require(conf->max_stale <= 86400 && conf->keys_fresh <= 86400);
    require(conf->connect_timeout > 0 && conf->request_timeout > 0);
    require(ends(conf->access_url, sizeof conf->access_url));
    require(ends(conf->host_id, sizeof conf->host_id));
    require(ends(conf->env_prefix, sizeof conf->env_prefix));
}

/* Whether the name that a name means is, read again, the same environment. */
static void check_plain(const struct cloud_grammar *grammar, const char *name,
                        const struct cloud_name *found)
{
    char plain[CLOUD_NAME_MAX + 1];
    struct cloud_name back;

    if (!cloud_name_plain(grammar, found->project, found->environment, plain)) {
        require(!found->plain);
        return;
    }
    require(!found->plain || strcmp(plain, name) == 0);
    if (cloud_name_parse(grammar, plain, &back)) { /* it may be reserved, or not allowed */
        require(back.plain && back.kind == CLOUD_SHELL);
        require(strcmp(back.project, found->project) == 0);
        require(strcmp(back.environment, found->environment) == 0);
    }
}

static void check_split(const struct cloud_grammar *grammar, const char *name)
{
    char plain[CLOUD_NAME_MAX + 1];
    struct cloud_name split, found;
    size_t n;

    if (!cloud_name_split(name, &split))
        return;
    require(cloud_name_project_ok(split.project) && cloud_name_environment_ok(split.environment));
    if (!cloud_name_plain_served(grammar, split.project, split.environment, plain, &n))
        return;
    require(n == strlen(plain) && cloud_name_parse(grammar, plain, &found) && found.plain);
    require(strcmp(found.project, split.project) == 0);
    require(strcmp(found.environment, split.environment) == 0);
}

static void check_name(const struct cloud_grammar *grammar, const char *name)
{
    struct cloud_name found;
    bool any = cloud_name_parse_any(grammar, name, &found);

    (void)cloud_name_possible(name);
    (void)cloud_name_project_ok(name);
    (void)cloud_name_environment_ok(name);
    check_split(grammar, name);
    require(cloud_name_parse(grammar, name, NULL) == cloud_name_parse(grammar, name, &found));
    if (!cloud_name_parse(grammar, name, &found))
        return;
    require(any);
    require(cloud_name_possible(name) && strlen(name) <= CLOUD_NAME_MAX);
    require(found.kind == cloud_name_kind(name));
    require(cloud_name_project_ok(found.project) && cloud_name_environment_ok(found.environment));
    require(strlen(found.project) >= grammar->project_min);
    require(strlen(found.project) <= grammar->project_max);
    require(found.worker[0] == '\0' || found.app[0] != '\0');
    require(strstr(found.app, "--") == NULL && strstr(found.worker, "--") == NULL);
    require(!(found.plain && (found.kind == CLOUD_SFTP || found.app[0] != '\0')));
    check_plain(grammar, name, &found);
}

static bool take_lines(struct cloud_conf *conf, const char *lines)
{
    struct cloud_conf_error error = {0};

    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        if (!cloud_conf_line(conf, lines, n, &error)) {
            require(error.text[0] != '\0' && ends(error.text, sizeof error.text));
            return false;
        }
        lines += n + (lines[n] == '\n');
    }
    return true;
}

static void check_file(const char *lines)
{
    static struct cloud_conf conf;
    struct cloud_conf_error error;

    require(!cloud_conf_read(&conf, "missing", geteuid(), &error));
    require(!cloud_conf_read(&conf, ".", geteuid(), &error));
    fuzz_file("conf", lines, strlen(lines));
    if (cloud_conf_read(&conf, "conf", geteuid(), &error))
        check_conf(&conf);
    else
        require(error.text[0] != '\0' && ends(error.text, sizeof error.text));
}

static void check_home(const struct cloud_conf *conf, const char *home)
{
    if (cloud_conf_has_home(conf, home))
        require(home[0] == '/' && strstr(home, "/../") == NULL && strstr(home, "//") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cloud_conf conf;
    struct cloud_conf_error error;
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    cloud_conf_defaults(&conf);
    if (take_lines(&conf, text)) {
        check_conf(&conf);
        (void)cloud_conf_check(&conf, &error);
        for (size_t at = strlen(text) + 1; at <= size; at += strlen(text + at) + 1) {
            check_name(&conf.grammar, text + at);
            check_home(&conf, text + at);
        }
    }
    check_file(text);
    free(text);
    return 0;
}
