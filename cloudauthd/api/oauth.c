/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/oauth.h"

#include "access/json.h"
#include "base/digest.h"
#include "base/fatal.h"
#include "base/retry.h"
#include "cloudauthd/api/credentials.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

/* Milliseconds: */
#define BACKOFF_MIN   1000  /* the wait after a failed exchange; doubled after each further one */
#define BACKOFF_MAX   60000 /* the longest wait after failed exchanges */
#define MARGIN_MAX    60000 /* a token is renewed at most this long before it expires */
#define REFUSAL_PAUSE 10000 /* the least time between replacements of refused tokens */
/* Seconds: */
#define LIFETIME_DEFAULT 300   /* the life of a token if the answer has no expires_in */
#define LIFETIME_MAX     86400 /* the longest life of a token, whatever expires_in says */

#define ENCODED_SIZE (3 * CREDENTIAL_TEXT_MAX + 64) /* bytes of a percent-encoded credential */
#define BASIC_SIZE   (sizeof BASIC + DIGEST_BASE64_SIZE(ENCODED_SIZE))
#define BASIC        "Basic "             /* precedes id:secret in base64 (RFC 7617) */
#define API_CLIENT   "platform-api-user:" /* Platform.sh's client id for the grant api_token */
#define BY_API_TOKEN "grant_type=api_token&api_token=" /* the API token follows */

STAILQ_HEAD(oauth_waiters, oauth_waiter);

struct oauth {
    struct loop *loop;
    const struct cloud_conf *conf;
    oauth_send *send;
    void *arg;
    struct loop_timer timer; /* renews the token before it expires */
    struct oauth_waiters waiters;
    char *token;       /* the access token; NULL: there is none */
    int64_t sent;      /* cloud_clock_ms() when the last exchange was sent */
    int64_t end;       /* cloud_clock_ms() when the token expires */
    int64_t retry;     /* cloud_clock_ms() before which no exchange is sent, if failures > 0 */
    int64_t refused;   /* cloud_clock_ms() of the last oauth_forget that forgot a token */
    unsigned failures; /* consecutive exchanges that have failed */
    uint64_t exchanges, exchanges_failed; /* counted since the start */
    bool in_flight;
    bool outdated; /* the exchange in flight was sent with earlier settings */
    char why[256]; /* the reason of the last failure */
};

static void on_timer_due(void *arg);

struct oauth *oauth_new(struct loop *loop, const struct cloud_conf *conf, oauth_send *send,
                        void *arg)
{
    struct oauth *oauth = xcalloc(1, sizeof *oauth);

    oauth->loop = loop;
    oauth->conf = conf;
    oauth->send = send;
    oauth->arg = arg;
    oauth->timer = (struct loop_timer){.due = on_timer_due, .arg = oauth};
    STAILQ_INIT(&oauth->waiters);
    oauth->refused = cloud_clock_ms() - REFUSAL_PAUSE;
    return oauth;
}

static void forget(struct oauth *oauth)
{
    loop_timer_clear(oauth->loop, &oauth->timer);
    if (oauth->token != NULL)
        explicit_bzero(oauth->token, strlen(oauth->token));
    free(oauth->token);
    oauth->token = NULL;
}

void oauth_free(struct oauth *oauth)
{
    forget(oauth);
    free(oauth);
}

void oauth_configure(struct oauth *oauth, const struct cloud_conf *conf)
{
    oauth->conf = conf;
    forget(oauth);
    oauth->failures = 0;
    oauth->outdated = oauth->in_flight;
}

static bool is_usable(const struct oauth *oauth, int64_t now)
{
    return oauth->token != NULL && now < oauth->end;
}

static bool is_current(const struct oauth *oauth, const char *token)
{
    return oauth->token != NULL && strcmp(oauth->token, token) == 0;
}

/* Answers the requests that wait now. One that a `ready` function adds waits for the next
 * exchange. */
static void answer_waiters(struct oauth *oauth)
{
    struct oauth_waiters waiters = STAILQ_HEAD_INITIALIZER(waiters);
    struct oauth_waiter *waiter;

    STAILQ_CONCAT(&waiters, &oauth->waiters);
    while ((waiter = STAILQ_FIRST(&waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&waiters, entry);
        waiter->ready(waiter->arg, is_usable(oauth, cloud_clock_ms()) ? oauth->token : NULL,
                      oauth->why);
    }
}

/* Schedules the renewal of the token, unless the token expires before it. */
static void set_timer(struct oauth *oauth, int64_t at, int64_t now)
{
    if (at < oauth->end)
        loop_timer_set(oauth->loop, &oauth->timer, at > now ? at - now : 0);
}

/* Records a failed exchange, and answers the requests that wait. A token that has not expired stays
 * in use while the exchange is tried again. */
static void fail(struct oauth *oauth, const char *why)
{
    int64_t now = cloud_clock_ms();

    oauth->retry = now + retry_delay(oauth->failures, BACKOFF_MIN, BACKOFF_MAX);
    oauth->exchanges_failed++;
    if (oauth->failures < 1000)
        oauth->failures++;
    snprintf(oauth->why, sizeof oauth->why, "%s", why);
    if (is_usable(oauth, now))
        set_timer(oauth, oauth->retry, now);
    answer_waiters(oauth);
}

/* Appends a value, encoded as application/x-www-form-urlencoded. */
static void add_encoded(struct cloud_text *text, const char *bytes, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_') {
            cloud_text_add_char(text, c);
            continue;
        }
        cloud_text_add_char(text, '%');
        cloud_text_add_char(text, hex[(unsigned char)c >> 4]);
        cloud_text_add_char(text, hex[(unsigned char)c & 15]);
    }
}

/* Writes "id:secret" to out, with id and secret percent-encoded (RFC 6749, 2.3.1). False if the
 * credential has no colon, or if out is too small. */
static bool encode_client(const struct credential *client, char *out, size_t size)
{
    const char *colon = memchr(client->bytes, ':', client->length);
    struct cloud_text text;

    if (colon == NULL)
        return false;
    cloud_text_start(&text, out, size);
    add_encoded(&text, client->bytes, (size_t)(colon - client->bytes));
    cloud_text_add_char(&text, ':');
    add_encoded(&text, colon + 1, client->length - (size_t)(colon + 1 - client->bytes));
    return !text.cut;
}

/* Reads the configured credential file. Writes the body of the POST to form, and the "id:secret"
 * that its Authorization header has in base64 to client. False with the reason in why. */
static bool read_file(const struct cloud_conf *conf, char form[ENCODED_SIZE],
                      char client[ENCODED_SIZE], char *why, size_t size)
{
    bool by_client = conf->client_id_file[0] != '\0';
    const struct credential_file file =
        credential_file(conf, by_client ? CREDENTIAL_CLIENT_ID_FILE : CREDENTIAL_TOKEN_FILE);
    struct credential read;
    struct cloud_text text;
    bool ok = true;

    if (!credential_read(&file, &read, why, size))
        return false;
    cloud_text_start(&text, form, ENCODED_SIZE);
    if (by_client) {
        cloud_text_add(&text, "grant_type=client_credentials");
        ok = encode_client(&read, client, ENCODED_SIZE);
        if (!ok)
            snprintf(why, size, "credential unusable: %s %.120s: not id:secret", file.key,
                     file.name);
    } else {
        cloud_text_add(&text, BY_API_TOKEN);
        add_encoded(&text, read.bytes, read.length);
        memcpy(client, API_CLIENT, sizeof API_CLIENT);
    }
    credential_wipe(&read);
    return ok;
}

static void start(struct oauth *oauth)
{
    char form[ENCODED_SIZE], client[ENCODED_SIZE], basic[BASIC_SIZE], why[256];
    struct oauth_post post = {oauth->conf->token_url, basic, form};

    if (!read_file(oauth->conf, form, client, why, sizeof why)) {
        credential_alarm(why);
        fail(oauth, why);
    } else {
        memcpy(basic, BASIC, sizeof BASIC);
        digest_base64_encode(client, strlen(client), basic + sizeof BASIC - 1);
        oauth->in_flight = true;
        oauth->exchanges++;
        oauth->sent = cloud_clock_ms();
        oauth->send(oauth->arg, &post);
    }
    explicit_bzero(form, sizeof form);
    explicit_bzero(client, sizeof client);
    explicit_bzero(basic, sizeof basic);
}

static void on_timer_due(void *arg)
{
    struct oauth *oauth = arg;

    if (!oauth->in_flight)
        start(oauth);
}

void oauth_ask(struct oauth *oauth, struct oauth_waiter *waiter)
{
    int64_t now = cloud_clock_ms();

    if (is_usable(oauth, now)) {
        waiter->ready(waiter->arg, oauth->token, "");
        return;
    }
    if (!oauth->in_flight && oauth->failures > 0 && now < oauth->retry) {
        waiter->ready(waiter->arg, NULL, oauth->why);
        return;
    }
    STAILQ_INSERT_TAIL(&oauth->waiters, waiter, entry);
    if (!oauth->in_flight)
        start(oauth);
}

void oauth_look(const struct oauth *oauth, struct oauth_view *out)
{
    int64_t now = cloud_clock_ms();

    *out = (struct oauth_view){.token = is_usable(oauth, now),
                               .left = oauth->token == NULL ? 0 : (oauth->end - now) / 1000,
                               .why = oauth->failures > 0 ? oauth->why : "",
                               .exchanges = oauth->exchanges,
                               .failures = oauth->exchanges_failed};
}

bool oauth_may_replace(const struct oauth *oauth, const char *token)
{
    return !is_current(oauth, token) || cloud_clock_ms() - oauth->refused >= REFUSAL_PAUSE;
}

void oauth_forget(struct oauth *oauth, const char *token)
{
    if (!is_current(oauth, token))
        return;
    oauth->refused = cloud_clock_ms();
    forget(oauth);
}

/* Keeps the token of a successful answer (RFC 6749, 5.1). False if the answer is invalid. */
static bool take_token(struct oauth *oauth, const struct json *answer)
{
    const char *token, *type;
    uint64_t seconds = LIFETIME_DEFAULT;

    if (!json_get_string(answer, "access_token", JSON_REQUIRED, CREDENTIAL_TEXT_MAX, &token) ||
        !json_get_string(answer, "token_type", JSON_REQUIRED, 32, &type) ||
        !json_get_whole(answer, "expires_in", JSON_OPTIONAL, UINT32_MAX, &seconds))
        return false;
    if (strcasecmp(type, "bearer") != 0)
        return json_fail(answer, "token_type is not bearer");
    if (token[0] == '\0' || token[strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                                                "wxyz0123456789-._~+/=")] != '\0')
        return json_fail(answer, "access_token has odd characters");
    if (seconds == 0)
        return json_fail(answer, "access_token has expired");
    forget(oauth);
    oauth->token = xstrdup(token);
    explicit_bzero((void *)(uintptr_t)token, strlen(token)); /* json_free does not wipe the token */
    oauth->end = oauth->sent + 1000 * (int64_t)(seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX);
    return true;
}

static void take_answer(struct oauth *oauth, const void *body, size_t n)
{
    static const struct json_limits limits = {8, 1000};
    char problem[160], why[256];
    struct cloud_text text;
    struct json answer;
    int64_t margin;
    bool ok;

    cloud_text_start(&text, problem, sizeof problem);
    ok = json_parse(body, n, &limits, &text, &answer);
    if (ok) {
        ok = take_token(oauth, &answer);
        json_free(&answer);
    }
    if (!ok) {
        snprintf(why, sizeof why, "the token endpoint's answer: %s", problem);
        fail(oauth, why);
        return;
    }
    oauth->failures = 0;
    margin = (oauth->end - oauth->sent) / 5;
    set_timer(oauth, oauth->end - (margin < MARGIN_MAX ? margin : MARGIN_MAX), cloud_clock_ms());
    answer_waiters(oauth);
}

/* Returns the error code of an answer (RFC 6749, 5.2), for the log. The log gets nothing else of
 * the answer, and no unknown code, because these may repeat the secret. */
static const char *error_of(const void *body, size_t n)
{
    static const char *const codes[] = {"invalid_request", "invalid_client",
                                        "invalid_grant",   "unauthorized_client",
                                        "invalid_scope",   "unsupported_grant_type"};
    static const struct json_limits limits = {8, 1000};
    const char *said = "", *code = "no error code";
    char problem[160];
    struct cloud_text text;
    struct json answer;

    cloud_text_start(&text, problem, sizeof problem);
    if (!json_parse(body, n, &limits, &text, &answer))
        return code;
    if (json_get_string(&answer, "error", JSON_OPTIONAL, 64, &said))
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (strcmp(said, codes[i]) == 0)
                code = codes[i];
    json_free(&answer);
    return code;
}

void oauth_posted(struct oauth *oauth, long status, void *body, size_t n, const char *why)
{
    char text[256];

    oauth->in_flight = false;
    if (oauth->outdated) {
        oauth->outdated = false;
        if (oauth->conf->token_url[0] == '\0')
            fail(oauth, "the settings changed");
        else if (!STAILQ_EMPTY(&oauth->waiters))
            start(oauth);
        return;
    }
    if (status == 200) {
        take_answer(oauth, body, n);
        return;
    }
    if (status == 0) {
        snprintf(text, sizeof text, "the token endpoint: %.200s", why);
    } else if (status == 400 || status == 401 || status == 403) {
        snprintf(text, sizeof text,
                 "the token endpoint refuses this host's credential (status %ld, %s)", status,
                 error_of(body, n));
        credential_alarm(text);
    } else {
        snprintf(text, sizeof text, "the token endpoint answered with status %ld", status);
    }
    fail(oauth, text);
}
