/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sshd's AuthorizedKeysCommand: cloud-authkeys shell|sftp %u %t %k [%U]
 *
 * Prints the authorized_keys lines with which the offered key may log in to the account, or
 * nothing. The exit status is 0 if this answer is certain, 1 if the daemon cannot be reached or
 * cannot decide now, 2 if the arguments are wrong. sshd ignores the output if the status is not 0.
 */
#include "common/call.h"
#include "common/io.h"
#include "common/name.h"
#include "common/text.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

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

    if (argc < 5 || argc > 6 || !read_kind(argv[1], &question.kind) ||
        !read_uid(argv[5], &question.id))
        return usage();
    /* No cloud account has uid 0, so no key may log in. In the question 0 would mean that no uid
     * was passed. */
    if (argc == 6 && question.id == 0)
        return CERTAIN;
    /* If sshd has exited, SIGPIPE would kill this program; with the signal ignored, the write fails
     * and the exit status says so. */
    (void)signal(SIGPIPE, SIG_IGN);
    question.account = argv[2];
    question.key_type = argv[3];
    question.key = argv[4];
    /* If the question does not fit, the key is longer than any key in a document: it may not log
     * in. */
    if (cloud_wire_put_question(&question, packet, sizeof packet) == 0)
        return CERTAIN;
    return finish(cloud_call(&question, &answer, packet, sizeof packet, CLOUD_CALL_LOGIN_MS),
                  &answer);
}
