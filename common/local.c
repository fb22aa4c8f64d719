/* SPDX-License-Identifier: Apache-2.0 */
#include "common/local.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ID_DIGITS 10 /* the most decimal digits of a uint32_t */

/* The state of a parser that takes lines of the form name:x:id[:gid[:...]] byte by byte. */
struct scanner {
    struct cloud_local_entry entry;
    bool passwd;
    unsigned field;
    size_t used; /* bytes of the current field so far */
    char digits[ID_DIGITS];
};

static void start_line(struct scanner *scanner)
{
    memset(&scanner->entry, 0, sizeof scanner->entry);
    scanner->field = 0;
    scanner->used = 0;
}

static void end_field(struct scanner *scanner)
{
    struct cloud_local_entry *entry = &scanner->entry;
    uint64_t id;
    bool ok = scanner->used <= ID_DIGITS &&
              cloud_text_read_number(scanner->digits, scanner->used, UINT32_MAX, &id);

    if (scanner->field == 2 && ok) {
        entry->id = (uint32_t)id;
        entry->id_ok = true;
    } else if (scanner->field == 3 && scanner->passwd && ok) {
        entry->gid = (uint32_t)id;
        entry->gid_ok = true;
    }
    scanner->field++;
    scanner->used = 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void take(struct scanner *scanner, char c)
{
    if (scanner->field == 0) {
        if (scanner->used == 0 && is_blank(c))
            return; /* libc skips leading blanks, too */
        if (scanner->used < CLOUD_LOCAL_NAME_SIZE - 1)
            scanner->entry.name[scanner->used] = c;
    } else {
        if (scanner->used == 0 && (is_blank(c) || c == '+'))
            return; /* libc reads an id with strtoul(3), which skips these */
        if (scanner->used == 1 && scanner->digits[0] == '0')
            scanner->used = 0; /* libc accepts leading zeros, so an id with some is local, too */
        if (scanner->used < ID_DIGITS)
            scanner->digits[scanner->used] = c;
    }
    scanner->used++;
}

/* Ends a line and passes its entry to `each`, unless the line has no ':' or is a comment or compat
 * entry. False if `each` returned false. */
static bool end_line(struct scanner *scanner, cloud_local_each *each, void *arg)
{
    const char *name = scanner->entry.name;
    bool more = true;

    end_field(scanner);
    if (scanner->field > 1 && (name[0] == '\0' || strchr("#+-", name[0]) == NULL))
        more = each(arg, &scanner->entry);
    start_line(scanner);
    return more;
}

/* Parses n bytes of the file. False if `each` returned false. */
static bool take_bytes(struct scanner *scanner, const char *bytes, size_t n, cloud_local_each *each,
                       void *arg)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            if (!end_line(scanner, each, arg))
                return false;
        } else if (bytes[i] == ':') {
            end_field(scanner);
        } else {
            take(scanner, bytes[i]);
        }
    }
    return true;
}

bool cloud_local_scan(const char *path, bool passwd, cloud_local_each *each, void *arg)
{
    struct scanner scanner = {.passwd = passwd};
    char buffer[4096];
    bool ok = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return false;
    start_line(&scanner);
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        ok = got == 0 || !take_bytes(&scanner, buffer, (size_t)got, each, arg);
        if (got == 0 && scanner.used + scanner.field > 0)
            end_line(&scanner, each, arg); /* the last line has no newline */
        if (ok)
            break;
    }
    close(fd);
    return ok;
}

struct wanted {
    const char *name;
    bool found;
};

static bool match(void *arg, const struct cloud_local_entry *entry)
{
    struct wanted *wanted = arg;

    wanted->found = strcmp(wanted->name, entry->name) == 0;
    return !wanted->found;
}

enum cloud_local cloud_local_user(const char *name)
{
    struct wanted wanted = {name, false};

    if (!cloud_local_scan(CLOUD_PASSWD_PATH, true, match, &wanted))
        return CLOUD_LOCAL_UNKNOWN;
    return wanted.found ? CLOUD_LOCAL_YES : CLOUD_LOCAL_NO;
}
