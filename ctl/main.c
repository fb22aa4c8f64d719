/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The commands. `arguments` is the usage text, and the command line is parsed according to it: a
 * command has the options that occur in the text, and an option takes a value if it is followed by
 * a word in capitals and a ']'. */
static const struct command {
    const char *name, *arguments, *summary;
    int least, most; /* number of arguments, without options */
    ctl_command *run;
} commands[] = {
    {"lookup", "NAME", "show what a login name means on this host", 1, 1, cmd_lookup},
    {"check", "[-c FILE] [FILE|DIRECTORY|URL...]", "validate and list access documents", 0, INT_MAX,
     cmd_check},
    {"status", "[--documents]", "show the health of the daemon", 0, 0, cmd_status},
    {"doctor", "[NAME]", "check the set-up of this host", 0, 1, cmd_doctor},
    {"confirm-absences", "[NAME... | --all]", "list or believe absences that look like an outage",
     0, INT_MAX, cmd_refresh},
    {"env create", "[--uid N] [--gid N] [--home PATH] [--shell PATH] [--title TEXT] ENVIRONMENT",
     "make an environment of a file:// API", 1, 1, cmd_edit},
    {"env set", "[--max-seconds N] [--idle-seconds N] [--amr WORDS] [--max-age N] ENVIRONMENT",
     "limit sessions, or require MFA, of a file:// API", 1, 1, cmd_edit},
    {"env authority add",
     "[--title TEXT] [--from BLOCKS] [--not-before TIME] [--expires TIME] [--grant TEXT] "
     "ENVIRONMENT KEY|FILE",
     "accept an authority's certificates in a file:// API", 2, 2, cmd_edit},
    {"env authority remove", "ENVIRONMENT KEY|FINGERPRINT|FILE",
     "remove an authority of a file:// API", 2, 2, cmd_edit},
    {"env mount add", "[--writable] ENVIRONMENT PATH", "add an sFTP directory of a file:// API", 2,
     2, cmd_edit},
    {"env mount remove", "ENVIRONMENT PATH", "remove an sFTP directory of a file:// API", 2, 2,
     cmd_edit},
    {"explain", "[--from ADDRESS] NAME KEY|FINGERPRINT|FILE",
     "say whether a key or certificate would enter, and why not", 2, 2, cmd_explain},
    {"hostkeys", "[--known-hosts | --sshfp] [NAME...]",
     "print this host's public keys for its clients", 0, INT_MAX, cmd_hostkeys},
    {"key add",
     "[--title TEXT] [--from BLOCKS] [--not-before TIME] [--expires TIME] [--grant TEXT] "
     "[--verify] ENVIRONMENT USER KEY|FILE",
     "add a key to a user of a file:// API", 3, 3, cmd_edit},
    {"key remove", "ENVIRONMENT USER KEY|FINGERPRINT|FILE", "remove a key of a file:// API", 3, 3,
     cmd_edit},
    {"keys", "NAME", "list who may enter, and with which keys", 1, 1, cmd_keys},
    {"metrics", "", "the daemon's metrics, for Prometheus", 0, 0, cmd_metrics},
    {"rebind", "[--force] [--dry-run] NAME", "release the uid of an environment", 1, 1, cmd_rebind},
    {"refresh", "NAME... | --all", "ask the project API now", 0, INT_MAX, cmd_refresh},
    {"deny",
     "[--until TIME] [--reason TEXT] [--key|--user|--environment|--certificate] WHAT | --list",
     "refuse a key, user, environment or certificate on this host", 0, 1, cmd_deny},
    {"sessions", "[NAME] | --leftovers NAME | --end ID... | --end-user USER...",
     "list open sessions, and end them", 0, INT_MAX, cmd_sessions},
    {"user add",
     "[--role ROLE] [--id ID] [--mail MAIL] [--from BLOCKS] [--not-before TIME] [--expires TIME] "
     "[--grant TEXT] ENVIRONMENT USER",
     "add a user of a file:// API", 2, 2, cmd_edit},
    {"user remove", "ENVIRONMENT USER", "remove a user of a file:// API", 2, 2, cmd_edit},
    {"undeny", "[--key|--user|--environment|--certificate] WHAT | --all", "remove a denial", 0, 1,
     cmd_undeny},
};

/* Whether the word is the first word of the command's name. */
static bool is_called(const struct command *command, const char *word)
{
    size_t n = strcspn(command->name, " ");

    return strlen(word) == n && memcmp(command->name, word, n) == 0;
}

int ctl_usage(const struct ctl *ctl)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_called(&commands[i], ctl->name))
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

/* Removes --json, which may be anywhere before "--", from argv. Returns the new argc. */
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

/* Finds an option of n characters in the usage text of a command. Returns the text after the
 * option; NULL if the command does not have it. */
static const char *find_option(const char *arguments, const char *option, size_t n)
{
    for (const char *at = arguments; (at = strchr(at, '-')) != NULL; at += strcspn(at, " |]"))
        if (strcspn(at, " |]") == n && memcmp(at, option, n) == 0)
            return at + n;
    return NULL;
}

/* Takes one option and, if it has one, its value: from the same argument ("--title=T"), or from the
 * next one, past which it moves *next. Returns false if the command has no such option, and if a
 * value is missing or not expected. */
static bool take_option(struct ctl *ctl, const struct command *command, const char *argument,
                        char ***next)
{
    static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = strcspn(argument, "=");
    const char *behind = find_option(command->arguments, argument, n), *value = "";

    if (behind == NULL || ctl->options == CTL_OPTIONS)
        return false;
    bool takes = behind[0] == ' ' && behind[1 + strspn(behind + 1, capitals)] == ']';
    if (takes)
        value = argument[n] == '=' ? argument + n + 1 : *(*next)++;
    else if (argument[n] == '=')
        return false;
    ctl->option[ctl->options].name = argument;
    ctl->option[ctl->options].value = value;
    ctl->option[ctl->options++].n = n;
    return value != NULL;
}

/* Parses the arguments of a command, from *next up to a NULL. Returns false if they do not fit the
 * usage of the command. */
static bool take_arguments(struct ctl *ctl, const struct command *command, char **next)
{
    char *argument;
    bool options = true;

    ctl->word = next;
    while ((argument = *next) != NULL) {
        next++;
        if (options && strcmp(argument, "--") == 0)
            options = false;
        else if (!options || argument[0] != '-')
            ctl->word[ctl->words++] = argument;
        else if (!take_option(ctl, command, argument, &next))
            return false;
    }
    ctl->word[ctl->words] = NULL;
    return ctl->words >= command->least && ctl->words <= command->most;
}

const char *ctl_option(const struct ctl *ctl, const char *name)
{
    for (size_t i = ctl->options; i-- > 0;)
        if (strlen(name) == ctl->option[i].n &&
            memcmp(name, ctl->option[i].name, strlen(name)) == 0)
            return ctl->option[i].value;
    return NULL;
}

/* Returns the number of words in the command's name if the arguments begin with these words,
 * otherwise 0. */
static int match(const char *name, char **argv)
{
    for (int n = 1;; n++, argv++) {
        size_t word = strcspn(name, " ");
        if (*argv == NULL || strlen(*argv) != word || memcmp(name, *argv, word) != 0)
            return 0;
        if (name[word] == '\0')
            return n;
        name += word + 1;
    }
}

/* Runs a command. With --json, a command that fails before it begins an answer has the messages as
 * its answer; not if its only message is its usage. */
static int run_command(struct ctl *ctl, const struct command *command)
{
    int status = command->run(ctl);
    bool usage = status == CTL_USAGE && out_errors()[0] == '\0';
    struct out out;

    if (!ctl->json || out_has_started() || status == CTL_YES || usage)
        return status;
    out_start(&out, true);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* Runs the command that the first arguments name. */
static int run(struct ctl *ctl, char **argv)
{
    ctl->name = argv[0];
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int words = match(commands[i].name, argv);
        ctl->command = commands[i].name;
        if (words > 0)
            return take_arguments(ctl, &commands[i], argv + words) ? run_command(ctl, &commands[i])
                                                                   : ctl_usage(ctl);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_called(&commands[i], argv[0]))
            return ctl_usage(ctl);
    ctl_say("there is no command %s; cloudauthctl help lists them", argv[0]);
    return CTL_USAGE;
}

/* Opens /dev/null, for reading, in place of each standard stream that is closed. Otherwise the next
 * file or socket would get the descriptor of the stream, and text for the terminal would be written
 * to it. Writing to a descriptor that is open for reading fails, which out_end notices. */
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
    /* With a umask of 077, as root may have, the daemon could not read new documents, and an
     * account could not reach its new home. */
    umask(022);
    argc = take_json(&ctl, argc, argv);
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return puts("cloudauthctl " CLOUD_VERSION) < 0 || fflush(stdout) != 0 ? CTL_UNKNOWN
                                                                              : CTL_YES;
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return help(stdout);
    return run(&ctl, argv + 1);
}
