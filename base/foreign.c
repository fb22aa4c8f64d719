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

#define NO_ANSWER "account.%s: %u cannot be checked: %.32s of nsswitch.conf(5) does not answer"

struct question {
    uint32_t uid, gid;
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

/* What a module's answer says: whether there is an entry, even one that is too large for the
 * buffer. */
enum finding { NOT_THERE, IS_THERE, NOT_KNOWN };

static enum finding finding_of(enum nss_status status, int error)
{
    if (status == NSS_STATUS_SUCCESS || (status == NSS_STATUS_TRYAGAIN && error == ERANGE))
        return IS_THERE;
    return status == NSS_STATUS_NOTFOUND ? NOT_THERE : NOT_KNOWN;
}

static bool ask_passwd(void *arg, const char *service)
{
    struct question *question = arg;
    enum nss_status (*by_uid)(uid_t, struct passwd *, char *, size_t, int *);
    struct passwd passwd = {0};
    enum finding finding = NOT_THERE;
    char buffer[4096];
    int error = 0;

    *(void **)&by_uid = function_of(service, "getpwuid_r");
    if (by_uid != NULL)
        finding = finding_of(by_uid(question->uid, &passwd, buffer, sizeof buffer, &error), error);
    if (finding == IS_THERE)
        snprintf(question->why, question->size, "account.uid: %u belongs to user %.64s of %.32s",
                 question->uid, passwd.pw_name == NULL ? "" : passwd.pw_name, service);
    else if (finding == NOT_KNOWN)
        snprintf(question->why, question->size, NO_ANSWER, "uid", question->uid, service);
    question->refused = finding != NOT_THERE;
    return !question->refused;
}

static bool ask_group(void *arg, const char *service)
{
    struct question *question = arg;
    enum nss_status (*by_gid)(gid_t, struct group *, char *, size_t, int *);
    struct group group = {0};
    enum finding finding = NOT_THERE;
    char buffer[4096];
    int error = 0;

    *(void **)&by_gid = function_of(service, "getgrgid_r");
    if (by_gid != NULL)
        finding = finding_of(by_gid(question->gid, &group, buffer, sizeof buffer, &error), error);
    if (finding == IS_THERE)
        snprintf(question->why, question->size, "account.gid: %u belongs to group %.64s of %.32s",
                 question->gid, group.gr_name == NULL ? "" : group.gr_name, service);
    else if (finding == NOT_KNOWN)
        snprintf(question->why, question->size, NO_ANSWER, "gid", question->gid, service);
    question->refused = finding != NOT_THERE;
    return !question->refused;
}

bool foreign_may_have_id(uint32_t uid, uint32_t gid, char *why, size_t size)
{
    struct question question = {uid, gid, why, size, false};

    if (foreign_each("passwd", ask_passwd, &question) &&
        (question.refused || foreign_each("group", ask_group, &question)))
        return question.refused;
    snprintf(why, size, "account: the ids cannot be checked: %s cannot be read",
             CLOUD_NSSWITCH_PATH);
    return true;
}
