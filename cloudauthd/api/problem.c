/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/problem.h"

#include "access/json.h"

#include <string.h>

#define BODY_MAX 16384u
#define SHOWN    70 /* the most bytes of a string that are appended */

static void add_quoted(struct cloud_text *text, const char *said)
{
    char shown[SHOWN + 1];
    size_t n = 0;

    for (; n < SHOWN && said[n] != '\0'; n++) {
        shown[n] = said[n];
        if (said[n] < ' ' || said[n] > '~' || said[n] == '"' || said[n] == '\\')
            shown[n] = '?';
    }
    shown[n] = '\0';
    cloud_text_add(text, " \"");
    cloud_text_add(text, shown);
    cloud_text_add(text, said[n] == '\0' ? "\"" : "...\"");
}

void problem_add(struct cloud_text *text, const void *body, size_t n, const char *secret)
{
    static const struct json_limits limits = {8, 500};
    static const char *const members[] = {"title", "detail"};
    char unused[128];
    struct cloud_text ignored;
    struct json problem;

    cloud_text_start(&ignored, unused, sizeof unused);
    if (n > BODY_MAX || !json_parse(body, n, &limits, &ignored, &problem))
        return;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *said = "";
        if (!json_get_any_string(&problem, members[i], JSON_OPTIONAL, &said) || said[0] == '\0')
            continue;
        if (secret != NULL && strstr(said, secret) != NULL)
            cloud_text_add(text, " (withheld: it repeats the credential)");
        else
            add_quoted(text, said);
    }
    json_free(&problem);
}
