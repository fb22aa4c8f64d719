/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/remedy.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

/* Characters that need no quotes in a word of a shell command. */
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

#define DAEMON_PATH_MAX 120 /* the daemon's messages have no more characters of a path */

#define EDIT "editor " CLOUD_CONF_PATH "  # "
#define CA   "set ca_file to the CA that signed the project API's certificate"
#define NAMEI                                                                                      \
    "namei -l %s  # user cloudauth must be able to read the file and to search the directories "   \
    "above it: cloudauth.conf(5), Credentials"
#define DIRECTORY "findmnt -T %s; ls -ld %s  # mount it, or correct access_url"
#define LOCAL     "cloudauthctl status --documents  # then free the name or id, here or at the API"

/* Remedies, found by words in the messages of libcurl, OpenSSL and the daemon; the first row that
 * matches is used. Each %s in a command is replaced by the word that `find` takes from the settings
 * or from the message. If it finds none, the search goes on with the next row. */
typedef void find_word(const struct cloud_conf *conf, const char *detail, char *out, size_t size);
static find_word find_directory, find_environment, find_file, find_owner;

static const struct {
    const char *words, *command;
    find_word *find;
} api_remedies[] = {
    {"the token endpoint",
     "journalctl -u cloudauthd -g 'token endpoint' -n 5  # look at token_url, its credential and "
     "the token endpoint",
     NULL},
    {"local issuer certificate", EDIT CA, NULL},
    {"self-signed certificate", EDIT CA, NULL},
    {"self signed certificate", EDIT CA, NULL},
    {"CA certificate blob", EDIT "ca_file must name a file of CAs in PEM", NULL},
    {"subject name", EDIT "access_url must name the host as the project API's certificate does",
     NULL},
    {"certificate has expired",
     "timedatectl  # if this host's clock is right, renew the project API's certificate", NULL},
    {"not yet valid",
     "timedatectl  # if this host's clock is right, renew the project API's certificate", NULL},
    {"Could not resolve", EDIT "correct the host in access_url, or this host's DNS", NULL},
    {"holds no certificate in PEM",
     "openssl storeutl -noout -text -certs %s  # put certificates in PEM there", find_file},
    {"credential unusable: client_cert ", NAMEI, find_file},
    {"credential unusable: ca_file ", NAMEI, find_file},
    {"credential unusable",
     "cloudauthctl doctor  # user cloudauth must own the file, mode 400, and search the "
     "directories above it",
     NULL},
    {"cannot be opened: Permission denied",
     "ls -lR %s  # let user cloudauth read the documents and search the directories (chmod a+rX)",
     find_directory},
    {"the directory cannot be opened", DIRECTORY, find_directory},
    {"the directory is empty", DIRECTORY, find_directory},
    {"absent, but so many environments are", "cloudauthctl confirm-absences  # lists them", NULL},
    {"refuses this host's credential",
     "journalctl -u cloudauthd -g ALARM -n 5  # renew the credential with the project API", NULL},
    {"connect to server", EDIT "start the project API, or correct the host and port in access_url",
     NULL},
    {"timed out", "# look at the network between this host and the project API", NULL},
    {"status 5", "# look at the project API's log: it answers with a server error", NULL},
    {"homes does not allow",
     EDIT "add the homes to `homes`, if root alone may write above them; then systemctl reload "
          "cloudauthd",
     NULL},
    {"uid:gid changed",
     "cloudauthctl rebind %s  # only if the environment was meant to get another uid",
     find_environment},
    {" belongs to environment ",
     "cloudauthctl rebind %s  # only if that environment is gone for good", find_owner},
    {"a local user", LOCAL, NULL},
    {"a local group", LOCAL, NULL},
    {"/etc/group cannot be read", "ls -l /etc/passwd /etc/group", NULL},
    {"this host's signing_key", EDIT "signing_key must be a key of the publisher (docs/signing.md)",
     NULL},
    {"invalid document", "cloudauthctl check %s  # says which member is wrong", find_directory},
    {"invalid document",
     "# correct the document at the project API: the message names the member (docs/api.md)", NULL},
};

/* If access_url is a file:// URL, finds the directory above its first placeholder. */
static void find_directory(const struct cloud_conf *conf, const char *detail, char *out,
                           size_t size)
{
    char *slash;

    (void)detail;
    if (strncmp(conf->access_url, "file://", 7) != 0)
        return;
    snprintf(out, size, "%s", conf->access_url + 7);
    out[strcspn(out, "{")] = '\0';
    slash = strrchr(out, '/');
    if (slash != NULL && slash != out)
        *slash = '\0';
}

/* Finds the path in "credential unusable: KEY PATH: FAULT". Does not take a path that the daemon
 * may have cut. */
static void find_file(const struct cloud_conf *conf, const char *detail, char *out, size_t size)
{
    const char *ours = strstr(detail, "credential unusable: "); /* NULL: an API may have said it */
    const char *path = ours == NULL ? NULL : strchr(ours, '/'), *end = path;

    (void)conf;
    for (const char *at = path; at != NULL && (at = strstr(at, ": ")) != NULL; at++)
        end = at;
    if (path != NULL && end - path < DAEMON_PATH_MAX)
        snprintf(out, size, "%.*s", (int)(end - path), path);
}

/* Finds "project/environment" at the start of the message. Its characters are checked, because an
 * API may have written the message. */
static void find_environment(const struct cloud_conf *conf, const char *detail, char *out,
                             size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-./";
    size_t n = strcspn(detail, ":");

    (void)conf;
    if (n < size && memchr(detail, '/', n) != NULL && strspn(detail, allowed) >= n)
        snprintf(out, size, "%.*s", (int)n, detail);
}

/* Finds the owner in "... belongs to environment E of project P", and writes "P/E" to `out`. */
static void find_owner(const struct cloud_conf *conf, const char *detail, char *out, size_t size)
{
    char environment[256] = "", project[64] = "", both[400];

    if (sscanf(strstr(detail, " belongs"), " belongs to environment %255s of project %63s",
               environment, project) != 2)
        return;
    snprintf(both, sizeof both, "%s/%s", project, environment);
    find_environment(conf, both, out, size);
}

bool remedy_fill(const char *command, const char *word, char out[REMEDY_SIZE])
{
    char quoted[REMEDY_SIZE / 2];
    struct cloud_text text;
    bool quotes = remedy_quote(word, quoted, sizeof quoted);

    cloud_text_start(&text, out, REMEDY_SIZE);
    for (const char *gap; (gap = strstr(command, "%s")) != NULL; command = gap + 2) {
        cloud_text_add_bytes(&text, command, (size_t)(gap - command));
        cloud_text_add(&text, quoted);
        text.cut = text.cut || !quotes || word[0] == '\0';
    }
    cloud_text_add(&text, command);
    if (text.cut)
        out[0] = '\0';
    return !text.cut;
}

bool remedy_known(const struct cloud_conf *conf, const char *detail, char out[REMEDY_SIZE])
{
    char word[CLOUD_URL_SIZE];

    for (size_t i = 0; i < sizeof api_remedies / sizeof *api_remedies; i++) {
        if (strstr(detail, api_remedies[i].words) == NULL)
            continue;
        word[0] = '\0';
        if (api_remedies[i].find != NULL)
            api_remedies[i].find(conf, detail, word, sizeof word);
        if (remedy_fill(api_remedies[i].command, word, out))
            return true;
    }
    out[0] = '\0';
    return false;
}

void remedy_for_api(const struct cloud_conf *conf, const char *detail, char out[REMEDY_SIZE])
{
    if (!remedy_known(conf, detail, out))
        snprintf(out, REMEDY_SIZE,
                 "cloudauthctl status --documents  # look at access_url, the credentials and the "
                 "project API");
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
