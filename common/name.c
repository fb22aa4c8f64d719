/* SPDX-License-Identifier: Apache-2.0 */
#include "common/name.h"

#include "common/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SFTP_ENDING      "_sftp"
#define MACHINE_HASH     7  /* number of characters after the last '-' of a machine name */
#define SUFFIX_NUMBER    3  /* greatest number of digits in the N of <suffix>N */
#define GATEWAY_NODE_MAX 32 /* greatest number of characters before ".ent-" */
#define GATEWAY_HASH_MAX 40

/* Names of Debian's system users and groups that fit the grammar under some settings, of its better
 * known packages. cloudauth never serves them, even if their package is not installed, because a
 * later installation creates the user. Sorted for bsearch(3). */
static const char reserved[][24] = {
    "administrator", "amavis",
    "asterisk",      "audio",
    "avahi",         "backup",
    "bacula",        "barbican",
    "bareos",        "bluetooth",
    "caddy",         "cdrom",
    "ceilometer",    "chrony",
    "cinder",        "clamav",
    "clickhouse",    "cloudauth",
    "cloudsftp",     "colord",
    "consul",        "couchdb",
    "courier",       "crontab",
    "cyrus",         "daemon",
    "debian",        "designate",
    "dialout",       "dnsmasq",
    "docker",        "dovecot",
    "dovenull",      "ejabberd",
    "elasticsearch", "fetchmail",
    "floppy",        "freerad",
    "fwupd",         "games",
    "geoclue",       "gitlab",
    "glance",        "gnats",
    "gnocchi",       "gnome-remote-desktop",
    "grafana",       "guest",
    "hacluster",     "haproxy",
    "icinga",        "icingaweb2",
    "identd",        "incus",
    "influxdb",      "input",
    "ironic",        "jenkins",
    "jetty",         "keystone",
    "kibana",        "landscape",
    "libuuid",       "libvirt",
    "lightdm",       "logcheck",
    "logstash",      "lpadmin",
    "mailman",       "manila",
    "memcache",      "memcached",
    "messagebus",    "minidlna",
    "minio",         "mlocate",
    "mongodb",       "mosquitto",
    "munin",         "mysql",
    "nagios",        "netdata",
    "netdev",        "neutron",
    "nginx",         "nobody",
    "nogroup",       "nomad",
    "nslcd",         "ntpsec",
    "octavia",       "opendkim",
    "opendmarc",     "opendnssec",
    "openldap",      "opensearch",
    "operator",      "orthanc",
    "placement",     "plocate",
    "plugdev",       "polkitd",
    "pollinate",     "postdrop",
    "postfix",       "postgres",
    "postgresql",    "postgrey",
    "privoxy",       "prometheus",
    "prosody",       "proxy",
    "proxysql",      "pulse",
    "puppet",        "puppetdb",
    "rabbitmq",      "redis",
    "render",        "rspamd",
    "rsync",         "rsyslog",
    "rtkit",         "sambashare",
    "saned",         "scanner",
    "shadow",        "snort",
    "staff",         "statd",
    "strongswan",    "stunnel",
    "stunnel4",      "swift",
    "swtpm",         "syslog",
    "systemd",       "systemd-journal-gateway",
    "tcpdump",       "telegraf",
    "telnetd",       "tftpd",
    "tinyproxy",     "tomcat",
    "tomcat10",      "tomcat8",
    "tomcat9",       "traefik",
    "transmission",  "trove",
    "unbound",       "usbmux",
    "users",         "utempter",
    "uuidd",         "varnish",
    "varnishlog",    "vault",
    "vcache",        "video",
    "vmail",         "voice",
    "wheel",         "whoopsie",
    "wireshark",     "zabbix",
    "zookeeper",
};

/* ---- Characters ---- */

/* The class of a character: one bit for each part of a name in which the character may stand.
 * `classes` is a table because every lookup classifies all characters of its name. */
enum { ID = 1, DIGIT = 2, APP = 4, DOT = 8 };

#define TEN(class)     class, class, class, class, class, class, class, class, class, class
#define LETTERS(class) TEN(class), TEN(class), class, class, class, class, class, class

static const unsigned char classes[256] = {
    ['-'] = APP,          ['.'] = DOT, ['0'] = TEN(ID | DIGIT | APP),
    ['A'] = LETTERS(APP), ['_'] = APP, ['a'] = LETTERS(ID | APP),
};

static unsigned class_of(char c)
{
    return classes[(unsigned char)c];
}

static bool is_id(char c)
{
    return (class_of(c) & ID) != 0;
}

static bool is_app(char c)
{
    return (class_of(c) & APP) != 0;
}

/* Returns the number of id characters (is_id) at the start of text, which has n characters. */
static size_t span_id(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && is_id(text[i]))
        i++;
    return i;
}

static bool ends_with(const char *text, size_t n, const char *ending)
{
    size_t length = strlen(ending);

    return n >= length && memcmp(text + n - length, ending, length) == 0;
}

enum cloud_kind cloud_name_kind_of(const char *name, size_t n)
{
    return ends_with(name, n, SFTP_ENDING) ? CLOUD_SFTP : CLOUD_SHELL;
}

enum cloud_kind cloud_name_kind(const char *name)
{
    return cloud_name_kind_of(name, strlen(name));
}

static bool is_number(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && (class_of(text[i]) & DIGIT) != 0)
        i++;
    return i == n;
}

/* Rejects most names that are not login names after a look at their first few characters. */
bool cloud_name_look(const char *name, struct cloud_name_run *run)
{
    size_t n = 0;

    /* In every form of a name the project id consists of id characters. Only a node and "ent-" may
     * precede it. */
    while (n <= CLOUD_PROJECT_MAX && is_id(name[n]))
        n++;
    run->n = run->ids = n;
    if (name[n] == '\0')
        return n >= CLOUD_PROJECT_MIN && n <= CLOUD_PROJECT_MAX && !is_number(name, n);
    if ((n < CLOUD_PROJECT_MIN || n > CLOUD_PROJECT_MAX) && name[n] != '.' &&
        (n != 3 || memcmp(name, "ent-", 4) != 0))
        return false;
    while (n <= CLOUD_NAME_MAX && class_of(name[n]) != 0)
        n++;
    run->n = n;
    return n >= CLOUD_PROJECT_MIN && n <= CLOUD_NAME_MAX && name[n] == '\0';
}

bool cloud_name_possible(const char *name)
{
    struct cloud_name_run run;

    return cloud_name_look(name, &run);
}

/* Greedy matching. On a mismatch the last '*' takes more text, up to the next occurrence of the
 * character that follows that '*' in the pattern. Earlier '*' are never tried again and there is no
 * recursion, so that no name takes exponential time. */
bool cloud_name_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *resume = NULL;

    for (;;) {
        if (*pattern == '*') {
            for (star = pattern + 1; *star == '*'; star++)
                ;
            if (*star == '\0')
                return true;
            resume = strchr(name, *star);
        } else if (*pattern == *name) {
            if (*name == '\0')
                return true;
            pattern++;
            name++;
            continue;
        } else if (star == NULL || *name == '\0') {
            return false;
        } else {
            resume = strchr(resume + 1, *star);
        }
        if (resume == NULL)
            return false;
        pattern = star;
        name = resume;
    }
}

static bool allowed(const struct cloud_grammar *grammar, const char *name)
{
    const char *at = grammar->allow.text, *end = at + grammar->allow.used;

    /* Most patterns begin with another character than the name. They cannot match, so the call is
     * not made. */
    for (; at < end; at += (unsigned char)*at + 2u)
        if ((at[1] == *name || at[1] == '*') && cloud_name_matches(at + 1, name))
            return true;
    return false;
}

static int compare(const void *name, const void *entry)
{
    return strcmp(name, entry);
}

static bool is_reserved(const struct cloud_grammar *grammar, const char *name)
{
    const char *word;

    if (bsearch(name, reserved, sizeof reserved / sizeof *reserved, sizeof *reserved, compare) !=
        NULL)
        return true;
    for (size_t at = 0; (word = cloud_words_next(&grammar->reserved, &at)) != NULL;)
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

/* Copies n bytes and a NUL to out, a buffer of `size` bytes. False if they do not fit. */
static bool take(char *out, size_t size, const char *text, size_t n)
{
    if (n >= size)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

/* Stores n characters, which the caller has found to be id characters, as the project id. False if
 * this host does not allow a project id of that length. */
static bool take_project(const struct cloud_grammar *grammar, const char *text, size_t n,
                         struct cloud_name *out)
{
    if (n < grammar->project_min || n > grammar->project_max)
        return false;
    return take(out->project, sizeof out->project, text, n);
}

/* Whether n characters may be the N of <suffix>N: a number from 1 to 999, or nothing. */
static bool is_ordinal(const char *text, size_t n)
{
    return n == 0 || (n <= SUFFIX_NUMBER && text[0] != '0' && is_number(text, n));
}

static bool is_machine_name(const char *text, size_t n)
{
    if (n < MACHINE_HASH + 2 || !is_id(text[0]) || text[n - MACHINE_HASH - 1] != '-' ||
        span_id(text + n - MACHINE_HASH, MACHINE_HASH) != MACHINE_HASH)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(is_id(text[i]) || (text[i] == '-' && text[i + 1] != '-')))
            return false;
    return true;
}

/* Parses the suffix of a name: "" means production, "_stg" the environment to which the settings
 * map it, and "_stg2" the environment of that name with a 2 appended. False if no suffix matches,
 * or if the environment would be a <machine_name>, which takes no suffix. */
static bool take_suffix(const struct cloud_grammar *grammar, const char *text, size_t n,
                        struct cloud_name *out)
{
    if (n == 0)
        return take(out->environment, sizeof out->environment, "production", 10);
    for (unsigned i = 0; i < grammar->suffixes; i++) {
        const char *suffix = grammar->suffix[i].suffix;
        const char *environment = grammar->suffix[i].environment;
        size_t length = strlen(suffix), base = strlen(environment);
        if (n < length || memcmp(text, suffix, length) != 0 ||
            !is_ordinal(text + length, n - length))
            continue;
        memcpy(out->environment, environment, base);
        return take(out->environment + base, sizeof out->environment - base, text + length,
                    n - length) &&
               !is_machine_name(out->environment, base + n - length);
    }
    return false;
}

/* Whether n characters may name an application or a worker: at least one character, no "--", and no
 * '-' at the start. */
static bool is_part(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_app(text[i]) || (text[i] == '-' && i + 1 < n && text[i + 1] == '-'))
            return false;
    return n > 0 && text[0] != '-';
}

static const char *find_double_hyphen(const char *text, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (text[i] == '-' && text[i + 1] == '-')
            return text + i;
    return NULL;
}

/* Parses <machine_name>[--<app>[--<worker>]]. False if the text has another form, or ends in
 * "_sftp". */
static bool take_grid(const char *text, size_t n, struct cloud_name *out)
{
    const char *end = text + n;
    const char *app = find_double_hyphen(text, n);
    size_t machine = app == NULL ? n : (size_t)(app - text);

    /* The name of an application or worker must not turn a shell account into an sFTP account. */
    if (ends_with(text, n, SFTP_ENDING) || !is_machine_name(text, machine) ||
        !take(out->environment, sizeof out->environment, text, machine))
        return false;
    out->plain = app == NULL;
    if (app == NULL)
        return true;
    app += 2;
    const char *worker = find_double_hyphen(app, (size_t)(end - app));
    size_t length = (size_t)((worker == NULL ? end : worker) - app);
    if (!is_part(app, length) || !take(out->app, sizeof out->app, app, length))
        return false;
    if (worker == NULL)
        return true;
    worker += 2;
    length = (size_t)(end - worker);
    return is_part(worker, length) && take(out->worker, sizeof out->worker, worker, length);
}

/* Parses <project>-<environment>-<hash>, the part of a gateway name after "ent-". False if the text
 * has another form. */
static bool take_gateway(const struct cloud_grammar *grammar, const char *text, size_t n,
                         struct cloud_name *out)
{
    size_t project = span_id(text, n);
    size_t hash = n;

    while (hash > 0 && text[hash - 1] != '-')
        hash--;
    if (project == n || text[project] != '-' || hash < project + 3 || n == hash ||
        n - hash > GATEWAY_HASH_MAX || span_id(text + hash, n - hash) != n - hash)
        return false;
    char plain[CLOUD_NAME_MAX + 1];
    /* The gateway has names for dedicated accounts only, whose main login names have no '-'. */
    return take_project(grammar, text, project, out) &&
           take(out->environment, sizeof out->environment, text + project + 1,
                hash - 1 - project - 1) &&
           cloud_name_plain(grammar, out->project, out->environment, plain) &&
           strchr(plain, '-') == NULL;
}

/* Parses <project>[<suffix>[N]][_sftp], in which the project id has `project` characters. False if
 * the text has another form. */
static bool take_dedicated(const struct cloud_grammar *grammar, const char *text, size_t project,
                           size_t n, struct cloud_name *out)
{
    if (ends_with(text, n, SFTP_ENDING)) {
        out->kind = CLOUD_SFTP;
        n -= strlen(SFTP_ENDING);
    }
    out->plain = out->kind == CLOUD_SHELL;
    return project <= n && take_project(grammar, text, project, out) &&
           take_suffix(grammar, text + project, n - project, out);
}

static void clear(struct cloud_name *name)
{
    name->kind = CLOUD_SHELL;
    name->plain = false;
    name->project[0] = name->environment[0] = name->app[0] = name->worker[0] = '\0';
}

static bool fits(const struct cloud_grammar *grammar, const char *name,
                 const struct cloud_name_run *run, struct cloud_name *out)
{
    size_t first = run->ids, n = run->n;

    clear(out);
    if (name[first] == '.') {
        if (first == 0 || first > GATEWAY_NODE_MAX || n - first < 5 ||
            memcmp(name + first, ".ent-", 5) != 0)
            return false;
        return take_gateway(grammar, name + first + 5, n - first - 5, out);
    }
    if (n > 4 && memcmp(name, "ent-", 4) == 0)
        return take_gateway(grammar, name + 4, n - 4, out);
    if (name[first] == '-')
        return take_project(grammar, name, first, out) &&
               take_grid(name + first + 1, n - first - 1, out);
    return take_dedicated(grammar, name, first, n, out);
}

bool cloud_name_parse_seen(const struct cloud_grammar *grammar, const char *name,
                           const struct cloud_name_run *run, struct cloud_name *out)
{
    if (allowed(grammar, name) && fits(grammar, name, run, out) && !is_reserved(grammar, name))
        return true;
    clear(out);
    return false;
}

bool cloud_name_parse(const struct cloud_grammar *grammar, const char *name, struct cloud_name *out)
{
    struct cloud_name scratch;
    struct cloud_name_run run;

    if (out == NULL)
        out = &scratch;
    clear(out);
    return cloud_name_look(name, &run) && cloud_name_parse_seen(grammar, name, &run, out);
}

bool cloud_name_parse_any(const struct cloud_grammar *grammar, const char *name,
                          struct cloud_name *out)
{
    struct cloud_name_run run;

    clear(out);
    if (cloud_name_look(name, &run) && fits(grammar, name, &run, out) &&
        !is_reserved(grammar, name))
        return true;
    clear(out);
    return false;
}

/* Writes the only name that can be the main login name of the environment, and fills *run for it.
 * False if the name is too long. */
static bool spell(const struct cloud_grammar *grammar, const char *project, const char *environment,
                  char out[CLOUD_NAME_MAX + 1], struct cloud_name_run *run)
{
    struct cloud_text text;

    cloud_text_start(&text, out, CLOUD_NAME_MAX + 1);
    cloud_text_add(&text, project);
    if (is_machine_name(environment, strlen(environment))) {
        cloud_text_add(&text, "-");
        cloud_text_add(&text, environment);
    } else if (strcmp(environment, "production") != 0) {
        for (unsigned i = 0; i < grammar->suffixes; i++) {
            size_t base = strlen(grammar->suffix[i].environment);
            const char *rest = environment + base;
            if (strncmp(environment, grammar->suffix[i].environment, base) != 0 ||
                !is_ordinal(rest, strlen(rest)))
                continue;
            cloud_text_add(&text, grammar->suffix[i].suffix);
            cloud_text_add(&text, rest);
            break;
        }
    }
    *run = (struct cloud_name_run){.n = text.used, .ids = span_id(out, text.used)};
    return !text.cut;
}

/* Writes the name as spell does, and parses it. False if it is not a login name of this
 * environment, which then has no main login name. */
static bool spell_plain(const struct cloud_grammar *grammar, const char *project,
                        const char *environment, char out[CLOUD_NAME_MAX + 1],
                        struct cloud_name_run *run)
{
    struct cloud_name back;

    return spell(grammar, project, environment, out, run) && fits(grammar, out, run, &back) &&
           back.plain && strcmp(back.project, project) == 0 &&
           strcmp(back.environment, environment) == 0;
}

bool cloud_name_plain(const struct cloud_grammar *grammar, const char *project,
                      const char *environment, char out[CLOUD_NAME_MAX + 1])
{
    struct cloud_name_run run;

    return spell_plain(grammar, project, environment, out, &run);
}

bool cloud_name_plain_served(const struct cloud_grammar *grammar, const char *project,
                             const char *environment, char out[CLOUD_NAME_MAX + 1], size_t *n)
{
    struct cloud_name_run run, seen;

    if (!spell_plain(grammar, project, environment, out, &run))
        return false;
    *n = run.n;
    return cloud_name_look(out, &seen) && allowed(grammar, out) && !is_reserved(grammar, out);
}

bool cloud_name_is_machine(const char *text)
{
    return is_machine_name(text, strlen(text));
}

bool cloud_name_project_ok(const char *text)
{
    size_t n = strlen(text);

    return n >= CLOUD_PROJECT_MIN && n <= CLOUD_PROJECT_MAX && span_id(text, n) == n;
}

bool cloud_name_environment_ok(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > CLOUD_NAME_MAX || !is_id(text[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_id(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool cloud_name_split(const char *text, struct cloud_name *out)
{
    const char *slash = strchr(text, '/');

    clear(out);
    return slash != NULL && take(out->project, sizeof out->project, text, (size_t)(slash - text)) &&
           take(out->environment, sizeof out->environment, slash + 1, strlen(slash + 1)) &&
           cloud_name_project_ok(out->project) && cloud_name_environment_ok(out->environment);
}

/* ---- Lists of words ---- */

bool cloud_words_add(struct cloud_words *words, const char *word, size_t n)
{
    _Static_assert(CLOUD_WORDS_WORD_MAX <= UCHAR_MAX, "a word's length is a byte");
    char *at = words->text + words->used;

    if (n == 0 || n > CLOUD_WORDS_WORD_MAX || n + 2 > sizeof words->text - words->used)
        return false;
    *at++ = (char)n;
    memcpy(at, word, n);
    at[n] = '\0';
    words->used += n + 2;
    return true;
}

const char *cloud_words_next(const struct cloud_words *words, size_t *at)
{
    const char *length = words->text + *at;

    if (*at >= words->used)
        return NULL;
    *at += (unsigned char)*length + 2u;
    return length + 1;
}
