/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"
#include "ctl/lines.h"

#include <dlfcn.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doctor_nss(struct doctor *doctor)
{
    const struct group *group;

    if (dlopen("libnss_cloud.so.2", RTLD_NOW | RTLD_LOCAL) == NULL) {
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "apt-get install --reinstall libnss-cloud; ldconfig  # or make install", "%s",
                   dlerror());
        return;
    }
    group = getgrnam("cloud-ssh");
    if (local_ids_has_group(doctor->local_ids, "cloud-ssh") ||
        local_ids_has_group(doctor->local_ids, "cloud-sftp"))
        doctor_say(doctor, "nss-module", DOCTOR_BAD, "groupdel cloud-ssh; groupdel cloud-sftp",
                   "/etc/group has a group that the NSS module must define: sshd's Match blocks "
                   "would not hold");
    else if (local_ids_has_gid(doctor->local_ids, doctor->conf.ssh_gid) ||
             local_ids_has_gid(doctor->local_ids, doctor->conf.sftp_gid))
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "editor /etc/group " CLOUD_CONF_PATH
                   "  # give the group another gid, or set ssh_gid and sftp_gid",
                   "a local group has the gid %u or %u of a marker group: sshd takes its name for "
                   "the marker group's, and the Match blocks do not hold",
                   doctor->conf.ssh_gid, doctor->conf.sftp_gid);
    else if (group == NULL || group->gr_gid != doctor->conf.ssh_gid)
        doctor_say(doctor, "nss-module", DOCTOR_BAD,
                   "cloudauthctl doctor  # again, when the settings and nsswitch-group are ok",
                   "the group cloud-ssh does not exist: sshd's Match blocks do not hold");
    else
        doctor_say(doctor, "nss-module", DOCTOR_OK, "", "the marker groups exist");
}

/* ---- PAM ---- */

struct stack {
    unsigned long lines; /* so far */
    unsigned long reach; /* the last line that a line so far can jump over */
    bool found;
    char module[256]; /* pam_cloud.so as the line names it */
    bool early;       /* a line before pam_cloud.so can end the stack */
    bool jumped;      /* a line before it can jump over it */
    bool weak;        /* a refusal by pam_cloud.so does not count */
    char before[128], over[128];
};

/* Whether a line before pam_cloud.so can grant without asking it. */
static bool ends_stack(const char *control, const char *module)
{
    return strcmp(control, "sufficient") == 0 || strstr(control, "success=done") != NULL ||
           strstr(control, "default=done") != NULL || strcmp(module, "pam_unix.so") == 0 ||
           strcmp(module, "pam_permit.so") == 0;
}

static void say_of(char out[128], const char *control, const char *module)
{
    snprintf(out, 128, "%.60s %.60s", control, module);
}

/* The largest number of following lines that the control of a line can skip. */
static unsigned long longest_jump(const char *control)
{
    unsigned long longest = 0;

    for (const char *at = control; (at = strchr(at, '=')) != NULL;) {
        unsigned long jump = strtoul(++at, NULL, 10);
        if (jump > longest)
            longest = jump;
    }
    return longest;
}

/* Reads a line of the stack. pam_localuser.so may jump over pam_cloud.so, which local users do not
 * need. */
static bool take_module(void *arg, const char *control, const char *module)
{
    struct stack *stack = arg;
    unsigned long reach;
    const char *file = module;

    stack->lines++;
    module = stack_module(module);
    if (strcmp(module, "pam_cloud.so") == 0) {
        stack->found = true;
        snprintf(stack->module, sizeof stack->module, "%s", file);
        stack->weak = strcmp(control, "requisite") != 0 && strcmp(control, "required") != 0 &&
                      strstr(control, "default=die") == NULL &&
                      strstr(control, "default=bad") == NULL;
        stack->jumped = stack->reach >= stack->lines;
        return false;
    }
    reach = stack->lines + longest_jump(control);
    if (strcmp(module, "pam_localuser.so") != 0 && reach > stack->reach) {
        stack->reach = reach;
        say_of(stack->over, control, module);
    }
    if (ends_stack(control, module) && !stack->early) {
        stack->early = true;
        say_of(stack->before, control, module);
    }
    return true;
}

/* Checks that PAM can load the module. A name without a directory is looked for in `security`,
 * beside libpam. */
static void check_module(struct doctor *doctor, const char *module)
{
    void *pam = dlopen("libpam.so.0", RTLD_NOW | RTLD_LOCAL);
    char origin[PATH_MAX] = "/lib", path[PATH_MAX + 300];

    if (pam != NULL)
        (void)dlinfo(pam, RTLD_DI_ORIGIN, origin);
    if (module[0] == '/')
        snprintf(path, sizeof path, "%s", module);
    else
        snprintf(path, sizeof path, "%s/security/%s", origin, module);
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL)
        doctor_say(doctor, "pam-module", DOCTOR_OK, "", "%s", path);
    else
        doctor_say(doctor, "pam-module", DOCTOR_BAD,
                   "apt-get install --reinstall libpam-cloud  # or make install with LIBDIR=", "%s",
                   dlerror());
}

void doctor_pam(struct doctor *doctor)
{
    static const char *const types[] = {"auth", "account", "session"};
    static const char remedy[] =
        "pam-auth-update --enable cloudauth  # --force undoes local changes; "
        "/etc/pam.d/sshd must include common-auth, -account and -session";

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct stack stack = {0};
        char check[32];
        snprintf(check, sizeof check, "pam-%s", types[i]);
        stack_read("sshd", types[i], take_module, &stack);
        if (stack.found && i == 0)
            check_module(doctor, stack.module);
        if (!stack.found)
            doctor_say(doctor, check, DOCTOR_BAD, remedy, "pam_cloud.so is not in sshd's stack");
        else if (stack.early && i < 2)
            doctor_say(doctor, check, DOCTOR_BAD, remedy,
                       "`%s` stands before pam_cloud.so, and may decide without it", stack.before);
        else if (stack.jumped)
            doctor_say(doctor, check, DOCTOR_BAD, remedy,
                       "`%s` stands before pam_cloud.so, and may jump over it", stack.over);
        else if (stack.weak)
            doctor_say(
                doctor, check, DOCTOR_BAD, remedy,
                "a refusal by pam_cloud.so does not count: it is neither requisite nor required");
        else
            doctor_say(doctor, check, DOCTOR_OK, "", "pam_cloud.so stands first");
    }
}
