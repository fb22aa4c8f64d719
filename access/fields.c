/* SPDX-License-Identifier: Apache-2.0 */
#include "access/fields.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH_LENGTH_MAX  255
#define USER_ID_MAX      128
#define APP_MAX          100
#define HOST_MAX         253
#define LABEL_MAX        63
#define PORT_MAX         65535
#define SECONDS_OF_DAY   86400
#define DAYS_BEFORE_1970 719468 /* since 0000-03-01 */

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

/* Whether n bytes are a label of a DNS name; *number: it consists of digits. */
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

/* A name that ends in a numeric label must be an IPv4 address. */
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
    if (n < 4 || text[0] != '[' || text[n - 1] != ']')
        return false;
    for (size_t i = 1; i < n - 1; i++)
        if (!is_alnum(text[i]) && text[i] != ':' && text[i] != '.')
            return false;
    return is_inet(AF_INET6, text + 1, n - 2);
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

/* Reads n digits at *at, which moves past them. False if they are not a number from min to max. */
static bool take_digits(const char **at, int n, int min, int max, int *out)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*at)++) {
        if (!is_digit(**at))
            return false;
        value = value * 10 + (**at - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* Counts years from March, so that a leap day is the last day of its year. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t from = month < 3 ? year - 1 : year;
    int64_t months = month < 3 ? month + 9 : month - 3;

    return from * 365 + from / 4 - from / 100 + from / 400 + (months * 153 + 2) / 5 + day - 1 -
           DAYS_BEFORE_1970;
}

static bool take_date(const char **at, int64_t *days)
{
    int year, month, day;

    if (!take_digits(at, 4, 1, 9999, &year) || !take_char(at, '-') ||
        !take_digits(at, 2, 1, 12, &month) || !take_char(at, '-') ||
        !take_digits(at, 2, 1, days_in_month(year, month), &day))
        return false;
    *days = days_since_1970(year, month, day);
    return true;
}

static bool take_clock(const char **at, int64_t *seconds)
{
    int hour, minute, second;

    if (!take_digits(at, 2, 0, 23, &hour) || !take_char(at, ':') ||
        !take_digits(at, 2, 0, 59, &minute) || !take_char(at, ':') ||
        !take_digits(at, 2, 0, 60, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
    if (!take_char(at, '.'))
        return true;
    if (!is_digit(**at))
        return false;
    while (is_digit(**at))
        (*at)++;
    return true;
}

static bool take_offset(const char **at, int64_t *seconds)
{
    int hour, minute;

    *seconds = 0;
    if (take_char(at, 'Z') || take_char(at, 'z'))
        return true;
    bool west = **at == '-';
    if ((!take_char(at, '+') && !take_char(at, '-')) || !take_digits(at, 2, 0, 23, &hour) ||
        !take_char(at, ':') || !take_digits(at, 2, 0, 59, &minute))
        return false;
    int distance = hour * 3600 + minute * 60;
    *seconds = west ? -distance : distance;
    return true;
}

bool fields_time(const char *text, int64_t *out)
{
    int64_t days, clock, offset;

    if (!take_date(&text, &days) || (!take_char(&text, 'T') && !take_char(&text, 't')) ||
        !take_clock(&text, &clock) || !take_offset(&text, &offset) || *text != '\0')
        return false;
    *out = days * SECONDS_OF_DAY + clock - offset;
    return true;
}
