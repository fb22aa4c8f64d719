/* SPDX-License-Identifier: Apache-2.0 */

/*
 * accounts.snapshot as a hostile owner could leave it (snapshot_file.h), as the NSS module and PAM
 * use it while no daemon answers: with buffers of each small size, and with a map that is kept when
 * the file is gone. The first byte's bits from ALIGNED on say how far from an alignment the buffers
 * begin.
 */
#include "tests/fuzz/snapshot_file.h"

#include "nss_cloud/nss_cloud.h"

/* Only these files know the maps that a process keeps, and to whom PAM opens by itself. */
#include "nss_cloud/map.c"       /* NOLINT(bugprone-suspicious-include) */
#include "pam_cloud/pam_cloud.c" /* NOLINT(bugprone-suspicious-include) */

#define NOW     1800000000 /* time(2) */
#define ENTRIES 16         /* of an enumeration */
#define ALIGNED 32

static struct {
    unsigned char *file;
    size_t size, aligned;
    bool hidden; /* the processes see no file, as in a chroot */
    struct visit visit;
} here;

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    if (out != NULL)
        *out = NOW;
    return NOW;
}

bool __wrap_cloud_snapshot_map(struct cloud_snapshot *out);
bool __wrap_cloud_snapshot_map(struct cloud_snapshot *out)
{
    errno = here.hidden ? ENOENT : EINVAL;
    return !here.hidden && cloud_snapshot_open(here.file, here.size, out);
}

void __wrap_cloud_snapshot_unmap(struct cloud_snapshot *snapshot);
void __wrap_cloud_snapshot_unmap(struct cloud_snapshot *snapshot)
{
    snapshot->map = NULL;
}

enum cloud_status __wrap_cloud_call(const struct cloud_question *question,
                                    struct cloud_answer *answer, void *buffer, size_t size,
                                    int timeout_ms);
enum cloud_status __wrap_cloud_call(const struct cloud_question *question,
                                    struct cloud_answer *answer, void *buffer, size_t size,
                                    int timeout_ms)
{
    (void)buffer;
    require(question->op > 0 && size > 0 && timeout_ms > 0);
    memset(answer, 0, sizeof *answer);
    return CLOUD_UNAVAILABLE;
}

/* A question to the NSS module: of a name, else of an id, else of the next entry. */
struct asked {
    bool group, next;
    const char *name;
    uint32_t id;
};

union entry_of {
    struct passwd passwd;
    struct group group;
};

static enum nss_status ask_nss(const struct asked *asked, char *buffer, size_t size,
                               union entry_of *out)
{
    int error = 0;
    enum nss_status status;

    if (asked->next)
        status = asked->group ? _nss_cloud_getgrent_r(&out->group, buffer, size, &error)
                              : _nss_cloud_getpwent_r(&out->passwd, buffer, size, &error);
    else if (asked->name != NULL)
        status = asked->group
                     ? _nss_cloud_getgrnam_r(asked->name, &out->group, buffer, size, &error)
                     : _nss_cloud_getpwnam_r(asked->name, &out->passwd, buffer, size, &error);
    else
        status = asked->group
                     ? _nss_cloud_getgrgid_r(asked->id, &out->group, buffer, size, &error)
                     : _nss_cloud_getpwuid_r(asked->id, &out->passwd, buffer, size, &error);
    require(status != NSS_STATUS_TRYAGAIN || error == ERANGE);
    return status;
}

static bool is_id(uint32_t id)
{
    return id >= 200000 && id <= 299999;
}

static bool is_field(const char *text)
{
    return strchr(text, ':') == NULL && !cloud_text_has_control(text);
}

/* The name that was asked for or, if none was, the main login name of an environment. */
static void check_name(const struct asked *asked, const char *came)
{
    struct cloud_name name;

    require(cloud_name_parse(&here.visit.conf.grammar, came, &name));
    require(asked->name != NULL ? strcmp(came, asked->name) == 0 : name.plain);
}

/* Returns the size of the buffer that the entry needs. */
static size_t check_passwd(const struct asked *asked, const struct passwd *found,
                           const char *buffer)
{
    bool sftp = cloud_name_kind(found->pw_name) == CLOUD_SFTP;

    check_name(asked, found->pw_name);
    require(is_id(found->pw_uid) && is_id(found->pw_gid));
    require(asked->name != NULL || asked->next || found->pw_uid == asked->id);
    require(is_field(found->pw_gecos) && is_field(found->pw_dir) && is_field(found->pw_shell));
    require(found->pw_shell[0] == '/' && strcmp(found->pw_passwd, "*") == 0);
    require(sftp ? strcmp(found->pw_dir, "/") == 0 : strncmp(found->pw_dir, "/app/", 5) == 0);
    return (size_t)(found->pw_shell + strlen(found->pw_shell) + 1 - buffer);
}

static size_t check_group(const struct asked *asked, const struct group *found, const char *buffer)
{
    check_name(asked, found->gr_name);
    require(is_id(found->gr_gid) && found->gr_mem[0] == NULL);
    require(asked->name != NULL || asked->next || found->gr_gid == asked->id);
    return (size_t)(found->gr_passwd + strlen(found->gr_passwd) + 1 - buffer);
}

/* Asks with buffers of each small size, and of ever greater ones, until one is enough: none before
 * was. Returns whether there is an entry. */
static bool ask_of(const struct asked *asked)
{
    enum nss_status status = NSS_STATUS_TRYAGAIN;

    for (size_t size = 0, before = 0; status == NSS_STATUS_TRYAGAIN; size += 1 + size / 16) {
        char *memory = malloc(here.aligned + size), *buffer = memory + here.aligned;
        union entry_of found;
        require(memory != NULL && size < 2 * CLOUD_SNAPSHOT_RECORD_MAX);
        status = ask_nss(asked, buffer, size, &found);
        if (status == NSS_STATUS_SUCCESS) {
            size_t need = asked->group ? check_group(asked, &found.group, buffer)
                                       : check_passwd(asked, &found.passwd, buffer);
            require(need <= size && need > before);
        }
        before = size;
        free(memory);
    }
    return status == NSS_STATUS_SUCCESS;
}

static const char *const names[] = {"bench0000001", "abcde-pr-1-abcdefg",
                                    "abcde-pr-1-abcdefg--mymagento", "abcdefgh_stg",
                                    "abcdefgh_stg_sftp"};

enum { NAMES = sizeof names / sizeof names[0] };

static void ask_names(void)
{
    for (size_t i = 0; i < NAMES; i++) {
        (void)ask_of(&(struct asked){.name = names[i]});
        (void)ask_of(&(struct asked){.name = names[i], .group = true});
    }
}

static void ask_all(void)
{
    struct asked asked = {.next = true};

    ask_names();
    for (uint32_t id = 199999; id < 200004; id++) {
        (void)ask_of(&(struct asked){.id = id});
        (void)ask_of(&(struct asked){.id = id, .group = true});
    }
    (void)_nss_cloud_setpwent(0);
    for (int i = 0; i < ENTRIES && ask_of(&asked); i++)
        ;
    (void)_nss_cloud_endpwent();
    asked.group = true;
    for (int i = 0; i < ENTRIES && ask_of(&asked); i++)
        ;
    (void)_nss_cloud_endgrent();
}

/* What PAM grants by itself, a record must say that is in force. */
static void check_service(const char *name, const char *service)
{
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;
    struct visit *visit = &here.visit;
    unsigned opens = strcmp(service, "cron") == 0 ? CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_PAUSED
                                                  : CLOUD_SNAPSHOT_ACTIVE;

    visit->service = service;
    if (!cloud_name_parse(&visit->conf.grammar, name, &visit->name) || !snapshot_grants(visit))
        return;
    require(cloud_snapshot_open(here.file, here.size, &snapshot));
    require(snapshot.header.created <= NOW + CLOUD_SNAPSHOT_SLACK &&
            (snapshot.header.boot | 1) == (this_boot() | 1) && !cloud_snapshot_retired(&snapshot));
    require(
        cloud_snapshot_by_name(&snapshot, visit->name.project, visit->name.environment, &account));
    require(is_id(account.record.uid) && account.record.expires > NOW &&
            (account.record.flags & opens) != 0);
}

/* Makes the settings, and has the process keep no map. */
static void start_process(void)
{
    static const char conf[] = "access_url = https://api.example/{project}/{environment}\n"
                               "project_id_length = 5-32\nallow = *\nuid_min = 200000\nuid_max = "
                               "299999\nenumerate = yes\n";
    struct cloud_conf_error error;

    if (access(CLOUD_CONF_PATH, F_OK) != 0)
        fuzz_file(CLOUD_CONF_PATH, conf, sizeof conf - 1);
    if (here.visit.conf.uid_min == 0)
        require(cloud_conf_read(&here.visit.conf, CLOUD_CONF_PATH, CLOUD_CONF_OWNER, &error));
    if (current != NONE)
        slots[current].held.snapshot.map = NULL;
}

/* Lookups and logins of services while the file is there, then in processes that keep its map when
 * it is retired, and see no other. */
static void use_in_processes(void)
{
    static const uint32_t retired = CLOUD_SNAPSHOT_RETIRED;
    const struct asked next = {.next = true};

    start_process();
    here.hidden = false;
    ask_all();
    for (size_t i = 0; i < NAMES; i++) {
        check_service(names[i], "cron");
        check_service(names[i], "su");
    }
    memcpy(here.file + offsetof(struct cloud_snapshot_header, state), &retired, sizeof retired);
    here.hidden = true;
    ask_names();
    require(_nss_cloud_setpwent(0) == NSS_STATUS_UNAVAIL && !ask_of(&next));
    (void)_nss_cloud_endpwent();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cloud_snapshot snapshot;

    here.file = open_placed(data, size, &snapshot);
    if (here.file == NULL || (uintptr_t)here.file % 8 != 0) /* a map is aligned */
        return 0;
    here.size = snapshot.size;
    here.aligned = data[0] / ALIGNED;
    use_in_processes();
    return 0;
}
