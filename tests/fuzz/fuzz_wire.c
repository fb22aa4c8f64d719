/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

/*
 * Packets, as questions and as answers. One that is taken has exactly one spelling: put again it
 * gives the same bytes. Its strings lie inside it.
 */

static unsigned char again[CLOUD_WIRE_ANSWER_MAX];

static void check_inside(const char *string, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)string;

    if (string != NULL)
        require(at >= data && at < data + size && strlen(string) < (size_t)(data + size - at));
}

static void check_question(const uint8_t *data, size_t size)
{
    struct cloud_question question;

    if (!cloud_wire_get_question(data, size, &question))
        return;
    check_inside(question.account, data, size);
    check_inside(question.key_type, data, size);
    check_inside(question.key, data, size);
    check_inside(question.service, data, size);
    check_inside(question.from, data, size);
    check_inside(question.auth_info, data, size);
    check_inside(question.session, data, size);
    require(cloud_wire_put_question(&question, again, sizeof again) == size);
    require(memcmp(again, data, size) == 0);
    require(cloud_wire_put_question(&question, again, size - 1) == 0);
}

static void check_answer(const uint8_t *data, size_t size)
{
    struct cloud_answer answer;

    if (!cloud_wire_get_answer(data, size, &answer))
        return;
    const char *const strings[] = {
        answer.account, answer.gecos,   answer.home,    answer.shell, answer.line,
        answer.reason,  answer.message, answer.project, answer.app,   answer.environment,
        answer.user,    answer.session, answer.mounts};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        check_inside(strings[i], data, size);
    require(cloud_wire_put_answer(&answer, again, sizeof again) == size);
    require(memcmp(again, data, size) == 0);
    require(cloud_wire_put_answer(&answer, again, size - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char large[CLOUD_WIRE_ANSWER_MAX + 1];
    struct cloud_question question;
    struct cloud_answer answer;

    require(!cloud_wire_get_question(large, CLOUD_WIRE_QUESTION_MAX + 1, &question));
    require(!cloud_wire_get_answer(large, sizeof large, &answer));
    check_question(data, size);
    check_answer(data, size);
    return 0;
}
