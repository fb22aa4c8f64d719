/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_SIM_HOST_H
#define CLOUD_TESTS_SIM_HOST_H

#include "common/wire.h"
#include "tests/sim/sim.h"

/* The host of the simulation: what the daemon's modules are linked with in the place of the
 * kernel, the network and other processes. All of it is of one incarnation of the daemon. */

/* Makes the keys, and has libraries do once what they do once a process. */
void host_prepare(void);

/* How a daemon ends. */
enum end { END_STOPPED = 1, END_KILLED, END_WRONG };

/* Runs the daemon from its start to its end on the directory "state"; the scenario then runs in the
 * place of its loop. */
enum end host_run(void);

/* Time passes, and what is due happens: timers, answers of the API, work of the threads. */
void host_pass(int64_t milliseconds);

/* A worker does nothing for a while, as when the disk hangs. */
void host_stall(void);

/* Whether a worker does nothing now. */
bool host_is_stalled(void);

/* Asks the daemon. The answer goes to scenario_answered, perhaps before this returns. */
void host_ask(int login, const struct cloud_question *question, int pid, bool is_helper);

/* The sshd process has ended without an answer. */
void host_forget(int login);

/* Whether lookups find the account in accounts.snapshot, without the daemon. */
bool host_published(int environment, uint32_t *uid);

/* Reads the settings anew, as at SIGHUP. */
void host_reload(void);

/* Ends the daemon at once, as SIGKILL does. */
void host_kill(void) __attribute__((noreturn));

/* A moment at which the daemon can be killed. */
void host_event(void);

/* Whether no work is under way. */
bool host_is_idle(void);

/* ---- sim.c ---- */

void scenario_run(void);
void scenario_answered(int login, const struct cloud_answer *answer);

/* Writes the environment's document of that version (ABSENT: a tombstone), issued at that time (0:
 * it does not say when), into out, of that size, and returns its length. */
size_t scenario_write(int environment, int version, int64_t issued, char *out, size_t size);

/* How the API answers now. */
struct reply {
    const char *what; /* for the trace */
    enum {
        REPLY_TRUE,
        REPLY_OUTAGE,
        REPLY_BODY,
        REPLY_UNCHANGED,
        REPLY_ENVELOPE,
        REPLY_ABSENT
    } kind;
    const char *body;     /* REPLY_BODY: what comes with status 200 */
    bool is_document;     /* which is valid, but not for this host */
    int64_t milliseconds; /* how long it takes */
    uint32_t retry_after;
    struct envelope envelope;
};
struct reply scenario_reply(int environment);

/* ---- faults.c ---- */

/* An answer as a row of docs/outages.md has it. */
struct reply fault_reply(int environment);

/* ---- platform.c ---- */

/* The document of the environment has changed: the feed names it. */
void platform_changed(int environment);

/* The server of the feed was restored: it knows no cursor from before. */
void platform_restored(void);

/* The settings were reloaded: what the feed answers to an earlier request does not count. */
void platform_reloaded(void);

/* When the next answer is due, at most `most`; and has one that is due come. */
int64_t platform_due(int64_t most);
bool platform_answer(void);

/* ---- disk.c ---- */

/* The directory is new, and all of it is on the disk. */
void disk_begin(void);

/* The power fails: what was not synced is lost, from a random change on. */
void disk_lose_power(void);

/* Whether a power failure would take a change of a document: a daemon was killed before it synced
 * it. */
bool disk_owes(void);

/* Whether the next daemon will find the session of that sshd process in /run. */
bool disk_has_session(int pid);

/* Some file of the state is damaged, or none. */
void disk_damage(void);

/* ---- memory.c ---- */

/* Remembers all static variables as they are. To be called last before a daemon is started. */
void memory_prepare(void);

/* From memory_begin on all memory, mappings and descriptors are the daemon's; memory_end takes
 * them back, and gives static variables their first values. */
void memory_begin(void);
void memory_end(void);

#endif
