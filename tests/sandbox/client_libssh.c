/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_libssh KEY LOGIN put FILE PATH | get PATH FILE | run COMMAND: what
 * tests/sandbox/clients.sh asks of libssh. What the server says goes to stderr; run's exit status
 * is the command's.
 */
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIMEOUT_SECONDS 20L
#define TIMEOUT_MS      20000

static char buffer[16384];

static int fail(ssh_session session, const char *what)
{
    char *banner = ssh_get_issue_banner(session);

    fprintf(stderr, "%s: %s\n", what, ssh_get_error(session));
    if (banner != NULL)
        fprintf(stderr, "%s\n", banner);
    ssh_string_free_char(banner);
    return 1;
}

/* Returns whether the login succeeded. */
static bool enter(ssh_session session, const char *file, const char *login)
{
    const long timeout = TIMEOUT_SECONDS;
    ssh_key key = NULL;
    bool entered;

    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &(int){0});
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_USER, login);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/root/known_hosts");
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &timeout);
    if (ssh_connect(session) != SSH_OK ||
        ssh_session_is_known_server(session) != SSH_KNOWN_HOSTS_OK ||
        ssh_pki_import_privkey_file(file, NULL, NULL, NULL, &key) != SSH_OK)
        return false;
    entered = ssh_userauth_publickey(session, NULL, key) == SSH_AUTH_SUCCESS;
    ssh_key_free(key);
    return entered;
}

static bool write_all(sftp_file to, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = sftp_write(to, data, size);
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool put(sftp_session sftp, const char *file, const char *path)
{
    FILE *from = fopen(file, "rb");
    sftp_file to = sftp_open(sftp, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bool good = from != NULL && to != NULL;
    size_t n;

    while (good && (n = fread(buffer, 1, sizeof buffer, from)) > 0)
        good = write_all(to, buffer, n);
    if (to != NULL && sftp_close(to) != SSH_OK)
        good = false;
    if (from != NULL)
        fclose(from);
    return good;
}

static bool get(sftp_session sftp, const char *path, const char *file)
{
    sftp_file from = sftp_open(sftp, path, O_RDONLY, 0);
    FILE *to = from != NULL ? fopen(file, "wb") : NULL;
    bool good = to != NULL;
    ssize_t n = 0;

    while (good && (n = sftp_read(from, buffer, sizeof buffer)) > 0)
        good = fwrite(buffer, 1, (size_t)n, to) == (size_t)n;
    if (to != NULL && fclose(to) != 0)
        good = false;
    if (from != NULL)
        sftp_close(from);
    return good && n == 0;
}

static int transfer(ssh_session session, char **word)
{
    sftp_session sftp = sftp_new(session);
    bool good = false;
    int status = 0;

    if (sftp == NULL || sftp_init(sftp) != SSH_OK)
        return fail(session, "sftp");
    if (strcmp(word[0], "put") == 0)
        good = put(sftp, word[1], word[2]);
    else
        good = get(sftp, word[1], word[2]);
    if (!good) {
        fprintf(stderr, "sftp status %d\n", sftp_get_error(sftp));
        status = fail(session, word[0]);
    }
    sftp_free(sftp);
    return status;
}

/* Answers whether all that the command says on that stream was passed on. */
static bool drain(ssh_channel channel, bool of_stderr, FILE *to)
{
    int n;

    while ((n = ssh_channel_read_timeout(channel, buffer, sizeof buffer, of_stderr, TIMEOUT_MS)) >
           0)
        fwrite(buffer, 1, (size_t)n, to);
    return n == 0 && fflush(to) == 0;
}

static int run(ssh_session session, const char *command)
{
    ssh_channel channel = ssh_channel_new(session);
    int status = 255;
    size_t n;

    if (channel == NULL || ssh_channel_open_session(channel) != SSH_OK ||
        ssh_channel_request_exec(channel, command) != SSH_OK)
        return fail(session, "run");
    /* What comes meanwhile, libssh keeps. */
    while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0)
        if (ssh_channel_write(channel, buffer, (uint32_t)n) != (int)n)
            break;
    ssh_channel_send_eof(channel);
    if (drain(channel, false, stdout) && drain(channel, true, stderr))
        status = ssh_channel_get_exit_status(channel);
    ssh_channel_free(channel);
    return status;
}

int main(int argc, char **argv)
{
    ssh_session session = ssh_new();
    int status;

    if (argc < 5 || session == NULL) {
        fprintf(stderr, "usage: client_libssh KEY LOGIN VERB ARGUMENT...\n");
        return 2;
    }
    if (!enter(session, argv[1], argv[2]))
        status = fail(session, "login");
    else if (strcmp(argv[3], "run") == 0)
        status = run(session, argv[4]);
    else if (argc == 6)
        status = transfer(session, argv + 3);
    else
        status = 2;
    ssh_disconnect(session);
    ssh_free(session);
    return status;
}
