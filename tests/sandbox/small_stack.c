/* SPDX-License-Identifier: Apache-2.0 */

/*
 * small_stack KIND NAME: one lookup, the first of its process, in a thread with 16 KiB of stack.
 * KIND: passwd, uid, group, gid or groups. Says "found" or "unknown".
 */
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK 16384

struct lookup {
    const char *kind, *name;
    bool found;
};

static char buffer[4096];
static gid_t groups[64];

static void *look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct passwd passwd, *user = NULL;
    struct group group, *found = NULL;
    unsigned long id = strtoul(lookup->name, NULL, 10);
    int n = sizeof groups / sizeof groups[0];

    if (strcmp(lookup->kind, "passwd") == 0)
        getpwnam_r(lookup->name, &passwd, buffer, sizeof buffer, &user);
    else if (strcmp(lookup->kind, "uid") == 0)
        getpwuid_r((uid_t)id, &passwd, buffer, sizeof buffer, &user);
    else if (strcmp(lookup->kind, "group") == 0)
        getgrnam_r(lookup->name, &group, buffer, sizeof buffer, &found);
    else if (strcmp(lookup->kind, "gid") == 0)
        getgrgid_r((gid_t)id, &group, buffer, sizeof buffer, &found);
    else
        lookup->found = getgrouplist(lookup->name, 0, groups, &n) > 1;
    lookup->found = lookup->found || user != NULL || found != NULL;
    return NULL;
}

int main(int argc, char **argv)
{
    struct lookup lookup = {.kind = argc > 2 ? argv[1] : "", .name = argc > 2 ? argv[2] : ""};
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstacksize(&attributes, STACK) != 0 ||
        pthread_create(&thread, &attributes, look_up, &lookup) != 0)
        return 1;
    pthread_join(thread, NULL);
    puts(lookup.found ? "found" : "unknown");
    return 0;
}
