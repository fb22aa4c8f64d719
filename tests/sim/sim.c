/* SPDX-License-Identifier: Apache-2.0 */

/* The scenarios: what happens, one thing after the other, by chance; and main(), which runs one
 * after another on each processor. */
#include "common/name.h"
#include "tests/sim/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 60
#define WEEK  INT64_C(604800)

enum { HEALTHY, SOME_FAULTS, FAULTS, SILENT }; /* world->api */

/* ---- Documents ---- */

struct text {
    char *at;
    size_t left;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(text->at, text->left, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= text->left)
        wrong("a document does not fit");
    text->at += n;
    text->left -= (size_t)n;
}

static void put_time(struct text *text, const char *name, int64_t at)
{
    time_t seconds = (time_t)at;
    struct tm tm;
    char out[32];

    if (at == 0)
        return;
    (void)strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    put(text, ",\"%s\":\"%s\"", name, out);
}

static void put_right(struct text *text, const struct right *right)
{
    static const char *const unreadable[] = {",\"from\":[\"example.com\"]", ",\"from\":\"any\"",
                                             ",\"expires_at\":\"tomorrow\"", ",\"not_before\":1",
                                             ",\"expires_at\":1,\"expires_at\":1"};

    if (right->unreadable) {
        put(text, "%s", unreadable[(right->not_before + right->expires_at + right->from) % 5]);
        return;
    }
    if (froms[right->from] != NULL)
        put(text, ",\"from\":%s", froms[right->from]);
    put_time(text, "not_before", right->not_before);
    put_time(text, "expires_at", right->expires_at);
}

static void put_key(struct text *text, const struct listed_key *key)
{
    put(text, "{\"value\":\"%s %s\"%s", sim_keys[key->key].type, sim_keys[key->key].base64,
        key->verify ? ",\"verify\":true" : "");
    put_right(text, &key->right);
    put(text, "}");
}

static void put_person(struct text *text, const struct listed *person)
{
    put(text, "{\"id\":\"id-%d\",\"username\":\"user%d\",\"role\":\"%s\"", person->person,
        person->person, roles[person->role]);
    put_right(text, &person->right);
    put(text, ",\"ssh_keys\":[");
    for (int i = 0; i < person->keys; i++) {
        put(text, "%s", i == 0 ? "" : ",");
        put_key(text, &person->key[i]);
    }
    put(text, "]}");
}

static void put_authorities(struct text *text, const struct version *version)
{
    put(text, ",\"certificate_authorities\":[");
    for (int i = 0; i < version->authorities; i++) {
        put(text, "%s", i == 0 ? "" : ",");
        put_key(text, &version->authority[i]);
    }
    put(text, "]%s", version->unreadable_authorities ? ",\"certificate_authorities\":[]" : "");
}

static void put_access(struct text *text, const struct version *version)
{
    put(text, ",\"access\":{\"x\":0");
    if (levels[version->ssh] != NULL)
        put(text, ",\"ssh\":\"%s\"", levels[version->ssh]);
    if (levels[version->sftp] != NULL)
        put(text, ",\"sftp\":\"%s\"", levels[version->sftp]);
    if (version->unreadable_require)
        put(text, ",\"require\":{\"amr\":[]}");
    else if (version->require_mfa)
        put(text, ",\"require\":{\"amr\":[\"mfa\"],\"max_age\":3600}");
    put(text, "}");
    if (version->apps && version->lists_app && levels[version->app] != NULL)
        put(text, ",\"apps\":{\"app\":{\"access\":{\"ssh\":\"%s\"}}}", levels[version->app]);
    else if (version->apps)
        put(text, ",\"apps\":{%s}", version->lists_app ? "\"app\":{}" : "");
    if (model_line((int)(version - world->version), PLAIN))
        put(text, ",\"forwarding\":{\"local\":[\"db:1\"]}");
}

static size_t write_tombstone(const struct environment *e, int64_t issued, char *out, size_t size)
{
    struct text text = {out, size};

    put(&text,
        "{\"version\":1,\"project\":\"%s\",\"environment\":{\"name\":\"%s\","
        "\"status\":\"deleted\"}",
        e->project, e->name);
    put_time(&text, "issued_at", issued);
    put(&text, "}");
    return (size_t)(text.at - out);
}

size_t scenario_write(int environment, int number, int64_t issued, char *out, size_t size)
{
    static const char *const hosts[] = {"", ",\"hosts\":[\"web2\",\"web1\"]",
                                        ",\"hosts\":[\"web2\"]", ",\"hosts\":[]"};
    const struct version *version = &world->version[number < 0 ? 0 : number];
    const struct environment *e = &world->environment[environment];
    struct text text = {out, size};

    if (number == ABSENT)
        return write_tombstone(e, issued, out, size);
    put(&text,
        "{\"version\":1,\"project\":\"%s\",\"environment\":{\"name\":\"%s\",\"status\":\"%s\"},"
        "\"account\":{\"uid\":%u,\"gid\":%u,\"home\":\"/app/%s\",\"shell\":\"/bin/"
        "bash\",\"gecos\":\"%d\"},"
        "\"sftp\":{\"mounts\":[{\"path\":\"pub\"}]},\"message\":\"stop\"%s",
        e->project, e->name, statuses[version->status], version->uid, version->gid, e->plain,
        number, hosts[version->hosts]);
    put_access(&text, version);
    put_authorities(&text, version);
    if (version->unreadable_session)
        put(&text, ",\"session\":{\"max_seconds\":1}");
    else if (version->max_seconds > 0)
        put(&text, ",\"session\":{\"max_seconds\":%u}", version->max_seconds);
    if (version->max_stale >= 0)
        put(&text, ",\"max_stale_seconds\":%lld", (long long)version->max_stale);
    put_time(&text, "issued_at", issued);
    put(&text, ",\"users\":[");
    for (int i = 0; i < version->listed; i++) {
        put(&text, "%s", i == 0 ? "" : ",");
        put_person(&text, &version->person[i]);
    }
    put(&text, "%s]}", version->unreadable_people ? "],\"users\":[" : "");
    return (size_t)(text.at - out);
}

/* ---- Chance, as documents have it ---- */

static struct right make_right(void)
{
    struct right right = {0};
    int64_t now = world->wall / 1000;

    if (one_in(6))
        right.from = (enum from)below(FROMS);
    if (one_in(6))
        right.not_before = now - 100 + below(300);
    if (one_in(6))
        right.expires_at = now - 20 + below(600);
    right.unreadable = one_in(24);
    return right;
}

static struct listed make_person(int person)
{
    struct listed listed = {.person = person,
                            .role = (enum role)(one_in(4) ? below(ROLES) : below(2)),
                            .right = one_in(2) ? make_right() : (struct right){0},
                            .keys = one_in(8) ? 0 : 1 + (int)below(PERSON_KEYS)};

    for (int i = 0; i < listed.keys; i++) {
        struct listed_key *key = &listed.key[i];
        key->key = one_in(4) ? (int)below(KEYS) : (person + i * PEOPLE) % KEYS;
        key->verify = key->key >= KEYS - SECURITY_KEYS ? one_in(2) : one_in(24);
        key->right = one_in(2) ? make_right() : (struct right){0};
    }
    return listed;
}

static struct listed_key make_authority(void)
{
    return (struct listed_key){(int)below(AUTHORITIES), one_in(16),
                               one_in(3) ? make_right() : (struct right){0}};
}

static void change_authorities(struct version *version)
{
    version->unreadable_authorities = one_in(8);
    version->authorities = one_in(6) ? 0 : 1 + (int)below(LISTED_AUTHORITIES);
    for (int i = 0; i < version->authorities; i++) {
        version->authority[i] = make_authority();
        if (i > 0 && version->authority[i].key == version->authority[0].key)
            version->authorities = i;
    }
}

static enum level make_level(void)
{
    return one_in(2) ? LEVEL_DEFAULT : (enum level)below(LEVELS);
}

/* The ids are those of another environment, or of none, or its own again. */
static void change_ids(struct version *version)
{
    uint32_t own = world->environment[version->environment].id;

    version->uid = one_in(2)   ? own
                   : one_in(3) ? 70010 + below(2)
                               : world->environment[below((uint32_t)world->environments)].id;
    version->gid = one_in(4) ? own : version->uid;
}

/* One thing about the document is another. */
static void change(struct version *version)
{
    if (world->moves_ids && one_in(6)) {
        change_ids(version);
        return;
    }
    switch (below(13)) {
    case 12:
        change_authorities(version);
        break;
    case 0:
        version->status = !one_in(3) ? ACTIVE : (enum status)below(STATUSES);
        break;
    case 1:
        version->ssh = make_level();
        break;
    case 2:
        version->sftp = make_level();
        break;
    case 3:
        version->apps = one_in(2);
        version->lists_app = one_in(2);
        version->app = make_level();
        break;
    case 4:
        version->require_mfa = one_in(4);
        version->hosts = one_in(2) ? 0 : (int)below(4);
        break;
    case 5:
        version->unreadable_people = one_in(4);
        version->unreadable_session = one_in(6);
        version->unreadable_require = one_in(6);
        break;
    case 6:
        version->max_stale = one_in(2) ? -1 : (int64_t)below(400);
        version->max_seconds = one_in(2) ? 0 : 60 + below(300);
        break;
    case 7:
        if (version->listed > 0) {
            int gone = (int)below((uint32_t)version->listed--);
            version->person[gone] = version->person[version->listed];
        }
        break;
    case 8:
        if (version->listed > 0)
            version->person[below((uint32_t)version->listed)].keys = (int)below(2);
        break;
    case 9:
        if (version->listed > 0)
            version->person[below((uint32_t)version->listed)].right = make_right();
        break;
    default:
        if (version->listed < LISTED)
            version->person[version->listed++] = make_person((int)below(PEOPLE));
        else
            version->person[below(LISTED)] = make_person((int)below(PEOPLE));
        break;
    }
}

static bool is_any_lost(void)
{
    for (int i = 0; i < world->environments; i++)
        if (world->environment[i].gone != ABSENT)
            return true;
    return false;
}

/* The API has lost most of its environments, or has them again. */
static void lose_environments(void)
{
    bool again = is_any_lost();

    if (!again &&
        one_in(2)) { /* by the feed the daemon hears of them, and then that they are lost */
        world->api = HEALTHY;
        host_pass(60000);
    }
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        if ((e->now == ABSENT) != again || (again && e->gone == ABSENT) || one_in(4))
            continue;
        say("%s is %s", e->plain, again ? "there again" : "lost");
        int now = e->now;
        e->now = e->gone;
        e->gone = now;
        if (again && world->moves_ids && one_in(2) && world->versions < VERSIONS) {
            world->version[world->versions] = world->version[e->now];
            change_ids(&world->version[world->versions]);
            e->now = world->versions++;
        }
        platform_changed(i);
    }
    if (one_in(2))
        host_pass(one_in(4) ? 700000 : 20000);
}

/* The API gets another document of the environment, or none. */
static void change_document(int number)
{
    struct environment *e = &world->environment[number];
    struct version *version = &world->version[world->versions];

    if (world->versions == VERSIONS)
        return;
    e->gone = ABSENT;
    if (e->now != ABSENT && one_in(12)) {
        say("%s is deleted", e->plain);
        e->now = ABSENT;
        platform_changed(number);
        return;
    }
    if (e->now == ABSENT) {
        *version =
            (struct version){.environment = number, .uid = e->id, .gid = e->id, .max_stale = -1};
        for (int i = 0; i < 5; i++)
            version->person[version->listed++] = make_person((int)below(PEOPLE));
        change_authorities(version);
    } else {
        *version = world->version[e->now];
    }
    for (uint32_t n = below(3) + 1; n > 0; n--)
        change(version);
    e->now = world->versions++;
    platform_changed(number);
    if (world->trace) {
        char out[65536];
        scenario_write(number, e->now, 0, out, sizeof out);
        say("%s has version %d: %s", e->plain, e->now, out);
    }
}

/* ---- The API's faults ---- */

static char faulty[65536]; /* a body that is no good one */

static struct reply body_of(const char *what, const char *body)
{
    return (struct reply){.what = what, .kind = REPLY_BODY, .body = body, .milliseconds = 10};
}

static int some_environment(void)
{
    return (int)below((uint32_t)world->environments);
}

/* Some version that the environment has had, or has. */
static int some_version(int environment)
{
    int first = (int)below((uint32_t)world->versions + 1);

    for (int i = 0; i < world->versions; i++)
        if (world->version[(first + i) % world->versions].environment == environment)
            return (first + i) % world->versions;
    return ABSENT;
}

/* An envelope that the publisher has once signed: of the environment, or of another one; or none.
 */
static const struct envelope *some_envelope(int environment, bool other)
{
    int first = (int)below((uint32_t)world->envelopes + 1);

    for (int i = 0; i < world->envelopes; i++) {
        const struct envelope *envelope = &world->envelope[(first + i) % world->envelopes];
        if ((envelope->environment == environment) != other)
            return envelope;
    }
    return NULL;
}

/* The last one of the environment that says something else than the newest; or NULL. */
static const struct envelope *former_envelope(int environment)
{
    const struct envelope *newest = NULL;

    for (int i = world->envelopes - 1; i >= 0; i--) {
        const struct envelope *envelope = &world->envelope[i];
        if (newest == NULL && envelope->environment == environment)
            newest = envelope;
        if (envelope->environment == environment && envelope->version != newest->version)
            return envelope;
    }
    return NULL;
}

/* What one who has no key of the host's can make of what the publisher has signed, or an error of
 * the publisher. */
static struct reply fault_of_signed(int environment)
{
    static const char *const what[ENVELOPE_FLAWS] = {
        [ENVELOPE_GOOD] = "an envelope",
        [ENVELOPE_LONG] = "an envelope with other signatures",
        [ENVELOPE_SWAPPED] = "the signatures of another payload",
        [ENVELOPE_DAMAGED] = "damaged signatures",
        [ENVELOPE_TYPE] = "another type of payload",
        [ENVELOPE_TYPED] = "the signatures of another type of payload",
        [ENVELOPE_MANY] = "17 signatures",
        [ENVELOPE_CUT] = "an envelope that was cut"};
    const struct envelope *old =
        one_in(2) ? former_envelope(environment) : some_envelope(environment, one_in(4));
    struct reply reply = {.kind = REPLY_ENVELOPE, .milliseconds = 10};
    struct envelope *envelope = &reply.envelope;

    *envelope = world->envelope[publisher_sign(environment)];
    switch (below(12)) {
    case 0:
        scenario_write(environment, some_version(environment), envelope->issued, faulty,
                       sizeof faulty);
        return body_of("a document that is not signed", faulty);
    case 1:
    case 2:
        envelope->version = some_version(environment);
        envelope->signers = ~world->settings.signers & ((1u << SIGNERS) - 1);
        break;
    case 3:
        envelope->issued = one_in(2) ? 0 : envelope->issued + 350 + below(1000);
        break;
    case 4:
    case 5:
    case 6:
    case 10:
    case 11:
        if (old != NULL)
            *envelope = *old;
        reply.what = "an envelope that was signed before";
        return reply;
    case 7:
        return (struct reply){.what = "404", .kind = REPLY_ABSENT, .milliseconds = 10};
    default:
        envelope->flaw = 1 + below(ENVELOPE_FLAWS - 1);
        if (envelope->flaw != ENVELOPE_LONG)
            envelope->version = some_version(environment);
        break;
    }
    reply.what = what[envelope->flaw];
    return reply;
}

static struct reply fault(int environment)
{
    struct environment *e = environment < 0 ? NULL : &world->environment[environment];
    struct reply reply = {.what = "an envelope", .kind = REPLY_ENVELOPE, .milliseconds = 10};

    if (world->settings.signers != 0 && e != NULL && !one_in(4))
        return fault_of_signed(environment);
    switch (e == NULL || e->now == ABSENT ? 0 : below(20)) {
    case 1:
        return (struct reply){.what = "304", .kind = REPLY_UNCHANGED, .milliseconds = 10};
    case 2:
        reply.envelope = (struct envelope){environment, e->now, world->wall / 1000, 1, 0};
        return reply;
    case 3:
        scenario_write(environment, e->now, 0, faulty, sizeof faulty);
        strstr(faulty, "\"uid\":7")[6] = '9';
        reply = body_of("a uid out of range", faulty);
        reply.is_document = true;
        return reply;
    default:
        return fault_reply(environment);
    }
}

struct reply scenario_reply(int environment)
{
    static const struct reply silence = {.what = "silence", .kind = REPLY_OUTAGE};
    struct reply reply = {.what = "the truth", .kind = REPLY_TRUE, .milliseconds = 1 + below(100)};

    if (world->api == SILENT) {
        reply = silence;
        reply.milliseconds = 1000 * (int64_t)world->settings.request_timeout;
    } else if (world->api == FAULTS || (world->api == SOME_FAULTS && one_in(3))) {
        reply = fault(environment);
    }
    if (world->api != HEALTHY && reply.kind == REPLY_TRUE && one_in(3))
        reply.milliseconds = below(1000 * world->settings.request_timeout);
    return reply;
}

/* ---- Logins ---- */

/* Whether it has applications, and no sFTP account. */
static bool is_grid(const struct environment *e)
{
    return strchr(e->plain, '-') != NULL;
}

static void name_of(int environment, enum kind kind, char *out, size_t size)
{
    static const char *const endings[KINDS] = {"", "_sftp", "--app", "--other"};

    snprintf(out, size, "%s%s", world->environment[environment].plain, endings[kind]);
}

static const char *text_of(const struct person_login *login, char *out, size_t size)
{
    static const char *const stages[] = {"the name", "the key", "the key, signed", "PAM account",
                                         "PAM session"};
    char name[128];

    name_of(login->environment, login->kind, name, sizeof name);
    snprintf(out, size, "sshd %d, %s with key %d from %s, %s", login->pid, name, login->key,
             addresses[login->address], stages[login->stage]);
    return out;
}

/* The number of a certificate of a person; often one that the document lets in. */
static int make_certificate(const struct version *version)
{
    struct certificate *certificate = &world->certificate[world->certificates];
    int64_t now = world->wall / 1000;

    if (world->certificates == CERTIFICATES || (world->certificates > 0 && one_in(3)))
        return KEYS + (int)below((uint32_t)world->certificates);
    *certificate = (struct certificate){.authority = (int)below(AUTHORITIES),
                                        .key = (int)below(KEYS),
                                        .person = (int)below(PEOPLE + 1) - 1,
                                        .serial = below(SERIALS),
                                        .claims = below(CLAIMS)};
    if (version != NULL && version->listed > 0 && !one_in(6))
        certificate->person = version->person[below((uint32_t)version->listed)].person;
    if (version != NULL && version->authorities > 0 && !one_in(6))
        certificate->authority = version->authority[below((uint32_t)version->authorities)].key;
    if (one_in(6))
        certificate->fault = 1 + below(CERTIFICATE_FAULTS - 1);
    certificate->right.not_before = now - below(one_in(2) ? 60 : 4000) + (one_in(8) ? 100 : 0);
    certificate->right.expires_at = now + below(one_in(2) ? 600 : 80000) + (one_in(12) ? 90000 : 0);
    certificate->auth_time = now - below(one_in(2) ? 60 : 4000) + (one_in(8) ? 400 : 0);
    certificate_write(certificate);
    return KEYS + world->certificates++;
}

/* Mostly a key or certificate of a person who is listed. */
static int choose_offer(const struct environment *e)
{
    const struct version *version = e->now == ABSENT ? NULL : &world->version[e->now];
    const struct listed *person;

    if (one_in(3))
        return make_certificate(version);
    if (version == NULL || version->listed == 0 || one_in(4))
        return (int)below(KEYS);
    person = &version->person[below((uint32_t)version->listed)];
    return person->keys > 0 ? person->key[below((uint32_t)person->keys)].key : (int)below(KEYS);
}

static void begin_login(void)
{
    struct person_login *login = &world->login[below(LOGINS)];
    const struct environment *e;

    if (login->used)
        return;
    *login = (struct person_login){.used = true,
                                   .environment = some_environment(),
                                   .address = one_in(4) ? (int)below(ADDRESSES) : 0,
                                   .pid = 1000 + 10 * world->pids++,
                                   .began = world->boot,
                                   .started = world->lived};
    e = &world->environment[login->environment];
    /* Machine names have no sFTP account. */
    do {
        login->kind = one_in(2) ? PLAIN : (enum kind)below(KINDS);
    } while (is_grid(e) ? login->kind == SFTP_KIND || (world->apps_only && login->kind == PLAIN)
                        : login->kind == APP || login->kind == NO_APP);
    login->key = choose_offer(e);
    for (int i = 0; i < 3 && !one_in(4) && e->now != ABSENT &&
                    model_judge(e->now, login->kind, login->key, login->address) == NO;
         i++)
        login->key = choose_offer(e);
    if (one_in(16))
        login->stage = 3; /* as if sshd had asked for no key */
}

static void ask(int number)
{
    struct person_login *login = &world->login[number];
    bool certified = login->key >= KEYS;
    const struct certificate *certificate = &world->certificate[certified ? login->key - KEYS : 0];
    const char *type = certified ? certificate->type : sim_keys[login->key].type;
    const char *base64 = certified ? certificate->base64 : sim_keys[login->key].base64;
    struct cloud_question question = {0};
    static char names[LOGINS][128], infos[LOGINS][1100]; /* until the answer comes */
    char text[256];

    name_of(login->environment, login->kind, names[number], sizeof names[number]);
    snprintf(infos[number], sizeof infos[number], "publickey %s %s", type, base64);
    question.account = names[number];
    if (login->stage == 0) {
        question.op = CLOUD_OP_PASSWD_BY_NAME;
    } else if (login->stage <= 2) {
        question.op = CLOUD_OP_KEYS;
        question.kind = login->kind == SFTP_KIND ? CLOUD_SFTP : CLOUD_SHELL;
        question.key_type = type;
        question.key = base64;
        question.id = login->uid;
    } else {
        question.op = login->stage == 3 ? CLOUD_OP_PAM_ACCOUNT : CLOUD_OP_PAM_SESSION;
        question.service = "sshd";
        question.from = addresses[login->address];
        question.is_ssh = 1;
        question.auth_info = infos[number];
    }
    say("%s", text_of(login, text, sizeof text));
    login->waiting = true;
    login->asked = world->lived;
    login->run_failures = world->run_failures;
    host_ask(number, &question, login->pid + (login->stage == 1 || login->stage == 2),
             login->stage == 1 || login->stage == 2);
}

/* ---- Local users and groups ---- */

/* Writes the file anew, as vipw(8) does. */
static void write_local(const char *path, bool passwd)
{
    char name[128];
    FILE *file = fopen("local", "we");

    if (file == NULL)
        wrong("%s cannot be written", path);
    fputs(passwd ? "root:x:0:0::/root:/bin/sh\ncloudauth:x:101:101::/:/bin/false\n"
                   "cloudauth-keys:x:102:102::/:/bin/false\n"
                 : "root:x:0:\ncloudauth:x:101:\ncloudauth-keys:x:102:\n",
          file);
    for (int i = 0; i < world->environments; i++) {
        const struct environment *e = &world->environment[i];
        for (int k = 0; k < KINDS; k++) {
            name_of(i, (enum kind)k, name, sizeof name);
            if (e->local[k] && passwd == (k != APP)) /* this one is a group */
                fprintf(file, passwd ? "%s:x:5000:5000::/:/bin/sh\n" : "%s:x:5000:\n", name);
        }
        if (e->local_id == LOCAL_UID && passwd)
            fprintf(file, "local%d:x:%u:5000::/:/bin/sh\n", i, e->id);
        if (e->local_id == LOCAL_PRIMARY && passwd)
            fprintf(file, "local%d:x:5000:%u::/:/bin/sh\n", i, e->id);
        if (e->local_id == LOCAL_GID && !passwd)
            fprintf(file, "local%d:x:%u:\n", i, e->id);
    }
    if (fclose(file) != 0 || rename("local", path) != 0)
        wrong("%s cannot be written", path);
}

static void write_locals(void)
{
    write_local("passwd", true);
    write_local("group", false);
    world->edits++;
    world->edited = world->lived;
}

static bool is_any_local(const struct environment *e)
{
    bool any = e->local_id != LOCAL_NOT;

    for (int i = 0; i < KINDS; i++)
        any = any || e->local[i];
    return any;
}

static void change_local(void)
{
    int number = some_environment(), kind = (int)below(KINDS);
    struct environment *e = &world->environment[number];

    if (!host_is_idle())
        return;
    model_local();
    if (is_any_local(e) && !one_in(4)) {
        e->local_id = LOCAL_NOT;
        memset(e->local, 0, sizeof e->local);
    } else if (!world->moves_ids && one_in(2)) {
        e->local_id = (enum local_id)below(LOCAL_IDS);
    } else {
        e->local[kind] = !e->local[kind];
    }
    write_locals();
    model_local();
    say("%s: %s%s%s%s, id %d are local", e->plain, e->local[PLAIN] ? "the name " : "",
        e->local[SFTP_KIND] ? "sFTP " : "", e->local[APP] ? "app " : "",
        e->local[NO_APP] ? "other app " : "", e->local_id);
}

/* The daemon's line lets the key in without PAM. */
static bool is_open(const char *line)
{
    const char *end = strchr(line, '\n');

    return strstr(line, "nologin") == NULL || (end != NULL && strstr(line, "nologin") > end);
}

static void session_begins(const struct person_login *login)
{
    struct open_session *session = &world->session[world->sessions];

    if (world->sessions == SESSIONS)
        return;
    world->sessions++;
    *session = (struct open_session){.used = true,
                                     .environment = login->environment,
                                     .key = login->key,
                                     .address = login->address,
                                     .pid = login->pid,
                                     .person = login->person,
                                     .began = login->began,
                                     .kind = login->kind,
                                     .lived = world->lived};
}

/* sshd has a line that opens. For an authority it has to have a principal, or any certificate of
 * the authority would do. */
static void take_line(const struct person_login *login, const char *line)
{
    if (login->key >= KEYS && strstr(line, ",cert-authority,principals=\"user\" ") == NULL)
        wrong("the line lets in any certificate: %s", line);
    model_offered(login);
}

void scenario_answered(int number, const struct cloud_answer *answer)
{
    struct person_login *login = &world->login[number];
    bool ok = answer->status == CLOUD_OK;
    const char *reason = answer->reason != NULL ? answer->reason : "no";
    const char *line = answer->line != NULL ? answer->line : "";
    char text[256];

    if (number == OPERATOR) {
        say("  answer to the operator: %s", ok ? "done" : reason);
        world->order.waiting = false;
        if (world->order.confirms &&
            !world->order.withheld != (strcmp(reason, "not-withheld") == 0))
            wrong("an absence is %s", world->order.withheld ? "not withheld" : "withheld");
        if (world->order.rebinds)
            model_rebound(&world->order, ok ? NULL : reason);
        if (world->order.confirms || world->order.rebinds)
            return;
        if (ok)
            model_done(&world->order);
        else if (!world->order.deny && world->order.known && world->list_damaged.most == 0 &&
                 strcmp(reason, "not-done") == 0)
            wrong("the list has lost a denial");
        return;
    }
    say("  answer to %s: %s", text_of(login, text, sizeof text),
        ok ? (answer->line != NULL ? answer->line : "yes") : reason);
    login->waiting = false;
    name_of(login->environment, login->kind, text, sizeof text);
    audit_check(login, &(const struct answered){
                           .name = text, .reason = reason, .subject = answer->message, .ok = ok});
    if (login->stage == 0)
        model_looked(login,
                     ok ? (int)strtol(answer->gecos, NULL, 10)
                     : answer->status == CLOUD_ABSENT && strcmp(reason, "environment-absent") == 0
                         ? ABSENT
                         : UNAVAILABLE,
                     answer->id, answer->gid);
    else if (ok && login->stage <= 2 && is_open(line))
        take_line(login, line);
    else if (ok && login->stage == 3)
        model_granted(login);
    else if (!ok)
        model_refused(login, answer->reason, answer->status == CLOUD_UNAVAILABLE);
    if (ok && login->stage == 4) {
        model_opened(login);
        session_begins(login);
    }
    if (ok && (login->stage == 1 || login->stage == 2)) {
        login->lined = world->incarnations;
        login->line = is_open(line) ? strstr(line, ",permitopen=") != NULL : -1;
    }
    if (ok && login->stage == 3)
        login->granted = world->incarnations;
    if (ok && login->stage == 0)
        login->uid = answer->id;
    if (!ok || login->stage == 4)
        login->used = false;
    login->stage++;
}

/* sshd goes on, or its client goes away. */
static void advance_login(void)
{
    int number = (int)below(LOGINS);
    struct person_login *login = &world->login[number];

    for (int i = 0; i < LOGINS && (!login->used || login->waiting); i++) {
        number = (number + 1) % LOGINS;
        login = &world->login[number];
    }
    if (!login->used || (login->waiting && !one_in(8)))
        return;
    if (login->waiting) {
        say("sshd %d ends", login->pid);
        host_forget(number);
        login->used = login->waiting = false;
        return;
    }
    ask(number);
}

/* ---- The operator ---- */

/* Writes what is denied, as the packets of cloudauthctl(1) have it. */
static void subject_of(int subject, char *out, size_t size)
{
    const struct environment *e = &world->environment[subject - WHOLES];
    int certificate = subject - CERTIFIED;

    if (subject < KEYS)
        snprintf(out, size, "key\t%s", sim_keys[subject].fingerprint);
    else if (subject < IDS)
        snprintf(out, size, "user\tuser%d", subject - NAMES);
    else if (subject < WHOLES)
        snprintf(out, size, "user\tid-%d", subject - IDS);
    else if (subject < CERTIFIED)
        snprintf(out, size, "environment\t%s/%s", e->project, e->name);
    else
        snprintf(out, size, "certificate\t%d@%s", certificate % SERIALS,
                 sim_keys[certificate / SERIALS].fingerprint);
}

/* Something to deny: often what a login or a session comes with. */
static int choose_subject(void)
{
    const struct person_login *login = &world->login[below(LOGINS)];
    const struct open_session *session = &world->session[below(SESSIONS)];
    const struct certificate *certificate;

    int offer = login->used && one_in(2) ? login->key : session->used ? session->key : -1;

    if (offer < 0 || one_in(3))
        return (int)below(one_in(3) ? SUBJECTS : WHOLES);
    if (offer < KEYS)
        return offer;
    certificate = &world->certificate[offer - KEYS];
    switch (below(3)) {
    case 0:
        return certificate->key;
    case 1:
        return certificate->authority;
    default:
        return CERTIFIED + certificate->authority * SERIALS + (int)certificate->serial;
    }
}

/* Confirms that an environment is absent: one of which that is withheld, or certainly is not. False
 * if there is none. */
static bool confirm(struct order *order)
{
    static struct cloud_question question;
    int number = some_environment();
    struct environment *e = &world->environment[number];

    for (int i = 0; i < world->environments && !e->withheld; i++)
        e = &world->environment[number = (number + 1) % world->environments];
    if (is_any_local(e) || world->settings.narrow || (world->apps_only && is_grid(e)) ||
        (e->doubted && !e->withheld))
        return false;
    *order =
        (struct order){.waiting = true, .confirms = true, .withheld = e->withheld || e->confirmed};
    say("the operator: %s is absent", e->plain);
    question = (struct cloud_question){.op = CLOUD_OP_CONFIRM, .account = e->plain};
    model_confirmed(number);
    host_ask(OPERATOR, &question, 2, false);
    return true;
}

/* Releases the ids of an environment. */
static void rebind(struct order *order)
{
    static struct cloud_question question;
    static char name[128];
    int number = some_environment();
    const struct environment *e = &world->environment[number];

    *order = (struct order){.waiting = true, .rebinds = true, .subject = number};
    snprintf(name, sizeof name, "%s/%s", e->project, e->name);
    question = (struct cloud_question){.op = CLOUD_OP_REBIND, .account = name};
    question.page = one_in(2) ? CLOUD_REBIND_FORCE : CLOUD_REBIND_DO;
    say("the operator: rebind %s", name);
    model_rebinds(order);
    host_ask(OPERATOR, &question, 2, false);
}

static int choose_denied(void)
{
    int first = (int)below(SUBJECTS);

    for (int i = 0; i < SUBJECTS; i++)
        if (world->denied[(first + i) % SUBJECTS].most > 0)
            return (first + i) % SUBJECTS;
    return first;
}

static void operate(void)
{
    struct order *order = &world->order;
    struct cloud_question question = {0};
    char subject[128], text[256];

    if (order->waiting || (world->environments > FEW && one_in(2) && confirm(order)))
        return;
    if (world->moves_ids && one_in(4)) {
        rebind(order);
        return;
    }
    *order = (struct order){.waiting = true, .deny = !one_in(3)};
    order->all = !order->deny && one_in(world->list_damaged.most > 0 ? 2 : 8);
    order->subject = order->deny ? choose_subject() : choose_denied();
    if (order->deny && one_in(2))
        order->until = world->wall / 1000 + 1 + below(one_in(2) ? 30 : 600);
    subject_of(order->subject, subject, sizeof subject);
    snprintf(text, sizeof text, "%s\t%lld\t0\t", subject, (long long)order->until);
    say("the operator: %s %s", order->deny ? "deny" : "undeny", order->all ? "all" : text);
    question.op = order->deny ? CLOUD_OP_DENY : CLOUD_OP_UNDENY;
    question.text = order->all ? "all" : text;
    model_ordered(order);
    host_ask(OPERATOR, &question, 2, false);
}

/* ---- The settings ---- */

static struct settings make_settings(void)
{
    static const uint32_t fresh[] = {1, 5, 30, 120};

    return (struct settings){.keys_fresh = fresh[below(4)],
                             .account_fresh = 1 + below(200),
                             .absent_fresh = 1 + below(30),
                             .max_stale = one_in(2) ? 3600 : 30 + below(300),
                             .request_timeout = 2 + below(4),
                             .session_recheck = one_in(6) ? 0 : 10 + below(50),
                             .feed = one_in(2),
                             .outlives = !one_in(3),
                             .narrow = one_in(8)};
}

static unsigned make_signers(void)
{
    return 1u << below(SIGNERS) | (one_in(3) ? 1u << below(SIGNERS) : 0);
}

/* A key comes, or goes, or all are others; or documents are signed from now on, or no longer. */
static unsigned rotate(unsigned signers)
{
    switch (below(signers == 0 ? 24 : 8)) {
    case 0:
        return signers == 0 || !one_in(3) ? make_signers() : 0;
    case 1:
    case 2:
        return signers == 0 ? 0 : signers | 1u << below(SIGNERS);
    case 3:
    case 4:
        return (signers & (signers - 1)) != 0 ? signers & (signers - 1) : signers;
    default:
        return signers;
    }
}

static void change_settings(void)
{
    struct settings old = world->settings;

    if (!host_is_idle())
        return;
    model_local();
    world->settings = make_settings();
    /* Whether sessions can be ended at all is decided when the daemon starts. */
    if (old.session_recheck == 0 || world->settings.session_recheck == 0)
        world->settings.session_recheck = old.session_recheck;
    world->settings.url = old.url + one_in(3);
    world->settings.signers = rotate(old.signers);
    world->origin += world->settings.url != old.url || world->settings.signers != old.signers;
    if (world->settings.url != old.url)
        model_forget();
    else if (world->settings.signers != old.signers)
        model_keys_changed();
    if (!world->settings.feed)
        world->feed_heard = -1;
    model_local();
    world->reloaded = world->lived;
    platform_reloaded();
    say("reload: API %d, signers %u, allow%s, keys_fresh %u, max_stale %u, feed %d, outlives %d",
        world->settings.url, world->settings.signers,
        world->settings.narrow ? " one project" : " all", world->settings.keys_fresh,
        world->settings.max_stale, world->settings.feed, world->settings.outlives);
    host_reload();
}

/* ---- What happens ---- */

static void pass_time(void)
{
    static const uint32_t spans[] = {50, 300, 1000, 3000, 10000, 60000, 200000};
    uint32_t span = spans[below(7)];

    host_pass(1 + below(span));
}

/* How far back it is to about when the last good answer was asked for; or `by`. */
static int64_t to_answer(const struct environment *e, int64_t by)
{
    int64_t back = e->goods == 0 ? 0 : e->good[e->goods - 1].wall - world->wall;

    return back < -10000 ? back / 1000 * 1000 + 1000 * (int64_t)below(10) : by;
}

static void set_clock(void)
{
    static const int64_t steps[] = {1000, 5000, 60000, 3600000, 1000 * WEEK};
    int64_t by = (int64_t)below((uint32_t)(steps[below(5)] / 1000)) * 1000 + 1000;

    if (one_in(2))
        by = -by;
    if (by < 0 && one_in(2))
        by = to_answer(&world->environment[some_environment()], by);
    world->clock_set = world->stepped = true;
    world->wall += by;
    model_clock_set();
    if (by < -3000)
        world->put_back = world->lived;
    else if (by > 0)
        world->put_back = 0;
    if (world->wall / 1000 - world->boot / 1000 > world->highest)
        world->highest = world->wall / 1000 - world->boot / 1000;
    if (one_in(3)) /* it was wrong */
        world->publisher = world->wall - world->lived;
    say("the clock is set %s by %lld s", by < 0 ? "back" : "forward",
        (long long)(by < 0 ? -by : by) / 1000);
}

static void close_session(void)
{
    if (world->sessions == 0)
        return;
    struct open_session *session = &world->session[below((uint32_t)world->sessions)];
    if (session->used)
        say("the session of sshd %d is over", session->pid);
    session->used = false;
}

/* The API is well, and time passes: then every session that must end is being ended. */
static void rest(void)
{
    if (world->settings.session_recheck == 0)
        return;
    say("rest");
    world->disk = DISK_WELL;
    world->api = HEALTHY;
    host_pass(40000 + 2000 * (int64_t)world->settings.session_recheck);
    model_rest();
}

static void set_api(void)
{
    static const char *const words[] = {"well", "partly failing", "failing", "silent"};

    if (one_in(6))
        platform_restored();
    world->api = (int)below(4);
    say("the API is %s", words[world->api]);
}

/* The host starts anew, with the clock that it has then. */
static void boot(void)
{
    int64_t before = world->wall, highest = world->highest + world->boot / 1000;
    struct stat st;

    if (world->reboot == REBOOT_POWER)
        disk_lose_power();
    world->reboot = REBOOT_NO;
    world->boots++;
    world->boot = 5000 + below(20000);
    world->wall += world->boot + 1000 * (int64_t)below(one_in(2) ? 60 : 1000);
    if (one_in(3)) {
        world->wall += (one_in(2) ? -1000 : 1000) * (int64_t)below(2000);
        world->clock_set = true;
    }
    if (world->wall > before)
        world->lived += world->wall - before;
    world->highest =
        (highest > world->wall / 1000 ? highest : world->wall / 1000) - world->boot / 1000;
    for (int i = 0; i < LOGINS; i++)
        world->login[i].used = false;
    for (int i = 0; i < world->sessions; i++)
        world->session[i].used = false;
    say("the host has started, %lld s later by its clock",
        (long long)(world->wall - before) / 1000);
    model_booted(stat("state/documents", &st) == 0 && world->wall / 1000 < st.st_mtime - 3);
}

static void set_disk(void)
{
    static const char *const words[] = {"well", "full", "broken"};

    if (one_in(2))
        world->disk = (enum disk)below(3);
    else
        world->run = (enum disk)below(3);
    say("the disk is %s, /run is %s", words[world->disk], words[world->run]);
}

/* The daemon is to be killed, alone or with the power. */
static void set_kill(void)
{
    bool owes = disk_owes();

    if (owes || one_in(3))
        world->kill_in = 1 + (int)below(30);
    if (world->kill_in > 0 && one_in(owes ? 2 : 4))
        world->reboot = REBOOT_POWER;
}

static void step(void)
{
    if (world->environments > FEW && one_in(is_any_lost() ? 24 : 6)) {
        lose_environments();
        return;
    }
    switch (below(35)) {
    case 32:
    case 33:
        operate();
        break;
    case 34:
        if (one_in(4))
            change_local();
        else if (one_in(3))
            change_settings();
        break;
    case 0:
    case 1:
    case 2:
        change_document(some_environment());
        break;
    case 3:
    case 4:
        set_api();
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        pass_time();
        break;
    case 9:
        if (one_in(4))
            set_clock();
        break;
    case 10:
        if (one_in(4))
            close_session();
        break;
    case 11:
        if (one_in(4))
            host_stall();
        break;
    case 12:
        if (one_in(4))
            rest();
        break;
    case 13:
        set_kill();
        break;
    case 14:
        if (one_in(4))
            set_disk();
        break;
    case 15:
    case 16:
        begin_login();
        break;
    default:
        advance_login();
        break;
    }
}

/* What is published, when nothing that the daemon knows is still to be published; and sessions. */
static void look(void)
{
    uint32_t uid;

    for (int i = 0; i < world->environments && one_in(4) && host_is_idle(); i++)
        if (host_published(i, &uid))
            model_published(i, uid);
    if (host_is_idle())
        model_sessions();
}

void scenario_run(void)
{
    while (world->steps < STEPS - 1) {
        world->steps++;
        step();
        host_pass(below(one_in(2) ? 20 : 200));
        look();
        if (one_in(120)) {
            world->reboot = one_in(3) ? REBOOT_STOP : REBOOT_NO;
            return; /* SIGTERM */
        }
    }
    rest();
    world->steps = STEPS;
}

/* ---- Processes ---- */

static void start_world(uint64_t seed, bool trace)
{
    static const struct environment environments[ENVIRONMENTS] = {
        {.project = "abcdefghij", .name = "production", .plain = "abcdefghij", .id = 70001},
        {.project = "abcdefghij", .name = "staging", .plain = "abcdefghij_stg", .id = 70002},
        {.project = "klmnopqrst",
         .name = "main-a12b34c",
         .plain = "klmnopqrst-main-a12b34c",
         .id = 70003},
        {.project = "abcdefghij", .name = "staging2", .plain = "abcdefghij_stg2", .id = 70004},
        {.project = "abcdefghij", .name = "staging3", .plain = "abcdefghij_stg3", .id = 70005},
        {.project = "abcdefghij", .name = "staging4", .plain = "abcdefghij_stg4", .id = 70006},
        {.project = "abcdefghij", .name = "staging5", .plain = "abcdefghij_stg5", .id = 70007},
        {.project = "abcdefghij", .name = "staging6", .plain = "abcdefghij_stg6", .id = 70008},
    };
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    world->trace = trace;
    world->lived = 1000000;
    world->boot = 1000000;
    world->wall = INT64_C(1800000000000) + below(1000);
    world->highest = world->wall / 1000 - world->boot / 1000;
    world->feed_heard = -1;
    world->settings = make_settings();
    world->environments = one_in(12) ? FEW + 1 + (int)below(ENVIRONMENTS - FEW) : FEW;
    if (world->environments > FEW) /* what the feed names is asked for */
        world->settings.feed = !one_in(6);
    world->settings.signers = one_in(3) ? make_signers() : 0;
    if (world->settings.signers != 0 && one_in(2)) /* it asks often, and hears of much */
        world->settings.account_fresh = 1 + below(10);
    world->publisher = world->wall - world->lived;
    world->apps_only = one_in(4);
    world->moves_ids = one_in(world->environments > FEW ? 2 : 4);
    for (int i = 0; i < ENVIRONMENTS; i++) {
        struct environment *e = &world->environment[i];
        *e = environments[i];
        e->now = e->gone = ABSENT;
        e->envelope = -1;
        e->asked = e->named = e->named_after = e->whole_after = -1;
    }
    for (int i = 0; i < ENVIRONMENTS; i++)
        if (i < world->environments && (i < 2 || world->environments > FEW || one_in(2)))
            change_document(i);
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        exit(1);
    return memory;
}

static void remove_file(const char *directory, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
}

/* Removes the files of a directory, and makes it if there is none. */
static void clear(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (directory == NULL) {
        mkdir(path, 0700);
        return;
    }
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_type == DT_REG)
            remove_file(path, entry->d_name);
    futimens(dirfd(directory), (const struct timespec[2]){0});
    closedir(directory);
}

static void remove_directory(const char *path)
{
    static const char *const parts[] = {
        "state/documents", "state", "run/sessions", "run", "lost", "."};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        clear(parts[i]);
        rmdir(parts[i]);
    }
    rmdir(path);
}

/* Runs the scenario of a seed. False if an invariant does not hold. */
static bool run_seed(uint64_t seed, bool trace)
{
    start_world(seed, trace);
    clear("state/documents");
    clear("state");
    clear("run/sessions");
    clear("lost");
    disk_begin();
    write_locals();
    for (;;) {
        enum end end;
        world->incarnations++;
        say("the daemon starts");
        end = host_run();
        world->kill_in = 0;
        model_ended();
        for (int i = 0; i < LOGINS; i++)
            world->login[i].waiting = false;
        world->order.waiting = false;
        if (end == END_WRONG)
            return false;
        if (end == END_STOPPED && world->steps == STEPS)
            return true;
        if (world->reboot != REBOOT_NO) {
            boot();
            clear("run/sessions");
            world->run = DISK_WELL;
        } else if (one_in(world->moves_ids ? 8 : 16)) {
            disk_damage();
        }
    }
}

/* What a process has found so far, in memory that all of them share. */
struct tally {
    unsigned long passed, failed, grants, refusals;
    bool *stop; /* of all processes: one has found a fault, and FIRST is set */
};

/* Runs every n-th seed in a directory of its own. */
static void run_seeds(unsigned long first, unsigned long end, unsigned long n, struct tally *tally)
{
    char directory[] = "/dev/shm/sim.XXXXXX";

    world = calloc(1, sizeof *world);
    if (world == NULL || mkdtemp(directory) == NULL || chdir(directory) != 0 ||
        mkdir("state", 0700) != 0 || mkdir("run", 0700) != 0) {
        perror(directory);
        exit(1);
    }
    memory_prepare();
    for (unsigned long seed = first; seed < end && !*tally->stop; seed += n) {
        bool ok = run_seed(seed, getenv("TRACE") != NULL);
        tally->passed += ok;
        tally->failed += !ok;
        tally->grants += (unsigned long)world->grants;
        tally->refusals += (unsigned long)world->refusals;
        if (!ok && getenv("FIRST") != NULL)
            *tally->stop = true;
        if (!ok)
            printf("seed %lu: %s\n", seed, world->failure);
        (void)fflush(stdout);
    }
    remove_directory(directory);
}

int main(void)
{
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    unsigned long first = one != NULL ? strtoul(one, NULL, 10) : 0;
    unsigned long count = many != NULL ? strtoul(many, NULL, 10) : one != NULL ? 1 : 1000;
    unsigned long end = first + count;
    unsigned long jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);
    struct tally *tally = share(jobs * sizeof *tally), all = {0};
    struct tms unused;
    clock_t begun = times(&unused); /* time(2) is the world's */
    unsigned long seconds;
    bool ok = true, *stop = share(sizeof *stop);
    int status;

    host_prepare();
    (void)fflush(stdout);
    for (unsigned long i = 0; i < jobs; i++) {
        tally[i].stop = stop;
        if (fork() == 0) {
            run_seeds(first + i, end, jobs, &tally[i]);
            exit(0);
        }
    }
    while (wait(&status) > 0)
        ok = ok && status == 0;
    for (unsigned long i = 0; i < jobs; i++) {
        all.passed += tally[i].passed;
        all.failed += tally[i].failed;
        all.grants += tally[i].grants;
        all.refusals += tally[i].refusals;
    }
    seconds = (unsigned long)((times(&unused) - begun) / sysconf(_SC_CLK_TCK));
    printf("sim: %lu logins granted, %lu refused, %lu scenarios a second\n", all.grants,
           all.refusals, (end - first) / (seconds > 0 ? seconds : 1));
    printf("sim: %lu passed, %lu failed\n", all.passed, all.failed + !ok);
    return all.failed > 0 || !ok;
}
