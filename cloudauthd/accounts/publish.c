/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/publish.h"

#include "base/log.h"
#include "cloudauthd/accounts/mirror.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEW_FILE                                                                                   \
    CLOUD_SNAPSHOT_FILE ".new" /* being written; then the replaced one, until retired */
#define LONG_MS 500            /* a file that takes longer is logged */

/* A published file, as the loop sees it. */
struct published {
    int fd;                         /* to change its state; -1: there is no file */
    struct cloud_snapshot snapshot; /* map NULL: the file is not readable as a snapshot */
};

struct publish {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer timer; /* starts the next build */
    int64_t clock_ahead;     /* of the time since boot, in seconds, when last looked at */
    int directory;
    uint64_t origin; /* of the next file */
    struct published published;
    bool replaced;                 /* its successor already has its name */
    struct mirror_changes changes; /* not yet given to the worker */
    bool building, failed;
    bool lost;                   /* a change was lost for lack of memory: no file is live again */
    int64_t not_before;          /* cloud_clock_ms() of the earliest next build */
    struct publish_view counted; /* its counters alone */
    struct mirror mirror;        /* the worker's while building */
};

/* The build of one file. */
struct build {
    struct work work;
    struct publish *publish;
    struct mirror_changes changes; /* applied before */
    uint64_t origin;
    struct published file; /* the result: it has its name, but is still retired */
    size_t accounts;
    int64_t took; /* milliseconds */
};

/* ---- The published file ---- */

/*
 * Writes the state word of a file. With pwrite(2) and not through the map: a store into the map
 * raises SIGBUS if the file system has no block for it (copy on write, a quota). The bytes of the
 * two states all differ, so a state that is half written is not live. False with errno.
 */
static bool set_state(const struct published *published, uint32_t state)
{
    ssize_t n = pwrite(published->fd, &state, sizeof state,
                       (off_t)offsetof(struct cloud_snapshot_header, state));

    if (n >= 0 && n != sizeof state)
        errno = EIO;
    return n == sizeof state;
}

static void close_published(struct published *published)
{
    if (published->fd >= 0)
        close(published->fd);
    if (published->snapshot.map != NULL)
        cloud_snapshot_unmap(&published->snapshot);
    *published = (struct published){.fd = -1};
}

/*
 * Retires the published file. If that fails it is unlinked, so that no process begins to use it;
 * processes that have it mapped go on using each record while it is fresh, and then only while the
 * daemon does not answer.
 */
static void withdraw(struct publish *publish)
{
    if (publish->published.fd < 0 || set_state(&publish->published, CLOUD_SNAPSHOT_RETIRED))
        return;
    log_error("%s cannot be retired: %s; processes that have it mapped may use it while it is "
              "fresh",
              CLOUD_SNAPSHOT_FILE, strerror(errno));
    if (!publish->replaced && unlinkat(publish->directory, CLOUD_SNAPSHOT_FILE, 0) != 0 &&
        errno != ENOENT)
        log_error("%s cannot be removed: %s", CLOUD_SNAPSHOT_FILE, strerror(errno));
}

/* Maps the file. On success the descriptor belongs to *out. */
static bool map_file(int fd, struct published *out)
{
    struct stat st;
    void *map;

    if (fstat(fd, &st) != 0)
        return false;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    if (cloud_snapshot_open(map, (size_t)st.st_size, &out->snapshot)) {
        out->fd = fd;
        return true;
    }
    munmap(map, (size_t)st.st_size);
    errno = EIO;
    return false;
}

static uint64_t hash_origin(const char *text)
{
    return cloud_snapshot_checksum(0, text, strlen(text));
}

/* Takes over the file of an earlier process; retires it if it is damaged or of another origin. */
static void adopt_file(struct publish *publish)
{
    int fd = openat(publish->directory, CLOUD_SNAPSHOT_FILE,
                    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        if (errno != ENOENT)
            log_error("%s of an earlier process can be neither used nor retired: %s",
                      CLOUD_SNAPSHOT_FILE, strerror(errno));
        return;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (size_t)st.st_size < sizeof(struct cloud_snapshot_header)) {
        close(fd);
        return;
    }
    if (!map_file(fd, &publish->published))
        publish->published.fd = fd;
    if (publish->published.snapshot.map == NULL ||
        publish->published.snapshot.header.origin != publish->origin) {
        withdraw(publish);
        close_published(&publish->published);
    }
}

/*
 * Retires the file of that name, which this process does not have open: processes may still have it
 * mapped. True if there is none, false with errno.
 */
static bool retire_named(int directory, const char *name)
{
    struct published file = {
        .fd = openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    bool ok;
    int saved;

    if (file.fd < 0)
        return errno == ENOENT;
    ok = set_state(&file, CLOUD_SNAPSHOT_RETIRED);
    saved = errno;
    close_published(&file);
    errno = saved;
    return ok;
}

/* Retires and removes the file that an earlier process was writing or replacing when it was
 * killed. */
static void remove_new_file(const struct publish *publish)
{
    if (!retire_named(publish->directory, NEW_FILE))
        log_error("%s cannot be retired: %s", NEW_FILE, strerror(errno));
    unlinkat(publish->directory, NEW_FILE, 0);
}

/* ---- In the worker ---- */

/*
 * Exchanges the names of the new and the published file. So the published file still has a name
 * until it is retired, and the next process finds it if this one is killed in between. If the file
 * system cannot exchange names (EINVAL), the published file is retired first. False with errno.
 */
static bool exchange_names(int directory)
{
    if (renameat2(directory, NEW_FILE, directory, CLOUD_SNAPSHOT_FILE, RENAME_EXCHANGE) == 0)
        return true;
    if (errno != ENOENT && errno != EINVAL)
        return false;
    return retire_named(directory, CLOUD_SNAPSHOT_FILE) &&
           renameat(directory, NEW_FILE, directory, CLOUD_SNAPSHOT_FILE) == 0;
}

/* Writes the records to a new file, syncs it, and gives it its name. False with errno. */
static bool write_file(struct build *build, struct cloud_snapshot_record *const *records,
                       int64_t now)
{
    struct snapshot_file file = {
        .created = now, .origin = build->origin, .state = CLOUD_SNAPSHOT_RETIRED};
    int directory = build->publish->directory, fd;
    bool ok = getrandom(&file.seed, sizeof file.seed, 0) == (ssize_t)sizeof file.seed;

    unlinkat(directory, NEW_FILE, 0);
    fd = openat(directory, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    ok = ok && snapshot_write(fd, &file, records, build->accounts) && fsync(fd) == 0 &&
         map_file(fd, &build->file) && exchange_names(directory);
    if (!ok) {
        int saved = errno;
        if (build->file.fd < 0)
            close(fd);
        unlinkat(directory, NEW_FILE, 0);
        errno = saved;
    }
    return ok;
}

static void run_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct cloud_snapshot_record **records;
    int64_t start = cloud_clock_ms(), now = (int64_t)time(NULL);

    mirror_apply(&build->publish->mirror, &build->changes);
    records = mirror_list(&build->publish->mirror, &build->accounts);
    errno = ENOMEM;
    if (records == NULL || !write_file(build, records, now))
        work->failed = errno == 0 ? EIO : errno;
    free(records);
    build->took = cloud_clock_ms() - start;
}

/* ---- What makes the published file wrong ---- */

static bool find_record(const struct published *file, const struct cloud_snapshot_record *record,
                        struct cloud_snapshot_account *out)
{
    return file->snapshot.map != NULL && cloud_snapshot_by_name(&file->snapshot, record->strings,
                                                                snapshot_environment(record), out);
}

static bool has_record(const struct published *file, const struct cloud_snapshot_record *record)
{
    struct cloud_snapshot_account account;

    return find_record(file, record, &account);
}

/* Whether the file's record of the environment differs from the new one, apart from times. */
static bool has_other_record(const struct published *file,
                             const struct cloud_snapshot_record *record)
{
    const size_t from = offsetof(struct cloud_snapshot_record, uid);
    struct cloud_snapshot_account account;

    return find_record(file, record, &account) &&
           (account.flags != record->flags || account.record.size != record->size ||
            memcmp(account.bytes + from, (const char *)record + from, record->size - from) != 0);
}

/* Whether the file is wrong after the change. */
static bool contradicts(const struct mirror_change *change, const struct published *file)
{
    if (change->record == NULL)
        return change->withdraws;
    return (change->withdraws && has_record(file, change->record)) ||
           (change->may_differ && has_other_record(file, change->record));
}

/* Whether a new file is still right after the changes that came while it was written. */
static bool is_right(const struct publish *publish, const struct published *file)
{
    const struct mirror_change *change;

    STAILQ_FOREACH(change, &publish->changes, next)
        if (contradicts(change, file))
            return false;
    return !publish->lost;
}

/* ---- In the loop ---- */

/* Sets the time at which a file is written, unless an earlier time is set. */
static void set_timer(struct publish *publish, int64_t milliseconds)
{
    int64_t now = cloud_clock_ms(), at = now + milliseconds;

    if (publish->building)
        return;
    if (at < publish->not_before)
        at = publish->not_before;
    if (!publish->timer.set || at < publish->timer.at)
        loop_timer_set(publish->loop, &publish->timer, at - now);
}

static void lose_change(struct publish *publish)
{
    publish->lost = true;
    withdraw(publish);
    log_error("no memory for a change of %s: it is not used until the next start",
              CLOUD_SNAPSHOT_FILE);
}

/* Queues a copy of the change, and owns its record, for a file that is written within that time. */
static void add_change(struct publish *publish, const struct mirror_change *from,
                       int64_t milliseconds)
{
    struct mirror_change *change = malloc(sizeof *change);

    if (change == NULL) {
        free(from->record);
        lose_change(publish);
        return;
    }
    *change = *from;
    STAILQ_INSERT_TAIL(&publish->changes, change, next);
    set_timer(publish, milliseconds);
}

/*
 * Makes a new file live, which has its name already, and retires the one before. This runs in the
 * loop, so that no change that would make the file wrong can come in between. False with errno: the
 * file stays retired.
 */
static bool make_live(struct publish *publish, const struct published *file)
{
    bool ok = !is_right(publish, file) || set_state(file, CLOUD_SNAPSHOT_LIVE);
    int saved = errno;

    publish->replaced = true;
    withdraw(publish);
    unlinkat(publish->directory, NEW_FILE, 0);
    publish->replaced = false;
    close_published(&publish->published);
    publish->published = *file;
    errno = saved;
    return ok;
}

static void count_build(struct publish *publish, const struct build *build)
{
    publish->counted.builds++;
    publish->counted.builds_failed += build->work.failed != 0;
    publish->counted.build_ms += (uint64_t)build->took;
    publish->counted.last_build_ms = (uint64_t)build->took;
}

static void finish_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *publish = build->publish;
    int64_t pause = build->took * PUBLISH_SHARE;

    publish->building = false;
    if (work->failed == 0) {
        if (build->took >= LONG_MS)
            log_info("%s: %zu accounts, %zu bytes, made in %lld ms", CLOUD_SNAPSHOT_FILE,
                     build->accounts, build->file.snapshot.size, (long long)build->took);
        if (!make_live(publish, &build->file))
            work->failed = errno;
    } else {
        close_published(&build->file);
    }
    if (work->failed != 0) {
        pause = pause > PUBLISH_RETRY_MS ? pause : PUBLISH_RETRY_MS;
        if (!publish->failed)
            log_error("%s cannot be written: %s; lookups ask the daemon instead",
                      CLOUD_SNAPSHOT_FILE, strerror(work->failed));
    }
    publish->failed = work->failed != 0;
    count_build(publish, build);
    publish->not_before = cloud_clock_ms() + pause;
    if (!STAILQ_EMPTY(&publish->changes) || publish->failed)
        set_timer(publish, PUBLISH_GATHER_MS);
    free(build);
}

static void start_build(void *arg)
{
    struct publish *publish = arg;
    struct build *build = publish->building ? NULL : calloc(1, sizeof *build);

    publish_follow_clock(publish);
    if (build == NULL)
        return; /* the timer is set again when the running build ends, or by the next change */
    build->work = (struct work){.run = run_build, .finish = finish_build};
    build->publish = publish;
    build->file = (struct published){.fd = -1};
    build->origin = publish->origin;
    STAILQ_INIT(&build->changes);
    STAILQ_CONCAT(&build->changes, &publish->changes);
    publish->building = true;
    worker_add(publish->worker, &build->work);
}

/* ---- The wall clock ---- */

static int64_t clock_ahead(void)
{
    return (int64_t)time(NULL) - cloud_clock_ms() / 1000;
}

void publish_follow_clock(struct publish *publish)
{
    int64_t ahead = clock_ahead();
    const struct mirror_change change = {
        .what = MIRROR_AGE, .withdraws = true, .seconds = publish->clock_ahead - ahead};

    if (change.seconds >= 0 && change.seconds <= CLOUD_SNAPSHOT_SLACK)
        return;
    publish->clock_ahead = ahead;
    if (change.seconds < 0)
        return;
    withdraw(publish);
    add_change(publish, &change, PUBLISH_GATHER_MS);
}

/* ---- The interface ---- */

void publish_put(struct publish *publish, const struct snapshot_account *account,
                 enum publish_change what)
{
    const struct mirror_change change = {.what = MIRROR_PUT,
                                         .withdraws = what == PUBLISH_CHANGED,
                                         .may_differ = what == PUBLISH_NEW,
                                         .record = snapshot_encode(account)};

    publish_follow_clock(publish);
    if (change.record == NULL) {
        publish_remove(publish, account->project, account->environment);
        return;
    }
    if (contradicts(&change, &publish->published))
        withdraw(publish);
    add_change(publish, &change, what == PUBLISH_RENEWED ? PUBLISH_RENEW_MS : PUBLISH_GATHER_MS);
}

/*
 * Any local user can ask for names that turn out to be absent. An absent name withdraws nothing and
 * causes no build, unless it is in the published file or may be in the mirror. The mirror is ahead
 * of the file while changes wait, during a build, and after a build that failed.
 */
void publish_remove(struct publish *publish, const char *project, const char *environment)
{
    const struct snapshot_account names = {
        .project = project, .environment = environment, .gecos = "", .home = "", .shell = ""};
    const struct mirror_change change = {
        .what = MIRROR_REMOVE, .withdraws = true, .record = snapshot_encode(&names)};
    bool published;

    if (change.record == NULL) {
        lose_change(publish);
        return;
    }
    published = has_record(&publish->published, change.record);
    if (published)
        withdraw(publish);
    if (published || publish->building || publish->failed || !STAILQ_EMPTY(&publish->changes))
        add_change(publish, &change, PUBLISH_GATHER_MS);
    else
        free(change.record);
}

void publish_clear(struct publish *publish, const char *origin)
{
    const struct mirror_change change = {.what = MIRROR_CLEAR, .withdraws = true};

    publish->origin = hash_origin(origin);
    withdraw(publish);
    add_change(publish, &change, PUBLISH_GATHER_MS);
}

bool publish_by_id(const struct publish *publish, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out)
{
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;

    return snapshot->map != NULL && (gid ? cloud_snapshot_by_gid(snapshot, id, out)
                                         : cloud_snapshot_by_uid(snapshot, id, out));
}

void publish_look(const struct publish *publish, struct publish_view *out)
{
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;

    *out = publish->counted;
    out->failed = publish->failed;
    out->behind = publish->building || publish->timer.set;
    out->pending = worker_pending(publish->worker);
    if (snapshot->map == NULL)
        return;
    out->there = true;
    out->live = !cloud_snapshot_retired(snapshot);
    out->accounts = snapshot->header.accounts;
    out->bytes = snapshot->size;
    out->created = snapshot->header.created;
}

struct publish *publish_new(struct loop *loop, const char *directory, const char *origin)
{
    struct publish *publish = calloc(1, sizeof *publish);

    if (publish == NULL)
        return NULL;
    publish->loop = loop;
    publish->published = (struct published){.fd = -1};
    publish->timer = (struct loop_timer){.due = start_build, .arg = publish};
    STAILQ_INIT(&publish->changes);
    publish->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (publish->directory < 0)
        log_error("%s: %s", directory, strerror(errno));
    if (publish->directory >= 0 && mirror_start(&publish->mirror)) {
        publish->worker = worker_new(loop);
        if (publish->worker != NULL) {
            publish->origin = hash_origin(origin);
            publish->clock_ahead = clock_ahead();
            remove_new_file(publish);
            adopt_file(publish);
            set_timer(publish, PUBLISH_GATHER_MS);
            return publish;
        }
        mirror_end(&publish->mirror);
    }
    if (publish->directory >= 0)
        close(publish->directory);
    free(publish);
    return NULL;
}

void publish_free(struct publish *publish)
{
    if (publish == NULL)
        return;
    worker_free(publish->worker);
    loop_timer_clear(publish->loop, &publish->timer);
    mirror_end(&publish->mirror);
    mirror_discard(&publish->changes);
    close_published(&publish->published);
    close(publish->directory);
    free(publish);
}
