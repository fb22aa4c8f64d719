/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nss SOURCE WHAT ACCOUNTS MILLISECONDS|xCALLS: how long a lookup takes in a process that has made
 * some.
 *
 *   SOURCE   MODULE.so.2=NAME: the functions _nss_NAME_getpwnam_r and so on of that file, called
 *            straight; or a line of nsswitch.conf ("files cloud"): getpwnam_r(3) through glibc
 *   WHAT     name, uid: pseudo-random ones of so many ACCOUNTS (accounts.h), which must be found
 *            absent: a name that an account could have; other: names that none could have;
 *            not=NAME: that one. They may not be found.
 *
 * Prints: CALLS MEDIAN P99, in nanoseconds. A call that is too fast to be timed by itself is timed
 * in a batch, and the figures are then of the batches' means. With xCALLS it makes just so many,
 * each timed by itself.
 */
#include "tests/bench/accounts.h"
#include "tests/bench/samples.h"

#include <dlfcn.h>
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PICKED      65536 /* accounts that are asked for in turn: more than any cache of a CPU holds */
#define SAMPLES_MAX 200000
#define BATCH_NS    20000 /* of a batch: the clock itself costs some 30 */
#define BATCH_MAX   1000

typedef enum nss_status by_name(const char *, struct passwd *, char *, size_t, int *);
typedef enum nss_status by_uid(uid_t, struct passwd *, char *, size_t, int *);

static struct {
    by_name *name;
    by_uid *uid;
} module;

enum { NAME, UID, ABSENT, OTHER, WHATS };
static unsigned what;
static const char *not_ours; /* instead of those that pick() knows */
static char picked[PICKED][BENCH_NAME_SIZE];
static uid_t picked_uid[PICKED];
static int64_t samples[SAMPLES_MAX];

static enum nss_status glibc_status(int error, const struct passwd *found)
{
    if (found != NULL)
        return NSS_STATUS_SUCCESS;
    return error == 0 ? NSS_STATUS_NOTFOUND : NSS_STATUS_UNAVAIL;
}

static enum nss_status glibc_name(const char *name, struct passwd *result, char *buffer,
                                  size_t size, int *errnop)
{
    struct passwd *found;

    *errnop = getpwnam_r(name, result, buffer, size, &found);
    return glibc_status(*errnop, found);
}

static enum nss_status glibc_uid(uid_t uid, struct passwd *result, char *buffer, size_t size,
                                 int *errnop)
{
    struct passwd *found;

    *errnop = getpwuid_r(uid, result, buffer, size, &found);
    return glibc_status(*errnop, found);
}

static void *symbol(void *handle, const char *name, const char *function)
{
    char text[128];
    void *found;

    snprintf(text, sizeof text, "_nss_%s_%s", name, function);
    found = dlsym(handle, text);
    if (found == NULL)
        samples_die("%s", dlerror());
    return found;
}

static void open_source(char *source)
{
    char *name = strchr(source, '=');

    if (name == NULL) {
        if (__nss_configure_lookup("passwd", source) != 0)
            samples_die("%s: no line of nsswitch.conf", source);
        module.name = glibc_name;
        module.uid = glibc_uid;
        return;
    }
    *name++ = '\0';
    void *handle = dlopen(source, RTLD_NOW);
    if (handle == NULL)
        samples_die("%s", dlerror());
    module.name = (by_name *)symbol(handle, name, "getpwnam_r");
    module.uid = (by_uid *)symbol(handle, name, "getpwuid_r");
}

static void pick(uint32_t accounts)
{
    static const char others[][BENCH_NAME_SIZE] = {"root2", "www-data2", "x_y", "Administrator"};
    uint64_t state = 1;

    for (size_t i = 0; i < PICKED; i++) {
        uint32_t account = bench_random(&state) % accounts;
        picked_uid[i] = BENCH_UID + account;
        if (what == ABSENT)
            snprintf(picked[i], BENCH_NAME_SIZE, BENCH_ABSENT);
        else if (not_ours != NULL)
            snprintf(picked[i], BENCH_NAME_SIZE, "%s", not_ours);
        else if (what == OTHER)
            memcpy(picked[i], others[i % 4], BENCH_NAME_SIZE);
        else
            bench_name(picked[i], account);
    }
}

static enum nss_status look_up(size_t i)
{
    static char buffer[4096];
    struct passwd result;
    int error = 0;

    if (what == UID)
        return module.uid(picked_uid[i % PICKED], &result, buffer, sizeof buffer, &error);
    return module.name(picked[i % PICKED], &result, buffer, sizeof buffer, &error);
}

/* Nanoseconds of a call, of batch calls from number at on. */
static int64_t measure(size_t at, size_t batch)
{
    enum nss_status wanted = what == NAME || what == UID ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND;
    bool as_wanted = true;
    int64_t begin = samples_now();

    for (size_t i = 0; i < batch; i++)
        as_wanted &= look_up(at + i) == wanted;
    int64_t nanoseconds = samples_now() - begin;
    if (!as_wanted)
        samples_die("call %zu of %zu: not the answer that was to be measured", at, batch);
    return nanoseconds / (int64_t)batch;
}

static size_t batch_size(void)
{
    int64_t call = measure(0, 1);

    for (size_t i = 0; i < 5; i++) {
        int64_t again = measure(i, 1);
        call = again < call ? again : call;
    }
    if (call >= BATCH_NS / 2)
        return 1;
    return call <= BATCH_NS / BATCH_MAX ? BATCH_MAX : (size_t)(BATCH_NS / call);
}

static void take_what(const char *word)
{
    static const char *const words[] = {"name", "uid", "absent", "other"};

    if (strncmp(word, "not=", 4) == 0) {
        not_ours = word + 4;
        word = "other";
    }
    while (what < WHATS && strcmp(word, words[what]) != 0)
        what++;
    if (what == WHATS)
        samples_die("%s: name, uid, absent, other or not=NAME", word);
}

int main(int argc, char **argv)
{
    size_t n = 0, batch = 1, least = 3;
    int64_t end = 0;

    if (argc != 5)
        samples_die("usage: nss SOURCE WHAT ACCOUNTS MILLISECONDS|xCALLS");
    take_what(argv[2]);
    pick((uint32_t)samples_number(argv[3], 1, 10000000));
    open_source(argv[1]);
    if (argv[4][0] == 'x') {
        least = (size_t)samples_number(argv[4] + 1, 1, SAMPLES_MAX);
    } else {
        batch = batch_size();
        end = samples_now() + samples_number(argv[4], 0, 1000000) * 1000000;
    }
    /* getppid(2) is a mark: what strace(1) shows between two of them are the lookups'. */
    syscall(SYS_getppid);
    do {
        samples[n] = measure(n * batch, batch);
        n++;
    } while (n < SAMPLES_MAX && (n < least || samples_now() < end));
    syscall(SYS_getppid);
    samples_sort(samples, n);
    printf("%zu %lld %lld\n", n * batch, (long long)samples_percentile(samples, n, 50),
           (long long)samples_percentile(samples, n, 99));
    return 0;
}
