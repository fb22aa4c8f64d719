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

/* Adds the destinations of one direction. Without the option sshd would allow all of them, so an
 * empty list needs a destination that never matches. */
static void add_destinations(struct cloud_text *text, const char *option, const char **destination,
                             size_t n)
{
    for (size_t i = 0; i < n || i == 0; i++)
        cloud_text_add_all(text, ",", option, "=\"", n == 0 ? "none:1" : destination[i], "\"");
}

/* Adds the expiry in UTC, as "20270101000000Z", which sshd reads since version 9.1. A year of five
 * digits, such as 9999-12-31 with a negative offset, would make sshd ignore the whole line. */
static void add_expiry(struct cloud_text *text, int64_t seconds)
{
    time_t when = (time_t)(seconds < LAST_EXPIRY ? seconds : LAST_EXPIRY);
    char stamp[32];
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL || strftime(stamp, sizeof stamp, "%Y%m%d%H%M%SZ", &tm) == 0) {
        text->cut = true;
        return;
    }
    cloud_text_add_all(text, ",expiry-time=\"", stamp, "\"");
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
    add_destinations(text, "permitopen", forwarding->local, forwarding->locals);
    add_destinations(text, "permitlisten", forwarding->remote, forwarding->remotes);
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
    cloud_text_add_all(&text, " ", key->type, " ", key->base64, " ", key->user->id);
    if (text.cut)
        out[0] = '\0';
    return !text.cut;
}
