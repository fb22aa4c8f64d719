/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon's replies, of which words may be an API's, as cloudauthctl reads and prints them for
 * root. The first byte says which command asks, and whether in JSON; what follows are the replies,
 * as `next_answer` takes them apart. Nothing that is printed is for a terminal to interpret, what
 * is JSON is one line of it, and a shell that is given a remedy runs what the remedy says.
 */
#include "tests/fuzz/fuzz.h"

#include "access/json_scan.h"
#include "base/array.h"
#include "base/process.h"
#include "common/text.h"
#include "jail/jail.h"

#include <poll.h>
#include <stdio.h>

/* Only ask.c knows what is never freed, main.c the commands, and status.c the page of a terminal.
 */
static char *keep_text(const char *text);
static bool keep_rows(void *array, size_t *used, size_t *room, const void *element, size_t size);
#define strdup    keep_text
#define array_add keep_rows
#include "ctl/ask.c" /* NOLINT(bugprone-suspicious-include) */
#undef strdup
#undef array_add
int ctl_main(int argc, char **argv);
#define main ctl_main
#include "ctl/main.c" /* NOLINT(bugprone-suspicious-include) */
#undef main
#include "ctl/status.c" /* NOLINT(bugprone-suspicious-include) */

#define NOW 1800000000
#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

enum { JSON = 128, WORDS = 5 };

/* STATUS is judged as well. Of the others REBIND and LOOKUP alone have remedies, and print neither
 * a name nor a row of a reply, which could look like one. */
enum { STATUS = 0, REBIND = 7, LOOKUP = 10 };

static const char *const command_lines[][WORDS] = {
    {"status"},
    {"explain", "abcdefghij", KEY},
    {"keys", "abcdefghij"},
    {"sessions"},
    {"sessions", "--end-user", "alice"},
    {"refresh", "--all"},
    {"refresh", "abcdefghij"},
    {"rebind", "--force", "abcdefghij"},
    {"deny", "--list"},
    {"deny", "--user", "alice"},
    {"lookup", "abcdefghij"},
    {"confirm-absences"},
    {"confirm-absences", "--all"},
    {"sessions", "abcdefghij"},
    {"sessions", "--end", "17"},
    {"sessions", "p/e"},
};

enum { COMMANDS = sizeof command_lines / sizeof command_lines[0] };

/* ---- What the commands never free ---- */

static struct {
    void **at;
    size_t n, room;
} kept;

static void keep(void *memory)
{
    require(memory != NULL && array_add(&kept.at, &kept.n, &kept.room, &memory, sizeof memory));
}

static char *keep_text(const char *text)
{
    char *copy = strdup(text);

    keep(copy);
    return copy;
}

static bool keep_rows(void *array, size_t *used, size_t *room, const void *element, size_t size)
{
    void *before, *after;

    memcpy(&before, array, sizeof before);
    require(array_add(array, used, room, element, size));
    memcpy(&after, array, sizeof after);
    for (size_t i = 0; i < kept.n && before != NULL; i++)
        if (kept.at[i] == before)
            kept.at[i] = after;
    if (before == NULL)
        keep(after);
    return true;
}

static void free_kept(void)
{
    while (kept.n > 0)
        free(kept.at[--kept.n]);
}

/* ---- The daemon ---- */

static struct {
    const char *at;
    size_t left;
} replies;

static const char *next_string(void)
{
    const char *string = replies.at;
    size_t n = replies.left == 0 ? 0 : strlen(string) + 1;

    if (n > replies.left)
        n = replies.left;
    replies.at += n;
    replies.left -= n;
    return n == 0 ? "" : string;
}

/* A reply is a byte with the status, in the lowest bits, and whether there is another page; then
 * strings with a NUL each. */
enum cloud_status __wrap_cloud_call(const struct cloud_question *question,
                                    struct cloud_answer *answer, void *packet, size_t size,
                                    int timeout_ms);
enum cloud_status __wrap_cloud_call(const struct cloud_question *question,
                                    struct cloud_answer *answer, void *packet, size_t size,
                                    int timeout_ms)
{
    unsigned how = 0;

    require(cloud_wire_put_question(question, packet, size) > 0 && timeout_ms > 0);
    memset(answer, 0, sizeof *answer);
    if (replies.left == 0)
        return CLOUD_UNAVAILABLE;
    how = (unsigned char)*replies.at++;
    replies.left--;
    answer->status = (enum cloud_status)(how % 4);
    answer->op = question->op;
    if (answer->status != CLOUD_OK) {
        answer->reason = next_string();
        answer->message = answer->status == CLOUD_REFUSED ? next_string() : NULL;
        return answer->status;
    }
    answer->page = question->op == CLOUD_OP_SESSIONS ? 0 : how / 4 % 2;
    answer->session = question->op == CLOUD_OP_SESSIONS ? next_string() : NULL;
    answer->id = answer->gid = 200000 + how;
    if (question->op != CLOUD_OP_PASSWD_BY_NAME) {
        answer->text = next_string();
        return CLOUD_OK;
    }
    answer->account = next_string();
    answer->gecos = next_string();
    answer->home = next_string();
    answer->shell = next_string();
    return CLOUD_OK;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    require(fds == NULL && n == 0 && timeout > 0);
    return 0;
}

/* The host has no other process, and a single directory. */
bool __wrap_process_each(bool (*each)(void *arg, const struct process_info *), void *arg);
bool __wrap_process_each(bool (*each)(void *arg, const struct process_info *), void *arg)
{
    (void)arg;
    return each != NULL;
}

bool __wrap_jail_check(const struct jail *jail, struct jail_fault *fault);
bool __wrap_jail_check(const struct jail *jail, struct jail_fault *fault)
{
    fault->text[0] = '\0';
    return jail->mounts == 1;
}

/* ---- What is printed ---- */

/* Whether a shell that is given the command takes each word of it for itself: outside of quotes
 * there is nothing that it would replace, and no option where a foreign word stands. A comment is
 * what it likes. */
static void check_command(const char *command)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_./:@%+=,- ";
    bool quoted = false;

    require(!cloud_text_has_control(command));
    if (command[0] == '#') /* advice */
        return;
    require(strncmp(command, "find ", 5) != 0 || command[5 + strspn(command + 5, "'")] == '/');
    for (; *command != '\0'; command++) {
        if (!quoted && (strncmp(command, "  # ", 4) == 0 || strcmp(command, "{} +") == 0))
            return;
        if (*command == '\'')
            quoted = !quoted;
        else if (!quoted && strncmp(command, "\\'", 2) == 0)
            command++;
        else
            require(quoted || strchr(plain, *command) != NULL);
    }
    require(!quoted);
}

/* No byte is a control character of ASCII, and no character one of Unicode's; in JSON the only
 * newline is the last one. */
static void check_text(const char *text, bool json)
{
    struct json_fault fault;
    const struct json_limits limits = {4, 100000};
    unsigned code;
    size_t n = strlen(text);

    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t bytes = json_utf8(at, strnlen((const char *)at, 4), &code);
        require(bytes > 0 && (code == '\n' || (code >= ' ' && (code < 0x7f || code >= 0xa0))));
        require(code < 0x202a || code > 0x202e);
        at += bytes;
    }
    if (json && n > 0 && !json_scan(text, n, &limits, NULL, &fault))
        require(strcmp(fault.what, "a number of more than 60 characters") == 0);
    require(!json || n == 0 || strchr(text, '\n') == text + n - 1);
}

static void check_remedies(const char *text)
{
    static const char mark[] = "\nremedy: ";
    const char *at = text;

    while ((at = strstr(at, mark)) != NULL) {
        char *command;
        at += strlen(mark);
        command = strndup(at, strcspn(at, "\n"));
        require(command != NULL);
        check_command(command);
        free(command);
    }
}

/* ---- The commands ---- */

static void check_health(const struct health *health)
{
    for (size_t i = 0; i < health->findings; i++) {
        const struct health_finding *finding = &health->finding[i];
        require(finding->text[0] != '\0');
        /* The others are as the table has them. */
        if (strcmp(finding->check, "api") == 0 || strcmp(finding->check, "certificates") == 0)
            check_command(finding->remedy);
    }
}

/* As cmd_status does, with the settings of a host that has certificates, for programs and for a
 * terminal. */
static void run_status(bool json)
{
    static const char *const urls[] = {"https://api.example/{project}", "file:///{project}.json",
                                       "file://{project}.json",
                                       "file:///srv/the docs/{project}/{environment}.json"};
    static struct health health;
    static struct cloud_conf conf;
    struct cloud_question question = {.op = CLOUD_OP_STATUS};
    struct out out;

    memset(&health, 0, sizeof health);
    cloud_conf_defaults(&conf);
    strcpy(conf.access_url, urls[replies.left % 4]);
    strcpy(conf.client_cert, "/etc/it's.pem");
    out_start(&out, json);
    if (ask_rows(&question, &health.rows) == CTL_YES) {
        health_judge(&health, &conf, NOW);
        check_health(&health);
        put_rows(&out, &health);
        if (!json) {
            put_page(&out, &health);
            put_findings(&out, &health);
        }
    }
    (void)out_end(&out);
}

static void run_command_line(unsigned which, bool json)
{
    char *words[WORDS + 1] = {NULL};
    struct ctl ctl = {.json = json, .conf_path = CLOUD_CONF_PATH};
    int status;

    for (size_t i = 0; i < WORDS; i++)
        words[i] = (char *)(uintptr_t)command_lines[which][i];
    status = run(&ctl, words);
    require(status >= CTL_YES && status <= CTL_UNKNOWN && status != CTL_USAGE);
}

static void write_conf(void)
{
    static const char conf[] = "access_url = file:///srv/{project}/{environment}.json\n"
                               "allow = abcdefghij\n";

    if (access(CLOUD_CONF_PATH, F_OK) != 0)
        fuzz_file(CLOUD_CONF_PATH, conf, sizeof conf - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *const streams[] = {stdout, stderr};
    char *printed, *said, *text;
    size_t n, m;
    unsigned which;
    bool json;

    if (size < 1)
        return 0;
    write_conf();
    json = (data[0] & JSON) != 0;
    text = fuzz_text(data + 1, size - 1);
    replies.at = text;
    replies.left = size - 1;
    stdout = open_memstream(&printed, &n);
    stderr = open_memstream(&said, &m);
    require(stdout != NULL && stderr != NULL);
    which = data[0] % JSON % COMMANDS;
    if (which == STATUS)
        run_status(json);
    else
        run_command_line(which, json);
    require(fclose(stdout) == 0 && fclose(stderr) == 0);
    stdout = streams[0];
    stderr = streams[1];
    check_text(printed, json);
    check_text(said, false);
    if (!json && (which == REBIND || which == LOOKUP))
        check_remedies(printed);
    free(printed);
    free(said);
    free_kept();
    free(text);
    return 0;
}
