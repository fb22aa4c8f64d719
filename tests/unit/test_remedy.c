/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/remedy.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void assert_quoted(const char *text, const char *expected)
{
    char out[64];

    assert_true(remedy_quote(text, out, sizeof out));
    assert_string_equal(out, expected);
}

static void test_quote(void **state)
{
    char out[8];

    (void)state;
    assert_quoted("/etc/cloudauth/token", "/etc/cloudauth/token");
    assert_quoted("", "''");
    assert_quoted("a b", "'a b'");
    assert_quoted("~", "'~'");
    assert_quoted("$(id)`id`;&|<>*?\n", "'$(id)`id`;&|<>*?\n'");
    assert_quoted("it's", "'it'\\''s'");
    assert_true(remedy_quote("1234567", out, sizeof out));
    assert_false(remedy_quote("12345678", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(remedy_quote("1 34567", out, sizeof out));
    assert_string_equal(out, "");
}

static struct cloud_conf conf;

static void assert_remedy(const char *detail, const char *expected)
{
    char out[REMEDY_SIZE];

    remedy_for_api(&conf, detail, out);
    if (strstr(out, expected) == NULL)
        fail_msg("%s: %s", detail, out);
}

static void test_api(void **state)
{
    (void)state;
    strcpy(conf.access_url, "https://api.example:8443/v1/{project}/{environment}");
    assert_remedy("abc/main: SSL: unable to get local issuer certificate", ".conf  # set ca_file");
    assert_remedy("abc/main: Could not resolve host: api.example", ".conf  # correct the host");
    assert_remedy("abc/main: Failed to connect to server", ".conf  # start the project API");
    assert_remedy("credential unusable: token_file /etc/cloudauth/token: not a regular file",
                  "cloudauthctl doctor  #");
    assert_remedy("abc/main-x1: uid:gid changed from 1:1 to 2:2",
                  "cloudauthctl rebind abc/main-x1 ");
    assert_remedy("abc/main: uid 7 belongs to environment old of project xyz",
                  "cloudauthctl rebind xyz/old ");
    assert_remedy("abc/main: invalid document: account.home: this host's homes does not allow /x",
                  ".conf  # add the homes to `homes`");
    assert_remedy("abc/main: what no table has", "cloudauthctl status --documents ");
    /* There is no directory to check. */
    assert_remedy("abc/main: invalid document: x", "cloudauthctl status --documents ");
    strcpy(conf.access_url, "file:///srv/the docs/{project}/{environment}.json");
    assert_remedy("abc/main: invalid document: x", "cloudauthctl check '/srv/the docs'  #");
}

/* The text comes from an API: nothing of it reaches a shell but names that are harmless. */
static void test_foreign(void **state)
{
    (void)state;
    assert_remedy("$(reboot)/x: uid:gid changed from 1:1", "cloudauthctl status --documents ");
    assert_remedy("a/b;reboot: uid:gid changed", "cloudauthctl status --documents ");
    assert_remedy("no environment uid:gid changed", "cloudauthctl status --documents ");
    assert_remedy("a/b: uid 7 belongs to environment `id` of project x",
                  "cloudauthctl status --documents ");
    assert_remedy("a/b: uid 7 belongs to environment ", "cloudauthctl status --documents ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_api),
        cmocka_unit_test(test_foreign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
