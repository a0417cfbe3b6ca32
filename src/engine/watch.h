/* watch.h -- notices that a configuration changed, however it was changed: written in place,
 * renamed over, checked out by git, swapped by a symbolic link (the ..data of Kubernetes).
 *
 * The kernel tells of changes in the directories; a look at every file involved each 2 s is the
 * net below, for what it does not tell (a directory reached through a link, network file
 * systems). What counts is content: the callback comes once after the files have been still for
 * 200 ms and when their bytes differ from those of the last call. The caller then loads anew and
 * keeps the old configuration when the new one is wrong. */
#ifndef GAFF_ENGINE_WATCH_H
#define GAFF_ENGINE_WATCH_H

#include "base/loop.h"

#define CONFIG_WATCH_POLL_MS 2000
#define CONFIG_WATCH_STILL_MS 200

struct config_watch;

/* path: of gaff.yaml. Make it before the configuration is loaded, so that no change falls between
 * the two. changed runs on the loop's thread and may not free the watch. */
struct config_watch *config_watch_new(struct loop *l, const char *path, void (*changed)(void *arg),
                                      void *arg);
/* Also calls back at this moment (struct config.expires_ms); 0: no such moment. */
void config_watch_expect(struct config_watch *w, int64_t wall_ms);
void config_watch_free(struct config_watch *w); /* accepts NULL */

#endif
