/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sshd's AuthorizedKeysCommand: cloud-authkeys shell|sftp %u %t %k [%U]
 *
 * Prints the authorized_keys lines with which the offered key may log in to the account, or
 * nothing. The exit status is 0 if this answer is certain, 1 if the daemon cannot be reached or
 * cannot decide now, 2 if the arguments are wrong. sshd ignores the output if the status is not 0.
 *
 * The daemon writes the audit line of a refusal. If no answer of it comes, the audit line is
 * written here, as pam_cloud.so does in that case.
 */
#include "common/call.h"
#include "common/io.h"
#include "common/name.h"
#include "common/text.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_SOCKET "/dev/log"
#define LOG_WAIT_S 1 /* seconds that the log daemon may take for the audit line */

enum { CERTAIN = 0, UNCERTAIN = 1, USAGE = 2 };

/* Static, because touching a stack of this size would slow down the start of the process. */
static unsigned char packet[CLOUD_WIRE_ANSWER_MAX];

static int usage(void)
{
    static const char text[] = "usage: cloud-authkeys shell|sftp ACCOUNT KEYTYPE BASE64 [UID]\n";

    (void)io_write_all(STDERR_FILENO, text, sizeof text - 1);
    return USAGE;
}

static bool read_kind(const char *word, uint32_t *kind)
{
    if (strcmp(word, "shell") == 0)
        *kind = CLOUD_SHELL;
    else if (strcmp(word, "sftp") == 0)
        *kind = CLOUD_SFTP;
    else
        return false;
    return true;
}

/* Parses the uid. If text is NULL, because sshd is not configured to pass a uid (%U), sets *uid to
 * 0. False if text is not a uid. */
static bool read_uid(const char *text, uint32_t *uid)
{
    uint64_t number = 0;

    if (text != NULL && !cloud_text_read_number(text, strlen(text), UINT32_MAX, &number))
        return false;
    *uid = (uint32_t)number;
    return true;
}

static int print_lines(const char *line)
{
    size_t n = strlen(line);
    size_t at = (size_t)((const unsigned char *)line - packet);

    /* Newlines separate the lines; a line itself contains no control character. */
    for (size_t i = 0; i < n; i++)
        if (line[i] != '\n' && cloud_text_is_control(line[i]))
            return UNCERTAIN;
    if (n == 0)
        return UNCERTAIN;
    packet[at + n] = '\n'; /* replaces the NUL of the string in the packet */
    return io_write_all(STDOUT_FILENO, line, n + 1) ? CERTAIN : UNCERTAIN;
}

/* Sends a line to the log daemon, if that takes it within LOG_WAIT_S. syslog(3) would wait for as
 * long as the log daemon is stopped. */
static void log_line(const char *line, size_t n)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};
    const struct timeval wait = {.tv_sec = LOG_WAIT_S};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0)
        (void)sendto(fd, line, n, MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address);
}

/* Writes the audit line of an offer that is refused here. The key's fingerprint is not known,
 * because this program has no hash function. The parent is sshd's process of the connection. */
static void log_refusal(const struct cloud_question *question, const char *reason)
{
    char line[4096];
    struct cloud_text text;

    cloud_text_start(&text, line, sizeof line);
    cloud_text_add(&text, "<");
    cloud_text_add_number(&text, LOG_AUTHPRIV | LOG_NOTICE);
    cloud_text_add(&text, ">cloud-authkeys[");
    cloud_text_add_number(&text, (uint64_t)getpid());
    cloud_text_add(&text, "]: refuse");
    cloud_text_add_pair(&text, "account", question->account);
    cloud_text_add_pair(&text, "kind", question->kind == CLOUD_SFTP ? "sftp" : "shell");
    cloud_text_add(&text, " project= environment= app= user= role= key= from= service=sshd");
    cloud_text_add_pair(&text, "reason", reason);
    cloud_text_add(&text, " source=none age= pid=");
    cloud_text_add_number(&text, (uint64_t)getppid());
    cloud_text_add(&text, " proof=none");
    log_line(line, text.used);
}

/* The only place where a status becomes an exit status. */
static int finish(enum cloud_status status, const struct cloud_answer *answer)
{
    switch (status) {
    case CLOUD_OK:
        return print_lines(answer->line);
    case CLOUD_ABSENT:
    case CLOUD_REFUSED:
        return CERTAIN;
    case CLOUD_UNAVAILABLE:
        break;
    }
    return UNCERTAIN;
}

int main(int argc, char **argv)
{
    struct cloud_question question = {.op = CLOUD_OP_KEYS};
    struct cloud_answer answer;
    enum cloud_status status;

    if (argc < 5 || argc > 6 || !read_kind(argv[1], &question.kind) ||
        !read_uid(argv[5], &question.id))
        return usage();
    /* If sshd has exited, SIGPIPE would kill this program; with the signal ignored, the write fails
     * and the exit status says so. */
    (void)signal(SIGPIPE, SIG_IGN);
    question.account = argv[2];
    question.key_type = argv[3];
    question.key = argv[4];
    /* No cloud account has uid 0, so no key may log in. In the question 0 would mean that no uid
     * was passed. */
    if (argc == 6 && question.id == 0) {
        log_refusal(&question, "ids-changed");
        return CERTAIN;
    }
    /* A key that does not fit into the question is longer than any key in a document. The daemon
     * refuses an empty one, because it cannot be read. */
    if (cloud_wire_put_question(&question, packet, sizeof packet) == 0)
        question.key = "";
    status = cloud_call(&question, &answer, packet, sizeof packet, CLOUD_CALL_LOGIN_MS);
    if (status == CLOUD_UNAVAILABLE && answer.reason == NULL)
        log_refusal(&question, "daemon-unreachable");
    return finish(status, &answer);
}
