/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_WATCH_H
#define CLOUDAUTHD_API_FILE_WATCH_H

#include "base/loop.h"

/*
 * Watches the directories of documents that are files (file://), with inotify(7). A watch is only a
 * hint: it misses what another host changes on a network file system, changes of a file behind a
 * symbolic link, and directories beyond the first FILE_WATCH_MAX. A process has one set of watched
 * directories.
 */
#define FILE_WATCH_MAX      1024
#define FILE_WATCH_PAUSE_MS 200 /* the least time from one call of `changed` to the next */

/* Starts the watch; must be called once, at the start. changed is called with arg when a file in
 * one of the directories may have changed. */
void file_watch_start(struct loop *loop, void (*changed)(void *arg), void *arg);

/* file_watch_add adds the directory that contains `path`, which must have a '/'. file_watch_commit
 * drops the directories that were not added since the last commit. The caller repeats both calls
 * from time to time, because a path may lead to another directory later. A new directory counts as
 * changed. */
void file_watch_add(const char *path);
void file_watch_commit(void);

#endif
