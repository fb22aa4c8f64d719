/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/oauth.h"

#include "access/json.h"
#include "base/digest.h"
#include "base/retry.h"
#include "cloudauthd/api/credentials.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BACKOFF_MIN      1000 /* milliseconds between exchanges that fail */
#define BACKOFF_MAX      60000
#define MARGIN_MAX       60000 /* milliseconds before a token's end, and a fifth of its life */
#define REFUSAL_PAUSE    10000 /* milliseconds between exchanges because the API refused a token */
#define LIFETIME_DEFAULT 300   /* seconds, where the endpoint gives none */
#define LIFETIME_MAX     86400

#define ENCODED_SIZE (3 * CREDENTIAL_TEXT_MAX + 64) /* of a text in a form */
#define BASIC_SIZE   (sizeof BASIC + DIGEST_BASE64_SIZE(ENCODED_SIZE))
#define BASIC        "Basic "                          /* and that text in base64: RFC 7617 */
#define API_CLIENT   "platform-api-user:"              /* Platform.sh's client for api_token */
#define BY_API_TOKEN "grant_type=api_token&api_token=" /* and its grant */

struct oauth {
    struct loop *loop;
    const struct cloud_conf *conf;
    oauth_send *send;
    void *arg;
    struct loop_timer timer;
    struct oauth_waiter *waiters;
    char *token;     /* NULL: none */
    int64_t sent;    /* cloud_clock_ms() of the last exchange */
    int64_t end;     /* of the token */
    int64_t retry;   /* not before, after a failure */
    int64_t refused; /* when the API last refused a token that was then given up */
    unsigned failures;
    uint64_t exchanges, exchanges_failed; /* since the start */
    bool in_flight;
    bool outdated; /* the exchange under way is by settings of before */
    char why[256]; /* of the last failure */
};

static void on_timer_due(void *arg);

struct oauth *oauth_new(struct loop *loop, const struct cloud_conf *conf, oauth_send *send,
                        void *arg)
{
    struct oauth *tokens = calloc(1, sizeof *tokens);

    if (tokens == NULL)
        return NULL;
    tokens->loop = loop;
    tokens->conf = conf;
    tokens->send = send;
    tokens->arg = arg;
    tokens->timer = (struct loop_timer){.due = on_timer_due, .arg = tokens};
    tokens->refused = cloud_clock_ms() - REFUSAL_PAUSE;
    return tokens;
}

static void forget(struct oauth *tokens)
{
    loop_timer_clear(tokens->loop, &tokens->timer);
    if (tokens->token != NULL)
        explicit_bzero(tokens->token, strlen(tokens->token));
    free(tokens->token);
    tokens->token = NULL;
}

void oauth_free(struct oauth *tokens)
{
    if (tokens == NULL)
        return;
    forget(tokens);
    free(tokens);
}

void oauth_configure(struct oauth *tokens, const struct cloud_conf *conf)
{
    tokens->conf = conf;
    forget(tokens);
    tokens->failures = 0;
    tokens->outdated = tokens->in_flight;
}

static bool usable(const struct oauth *tokens, int64_t now)
{
    return tokens->token != NULL && now < tokens->end;
}

/* Whoever asks again meanwhile is a new waiter. */
static void answer_waiters(struct oauth *tokens)
{
    struct oauth_waiter *waiting = tokens->waiters, *next;

    tokens->waiters = NULL;
    for (; waiting != NULL; waiting = next) {
        next = waiting->next;
        waiting->ready(waiting->arg, usable(tokens, cloud_clock_ms()) ? tokens->token : NULL,
                       tokens->why);
    }
}

static void set_timer(struct oauth *tokens, int64_t at, int64_t now)
{
    if (at < tokens->end)
        (void)loop_timer_set(tokens->loop, &tokens->timer, at > now ? at - now : 0);
}

/* A token that still lives serves on, and the exchange is tried again behind it. */
static void fail(struct oauth *tokens, const char *why)
{
    int64_t now = cloud_clock_ms();

    tokens->retry = now + retry_delay(tokens->failures, BACKOFF_MIN, BACKOFF_MAX);
    tokens->exchanges_failed++;
    if (tokens->failures < 1000)
        tokens->failures++;
    snprintf(tokens->why, sizeof tokens->why, "%s", why);
    if (usable(tokens, now))
        set_timer(tokens, tokens->retry, now);
    answer_waiters(tokens);
}

/* application/x-www-form-urlencoded. */
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

/* The client's name and secret, each encoded, as RFC 6749 says in 2.3.1. */
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

/* Fills form and client from the file that is set. */
static bool read_file(const struct cloud_conf *conf, char form[ENCODED_SIZE],
                      char client[ENCODED_SIZE], char *why, size_t size)
{
    bool by_client = conf->client_id_file[0] != '\0';
    const char *key = by_client ? "client_id_file" : "token_file";
    const char *name = by_client ? conf->client_id_file : conf->token_file;
    struct credential file;
    struct cloud_text text;
    bool ok = true;

    if (!credential_read(key, name, CREDENTIAL_TEXT, &file, why, size))
        return false;
    cloud_text_start(&text, form, ENCODED_SIZE);
    if (by_client) {
        cloud_text_add(&text, "grant_type=client_credentials");
        ok = encode_client(&file, client, ENCODED_SIZE);
        if (!ok)
            snprintf(why, size, "credential unusable: %s %.120s: not id:secret", key, name);
    } else {
        cloud_text_add(&text, BY_API_TOKEN);
        add_encoded(&text, file.bytes, file.length);
        memcpy(client, API_CLIENT, sizeof API_CLIENT);
    }
    credential_wipe(&file);
    return ok;
}

static void start(struct oauth *tokens)
{
    char form[ENCODED_SIZE], client[ENCODED_SIZE], basic[BASIC_SIZE], why[256];
    struct oauth_post post = {tokens->conf->token_url, basic, form};

    if (!read_file(tokens->conf, form, client, why, sizeof why)) {
        credential_alarm(why);
        fail(tokens, why);
    } else {
        memcpy(basic, BASIC, sizeof BASIC);
        digest_base64_encode(client, strlen(client), basic + sizeof BASIC - 1);
        tokens->in_flight = true;
        tokens->exchanges++;
        tokens->sent = cloud_clock_ms();
        tokens->send(tokens->arg, &post);
    }
    explicit_bzero(form, sizeof form);
    explicit_bzero(client, sizeof client);
    explicit_bzero(basic, sizeof basic);
}

static void on_timer_due(void *arg)
{
    struct oauth *tokens = arg;

    if (!tokens->in_flight)
        start(tokens);
}

void oauth_ask(struct oauth *tokens, struct oauth_waiter *waiter)
{
    int64_t now = cloud_clock_ms();

    if (usable(tokens, now)) {
        waiter->ready(waiter->arg, tokens->token, "");
        return;
    }
    if (!tokens->in_flight && tokens->failures > 0 && now < tokens->retry) {
        waiter->ready(waiter->arg, NULL, tokens->why);
        return;
    }
    waiter->next = tokens->waiters;
    tokens->waiters = waiter;
    if (!tokens->in_flight)
        start(tokens);
}

void oauth_look(const struct oauth *tokens, struct oauth_view *out)
{
    int64_t now = cloud_clock_ms();

    *out = (struct oauth_view){.token = usable(tokens, now),
                               .left = tokens->token == NULL ? 0 : (tokens->end - now) / 1000,
                               .why = tokens->failures > 0 ? tokens->why : "",
                               .exchanges = tokens->exchanges,
                               .failures = tokens->exchanges_failed};
}

bool oauth_refused(struct oauth *tokens, const char *token)
{
    int64_t now = cloud_clock_ms();

    if (tokens->token == NULL || strcmp(tokens->token, token) != 0)
        return true;
    if (now - tokens->refused < REFUSAL_PAUSE)
        return false;
    tokens->refused = now;
    forget(tokens);
    return true;
}

/* Takes the token out of the answer: RFC 6749, 5.1. */
static bool take_token(struct oauth *tokens, const struct json *answer)
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
    forget(tokens);
    tokens->token = strdup(token);
    explicit_bzero((void *)(uintptr_t)token, strlen(token)); /* the tree is freed as it is */
    if (tokens->token == NULL)
        return json_fail(answer, "out of memory");
    tokens->end = tokens->sent + 1000 * (int64_t)(seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX);
    return true;
}

static void take_answer(struct oauth *tokens, const void *body, size_t n)
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
        ok = take_token(tokens, &answer);
        json_free(&answer);
    }
    if (!ok) {
        snprintf(why, sizeof why, "the token endpoint's answer: %s", problem);
        fail(tokens, why);
        return;
    }
    tokens->failures = 0;
    margin = (tokens->end - tokens->sent) / 5;
    set_timer(tokens, tokens->end - (margin < MARGIN_MAX ? margin : MARGIN_MAX), cloud_clock_ms());
    answer_waiters(tokens);
}

/* The codes of RFC 6749, 5.2. Nothing else that an endpoint says is shown: it may be the secret. */
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

void oauth_posted(struct oauth *tokens, long status, void *body, size_t n, const char *why)
{
    char text[256];

    tokens->in_flight = false;
    if (tokens->outdated) {
        tokens->outdated = false;
        if (tokens->conf->token_url[0] == '\0')
            fail(tokens, "the settings changed");
        else if (tokens->waiters != NULL)
            start(tokens);
        return;
    }
    if (status == 200) {
        take_answer(tokens, body, n);
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
    fail(tokens, text);
}
