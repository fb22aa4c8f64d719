/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_WATCH_H
#define CLOUDAUTHD_API_FILE_WATCH_H

#include "base/loop.h"

/* Watches the directories of documents that are files (file://), by inotify(7). A watch is a hint
 * alone: it sees neither what another host changes on a network file system, nor a file behind a
 * symbolic link, nor more than FILE_WATCH_MAX directories. There is one set of directories. */
#define FILE_WATCH_MAX      1024
#define FILE_WATCH_PAUSE_MS 200 /* the least time from one call of `changed` to the next */

/* To be called once, at the start. changed is called when a file in one of the directories may have
 * changed. */
void file_watch_start(struct loop *loop, void (*changed)(void *arg), void *arg);

/* file_watch_add adds the directory of a path, which has a '/'. file_watch_commit drops the
 * directories that were not added since the last commit. To be repeated, because paths may lead to
 * other directories later. A new directory counts as changed. */
void file_watch_add(const char *path);
void file_watch_commit(void);

#endif
