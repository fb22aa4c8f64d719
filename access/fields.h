/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_FIELDS_H
#define CLOUD_ACCESS_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The syntax of individual strings in an access document (docs/api.md). The strings go into passwd
 * entries and authorized_keys lines, so each function accepts only what it lists, and refuses
 * everything else. All functions are pure.
 */

/* Whether text is an absolute path of at most 255 bytes, other than "/", without empty, "." or ".."
 * components, without ':' and without control characters. */
bool fields_home(const char *text);

/* Whether text is a path that fields_home accepts and that has no space. */
bool fields_shell(const char *text);

/*
 * Whether text is a path of at most 255 bytes, relative to the home, without empty, "." or ".."
 * components and without control characters; "" is the home itself. If `writable` is set, the home,
 * and a path with a component that begins with a dot, are refused too.
 */
bool fields_mount(const char *text, bool writable);

/*
 * Whether text is "host:port": a DNS name, an IPv4 address or an IPv6 address in brackets, and a
 * port from 1 to 65535. A text of this form needs no escaping within the quotes of
 * permitopen="...".
 */
bool fields_forward(const char *text);

/* Whether text is "localhost:*", "127.0.0.1:*" or "[::1]:*": any port of the loopback interface. An
 * editor that runs a server on the remote host needs this, because the server's port is only known
 * when it has started. */
bool fields_forward_any(const char *text);

/* Whether text is a user id: 1 to 128 characters of [A-Za-z0-9._:@+=-]. A user id becomes the
 * comment of an authorized_keys line. */
bool fields_user_id(const char *text);

/* Whether text is the name of an application: 1 to 100 characters of [A-Za-z0-9_-], without
 * "--". */
bool fields_app(const char *text);

/*
 * Parses an RFC 3339 date-time of the years 1 to 9999 into seconds since 1970; *micros, if not
 * NULL, is what a fraction adds, in microseconds without the rest. A leap second is read as the
 * end of the second before it. Returns false, with *out and *micros unchanged, for any other text.
 */
bool fields_time(const char *text, int64_t *out, int64_t *micros);

#endif
