/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <string.h>

static unsigned char packet[CLOUD_WIRE_ANSWER_MAX];

static struct cloud_question full_question(enum cloud_op op)
{
    return (struct cloud_question){.op = op,
                                   .account = "abcdefghij",
                                   .id = 200001,
                                   .kind = 2,
                                   .key_type = "ssh-ed25519",
                                   .key = "AAAA",
                                   .service = "sshd",
                                   .from = "",
                                   .auth_info = "publickey ssh-ed25519 AAAA",
                                   .is_ssh = 1,
                                   .session = "0123456789abcdef",
                                   .text = "user\talice",
                                   .page = 3};
}

static struct cloud_answer full_answer(enum cloud_op op, enum cloud_status status)
{
    return (struct cloud_answer){.op = op,
                                 .status = status,
                                 .account = "abcdefghij",
                                 .id = 200001,
                                 .gid = 200002,
                                 .gecos = "",
                                 .home = "/app",
                                 .shell = "/bin/bash",
                                 .line = "restrict ssh-ed25519 AAAA",
                                 .reason = "granted",
                                 .message = "m",
                                 .project = "abcdefghij",
                                 .environment = "staging",
                                 .app = "",
                                 .user = "alice",
                                 .session = "",
                                 .mounts = "rw pub/media\nro var/log\n",
                                 .text = "version\t1",
                                 .page = 4};
}

static void test_questions_round_trip(void **state)
{
    (void)state;
    for (unsigned op = 1; op < CLOUD_OP_END; op++) {
        if (!cloud_wire_op_known(op))
            continue;
        struct cloud_question in = full_question((enum cloud_op)op), out;
        size_t n = cloud_wire_put_question(&in, packet, sizeof packet);
        assert_true(n > 0);
        assert_true(cloud_wire_get_question(packet, n, &out));
        assert_int_equal(out.op, op);
        if (out.account != NULL)
            assert_string_equal(out.account, in.account);
        if (out.key != NULL)
            assert_string_equal(out.key, in.key);
        if (out.auth_info != NULL)
            assert_string_equal(out.auth_info, in.auth_info);
        if (out.session != NULL)
            assert_string_equal(out.session, in.session);
        assert_true((out.session != NULL) ==
                    (op == CLOUD_OP_SESSIONS || op == CLOUD_OP_SESSION_END));
        assert_true(out.id == 0 || out.id == in.id);
    }
}

static void test_answers_round_trip(void **state)
{
    (void)state;
    for (unsigned op = 1; op < CLOUD_OP_END; op++)
        for (unsigned status = 0; cloud_wire_op_known(op) && status <= CLOUD_REFUSED; status++) {
            struct cloud_answer in = full_answer((enum cloud_op)op, (enum cloud_status)status), out;
            size_t n = cloud_wire_put_answer(&in, packet, sizeof packet);
            assert_true(n > 0);
            assert_true(cloud_wire_get_answer(packet, n, &out));
            assert_int_equal(out.status, status);
            if (status == CLOUD_REFUSED)
                assert_string_equal(out.message, "m");
            if (status == CLOUD_OK && op == CLOUD_OP_PASSWD_BY_NAME) {
                assert_int_equal(out.id, 200001);
                assert_int_equal(out.gid, 200002);
                assert_string_equal(out.shell, "/bin/bash");
            }
            if (status == CLOUD_OK && op == CLOUD_OP_PAM_ACCOUNT) {
                assert_string_equal(out.home, "/app");
                assert_int_equal(out.id, 200001);
                assert_int_equal(out.gid, 200002);
                assert_string_equal(out.mounts, in.mounts);
            }
        }
}

/* Every shorter and every longer packet is refused, and nothing past its end is read. */
static void test_lengths(void **state)
{
    (void)state;
    for (unsigned op = 1; op < CLOUD_OP_END; op++) {
        if (!cloud_wire_op_known(op))
            continue;
        struct cloud_question in = full_question((enum cloud_op)op), out;
        size_t n = cloud_wire_put_question(&in, packet, sizeof packet);
        struct guarded guarded;
        for (size_t length = 0; length < n; length++) {
            guarded = guarded_copy(packet, length);
            assert_false(cloud_wire_get_question(guarded.at, length, &out));
            guarded_free(&guarded);
        }
        packet[n] = 0;
        assert_false(cloud_wire_get_question(packet, n + 1, &out));
    }
}

/* Every byte set to every value: a packet that is taken still has whole strings. */
static void test_every_byte(void **state)
{
    struct cloud_answer in = full_answer(CLOUD_OP_PASSWD_BY_NAME, CLOUD_OK), out;
    size_t n = cloud_wire_put_answer(&in, packet, sizeof packet);

    (void)state;
    for (size_t at = 0; at < n; at++)
        for (unsigned value = 0; value < 256; value++) {
            struct guarded guarded = guarded_copy(packet, n);
            guarded.at[at] = (char)value;
            if (cloud_wire_get_answer(guarded.at, n, &out) && out.status == CLOUD_OK &&
                out.op == CLOUD_OP_PASSWD_BY_NAME)
                assert_true(strlen(out.account) + strlen(out.home) + strlen(out.shell) < n);
            guarded_free(&guarded);
        }
}

static void test_refused(void **state)
{
    struct cloud_question in = full_question(CLOUD_OP_KEYS), out = {.id = 77};
    size_t n = cloud_wire_put_question(&in, packet, sizeof packet);

    (void)state;
    packet[4] = CLOUD_WIRE_VERSION + 1;
    assert_false(cloud_wire_get_question(packet, n, &out));
    assert_int_equal(cloud_wire_version(packet, n), CLOUD_WIRE_VERSION + 1);
    assert_int_equal(cloud_wire_version(packet, 7), 0);
    packet[4] = CLOUD_WIRE_VERSION;
    packet[6] = 1; /* a question has no status */
    assert_false(cloud_wire_get_question(packet, n, &out));
    packet[6] = 0;
    packet[7] = 1;
    assert_false(cloud_wire_get_question(packet, n, &out));
    packet[7] = 0;
    memset(packet + 12, 0xff, 4); /* a length that would wrap */
    assert_false(cloud_wire_get_question(packet, n, &out));
    assert_int_equal(out.id, 77); /* untouched */

    in.op = (enum cloud_op)(CLOUD_OP_STATUS - 1); /* in a gap */
    assert_false(cloud_wire_op_known(in.op));
    assert_int_equal(cloud_wire_put_question(&in, packet, sizeof packet), 0);
    in = full_question(CLOUD_OP_KEYS);
    n = cloud_wire_put_question(&in, packet, sizeof packet);
    packet[5] = CLOUD_OP_STATUS - 1;
    assert_false(cloud_wire_get_question(packet, n, &out));
    in.op = CLOUD_OP_END;
    assert_int_equal(cloud_wire_put_question(&in, packet, sizeof packet), 0);
    in = full_question(CLOUD_OP_KEYS);
    in.key = NULL;
    assert_int_equal(cloud_wire_put_question(&in, packet, sizeof packet), 0);
    in = full_question(CLOUD_OP_PAM_ACCOUNT);
    in.is_ssh = 2;
    n = cloud_wire_put_question(&in, packet, sizeof packet);
    assert_false(cloud_wire_get_question(packet, n, &out));
}

static void test_too_large(void **state)
{
    static char key[CLOUD_WIRE_QUESTION_MAX + 1];
    struct cloud_question in = full_question(CLOUD_OP_KEYS);

    (void)state;
    memset(key, 'A', sizeof key - 1);
    in.key = key;
    assert_int_equal(cloud_wire_put_question(&in, packet, sizeof packet), 0);
    in = full_question(CLOUD_OP_KEYS);
    size_t n = cloud_wire_put_question(&in, packet, sizeof packet);
    for (size_t size = 0; size < n; size++) {
        struct guarded guarded = guarded_copy(packet, size);
        assert_int_equal(cloud_wire_put_question(&in, guarded.at, size), 0);
        guarded_free(&guarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions_round_trip),
        cmocka_unit_test(test_answers_round_trip),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
