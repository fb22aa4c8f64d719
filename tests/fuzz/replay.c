/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replay [FILE|DIRECTORY...]: runs a target once with each input, without libFuzzer. By default the
 * inputs are those of tests/fuzz/corpus/TARGET, and each is one passed test.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/support.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

static unsigned replayed;

static void replay(const char *path, const char *target)
{
    static char bytes[INPUT_MAX];
    size_t n = read_file(path, bytes, sizeof bytes);
    char *exact = malloc(n); /* one byte too far is a fault */

    if (exact != NULL)
        memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
    free(exact);
    replayed++;
    printf("[       OK ] %s\n", target);
}

static void replay_all(const char *path, const char *target)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char file[PATH_MAX];

    if (directory == NULL) {
        replay(path, target);
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            replay(file, target);
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    const char *target = strrchr(argv[0], '/') + 1;
    char from[PATH_MAX], path[PATH_MAX];

    if (argc > 1 || getcwd(from, sizeof from) == NULL)
        snprintf(from, sizeof from, "/");
    enter_directory();
    for (int i = 1; i < argc; i++)
        replay_all(argv[i], target);
    if (argc == 1) {
        snprintf(path, sizeof path, "%.3000s/tests/fuzz/corpus/%s", from, target);
        replay_all(path, target);
    }
    leave_directory();
    return replayed > 0 ? 0 : 1;
}
