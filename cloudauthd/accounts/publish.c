/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/publish.h"

#include "base/log.h"
#include "base/table.h"
#include "base/worker.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NEW_FILE CLOUD_SNAPSHOT_FILE ".new"
#define OLD_FILE CLOUD_SNAPSHOT_FILE ".old" /* what is being replaced, until it is retired */
#define LONG_MS  500 /* a file that takes longer is worth a line in the log */

/* A change on its way to the mirror. */
struct delta {
    struct delta *next;
    enum { PUT, REMOVE, CLEAR, PUT_BACK } what;
    bool takes_back; /* what was published of it may not be believed any more */
    bool may_differ; /* PUT: from what was published, which is then not to be believed */
    struct cloud_snapshot_record *record; /* PUT, and REMOVE: whose */
    int64_t seconds;                      /* PUT_BACK: by how many the clock was */
};

/* One account in the mirror. */
struct mirrored {
    struct table_node node;
    struct cloud_snapshot_record *record;
};

/* A published file, as the loop sees it. */
struct published {
    int fd;                         /* to change its one word by; -1: there is none */
    struct cloud_snapshot snapshot; /* map NULL: nothing is known of it */
};

struct publish {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer timer;
    struct loop_watch clock; /* a timerfd that tells when the wall clock is set */
    int64_t clock_ahead;     /* of the time since boot, in seconds, as far as it was seen */
    int folder;
    uint64_t origin; /* of the next file */
    /* The loop's: */
    struct published published;
    bool replaced; /* what stands in its place is its successor */
    struct delta *first, **last;
    bool building, failed;
    bool lost;                   /* a change, for lack of memory: nothing is published any more */
    int64_t not_before;          /* cloud_clock_ms(): the next file is not made earlier */
    struct publish_view counted; /* its counters alone */
    /* The worker's: */
    struct table mirror;
};

/* The making of one file. */
struct build {
    struct work work;
    struct publish *accounts;
    struct delta *deltas;
    uint64_t origin;
    struct published file; /* the new one: in its place, but retired */
    size_t n;
    int64_t took; /* milliseconds */
};

/* ---- The published file's one word ---- */

/*
 * By a write and not through a map: where a file system has no block for it (one that copies on
 * write, or has a quota), a store into a map is SIGBUS. No two bytes of the two words are alike, so
 * that a reader between two of them sees a file that is not live. False with errno.
 */
static bool set_state(const struct published *published, uint32_t state)
{
    ssize_t n = pwrite(published->fd, &state, sizeof state,
                       (off_t)offsetof(struct cloud_snapshot_header, state));

    if (n >= 0 && n != sizeof state)
        errno = EIO;
    return n == sizeof state;
}

static void end_published(struct published *published)
{
    if (published->fd >= 0)
        close(published->fd);
    if (published->snapshot.map != NULL)
        cloud_snapshot_unmap(&published->snapshot);
    *published = (struct published){.fd = -1};
}

/*
 * A file that cannot be retired is taken out of its place, so that no process begins to use it;
 * those that have it mapped use each record until it is no longer fresh.
 */
static void take_back(struct publish *accounts)
{
    if (accounts->published.fd < 0 || set_state(&accounts->published, CLOUD_SNAPSHOT_RETIRED))
        return;
    log_error("%s cannot be taken back: %s; processes that have it mapped may use it while it is "
              "fresh",
              CLOUD_SNAPSHOT_FILE, strerror(errno));
    if (!accounts->replaced && unlinkat(accounts->folder, CLOUD_SNAPSHOT_FILE, 0) != 0 &&
        errno != ENOENT)
        log_error("%s cannot be removed: %s", CLOUD_SNAPSHOT_FILE, strerror(errno));
}

/* All of it, to look up what it says. The descriptor is then its own. */
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

static uint64_t origin_of(const char *text)
{
    return cloud_snapshot_checksum(0, text, strlen(text));
}

/* What an earlier process of ours left serves on if it is whole and of the same origin. */
static void take_left(struct publish *accounts)
{
    int fd =
        openat(accounts->folder, CLOUD_SNAPSHOT_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        if (errno != ENOENT)
            log_error("%s of an earlier process can be neither used nor taken back: %s",
                      CLOUD_SNAPSHOT_FILE, strerror(errno));
        return;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (size_t)st.st_size < sizeof(struct cloud_snapshot_header)) {
        close(fd);
        return;
    }
    if (!map_file(fd, &accounts->published))
        accounts->published.fd = fd;
    if (accounts->published.snapshot.map == NULL ||
        accounts->published.snapshot.header.origin != accounts->origin) {
        take_back(accounts);
        end_published(&accounts->published);
    }
}

/* Killed while it replaced a file: that has lost its name, but there are processes that have it. */
static void take_back_replaced(struct publish *accounts)
{
    struct published old = {
        .fd = openat(accounts->folder, OLD_FILE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};

    if (old.fd < 0)
        return;
    if (!set_state(&old, CLOUD_SNAPSHOT_RETIRED))
        log_error("%s cannot be taken back: %s", OLD_FILE, strerror(errno));
    end_published(&old);
    unlinkat(accounts->folder, OLD_FILE, 0);
}

/* ---- The worker's side ---- */

static const char *environment_of(const struct cloud_snapshot_record *record)
{
    return record->strings + strlen(record->strings) + 1;
}

static bool is_same_place(const struct table_node *node, const void *key)
{
    const struct cloud_snapshot_record *one = TABLE_OWNER(node, struct mirrored, node)->record;
    const struct cloud_snapshot_record *other = key;

    return strcmp(one->strings, other->strings) == 0 &&
           strcmp(environment_of(one), environment_of(other)) == 0;
}

static uint64_t place_hash(const struct table *mirror, const struct cloud_snapshot_record *record)
{
    const char *environment = environment_of(record);

    return table_hash(mirror, record->strings,
                      (size_t)(environment - record->strings) + strlen(environment));
}

static struct mirrored *find_mirrored(struct publish *accounts,
                                      const struct cloud_snapshot_record *record)
{
    struct table_node *node =
        table_find(&accounts->mirror, place_hash(&accounts->mirror, record), is_same_place, record);

    return node == NULL ? NULL : TABLE_OWNER(node, struct mirrored, node);
}

static void forget(struct publish *accounts, struct mirrored *mirrored)
{
    table_remove(&accounts->mirror, &mirrored->node);
    free(mirrored->record);
    free(mirrored);
}

/* Takes the record, which is then the mirror's or freed. */
static void mirror_put(struct publish *accounts, struct cloud_snapshot_record *record)
{
    struct mirrored *mirrored = find_mirrored(accounts, record);

    if (mirrored != NULL) {
        free(mirrored->record);
        mirrored->record = record;
        return;
    }
    mirrored = calloc(1, sizeof *mirrored);
    if (mirrored == NULL) {
        free(record); /* then lookups of it go on asking */
        return;
    }
    mirrored->record = record;
    table_insert(&accounts->mirror, &mirrored->node, place_hash(&accounts->mirror, record));
}

/* Calls each for all that is mirrored; it may forget what it is given. */
static void each_mirrored(struct publish *accounts,
                          void (*each)(struct publish *, struct mirrored *, void *), void *arg)
{
    for (size_t i = 0; i < accounts->mirror.buckets; i++)
        for (struct table_node *node = accounts->mirror.bucket[i], *next; node != NULL;
             node = next) {
            next = node->next;
            each(accounts, TABLE_OWNER(node, struct mirrored, node), arg);
        }
}

static void forget_each(struct publish *accounts, struct mirrored *mirrored, void *arg)
{
    (void)arg;
    forget(accounts, mirrored);
}

/* The times of a record are of the clock as it was. */
static void age_each(struct publish *accounts, struct mirrored *mirrored, void *arg)
{
    const struct delta *delta = arg;

    (void)accounts;
    mirrored->record->fresh -= delta->seconds;
    mirrored->record->expires -= delta->seconds;
}

static void apply(struct publish *accounts, struct delta *delta)
{
    struct mirrored *mirrored;

    switch (delta->what) {
    case PUT:
        mirror_put(accounts, delta->record);
        break;
    case REMOVE:
        mirrored = find_mirrored(accounts, delta->record);
        if (mirrored != NULL)
            forget(accounts, mirrored);
        free(delta->record);
        break;
    case CLEAR:
        each_mirrored(accounts, forget_each, NULL);
        break;
    case PUT_BACK:
        each_mirrored(accounts, age_each, delta);
        break;
    }
    free(delta);
}

struct gathering {
    struct cloud_snapshot_record **records;
    size_t n;
    int64_t now;
};

static void gather(struct publish *accounts, struct mirrored *mirrored, void *arg)
{
    struct gathering *gathering = arg;

    if (mirrored->record->expires <= gathering->now)
        forget(accounts, mirrored);
    else
        gathering->records[gathering->n++] = mirrored->record;
}

static bool gather_all(struct publish *accounts, struct gathering *gathering)
{
    gathering->records = calloc(accounts->mirror.used + 1, sizeof(void *));
    if (gathering->records != NULL)
        each_mirrored(accounts, gather, gathering);
    return gathering->records != NULL;
}

/* Writes the file aside, syncs it, and renames it over the old one. False with errno. */
static bool write_file(struct build *build, const struct gathering *gathering)
{
    struct snapshot_file file = {
        .created = gathering->now, .origin = build->origin, .state = CLOUD_SNAPSHOT_RETIRED};
    int folder = build->accounts->folder, fd;
    bool ok = getrandom(&file.seed, sizeof file.seed, 0) == (ssize_t)sizeof file.seed;

    unlinkat(folder, NEW_FILE, 0);
    fd = openat(folder, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    ok = ok && snapshot_write(fd, &file, gathering->records, gathering->n) && fsync(fd) == 0;
    /* The old one keeps a name until it is retired. Where it cannot (some file systems know no
     * second name), a daemon that is killed in between leaves it to those who have it mapped. */
    unlinkat(folder, OLD_FILE, 0);
    if (ok)
        (void)!linkat(folder, CLOUD_SNAPSHOT_FILE, folder, OLD_FILE, 0);
    ok = ok && map_file(fd, &build->file) &&
         renameat(folder, NEW_FILE, folder, CLOUD_SNAPSHOT_FILE) == 0;
    if (!ok) {
        int saved = errno;
        if (build->file.fd < 0)
            close(fd);
        unlinkat(folder, NEW_FILE, 0);
        unlinkat(folder, OLD_FILE, 0);
        errno = saved;
    }
    return ok;
}

/* In the worker. */
static void run_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *accounts = build->accounts;
    struct gathering gathering = {.now = (int64_t)time(NULL)};
    int64_t start = cloud_clock_ms();

    while (build->deltas != NULL) {
        struct delta *delta = build->deltas;
        build->deltas = delta->next;
        apply(accounts, delta);
    }
    errno = ENOMEM;
    if (!gather_all(accounts, &gathering) || !write_file(build, &gathering))
        work->failed = errno == 0 ? EIO : errno;
    free(gathering.records);
    build->n = gathering.n;
    build->took = cloud_clock_ms() - start;
}

/* ---- The loop's side ---- */

static void set_timer(struct publish *accounts, int64_t milliseconds);
static void follow_clock(struct publish *accounts);

static bool is_in(const struct published *file, const struct cloud_snapshot_record *record)
{
    struct cloud_snapshot_account account;

    return file->snapshot.map != NULL && cloud_snapshot_by_name(&file->snapshot, record->strings,
                                                                environment_of(record), &account);
}

/* Whether the file says another thing of the account, but for times. */
static bool differs(const struct published *file, const struct cloud_snapshot_record *record)
{
    const size_t from = offsetof(struct cloud_snapshot_record, uid);
    struct cloud_snapshot_account account;

    return file->snapshot.map != NULL &&
           cloud_snapshot_by_name(&file->snapshot, record->strings, environment_of(record),
                                  &account) &&
           (account.flags != record->flags || account.record.size != record->size ||
            memcmp(account.bytes + from, (const char *)record + from, record->size - from) != 0);
}

/* Whether the change makes wrong what the file says. */
static bool is_against(const struct published *file, const struct delta *delta)
{
    if (delta->record == NULL)
        return delta->takes_back;
    return (delta->takes_back && is_in(file, delta->record)) ||
           (delta->may_differ && differs(file, delta->record));
}

/* Whether nothing of a new file was taken back while it was made. */
static bool holds(const struct publish *accounts, const struct published *file)
{
    for (const struct delta *delta = accounts->first; delta != NULL; delta = delta->next)
        if (is_against(file, delta))
            return false;
    return !accounts->lost;
}

/* The new file is in its place, but retired: it is believed from here on, where nothing can be
 * taken back in between. False with errno: it stays retired. */
static bool publish(struct publish *accounts, const struct published *file)
{
    bool ok = !holds(accounts, file) || set_state(file, CLOUD_SNAPSHOT_LIVE);
    int saved = errno;

    accounts->replaced = true;
    take_back(accounts);
    unlinkat(accounts->folder, OLD_FILE, 0);
    accounts->replaced = false;
    end_published(&accounts->published);
    accounts->published = *file;
    errno = saved;
    return ok;
}

static void finish_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *accounts = build->accounts;
    int64_t pause = build->took * PUBLISH_SHARE;

    accounts->building = false;
    if (work->failed == 0) {
        if (build->took >= LONG_MS)
            log_info("%s: %zu accounts, %zu bytes, made in %lld ms", CLOUD_SNAPSHOT_FILE, build->n,
                     build->file.snapshot.size, (long long)build->took);
        if (!publish(accounts, &build->file))
            work->failed = errno;
    } else {
        end_published(&build->file);
    }
    if (work->failed != 0) {
        pause = pause > PUBLISH_RETRY_MS ? pause : PUBLISH_RETRY_MS;
        if (!accounts->failed)
            log_error("%s cannot be written: %s; lookups ask the daemon instead",
                      CLOUD_SNAPSHOT_FILE, strerror(work->failed));
    }
    accounts->failed = work->failed != 0;
    accounts->counted.builds++;
    accounts->counted.builds_failed += accounts->failed;
    accounts->counted.build_ms += (uint64_t)build->took;
    accounts->counted.last_build_ms = (uint64_t)build->took;
    accounts->not_before = cloud_clock_ms() + pause;
    if (accounts->first != NULL || accounts->failed)
        set_timer(accounts, PUBLISH_GATHER_MS);
    free(build);
}

static void on_due(void *arg)
{
    struct publish *accounts = arg;
    struct build *build = accounts->building ? NULL : calloc(1, sizeof *build);

    follow_clock(accounts);
    if (build == NULL)
        return; /* the end of the one that runs sets the timer again, or the next change does */
    build->work = (struct work){.run = run_build, .finish = finish_build};
    build->accounts = accounts;
    build->file = (struct published){.fd = -1};
    build->deltas = accounts->first;
    build->origin = accounts->origin;
    accounts->first = NULL;
    accounts->last = &accounts->first;
    accounts->building = true;
    worker_add(accounts->worker, &build->work);
}

/* An earlier time that is set stays. */
static void set_timer(struct publish *accounts, int64_t milliseconds)
{
    int64_t now = cloud_clock_ms(), at = now + milliseconds;

    if (accounts->building)
        return;
    if (at < accounts->not_before)
        at = accounts->not_before;
    if (!accounts->timer.set || at < accounts->timer.at)
        loop_timer_set(accounts->loop, &accounts->timer, at - now);
}

/* There is no memory for a change. */
static void lose(struct publish *accounts)
{
    accounts->lost = true;
    take_back(accounts);
    log_error("no memory for a change of %s: it is not used any more", CLOUD_SNAPSHOT_FILE);
}

/* The delta's record is taken. wait: at most so long until a file is made. */
static void add_delta(struct publish *accounts, const struct delta *what, int64_t wait)
{
    struct delta *delta = malloc(sizeof *delta);

    if (delta == NULL) {
        free(what->record);
        lose(accounts);
        return;
    }
    *delta = *what;
    *accounts->last = delta;
    accounts->last = &delta->next;
    set_timer(accounts, wait);
}

/* ---- The wall clock ---- */

static int64_t clock_ahead(void)
{
    return (int64_t)time(NULL) - cloud_clock_ms() / 1000;
}

/*
 * Records say until when they hold by the wall clock. Where that is put back they would hold for
 * longer, or hold again: what is published is taken back, and what is mirrored made older by as
 * much. What is put from now on is of the clock as it is now.
 */
static void follow_clock(struct publish *accounts)
{
    int64_t ahead = clock_ahead();
    const struct delta delta = {
        .what = PUT_BACK, .takes_back = true, .seconds = accounts->clock_ahead - ahead};

    if (delta.seconds >= 0 && delta.seconds <= CLOUD_SNAPSHOT_SLACK)
        return;
    accounts->clock_ahead = ahead;
    if (delta.seconds < 0)
        return;
    take_back(accounts);
    add_delta(accounts, &delta, PUBLISH_GATHER_MS);
}

/* Has the descriptor tell of the next time that the clock is set. */
static bool await_clock(int fd)
{
    /* Far from now, not a date: one that has gone by would be due each time that it is set. */
    const struct itimerspec far = {.it_value.tv_sec = time(NULL) + INT32_MAX};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0;
}

static void on_clock_set(void *arg, uint32_t events)
{
    struct publish *accounts = arg;
    uint64_t times;

    (void)events;
    (void)!read(accounts->clock.fd, &times, sizeof times); /* ECANCELED: that is the news */
    (void)await_clock(accounts->clock.fd);
    follow_clock(accounts);
}

/* Without such a descriptor the clock is looked at whenever something changes. */
static void watch_clock(struct publish *accounts)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    accounts->clock_ahead = clock_ahead();
    accounts->clock = (struct loop_watch){fd, on_clock_set, accounts};
    if (fd >= 0 && await_clock(fd) && loop_add(accounts->loop, &accounts->clock, EPOLLIN))
        return;
    log_warning("the wall clock cannot be watched: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    accounts->clock.fd = -1;
}

/* ---- What the daemon tells ---- */

void publish_put(struct publish *accounts, const struct snapshot_account *account,
                 enum publish_change change)
{
    struct delta delta = {.what = PUT,
                          .takes_back = change == PUBLISH_CHANGED,
                          .may_differ = change == PUBLISH_NEW,
                          .record = snapshot_encode(account)};

    follow_clock(accounts);
    if (delta.record == NULL) {
        publish_remove(accounts, account->project, account->environment);
        return;
    }
    if (is_against(&accounts->published, &delta))
        take_back(accounts);
    add_delta(accounts, &delta, change == PUBLISH_RENEWED ? PUBLISH_RENEW_MS : PUBLISH_GATHER_MS);
}

/* Anybody may ask for names that turn out to be absent: that takes nothing back and makes no file,
 * unless they are in one, or would be in the next: the mirror knows more than the published file
 * while one is made, while changes wait, and where the last one could not be written. */
void publish_remove(struct publish *accounts, const char *project, const char *environment)
{
    const struct snapshot_account key = {
        .project = project, .environment = environment, .gecos = "", .home = "", .shell = ""};
    struct delta delta = {.what = REMOVE, .takes_back = true, .record = snapshot_encode(&key)};
    bool published;

    if (delta.record == NULL) {
        lose(accounts);
        return;
    }
    published = is_in(&accounts->published, delta.record);
    if (published)
        take_back(accounts);
    if (published || accounts->building || accounts->failed || accounts->first != NULL)
        add_delta(accounts, &delta, PUBLISH_GATHER_MS);
    else
        free(delta.record);
}

void publish_clear(struct publish *accounts, const char *origin)
{
    const struct delta delta = {.what = CLEAR, .takes_back = true};

    accounts->origin = origin_of(origin);
    take_back(accounts);
    add_delta(accounts, &delta, PUBLISH_GATHER_MS);
}

bool publish_by_id(const struct publish *accounts, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out)
{
    if (accounts->published.snapshot.map == NULL)
        return false;
    return (gid ? cloud_snapshot_by_gid : cloud_snapshot_by_uid)(&accounts->published.snapshot, id,
                                                                 out);
}

struct worker *publish_worker(const struct publish *accounts)
{
    return accounts->worker;
}

void publish_look(const struct publish *accounts, struct publish_view *out)
{
    const struct published *published = &accounts->published;

    *out = accounts->counted;
    out->failed = accounts->failed;
    out->pending = worker_pending(accounts->worker);
    if (published->snapshot.map == NULL)
        return;
    out->there = true;
    out->live = !cloud_snapshot_retired(&published->snapshot);
    out->accounts = published->snapshot.header.accounts;
    out->bytes = published->snapshot.size;
    out->created = published->snapshot.header.created;
}

struct publish *publish_new(struct loop *loop, const char *folder, const char *origin)
{
    struct publish *accounts = calloc(1, sizeof *accounts);

    if (accounts == NULL)
        return NULL;
    accounts->loop = loop;
    accounts->published = (struct published){.fd = -1};
    accounts->last = &accounts->first;
    accounts->timer = (struct loop_timer){.due = on_due, .arg = accounts};
    accounts->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (accounts->folder < 0)
        log_error("%s: %s", folder, strerror(errno));
    if (accounts->folder >= 0 && table_start(&accounts->mirror)) {
        accounts->worker = worker_new(loop);
        if (accounts->worker != NULL) {
            accounts->origin = origin_of(origin);
            watch_clock(accounts);
            take_back_replaced(accounts);
            take_left(accounts);
            set_timer(accounts, PUBLISH_GATHER_MS);
            return accounts;
        }
        table_end(&accounts->mirror);
    }
    if (accounts->folder >= 0)
        close(accounts->folder);
    free(accounts);
    return NULL;
}

static void drop_deltas(struct delta *delta)
{
    while (delta != NULL) {
        struct delta *next = delta->next;
        free(delta->record);
        free(delta);
        delta = next;
    }
}

void publish_free(struct publish *accounts)
{
    if (accounts == NULL)
        return;
    worker_free(accounts->worker);
    if (accounts->clock.fd >= 0) {
        loop_remove(accounts->loop, &accounts->clock);
        close(accounts->clock.fd);
    }
    loop_timer_clear(accounts->loop, &accounts->timer);
    each_mirrored(accounts, forget_each, NULL);
    table_end(&accounts->mirror);
    drop_deltas(accounts->first);
    end_published(&accounts->published);
    close(accounts->folder);
    free(accounts);
}
