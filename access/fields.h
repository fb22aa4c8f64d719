/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_FIELDS_H
#define CLOUD_ACCESS_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What single strings of an access document may be (docs/api.md). Pure functions. What they let
 * through goes into passwd entries and authorized_keys lines, so each says what is allowed,
 * character by character, and anything else is not.
 */

/* An absolute path other than "/", without empty, "." or ".." parts, ':' or control characters. */
bool fields_home(const char *text);

/* The same without a space. */
bool fields_shell(const char *text);

/*
 * A path below the home, without empty, "." or ".." parts. "" is the home itself, which, like a
 * path with a part that begins with a dot, cannot be writable.
 */
bool fields_mount(const char *text, bool writable);

/*
 * "host:port": a DNS name, an IPv4 address or an IPv6 address in brackets, and a port from 1 to
 * 65535. It can stand within the quotes of permitopen="..." as it is.
 */
bool fields_forward(const char *text);

/* 1 to 128 of [A-Za-z0-9._:@+=-]: it ends an authorized_keys line and stands in logs. */
bool fields_user_id(const char *text);

/* 1 to 100 of [A-Za-z0-9_-], without "--". */
bool fields_app(const char *text);

/*
 * An RFC 3339 date-time of the years 1 to 9999, in seconds since 1970. A fraction is dropped; a
 * leap second counts as the second before it.
 */
bool fields_time(const char *text, int64_t *out);

#endif
