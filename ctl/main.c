/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include "common/text.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct command {
    const char *name, *arguments, *summary;
    ctl_command *run;
} commands[] = {
    {"lookup", "NAME", "show what a login name means on this host", cmd_lookup},
    {"check", "[-c FILE] FILE|DIRECTORY|URL...", "validate access documents", cmd_check},
    {"status", "[--documents]", "show the health of the daemon", cmd_status},
    {"doctor", "[NAME]", "check the set-up of this host", cmd_doctor},
    {"confirm-absences", "[NAME... | --all]", "list or believe absences that look like an outage",
     cmd_refresh},
    {"env",
     "create [--uid N] [--gid N] [--home PATH] [--shell PATH] [--title TEXT] ENVIRONMENT | list | "
     "mount add [--writable] ENVIRONMENT PATH | mount remove ENVIRONMENT PATH | "
     "mount list ENVIRONMENT",
     "make and list environments of a file:// API, and their sFTP directories", cmd_env},
    {"explain", "NAME KEY|FINGERPRINT|FILE", "say whether a key would enter, and why not",
     cmd_explain},
    {"key",
     "add [--title TEXT] [--expires TIME] ENVIRONMENT USER KEY|FILE | "
     "remove ENVIRONMENT USER KEY|FINGERPRINT|FILE | list ENVIRONMENT",
     "add, remove and list keys of a file:// API", cmd_key},
    {"keys", "NAME", "list who may enter, and with which keys", cmd_keys},
    {"metrics", "", "the daemon's metrics, for Prometheus", cmd_metrics},
    {"rebind", "[--force] [--dry-run] NAME", "release the uid of an environment", cmd_rebind},
    {"refresh", "NAME... | --all", "ask the project API now", cmd_refresh},
    {"deny", "[--until TIME] [--reason TEXT] [--key|--user|--environment] WHAT | --list",
     "refuse a key, user or environment on this host", cmd_deny},
    {"sessions", "[NAME] | --leftovers NAME | --end ID... | --end-user USER...",
     "list open sessions, and end them", cmd_sessions},
    {"user", "add [--role ROLE] [--id ID] [--mail MAIL] ENVIRONMENT USER | remove ENVIRONMENT USER",
     "add and remove users of a file:// API", cmd_user},
    {"undeny", "[--key|--user|--environment] WHAT | --all", "remove a denial", cmd_undeny},
};

int ctl_usage(char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            fprintf(stderr, "usage: cloudauthctl %s [--json] %s\n", commands[i].name,
                    commands[i].arguments);
    return CTL_USAGE;
}

static int help(FILE *to)
{
    fputs("usage: cloudauthctl COMMAND [--json] [ARGUMENT...]\n"
          "       cloudauthctl help | --version\n\n",
          to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-16s %s\n", commands[i].name, commands[i].summary);
    fputs("\nExit status: 0 yes, or done; 1 no; 2 wrong usage; 3 no answer. See cloudauthctl(1).\n",
          to);
    if (fflush(to) != 0)
        return CTL_UNKNOWN;
    return to == stderr ? CTL_USAGE : CTL_YES;
}

bool ctl_conf(const struct ctl *ctl, struct cloud_conf *conf)
{
    struct cloud_conf_error error;

    if (cloud_conf_read(conf, ctl->conf_path, 0, &error))
        return true;
    if (error.line > 0)
        ctl_say("%s:%u: %s", ctl->conf_path, error.line, error.text);
    else
        ctl_say("%s: %s", ctl->conf_path, error.text);
    return false;
}

void ctl_say(const char *format, ...)
{
    char text[2048];
    va_list more;

    va_start(more, format);
    vsnprintf(text, sizeof text, format, more);
    va_end(more);
    out_error(text);
}

void ctl_time(int64_t seconds, char *out, size_t size)
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (seconds <= 0 || gmtime_r(&when, &tm) == NULL ||
        strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        out[0] = '\0';
}

bool ctl_span(const char *text, int64_t *seconds)
{
    static const char units[] = "smhd";
    static const int64_t length[] = {1, 60, 3600, 86400};
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] == '\0' ? NULL : strchr(units, text[digits]);
    uint64_t n = 0;

    if (unit == NULL || text[digits + 1] != '\0' ||
        !cloud_text_read_number(text, digits, 999999, &n) || n == 0)
        return false;
    *seconds = (int64_t)n * length[unit - units];
    return true;
}

/* Takes out --json, which may stand anywhere before "--". Returns the number of arguments left. */
static int take_json(struct ctl *ctl, int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (strcmp(argv[i], "--json") == 0)
            ctl->json = true;
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

/* Where standard input, output or error is closed, the next file or socket that is opened would
 * take its descriptor, and get what was meant for the terminal. /dev/null, opened for reading,
 * takes it instead: writing to it fails, and that is noticed. */
static bool has_standard_files(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.conf_path = CLOUD_CONF_PATH};

    if (!has_standard_files())
        return CTL_UNKNOWN;
    /* The daemon must be able to read new documents, and an account to reach its new home: with
     * root's umask of 077 neither could. */
    umask(022);
    opterr = 0; /* getopt(3) would print an argument with its control characters */
    argc = take_json(&ctl, argc, argv);
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return puts("cloudauthctl " CLOUD_VERSION) < 0 || fflush(stdout) != 0 ? CTL_UNKNOWN
                                                                              : CTL_YES;
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return help(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(&ctl, argc - 1, argv + 1);
    ctl_say("there is no command %s; cloudauthctl help lists them", argv[1]);
    return CTL_USAGE;
}
