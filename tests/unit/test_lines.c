/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lines.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static bool no_memory; /* for the next argument */

/* vasprintf(3), under both names that the compiler may call it by (_FORTIFY_SOURCE). */
int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments);

int vasprintf(char **out, const char *format, va_list arguments)
{
    static char text[4][64];
    static unsigned next;

    if (no_memory)
        return -1;
    *out = text[next++ % 4];
    return vsnprintf(*out, sizeof *text, format, arguments);
}

int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
    (void)flag;
    return vasprintf(out, format, arguments);
}

static void test_arguments(void **state)
{
    char *argv[4] = {NULL};

    (void)state;
    lines_argument(argv, "/bin/sh");
    lines_argument(argv, "uid_min=%u", 70000u);
    lines_argument(argv, "%s", "");
    assert_string_equal(argv[0], "/bin/sh");
    assert_string_equal(argv[1], "uid_min=70000");
    assert_string_equal(argv[2], "");
    assert_null(argv[3]);
}

/* Without memory for an argument the process ends: no later one takes its place. */
static void test_no_memory(void **state)
{
    char *argv[4] = {NULL};
    int status = -1;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        no_memory = true;
        lines_argument(argv, "directory=/srv");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments),
                                       cmocka_unit_test(test_no_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
