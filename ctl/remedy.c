/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/remedy.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

/* A word of these alone means itself to a shell. */
static const char safe[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+=,-";

bool remedy_quote(const char *text, char *out, size_t size)
{
    struct cloud_text word;

    cloud_text_start(&word, out, size);
    if (text[0] != '\0' && text[strspn(text, safe)] == '\0') {
        cloud_text_add(&word, text);
    } else {
        cloud_text_add_char(&word, '\'');
        for (; *text != '\0'; text++)
            if (*text == '\'')
                cloud_text_add(&word, "'\\''");
            else
                cloud_text_add_char(&word, *text);
        cloud_text_add_char(&word, '\'');
    }
    if (word.cut)
        out[0] = '\0';
    return !word.cut;
}

/* ---- The project API ---- */

/*
 * Remedies by the words of libcurl, OpenSSL and the daemon. In a command, a word in braces stands
 * for: {conf} the settings' file, {origin} scheme and host of access_url, {host} the host alone,
 * {directory} the documents of a file:// URL, {secret} the file that the detail is about,
 * {environment} the document's "project/environment", {owner} the one that the detail names.
 */
static const struct {
    const char *words, *command;
} api_remedies[] = {
    {"local issuer certificate",
     "editor {conf}  # set ca_file to the CA that signed the project API's certificate"},
    {"self-signed certificate",
     "editor {conf}  # set ca_file to the CA that signed the project API's certificate"},
    {"self signed certificate",
     "editor {conf}  # set ca_file to the CA that signed the project API's certificate"},
    {"setting certificate verify locations",
     "editor {conf}  # ca_file must name a file of CAs in PEM that user cloudauth can read"},
    {"subject name",
     "editor {conf}  # access_url must name the host as the project API's certificate does"},
    {"certificate has expired",
     "timedatectl  # if this host's clock is right, renew the project API's certificate"},
    {"not yet valid",
     "timedatectl  # if this host's clock is right, renew the project API's certificate"},
    {"Could not resolve",
     "getent ahosts {host}  # correct the host in access_url, or this host's DNS"},
    {"credential unusable", "namei -l {secret}  # user cloudauth must own the file, mode 400, and "
                            "search the directories above it"},
    {"cannot be opened: Permission denied",
     "ls -lR {directory}  # let user cloudauth read the documents and search the directories "
     "(chmod a+rX)"},
    {"refuses this host's credential",
     "journalctl -t cloudauthd -g ALARM -n 5  # renew the credential with the project API"},
    {"connect to server", "curl -sS -o /dev/null {origin}  # start the project API, or correct the "
                          "host and port in access_url"},
    {"timed out", "curl -sS -o /dev/null {origin}  # look at the network to the project API"},
    {"status 5", "# look at the project API's log: it answers with a server error"},
    {"uid:gid changed",
     "cloudauthctl rebind {environment}  # only if the environment was meant to get another uid"},
    {" belongs to environment ",
     "cloudauthctl rebind {owner}  # only if that environment is gone for good"},
    {"invalid document", "cloudauthctl check {directory}  # says which member is wrong"},
};

static const char any_remedy[] =
    "cloudauthctl status --documents  # look at access_url, the credentials and the project API";

/* "project/environment" at text, of n bytes, if it is one: an API wrote the text. */
static void take_environment(const char *text, size_t n, char *out, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-./";

    out[0] = '\0';
    if (n < size && memchr(text, '/', n) != NULL && strspn(text, allowed) >= n)
        snprintf(out, size, "%.*s", (int)n, text);
}

/* "... belongs to environment E of project P" as "P/E". */
static void take_owner(const char *detail, char *out, size_t size)
{
    char environment[256] = "", project[64] = "", both[400];
    const char *at = strstr(detail, " belongs to environment ");

    out[0] = '\0';
    if (at == NULL ||
        sscanf(at, " belongs to environment %255s of project %63s", environment, project) != 2)
        return;
    snprintf(both, sizeof both, "%s/%s", project, environment);
    take_environment(both, strlen(both), out, size);
}

/* "https://host:443/path": the part up to the path, or the host alone. */
static void take_origin(const char *url, bool host_only, char *out, size_t size)
{
    const char *host = strstr(url, "://");
    size_t n;

    out[0] = '\0';
    if (host == NULL)
        return;
    host += 3;
    n = strcspn(host, "/{?#");
    if (host_only) {
        n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/{?#");
        snprintf(out, size, "%.*s", (int)n, host);
    } else {
        snprintf(out, size, "%.*s/", (int)(host - url) + (int)n, url);
    }
}

/* The directory of a file:// URL, up to its first placeholder; "" for another URL. */
static void take_directory(const char *url, char *out, size_t size)
{
    char *slash;

    out[0] = '\0';
    if (strncmp(url, "file://", 7) != 0)
        return;
    snprintf(out, size, "%s", url + 7);
    out[strcspn(out, "{")] = '\0';
    slash = strrchr(out, '/');
    if (slash != NULL && slash != out)
        *slash = '\0';
}

/* The credential's file by the setting that the detail names. */
static const char *secret_of(const struct cloud_conf *conf, const char *detail)
{
    const struct {
        const char *key, *path;
    } files[] = {{"token_file ", conf->token_file},
                 {"client_id_file ", conf->client_id_file},
                 {"client_cert ", conf->client_cert},
                 {"client_key ", conf->client_key},
                 {"ca_file ", conf->ca_file}};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strstr(detail, files[i].key) != NULL && files[i].path[0] == '/')
            return files[i].path;
    return "";
}

struct words {
    const struct cloud_conf *conf;
    const char *conf_path, *detail;
};

/* What stands for a word in braces, of n bytes; "" if this host has none. */
static void find_word(const struct words *words, const char *name, size_t n, char *out, size_t size)
{
    const char *url = words->conf->access_url;

    out[0] = '\0';
    if (strncmp(name, "conf", n) == 0)
        snprintf(out, size, "%s", words->conf_path);
    else if (strncmp(name, "origin", n) == 0)
        take_origin(url, false, out, size);
    else if (strncmp(name, "host", n) == 0)
        take_origin(url, true, out, size);
    else if (strncmp(name, "directory", n) == 0)
        take_directory(url, out, size);
    else if (strncmp(name, "secret", n) == 0)
        snprintf(out, size, "%s", secret_of(words->conf, words->detail));
    else if (strncmp(name, "environment", n) == 0)
        take_environment(words->detail, strcspn(words->detail, ":"), out, size);
    else if (strncmp(name, "owner", n) == 0)
        take_owner(words->detail, out, size);
}

/* The command with its words filled in. False if this host has none for one of them. */
static bool fill_in(const struct words *words, const char *command, char out[REMEDY_SIZE])
{
    char word[CLOUD_URL_SIZE], quoted[REMEDY_SIZE];
    struct cloud_text text;

    cloud_text_start(&text, out, REMEDY_SIZE);
    for (const char *at = command; *at != '\0'; at++) {
        size_t n = *at == '{' ? strcspn(at, "}") : 0;
        if (n == 0) {
            cloud_text_add_char(&text, *at);
            continue;
        }
        find_word(words, at + 1, n - 1, word, sizeof word);
        if (word[0] == '\0' || !remedy_quote(word, quoted, sizeof quoted))
            return false;
        cloud_text_add(&text, quoted);
        at += n;
    }
    return !text.cut;
}

void remedy_for_api(const struct cloud_conf *conf, const char *conf_path, const char *detail,
                    char out[REMEDY_SIZE])
{
    const struct words words = {conf, conf_path, detail};

    for (size_t i = 0; i < sizeof api_remedies / sizeof *api_remedies; i++)
        if (strstr(detail, api_remedies[i].words) != NULL &&
            fill_in(&words, api_remedies[i].command, out))
            return;
    snprintf(out, REMEDY_SIZE, "%s", any_remedy);
}

void remedy_show(struct out *out, const char *finding, const char *remedy)
{
    char line[2048];

    snprintf(line, sizeof line, "  # %s", finding);
    out_line(out, line);
    snprintf(line, sizeof line, "  %s", remedy);
    if (remedy[0] != '\0')
        out_line(out, line);
}
