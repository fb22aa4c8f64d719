/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ask CLIENTS QUESTIONS ACCOUNTS passwd|each|uid|KEYTYPE KEY: so many processes ask the daemon so
 * many questions each (common/call.h), about pseudo-random ones of so many ACCOUNTS (accounts.h),
 * or about each in turn, which must be answered. With a key type and a key, those questions are
 * sshd's helper's.
 *
 * Prints: QUESTIONS A-SECOND MEDIAN P99, the latter two in nanoseconds.
 */
#include "tests/bench/accounts.h"
#include "tests/bench/samples.h"

#include "common/call.h"
#include "common/name.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX   64
#define QUESTIONS_MAX 10000000

struct client {
    const char *type, *key;
    uint32_t accounts, next;
    long questions;
    uint64_t random;
};

static struct cloud_question question_of(struct client *client, char name[BENCH_NAME_SIZE])
{
    struct cloud_question question = {.op = CLOUD_OP_PASSWD_BY_NAME, .account = name};
    bool each = strcmp(client->type, "each") == 0;
    uint32_t account = (each ? client->next++ : bench_random(&client->random)) % client->accounts;

    bench_name(name, account);
    if (strcmp(client->type, "uid") == 0) {
        question.op = CLOUD_OP_PASSWD_BY_ID;
        question.id = BENCH_UID + account;
    } else if (!each && strcmp(client->type, "passwd") != 0) {
        question.op = CLOUD_OP_KEYS;
        question.kind = CLOUD_SHELL;
        question.key_type = client->type;
        question.key = client->key;
    }
    return question;
}

static void ask(struct client client, int64_t *samples)
{
    static unsigned char buffer[CLOUD_WIRE_ANSWER_MAX];
    char name[BENCH_NAME_SIZE];

    for (long i = 0; i < client.questions; i++) {
        struct cloud_question question = question_of(&client, name);
        struct cloud_answer answer;
        int64_t begin = samples_now();
        enum cloud_status status =
            cloud_call(&question, &answer, buffer, sizeof buffer, CLOUD_CALL_LOGIN_MS);
        samples[i] = samples_now() - begin;
        if (status != CLOUD_OK)
            samples_die("%s: status %d, %s", name, (int)status,
                        answer.reason != NULL ? answer.reason : "no answer");
    }
}

/* Nanoseconds that all of them took. */
static int64_t run(const struct client *client, int clients, int64_t *samples)
{
    int64_t begin = samples_now();
    int status;

    for (int i = 0; i < clients; i++) {
        pid_t pid = fork();
        if (pid < 0)
            samples_die("no process");
        if (pid > 0)
            continue;
        struct client own = *client;
        own.random = (uint64_t)i + 1;
        ask(own, samples + i * client->questions);
        _exit(0);
    }
    for (int i = 0; i < clients; i++)
        if (wait(&status) < 0 || status != 0)
            samples_die("a client failed");
    return samples_now() - begin;
}

int main(int argc, char **argv)
{
    struct client client = {0};

    if (argc != 5 && argc != 6)
        samples_die("usage: ask CLIENTS QUESTIONS ACCOUNTS passwd|each|uid|KEYTYPE KEY");
    int clients = (int)samples_number(argv[1], 1, CLIENTS_MAX);
    client.questions = samples_number(argv[2], 1, QUESTIONS_MAX);
    client.accounts = (uint32_t)samples_number(argv[3], 1, 10000000);
    client.type = argv[4];
    client.key = argc > 5 ? argv[5] : "";
    size_t n = (size_t)clients * (size_t)client.questions;
    int64_t *samples = mmap(NULL, n * sizeof *samples, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (samples == MAP_FAILED)
        samples_die("no memory for %zu samples", n);
    int64_t nanoseconds = run(&client, clients, samples);
    samples_sort(samples, n);
    printf("%zu %.0f %lld %lld\n", n, (double)n * 1e9 / (double)nanoseconds,
           (long long)samples_percentile(samples, n, 50),
           (long long)samples_percentile(samples, n, 99));
    return 0;
}
