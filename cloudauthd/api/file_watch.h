/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_WATCH_H
#define CLOUDAUTHD_API_FILE_WATCH_H

#include "base/loop.h"

/*
 * Notices changes in the directories of documents that are files, by inotify(7). A hint alone: it
 * sees neither what another host changes on a network file system, nor a file behind a symbolic
 * link, nor more than FILE_WATCH_MAX directories. There is one set of directories.
 */
#define FILE_WATCH_MAX      1024
#define FILE_WATCH_PAUSE_MS 200 /* between two calls of `changed`, at least */

/* changed: something in one of the directories may have changed. Called once, at the start. */
void file_watch_start(struct loop *loop, void (*changed)(void *arg), void *arg);

/* Sets the directories: those of the paths that were added since the last commit. To be repeated,
 * because paths may lead to other directories by then. One that is new counts as changed. */
void file_watch_add(const char *path);
void file_watch_commit(void);

#endif
