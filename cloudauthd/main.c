/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"
#include "base/log.h"
#include "base/notify.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/daemon.h"
#include "common/conf.h"

#include <nss.h>
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
    if (!digest_end_without_memory())
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
