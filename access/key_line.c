/* SPDX-License-Identifier: Apache-2.0 */
#include "access/key_line.h"

#include "common/text.h"

#include <time.h>

#define LAST_EXPIRY INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const struct document_forwarding *forwarding_of(const struct document *document,
                                                       const struct cloud_name *name)
{
    const struct document_app *app = policy_app(document, name);

    return app != NULL && app->forwarding != NULL ? app->forwarding : &document->forwarding;
}

/* An absent list would mean "anything" to sshd, so an empty one names a place that is none. */
static void add_places(struct cloud_text *text, const char *option, const char **place, size_t n)
{
    for (size_t i = 0; i < n || i == 0; i++) {
        cloud_text_add(text, ",");
        cloud_text_add(text, option);
        cloud_text_add(text, "=\"");
        cloud_text_add(text, n == 0 ? "none:1" : place[i]);
        cloud_text_add(text, "\"");
    }
}

/* "20270101000000Z": UTC, as sshd takes it since 9.1. A year of five digits, which an offset can
 * make of 9999, would make it throw the whole line away. */
static void add_expiry(struct cloud_text *text, int64_t seconds)
{
    time_t when = (time_t)(seconds < LAST_EXPIRY ? seconds : LAST_EXPIRY);
    char stamp[32];
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL || strftime(stamp, sizeof stamp, "%Y%m%d%H%M%SZ", &tm) == 0) {
        text->cut = true;
        return;
    }
    cloud_text_add(text, ",expiry-time=\"");
    cloud_text_add(text, stamp);
    cloud_text_add(text, "\"");
}

static void add_grants(struct cloud_text *text, const struct document *document,
                       const struct cloud_name *name)
{
    const struct document_forwarding *forwarding = forwarding_of(document, name);

    if (name->kind == CLOUD_SFTP)
        return;
    cloud_text_add(text, ",pty");
    if (forwarding->agent)
        cloud_text_add(text, ",agent-forwarding");
    if (forwarding->locals + forwarding->remotes == 0)
        return;
    cloud_text_add(text, ",port-forwarding");
    add_places(text, "permitopen", forwarding->local, forwarding->locals);
    add_places(text, "permitlisten", forwarding->remote, forwarding->remotes);
}

bool key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, char *out, size_t size)
{
    const struct document_key *key = verdict->key;
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    cloud_text_add(&text, "restrict");
    if (verdict->reason != POLICY_GRANTED) {
        cloud_text_add(&text, ",command=\"" POLICY_NOLOGIN "\"");
    } else {
        add_grants(&text, document, name);
        if (key->expires_at != DOCUMENT_NO_TIME)
            add_expiry(&text, key->expires_at);
    }
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->type);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->base64);
    cloud_text_add(&text, " ");
    cloud_text_add(&text, key->user->id);
    if (text.cut)
        out[0] = '\0';
    return !text.cut;
}
