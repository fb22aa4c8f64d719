/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libnss_cloud with a fake daemon, which answers over the real socket and can lie. Each test runs
 * in a process of its own, because a process keeps its configuration and its back-off.
 */
#include "nss_cloud/nss_cloud.h"

#include "common/clock.h"
#include "common/conf.h"
#include "common/local.h"
#include "common/wire.h"
#include "nss_cloud/backoff.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The types that glibc gives these functions: a mismatch does not compile. */
NSS_DECLARE_MODULE_FUNCTIONS(cloud)

#define PACKET_MAX 8192
#define MAP_ERRNO  EXDEV

/* ---- The host, as the module sees it ---- */

static pid_t pid_answer; /* 0: the real one */
static enum cloud_local local_answer = CLOUD_LOCAL_NO;

pid_t getpid(void)
{
    return pid_answer != 0 ? pid_answer : (pid_t)syscall(SYS_getpid);
}

enum cloud_local cloud_local_user(const char *name)
{
    (void)name;
    return local_answer;
}

static const char good_conf[] = "access_url = file:///srv/{project}/{environment}.json\n"
                                "allow = abcdefghij abcdefghij_* abcdefghij-* ent-abcdefghij-*\n"
                                "uid_min = 200000\nuid_max = 999999\n"
                                "ssh_gid = 199998\nsftp_gid = 199999\n";

/* ---- The daemon ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int listener;
    unsigned questions, closed; /* received; their connections closed */
    bool silent;                /* it never answers */
    bool held;                  /* it does not answer yet */
    struct cloud_question last;
    char last_packet[PACKET_MAX];
    unsigned char packet[PACKET_MAX]; /* the answer */
    size_t packet_size;               /* 0: the connection is closed without an answer */
} fake_daemon = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void serve(int fd)
{
    char packet[PACKET_MAX];
    ssize_t got = recv(fd, packet, sizeof packet, 0);

    pthread_mutex_lock(&fake_daemon.lock);
    memset(&fake_daemon.last, 0, sizeof fake_daemon.last);
    if (got > 0) {
        memcpy(fake_daemon.last_packet, packet, (size_t)got);
        (void)cloud_wire_get_question(fake_daemon.last_packet, (size_t)got, &fake_daemon.last);
    }
    fake_daemon.questions++;
    pthread_cond_broadcast(&fake_daemon.changed);
    while (fake_daemon.held)
        pthread_cond_wait(&fake_daemon.changed, &fake_daemon.lock);
    bool silent = fake_daemon.silent;
    if (!silent && fake_daemon.packet_size > 0)
        (void)send(fd, fake_daemon.packet, fake_daemon.packet_size, MSG_NOSIGNAL);
    pthread_mutex_unlock(&fake_daemon.lock);
    if (silent)
        (void)recv(fd, packet, sizeof packet, 0); /* until the client gives up */
    close(fd);
    pthread_mutex_lock(&fake_daemon.lock);
    fake_daemon.closed++;
    pthread_cond_broadcast(&fake_daemon.changed);
    pthread_mutex_unlock(&fake_daemon.lock);
}

static void *run_daemon(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept4(fake_daemon.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        serve(fd);
    return NULL;
}

static void wait_until(const unsigned *counter, unsigned value)
{
    struct timespec bound;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &bound);
    bound.tv_sec += 60;
    pthread_mutex_lock(&fake_daemon.lock);
    while (*counter < value && error == 0)
        error = pthread_cond_timedwait(&fake_daemon.changed, &fake_daemon.lock, &bound);
    pthread_mutex_unlock(&fake_daemon.lock); /* before an assertion leaves the test */
    assert_int_equal(error, 0);
}

static unsigned questions(void)
{
    pthread_mutex_lock(&fake_daemon.lock);
    unsigned n = fake_daemon.questions;
    pthread_mutex_unlock(&fake_daemon.lock);
    return n;
}

static void will_send(const void *packet, size_t n)
{
    pthread_mutex_lock(&fake_daemon.lock);
    fake_daemon.silent = false;
    memcpy(fake_daemon.packet, packet, n);
    fake_daemon.packet_size = n;
    pthread_mutex_unlock(&fake_daemon.lock);
}

static size_t will_answer(const struct cloud_answer *answer)
{
    unsigned char packet[PACKET_MAX];
    size_t n = cloud_wire_put_answer(answer, packet, sizeof packet);

    assert_true(n > 0);
    will_send(packet, n);
    return n;
}

static void will_be_silent(void)
{
    pthread_mutex_lock(&fake_daemon.lock);
    fake_daemon.silent = true;
    pthread_mutex_unlock(&fake_daemon.lock);
}

/* Lets questions wait for their answer, or answers those that wait. */
static void hold_answers(bool held)
{
    pthread_mutex_lock(&fake_daemon.lock);
    fake_daemon.held = held;
    pthread_cond_broadcast(&fake_daemon.changed);
    pthread_mutex_unlock(&fake_daemon.lock);
}

/* ---- A lookup in a guarded buffer ---- */

#define GUARD 64
#define SPACE 1024

static struct {
    _Alignas(16) char bytes[GUARD + SPACE + GUARD];
    struct passwd passwd;
    struct group group;
    int error;
} out;

static void fill_out(void)
{
    memset(&out, 0x5a, sizeof out);
    errno = MAP_ERRNO;
}

static bool untouched(const void *at, size_t n)
{
    const unsigned char *bytes = at;

    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0x5a)
            return false;
    return true;
}

static void check_guards(size_t offset, size_t size)
{
    assert_true(untouched(out.bytes, GUARD + offset));
    assert_true(untouched(out.bytes + GUARD + offset + size, SPACE - offset - size + GUARD));
    assert_int_equal(errno, MAP_ERRNO);
}

static enum nss_status passwd_by_name(const char *name, size_t size)
{
    fill_out();
    enum nss_status status =
        _nss_cloud_getpwnam_r(name, &out.passwd, out.bytes + GUARD, size, &out.error);
    check_guards(0, size);
    return status;
}

static enum nss_status passwd_by_id(uid_t id)
{
    fill_out();
    enum nss_status status =
        _nss_cloud_getpwuid_r(id, &out.passwd, out.bytes + GUARD, SPACE, &out.error);
    check_guards(0, SPACE);
    return status;
}

static enum nss_status group_by_name(const char *name, size_t offset, size_t size)
{
    fill_out();
    enum nss_status status =
        _nss_cloud_getgrnam_r(name, &out.group, out.bytes + GUARD + offset, size, &out.error);
    check_guards(offset, size);
    return status;
}

static enum nss_status group_by_id(gid_t id)
{
    fill_out();
    enum nss_status status =
        _nss_cloud_getgrgid_r(id, &out.group, out.bytes + GUARD, SPACE, &out.error);
    check_guards(0, SPACE);
    return status;
}

static void check_nothing_written(void)
{
    assert_true(untouched(out.bytes, sizeof out.bytes));
    assert_true(untouched(&out.passwd, sizeof out.passwd));
    assert_true(untouched(&out.group, sizeof out.group));
}

/* Without an answer getpwnam_r(3) reports an error, not that there is no such user. */
static void check_unavailable(enum nss_status status)
{
    assert_int_equal(status, NSS_STATUS_UNAVAIL);
    assert_int_equal(out.error, EAGAIN);
    check_nothing_written();
}

static void check_not_found(enum nss_status status)
{
    assert_int_equal(status, NSS_STATUS_NOTFOUND);
    check_nothing_written();
}

static void check_inside(const void *string, size_t offset, size_t size)
{
    const char *start = out.bytes + GUARD + offset, *at = string;

    assert_true(at >= start && at < start + size);
    assert_non_null(memchr(at, '\0', (size_t)(start + size - at)));
}

static struct cloud_answer good_passwd(void)
{
    return (struct cloud_answer){
        .op = CLOUD_OP_PASSWD_BY_NAME,
        .status = CLOUD_OK,
        .account = "abcdefghij_stg",
        .id = 200002,
        .gid = 200003,
        .gecos = "abcdefghij staging",
        .home = "/app/abcdefghij_stg",
        .shell = "/bin/bash",
    };
}

static struct cloud_answer good_group(void)
{
    return (struct cloud_answer){
        .op = CLOUD_OP_GROUP_BY_NAME,
        .status = CLOUD_OK,
        .account = "abcdefghij_stg",
        .gid = 200003,
    };
}

/* ---- Tests ---- */

static const char *const foreign_names[] = {
    "",    "root",  "www-data", "12345678",    "a b cdefgh",
    "bin", "Alice", "../../x",  "_abcdefghij", "abcdefghij:x"};
static const uint32_t foreign_ids[] = {0, 1, 999, 2147483647, 4294967294, 4294967295};

static enum nss_status join(const char *name, long int *start, long int *size, gid_t **groups,
                            long int limit)
{
    errno = MAP_ERRNO;
    out.error = 0;
    enum nss_status status =
        _nss_cloud_initgroups_dyn(name, 200003, start, size, groups, limit, &out.error);
    assert_int_equal(errno, MAP_ERRNO);
    return status;
}

/* Names that no configuration could allow are NOTFOUND without a configuration. */
static void test_foreign(void **arg)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    (void)arg;
    unlink(CLOUD_CONF_PATH);
    pid_answer = 1;
    unsigned before = questions();
    check_not_found(passwd_by_name(NULL, SPACE));
    check_not_found(group_by_name(NULL, 0, SPACE));
    assert_int_equal(join(NULL, &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    for (size_t i = 0; i < sizeof foreign_names / sizeof foreign_names[0]; i++) {
        check_not_found(passwd_by_name(foreign_names[i], SPACE));
        check_not_found(group_by_name(foreign_names[i], 0, SPACE));
        assert_int_equal(join(foreign_names[i], &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    }
    for (size_t i = 0; i < sizeof foreign_ids / sizeof foreign_ids[0]; i++) {
        check_not_found(passwd_by_id(foreign_ids[i]));
        check_not_found(group_by_id(foreign_ids[i]));
    }
    assert_null(groups);
    assert_int_equal(questions(), before);
}

static void test_not_allowed(void **arg)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    (void)arg;
    unsigned before = questions();
    check_not_found(passwd_by_name("klmnopqrst_stg", SPACE));
    check_not_found(passwd_by_name("postgres", SPACE));
    check_not_found(passwd_by_name("abcdefghij_live", SPACE));
    check_not_found(passwd_by_id(199998));
    check_not_found(passwd_by_id(1000000));
    check_not_found(group_by_name("klmnopqrst", 0, SPACE));
    check_not_found(group_by_id(1000));
    assert_int_equal(join("klmnopqrst_stg", &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    assert_int_equal(questions(), before);
}

static void check_all_unavailable(void)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    check_unavailable(passwd_by_id(200002));
    check_unavailable(group_by_name("abcdefghij_stg", 0, SPACE));
    check_unavailable(group_by_name("cloud-ssh", 0, SPACE));
    check_unavailable(group_by_id(200003));
    check_unavailable(group_by_id(199998));
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, -1), NSS_STATUS_UNAVAIL);
    assert_int_equal(out.error, EAGAIN);
    assert_null(groups);
}

static void test_pid_1(void **arg)
{
    (void)arg;
    unsigned before = questions();
    pid_answer = 1;
    check_all_unavailable();
    assert_int_equal(questions(), before);
}

static void test_no_configuration(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    unsigned before = questions();
    unlink(CLOUD_CONF_PATH);
    check_all_unavailable();
    write_file(CLOUD_CONF_PATH, "allow = *\nno such key = 1\n");
    check_all_unavailable();
    write_file(CLOUD_CONF_PATH, good_conf);
    assert_int_equal(chmod(CLOUD_CONF_PATH, 0666), 0);
    check_all_unavailable();
    assert_int_equal(questions(), before);
    /* It is read once it is there, and kept. */
    write_file(CLOUD_CONF_PATH, good_conf);
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
    unlink(CLOUD_CONF_PATH);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
}

static void test_passwd(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
    assert_int_equal(fake_daemon.last.op, CLOUD_OP_PASSWD_BY_NAME);
    assert_string_equal(fake_daemon.last.account, "abcdefghij_stg");
    assert_string_equal(out.passwd.pw_name, "abcdefghij_stg");
    assert_string_equal(out.passwd.pw_passwd, "*");
    assert_int_equal(out.passwd.pw_uid, 200002);
    assert_int_equal(out.passwd.pw_gid, 200003);
    assert_string_equal(out.passwd.pw_gecos, "abcdefghij staging");
    assert_string_equal(out.passwd.pw_dir, "/app/abcdefghij_stg");
    assert_string_equal(out.passwd.pw_shell, "/bin/bash");
    answer.op = CLOUD_OP_PASSWD_BY_ID;
    will_answer(&answer);
    assert_int_equal(passwd_by_id(200002), NSS_STATUS_SUCCESS);
    assert_int_equal(fake_daemon.last.op, CLOUD_OP_PASSWD_BY_ID);
    assert_int_equal(fake_daemon.last.id, 200002);
    assert_string_equal(out.passwd.pw_name, "abcdefghij_stg");
    assert_string_equal(out.passwd.pw_shell, "/bin/bash");
}

static void test_sftp_passwd(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    answer.account = "abcdefghij_stg_sftp";
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg_sftp", SPACE), NSS_STATUS_SUCCESS);
    assert_string_equal(out.passwd.pw_dir, "/");
    assert_string_equal(out.passwd.pw_shell, "/usr/sbin/nologin");
    assert_int_equal(out.passwd.pw_uid, 200002);
}

/* Buffers of all sizes up to the first that is large enough: all or nothing is written. */
static void test_passwd_sizes(void **arg)
{
    struct cloud_answer answer = good_passwd();
    const size_t enough = sizeof "abcdefghij_stg" + sizeof "*" + sizeof "abcdefghij staging" +
                          sizeof "/app/abcdefghij_stg" + sizeof "/bin/bash";

    (void)arg;
    will_answer(&answer);
    for (size_t size = 0; size < enough; size++) {
        assert_int_equal(passwd_by_name("abcdefghij_stg", size), NSS_STATUS_TRYAGAIN);
        assert_int_equal(out.error, ERANGE);
        check_nothing_written();
    }
    assert_int_equal(passwd_by_name("abcdefghij_stg", enough), NSS_STATUS_SUCCESS);
    check_inside(out.passwd.pw_name, 0, enough);
    check_inside(out.passwd.pw_passwd, 0, enough);
    check_inside(out.passwd.pw_gecos, 0, enough);
    check_inside(out.passwd.pw_dir, 0, enough);
    check_inside(out.passwd.pw_shell, 0, enough);
}

static void check_group_at(size_t offset)
{
    size_t padding = (sizeof(char *) - offset % sizeof(char *)) % sizeof(char *);
    size_t enough = padding + sizeof(char *) + sizeof "abcdefghij_stg" + sizeof "*";

    for (size_t size = 0; size < enough; size++) {
        assert_int_equal(group_by_name("abcdefghij_stg", offset, size), NSS_STATUS_TRYAGAIN);
        assert_int_equal(out.error, ERANGE);
        check_nothing_written();
    }
    assert_int_equal(group_by_name("abcdefghij_stg", offset, enough), NSS_STATUS_SUCCESS);
    check_inside(out.group.gr_name, offset, enough);
    check_inside(out.group.gr_passwd, offset, enough);
    assert_int_equal((uintptr_t)out.group.gr_mem % sizeof(char *), 0);
    assert_true((char *)out.group.gr_mem >= out.bytes + GUARD + offset);
    assert_null(out.group.gr_mem[0]);
    assert_string_equal(out.group.gr_name, "abcdefghij_stg");
    assert_string_equal(out.group.gr_passwd, "*");
    assert_int_equal(out.group.gr_gid, 200003);
}

static void test_group_sizes(void **arg)
{
    struct cloud_answer answer = good_group();

    (void)arg;
    will_answer(&answer);
    for (size_t offset = 0; offset < sizeof(char *); offset++)
        check_group_at(offset);
}

static void test_group_by_id(void **arg)
{
    struct cloud_answer answer = good_group();

    (void)arg;
    answer.op = CLOUD_OP_GROUP_BY_ID;
    will_answer(&answer);
    assert_int_equal(group_by_id(200003), NSS_STATUS_SUCCESS);
    assert_int_equal(fake_daemon.last.id, 200003);
    assert_string_equal(out.group.gr_name, "abcdefghij_stg");
    assert_null(out.group.gr_mem[0]);
}

static void test_aliases_have_no_group(void **arg)
{
    static const char *const aliases[] = {
        "abcdefghij_sftp",
        "abcdefghij_stg_sftp",
        "abcdefghij-main-abc1234--app",
        "ent-abcdefghij-staging-a1b2c3d",
    };
    struct cloud_answer answer = good_group();

    (void)arg;
    unsigned before = questions();
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        answer.account = aliases[i];
        will_answer(&answer);
        check_not_found(group_by_name(aliases[i], 0, SPACE));
    }
    assert_int_equal(questions(), before);
}

static void test_marker_groups(void **arg)
{
    (void)arg;
    unsigned before = questions();
    assert_int_equal(group_by_name("cloud-ssh", 0, SPACE), NSS_STATUS_SUCCESS);
    assert_int_equal(out.group.gr_gid, 199998);
    assert_null(out.group.gr_mem[0]);
    assert_int_equal(group_by_name("cloud-sftp", 0, SPACE), NSS_STATUS_SUCCESS);
    assert_int_equal(out.group.gr_gid, 199999);
    assert_int_equal(group_by_id(199998), NSS_STATUS_SUCCESS);
    assert_string_equal(out.group.gr_name, "cloud-ssh");
    assert_int_equal(group_by_id(199999), NSS_STATUS_SUCCESS);
    assert_string_equal(out.group.gr_name, "cloud-sftp");
    assert_int_equal(group_by_name("cloud-ssh", 0, 4), NSS_STATUS_TRYAGAIN);
    assert_int_equal(out.error, ERANGE);
    check_nothing_written();
    assert_int_equal(questions(), before);
}

static void test_answers(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    answer.reason = "test";
    answer.message = "test";
    answer.status = CLOUD_ABSENT;
    will_answer(&answer);
    check_not_found(passwd_by_name("abcdefghij_stg", SPACE));
    answer.status = CLOUD_UNAVAILABLE;
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    answer.status = CLOUD_REFUSED;
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
}

/* A good answer with one member changed to a value that the module must refuse. */
struct lie {
    const char *account, *gecos, *home, *shell;
    uint32_t id, gid;
};

static const struct lie lies[] = {
    {.account = "abcdefghij"},
    {.account = "abcdefghij_stg2"},
    {.account = "root"},
    {.account = ""},
    {.id = 1},
    {.id = 199999},
    {.id = 1000000},
    {.id = UINT32_MAX},
    {.gid = 1},
    {.gid = 199998},
    {.gid = UINT32_MAX},
    {.gecos = "a\nroot:x:0:0::/:"},
    {.gecos = "a:b"},
    {.gecos = "\033[2J"},
    {.home = ""},
    {.home = "app"},
    {.home = "/a\nb"},
    {.home = "/a:b"},
    {.shell = ""},
    {.shell = "bash"},
    {.shell = "/bin/bash\n"},
    {.shell = "/bin/ba:sh"},
    {.home = "../.."},
    {.home = "/etc/systemd/system/ssh.service.d"},
    {.home = "/app/../etc"},
    {.home = "/app//x"},
    {.home = "/app/x/"},
    {.home = "/app/x/y"},
};

static struct cloud_answer told(const struct lie *lie, struct cloud_answer answer)
{
    answer.account = lie->account != NULL ? lie->account : answer.account;
    answer.gecos = lie->gecos != NULL ? lie->gecos : answer.gecos;
    answer.home = lie->home != NULL ? lie->home : answer.home;
    answer.shell = lie->shell != NULL ? lie->shell : answer.shell;
    answer.id = lie->id != 0 ? lie->id : answer.id;
    answer.gid = lie->gid != 0 ? lie->gid : answer.gid;
    return answer;
}

static void test_lies_by_name(void **arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct cloud_answer answer = told(&lies[i], good_passwd());
        will_answer(&answer);
        check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
        answer = told(&lies[i], good_group());
        will_answer(&answer);
        if (lies[i].account != NULL || lies[i].gid != 0)
            check_unavailable(group_by_name("abcdefghij_stg", 0, SPACE));
    }
    struct cloud_answer root = good_passwd();
    root.id = 0;
    will_answer(&root);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
}

static void test_lies_by_id(void **arg)
{
    static const struct lie by_id[] = {
        {.account = "root"},
        {.account = "klmnopqrst_stg"},
        {.account = "abcdefghij_stg_sftp"},
        {.account = "ent-abcdefghij-staging-a1b2c3d"},
        {.account = "abcdefghij_stg\n"},
        {.id = 200001, .gid = 200001},
        {.gid = 999},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof by_id / sizeof by_id[0]; i++) {
        struct cloud_answer answer = told(&by_id[i], good_passwd());
        answer.op = CLOUD_OP_PASSWD_BY_ID;
        will_answer(&answer);
        check_unavailable(passwd_by_id(200002));
        answer = told(&by_id[i], good_group());
        answer.op = CLOUD_OP_GROUP_BY_ID;
        will_answer(&answer);
        check_unavailable(group_by_id(200003));
    }
}

static void test_bad_packets(void **arg)
{
    struct cloud_answer answer = good_passwd();
    unsigned char good[PACKET_MAX] = {0}, bad[PACKET_MAX];
    size_t n = cloud_wire_put_answer(&answer, good, sizeof good);

    (void)arg;
    for (size_t cut = 0; cut < n; cut++) {
        will_send(good, cut);
        check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    }
    will_send(good, n + 1);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    will_send(good, CLOUD_WIRE_ACCOUNT_MAX + 1);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    for (size_t i = 0; i < 8; i++) {
        memcpy(bad, good, n);
        bad[i] ^= 0x80;
        will_send(bad, n);
        check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    }
    memset(bad, 0xff, sizeof bad);
    will_send(bad, n);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    answer.op = CLOUD_OP_PASSWD_BY_ID; /* the answer to another question */
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
}

static void test_no_answer(void **arg)
{
    (void)arg;
    test_here.nss_timeout_ms = 50;
    will_be_silent();
    int64_t before = cloud_clock_ms();
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    assert_in_range(cloud_clock_ms() - before, 50, 60000);
}

/* After a wait without an answer a process waits less, until the daemon answers, whatever it is. */
static void test_patience(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    test_here.nss_timeout_ms = 400;
    will_be_silent();
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    assert_int_equal(backoff_timeout(10000), 5000);
    check_unavailable(group_by_id(200003));
    assert_int_equal(backoff_timeout(10000), 2500);
    test_here.nss_timeout_ms = 60000;
    assert_int_equal(rename(CLOUD_SOCKET_PATH, "aside.socket"), 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
    assert_int_equal(backoff_timeout(10000), 2500);
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
    assert_int_equal(backoff_timeout(10000), 10000);
}

/* The same holds for a hung daemon whose backlog is full. */
static void test_patience_backlog(void **arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int fds[8], n = 0, patience[3], listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)arg;
    assert_int_equal(rename(CLOUD_SOCKET_PATH, "aside.socket"), 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    do {
        assert_true(n < 8);
        fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(fds[n++], (const struct sockaddr *)&address, sizeof address) == 0);
    test_here.nss_timeout_ms = 100;
    for (int i = 0; i < 3; i++) {
        check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
        patience[i] = backoff_timeout(8000);
    }
    while (n > 0)
        close(fds[--n]);
    close(listener);
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(patience[i], 4000 >> i);
}

static void test_no_daemon(void **arg)
{
    (void)arg;
    assert_int_equal(rename(CLOUD_SOCKET_PATH, "aside.socket"), 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    check_unavailable(group_by_id(200003));
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
}

/* glibc passes errno itself as errnop. */
static void test_errno_is_errnop(void **arg)
{
    struct cloud_answer answer = good_passwd();
    char buffer[SPACE];
    struct passwd passwd;

    (void)arg;
    will_answer(&answer);
    errno = MAP_ERRNO;
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, SPACE, &errno),
                     NSS_STATUS_SUCCESS);
    assert_int_equal(errno, MAP_ERRNO);
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, 8, &errno),
                     NSS_STATUS_TRYAGAIN);
    assert_int_equal(errno, ERANGE);
    will_send("", 0);
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, SPACE, &errno),
                     NSS_STATUS_UNAVAIL);
    assert_int_equal(errno, EAGAIN);
}

static void test_join(void **arg)
{
    long int start = 1, size = 4;
    gid_t *groups = calloc(4, sizeof *groups);

    (void)arg;
    assert_non_null(groups);
    unsigned before = questions();
    groups[0] = 200003;
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, -1), NSS_STATUS_SUCCESS);
    assert_int_equal(start, 2);
    assert_int_equal(groups[1], 199998);
    /* The group is there already. */
    assert_int_equal(join("abcdefghij", &start, &size, &groups, -1), NSS_STATUS_SUCCESS);
    assert_int_equal(start, 2);
    assert_int_equal(join("abcdefghij_sftp", &start, &size, &groups, -1), NSS_STATUS_SUCCESS);
    assert_int_equal(start, 3);
    assert_int_equal(groups[2], 199999);
    assert_int_equal(size, 4);
    assert_int_equal(questions(), before);
    free(groups);
}

static void test_join_grows(void **arg)
{
    (void)arg;
    for (long int full = 0; full < 5; full++) {
        long int start = full, size = full;
        gid_t *groups = full > 0 ? malloc((size_t)full * sizeof *groups) : NULL;
        for (long int i = 0; i < full; i++)
            groups[i] = 300000 + (gid_t)i;
        assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, -1), NSS_STATUS_SUCCESS);
        assert_int_equal(start, full + 1);
        assert_true(size > full);
        for (long int i = 0; i < full; i++)
            assert_int_equal(groups[i], 300000 + i);
        assert_int_equal(groups[full], 199998);
        free(groups);
    }
}

static void test_join_limit(void **arg)
{
    long int start = 3, size = 3;
    gid_t *groups = calloc(3, sizeof *groups);

    (void)arg;
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, 3), NSS_STATUS_UNAVAIL);
    assert_int_equal(start, 3);
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, 4), NSS_STATUS_SUCCESS);
    assert_int_equal(start, 4);
    assert_int_equal(size, 4);
    free(groups);
}

static void test_join_local(void **arg)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    (void)arg;
    local_answer = CLOUD_LOCAL_YES;
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    local_answer = CLOUD_LOCAL_UNKNOWN;
    assert_int_equal(join("abcdefghij_stg", &start, &size, &groups, -1), NSS_STATUS_UNAVAIL);
    assert_int_equal(start, 0);
    assert_null(groups);
}

static void *look_up(void *arg)
{
    char buffer[SPACE];
    struct passwd passwd;
    int error;
    enum nss_status *status = arg;

    *status = _nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, sizeof buffer, &error);
    return NULL;
}

/* ---- The configuration, which a process keeps ---- */

static void (*while_reading)(void); /* called once, before the next read of the configuration */

bool __real_cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                            struct cloud_conf_error *error);
bool __wrap_cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                            struct cloud_conf_error *error);

bool __wrap_cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                            struct cloud_conf_error *error)
{
    void (*now)(void) = while_reading;

    if (now != NULL) {
        while_reading = NULL;
        now();
    }
    return __real_cloud_conf_read(conf, path, owner, error);
}

/* Whether work() succeeds in a child process. */
static bool in_child(bool (*work)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(work() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static bool finds(void)
{
    enum nss_status status;

    look_up(&status);
    return status == NSS_STATUS_SUCCESS;
}

/* In the child no thread completes what was being read. */
static bool finds_twice(void)
{
    return finds() && finds();
}

static bool found;

static void fork_while_reading(void)
{
    found = in_child(finds_twice);
}

/* A fork in the middle of the first read. */
static void test_configuration_being_read(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    while_reading = fork_while_reading;
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
    assert_true(found);
    assert_int_equal(unlink(CLOUD_CONF_PATH), 0);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
}

static bool is_found(void)
{
    return passwd_by_name("klmnopqrst", SPACE) == NSS_STATUS_SUCCESS;
}

static void wait_for_found(bool wanted)
{
    for (int i = 0; i < 1000 && is_found() != wanted; i++)
        usleep(10000);
    assert_int_equal(is_found(), wanted);
}

/* A process sees within a second what root adds to the settings and takes out. Broken ones change
 * nothing. */
static void test_configuration_changes(void **arg)
{
    struct cloud_answer answer = good_passwd();
    char more[512];

    (void)arg;
    answer.account = "klmnopqrst";
    will_answer(&answer);
    snprintf(more, sizeof more, "%sallow = klmnopqrst\n", good_conf);
    assert_false(is_found());
    write_file(CLOUD_CONF_PATH, more);
    wait_for_found(true);
    write_file(CLOUD_CONF_PATH, "no such key = 1\n");
    assert_true(is_found());
    assert_true(is_found());
    write_file("aside.conf", good_conf);
    assert_int_equal(rename("aside.conf", CLOUD_CONF_PATH), 0);
    wait_for_found(false);
}

/* Little more than the least that a thread can have; sanitizers need some of it. */
#define SMALL_STACK 24576

static void *look_up_small(void *arg)
{
    static char buffers[2][SPACE];
    static struct passwd passwd[2];
    static atomic_uint calls;
    unsigned i = atomic_fetch_add(&calls, 1) % 2;
    int error;
    enum nss_status *status = arg;

    *status = _nss_cloud_getpwnam_r("abcdefghij_stg", &passwd[i], buffers[i], SPACE, &error);
    return NULL;
}

static enum nss_status look_up_in_small_thread(void)
{
    enum nss_status status = NSS_STATUS_UNAVAIL;
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstacksize(&attributes, SMALL_STACK) != 0 ||
        pthread_create(&thread, &attributes, look_up_small, &status) != 0)
        return NSS_STATUS_TRYAGAIN;
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

static void look_up_while_reading(void)
{
    found = look_up_in_small_thread() == NSS_STATUS_SUCCESS;
}

/* A thread may have a small stack: for the first lookup, for one during it, and afterwards. */
static void test_small_stack(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    while_reading = look_up_while_reading;
    assert_int_equal(look_up_in_small_thread(), NSS_STATUS_SUCCESS);
    assert_true(found);
    assert_int_equal(look_up_in_small_thread(), NSS_STATUS_SUCCESS);
}

/*
 * Cancelled in a frame without arrays: the unwinding tells AddressSanitizer nothing, which then
 * takes the red zones that are left on the stack for errors.
 */
static void *look_up_and_end(void *arg)
{
    static void *(*volatile const not_inlined)(void *) = look_up;

    not_inlined(arg);
    pthread_testcancel();
    return NULL;
}

/* The first lookups of a process, by several threads at once. */
static bool all_find(void)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    enum nss_status status[THREADS];
    bool ok = true;

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, look_up, &status[i]) != 0)
            return false;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok = ok && status[i] == NSS_STATUS_SUCCESS;
    }
    return ok;
}

static void test_threads(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    for (int round = 0; round < 20; round++)
        assert_true(in_child(all_find));
}

/* A thread cancelled while it waits for the daemon ends its lookup first. */
static void test_cancelled_thread(void **arg)
{
    struct cloud_answer answer = good_passwd();
    pthread_t thread;
    void *result;
    enum nss_status status = NSS_STATUS_UNAVAIL;

    (void)arg;
    wait_until(&fake_daemon.closed, questions());
    unsigned before = open_descriptors(), asked = questions();
    will_answer(&answer);
    hold_answers(true);
    assert_int_equal(pthread_create(&thread, NULL, look_up_and_end, &status), 0);
    wait_until(&fake_daemon.questions, asked + 1);
    assert_int_equal(pthread_cancel(thread), 0);
    hold_answers(false);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(status, NSS_STATUS_SUCCESS);
    wait_until(&fake_daemon.closed, asked + 1);
    assert_int_equal(open_descriptors(), before);
}

static void test_no_descriptor_left(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    wait_until(&fake_daemon.closed, questions());
    unsigned before = open_descriptors();
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", SPACE), NSS_STATUS_SUCCESS);
    will_send("nonsense", 8);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    will_send("", 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", SPACE));
    wait_until(&fake_daemon.closed, questions());
    assert_int_equal(open_descriptors(), before);
}

static pthread_t daemon_thread;

static int start_daemon(void **arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};

    (void)arg;
    enter_directory();
    write_file(CLOUD_CONF_PATH, good_conf);
    fake_daemon.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fake_daemon.listener < 0 ||
        bind(fake_daemon.listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fake_daemon.listener, 64) != 0)
        return -1;
    return pthread_create(&daemon_thread, NULL, run_daemon, NULL);
}

static int stop_daemon(void **arg)
{
    (void)arg;
    hold_answers(false);
    shutdown(fake_daemon.listener, SHUT_RDWR); /* ends the accept */
    pthread_join(daemon_thread, NULL);
    close(fake_daemon.listener);
    leave_directory();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_not_allowed),
        cmocka_unit_test(test_pid_1),
        cmocka_unit_test(test_no_configuration),
        cmocka_unit_test(test_passwd),
        cmocka_unit_test(test_sftp_passwd),
        cmocka_unit_test(test_passwd_sizes),
        cmocka_unit_test(test_group_sizes),
        cmocka_unit_test(test_group_by_id),
        cmocka_unit_test(test_aliases_have_no_group),
        cmocka_unit_test(test_marker_groups),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_lies_by_name),
        cmocka_unit_test(test_lies_by_id),
        cmocka_unit_test(test_bad_packets),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_patience_backlog),
        cmocka_unit_test(test_no_daemon),
        cmocka_unit_test(test_errno_is_errnop),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_join_grows),
        cmocka_unit_test(test_join_limit),
        cmocka_unit_test(test_join_local),
        cmocka_unit_test(test_configuration_being_read),
        cmocka_unit_test(test_configuration_changes),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_small_stack),
        cmocka_unit_test(test_cancelled_thread),
        cmocka_unit_test(test_no_descriptor_left),
    };

    return run_in_processes(tests, sizeof tests / sizeof tests[0], start_daemon, stop_daemon);
}
