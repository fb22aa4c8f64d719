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
    assert_remedy("abc/main: absent, but so many environments are that it is taken for an outage",
                  "cloudauthctl confirm-absences  # lists them");
    /* There is no directory to check. */
    assert_remedy("abc/main: invalid document: version: missing", "# correct the document at ");
    assert_remedy("abc/main: invalid document: account.uid: 7 belongs to a local user",
                  "# then free the name or id");
    assert_remedy("abc/main: invalid document: signatures: none is by a key of this host's "
                  "signing_key",
                  ".conf  # signing_key must be");
    assert_remedy("abc/main: invalid document: /etc/passwd or /etc/group cannot be read",
                  "ls -l /etc/passwd /etc/group");
    strcpy(conf.access_url, "file:///srv/the docs/{project}/{environment}.json");
    assert_remedy("abc/main: invalid document: x", "cloudauthctl check '/srv/the docs'  #");
}

/* No other row of doctor is about these two files, so the remedy has the path. */
static void test_certificate_files(void **state)
{
    char longest[256] = "credential unusable: ca_file /";

    (void)state;
    assert_remedy("credential unusable: client_cert /etc/cloudauth/client.pem: Permission denied",
                  "namei -l /etc/cloudauth/client.pem  # user cloudauth must be able to read");
    assert_remedy("abc/main: credential unusable: ca_file /etc/the: CA.pem: No such file",
                  "namei -l '/etc/the: CA.pem'  #");
    assert_remedy("credential unusable: ca_file /etc/ca.pem: holds no certificate in PEM, or a bad "
                  "one",
                  "openssl storeutl -noout -text -certs /etc/ca.pem  #");
    assert_remedy("abc/main: error importing CA certificate blob", "editor ");
    assert_remedy("abc/main: invalid document: holds no certificate in PEM", "cloudauthctl check");
    /* It may be cut. */
    memset(longest + strlen(longest), 'a', 119);
    strcat(longest, ": empty");
    assert_remedy(longest, "cloudauthctl doctor  #");
}

/* The token endpoint is another server than the project API, with another certificate. */
static void test_token_endpoint(void **state)
{
    (void)state;
    assert_remedy("abc/main: the token endpoint: SSL: unable to get local issuer certificate",
                  "journalctl -u cloudauthd -g 'token endpoint' -n 5  #");
    assert_remedy("abc/main: the token endpoint: Failed to connect to server",
                  "journalctl -u cloudauthd -g 'token endpoint' -n 5  #");
    assert_remedy("abc/main: the token endpoint answered with status 503",
                  "journalctl -u cloudauthd -g 'token endpoint' -n 5  #");
    assert_remedy("the token endpoint refuses this host's credential (status 401, no error code)",
                  "journalctl -u cloudauthd -g 'token endpoint' -n 5  #");
}

/* The directory of a file:// API, where no request is sent. */
static void test_directory(void **state)
{
    (void)state;
    strcpy(conf.access_url, "file:///srv/docs/{project}/{environment}.json");
    assert_remedy("a/b: /srv/docs: the directory cannot be opened: No such file or directory",
                  "findmnt -T /srv/docs; ls -ld /srv/docs  # mount it, or correct access_url");
    assert_remedy("a/b: /srv/docs: the directory is empty, or cannot be listed: No data available",
                  "findmnt -T /srv/docs; ls -ld /srv/docs  #");
    assert_remedy("a/b: /srv/docs: the directory cannot be opened: Permission denied",
                  "ls -lR /srv/docs  #");
}

/* What a document conflicts with decides the remedy, whether the API sent it or it was stored. */
static void test_conflict(void **state)
{
    char out[REMEDY_SIZE];

    (void)state;
    assert_true(remedy_known(&conf, "a/b: account.home: this host's homes does not allow /x", out));
    assert_non_null(strstr(out, ".conf  # add the homes to `homes`"));
    assert_false(remedy_known(&conf, "a/b: what no table has", out));
    assert_string_equal(out, "");
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
        cmocka_unit_test(test_quote),          cmocka_unit_test(test_api),
        cmocka_unit_test(test_foreign),        cmocka_unit_test(test_certificate_files),
        cmocka_unit_test(test_token_endpoint), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_conflict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
