/* SPDX-License-Identifier: Apache-2.0 */
#include "access/fields.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#define PATH_LENGTH_MAX 255
#define USER_ID_MAX     128
#define APP_MAX         100
#define HOST_MAX        253
#define LABEL_MAX       63
#define PORT_MAX        65535

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool fields_home(const char *text)
{
    return text[0] == '/' && strnlen(text, PATH_LENGTH_MAX + 1) <= PATH_LENGTH_MAX &&
           cloud_text_is_path(text + 1) && strchr(text, ':') == NULL;
}

bool fields_shell(const char *text)
{
    return fields_home(text) && strchr(text, ' ') == NULL;
}

bool fields_mount(const char *text, bool writable)
{
    if (text[0] == '\0')
        return !writable;
    return strnlen(text, PATH_LENGTH_MAX + 1) <= PATH_LENGTH_MAX && cloud_text_is_path(text) &&
           !(writable && (text[0] == '.' || strstr(text, "/.") != NULL));
}

static bool is_inet(int family, const char *text, size_t n)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];

    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return inet_pton(family, copy, address) == 1;
}

/* Whether the n bytes are a label of a DNS name; '_' is allowed as well. If so, *number is set to
 * whether all of them are digits. */
static bool is_label(const char *text, size_t n, bool *number)
{
    *number = true;
    if (n == 0 || n > LABEL_MAX || text[0] == '-' || text[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_')
            return false;
        if (!is_digit(text[i]))
            *number = false;
    }
    return true;
}

/* Whether the n bytes are a DNS name or an IPv4 address. If the last label is a number, only a
 * valid address is accepted, because resolvers would read the name as an address. */
static bool is_host(const char *text, size_t n)
{
    size_t start = 0;
    bool number = false;

    if (n > HOST_MAX)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && text[i] != '.')
            continue;
        if (!is_label(text + start, i - start, &number))
            return false;
        start = i + 1;
    }
    return !number || is_inet(AF_INET, text, n);
}

static bool is_bracketed(const char *text, size_t n)
{
    return n > 2 && text[0] == '[' && text[n - 1] == ']' && is_inet(AF_INET6, text + 1, n - 2);
}

bool fields_forward_any(const char *text)
{
    return strcmp(text, "localhost:*") == 0 || strcmp(text, "127.0.0.1:*") == 0 ||
           strcmp(text, "[::1]:*") == 0;
}

bool fields_forward(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (colon == NULL || !cloud_text_read_number(colon + 1, strlen(colon + 1), PORT_MAX, &port) ||
        port == 0)
        return false;
    size_t n = (size_t)(colon - text);
    return is_host(text, n) || is_bracketed(text, n);
}

bool fields_user_id(const char *text)
{
    size_t n = strnlen(text, USER_ID_MAX + 1);

    for (size_t i = 0; i < n; i++)
        if (!is_alnum(text[i]) && strchr("._:@+=-", text[i]) == NULL)
            return false;
    return n > 0 && n <= USER_ID_MAX;
}

bool fields_app(const char *text)
{
    size_t n = strnlen(text, APP_MAX + 1);

    for (size_t i = 0; i < n; i++)
        if (!is_alnum(text[i]) && text[i] != '_' && text[i] != '-')
            return false;
    return n > 0 && n <= APP_MAX && strstr(text, "--") == NULL;
}

/* Whether the text begins with the shape, in which 'd' stands for any digit and 'T' for T or t. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape != '\0'; text++, shape++)
        if (*shape == 'd' ? !is_digit(*text) : *text != *shape && !(*shape == 'T' && *text == 't'))
            return false;
    return true;
}

static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* Parses a text that has the shape of "2027-01-01T00:00:00" as a time in UTC. Returns false if
 * there is no such time. */
static bool read_utc(const char *text, int64_t *out)
{
    struct tm parts = {.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900,
                       .tm_mon = two_digits(text + 5) - 1,
                       .tm_mday = two_digits(text + 8),
                       .tm_hour = two_digits(text + 11),
                       .tm_min = two_digits(text + 14),
                       .tm_sec = two_digits(text + 17)};
    struct tm same;

    if (parts.tm_sec == 60)
        parts.tm_sec = 59;
    same = parts;
    *out = (int64_t)timegm(&same);
    /* timegm(3) normalizes a time that does not exist: 30 February becomes a day in March, 24:00
     * the next day, and second 61 the next minute. */
    return parts.tm_year > -1900 && same.tm_mon == parts.tm_mon && same.tm_hour == parts.tm_hour &&
           same.tm_min == parts.tm_min;
}

/* Reads the digits of a fraction as microseconds. *at leads behind them. */
static int64_t read_micros(const char **at)
{
    int64_t micros = 0, unit = 100000;

    for (; is_digit(**at); (*at)++, unit /= 10)
        micros += (**at - '0') * unit;
    return micros;
}

bool fields_time(const char *text, int64_t *out, int64_t *micros)
{
    int64_t utc, offset = 0, fraction = 0;
    bool leap;

    if (!has_shape(text, "dddd-dd-ddTdd:dd:dd") || !read_utc(text, &utc))
        return false;
    text += strlen("2027-01-01T00:00:");
    leap = text[0] == '6';
    text += 2;
    if (text[0] == '.') {
        if (!is_digit(*++text))
            return false;
        fraction = read_micros(&text);
    }
    if (leap)
        fraction = 999999;
    if (text[0] == 'Z' || text[0] == 'z') {
        text++;
    } else {
        if ((text[0] != '+' && text[0] != '-') || !has_shape(text + 1, "dd:dd") ||
            two_digits(text + 1) > 23 || two_digits(text + 4) > 59)
            return false;
        offset = (int64_t)(two_digits(text + 1) * 60 + two_digits(text + 4)) *
                 (text[0] == '-' ? -60 : 60);
        text += strlen("+00:00");
    }
    if (*text != '\0')
        return false;
    *out = utc - offset;
    if (micros != NULL)
        *micros = fraction;
    return true;
}
