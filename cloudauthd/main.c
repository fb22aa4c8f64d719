/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fatal.h"
#include "base/log.h"
#include "base/notify.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/daemon.h"
#include "common/conf.h"

#include <nss.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

/* If the service manager's variables cannot be parsed, the daemon still starts. But it sends no
 * READY=1, so that the service manager stops the unit after its start timeout. */
static void open_notify(struct notify *notify)
{
    char why[128];

    if (!notify_open(notify, why, sizeof why))
        log_warning("%s: the service manager is told nothing", why);
}

/* OpenSSL's memory. If it runs out, the daemon ends, and is started again: an allocation that fails
 * while OpenSSL finds its algorithms would leave it without them, an outage without an end. */
static void *crypto_realloc(void *old, size_t n, const char *file, int line)
{
    void *memory;

    (void)file;
    (void)line;
    if (n == 0) {
        free(old);
        return NULL;
    }
    memory = realloc(old, n);
    if (memory == NULL)
        fatal("out of memory");
    return memory;
}

static void *crypto_malloc(size_t n, const char *file, int line)
{
    return crypto_realloc(NULL, n, file, line);
}

static void crypto_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static int usage(void)
{
    fputs("usage: cloudauthd [-f] [-c FILE]\n"
          "       cloudauthd -V\n"
          "  -f       stay in the foreground, log to standard error too\n"
          "  -c FILE  settings (default " CLOUD_CONF_PATH ")\n"
          "  -V       print the version\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct daemon_options options = {.conf_path = CLOUD_CONF_PATH};
    struct notify notify;
    int option;

    while ((option = getopt(argc, argv, "fc:V")) != -1) {
        if (option == 'f')
            options.foreground = true;
        else if (option == 'c')
            options.conf_path = optarg;
        else if (option == 'V')
            return puts("cloudauthd " CLOUD_VERSION) < 0;
        else
            return usage();
    }
    if (optind != argc)
        return usage();
    /* Under systemd both standard error and syslog go to the journal, which must have each line
     * only once. */
    log_open(_PATH_LOG, options.foreground && getenv("JOURNAL_STREAM") == NULL);
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        log_warning("OpenSSL has memory already: if it runs out, TLS may fail until a restart");
    credentials_directory(getenv("CREDENTIALS_DIRECTORY"));
    open_notify(&notify);
    /* Drops every environment variable, so that none sets libcurl's or OpenSSL's proxy, key log or
     * CA. */
    clearenv();
    /* Switches libnss_cloud off in this process, where it would wait for an answer of this same
     * process. */
    __nss_configure_lookup("passwd", "files");
    __nss_configure_lookup("group", "files");
    __nss_configure_lookup("initgroups", "files");
    umask(022);
    return daemon_run(&options, &notify);
}
