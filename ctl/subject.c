/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/subject.h"

#include "ctl/ctl.h"
#include "ctl/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "SHA256:";

bool subject_is_key(const char *argument)
{
    return strncmp(argument, prefix, sizeof prefix - 1) == 0 || strchr(argument, ' ') != NULL;
}

/* Whether the n bytes are a private key: in OpenSSH's form, in PEM (RFC 7468) or PuTTY's. */
static bool is_private(const char *bytes, size_t n)
{
    static const char *const marks[] = {"PRIVATE KEY-----", "PuTTY-User-Key-File-"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(bytes, n, marks[i], strlen(marks[i])) != NULL)
            return true;
    return false;
}

static int read_line(const char *line, const char *where, struct subject_key *out)
{
    const char *why;

    if (is_private(line, strlen(line))) {
        ctl_say("%s: a private key, which no command needs: give the public one", where);
        return CTL_USAGE;
    }
    if (strlen(line) >= sizeof out->line || !offered_key_parse_line(line, &out->offered, &why)) {
        ctl_say("%s: %s", where, strlen(line) >= sizeof out->line ? "too long" : why);
        return CTL_USAGE;
    }
    keys_fingerprint_text(out->offered.fingerprint, out->fingerprint);
    snprintf(out->line, sizeof out->line, "%s", line);
    return CTL_YES;
}

static int read_key_file(const char *path, struct subject_key *out)
{
    size_t n = 0;
    char *bytes = tree_read(path, KEY_VALUE_MAX, &n);
    int status = CTL_USAGE;

    if (bytes == NULL) {
        ctl_say("%s: neither a key, a fingerprint nor a file that can be read: %s", path,
                strerror(errno));
        return CTL_UNKNOWN;
    }
    if (is_private(bytes, n)) {
        ctl_say("%s: a private key, which no command needs: give the public one, %s.pub", path,
                path);
        free(bytes);
        return CTL_USAGE;
    }
    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
        n--;
    if (n > KEY_VALUE_MAX || memchr(bytes, '\0', n) != NULL) {
        ctl_say("%s: not one public key", path);
    } else {
        bytes[n] = '\0';
        status = read_line(bytes, path, out);
    }
    free(bytes);
    return status;
}

int subject_read_key(const char *argument, struct subject_key *out)
{
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];

    memset(out, 0, sizeof *out);
    if (strncmp(argument, prefix, sizeof prefix - 1) != 0)
        return strchr(argument, ' ') != NULL ? read_line(argument, "the key", out)
                                             : read_key_file(argument, out);
    if (!keys_fingerprint_read(argument, fingerprint)) {
        ctl_say("%s: not a fingerprint, SHA256:... as ssh-keygen -l prints it", argument);
        return CTL_USAGE;
    }
    snprintf(out->fingerprint, sizeof out->fingerprint, "%s", argument);
    return CTL_YES;
}

int subject_environment(const struct ctl *ctl, const char *what, char *out, size_t size)
{
    static struct cloud_conf conf;
    struct cloud_name name;

    if (strchr(what, '/') != NULL) {
        snprintf(out, size, "%s", what);
        return CTL_YES;
    }
    if (!ctl_conf(ctl, &conf))
        return CTL_UNKNOWN;
    if (!cloud_name_parse(&conf.grammar, what, &name)) {
        ctl_say("%s: neither PROJECT/ENVIRONMENT nor a login name of this host", what);
        return CTL_USAGE;
    }
    snprintf(out, size, "%s/%s", name.project, name.environment);
    return CTL_YES;
}
