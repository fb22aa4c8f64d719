/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/publish.h"

#include "base/log.h"
#include "base/process.h"
#include "cloudauthd/accounts/changes.h"
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
    CLOUD_SNAPSHOT_FILE ".new"       /* being written; then the replaced one, until retired */
#define LONG_MS       500            /* a file that takes longer is logged */
#define JUDGE_AT_ONCE 500            /* records, in about half a millisecond */
#define BOOT          (~UINT64_C(1)) /* of header.boot; the last bit: the file is whole */
/* What changes of a record in a published file. */
#define HEAD offsetof(struct cloud_snapshot_record, uid)

/* A published file, as the loop sees it. */
struct published {
    int fd;                         /* to change its state and its records; -1: there is no file */
    struct cloud_snapshot snapshot; /* map NULL: the file is not readable as a snapshot */
};

struct publish {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer timer; /* starts the next build */
    int64_t clock_ahead;     /* of the time since boot, in seconds, when last looked at */
    int directory;
    uint64_t origin; /* of the next file */
    uint64_t boot;   /* but for its last bit; 0: not known */
    bool whole;      /* each stored document has been told */
    struct published published;
    bool replaced;          /* its successor already has its name */
    struct changes changes; /* of the published file, or of the one that is being written */
    bool building, failed;
    bool lost;                   /* a change was lost for lack of memory: no file is live again */
    int64_t not_before;          /* cloud_clock_ms() of the earliest next build */
    struct publish_view counted; /* its counters alone */
    publish_judges *judges;
    void *judges_arg;
    struct loop_timer judging; /* set: the records from the offset `judged` on are to be judged, */
    uint64_t judged;
    bool judge_next; /* and those of the next file */
};

/* The build of one file. */
struct build {
    struct work work;
    struct publish *publish;
    struct changes changes;
    struct published old;       /* the published file */
    struct cloud_snapshot base; /* its map, or none: its records that have no change are copied */
    struct snapshot_file head;
    struct published file; /* the result: it has its name, but is still retired */
    uint64_t unread;       /* bytes of the base behind a damaged record */
    int64_t took;          /* milliseconds */
};

/* ---- The published file ---- */

/*
 * By pwrite(2), not through the map: a store into the map raises SIGBUS where the file system has
 * no block for it (copy on write, a quota). A reader that sees half of what is written takes it for
 * a file that is not live, because the bytes of the two states are all different, or for a damaged
 * record. False with errno.
 */
static bool write_at(const struct published *file, const void *bytes, size_t n, uint64_t offset)
{
    ssize_t written = pwrite(file->fd, bytes, n, (off_t)offset);

    if (written >= 0 && (size_t)written != n)
        errno = EIO;
    return written == (ssize_t)n;
}

static bool set_state(const struct published *file, uint32_t state)
{
    return write_at(file, &state, sizeof state, offsetof(struct cloud_snapshot_header, state));
}

static bool is_live(const struct published *file)
{
    return file->snapshot.map != NULL && !cloud_snapshot_retired(&file->snapshot);
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

static uint64_t hash_text(const char *text)
{
    return cloud_snapshot_checksum(0, text, strlen(text));
}

static void open_file(const struct publish *publish, const char *name, struct published *out)
{
    int fd = openat(publish->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    *out = (struct published){.fd = -1};
    if (fd < 0) {
        if (errno != ENOENT)
            log_error("%s of an earlier process can be neither used nor retired: %s", name,
                      strerror(errno));
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
               (size_t)st.st_size < sizeof(struct cloud_snapshot_header)) {
        close(fd);
    } else if (!map_file(fd, out)) {
        out->fd = fd;
    }
}

/*
 * Finds the file that was in force when an earlier process ended, and retires and removes the other
 * one: what that process was writing, or had replaced. A process that is killed behind the exchange
 * of names leaves the file in force with the name of a new one, and what was to replace it retired.
 */
static void find_file(struct publish *publish)
{
    struct published left;

    open_file(publish, CLOUD_SNAPSHOT_FILE, &publish->published);
    open_file(publish, NEW_FILE, &left);
    if (is_live(&left) && !is_live(&publish->published) &&
        renameat(publish->directory, NEW_FILE, publish->directory, CLOUD_SNAPSHOT_FILE) == 0) {
        struct published live = left;
        left = publish->published;
        publish->published = live;
    }
    if (left.fd >= 0 && !set_state(&left, CLOUD_SNAPSHOT_RETIRED))
        log_error("%s cannot be retired: %s", NEW_FILE, strerror(errno));
    close_published(&left);
    unlinkat(publish->directory, NEW_FILE, 0);
}

/* ---- A record of a published file ---- */

enum settled {
    SETTLED, /* it is as the change has it, */
    RENEWED, /* now */
    MISSING, /* no process finds it: the next file has to have the change */
    WRONG,   /* processes find it, and the disk does not let it be taken back */
};

static bool find_record(const struct published *file, const struct cloud_snapshot_record *record,
                        struct cloud_snapshot_account *out)
{
    return file->snapshot.map != NULL && cloud_snapshot_by_name(&file->snapshot, record->strings,
                                                                snapshot_environment(record), out);
}

/* Writes another head, with the right checksum for its record, or with a wrong one, which takes the
 * record back: readers pass it over as a damaged one, and ask the daemon. */
static bool write_head(const struct published *file, uint64_t offset,
                       struct cloud_snapshot_record *record, bool right)
{
    const struct cloud_snapshot_header *header = &file->snapshot.header;

    record->checksum = cloud_snapshot_record_checksum(header->seed, record);
    if (!right)
        record->checksum = ~record->checksum;
    return write_at(file, record, HEAD, header->records + offset);
}

/* Brings the file in line with a change, as far as it can be: flags and times are changed in their
 * place, anything else is taken back. */
static enum settled settle(const struct published *file, struct cloud_snapshot_record *record,
                           bool removed)
{
    struct cloud_snapshot_account old;
    bool same;

    if (!find_record(file, record, &old))
        return removed ? SETTLED : MISSING;
    same = !removed && old.record.size == record->size &&
           memcmp(old.bytes + HEAD, (const char *)record + HEAD, record->size - HEAD) == 0;
    if (same && old.flags == record->flags && old.fresh == record->fresh &&
        old.expires == record->expires)
        return SETTLED;
    if (same && write_head(file, old.offset, record, true))
        return RENEWED;
    /* A record that is only older than it could be is not wrong. */
    if (same && old.flags == record->flags && old.expires <= record->expires)
        return MISSING;
    return write_head(file, old.offset, &old.record, false) ? MISSING : WRONG;
}

/* ---- In the worker ---- */

/*
 * Exchanges the names of the new and the published file. So the published file still has a name
 * until it is retired, and the next process finds it if this one is killed in between. If the file
 * system cannot exchange names (EINVAL), the published file is retired first. False with errno.
 */
static bool exchange_names(const struct build *build)
{
    int directory = build->publish->directory;

    if (renameat2(directory, NEW_FILE, directory, CLOUD_SNAPSHOT_FILE, RENAME_EXCHANGE) == 0)
        return true;
    if (errno != ENOENT && errno != EINVAL)
        return false;
    return (errno == ENOENT || build->old.fd < 0 ||
            set_state(&build->old, CLOUD_SNAPSHOT_RETIRED)) &&
           renameat(directory, NEW_FILE, directory, CLOUD_SNAPSHOT_FILE) == 0;
}

struct copying {
    struct snapshot_writer writer;
    bool ok;
};

static void visit_copy(void *arg, struct table_node *node)
{
    const struct change *change = TABLE_OWNER(node, struct change, node);
    struct copying *copying = arg;

    if (copying->ok && !change->removed)
        copying->ok = snapshot_add(&copying->writer, change->record);
}

/* Writes the records of the changes, then those of the base that have no change. False with errno.
 */
static bool copy_records(struct build *build, int fd)
{
    const struct changes *changes = &build->changes;
    struct copying copying;
    struct cloud_snapshot_account account;
    uint64_t at = 0;

    copying.ok = snapshot_start(&copying.writer, fd, &build->head);
    table_each(&changes->table, visit_copy, &copying);
    while (copying.ok && cloud_snapshot_next(&build->base, &at, &account)) {
        if (changes_find(changes, &account.record) != NULL)
            continue;
        account.record.fresh -= changes->older;
        account.record.expires -= changes->older;
        copying.ok = snapshot_add(&copying.writer, &account.record);
    }
    build->unread = build->base.header.records_size - at;
    return snapshot_end(&copying.writer, copying.ok);
}

/* Writes a new file, syncs it, and gives it its name. False with errno. */
static bool write_file(struct build *build)
{
    int directory = build->publish->directory, fd;
    bool ok = getrandom(&build->head.seed, sizeof build->head.seed, 0) ==
              (ssize_t)sizeof build->head.seed;

    unlinkat(directory, NEW_FILE, 0);
    fd = openat(directory, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    ok = ok && copy_records(build, fd) && fsync(fd) == 0 && map_file(fd, &build->file) &&
         exchange_names(build);
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
    int64_t start = cloud_clock_ms();

    build->head.created = (int64_t)time(NULL);
    errno = ENOMEM;
    if (!write_file(build))
        work->failed = errno == 0 ? EIO : errno;
    build->took = cloud_clock_ms() - start;
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

/* Takes ownership of the record. Brings the published file in line with it, or keeps it as a change
 * for the next file. */
static void change_record(struct publish *publish, struct cloud_snapshot_record *record,
                          bool removed)
{
    enum settled settled = settle(&publish->published, record, removed);

    if (settled == WRONG)
        withdraw(publish);
    if ((settled == SETTLED || settled == RENEWED) && !publish->building &&
        (removed || is_live(&publish->published))) {
        changes_drop(&publish->changes, record);
        free(record);
        if (settled == RENEWED)
            set_timer(publish, PUBLISH_RENEW_MS);
    } else if (changes_put(&publish->changes, record, removed)) {
        set_timer(publish, PUBLISH_GATHER_MS);
    } else {
        lose_change(publish);
    }
}

struct settling {
    struct publish *publish;
    const struct published *file;
    bool right;
};

static void visit_settle(void *arg, struct table_node *node)
{
    struct change *change = TABLE_OWNER(node, struct change, node);
    struct settling *settling = arg;
    enum settled settled = settle(settling->file, change->record, change->removed);

    if (settled == SETTLED || settled == RENEWED)
        changes_drop(&settling->publish->changes, change->record);
    settling->right = settling->right && settled != WRONG;
}

/* Brings a new file in line with the changes that came while it was written. False if it cannot be
 * made right. */
static bool settle_all(struct publish *publish, const struct published *file)
{
    struct settling settling = {publish, file, true};

    if (publish->lost || publish->changes.clear || publish->changes.older != 0)
        return false;
    table_each(&publish->changes.table, visit_settle, &settling);
    return settling.right;
}

/*
 * Makes a new file live, which has its name already, and retires the one before. This runs in the
 * loop, so that no change that would make the file wrong can come in between. False with errno: the
 * file stays retired.
 */
static bool make_live(struct publish *publish, const struct published *file)
{
    bool ok = !settle_all(publish, file) || set_state(file, CLOUD_SNAPSHOT_LIVE);
    int saved = errno;

    publish->replaced = true;
    withdraw(publish);
    unlinkat(publish->directory, NEW_FILE, 0);
    publish->replaced = false;
    close_published(&publish->published);
    publish->published = *file;
    if (publish->judging.set || publish->judge_next)
        publish_judge(publish, false);
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

static void swap(struct changes *one, struct changes *other)
{
    struct changes changes = *one;

    *one = *other;
    *other = changes;
}

/* The changes of a build that failed wait for the next one, below those that came meanwhile. */
static void give_back(struct publish *publish, struct build *build)
{
    if (build->base.map != NULL)
        madvise((void *)(uintptr_t)build->base.map, build->base.size, MADV_DONTNEED);
    if (!changes_add(&build->changes, &publish->changes))
        lose_change(publish);
    swap(&build->changes, &publish->changes);
}

static void finish_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *publish = build->publish;
    int64_t pause = build->took * PUBLISH_SHARE;

    publish->building = false;
    if (build->unread > 0)
        log_error("%s was damaged: %llu bytes of it are lost, and lookups of what they had ask the "
                  "daemon",
                  CLOUD_SNAPSHOT_FILE, (unsigned long long)build->unread);
    if (work->failed == 0) {
        if (build->took >= LONG_MS)
            log_info("%s: %llu accounts, %zu bytes, made in %lld ms", CLOUD_SNAPSHOT_FILE,
                     (unsigned long long)build->file.snapshot.header.accounts,
                     build->file.snapshot.size, (long long)build->took);
        if (!make_live(publish, &build->file))
            work->failed = errno;
    } else {
        close_published(&build->file);
        give_back(publish, build);
    }
    changes_end(&build->changes);
    if (work->failed != 0) {
        pause = pause > PUBLISH_RETRY_MS ? pause : PUBLISH_RETRY_MS;
        if (!publish->failed)
            log_error("%s cannot be written: %s; lookups ask the daemon instead",
                      CLOUD_SNAPSHOT_FILE, strerror(work->failed));
    }
    publish->failed = work->failed != 0;
    count_build(publish, build);
    publish->not_before = cloud_clock_ms() + pause;
    if (changes_any(&publish->changes) || publish->failed)
        set_timer(publish, PUBLISH_GATHER_MS);
    free(build);
}

/* Whether the next file has what the published one lacks. */
static bool is_behind(const struct publish *publish)
{
    return changes_any(&publish->changes) || (publish->timer.set && !is_live(&publish->published));
}

/* Records that the published file has at most. */
static size_t most_records(const struct cloud_snapshot *snapshot)
{
    uint64_t fit = snapshot->header.records_size / CLOUD_SNAPSHOT_RECORD_MIN;

    return fit < snapshot->header.accounts ? fit : snapshot->header.accounts;
}

static void start_build(void *arg)
{
    struct publish *publish = arg;
    struct build *build;

    publish_follow_clock(publish);
    if (publish->building || publish->lost)
        return; /* the timer is set again when the running build ends */
    build = calloc(1, sizeof *build);
    if (build == NULL || !changes_start(&build->changes)) {
        free(build);
        set_timer(publish, PUBLISH_RETRY_MS);
        return;
    }
    build->work = (struct work){.run = run_build, .finish = finish_build};
    build->publish = publish;
    build->file = (struct published){.fd = -1};
    build->old = publish->published;
    swap(&build->changes, &publish->changes);
    if (!build->changes.clear)
        build->base = build->old.snapshot;
    build->head =
        (struct snapshot_file){.origin = publish->origin,
                               .boot = publish->boot | publish->whole,
                               .state = CLOUD_SNAPSHOT_RETIRED,
                               .most = most_records(&build->base) + build->changes.table.used};
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
    int64_t ahead = clock_ahead(), back = publish->clock_ahead - ahead;

    if (back >= 0 && back <= CLOUD_SNAPSHOT_SLACK)
        return;
    publish->clock_ahead = ahead;
    if (back < 0)
        return;
    withdraw(publish);
    changes_age(&publish->changes, back);
    set_timer(publish, PUBLISH_GATHER_MS);
}

/* ---- Judging ---- */

static void judge_record(struct publish *publish, const struct cloud_snapshot_account *account)
{
    struct cloud_snapshot_record *record;
    uint32_t flags = account->flags;
    bool stands = publish->judges(publish->judges_arg, account, &flags);

    if (stands && flags == account->flags)
        return;
    record = malloc(account->record.size);
    if (record == NULL) {
        lose_change(publish);
        return;
    }
    memcpy(record, &account->record, account->record.size);
    record->flags = flags;
    change_record(publish, record, !stands);
}

/* A walk touches all pages of the file, which are no longer needed then. */
static void judge_some(void *arg)
{
    struct publish *publish = arg;
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;
    struct cloud_snapshot_account account;
    unsigned n = 0;

    for (; n < JUDGE_AT_ONCE && cloud_snapshot_next(snapshot, &publish->judged, &account); n++)
        judge_record(publish, &account);
    if (n == JUDGE_AT_ONCE)
        loop_timer_set(publish->loop, &publish->judging, 0);
    else if (snapshot->map != NULL)
        madvise((void *)(uintptr_t)snapshot->map, snapshot->size, MADV_DONTNEED);
}

void publish_judge(struct publish *publish, bool at_once)
{
    publish->judge_next = publish->building || changes_any(&publish->changes);
    publish->judged = 0;
    loop_timer_set(publish->loop, &publish->judging, 0);
    while (at_once && publish->judging.set) {
        loop_timer_clear(publish->loop, &publish->judging);
        judge_some(publish);
    }
}

/* ---- The interface ---- */

void publish_put(struct publish *publish, const struct snapshot_account *account)
{
    struct cloud_snapshot_record *record = snapshot_encode(account);

    publish_follow_clock(publish);
    if (record == NULL)
        publish_remove(publish, account->project, account->environment);
    else
        change_record(publish, record, false);
}

/*
 * Any local user can ask for names that turn out to be absent. Such a name takes nothing back and
 * causes no build, unless it is in the published file; while a file is being written, it may be in
 * that.
 */
void publish_remove(struct publish *publish, const char *project, const char *environment)
{
    const struct snapshot_account names = {
        .project = project, .environment = environment, .gecos = "", .home = "", .shell = ""};
    struct cloud_snapshot_record *record = snapshot_encode(&names);

    if (record == NULL)
        lose_change(publish);
    else
        change_record(publish, record, true);
}

void publish_reload(struct publish *publish, const char *origin)
{
    uint64_t hash = hash_text(origin);

    withdraw(publish);
    if (hash != publish->origin)
        changes_clear(&publish->changes);
    publish->origin = hash;
    publish->whole = false;
    set_timer(publish, PUBLISH_GATHER_MS);
}

bool publish_is_whole(const struct publish *publish)
{
    return publish->whole;
}

void publish_set_whole(struct publish *publish)
{
    if (!publish->whole)
        set_timer(publish, PUBLISH_GATHER_MS);
    publish->whole = true;
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
    out->behind = publish->building || is_behind(publish);
    out->pending = worker_pending(publish->worker);
    if (snapshot->map == NULL)
        return;
    out->there = true;
    out->live = !cloud_snapshot_retired(snapshot);
    out->accounts = snapshot->header.accounts;
    out->bytes = snapshot->size;
    out->created = snapshot->header.created;
}

/* Takes over the file of an earlier process, if it can be believed, and has it judged. */
static void adopt_file(struct publish *publish)
{
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;
    int64_t now = (int64_t)time(NULL);

    find_file(publish);
    if (!is_live(&publish->published) || snapshot->header.origin != publish->origin) {
        withdraw(publish);
        close_published(&publish->published);
        set_timer(publish, PUBLISH_GATHER_MS);
        return;
    }
    /* What was taken back shortly before a reboot may not have reached the disk; and of a file from
     * the future it is not known how old it is. So names stay, and the daemon is asked for each. */
    if (publish->boot == 0 || (snapshot->header.boot & BOOT) != publish->boot ||
        !cloud_snapshot_current(snapshot, now)) {
        withdraw(publish);
        changes_age(&publish->changes, now);
        set_timer(publish, PUBLISH_GATHER_MS);
    } else {
        publish->whole = (snapshot->header.boot & ~BOOT) != 0;
    }
    publish_judge(publish, false);
}

struct publish *publish_new(struct loop *loop, const char *directory, const char *origin,
                            publish_judges *judges, void *arg)
{
    struct publish *publish = calloc(1, sizeof *publish);
    char boot[PROCESS_BOOT_SIZE];

    if (publish == NULL)
        return NULL;
    publish->loop = loop;
    publish->published = (struct published){.fd = -1};
    publish->timer = (struct loop_timer){.due = start_build, .arg = publish};
    publish->judging = (struct loop_timer){.due = judge_some, .arg = publish};
    publish->judges = judges;
    publish->judges_arg = arg;
    publish->origin = hash_text(origin);
    publish->boot = process_boot(boot) ? hash_text(boot) & BOOT : 0;
    publish->clock_ahead = clock_ahead();
    publish->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (publish->directory < 0)
        log_error("%s: %s", directory, strerror(errno));
    if (publish->directory >= 0 && changes_start(&publish->changes)) {
        publish->worker = worker_new(loop);
        if (publish->worker != NULL) {
            adopt_file(publish);
            return publish;
        }
    }
    changes_end(&publish->changes);
    if (publish->directory >= 0)
        close(publish->directory);
    free(publish);
    return NULL;
}

void publish_free(struct publish *publish)
{
    if (publish == NULL)
        return;
    if (is_behind(publish))
        start_build(publish);
    worker_free(publish->worker);
    loop_timer_clear(publish->loop, &publish->timer);
    loop_timer_clear(publish->loop, &publish->judging);
    changes_end(&publish->changes);
    close_published(&publish->published);
    close(publish->directory);
    free(publish);
}
