/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of the API's answers. The first byte says what follows: an envelope; a payload, which is
 * signed here; a page of the feed, its link by itself; an answer of the token endpoint, or its
 * refusal; a problem. An envelope that opens has the one payload that was ever signed.
 */
#include "access/envelope.h"
#include "access/fields.h"
#include "base/digest.h"
#include "cloudauthd/api/feed_answer.h"
#include "cloudauthd/api/oauth.h"
#include "cloudauthd/api/problem.h"
#include "cloudauthd/api/url.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>

#define SECRET "hunter2hunter2"
#define FIRST  "https://api.example.com/v1/changes?x=1"
#define SIGNED "{}" /* the payload of the seeds' envelope */
#define BODY   20000

enum { ENVELOPE, PAYLOAD, PAGE, LINK, TOKEN, REFUSAL, PROBLEM, KINDS };

/* The publisher's key of the seeds: 32 times 'k'. */
static EVP_PKEY *signer(struct signers *out)
{
    static unsigned char seed[32];
    size_t n = KEYS_SIGNER_SIZE;
    EVP_PKEY *key;

    memset(seed, 'k', sizeof seed);
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    out->n = 1;
    require(key != NULL && EVP_PKEY_get_raw_public_key(key, out->key[0], &n) == 1);
    return key;
}

static void check_envelope(const char *body, size_t n, const void *payload, size_t length,
                           bool must_open)
{
    struct document_problem problem = {""};
    struct signers signers = {0};
    size_t got = 0;
    unsigned times = 1;
    char *opened;

    EVP_PKEY_free(signer(&signers));
    opened = envelope_open(body, n, &signers, &got, &problem);
    require(opened != NULL || (problem.text[0] != '\0' && !must_open));
    require(opened == NULL ||
            (got == length && memcmp(opened, payload, got) == 0 && opened[got] == '\0'));
    free(opened);
    require(envelope_open(body, n, NULL, &got, &problem) == NULL);
    opened = envelope_reopen(body, n, &got, &problem);
    require(opened != NULL ? opened[got] == '\0' : problem.text[0] != '\0');
    free(opened);
    for (bool failed = true; must_open && failed; times++) {
        fuzz_fail(times);
        opened = envelope_open(body, n, &signers, &got, &problem);
        failed = fuzz_failed();
        require((opened == NULL) == failed && (!failed || problem.text[0] != '\0'));
        free(opened);
    }
}

static void check_payload(const uint8_t *payload, size_t n)
{
    static char covered[BODY + 256], body[2 * BODY + 512], base64[DIGEST_BASE64_SIZE(BODY)],
        sig[DIGEST_BASE64_SIZE(64)];
    int head = snprintf(covered, sizeof covered, "DSSEv1 %zu " ENVELOPE_PAYLOAD_TYPE " %zu ",
                        strlen(ENVELOPE_PAYLOAD_TYPE), n);
    unsigned char made[64];
    size_t length = sizeof made;
    struct signers ignored;
    EVP_PKEY *key = signer(&ignored);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (n > 0)
        memcpy(covered + head, payload, n);
    require(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
            EVP_DigestSign(context, made, &length, (unsigned char *)covered, (size_t)head + n));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    digest_base64_encode(payload, n, base64);
    digest_base64_encode(made, length, sig);
    head = snprintf(body, sizeof body,
                    "{\"payloadType\":\"" ENVELOPE_PAYLOAD_TYPE "\",\"payload\":\"%s\","
                    "\"signatures\":[{\"sig\":\"AAAA\"},{\"sig\":\"%s\"}]}",
                    base64, sig);
    check_envelope(body, (size_t)head, payload, n, n > 0);
}

/* Whether a redirect is followed: not without memory. */
static void check_follow(const char *from, const char *to)
{
    bool failed = true;
    char why[256];

    for (unsigned n = 1; failed; n++) {
        why[0] = '\0';
        fuzz_fail(n);
        bool ok = url_may_follow(from, to, SECRET, why, sizeof why);
        failed = fuzz_failed();
        require(strstr(why, SECRET) == NULL);
        require(ok ? !failed && strncasecmp(from, to, 5) == 0 : why[0] != '\0');
    }
}

static void check_pages(const char *first, const char *page)
{
    const struct url_link link = {first, page, FIRST};
    char next[URL_SIZE], why[256] = "";
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        fuzz_fail(n);
        bool ok = url_next(&link, next, why, sizeof why);
        failed = fuzz_failed();
        require(ok ? !failed : why[0] != '\0');
    }
}

/* Also the setting signing_key, and the time of a document, in the place of a link. */
static void check_link(const char *href)
{
    struct signers signers;
    int64_t issued = DOCUMENT_NO_TIME;

    const struct url_link link = {FIRST, FIRST, href};
    char next[URL_SIZE], why[256] = "";

    if (url_next(&link, next, why, sizeof why))
        require(strncasecmp(next, "https://api.example.com", 23) == 0 && strlen(next) < URL_SIZE);
    else
        require(why[0] != '\0');
    require(!envelope_parse_signers(href, &signers) || signers.n <= ENVELOPE_SIGNERS_MAX);
    (void)fields_time(href, &issued, NULL);
    require((envelope_time_fault(issued, 1790000000) == NULL) ==
            (issued != DOCUMENT_NO_TIME && issued <= 1790000000 + ENVELOPE_FUTURE));
    check_follow(FIRST, href);
    check_follow(href, FIRST);
    check_follow(NULL, href);
    check_follow(FIRST, NULL);
    (void)url_may_follow(FIRST, href, NULL, why, sizeof why);
    check_pages(FIRST, href);
    check_pages(href, FIRST);
}

static void check_page(const void *body, size_t n)
{
    static struct cloud_grammar *grammar;
    static struct cloud_conf conf;
    struct cloud_conf_error error;
    struct document_problem problem = {""};
    struct feed_answer *page = NULL;
    unsigned times = 1;
    size_t names = 0, listed = 0;

    if (grammar == NULL) {
        cloud_conf_defaults(&conf);
        require(cloud_conf_line(&conf, "allow = abc* def*_sftp", 22, &error));
        grammar = &conf.grammar;
    }
    for (bool failed = true; failed; times++) {
        fuzz_fail(times);
        page = feed_answer_parse(body, n, grammar, &problem);
        failed = fuzz_failed();
        require(page != NULL || problem.text[0] != '\0');
        if (failed)
            feed_answer_free(page);
    }
    if (page == NULL)
        return;
    for (const char *at = page->block; at < page->block + page->used; names++) {
        struct feed_name name = feed_answer_name(at);
        require(cloud_name_project_ok(name.project));
        require(name.environment[0] == '\0' || cloud_name_environment_ok(name.environment));
        listed += name.listed;
        at = feed_answer_after(&name);
    }
    require(page->names == names && page->listed == listed);
    feed_answer_keep_listed(page);
    require(page->names == listed);
    for (const char *at = page->block; at < page->block + page->used; listed--) {
        struct feed_name name = feed_answer_name(at);
        require(name.listed);
        at = feed_answer_after(&name);
    }
    require(listed == 0);
    if (page->next != NULL)
        check_link(page->next);
    feed_answer_free(page);
}

static void no_post(void *arg, const struct oauth_post *post)
{
    (void)arg;
    require(strstr(post->form, SECRET) != NULL);
}

static void on_token(void *arg, const char *token, const char *why)
{
    require(token == NULL || (token[0] != '\0' && fuzz_printable(token) && !strchr(token, ' ')));
    require(token != NULL || (why[0] != '\0' && fuzz_printable(why) && !strstr(why, SECRET)));
    ++*(unsigned *)arg;
}

/* The settings change while the answer is under way: another one is asked for. */
static void change_settings(struct oauth *oauth, struct cloud_conf *conf, char *body, size_t n,
                            const unsigned *calls)
{
    oauth_configure(oauth, conf);
    oauth_posted(oauth, 200, body, n, "");
    require(*calls == 0);
}

/* Returns whether the allocation failed that is to. */
static bool take_token(struct cloud_conf *conf, const char *answer, size_t n, long status,
                       unsigned fails)
{
    static struct loop *loop;
    unsigned calls = 0;
    struct oauth_waiter waiter = {.ready = on_token, .arg = &calls};
    struct oauth_view view;
    struct oauth *oauth;
    char *body = fuzz_text(answer, n);
    bool failed;

    if (loop == NULL)
        require((loop = loop_new()) != NULL);
    oauth = oauth_new(loop, conf, no_post, NULL);
    oauth_ask(oauth, &waiter);
    if (n % 2 > 0)
        change_settings(oauth, conf, body, n, &calls);
    require(calls == 0);
    fuzz_fail(fails);
    oauth_posted(oauth, status, body, n, "it is silent");
    failed = fuzz_failed();
    require(calls == 1);
    oauth_look(oauth, &view);
    require(view.left <= 86400 && view.token == (view.why[0] == '\0'));
    require((status == 200 && !failed) || !view.token);
    oauth_free(oauth);
    free(body);
    return failed;
}

static void check_token(const char *body, size_t n, long status)
{
    static struct cloud_conf conf;
    unsigned times = 1;

    if (conf.token_url[0] == '\0') {
        cloud_conf_defaults(&conf);
        strcpy(conf.token_url, "https://auth.example.com/token");
        require(getcwd(conf.token_file, sizeof conf.token_file - 8) != NULL);
        strcat(conf.token_file, "/secret");
        fuzz_file("secret", SECRET, sizeof SECRET - 1);
    }
    while (take_token(&conf, body, n, status, times))
        times++;
}

static long status_of(const char *body)
{
    return body[0] == '0'   ? 0
           : body[0] == '1' ? 401
           : body[0] == '3' ? 403
           : body[0] == '5' ? 500
                            : 400;
}

static void check_problem(const void *body, size_t n)
{
    char text[256];
    struct cloud_text out;

    cloud_text_start(&out, text, sizeof text);
    problem_add(&out, body, n, SECRET);
    require(fuzz_printable(text) && strstr(text, SECRET) == NULL);
    problem_add(&out, body, n, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body;

    if (size < 1 || size > BODY)
        return 0;
    log_open("log", false);
    body = fuzz_text(data + 1, size - 1);
    switch (data[0] % KINDS) {
    case ENVELOPE:
        check_envelope(body, size - 1, SIGNED, strlen(SIGNED), false);
        break;
    case PAYLOAD:
        check_payload(data + 1, size - 1);
        break;
    case PAGE:
        check_page(data + 1, size - 1);
        break;
    case LINK:
        check_link(body);
        break;
    case TOKEN:
        check_token(body, size - 1, 200);
        break;
    case REFUSAL:
        check_token(body, size - 1, status_of(body));
        break;
    default:
        check_problem(data + 1, size - 1);
    }
    free(body);
    return 0;
}
