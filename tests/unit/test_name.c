/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"
#include "common/name.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <string.h>

static struct cloud_grammar grammar;

static int setup(void **state)
{
    struct cloud_conf conf;
    struct cloud_conf_error error;
    const char allow[] = "allow = *";

    (void)state;
    cloud_conf_defaults(&conf);
    assert_true(cloud_conf_line(&conf, allow, sizeof allow - 1, &error));
    grammar = conf.grammar;
    return 0;
}

static void assert_is(const char *name, enum cloud_kind kind, const char *project,
                      const char *environment, const char *app, const char *worker)
{
    struct cloud_name parsed;

    assert_true(cloud_name_possible(name));
    assert_true(cloud_name_parse(&grammar, name, &parsed));
    assert_int_equal(parsed.kind, kind);
    assert_int_equal(cloud_name_kind(name), kind);
    assert_string_equal(parsed.project, project);
    assert_string_equal(parsed.environment, environment);
    assert_string_equal(parsed.app, app);
    assert_string_equal(parsed.worker, worker);
}

static void test_every_form(void **state)
{
    (void)state;
    assert_is("abcdefghij", CLOUD_SHELL, "abcdefghij", "production", "", "");
    assert_is("abcdefghij_stg", CLOUD_SHELL, "abcdefghij", "staging", "", "");
    assert_is("abcdefghij_stg2", CLOUD_SHELL, "abcdefghij", "staging2", "", "");
    assert_is("abcdefghij_sftp", CLOUD_SFTP, "abcdefghij", "production", "", "");
    assert_is("abcdefghij_stg_sftp", CLOUD_SFTP, "abcdefghij", "staging", "", "");
    assert_is("abcdefghij_stg2_sftp", CLOUD_SFTP, "abcdefghij", "staging2", "", "");
    assert_is("abcdefg123abc-smith-a12b34c", CLOUD_SHELL, "abcdefg123abc", "smith-a12b34c", "", "");
    assert_is("abcdefg123abc-smith-a12b34c--mymagento", CLOUD_SHELL, "abcdefg123abc",
              "smith-a12b34c", "mymagento", "");
    assert_is("abcdefg123abc-smith-a12b34c--My_app--queue-1", CLOUD_SHELL, "abcdefg123abc",
              "smith-a12b34c", "My_app", "queue-1");
    assert_is("oh2wi6klp5ytk-mc-35985-integration-nnulm4a--mymagento", CLOUD_SHELL, "oh2wi6klp5ytk",
              "mc-35985-integration-nnulm4a", "mymagento", "");
    assert_is("ent-abcdefghij-production-a1b2c3d", CLOUD_SHELL, "abcdefghij", "production", "", "");
    assert_is("1.ent-abcdefghij-staging-f00", CLOUD_SHELL, "abcdefghij", "staging", "", "");
    assert_is("web2.ent-abcdefghij-staging12-f00", CLOUD_SHELL, "abcdefghij", "staging12", "", "");
}

static void assert_not(const char *name)
{
    struct cloud_name parsed;

    memset(&parsed, 0x5a, sizeof parsed);
    if (cloud_name_parse(&grammar, name, &parsed))
        fail_msg("%s was taken for a cloud account", name);
    assert_string_equal(parsed.project, "");
    assert_string_equal(parsed.environment, "");
    assert_string_equal(parsed.app, "");
    assert_string_equal(parsed.worker, "");
}

static void test_not_ours(void **state)
{
    static const char *const names[] = {
        "",
        "root",
        "daemon",
        "nobody",
        "www-data",
        "systemd-network",
        "cloudauth-keys",
        "postgres",
        "messagebus",
        "cloudauth",
        "administrator",
        "abcdef",                /* too short */
        "abcdefghijabcdefghijk", /* too long */
        "Abcdefghij",            /* upper case */
        "1234567890",            /* a number */
        "abcdefghij_",           /* no suffix */
        "abcdefghij_dev",        /* no such suffix */
        "abcdefghij_stg0",       /* no such number */
        "abcdefghij_stg02",      /* two names for one environment */
        "abcdefghij_stg1234",    /* too many */
        "abcdefghij_stgx",
        "abcdefghij_sftp_stg",
        "abcdefghij_sftp_sftp",
        "abcdefghij_stg-sftp",
        "abcdefghij-",
        "abcdefghij-smith",   /* no hash */
        "abcdefghij-a12b34c", /* nothing before it */
        "abcdefghij--a12b34c",
        "abcdefghij-smith-a12b34", /* 6 */
        "abcdefghij-smith-A12b34c",
        "abcdefghij-smith-a12b34c--",
        "abcdefghij-smith-a12b34c---x",
        "abcdefghij-smith-a12b34c--app--",
        "abcdefghij-smith-a12b34c--app--w--x",
        "abcdefghij-smith-a12b34c--app.x",
        "abcdefghij-smith-a12b34c_sftp",
        "abcdefghij-smith-a12b34c--my_sftp", /* the ending would make it an sFTP account */
        "abcdefghij-smi_th-a12b34c",
        "ent-abcdefghij-production",
        "ent-abcdefghij-production-",
        "ent-abcdefghij--hash",
        "ent-abcdefghij-smith-a12b34c-hash", /* no dedicated account */
        "ent-abcdefghij-develop-hash",
        "ent-short-production-hash",
        "ent-abcdefghij-production-ha_sh",
        "ent-abcdefghij-staging-hash_sftp",
        ".ent-abcdefghij-production-hash",
        "1.2.ent-abcdefghij-production-hash",
        "1.abcdefghij",
        "abcdefghij/x",
        "../../../etc/passwd",
        "abcdefghij\n",
        "abcdefghij\t",
        "abcdefghij ",
        "abcdefghij\xc3\xa9",
        "abcdefghij{project}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_not(names[i]);
}

static void test_length(void **state)
{
    char name[CLOUD_NAME_MAX + 2] = "abcdefghij-";

    (void)state;
    memset(name + 11, 'x', sizeof name - 12);
    memcpy(name + CLOUD_NAME_MAX - 8, "-a12b34c", 8);
    name[CLOUD_NAME_MAX] = '\0';
    assert_true(cloud_name_possible(name));
    assert_true(cloud_name_parse(&grammar, name, NULL));
    name[CLOUD_NAME_MAX] = 'd';
    name[CLOUD_NAME_MAX + 1] = '\0';
    assert_false(cloud_name_possible(name));
    assert_not(name);
}

static void test_plain(void **state)
{
    char name[CLOUD_NAME_MAX + 1];
    struct cloud_name parsed;

    (void)state;
    assert_true(cloud_name_plain(&grammar, "abcdefghij", "production", name));
    assert_string_equal(name, "abcdefghij");
    assert_true(cloud_name_plain(&grammar, "abcdefghij", "staging", name));
    assert_string_equal(name, "abcdefghij_stg");
    assert_true(cloud_name_plain(&grammar, "abcdefghij", "staging12", name));
    assert_string_equal(name, "abcdefghij_stg12");
    assert_true(cloud_name_plain(&grammar, "abcdefg123abc", "smith-a12b34c", name));
    assert_string_equal(name, "abcdefg123abc-smith-a12b34c");
    assert_false(cloud_name_plain(&grammar, "abcdefghij", "develop", name));
    assert_false(cloud_name_plain(&grammar, "abcdefghij", "stagingx", name));
    assert_false(cloud_name_plain(&grammar, "abcdefghij", "staging0", name));
    assert_false(cloud_name_plain(&grammar, "abcdefghij", "", name));
    /* Each account has one main name, and its other names are not marked as plain. */
    assert_true(cloud_name_parse(&grammar, "abcdefghij_stg", &parsed) && parsed.plain);
    assert_true(cloud_name_parse(&grammar, "abcdefghij_stg_sftp", &parsed) && !parsed.plain);
    assert_true(cloud_name_parse(&grammar, "ent-abcdefghij-staging-x", &parsed) && !parsed.plain);
    assert_true(cloud_name_parse(&grammar, "abcdefghij-x-1234567", &parsed) && parsed.plain);
    assert_true(cloud_name_parse(&grammar, "abcdefghij-x-1234567--a", &parsed) && !parsed.plain);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(cloud_name_matches("abc", "abc"));
    assert_false(cloud_name_matches("abc", "abcd"));
    assert_false(cloud_name_matches("abcd", "abc"));
    assert_true(cloud_name_matches("*", ""));
    assert_true(cloud_name_matches("a*", "a"));
    assert_true(cloud_name_matches("a*c", "abcbc"));
    assert_false(cloud_name_matches("a*c", "abcb"));
    assert_true(cloud_name_matches("*b*", "abc"));
    assert_true(cloud_name_matches("**", "x"));
    assert_false(cloud_name_matches("", "x"));
    /* Many stars against a name that nearly matches: would take for ever with backtracking. */
    assert_false(
        cloud_name_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b",
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

/* The meaning of a pattern, in the simplest code. */
static bool means(const char *pattern, const char *name)
{
    if (*pattern == '*')
        return means(pattern + 1, name) || (*name != '\0' && means(pattern, name + 1));
    return *pattern == *name && (*pattern == '\0' || means(pattern + 1, name + 1));
}

/* Every pattern of up to six of "ab*" against every name of up to six of "ab". */
static void test_all_patterns(void **state)
{
    char pattern[7], name[7];

    (void)state;
    for (unsigned p = 0; p < 4 * 4 * 4 * 4 * 4 * 4; p++) {
        for (unsigned i = 0; i < 6; i++)
            pattern[i] = "ab*"[p >> 2 * i & 3];
        pattern[6] = '\0';
        for (unsigned n = 0; n < 3 * 3 * 3 * 3 * 3 * 3; n++) {
            for (unsigned i = 0, left = n; i < 6; i++, left /= 3)
                name[i] = "ab"[left % 3];
            name[6] = '\0';
            assert_true(cloud_name_matches(pattern, name) == means(pattern, name));
        }
    }
}

static void test_allow_and_reserved(void **state)
{
    struct cloud_conf conf;
    struct cloud_conf_error error;
    const char allow[] = "allow = abcdefghij abcdefghij_*";
    const char reserved[] = "reserved_names = abcdefghij_stg9";

    (void)state;
    cloud_conf_defaults(&conf);
    assert_false(cloud_name_parse(&conf.grammar, "abcdefghij", NULL)); /* nothing allowed */
    assert_true(cloud_conf_line(&conf, allow, sizeof allow - 1, &error));
    assert_true(cloud_conf_line(&conf, reserved, sizeof reserved - 1, &error));
    assert_true(cloud_name_parse(&conf.grammar, "abcdefghij", NULL));
    assert_true(cloud_name_parse(&conf.grammar, "abcdefghij_stg", NULL));
    assert_false(cloud_name_parse(&conf.grammar, "abcdefghij_stg9", NULL));
    assert_false(cloud_name_parse(&conf.grammar, "zzzdefghij", NULL));
    assert_false(cloud_name_parse(&conf.grammar, "ent-abcdefghij-staging-x", NULL));
}

/* Users of Debian's packages, of both forms of a name and each end of the list. */
static void test_names_of_debian(void **state)
{
    struct cloud_conf conf;
    struct cloud_conf_error error;
    const char *lines[] = {"allow = *", "project_id_length = 5-32"};
    const char *names[] = {"administrator", "lightdm",  "gnome-remote-desktop",
                           "plocate",       "postgres", "systemd-journal-gateway",
                           "statd",         "zookeeper"};

    (void)state;
    cloud_conf_defaults(&conf);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_true(cloud_conf_line(&conf, lines[i], strlen(lines[i]), &error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(cloud_name_parse(&conf.grammar, names[i], NULL));
    assert_true(cloud_name_parse(&conf.grammar, "systemd-journal-gatewaz", NULL));
}

/* cloud_name_look accepts every name that the grammar of some host accepts. */
static void test_possible_is_wider(void **state)
{
    struct cloud_conf conf;
    struct cloud_conf_error error;
    const char *lines[] = {"allow = *", "project_id_length = 5-32",
                           "environment_suffixes = _dev=develop _stg=staging"};
    const char *names[] = {"abcde",
                           "abcde_dev3",
                           "abcde-x-1234567--a",
                           "9.ent-abcde-develop-0",
                           "1abcde_sftp",
                           "abcdefghijabcdefghijabcdefghijab"};

    (void)state;
    cloud_conf_defaults(&conf);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_true(cloud_conf_line(&conf, lines[i], strlen(lines[i]), &error));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(cloud_name_possible(names[i]));
        assert_true(cloud_name_parse(&conf.grammar, names[i], NULL));
    }
    assert_false(cloud_name_possible("root"));
    assert_false(cloud_name_possible("0"));
    assert_false(cloud_name_possible("1234567890"));
}

static void must_mean(const struct cloud_grammar *of, const char *name, const char *environment)
{
    struct cloud_name found;
    char plain[CLOUD_NAME_MAX + 1];

    if (!cloud_name_parse(of, name, &found))
        fail_msg("%s", name);
    assert_true(found.plain);
    assert_string_equal(found.environment, environment);
    assert_true(cloud_name_plain(of, "abcdefghij", environment, plain));
    assert_string_equal(plain, name);
}

/* An environment has one plain name, also where one suffix's environment begins with another's, or
 * is a machine name by the number that follows it. */
static void test_one_plain_name(void **state)
{
    static const char *const lines[] = {
        "environment_suffixes = _dev=dev _devel=development _pre=pre-prod",
        "environment_suffixes = _pre=pre-prod _devel=development _dev=dev",
    };
    struct cloud_conf_error error;
    struct cloud_conf conf;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        cloud_conf_defaults(&conf);
        assert_true(cloud_conf_line(&conf, "allow = *", 9, &error));
        assert_true(cloud_conf_line(&conf, lines[i], strlen(lines[i]), &error));
        must_mean(&conf.grammar, "abcdefghij_dev", "dev");
        must_mean(&conf.grammar, "abcdefghij_dev7", "dev7");
        must_mean(&conf.grammar, "abcdefghij_devel", "development");
        must_mean(&conf.grammar, "abcdefghij_devel999", "development999");
        must_mean(&conf.grammar, "abcdefghij_pre99", "pre-prod99");
        must_mean(&conf.grammar, "abcdefghij-pre-prod100", "pre-prod100");
        assert_false(cloud_name_parse(&conf.grammar, "abcdefghij_pre100", NULL));
        assert_false(cloud_name_plain(&conf.grammar, "abcdefghij", "dev07", (char[129]){""}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_patterns),
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_allow_and_reserved),
        cmocka_unit_test(test_names_of_debian),
        cmocka_unit_test(test_possible_is_wider),
        cmocka_unit_test(test_one_plain_name),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
