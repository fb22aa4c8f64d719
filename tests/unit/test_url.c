/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/api.h"
#include "cloudauthd/api/url.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PATH "/{project}/{environment}.json"

static char why[300];

static bool check(const char *template)
{
    static struct cloud_conf conf;

    cloud_conf_defaults(&conf);
    assert_true(strlen(template) < sizeof conf.access_url);
    strcpy(conf.access_url, template);
    why[0] = '\0';
    bool ok = api_check(&conf, why, sizeof why);
    assert_int_equal(ok, why[0] == '\0');
    assert_true(ok || strncmp(why, "access_url: ", 12) == 0);
    return ok;
}

static void all_accepted(const char *const *templates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!check(templates[i]))
            fail_msg("%s is refused: %s", templates[i], why);
}

static void all_refused(const char *const *templates, size_t n, const char *reason)
{
    for (size_t i = 0; i < n; i++)
        if (check(templates[i]) || strstr(why, reason) == NULL)
            fail_msg("%s: %s", templates[i], why[0] == '\0' ? "is accepted" : why);
}

#define ACCEPTED(...)                                                                              \
    do {                                                                                           \
        static const char *const list[] = {__VA_ARGS__};                                           \
        all_accepted(list, sizeof list / sizeof list[0]);                                          \
    } while (0)
#define REFUSED(reason, ...)                                                                       \
    do {                                                                                           \
        static const char *const list[] = {__VA_ARGS__};                                           \
        all_refused(list, sizeof list / sizeof list[0], reason);                                   \
    } while (0)

static void test_https(void **state)
{
    (void)state;
    ACCEPTED("https://api.example.com" PATH, "https://api.example.com:8443/v1" PATH,
             "https://192.0.2.1" PATH, "https://[2001:db8::1]:443" PATH,
             "HTTPS://API.EXAMPLE.COM" PATH,
             "https://api.example.com/v1/projects/{project}/environments/{environment}/ssh-access",
             "https://api.example.com/access?project={project}&environment={environment}",
             "https://api.example.com/{environment}/{project}/{project}",
             "https://api.example.com/user@host" PATH);
}

static void test_http_to_loopback(void **state)
{
    (void)state;
    ACCEPTED("http://127.0.0.1" PATH, "http://127.0.0.1:1023" PATH, "http://127.255.255.254" PATH,
             "http://[::1]" PATH, "http://[::1]:1" PATH);
}

/* A local user can listen first on any other port, and on [::1] beside 127.0.0.1 for a name. */
static void test_http_to_a_port_of_any_user(void **state)
{
    (void)state;
    REFUSED("plain http is refused", "http://127.0.0.1:1024" PATH, "http://127.0.0.1:8080" PATH,
            "http://[::1]:8080" PATH, "http://localhost" PATH, "http://localhost:80" PATH);
}

/* Where the host lets any user listen on lower ports, those count as well. */
static void test_port_start(void **state)
{
    (void)state;
    enter_directory();
    write_file("port_start", "80\n");
    ACCEPTED("http://127.0.0.1:79" PATH, "http://[::1]:79" PATH);
    REFUSED("plain http is refused", "http://127.0.0.1" PATH, "http://127.0.0.1:1023" PATH,
            "http://[::1]:80" PATH);
    write_file("port_start", "0\n");
    REFUSED("plain http is refused", "http://127.0.0.1:1" PATH);
    write_file("port_start", "2000\n");
    ACCEPTED("http://127.0.0.1:1023" PATH);
    REFUSED("plain http is refused", "http://127.0.0.1:1024" PATH);
    leave_directory();
}

static void test_http_to_others(void **state)
{
    (void)state;
    REFUSED("plain http is refused", "http://10.0.0.1" PATH, "http://api.example.com" PATH,
            "http://127.0.0.1.evil.example" PATH, "http://localhost.evil" PATH,
            "http://localhost.evil.example" PATH, "http://evil-localhost" PATH,
            "http://127.0.0.1x" PATH, "http://126.0.0.1" PATH, "http://128.0.0.1" PATH,
            "http://0.0.0.0" PATH, "http://[::]" PATH, "http://[::2]" PATH,
            "http://[::ffff:10.0.0.1]" PATH, "http://[fe80::1]" PATH, "http://127.0.0.-1" PATH,
            "http://127.0.0.999" PATH, "http://1270.0.1" PATH, "http://example.com/127.0.0.1" PATH,
            "http://example.com/?http://localhost" PATH);
}

/* Other spellings of an address: what libcurl would connect to decides. 0x7f000001 is 127.0.0.1, so
 * it is loopback; 0x0a000001 is not. */
static void test_http_to_odd_addresses(void **state)
{
    (void)state;
    ACCEPTED("http://0x7f000001" PATH, "http://2130706433" PATH, "http://127.1" PATH);
    REFUSED("plain http is refused", "http://0x0a000001" PATH, "http://167772161" PATH,
            "http://0x7f000001.evil.example" PATH, "http://127.0.0.1%2eevil.example" PATH,
            "http://0177.0.0.1.evil.example" PATH);
}

static void test_user_and_password(void **state)
{
    (void)state;
    REFUSED("no user or password", "https://user@api.example.com" PATH,
            "https://user:secret@api.example.com" PATH, "http://localhost@10.0.0.1" PATH,
            "http://localhost:80@10.0.0.1" PATH, "http://user@localhost" PATH,
            "https://:secret@api.example.com" PATH);
}

/* A login name must not choose the server. */
static void test_placeholder_in_the_host(void **state)
{
    (void)state;
    REFUSED("stand in the path", "https://{project}.example.com/{environment}",
            "https://{project}/{environment}", "https://api.example.com:{project}/{environment}",
            "https://{project}@api.example.com/{environment}", "https://api.example.com{project}/",
            "https://api.example.com?p={project}&e={environment}",
            "https://api.example.com#{project}/{environment}", "{project}://api.example.com/",
            "https{environment}://api.example.com/{project}");
}

static void test_no_placeholder(void **state)
{
    (void)state;
    REFUSED("stand in the path", "https://api.example.com/access.json", "https://api.example.com",
            "https://api.example.com/");
    REFUSED("not file:///", "file:///srv/access.json");
}

static void test_braces(void **state)
{
    (void)state;
    REFUSED("only {project} and {environment}", "https://api.example.com/{app}",
            "https://api.example.com/{project}/{user}", "https://api.example.com/{Project}",
            "https://api.example.com/{project", "https://api.example.com/project}",
            "https://api.example.com/{{project}}", "https://api.example.com/{project}}",
            "https://api.example.com/{}", "https://api.example.com/{", "https://api.example.com/}",
            "https://api.example.com/{ project }", "file:///srv/{project}/{env}.json",
            "file:///srv/{projec", "file:///srv/{environment");
}

static void test_other_schemes(void **state)
{
    (void)state;
    REFUSED("access_url: ", "ftp://api.example.com" PATH, "ftp://localhost" PATH,
            "gopher://localhost" PATH, "dict://localhost" PATH, "ldap://localhost" PATH,
            "unix://localhost" PATH, "javascript://localhost" PATH, "httpx://localhost" PATH,
            "FILE:///srv" PATH, "File:///srv" PATH);
}

static void test_file(void **state)
{
    (void)state;
    ACCEPTED("file:///srv" PATH, "file:///{project}-{environment}.json", "file:///srv/{project}",
             "file:///a b" PATH);
    REFUSED("access_url: ", "file://srv" PATH, "file://localhost/srv" PATH, "file:/srv" PATH,
            "file://", "file:///", "file://{project}/{environment}", "file:srv" PATH);
}

static void test_not_a_url(void **state)
{
    (void)state;
    REFUSED("access_url: ", "", "/srv" PATH, "api.example.com" PATH, "//api.example.com" PATH,
            "https:/api.example.com" PATH, "https://" PATH, "https:///" PATH, "://host" PATH,
            "https://[::1" PATH, "https://[::g]" PATH, "https://host:port" PATH,
            "https://host:99999" PATH, "https://a b" PATH, "http://localhost\\@10.0.0.1" PATH,
            "http://localhost%00.evil.example" PATH, "https://ho\nst" PATH);
}

/* Checks settings with a good access_url and this value of another key. */
static bool check_with(size_t offset, const char *value)
{
    static struct cloud_conf conf;

    cloud_conf_defaults(&conf);
    strcpy(conf.access_url, "https://api.example.com" PATH);
    strcpy((char *)&conf + offset, value);
    why[0] = '\0';
    bool ok = api_check(&conf, why, sizeof why);
    assert_int_equal(ok, why[0] == '\0');
    return ok;
}

static void all_as_expected(size_t offset, const char *key, bool expected, const char *const *urls)
{
    for (; *urls != NULL; urls++)
        if (check_with(offset, *urls) != expected || (!expected && strstr(why, key) != why))
            fail_msg("%s %s: %s", key, *urls, why[0] == '\0' ? "is accepted" : why);
}

static void test_token_url(void **state)
{
    static const char *const good[] = {"https://auth.example.com/oauth2/token",
                                       "https://auth.example.com:8443", "http://127.0.0.1:909/",
                                       "http://[::1]/token?a=b", NULL};
    static const char *const bad[] = {"http://auth.example.com/",
                                      "http://127.0.0.1:9090/",
                                      "http://localhost/",
                                      "https://u:p@auth.example.com/",
                                      "auth.example.com",
                                      "https:///token",
                                      "https://",
                                      "ftp://127.0.0.1/",
                                      "file:///etc/token",
                                      "/token",
                                      NULL};
    const size_t offset = offsetof(struct cloud_conf, token_url);

    (void)state;
    all_as_expected(offset, "token_url: ", true, good);
    all_as_expected(offset, "token_url: ", false, bad);
}

static void test_changes_url(void **state)
{
    static const char *const good[] = {"https://api.example.com/v1/changes?host=web1",
                                       "https://api.example.com", "http://127.0.0.1:880/changes",
                                       "", NULL};
    static const char *const bad[] = {"http://api.example.com/changes",
                                      "http://127.0.0.1:8080/changes",
                                      "https://u:p@api.example.com/changes",
                                      "https://api.example.com/{project}/changes",
                                      "https://api.example.com/changes/{",
                                      "file:///srv/access/changes.json",
                                      "https:///changes",
                                      "changes",
                                      NULL};
    const size_t offset = offsetof(struct cloud_conf, changes_url);

    (void)state;
    all_as_expected(offset, "changes_url: ", true, good);
    all_as_expected(offset, "changes_url: ", false, bad);
}

/* Links resolve as in RFC 3986, 5.2 and 5.4, within the origin of the first page. */
static void test_next_url(void **state)
{
    static const char *const good[][4] = {
        {"https://a.example/v1/list", "https://a.example/v1/list", "?page=2",
         "https://a.example/v1/list?page=2"},
        {"https://a.example/v1/list?x", "https://a.example/v1/list?page=2", "?page=3",
         "https://a.example/v1/list?page=3"},
        {"https://a.example/v1/list", "https://a.example/v1/list", "list/2#top",
         "https://a.example/v1/list/2"},
        {"https://a.example/v1/list", "https://a.example/v1/list", "/v2/../3",
         "https://a.example/3"},
        {"https://a.example/v1/list", "https://a.example/v1/list", "https://a.example:443/2",
         "https://a.example:443/2"},
        {"https://a.example/v1/list", "https://a.example/v1/list", "https://A.example/2",
         "https://A.example/2"},
        {"https://a.example/v1/list", "https://a.example/v1/list", "//a.example/2",
         "https://a.example/2"},
        {"http://127.0.0.1:8080/list", "http://127.0.0.1:8080/list", "2",
         "http://127.0.0.1:8080/2"},
    };
    static const char *const bad[][3] = {
        {"https://a.example/list", "https://evil.example/2", "another origin"},
        {"https://a.example/list", "//evil.example/2", "another origin"},
        {"https://a.example/list", "http://a.example/2", "another origin"},
        {"https://a.example/list", "https://a.example:8443/2", "another origin"},
        {"https://a.example/list", "https://u@a.example/2", "another origin"},
        {"https://a.example/list", "https://u:p@a.example/2", "another origin"},
        {"https://a.example/list", "https://a.example.evil.example/2", "another origin"},
        {"https://a.example/list", "https://a.example@evil.example/2", "another origin"},
        {"https://a.example/list", "file:///etc/passwd", ""},
        {"https://a.example/list", "https://a.example/a b", "no URL"},
        {"https://a.example/list", "https://a.example/\xc3\xa9", "no URL"},
        {"https://a.example/list", "https://[::1/2", ""},
        {"http://127.0.0.1/list", "https://127.0.0.1/2", "another origin"},
        {"http://127.0.0.1/list", "http://127.0.0.2/2", "another origin"},
    };
    char out[URL_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!url_next(&(struct url_link){good[i][0], good[i][1], good[i][2]}, out, why,
                      sizeof why) ||
            strcmp(out, good[i][3]) != 0)
            fail_msg("%s: %s, %s", good[i][2], out, why);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (url_next(&(struct url_link){bad[i][0], bad[i][0], bad[i][1]}, out, why, sizeof why) ||
            strstr(why, bad[i][2]) == NULL)
            fail_msg("%s: %s, %s", bad[i][1], out, why);
}

static void test_next_url_too_long(void **state)
{
    char href[URL_SIZE], out[URL_SIZE];
    const struct url_link link = {"https://a.example/", "https://a.example/", href};

    (void)state;
    memset(href, 'a', sizeof href - 1);
    href[sizeof href - 1] = '\0';
    assert_false(url_next(&link, out, why, sizeof why));
    assert_non_null(strstr(why, "too long"));
    href[URL_SIZE - 1 - strlen("https://a.example/")] = '\0';
    assert_true(url_next(&link, out, why, sizeof why));
    assert_int_equal(strlen(out), URL_SIZE - 1);
}

static void test_proxy(void **state)
{
    static const char *const good[] = {"http://proxy.example.com:3128", "http://192.0.2.1:80/",
                                       "https://proxy.example.com", NULL};
    static const char *const bad[] = {"proxy.example.com:3128",
                                      "socks5://proxy.example.com",
                                      "http://u:p@proxy.example.com",
                                      "http://proxy.example.com/x",
                                      "http:///x",
                                      "http://",
                                      NULL};
    const size_t offset = offsetof(struct cloud_conf, proxy);

    (void)state;
    all_as_expected(offset, "proxy: ", true, good);
    all_as_expected(offset, "proxy: ", false, bad);
}

static void test_credential_names(void **state)
{
    (void)state;
    assert_true(check_with(offsetof(struct cloud_conf, token_file), "/etc/cloudauth/token"));
    assert_false(check_with(offsetof(struct cloud_conf, token_file), "token"));
    assert_non_null(strstr(why, "token_file: token is no path"));
}

static void test_long(void **state)
{
    static char template[CLOUD_URL_SIZE];
    static const char start[] = "https://api.example.com/{project}/{environment}/";

    (void)state;
    memset(template, 'a', sizeof template - 1);
    memcpy(template, start, sizeof start - 1);
    assert_true(check(template));
    for (size_t i = 24; i + 13 < sizeof template; i += 13)
        memcpy(template + i, "{environment}", 13);
    assert_true(check(template)); /* "production" is shorter than its placeholder */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_https),
        cmocka_unit_test(test_http_to_loopback),
        cmocka_unit_test(test_http_to_a_port_of_any_user),
        cmocka_unit_test(test_port_start),
        cmocka_unit_test(test_http_to_others),
        cmocka_unit_test(test_http_to_odd_addresses),
        cmocka_unit_test(test_user_and_password),
        cmocka_unit_test(test_placeholder_in_the_host),
        cmocka_unit_test(test_no_placeholder),
        cmocka_unit_test(test_braces),
        cmocka_unit_test(test_other_schemes),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_not_a_url),
        cmocka_unit_test(test_token_url),
        cmocka_unit_test(test_changes_url),
        cmocka_unit_test(test_next_url),
        cmocka_unit_test(test_next_url_too_long),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_credential_names),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
