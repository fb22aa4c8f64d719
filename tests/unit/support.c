/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int run_in_processes(const struct CMUnitTest *tests, size_t n, CMFixtureFunction group_setup,
                     CMFixtureFunction group_teardown)
{
    int failed = 0;

    for (size_t i = 0; i < n; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            exit(_cmocka_run_group_tests(tests[i].name, &tests[i], 1, group_setup, group_teardown));
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            print_error("[  FAILED  ] %s\n", tests[i].name);
            failed++;
        }
    }
    return failed;
}

void assert_fatal(void (*call)(void *arg), void *arg)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        call(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static char path[64]; /* of the directory; "": there is none */

void enter_directory(void)
{
    assert_string_equal(path, "");
    umask(022);
    strcpy(path, "/tmp/cloudauth-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chdir(path), 0);
}

void leave_directory(void)
{
    char *roots[] = {path, NULL};
    FTS *tree;
    FTSENT *entry;

    assert_string_not_equal(path, "");
    assert_int_equal(chdir("/"), 0);
    tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    while ((entry = fts_read(tree)) != NULL) {
        if (entry->fts_info == FTS_D)
            (void)chmod(entry->fts_accpath, 0700); /* before it is read */
        else
            assert_int_equal(remove(entry->fts_accpath), 0);
    }
    fts_close(tree);
    path[0] = '\0';
}

int setup_directory(void **state)
{
    (void)state;
    enter_directory();
    return 0;
}

int teardown_directory(void **state)
{
    (void)state;
    leave_directory();
    return 0;
}

const char *directory_path(void)
{
    return path;
}

const char *in_directory(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *out = paths[next++ % 8];

    assert_in_range(snprintf(out, sizeof paths[0], "%s/%s", path, name), 1, sizeof paths[0] - 1);
    return out;
}

/* Not a file of the host, such as /etc/passwd. */
static bool is_of_test(const char *name)
{
    return name[0] != '/' || (path[0] != '\0' && strncmp(name, path, strlen(path)) == 0);
}

void write_bytes(const char *name, const void *bytes, size_t n)
{
    int fd = !is_of_test(name) ? -1 : open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(close(fd), 0);
}

/* Never a file of the host. */
void write_file(const char *name, const char *text)
{
    assert_true(name[0] != '/' || strncmp(name, "/tmp/", 5) == 0);
    write_bytes(name, text, strlen(text));
}

void write_secret(const char *name, const char *text)
{
    write_file(name, text);
    assert_int_equal(chmod(name, 0600), 0);
}

size_t read_file(const char *name, char *out, size_t size)
{
    FILE *file = fopen(name, "re");
    size_t n;

    assert_non_null(file);
    n = fread(out, 1, size - 1, file);
    assert_int_equal(fclose(file), 0);
    out[n] = '\0';
    return n;
}

int skip_sync(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

/* Weak: a test may define another one. */
__attribute__((weak)) int fsync(int fd)
{
    return skip_sync(fd);
}

unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

struct guarded guarded_copy(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t space = (n + page - 1) / page * page;
    struct guarded guarded = {NULL, NULL, space + page};

    guarded.map =
        mmap(NULL, guarded.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guarded.map != MAP_FAILED);
    assert_int_equal(mprotect((char *)guarded.map + space, page, PROT_NONE), 0);
    guarded.at = (char *)guarded.map + space - n;
    if (n > 0)
        memcpy(guarded.at, bytes, n);
    return guarded;
}

void guarded_free(struct guarded *guarded)
{
    (void)munmap(guarded->map, guarded->map_size);
    guarded->at = NULL;
}
