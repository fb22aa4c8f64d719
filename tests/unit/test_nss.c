/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libnss_cloud against a daemon of the test's own, which answers over the real socket and can lie.
 * The sources of the module stand in this file, so that they look for socket and configuration in
 * the test's directory, and so that the test can see the cached configuration's state. Link with
 * the rest of common/.
 */

#include "common/call.c"
#include "common/snapshot.c"
#include "nss_cloud/backoff.c"
#include "nss_cloud/config.c"
#include "nss_cloud/enumerate.c"
#include "nss_cloud/lookup.c"
#include "nss_cloud/map.c"
#include "nss_cloud/negcache.c"
#include "nss_cloud/nss_cloud.c"
#include "nss_cloud/pack.c"
#include "tests/unit/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* glibc's own idea of each function's type: a mismatch does not compile. */
NSS_DECLARE_MODULE_FUNCTIONS(cloud)

#define PACKET_MAX 8192
#define MAP_ERRNO  EXDEV

/* ---- what the module asks of the host, under the test's control ---- */

static pid_t pid_answer; /* 0: the truth */
static enum cloud_local local_answer;

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
                                "allow = abcdefghij abcdefghij_* abcdefghij-* ent-abcdefghij-*\n";

/* ---- the daemon ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int listener;
    unsigned questions, closed; /* received; their connections closed */
    bool silent;
    struct cloud_question last;
    char last_packet[PACKET_MAX];
    unsigned char packet[PACKET_MAX]; /* what is answered */
    size_t packet_size;               /* 0: the connection is closed without an answer */
} context = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void serve(int fd)
{
    char packet[PACKET_MAX];
    ssize_t got = recv(fd, packet, sizeof packet, 0);

    pthread_mutex_lock(&context.lock);
    memset(&context.last, 0, sizeof context.last);
    if (got > 0) {
        memcpy(context.last_packet, packet, (size_t)got);
        (void)cloud_wire_get_question(context.last_packet, (size_t)got, &context.last);
    }
    context.questions++;
    pthread_cond_broadcast(&context.changed);
    bool silent = context.silent;
    if (!silent && context.packet_size > 0)
        (void)send(fd, context.packet, context.packet_size, MSG_NOSIGNAL);
    pthread_mutex_unlock(&context.lock);
    if (silent)
        (void)recv(fd, packet, sizeof packet, 0); /* until the client gives up */
    close(fd);
    pthread_mutex_lock(&context.lock);
    context.closed++;
    pthread_cond_broadcast(&context.changed);
    pthread_mutex_unlock(&context.lock);
}

static void *run_daemon(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept4(context.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        serve(fd);
    return NULL;
}

static void wait_until(const unsigned *counter, unsigned value)
{
    struct timespec bound;

    clock_gettime(CLOCK_REALTIME, &bound);
    bound.tv_sec += 10;
    pthread_mutex_lock(&context.lock);
    while (*counter < value)
        assert_int_equal(pthread_cond_timedwait(&context.changed, &context.lock, &bound), 0);
    pthread_mutex_unlock(&context.lock);
}

static unsigned questions(void)
{
    pthread_mutex_lock(&context.lock);
    unsigned n = context.questions;
    pthread_mutex_unlock(&context.lock);
    return n;
}

static void will_send(const void *packet, size_t n)
{
    pthread_mutex_lock(&context.lock);
    context.silent = false;
    memcpy(context.packet, packet, n);
    context.packet_size = n;
    pthread_mutex_unlock(&context.lock);
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
    pthread_mutex_lock(&context.lock);
    context.silent = true;
    pthread_mutex_unlock(&context.lock);
}

/* ---- a lookup in a guarded buffer ---- */

#define GUARD 64
#define ROOM  1024

static struct {
    _Alignas(16) char bytes[GUARD + ROOM + GUARD];
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
    assert_true(untouched(out.bytes + GUARD + offset + size, ROOM - offset - size + GUARD));
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
        _nss_cloud_getpwuid_r(id, &out.passwd, out.bytes + GUARD, ROOM, &out.error);
    check_guards(0, ROOM);
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
        _nss_cloud_getgrgid_r(id, &out.group, out.bytes + GUARD, ROOM, &out.error);
    check_guards(0, ROOM);
    return status;
}

static void check_nothing_written(void)
{
    assert_true(untouched(out.bytes, sizeof out.bytes));
    assert_true(untouched(&out.passwd, sizeof out.passwd));
    assert_true(untouched(&out.group, sizeof out.group));
}

/* Nothing was found, for want of an answer: what getpwnam_r(3) then reports is an error. */
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

/* ---- tests ---- */

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

/* Without a configuration, whoever needs it hears UNAVAIL: these do not even look for it. */
static void test_foreign(void **arg)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    (void)arg;
    unlink(CLOUD_CONF_PATH);
    pid_answer = 1;
    unsigned before = questions();
    check_not_found(passwd_by_name(NULL, ROOM));
    check_not_found(group_by_name(NULL, 0, ROOM));
    assert_int_equal(join(NULL, &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    for (size_t i = 0; i < sizeof foreign_names / sizeof foreign_names[0]; i++) {
        check_not_found(passwd_by_name(foreign_names[i], ROOM));
        check_not_found(group_by_name(foreign_names[i], 0, ROOM));
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
    check_not_found(passwd_by_name("klmnopqrst_stg", ROOM));
    check_not_found(passwd_by_name("postgres", ROOM));
    check_not_found(passwd_by_name("abcdefghij_live", ROOM));
    check_not_found(passwd_by_id(199998));
    check_not_found(passwd_by_id(1000000));
    check_not_found(group_by_name("klmnopqrst", 0, ROOM));
    check_not_found(group_by_id(1000));
    assert_int_equal(join("klmnopqrst_stg", &start, &size, &groups, -1), NSS_STATUS_NOTFOUND);
    assert_int_equal(questions(), before);
}

static void check_all_unavailable(void)
{
    long int start = 0, size = 0;
    gid_t *groups = NULL;

    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    check_unavailable(passwd_by_id(200002));
    check_unavailable(group_by_name("abcdefghij_stg", 0, ROOM));
    check_unavailable(group_by_name("cloud-ssh", 0, ROOM));
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
    /* Tried again once it is there, and then read no more. */
    write_file(CLOUD_CONF_PATH, good_conf);
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
    unlink(CLOUD_CONF_PATH);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
}

static void test_passwd(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
    assert_int_equal(context.last.op, CLOUD_OP_PASSWD_BY_NAME);
    assert_string_equal(context.last.account, "abcdefghij_stg");
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
    assert_int_equal(context.last.op, CLOUD_OP_PASSWD_BY_ID);
    assert_int_equal(context.last.id, 200002);
    assert_string_equal(out.passwd.pw_name, "abcdefghij_stg");
    assert_string_equal(out.passwd.pw_shell, "/bin/bash");
}

static void test_sftp_passwd(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    answer.account = "abcdefghij_stg_sftp";
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg_sftp", ROOM), NSS_STATUS_SUCCESS);
    assert_string_equal(out.passwd.pw_dir, "/");
    assert_string_equal(out.passwd.pw_shell, "/usr/sbin/nologin");
    assert_int_equal(out.passwd.pw_uid, 200002);
}

/* Every buffer from none to the first that is large enough: all or nothing. */
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
    assert_int_equal(context.last.id, 200003);
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
        check_not_found(group_by_name(aliases[i], 0, ROOM));
    }
    assert_int_equal(questions(), before);
}

static void test_marker_groups(void **arg)
{
    (void)arg;
    unsigned before = questions();
    assert_int_equal(group_by_name("cloud-ssh", 0, ROOM), NSS_STATUS_SUCCESS);
    assert_int_equal(out.group.gr_gid, 199998);
    assert_null(out.group.gr_mem[0]);
    assert_int_equal(group_by_name("cloud-sftp", 0, ROOM), NSS_STATUS_SUCCESS);
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
    check_not_found(passwd_by_name("abcdefghij_stg", ROOM));
    answer.status = CLOUD_UNAVAILABLE;
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    answer.status = CLOUD_REFUSED;
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
}

/* One member of a good answer changed to what the module may not believe. */
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
        check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
        answer = told(&lies[i], good_group());
        will_answer(&answer);
        if (lies[i].account != NULL || lies[i].gid != 0)
            check_unavailable(group_by_name("abcdefghij_stg", 0, ROOM));
    }
    struct cloud_answer root = good_passwd();
    root.id = 0;
    will_answer(&root);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
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
        check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    }
    will_send(good, n + 1);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    will_send(good, CLOUD_WIRE_ACCOUNT_MAX + 1);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    for (size_t i = 0; i < 8; i++) {
        memcpy(bad, good, n);
        bad[i] ^= 0x80;
        will_send(bad, n);
        check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    }
    memset(bad, 0xff, sizeof bad);
    will_send(bad, n);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    answer.op = CLOUD_OP_PASSWD_BY_ID; /* the answer to another question */
    will_answer(&answer);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
}

static void test_no_answer(void **arg)
{
    (void)arg;
    test_here.nss_timeout_ms = 50;
    will_be_silent();
    int64_t before = cloud_clock_ms();
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    assert_in_range(cloud_clock_ms() - before, 50, 5000);
}

/* A process waits less for a daemon that has let it wait, until that answers, whatever it says. */
static void test_patience(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    test_here.nss_timeout_ms = 400;
    will_be_silent();
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    assert_int_equal(backoff_timeout(10000), 5000);
    check_unavailable(group_by_id(200003));
    assert_int_equal(backoff_timeout(10000), 2500);
    test_here.nss_timeout_ms = 10000;
    assert_int_equal(rename(CLOUD_SOCKET_PATH, "aside.socket"), 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
    assert_int_equal(backoff_timeout(10000), 2500);
    will_answer(&answer);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
    assert_int_equal(backoff_timeout(10000), 10000);
}

/* Nor does it wait in full again and again where the hung one's backlog has run full. */
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
        check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
        patience[i] = backoff_timeout(8000);
    }
    while (n > 0)
        close(fds[--n]);
    close(listener);
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(patience[i], 4000 >> i);
}

static void test_no_broker(void **arg)
{
    (void)arg;
    assert_int_equal(rename(CLOUD_SOCKET_PATH, "aside.socket"), 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    check_unavailable(group_by_id(200003));
    assert_int_equal(rename("aside.socket", CLOUD_SOCKET_PATH), 0);
}

/* As glibc calls it: errnop is errno itself. */
static void test_errno_is_errnop(void **arg)
{
    struct cloud_answer answer = good_passwd();
    char buffer[ROOM];
    struct passwd passwd;

    (void)arg;
    will_answer(&answer);
    errno = MAP_ERRNO;
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, ROOM, &errno),
                     NSS_STATUS_SUCCESS);
    assert_int_equal(errno, MAP_ERRNO);
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, 8, &errno),
                     NSS_STATUS_TRYAGAIN);
    assert_int_equal(errno, ERANGE);
    will_send("", 0);
    assert_int_equal(_nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, ROOM, &errno),
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
    /* It is there already. */
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

/* Another thread fills the shared configuration, or a fork has taken it away while it did. */
static void test_configuration_being_written(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    atomic_store(&state, BEING_WRITTEN);
    memset(&shared, 0xff, sizeof shared);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
    assert_int_equal(atomic_load(&state), BEING_WRITTEN);
    unlink(CLOUD_CONF_PATH);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
}

static void *look_up(void *arg)
{
    char buffer[ROOM];
    struct passwd passwd;
    int error;
    enum nss_status *status = arg;

    *status = _nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, sizeof buffer, &error);
    return NULL;
}

/* Little more than the least that a thread can have: sanitizers want some of it. */
#define SMALL_STACK 24576

static void *look_up_small(void *arg)
{
    static char buffer[ROOM];
    static struct passwd passwd;
    int error;
    enum nss_status *status = arg;

    *status = _nss_cloud_getpwnam_r("abcdefghij_stg", &passwd, buffer, sizeof buffer, &error);
    return NULL;
}

/* A thread may have a small stack, at its first lookup and beside another's. */
static void test_small_stack(void **arg)
{
    static const int states[] = {EMPTY, BEING_WRITTEN, READY};
    struct cloud_answer answer = good_passwd();
    enum nss_status status;
    pthread_attr_t attributes;
    pthread_t thread;

    (void)arg;
    will_answer(&answer);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        atomic_store(&state, states[i]);
        status = NSS_STATUS_UNAVAIL;
        assert_int_equal(pthread_create(&thread, &attributes, look_up_small, &status), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(status, NSS_STATUS_SUCCESS);
        if (states[i] == EMPTY)
            assert_int_equal(atomic_load(&state), READY);
    }
    pthread_attr_destroy(&attributes);
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

static void test_threads(void **arg)
{
    enum { THREADS = 8, ROUNDS = 20 };
    struct cloud_answer answer = good_passwd();

    (void)arg;
    will_answer(&answer);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        enum nss_status status[THREADS];
        atomic_store(&state, EMPTY);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, look_up, &status[i]), 0);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(status[i], NSS_STATUS_SUCCESS);
        }
        assert_int_equal(atomic_load(&state), READY);
    }
}

/* A thread cancelled while it waits for the daemon ends its lookup first. */
static void test_cancelled_thread(void **arg)
{
    pthread_t thread;
    void *result;
    enum nss_status status = NSS_STATUS_SUCCESS;

    (void)arg;
    test_here.nss_timeout_ms = 200;
    wait_until(&context.closed, questions());
    unsigned before = open_descriptors(), asked = questions();
    will_be_silent();
    assert_int_equal(pthread_create(&thread, NULL, look_up_and_end, &status), 0);
    wait_until(&context.questions, asked + 1);
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(status, NSS_STATUS_UNAVAIL);
    wait_until(&context.closed, asked + 1);
    assert_int_equal(open_descriptors(), before);
}

static void test_no_descriptor_left(void **arg)
{
    struct cloud_answer answer = good_passwd();

    (void)arg;
    wait_until(&context.closed, questions());
    unsigned before = open_descriptors();
    will_answer(&answer);
    atomic_store(&state, EMPTY);
    assert_int_equal(passwd_by_name("abcdefghij_stg", ROOM), NSS_STATUS_SUCCESS);
    will_send("nonsense", 8);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    will_send("", 0);
    check_unavailable(passwd_by_name("abcdefghij_stg", ROOM));
    wait_until(&context.closed, questions());
    assert_int_equal(open_descriptors(), before);
}

static int fresh(void **arg)
{
    (void)arg;
    pid_answer = 0;
    local_answer = CLOUD_LOCAL_NO;
    test_here.nss_timeout_ms = 10000;
    atomic_store(&state, EMPTY);
    atomic_store(&unanswered, 0);
    write_file(CLOUD_CONF_PATH, good_conf);
    return 0;
}

static pthread_t daemon_thread;

static int start_broker(void **arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};

    (void)arg;
    enter_directory();
    context.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (context.listener < 0 ||
        bind(context.listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(context.listener, 64) != 0)
        return -1;
    return pthread_create(&daemon_thread, NULL, run_daemon, NULL);
}

static int stop_broker(void **arg)
{
    (void)arg;
    shutdown(context.listener, SHUT_RDWR); /* ends the accept */
    pthread_join(daemon_thread, NULL);
    close(context.listener);
    leave_directory();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_foreign, fresh),
        cmocka_unit_test_setup(test_not_allowed, fresh),
        cmocka_unit_test_setup(test_pid_1, fresh),
        cmocka_unit_test_setup(test_no_configuration, fresh),
        cmocka_unit_test_setup(test_passwd, fresh),
        cmocka_unit_test_setup(test_sftp_passwd, fresh),
        cmocka_unit_test_setup(test_passwd_sizes, fresh),
        cmocka_unit_test_setup(test_group_sizes, fresh),
        cmocka_unit_test_setup(test_group_by_id, fresh),
        cmocka_unit_test_setup(test_aliases_have_no_group, fresh),
        cmocka_unit_test_setup(test_marker_groups, fresh),
        cmocka_unit_test_setup(test_answers, fresh),
        cmocka_unit_test_setup(test_lies_by_name, fresh),
        cmocka_unit_test_setup(test_lies_by_id, fresh),
        cmocka_unit_test_setup(test_bad_packets, fresh),
        cmocka_unit_test_setup(test_no_answer, fresh),
        cmocka_unit_test_setup(test_patience, fresh),
        cmocka_unit_test_setup(test_patience_backlog, fresh),
        cmocka_unit_test_setup(test_no_broker, fresh),
        cmocka_unit_test_setup(test_errno_is_errnop, fresh),
        cmocka_unit_test_setup(test_join, fresh),
        cmocka_unit_test_setup(test_join_grows, fresh),
        cmocka_unit_test_setup(test_join_limit, fresh),
        cmocka_unit_test_setup(test_join_local, fresh),
        cmocka_unit_test_setup(test_configuration_being_written, fresh),
        cmocka_unit_test_setup(test_threads, fresh),
        cmocka_unit_test_setup(test_small_stack, fresh),
        cmocka_unit_test_setup(test_cancelled_thread, fresh),
        cmocka_unit_test_setup(test_no_descriptor_left, fresh),
    };

    return cmocka_run_group_tests(tests, start_broker, stop_broker);
}
