/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lookups WORD...: one process that looks names and ids up through libc, one after another: NAME,
 * or a uid, or N*NAME for that many times; `wait` says "ready" and waits for a line. Each finding
 * is a line; the last one of a repetition alone.
 */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static void wait_for_line(void)
{
    char line[64];

    puts("ready");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(1);
}

static const struct passwd *find(const char *word)
{
    return isdigit((unsigned char)word[0]) ? getpwuid((uid_t)strtoul(word, NULL, 10))
                                           : getpwnam(word);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *star = strchr(argv[i], '*');
        const char *word = star == NULL ? argv[i] : star + 1;
        unsigned long times = star == NULL ? 1 : strtoul(argv[i], NULL, 10);
        const struct passwd *found = NULL;

        if (strcmp(word, "wait") == 0) {
            wait_for_line();
            continue;
        }
        for (unsigned long n = 0; n < times; n++)
            found = find(word);
        if (found == NULL)
            printf("%s unknown\n", word);
        else
            printf("%s %s:%u:%s\n", word, found->pw_name, (unsigned)found->pw_uid, found->pw_dir);
        fflush(stdout);
    }
    return 0;
}
