/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sshd's AuthorizedKeysCommand: cloud-authkeys shell|sftp %u %t %k [%U]
 *
 * Prints the one authorized_keys line with which the key offered may enter the account, or nothing.
 * The exit status is 0 whenever that answer is certain, 1 where nobody can say now, 2 for a wrong
 * usage; sshd throws away what was printed where it is not 0.
 */
#include "common/call.h"
#include "common/io.h"
#include "common/name.h"
#include "common/text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CERTAIN = 0, UNCERTAIN = 1, USAGE = 2 };

/* Static, since the start of a process costs less than a stack of this size would. */
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

/* An sshd that was not told to say it says none. */
static bool read_uid(const char *text, uint32_t *uid)
{
    uint64_t number = 0;

    if (text != NULL && !cloud_number(text, strlen(text), UINT32_MAX, &number))
        return false;
    *uid = (uint32_t)number;
    return true;
}

static int print_line(const char *line)
{
    size_t n = strlen(line);
    size_t at = (size_t)((const unsigned char *)line - packet);

    /* A control character could end the line, and what follows would be another key. */
    if (n == 0 || cloud_has_control(line))
        return UNCERTAIN;
    packet[at + n] = '\n'; /* in place of the NUL that ends the string in the packet */
    return io_write_all(STDOUT_FILENO, line, n + 1) ? CERTAIN : UNCERTAIN;
}

/* The one place where an answer becomes an exit status. */
static int finish(enum cloud_status status, const struct cloud_answer *answer)
{
    switch (status) {
    case CLOUD_OK:
        return print_line(answer->line);
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
    /* Whoever gave that name to root: it is no account of ours, and 0 would be "nobody says". */
    if (argc == 6 && question.id == 0)
        return CERTAIN;
    /* sshd may be gone: then the write fails, and with it the program, but by its own word. */
    (void)signal(SIGPIPE, SIG_IGN);
    question.account = argv[2];
    question.key_type = argv[3];
    question.key = argv[4];
    /* A key longer than any that a document can hold is in none. */
    if (cloud_wire_put_question(&question, packet, sizeof packet) == 0)
        return CERTAIN;
    return finish(cloud_call(&question, &answer, packet, sizeof packet, CLOUD_CALL_LOGIN_MS),
                  &answer);
}
