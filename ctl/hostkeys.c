/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/lines.h"

#include <stdlib.h>
#include <unistd.h>

extern const char hostkeys_script[];
LINES_SCRIPT(hostkeys_script, "ctl/hostkeys.sh");

/* Replaces this process with the script (execve(2)), and returns only if that fails. */
int cmd_hostkeys(struct ctl *ctl)
{
    static struct cloud_conf conf;
    static char *const environment[] = {NULL};
    bool sshfp = ctl_option(ctl, "--sshfp") != NULL;
    char **argv;

    if (ctl->json) {
        ctl_say("host keys have no JSON form");
        return CTL_USAGE;
    }
    if (sshfp && ctl_option(ctl, "--known-hosts") != NULL)
        return ctl_usage(ctl);
    if (geteuid() != 0) {
        ctl_say("only root can ask sshd for its host keys");
        return CTL_UNKNOWN;
    }
    if (ctl->words == 0 && !ctl_conf(ctl, &conf))
        return CTL_UNKNOWN;
    argv = calloc((size_t)ctl->words + 7, sizeof *argv);
    if (argv == NULL)
        out_no_memory();
    lines_script(argv, hostkeys_script, "hostkeys");
    lines_argument(argv, sshfp ? "sshfp" : "known-hosts");
    lines_argument(argv, "%s", conf.host_id);
    for (int i = 0; i < ctl->words; i++)
        lines_argument(argv, "%s", ctl->word[i]);
    execve(argv[0], argv, environment);
    ctl_say("%s cannot be run", argv[0]);
    return CTL_UNKNOWN;
}
