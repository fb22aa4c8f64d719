/* SPDX-License-Identifier: Apache-2.0 */

/*
 * echo: the least that a daemon could do. It listens in cloudauthd's place, and answers each
 * question for an account, whatever it asks, with the same packet. What a question to it takes is
 * the floor of a connection, a packet and an answer between two processes of this machine.
 */
#include "common/wire.h"
#include "tests/bench/samples.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static int listen_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    unlink(CLOUD_SOCKET_PATH);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0)
        samples_die("%s: no socket", CLOUD_SOCKET_PATH);
    return fd;
}

int main(void)
{
    static unsigned char question[CLOUD_WIRE_QUESTION_MAX], packet[CLOUD_WIRE_ACCOUNT_MAX];
    struct cloud_answer answer = {.op = CLOUD_OP_PASSWD_BY_NAME,
                                  .status = CLOUD_OK,
                                  .account = "bench0000000",
                                  .id = 200000,
                                  .gid = 200000,
                                  .gecos = "bench",
                                  .home = "/app/bench0000000",
                                  .shell = "/bin/bash"};
    size_t n = cloud_wire_put_answer(&answer, packet, sizeof packet);
    int listener = listen_socket();

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            samples_die("accept");
        if (recv(fd, question, sizeof question, 0) > 0)
            (void)send(fd, packet, n, MSG_NOSIGNAL);
        close(fd);
    }
}
