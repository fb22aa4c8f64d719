/* SPDX-License-Identifier: Apache-2.0 */
#include "access/key_line.h"

#include "access/address.h"

#include "common/wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The most lines for one key, one for each of its users. Bounds the time to intersect the `from` of
 * a key with that of its user. */
#define LINES_MAX 16

#define LAST_EXPIRY INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const struct document_forwarding *forwarding_of(const struct document *document,
                                                       const struct cloud_name *name)
{
    const struct document_app *app = policy_app(document, name);

    return app != NULL && app->forwarding != NULL ? app->forwarding : &document->forwarding;
}

/* Adds an option, permitopen or permitlisten, for each destination. Without the option sshd would
 * allow all destinations, so for an empty list the option gets a destination that never matches. */
static void add_destinations(struct cloud_text *text, const char *option, const char **destination,
                             size_t n)
{
    for (size_t i = 0; i < n || i == 0; i++) {
        const char *to = n == 0 ? "none:1" : destination[i];
        cloud_text_add_all(text, ",", option, "=\"", to, "\"");
    }
}

/* Adds the expiry time in UTC, such as "20270101000000Z", a form that sshd accepts since version
 * 9.1. A time after LAST_EXPIRY (9999-12-31 with a negative offset from UTC) is replaced by
 * LAST_EXPIRY, because a year of five digits would make sshd ignore the whole line. */
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

/* Whether the shell refuses every session: nologin(8) or false(1), in any directory. */
static bool refuses_sessions(const char *shell)
{
    const char *name = strrchr(shell, '/');

    name = name == NULL ? shell : name + 1;
    return strcmp(name, "nologin") == 0 || strcmp(name, "false") == 0;
}

/* If the shell refuses every session, the line also has a command that does: with `Subsystem sftp
 * internal-sftp`, sshd starts sFTP without the shell. */
static void add_grants(struct cloud_text *text, const struct document *document,
                       const struct document_forwarding *forwarding, const struct cloud_name *name)
{
    if (name->kind == CLOUD_SFTP)
        return;
    if (refuses_sessions(document->shell))
        cloud_text_add(text, ",command=\"" POLICY_NOLOGIN "\"");
    cloud_text_add(text, ",pty");
    if (forwarding->agent)
        cloud_text_add(text, ",agent-forwarding");
    if (forwarding->locals + forwarding->remotes == 0)
        return;
    cloud_text_add(text, ",port-forwarding");
    add_destinations(text, "permitopen", forwarding->local, forwarding->locals);
    add_destinations(text, "permitlisten", forwarding->remote, forwarding->remotes);
}

/* Adds the blocks of list->from that lie within a block of other->from; all of them if `other` has
 * no `from`. Two calls, the second with the arguments swapped, add the intersection of both lists.
 * `before` is the number of blocks that the option has already; returns the new number. */
static size_t add_within(struct cloud_text *text, const struct document_limits *list,
                         const struct document_limits *other, size_t before)
{
    char block[ADDRESS_TEXT];

    for (size_t i = 0; i < list->blocks; i++) {
        bool within = !other->has_from;
        for (size_t k = 0; k < other->blocks && !within; k++)
            within = other->from[k].bits <= list->from[i].bits &&
                     address_block_has(&other->from[k], list->from[i].address);
        if (!within)
            continue;
        address_block_text(&list->from[i], block);
        cloud_text_add(text, before++ == 0 ? ",from=\"" : ",");
        cloud_text_add(text, block);
    }
    return before;
}

/* Adds the option `from` if the key or its user has one. If their lists have nothing in common, the
 * value of the option is 0.0.0.0/32, an address that no client has. */
static void add_from(struct cloud_text *text, const struct document_key *key)
{
    size_t n = add_within(text, &key->limits, &key->user->limits, 0);

    if (!policy_has_from(key))
        return;
    n = add_within(text, &key->user->limits, &key->limits, n);
    cloud_text_add(text, n > 0 ? "\"" : ",from=\"0.0.0.0/32\"");
}

/* Adds the key. For a certificate, this is the key of its authority, and the option principals= has
 * the certificate's principal; without it sshd would require a principal with the account's
 * name. */
static void add_key(struct cloud_text *text, const struct document_key *key,
                    const struct policy_visit *visit)
{
    const struct offered_key *certificate = policy_certificate(visit);

    if (certificate != NULL)
        cloud_text_add_all(text, ",cert-authority,principals=\"", certificate->principal, "\"");
    cloud_text_add_all(text, " ", key->type, " ", key->base64, " ", key->user->id);
}

/* Returns the beginning of a line, with a newline before it unless the line is the first. */
static const char *line_begin(const struct cloud_text *text, bool verify)
{
    if (verify)
        return text->used == 0 ? "restrict,verify-required" : "\nrestrict,verify-required";
    return text->used == 0 ? "restrict" : "\nrestrict";
}

/* Adds the rest of a line, after line_begin, for the key of a user who may enter. */
static void add_line(struct cloud_text *text, const struct document *document,
                     const struct cloud_name *name, const struct document_key *key,
                     const struct policy_visit *visit)
{
    add_from(text, key);
    add_grants(text, document, forwarding_of(document, name), name);
    if (policy_ends(key, NULL) != 0)
        add_expiry(text, policy_ends(key, NULL));
    add_key(text, key, visit);
}

/* Whether the key has `verify`, for its user or for another user who may enter with it. False for a
 * certificate, because the key of an authority has no `verify`. */
static bool needs_verification(const struct document *document, const struct cloud_name *name,
                               const struct document_key *key, const struct policy_visit *visit)
{
    if (policy_certificate(visit) != NULL)
        return false;
    while (key != NULL && !key->verify)
        key = policy_next(document, name, key, visit);
    return key != NULL;
}

bool key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, const struct policy_visit *visit,
                    struct cloud_text *out)
{
    const struct document_key *key = verdict->reason == POLICY_GRANTED ? verdict->key : NULL;
    struct policy_verdict elsewhere = {verdict->reason, verdict->key};
    bool verify = needs_verification(document, name, verdict->key, visit);

    for (size_t lines = 0; key != NULL; key = policy_next(document, name, key, visit)) {
        if (++lines > LINES_MAX)
            out->cut = true;
        if (out->cut)
            return verify;
        cloud_text_add(out, line_begin(out, verify));
        add_line(out, document, name, key, visit);
        if (!policy_has_from(key))
            return verify;
        elsewhere.reason = POLICY_FROM;
    }
    if (verdict->key == NULL || !policy_gets_line(document, name, &elsewhere, visit))
        return verify;
    cloud_text_add_all(out, line_begin(out, verify), ",command=\"" POLICY_NOLOGIN "\"");
    add_key(out, verdict->key, visit);
    return verify;
}

static int by_text(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Replaces a list of n destinations by a sorted copy of it. */
static void sort_list(const char ***list, size_t n, const char *sorted[DOCUMENT_FORWARDS_MAX])
{
    if (n == 0)
        return;
    memcpy(sorted, *list, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_text);
    *list = sorted;
}

bool key_line_grants(const struct document *document, const struct cloud_name *name,
                     unsigned char out[DIGEST_SIZE])
{
    static char grants[CLOUD_WIRE_ANSWER_MAX];
    const char *local[DOCUMENT_FORWARDS_MAX], *remote[DOCUMENT_FORWARDS_MAX];
    struct document_forwarding forwarding = *forwarding_of(document, name);
    struct cloud_text text;

    sort_list(&forwarding.local, forwarding.locals, local);
    sort_list(&forwarding.remote, forwarding.remotes, remote);
    cloud_text_start(&text, grants, sizeof grants);
    add_grants(&text, document, &forwarding, name);
    return !text.cut && digest_sha256(grants, text.used, out);
}
