/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/publish.h"

#include "base/fatal.h"
#include "base/log.h"
#include "base/process.h"
#include "cloudauthd/accounts/changes.h"
#include "cloudauthd/cache/answers.h"
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
    CLOUD_SNAPSHOT_FILE ".new" /* the file being written; then the replaced one, until retired */
#define LONG_MS       500      /* milliseconds: a build that takes this long is logged */
#define JUDGE_AT_ONCE 500      /* records judged in one turn of the loop, in some 0.5 ms */
/* The lowest bit of header.boot is set if the file has the accounts of all stored documents
 * (publish_is_whole). */
#define BOOT       CLOUD_SNAPSHOT_BOOT
#define FROM_NAMES offsetof(struct cloud_snapshot_record, uid) /* the members after the times */
#define CHUNK      ((size_t)256 * 1024)

/* A published file, as the loop's thread sees it. */
struct published {
    int fd;                         /* for changing its state and checksums; -1: there is no file */
    struct cloud_snapshot snapshot; /* map is NULL if the file is not a readable snapshot */
    bool live; /* live once the queued jobs of the store's worker are done, else retired */
};

struct publish {
    struct publish_setup setup;
    struct worker *builder;
    struct loop_timer timer; /* runs start_build */
    int64_t clock_ahead;     /* wall clock minus time since boot, in seconds, as last noted */
    int directory;
    uint64_t origin; /* hash of the origin (publish_new), for the next file */
    uint64_t boot;   /* hash of the boot id, with its lowest bit 0; 0: not known */
    bool whole;      /* all stored documents have been published (publish_is_whole) */
    struct published published;
    struct changes changes; /* for the next file, whose build has not begun */
    struct build *build;    /* the build that is under way, or NULL */
    int refused; /* descriptor of a file in which a record could not be taken back, or -1; used only
                    by the store's worker */
    bool failed;
    bool urgent;                 /* the next build does not wait for PUBLISH_RENEW_MS (set_build) */
    int64_t not_before;          /* cloud_clock_ms() of the earliest next build */
    struct publish_view counted; /* only its counters are used */
    struct loop_timer judging;   /* runs judge_some while published records are to be judged */
    uint64_t judged;             /* offset of the next record to judge (cloud_snapshot_next) */
    bool judge_next; /* judge the next file before it is live: it has changes from before the last
                        publish_judge */
};

/* How a record of a published file is taken back: a wrong checksum is written over its own. Readers
 * then pass the record over as damaged, and ask the daemon. */
struct spoil {
    uint64_t at;       /* offset of the checksum in the file; 0: no record is taken back */
    uint64_t checksum; /* the wrong checksum */
};

/* The build of one file: the builder writes it, the store's worker makes it live. */
struct build {
    struct work work;
    struct publish *publish;
    struct changes changes;
    struct published old;       /* the file that was published when the build began */
    struct cloud_snapshot base; /* map of `old`, or none; unchanged records are copied from it */
    struct snapshot_file head;
    struct published file; /* the new file; once written it is in its place, but still retired */
    bool judged;           /* the new file is judged before it is live (judge_next) */
    bool written;          /* the new file is the published one, but may not be live yet */
    int64_t took;          /* milliseconds to write the file */
};

/* A change of the published file: one record is taken back, or the whole file is retired. */
struct amend {
    struct work work;
    struct publish *publish;
    int fd;             /* of the file */
    struct spoil spoil; /* at 0: retire the file */
};

/* ---- The published file ---- */

/*
 * Writes to a published file: with pwrite(2), because a write through the map would raise SIGBUS
 * where the file system cannot allocate a block for it (copy on write, a quota). A reader that sees
 * half of a new state treats the file as retired, because the two states differ in every byte; one
 * that sees half of a checksum treats the record as damaged. False with errno.
 */
static bool write_at(int fd, const void *bytes, size_t n, uint64_t offset)
{
    ssize_t written = pwrite(fd, bytes, n, (off_t)offset);

    if (written >= 0 && (size_t)written != n)
        errno = EIO;
    return written == (ssize_t)n;
}

static bool set_state(int fd, uint32_t state)
{
    return write_at(fd, &state, sizeof state, offsetof(struct cloud_snapshot_header, state));
}

static void close_published(struct published *published)
{
    if (published->fd >= 0)
        close(published->fd);
    if (published->snapshot.map != NULL)
        cloud_snapshot_unmap(&published->snapshot);
    *published = (struct published){.fd = -1};
}

/* Retires a file. If that fails, unlinks its name, so that no further process maps the file.
 * Processes that have mapped it go on using each of its records while the record is fresh, and
 * after that only while the daemon does not answer. */
static void retire(int directory, int fd, const char *name)
{
    if (fd < 0 || set_state(fd, CLOUD_SNAPSHOT_RETIRED))
        return;
    log_error("%s cannot be retired: %s; processes that have it mapped may use it while it is "
              "fresh",
              name, strerror(errno));
    if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
        log_error("%s cannot be removed: %s", name, strerror(errno));
}

/* Reads a file of an earlier process once, so that a fault of the disk is an error here and not a
 * SIGBUS later. False with errno. */
static bool read_through(int fd)
{
    char *chunk = malloc(CHUNK);
    ssize_t n = -1;

    for (off_t at = 0; chunk != NULL && (n = pread(fd, chunk, CHUNK, at)) > 0;)
        at += n;
    free(chunk);
    return n == 0;
}

/* Maps the file. On success the descriptor belongs to *out. False with errno. */
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
    } else if (!read_through(fd)) {
        log_error("%s of an earlier process cannot be read: %s", name, strerror(errno));
        retire(publish->directory, fd, name);
        unlinkat(publish->directory, name, 0);
        close(fd);
    } else if (map_file(fd, out)) {
        out->live = !cloud_snapshot_retired(&out->snapshot);
    } else {
        out->fd = fd;
    }
}

/*
 * Finds the file that was in force when an earlier process ended, and retires and removes the other
 * file, which that process was writing or had just replaced. If the process was killed right after
 * exchange_names, the file in force has the name NEW_FILE, and the file that was to replace it is
 * still retired.
 */
static void find_file(struct publish *publish)
{
    struct published left;

    open_file(publish, CLOUD_SNAPSHOT_FILE, &publish->published);
    open_file(publish, NEW_FILE, &left);
    if (left.live && !publish->published.live &&
        renameat(publish->directory, NEW_FILE, publish->directory, CLOUD_SNAPSHOT_FILE) == 0) {
        struct published live = left;
        left = publish->published;
        publish->published = live;
    }
    retire(publish->directory, left.fd, NEW_FILE);
    close_published(&left);
    unlinkat(publish->directory, NEW_FILE, 0);
}

/* ---- A record of a published file ---- */

/* How a published file compares with a change. */
enum settled {
    SETTLED, /* the file already has what the change says */
    OLDER,   /* only the times of its record differ, and are at most CACHE_LAG seconds late */
    CHANGED, /* its record differs, must be removed, or is missing */
};

static struct spoil spoil_of(const struct published *file,
                             const struct cloud_snapshot_account *account)
{
    const struct cloud_snapshot_header *header = &file->snapshot.header;

    return (struct spoil){
        .at = header->records + account->offset + offsetof(struct cloud_snapshot_record, checksum),
        .checksum = ~cloud_snapshot_record_checksum(header->seed, &account->record)};
}

/*
 * Compares a published file with a change. If the result is CHANGED and the file has a record of
 * the environment, *spoil takes that record back. OLDER can wait for the next file, because each
 * confirmation of a document brings new times. The times in the file may be up to CACHE_LAG seconds
 * later than those of the change: if the document was read from the disk, it may have been
 * confirmed that much later than its file says.
 */
static enum settled compare(const struct published *file,
                            const struct cloud_snapshot_record *record, bool removed,
                            struct spoil *spoil)
{
    struct cloud_snapshot_account old;

    *spoil = (struct spoil){0};
    if (file->snapshot.map == NULL || !cloud_snapshot_by_name(&file->snapshot, record->strings,
                                                              snapshot_environment(record), &old))
        return removed ? SETTLED : CHANGED;
    *spoil = spoil_of(file, &old);
    if (removed || old.record.flags != record->flags || old.record.size != record->size ||
        memcmp(old.bytes + FROM_NAMES, (const char *)record + FROM_NAMES,
               record->size - FROM_NAMES) != 0)
        return CHANGED;
    if (old.record.fresh == record->fresh && old.record.expires == record->expires)
        return SETTLED;
    return old.record.fresh <= record->fresh + CACHE_LAG &&
                   old.record.expires <= record->expires + CACHE_LAG
               ? OLDER
               : CHANGED;
}

/* ---- In the builder ---- */

/* Exchanges the names of the new and the published file. So the published file keeps a name until
 * it is retired, and if this process is killed in between, the next process finds it. If the file
 * system cannot exchange names (EINVAL), retires the published file first. False with errno. */
static bool exchange_names(const struct build *build)
{
    int directory = build->publish->directory;

    if (renameat2(directory, NEW_FILE, directory, CLOUD_SNAPSHOT_FILE, RENAME_EXCHANGE) == 0)
        return true;
    if (errno != ENOENT && errno != EINVAL)
        return false;
    return (errno == ENOENT || build->old.fd < 0 ||
            set_state(build->old.fd, CLOUD_SNAPSHOT_RETIRED)) &&
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

/* Whether lookups by name find this record of the base. One that a damaged index hides is hidden
 * from compare, too: it could not be taken back. */
static bool is_indexed(const struct build *build, const struct cloud_snapshot_account *account)
{
    struct cloud_snapshot_account found;

    return cloud_snapshot_by_name(&build->base, account->project, account->environment, &found) &&
           found.offset == account->offset;
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
        if (changes_find(changes, &account.record) != NULL || !is_indexed(build, &account))
            continue;
        account.record.fresh -= changes->older;
        account.record.expires -= changes->older;
        copying.ok = snapshot_add(&copying.writer, &account.record);
    }
    return snapshot_end(&copying.writer, copying.ok);
}

/* Writes a new file, syncs it, and puts it in the place of the published one (exchange_names).
 * False with errno. */
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

/* ---- In the store's worker ---- */

/* Takes back the record that amend->spoil describes. If it describes none, or if that fails,
 * retires the file. */
static void run_amend(struct work *work)
{
    struct amend *amend = (struct amend *)work;

    if (amend->spoil.at != 0 &&
        write_at(amend->fd, &amend->spoil.checksum, sizeof amend->spoil.checksum, amend->spoil.at))
        return;
    if (amend->spoil.at != 0) {
        work->failed = errno;
        amend->publish->refused = amend->fd;
    }
    retire(amend->publish->directory, amend->fd, CLOUD_SNAPSHOT_FILE);
}

/* Makes the new file live, unless one of its records could not be taken back. (It has its name
 * already.) Then retires and removes the file before it. */
static void make_live(struct work *work)
{
    struct build *build = (struct build *)work;
    int directory = build->publish->directory;

    errno = EIO;
    if (build->file.live && (build->publish->refused == build->file.fd ||
                             !set_state(build->file.fd, CLOUD_SNAPSHOT_LIVE)))
        work->failed = errno;
    build->publish->refused = -1;
    retire(directory, build->old.fd, NEW_FILE);
    unlinkat(directory, NEW_FILE, 0);
}

/* ---- In the loop ---- */

/* Gives the work to the store's worker. When publish_free writes a last file, that worker has
 * ended: then the work is done here, at once. */
static void add_to_store(struct publish *publish, struct work *work)
{
    if (publish->setup.store != NULL) {
        worker_add(publish->setup.store, work);
    } else {
        work->run(work);
        work->finish(work);
    }
}

/* Schedules the next build `milliseconds` from now, but not before `not_before`. Leaves an earlier
 * time as it is. While a build is under way, does nothing: end_build schedules the next one if the
 * published file is not what it should be. */
static void set_timer(struct publish *publish, int64_t milliseconds)
{
    int64_t now = cloud_clock_ms(), at = now + milliseconds;

    if (publish->build != NULL)
        return;
    if (at < publish->not_before)
        at = publish->not_before;
    if (!publish->timer.set || at < publish->timer.at)
        loop_timer_set(publish->setup.loop, &publish->timer, at - now);
}

static void finish_amend(struct work *work)
{
    struct amend *amend = (struct amend *)work;
    struct publish *publish = amend->publish;

    if (work->failed != 0 && amend->fd == publish->published.fd) {
        log_error("a record of %s cannot be taken back: %s", CLOUD_SNAPSHOT_FILE,
                  strerror(work->failed));
        publish->published.live = false;
        set_timer(publish, PUBLISH_GATHER_MS);
    }
    free(amend);
}

static void amend(struct publish *publish, const struct spoil *spoil)
{
    struct amend *amend = xcalloc(1, sizeof *amend);

    *amend = (struct amend){
        {.run = run_amend, .finish = finish_amend}, publish, publish->published.fd, *spoil};
    add_to_store(publish, &amend->work);
}

/* Whether the published file says publish_is_whole. */
static bool says_whole(const struct publish *publish)
{
    return (publish->published.snapshot.header.boot & ~BOOT) != 0;
}

/* Retires the published file. */
static void withdraw(struct publish *publish)
{
    const struct spoil none = {0};

    if (publish->published.live)
        amend(publish, &none);
    publish->published.live = false;
}

/* Takes back a record of the published file (struct spoil). */
static void take_back(struct publish *publish, const struct spoil *spoil)
{
    if (publish->published.live)
        amend(publish, spoil);
}

/* Whether the next file, or the one that is being written, has a change of the record's
 * environment. That change is then newer than the published record. */
static bool is_changing(const struct publish *publish, const struct cloud_snapshot_record *record)
{
    const struct build *build = publish->build;

    return changes_find(&publish->changes, record) != NULL ||
           (build != NULL && !build->written && changes_find(&build->changes, record) != NULL);
}

static void set_build(struct publish *publish, bool urgent)
{
    publish->urgent = publish->urgent || urgent || !publish->published.live;
    set_timer(publish, publish->urgent ? PUBLISH_GATHER_MS : PUBLISH_RENEW_MS);
}

/* Compares the published file with a change. If the result is CHANGED, takes back the file's record
 * of the environment, if there is one. */
static enum settled settle(struct publish *publish, const struct cloud_snapshot_record *record,
                           bool removed)
{
    struct spoil spoil;
    enum settled settled = compare(&publish->published, record, removed, &spoil);

    if (settled == CHANGED && spoil.at != 0)
        take_back(publish, &spoil);
    return settled;
}

/* Takes ownership of the record. Frees it if the published file already has what the change says;
 * otherwise keeps the change for the next file. */
static void change_record(struct publish *publish, struct cloud_snapshot_record *record,
                          bool removed)
{
    enum settled settled = settle(publish, record, removed);

    if (settled == SETTLED && !is_changing(publish, record) &&
        (removed || publish->published.live)) {
        free(record);
        return;
    }
    changes_put(&publish->changes, record, removed);
    set_build(publish, settled == CHANGED);
}

static void visit_settle(void *arg, struct table_node *node)
{
    struct change *change = TABLE_OWNER(node, struct change, node);
    struct publish *publish = arg;
    enum settled settled = settle(publish, change->record, change->removed);

    if (settled == SETTLED)
        changes_drop(&publish->changes, change->record);
    else
        set_build(publish, settled == CHANGED);
}

/* Takes back the records of a new file that changes have made wrong while the file was being
 * written. If they have made all of its records wrong, or if the file says that it is whole and no
 * longer is, it does not become live. */
static void settle_all(struct publish *publish)
{
    publish->published.live = !publish->changes.clear && publish->changes.older == 0 &&
                              (publish->whole || !says_whole(publish));
    publish->urgent = false;
    if (publish->published.live)
        table_each(&publish->changes.table, visit_settle, publish);
}

/* ---- Judging ---- */

/* Whether the next file takes over no record of the published one, because all of these belong to
 * earlier settings (publish_reload). */
static bool is_cleared(const struct publish *publish)
{
    const struct build *build = publish->build;

    return publish->changes.clear || (build != NULL && !build->written && build->changes.clear);
}

/* Judges one record. If it is no longer right, but its environment has a change for the next file,
 * takes the record back and keeps that change, which may come from a later document. */
static void judge_record(struct publish *publish, const struct cloud_snapshot_account *account)
{
    const struct spoil spoil = spoil_of(&publish->published, account);
    struct cloud_snapshot_record *record;
    uint32_t flags = account->record.flags;
    bool stands = publish->setup.judges(publish->setup.arg, account, &flags);

    if (stands && flags == account->record.flags)
        return;
    if (is_changing(publish, &account->record)) {
        take_back(publish, &spoil);
        set_build(publish, true);
        return;
    }
    record = xcalloc(1, account->record.size);
    memcpy(record, &account->record, account->record.size);
    record->flags = flags;
    change_record(publish, record, !stands);
}

/* Judges the next JUDGE_AT_ONCE records. At the end of the file, releases the pages of the map,
 * because the walk has read all of them into memory. */
static void judge_some(void *arg)
{
    struct publish *publish = arg;
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;
    struct cloud_snapshot_account account;
    unsigned n = 0;

    if (is_cleared(publish))
        return;
    for (; n < JUDGE_AT_ONCE && cloud_snapshot_next(snapshot, &publish->judged, &account); n++)
        judge_record(publish, &account);
    if (n == JUDGE_AT_ONCE)
        loop_timer_set(publish->setup.loop, &publish->judging, 0);
    else if (snapshot->map != NULL)
        madvise((void *)(uintptr_t)snapshot->map, snapshot->size, MADV_DONTNEED);
}

static void judge_all(struct publish *publish, bool at_once)
{
    publish->judged = 0;
    loop_timer_set(publish->setup.loop, &publish->judging, 0);
    while (at_once && publish->judging.set) {
        loop_timer_clear(publish->setup.loop, &publish->judging);
        judge_some(publish);
    }
}

/* ---- The end of a build ---- */

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

/* Keeps the changes of a failed build for the next one. Those made in the meantime replace them. */
static void give_back(struct publish *publish, struct build *build)
{
    if (build->base.map != NULL)
        madvise((void *)(uintptr_t)build->base.map, build->base.size, MADV_DONTNEED);
    changes_add(&build->changes, &publish->changes);
    swap(&build->changes, &publish->changes);
    publish->judge_next |= build->judged;
}

/* Ends a build. Schedules the next one if there are changes, if this one failed, or if meanwhile
 * the published file was retired or publish_is_whole changed. */
static void end_build(struct publish *publish, struct build *build)
{
    int64_t pause = build->took * PUBLISH_SHARE;
    bool failed = build->work.failed != 0, other = says_whole(publish) != publish->whole;

    if (failed) {
        pause = pause > PUBLISH_RETRY_MS ? pause : PUBLISH_RETRY_MS;
        if (!publish->failed)
            log_error("%s cannot be written: %s; lookups ask the daemon instead",
                      CLOUD_SNAPSHOT_FILE, strerror(build->work.failed));
    }
    publish->failed = failed;
    publish->build = NULL;
    count_build(publish, build);
    publish->not_before = cloud_clock_ms() + pause;
    if (changes_any(&publish->changes) || failed || other || !publish->published.live)
        set_build(publish, failed || other);
    free(build);
}

/* Ends a build after make_live. The new file is live now, unless make_live failed or changes made
 * all of its records wrong while it was being written. */
static void finish_live(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *publish = build->publish;

    close_published(&build->old);
    if (work->failed != 0)
        publish->published.live = false;
    end_build(publish, build);
}

/*
 * The new file has been written and has its name: from now on records are taken back in it. The
 * store's worker keeps the order of its jobs, so it makes the file live only after it has taken
 * back all records that settle_all and judge_all find here. So the file has no wrong record when it
 * becomes live.
 */
static void finish_build(struct work *work)
{
    struct build *build = (struct build *)work;
    struct publish *publish = build->publish;

    if (work->failed != 0) {
        close_published(&build->file);
        give_back(publish, build);
        changes_end(&build->changes);
        end_build(publish, build);
        return;
    }
    if (build->took >= LONG_MS)
        log_info("%s: %llu accounts, %zu bytes, made in %lld ms", CLOUD_SNAPSHOT_FILE,
                 (unsigned long long)build->file.snapshot.header.accounts,
                 build->file.snapshot.size, (long long)build->took);
    changes_end(&build->changes);
    build->old = publish->published;
    publish->published = build->file;
    build->written = true;
    settle_all(publish);
    if (publish->judging.set || build->judged)
        judge_all(publish, true);
    build->file.live = publish->published.live;
    work->run = make_live;
    work->finish = finish_live;
    add_to_store(publish, work);
}

/* Whether lookups miss something that the next file will have: a change that is not only of times,
 * or, if no file is live, any record. */
static bool is_behind(const struct publish *publish)
{
    return (publish->urgent && changes_any(&publish->changes)) ||
           (publish->timer.set && !publish->published.live);
}

/* Returns an upper bound for the number of records in the file. */
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
    if (publish->build != NULL)
        return; /* end_build sets the timer again */
    build = xcalloc(1, sizeof *build);
    changes_start(&build->changes);
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
    build->judged = publish->judge_next;
    publish->judge_next = false;
    publish->build = build;
    publish->urgent = false;
    worker_add(publish->builder, &build->work);
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

/* ---- The interface ---- */

void publish_judge(struct publish *publish, bool at_once)
{
    if (publish->build != NULL)
        publish->build->judged = true;
    publish->judge_next = changes_any(&publish->changes);
    judge_all(publish, at_once);
}

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
 * causes no build, unless the published file has it, or a change of it is waiting or being written.
 */
void publish_remove(struct publish *publish, const char *project, const char *environment)
{
    const struct snapshot_account names = {
        .project = project, .environment = environment, .gecos = "", .home = "", .shell = ""};

    change_record(publish, snapshot_encode(&names), true);
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
    out->behind = publish->build != NULL || is_behind(publish);
    out->pending = worker_pending(publish->builder);
    if (snapshot->map == NULL)
        return;
    out->there = true;
    out->live = publish->published.live;
    out->accounts = snapshot->header.accounts;
    out->bytes = snapshot->size;
    out->created = snapshot->header.created;
}

/* Takes over the file of an earlier process if it can be trusted, and has its records judged. */
static void adopt_file(struct publish *publish)
{
    const struct cloud_snapshot *snapshot = &publish->published.snapshot;
    int64_t now = (int64_t)time(NULL);

    find_file(publish);
    if (!publish->published.live || snapshot->header.origin != publish->origin) {
        retire(publish->directory, publish->published.fd, CLOUD_SNAPSHOT_FILE);
        close_published(&publish->published);
        set_timer(publish, PUBLISH_GATHER_MS);
        return;
    }
    /*
     * After a reboot the file may again have a record that was taken back shortly before, because
     * that write did not reach the disk. The age of a file from the future is not known. In both
     * cases the file is retired, and in the next one the times of its records are in the past: each
     * lookup asks the daemon.
     */
    if (publish->boot == 0 || (snapshot->header.boot & BOOT) != publish->boot ||
        !cloud_snapshot_current(snapshot, now)) {
        retire(publish->directory, publish->published.fd, CLOUD_SNAPSHOT_FILE);
        publish->published.live = false;
        changes_age(&publish->changes, now);
        set_timer(publish, PUBLISH_GATHER_MS);
    } else {
        publish->whole = says_whole(publish);
    }
    publish_judge(publish, false);
}

struct publish *publish_new(const struct publish_setup *setup, const char *origin)
{
    struct publish *publish = xcalloc(1, sizeof *publish);
    char boot[PROCESS_BOOT_SIZE];

    publish->setup = *setup;
    publish->published = (struct published){.fd = -1};
    publish->refused = -1;
    publish->timer = (struct loop_timer){.due = start_build, .arg = publish};
    publish->judging = (struct loop_timer){.due = judge_some, .arg = publish};
    publish->origin = hash_text(origin);
    publish->boot = process_boot(boot) ? cloud_snapshot_boot(boot) : 0;
    publish->clock_ahead = clock_ahead();
    publish->directory = open(setup->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (publish->directory < 0)
        fatal("%s: %s", setup->directory, strerror(errno));
    changes_start(&publish->changes);
    publish->builder = worker_new(setup->loop);
    adopt_file(publish);
    return publish;
}

void publish_free(struct publish *publish)
{
    publish->setup.store = NULL;
    if (is_behind(publish))
        start_build(publish);
    worker_free(publish->builder);
    loop_timer_clear(publish->setup.loop, &publish->timer);
    loop_timer_clear(publish->setup.loop, &publish->judging);
    changes_end(&publish->changes);
    close_published(&publish->published);
    close(publish->directory);
    free(publish);
}
