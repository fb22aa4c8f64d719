/* SPDX-License-Identifier: Apache-2.0 */
#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KILL_BIT (1u << CAP_KILL)

static struct __user_cap_header_struct header(void)
{
    return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

static bool get(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
    struct __user_cap_header_struct head = header();

    return syscall(SYS_capget, &head, data) == 0;
}

bool privileges_may_kill(void)
{
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return !get(data) || (data[0].effective & KILL_BIT) != 0;
}

bool privileges_limit(bool keep_kill)
{
    struct __user_cap_header_struct head = header();
    struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct __user_cap_data_struct then[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (!get(now))
        return false;
    if (keep_kill)
        then[0].effective = then[0].permitted = now[0].permitted & KILL_BIT;
    /* Ambient capabilities matter only to programs that a process executes, and the daemon executes
     * none. */
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           syscall(SYS_capset, &head, then) == 0;
}

bool privileges_drop(uint32_t uid, uint32_t gid, uint32_t tty, bool keep_kill)
{
    const gid_t groups[] = {tty};

    if (setgroups(tty == 0 ? 0 : 1, groups) != 0 || setresgid(gid, gid, gid) != 0 ||
        prctl(PR_SET_KEEPCAPS, keep_kill ? 1 : 0, 0, 0, 0) != 0 || setresuid(uid, uid, uid) != 0 ||
        !privileges_limit(keep_kill) || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0)
        return false;
    /* Verifies that the process cannot become root again. */
    errno = EPERM;
    return setresuid(0, 0, 0) != 0 && setresgid(0, 0, 0) != 0 && geteuid() == uid &&
           getegid() == gid;
}
