/* SPDX-License-Identifier: Apache-2.0 */

/* The token exchange, with an endpoint, a clock and a timer of the test. */
#include "cloudauthd/api/oauth.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop_timer *timer; /* the timer that is set, or NULL */
static struct cloud_conf conf;
static struct oauth *tokens;
static unsigned posts, pending;
static char authorization[512], form[512];

struct asker {
    struct oauth_waiter waiter;
    unsigned answers;
    char token[64], why[256];
};

void loop_timer_set(struct loop *loop, struct loop_timer *set, int64_t milliseconds)
{
    (void)loop;
    set->at = fake_ms + milliseconds;
    timer = set;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *cleared)
{
    (void)loop;
    (void)cleared;
    timer = NULL;
}

static void on_post(void *arg, const struct oauth_post *post)
{
    (void)arg;
    assert_string_equal(post->url, "https://auth.example.com/token");
    snprintf(authorization, sizeof authorization, "%s", post->authorization);
    snprintf(form, sizeof form, "%s", post->form);
    posts++;
    pending++;
}

static void on_ready(void *arg, const char *token, const char *why)
{
    struct asker *asker = arg;

    asker->answers++;
    snprintf(asker->token, sizeof asker->token, "%s", token == NULL ? "" : token);
    snprintf(asker->why, sizeof asker->why, "%s", token == NULL ? why : "");
}

static void ask(struct asker *asker)
{
    *asker = (struct asker){.waiter = {.ready = on_ready, .arg = asker}};
    oauth_ask(tokens, &asker->waiter);
}

static void answer(long status, const char *text)
{
    char body[512];

    assert_int_equal(pending, 1);
    pending--;
    snprintf(body, sizeof body, "%s", text);
    oauth_posted(tokens, status, body, strlen(body), "it is silent");
}

static void answer_token(const char *name, unsigned seconds)
{
    char body[256];

    snprintf(body, sizeof body,
             "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%u}", name,
             seconds);
    answer(200, body);
}

/* Moves the clock, and calls the timer if it is due. */
static void pass(int64_t milliseconds)
{
    struct loop_timer *due = timer;

    fake_ms += milliseconds;
    if (due != NULL && due->at <= fake_ms) {
        timer = NULL;
        due->due(due->arg);
    }
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    cloud_conf_defaults(&conf);
    strcpy(conf.token_url, "https://auth.example.com/token");
    strcpy(conf.client_id_file, in_directory("client"));
    write_secret(conf.client_id_file, "host1:secret\n");
    fake_ms = 1000;
    posts = pending = 0;
    timer = NULL;
    tokens = oauth_new(NULL, &conf, on_post, NULL);
    return tokens == NULL;
}

static int teardown(void **state)
{
    (void)state;
    oauth_free(tokens);
    leave_directory();
    return 0;
}

/* The API refuses a token. Returns whether another one may be asked for. */
static bool refused(struct oauth *oauth, const char *token)
{
    if (!oauth_may_replace(oauth, token))
        return false;
    oauth_forget(oauth, token);
    return true;
}

static void test_one_exchange(void **state)
{
    struct asker first, second, third;

    (void)state;
    ask(&first);
    ask(&second);
    assert_int_equal(posts, 1);
    assert_int_equal(first.answers + second.answers, 0);
    assert_string_equal(authorization, "Basic aG9zdDE6c2VjcmV0");
    assert_string_equal(form, "grant_type=client_credentials");
    answer_token("one", 3600);
    ask(&third);
    assert_string_equal(first.token, "one");
    assert_string_equal(second.token, "one");
    assert_string_equal(third.token, "one");
    assert_int_equal(first.answers + second.answers + third.answers, 3);
    assert_int_equal(posts, 1);
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {
        {"a:", "Basic YTo="},
        {"a:b", "Basic YTpi"},
        {"a:bc", "Basic YTpiYw=="},
        {":", "Basic Og=="},
        {"a:b:c+", "Basic YTpiJTNBYyUyQg=="},
    };
    struct asker asker;

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        write_secret(conf.client_id_file, pairs[i][0]);
        oauth_configure(tokens, &conf);
        ask(&asker);
        assert_string_equal(authorization, pairs[i][1]);
        answer(500, "");
    }
}

static void test_api_token(void **state)
{
    struct asker asker;

    (void)state;
    strcpy(conf.token_file, conf.client_id_file);
    conf.client_id_file[0] = '\0';
    write_secret(conf.token_file, "a b&c");
    ask(&asker);
    assert_non_null(strstr(asker.why, "not one line"));
    write_secret(conf.token_file, "~a&c=");
    pass(1000);
    ask(&asker);
    assert_string_equal(authorization, "Basic cGxhdGZvcm0tYXBpLXVzZXI6");
    assert_string_equal(form, "grant_type=api_token&api_token=%7Ea%26c%3D");
    answer_token("one", 3600);
    assert_string_equal(asker.token, "one");
}

/* A token is replaced before it expires, in the background: no question waits. */
static void test_ahead_of_its_end(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    answer_token("one", 3600);
    pass(3539 * 1000);
    assert_int_equal(posts, 1);
    pass(1000);
    assert_int_equal(posts, 2);
    ask(&asker);
    assert_string_equal(asker.token, "one");
    answer_token("two", 10);
    ask(&asker);
    assert_string_equal(asker.token, "two");
    pass(7999);
    assert_int_equal(posts, 2);
    pass(1);
    assert_int_equal(posts, 3);
}

/* The lifetime counts from when the request was sent. */
static void test_end(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    pass(5000);
    answer_token("one", 10);
    timer = NULL;
    pass(4999);
    ask(&asker);
    assert_string_equal(asker.token, "one");
    pass(1);
    ask(&asker);
    assert_int_equal(asker.answers, 0);
    assert_int_equal(posts, 2);
}

/* Without expires_in a token is used for 5 minutes. */
static void test_no_end(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    answer(200, "{\"access_token\":\"one\",\"token_type\":\"BEARER\"}");
    timer = NULL;
    pass(299 * 1000);
    ask(&asker);
    assert_string_equal(asker.token, "one");
    pass(1000);
    ask(&asker);
    assert_int_equal(asker.answers, 0);
}

static void test_back_off(void **state)
{
    struct asker asker;
    int64_t wait = 1000;

    (void)state;
    for (unsigned i = 1; i < 10; i++) {
        ask(&asker);
        assert_int_equal(posts, i);
        answer(503, "busy");
        assert_string_equal(asker.why, "the token endpoint answered with status 503");
        pass(wait - 1);
        ask(&asker); /* answered at once, without a request */
        assert_int_equal(asker.answers, 1);
        assert_string_equal(asker.why, "the token endpoint answered with status 503");
        pass(1);
        wait = wait < 32000 ? wait * 2 : 60000;
    }
    ask(&asker);
    answer_token("one", 3600);
    assert_string_equal(asker.token, "one");
}

/* A failed exchange changes no answer while the old token has not expired. */
static void test_failure_behind(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    answer_token("one", 100);
    pass(80 * 1000);
    answer(0, "");
    ask(&asker);
    assert_string_equal(asker.token, "one");
    pass(1000);
    assert_int_equal(posts, 3);
    answer(0, "");
    pass(19 * 1000);
    assert_int_equal(posts, 4);
    ask(&asker);
    assert_int_equal(asker.answers, 0);
    answer(0, "");
    assert_string_equal(asker.why, "the token endpoint: it is silent");
}

static void test_refused_token(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    answer_token("one", 3600);
    assert_true(refused(tokens, "one"));
    assert_true(refused(tokens, "one")); /* another request was refused with the same token */
    ask(&asker);
    assert_int_equal(posts, 2);
    answer_token("two", 3600);
    assert_true(refused(tokens, "one"));
    assert_false(refused(tokens, "two"));
    ask(&asker);
    assert_string_equal(asker.token, "two");
    pass(10000);
    assert_true(refused(tokens, "two"));
    ask(&asker);
    assert_int_equal(posts, 3);
}

static void test_odd_answers(void **state)
{
    static const char *const odd[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"access_token\":\"s3cr3t\"}",
        "{\"access_token\":\"\",\"token_type\":\"bearer\"}",
        "{\"access_token\":7,\"token_type\":\"bearer\"}",
        "{\"access_token\":\"s3cr3t x\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"s3cr3t\\r\\nX: y\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"mac\"}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\",\"expires_in\":0}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\",\"expires_in\":-1}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\",\"expires_in\":\"9\"}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\",\"expires_in\":1e99}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\",\"access_token\":\"b\"}",
        "{\"access_token\":\"s3cr3t\",\"token_type\":\"bearer\"}}",
    };
    struct asker asker;

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        ask(&asker);
        answer(200, odd[i]);
        if (asker.answers != 1 || asker.token[0] != '\0' ||
            strncmp(asker.why, "the token endpoint's answer: ", 29) != 0)
            fail_msg("%s: %s", odd[i], asker.why);
        assert_null(strstr(asker.why, "s3cr3t"));
        oauth_configure(tokens, &conf);
    }
}

static void test_refused_client(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    answer(401, "{\"error\":\"invalid_client\",\"error_description\":\"secret\"}");
    assert_string_equal(asker.why, "the token endpoint refuses this host's credential (status 401, "
                                   "invalid_client)");
    oauth_configure(tokens, &conf);
    ask(&asker);
    answer(400, "{\"error\":\"secret\"}");
    assert_string_equal(asker.why, "the token endpoint refuses this host's credential (status 400, "
                                   "no error code)");
}

static void test_unusable_file(void **state)
{
    struct asker asker;

    (void)state;
    write_secret(conf.client_id_file, "nocolon-secret");
    ask(&asker);
    assert_int_equal(posts, 0);
    assert_non_null(strstr(asker.why, "not id:secret"));
    assert_null(strstr(asker.why, "nocolon"));
    pass(1000);
    assert_int_equal(chmod(conf.client_id_file, 0644), 0);
    ask(&asker);
    assert_int_equal(posts, 0);
    assert_non_null(strstr(asker.why, "credential unusable: client_id_file "));
}

/* Waiters get the token of the new settings, not of the earlier ones. */
static void test_new_settings(void **state)
{
    struct asker asker;

    (void)state;
    ask(&asker);
    oauth_configure(tokens, &conf);
    answer_token("old", 3600);
    assert_int_equal(asker.answers, 0);
    assert_int_equal(posts, 2);
    answer_token("new", 3600);
    assert_string_equal(asker.token, "new");
    pass(3540 * 1000);
    assert_int_equal(posts, 3);
    conf.token_url[0] = '\0';
    oauth_configure(tokens, &conf);
    answer_token("old", 3600);
    assert_int_equal(posts, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_exchange),
        TEST(test_base64),
        TEST(test_api_token),
        TEST(test_ahead_of_its_end),
        TEST(test_end),
        TEST(test_no_end),
        TEST(test_back_off),
        TEST(test_failure_behind),
        TEST(test_refused_token),
        TEST(test_odd_answers),
        TEST(test_refused_client),
        TEST(test_unusable_file),
        TEST(test_new_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
