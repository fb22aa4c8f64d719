/* SPDX-License-Identifier: Apache-2.0 */
#include "base/foreign.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls `each` for every foreign service in a line of nsswitch.conf(5). `line` is the text after
 * the colon of the database, and is changed. Actions in brackets, such as [NOTFOUND=return], are
 * skipped. False if `each` returned false. */
static bool each_word(char *line, foreign_service *each, void *arg)
{
    char *rest, *word;
    bool action = false;

    for (word = strtok_r(line, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest)) {
        char *bracket = strchr(word, '[');
        bool was = action || bracket == word;
        action = (action || bracket != NULL) && strchr(word, ']') == NULL;
        if (bracket != NULL)
            *bracket = '\0';
        if (!was && strcmp(word, "files") != 0 && strcmp(word, "compat") != 0 &&
            strcmp(word, "cloud") != 0 && strchr(word, '/') == NULL && !each(arg, word))
            return false;
    }
    return true;
}

bool foreign_each(const char *database, foreign_service *each, void *arg)
{
    FILE *file = fopen(CLOUD_NSSWITCH_PATH, "re");
    size_t n = strlen(database), capacity = 0;
    char *line = NULL, *at;
    bool more = true, is_read = file != NULL || errno == ENOENT;

    while (file != NULL && more && getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "#")] = '\0';
        at = line + strspn(line, " \t");
        if (strncmp(at, database, n) == 0 && at[n + strspn(at + n, " \t")] == ':')
            more = each_word(strchr(at, ':') + 1, each, arg);
    }
    free(line);
    if (file != NULL) {
        is_read = !ferror(file);
        (void)fclose(file); /* nothing was written that could be lost */
    }
    return is_read;
}

/* Whether the services have an entry with that id. */
struct question {
    const char *member; /* of the document: "uid" or "gid" */
    const char *owner;  /* what an entry is: "user" or "group" */
    uint32_t id;
    char *why;
    size_t size;
    bool refused;
};

/* Returns the function _nss_SERVICE_NAME of the NSS module of a service, or NULL if there is none.
 * The module stays loaded, as it does after getpwuid(3). */
static void *function_of(const char *service, const char *name)
{
    char text[128];
    void *module;

    snprintf(text, sizeof text, "libnss_%.64s.so.2", service);
    module = dlopen(text, RTLD_NOW | RTLD_LOCAL);
    snprintf(text, sizeof text, "_nss_%.64s_%s", service, name);
    return module == NULL ? NULL : dlsym(module, text);
}

struct finding {
    enum nss_status status;
    int error;
    const char *name; /* of the entry; NULL if it was too large for the buffer */
};

/* Judges a module's answer. Returns whether to ask the next service. */
static bool judge(struct question *question, const struct finding *finding, const char *service)
{
    bool is_there = finding->status == NSS_STATUS_SUCCESS ||
                    (finding->status == NSS_STATUS_TRYAGAIN && finding->error == ERANGE);

    question->refused = finding->status != NSS_STATUS_NOTFOUND;
    if (is_there)
        snprintf(question->why, question->size, "account.%s: %u belongs to %s %.64s of %.32s",
                 question->member, question->id, question->owner,
                 finding->name == NULL ? "" : finding->name, service);
    else if (question->refused)
        snprintf(question->why, question->size,
                 "account.%s: %u cannot be checked: %.32s of nsswitch.conf(5) does not answer",
                 question->member, question->id, service);
    return !question->refused;
}

static bool ask_passwd(void *arg, const char *service)
{
    struct question *question = arg;
    enum nss_status (*by_uid)(uid_t, struct passwd *, char *, size_t, int *);
    struct finding finding = {.status = NSS_STATUS_NOTFOUND};
    struct passwd passwd = {0};
    char buffer[4096];

    *(void **)&by_uid = function_of(service, "getpwuid_r");
    if (by_uid != NULL)
        finding.status = by_uid(question->id, &passwd, buffer, sizeof buffer, &finding.error);
    finding.name = passwd.pw_name;
    return judge(question, &finding, service);
}

static bool ask_group(void *arg, const char *service)
{
    struct question *question = arg;
    enum nss_status (*by_gid)(gid_t, struct group *, char *, size_t, int *);
    struct finding finding = {.status = NSS_STATUS_NOTFOUND};
    struct group group = {0};
    char buffer[4096];

    *(void **)&by_gid = function_of(service, "getgrgid_r");
    if (by_gid != NULL)
        finding.status = by_gid(question->id, &group, buffer, sizeof buffer, &finding.error);
    finding.name = group.gr_name;
    return judge(question, &finding, service);
}

bool foreign_may_have_id(uint32_t uid, uint32_t gid, char *why, size_t size)
{
    struct question user = {"uid", "user", uid, why, size, false};
    struct question group = {"gid", "group", gid, why, size, false};

    if (foreign_each("passwd", ask_passwd, &user) &&
        (user.refused || foreign_each("group", ask_group, &group)))
        return user.refused || group.refused;
    snprintf(why, size, "account: the ids cannot be checked: %s cannot be read",
             CLOUD_NSSWITCH_PATH);
    return true;
}
