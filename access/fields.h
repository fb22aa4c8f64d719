/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_FIELDS_H
#define CLOUD_ACCESS_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The syntax of single strings of an access document (docs/api.md). The strings go into passwd
 * entries and authorized_keys lines, so each function lists what it allows and refuses the rest.
 * Pure functions.
 */

/* Whether text is an absolute path of at most 255 bytes, other than "/", without empty, "." or ".."
 * parts, ':' and control characters. */
bool fields_home(const char *text);

/* Whether text is a path that fields_home accepts and that has no space. */
bool fields_shell(const char *text);

/*
 * Whether text is a path of at most 255 bytes below the home, without empty, "." or ".." parts and
 * control characters; "" is the home itself. The home, and a path with a part that begins with a
 * dot, must not be writable.
 */
bool fields_mount(const char *text, bool writable);

/*
 * Whether text is "host:port": a DNS name, an IPv4 address or an IPv6 address in brackets, and a
 * port from 1 to 65535. Such a text needs no escaping within the quotes of permitopen="...".
 */
bool fields_forward(const char *text);

/* Whether text is "localhost:*", "127.0.0.1:*" or "[::1]:*": any port of loopback. An editor that
 * runs a server on the remote host chooses the server's port at the start. */
bool fields_forward_any(const char *text);

/* Whether text is 1 to 128 of [A-Za-z0-9._:@+=-]: a user id is the comment of a key line. */
bool fields_user_id(const char *text);

/* Whether text is 1 to 100 of [A-Za-z0-9_-], without "--": the name of an application. */
bool fields_app(const char *text);

/*
 * Reads an RFC 3339 date-time of the years 1 to 9999 as seconds since 1970. A fraction of a second
 * is dropped, and a leap second is read as the second before it. False, with *out unchanged, for
 * any other text.
 */
bool fields_time(const char *text, int64_t *out);

#endif
