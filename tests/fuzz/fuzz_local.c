/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The host's own users, groups and subordinate ids. The first byte says which file follows, and
 * whether those of subordinate ids are missing or
 * cannot be read. Each user and group that glibc finds in the file is
 * local here, and so is what stands on its last line, whatever precedes it.
 */
#include "access/local_ids.h"
#include "common/local.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/here.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PASSWD, GROUP, SUBUID, SUBGID, FILES, NO_SUBUID = 4, NO_SUBGID = 8, LOOP = 16 };

static const char *const names[FILES] = {"passwd", "group", "subuid", "subgid"};
static const char *const last[FILES] = {"\nlast:x:4242:4343::/:/bin/sh\n", "\nlast:x:4444:\n",
                                        "\nlast:100000:65536\n", "\nlast:300000:65536\n"};

static void check_passwd(const struct local_ids *ids, FILE *file)
{
    static char buffer[65536];
    struct passwd entry, *found;

    while (fgetpwent_r(file, &entry, buffer, sizeof buffer, &found) == 0) {
        if (entry.pw_name[0] == '+' || entry.pw_name[0] == '-' || strlen(entry.pw_name) > 128)
            continue;
        require(local_ids_has_name(ids, entry.pw_name));
        require(local_ids_has_uid(ids, entry.pw_uid) && local_ids_has_gid(ids, entry.pw_gid));
    }
}

static void check_group(const struct local_ids *ids, FILE *file)
{
    static char buffer[65536];
    struct group entry, *found;

    while (fgetgrent_r(file, &entry, buffer, sizeof buffer, &found) == 0) {
        if (entry.gr_name[0] == '+' || entry.gr_name[0] == '-' || strlen(entry.gr_name) > 128)
            continue;
        require(local_ids_has_name(ids, entry.gr_name));
        require(local_ids_has_gid(ids, entry.gr_gid));
    }
}

static void check(const struct local_ids *ids, unsigned flags)
{
    char long_name[300] = "";

    require(local_ids_has_name(ids, "last") && local_ids_has_uid(ids, 4242) &&
            local_ids_has_gid(ids, 4343));
    require(local_ids_has_gid(ids, 4444));
    (void)local_ids_has_uid(ids, 9999);
    require((flags & NO_SUBUID) != 0 || local_ids_is_subordinate(ids, 165535, 0));
    require((flags & NO_SUBGID) != 0 || local_ids_is_subordinate(ids, 0, 365535));
    require((flags & NO_SUBGID) == 0 || local_ids_is_subordinate(ids, 1, 1));
    (void)local_ids_is_subordinate(ids, 1, 1);
    memset(long_name, 'x', sizeof long_name - 1);
    require(!local_ids_has_name(ids, long_name));
}

/* Without memory there is no answer; with it again, there is one. */
static void check_memory(void)
{
    struct local_ids *ids = local_ids_new();
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        fuzz_fail(n);
        require(local_ids_refresh(ids) != (failed = fuzz_failed()));
    }
    local_ids_free(ids);
}

static void check_unreadable(void)
{
    struct local_ids *ids = local_ids_new();

    test_here.group = ".";
    require(!local_ids_refresh(ids));
    test_here.passwd = ".";
    require(!local_ids_refresh(ids));
    local_ids_free(ids);
}

/* The file by itself, whose last line need not end. */
static void check_user(const uint8_t *data, size_t size)
{
    fuzz_file("alone", data, size);
    test_here.passwd = "alone";
    (void)cloud_local_user("last");
    test_here.passwd = names[PASSWD];
    require(cloud_local_user("last") == CLOUD_LOCAL_YES);
    test_here.passwd = "missing";
    require(cloud_local_user("last") == CLOUD_LOCAL_UNKNOWN);
}

static void write_files(unsigned flags)
{
    for (unsigned i = 0; i < FILES; i++)
        fuzz_file(names[i], last[i], strlen(last[i]));
    if ((flags & NO_SUBUID) != 0)
        require(unlink(names[SUBUID]) == 0 &&
                ((flags & LOOP) == 0 || symlink(names[SUBUID], names[SUBUID]) == 0));
    if ((flags & NO_SUBGID) != 0)
        require(unlink(names[SUBGID]) == 0 && mkdir(names[SUBGID], 0700) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[32768];
    struct local_ids *ids;
    unsigned which;
    size_t n;
    FILE *file;

    test_here.group = names[GROUP];
    log_open("log", false);
    if (size < 1 || size >= 20000)
        return 0;
    (void)unlink(names[SUBUID]);
    (void)rmdir(names[SUBGID]);
    which = data[0] % FILES;
    write_files(which < SUBUID ? data[0] : 0);
    memcpy(text, data + 1, size - 1);
    n = size - 1 + (size_t)(stpcpy(text + size - 1, last[which]) - (text + size - 1));
    fuzz_file(names[which], text, n);
    check_user(data + 1, size - 1);
    test_here.passwd = names[PASSWD];
    ids = local_ids_new();
    require(ids != NULL && !local_ids_has_name(ids, "last") && !local_ids_has_uid(ids, 4242));
    require(local_ids_refresh(ids) && local_ids_refresh(ids));
    require(local_ids_reads(ids) == 1);
    check(ids, which < SUBUID ? data[0] : 0);
    check_memory();
    file = fmemopen(text, n, "r");
    /* glibc wraps negative ids, and ends a line at a NUL. */
    if (which < SUBUID && memchr(text, '\0', n) == NULL && memchr(text, '-', n) == NULL)
        (which == PASSWD ? check_passwd : check_group)(ids, file);
    (void)fclose(file);
    local_ids_free(ids);
    check_unreadable();
    return 0;
}
