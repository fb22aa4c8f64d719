/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/lines.h"

#include <stdio.h>
#include <string.h>

/*
 * Faults of other programs of the host, each found by a command of sh(1): what it prints last is
 * the fault, put into `finding` for %s, and without output there is none.
 */
static const struct probe {
    const char *check, *command, *well, *finding, *remedy;
} probes[] = {
    {"unit",
     "[ ! -d /run/systemd/system ] || systemctl --root=/ is-enabled cloudauthd.service 2>&1 | "
     "grep -xvE 'enabled|enabled-runtime|static|alias|indirect|generated'",
     "systemd starts cloudauthd at boot",
     "systemctl is-enabled cloudauthd: %s: no account after a boot",
     "systemctl unmask cloudauthd; systemctl enable --now cloudauthd"},
    {"sshd-capabilities",
     "pid=$(cat /run/sshd.pid) && caps=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/$pid/status) && "
     "[ $((0x$caps >> 21 & 1)) = 0 ] && echo CAP_SYS_ADMIN",
     "sshd may mount the directories of sFTP sessions",
     "sshd lacks %s, with which pam_cloud.so mounts the directories of sFTP sessions",
     "systemctl cat ssh.service | grep -nE 'CapabilityBoundingSet|RestrictNamespaces|PrivateUsers'"
     "  # let it have CAP_SYS_ADMIN; in a container, see pam_cloud(8)"},
    {"apparmor",
     "journalctl -b -q -n 1 --no-pager -o cat _TRANSPORT=audit + _TRANSPORT=kernel "
     "-g 'apparmor=\"DENIED\".*profile=\"(cloudauthd|cloud-authkeys)\"'",
     "it has denied nothing to cloudauth since the boot", "%s",
     "editor /etc/apparmor.d/local/usr.sbin.cloudauthd "
     "/etc/apparmor.d/local/usr.libexec.cloudauth.cloud-authkeys  # allow it there, then "
     "systemctl reload apparmor"},
    {"nscd",
     "[ -S /run/nscd/socket ] && "
     "grep -hE '^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]+yes' /etc/nscd.conf",
     "no nscd caches accounts",
     "nscd caches passwd or group (%s): it answers a uid with the name of the sFTP account, and "
     "keeps what an outage or a removed account left",
     "sed -i -E '/^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]/s/yes/no/' "
     "/etc/nscd.conf && systemctl restart nscd"},
};

static bool take_last(void *arg, char *line)
{
    if (line[0] != '\0')
        snprintf(arg, 300, "%s", line);
    return true;
}

void doctor_probe(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const struct probe *probe = &probes[i];
        char shell[] = "/bin/sh", with[] = "-c", command[700], last[300] = "", finding[700];
        char *const argv[] = {shell, with, command, NULL};
        const char *gap = strstr(probe->finding, "%s");
        int status;
        snprintf(command, sizeof command, "exec 2>/dev/null; %s", probe->command);
        if (!lines_run(argv, take_last, last, &status))
            doctor_say(doctor, probe->check, DOCTOR_UNKNOWN, "", "/bin/sh cannot be run");
        else if (last[0] == '\0')
            doctor_say(doctor, probe->check, DOCTOR_OK, "", "%s", probe->well);
        else {
            snprintf(finding, sizeof finding, "%.*s%s%s", (int)(gap - probe->finding),
                     probe->finding, last, gap + 2);
            doctor_say(doctor, probe->check, DOCTOR_BAD, probe->remedy, "%s", finding);
        }
    }
}
