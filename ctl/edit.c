/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/lines.h"
#include "ctl/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The commands `env`, `user` and `key` change one access document of a file:// API, where
 * access_url is file://DIRECTORY/{project}/{environment}.json.
 *
 * Only one change is made at a time, under flock(2) on DIRECTORY/.lock, which only users who may
 * write to the directory can open. (Every user who may read the directory could lock the directory
 * itself.) edit.sh makes the change. It inherits the lock's descriptor, so that the lock is held
 * until the script has ended, even if this process is killed.
 */

#define LOCK         ".lock"
#define LOCK_WAIT_MS 30000
#define LOCK_LOOK_MS 20
#define PLACES       "/{project}/{environment}.json"

extern const char edit_script[];
LINES_SCRIPT(edit_script, "ctl/edit.sh");

/* Writes the DIRECTORY of access_url. If access_url has another form, or documents are signed,
 * prints a message and returns false. */
static bool find_directory(const struct cloud_conf *conf, char directory[CLOUD_URL_SIZE])
{
    const char *url = conf->access_url;
    size_t n = strlen(url);

    if (strncmp(url, "file:///", 8) != 0 || n <= 7 + sizeof PLACES ||
        strcmp(url + n - (sizeof PLACES - 1), PLACES) != 0 ||
        strchr(url, '{') != url + n - (sizeof PLACES - 1) + 1) {
        ctl_say("access_url is %s: only file://DIRECTORY" PLACES " can be changed from here", url);
        return false;
    }
    if (conf->signing_key[0] != '\0') {
        ctl_say("signing_key is set: a signed document is changed where it is signed");
        return false;
    }
    snprintf(directory, CLOUD_URL_SIZE, "%.*s", (int)(n - 7 - (sizeof PLACES - 1)), url + 7);
    return true;
}

/* Locks the directory that the descriptor `place` refers to. The descriptor of the lock file is
 * never closed, so the lock is held until this process and each that has inherited the descriptor
 * have ended. The mode of the lock file lets only users open it who may write to the directory.
 * Returns false, with errno set, on failure. */
static bool take_lock(int place)
{
    int lock = openat(place, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat directory, st;
    mode_t mode;

    if (lock < 0 || fstat(place, &directory) != 0 || fstat(lock, &st) != 0)
        return false;
    mode = 0600 | (directory.st_mode & 022) | (directory.st_mode & 022) << 1;
    if (st.st_uid == geteuid() && (st.st_mode & 0777) != mode) {
        /* Another user who may write to the directory could have linked any file of this user's. */
        if (st.st_nlink != 1) {
            errno = EMLINK;
            return false;
        }
        if (fchown(lock, (uid_t)-1, directory.st_gid) != 0 || fchmod(lock, mode) != 0)
            return false;
    }
    for (int waited = 0; flock(lock, LOCK_EX | LOCK_NB) != 0; waited += LOCK_LOOK_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        if (waited >= LOCK_WAIT_MS) {
            errno = EBUSY;
            return false;
        }
        poll(NULL, 0, LOCK_LOOK_MS);
    }
    return true;
}

/* Locks the directory. If `create` is set and the directory is missing, makes it first. On failure
 * prints a message and returns false. */
static bool lock_directory(const char *directory, bool create)
{
    int place = -1;

    if (!create || mkdir(directory, 0755) == 0 || errno == EEXIST)
        place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place >= 0 && take_lock(place))
        return true;
    ctl_say("%s%s: %s", directory, place < 0 ? "" : "/" LOCK, strerror(errno));
    return false;
}

static bool say(void *arg, char *line)
{
    (void)arg;
    ctl_say("%s", line);
    return true;
}

/* Runs edit.sh with the arguments in argv and the options of the command line. Returns its exit
 * status; CTL_UNKNOWN if it cannot be run, is killed, or exits with CTL_UNKNOWN or more. */
static int run_script(const struct ctl *ctl, char **argv)
{
    char self[PATH_MAX];
    int status = 0;

    if (realpath("/proc/self/exe", self) == NULL)
        return CTL_UNKNOWN;
    lines_argument(argv, "self=%s", self);
    lines_argument(argv, "command=%s", ctl->command);
    lines_argument(argv, "subject=%s", ctl->words > 1 ? ctl->word[1] : "");
    for (size_t i = 0; i < ctl->options; i++)
        lines_argument(argv, "%.*s=%s", (int)ctl->option[i].n - 2, ctl->option[i].name + 2,
                       ctl->option[i].value);
    return lines_run(argv, say, NULL, &status) && WIFEXITED(status) &&
                   WEXITSTATUS(status) < CTL_UNKNOWN
               ? WEXITSTATUS(status)
               : CTL_UNKNOWN;
}

int cmd_edit(struct ctl *ctl)
{
    static struct cloud_conf conf;
    static struct subject_key key;
    char directory[CLOUD_URL_SIZE], subject[CLOUD_PROJECT_MAX + CLOUD_NAME_MAX + 8];
    char path[sizeof directory + sizeof subject + 8], login[CLOUD_NAME_MAX + 1] = "";
    char *argv[32] = {NULL};
    bool creates = strcmp(ctl->command, "env create") == 0;
    bool of_key = ctl->words == 3 || strncmp(ctl->command, "env authority", 13) == 0;
    struct cloud_name name;
    struct out out;
    int status = of_key ? subject_read_key(ctl->word[ctl->words - 1], &key) : CTL_YES;

    if (status != CTL_YES)
        return status;
    if (key.offered.certified) {
        ctl_say("%s: a certificate, not a key", ctl->word[ctl->words - 1]);
        return CTL_USAGE;
    }
    if (!ctl_conf(ctl, &conf))
        return CTL_UNKNOWN;
    if (!find_directory(&conf, directory))
        return CTL_NO;
    status = subject_environment(ctl, ctl->word[0], subject, sizeof subject);
    if (status != CTL_YES)
        return status;
    if (!cloud_name_split(subject, &name)) {
        ctl_say("%s: not PROJECT/ENVIRONMENT as login names can have it", ctl->word[0]);
        return CTL_USAGE;
    }
    if (!lock_directory(directory, creates))
        return CTL_UNKNOWN;
    snprintf(path, sizeof path, "%s/%s.json", directory, subject);
    (void)cloud_name_plain(&conf.grammar, name.project, name.environment, login);
    lines_script(argv, edit_script, "edit");
    lines_argument(argv, "directory=%s", directory);
    lines_argument(argv, "project=%s", name.project);
    lines_argument(argv, "environment=%s", name.environment);
    lines_argument(argv, "path=%s", path);
    lines_argument(argv, "login=%s", login);
    lines_argument(argv, "uid_min=%u", conf.uid_min);
    lines_argument(argv, "uid_max=%u", conf.uid_max);
    lines_argument(argv, "fingerprint=%s", key.fingerprint);
    lines_argument(argv, "key=%s", key.line);
    status = run_script(ctl, argv);
    if (status == CTL_YES) {
        out_start(&out, ctl->json);
        out_pair(&out, creates ? "created" : "written", path);
        if (!out_end(&out))
            status = CTL_UNKNOWN;
    }
    return status;
}
