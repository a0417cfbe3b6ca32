/* handover.h -- a daemon gives its place to the program that now has its name: same process number,
 * same listening sockets, whose queues keep what connects meanwhile; the store is closed by the one
 * before the other opens it. */
#ifndef GAFF_APP_HANDOVER_H
#define GAFF_APP_HANDOVER_H

#include "base/err.h"

/* First thing of the process, before any other thread: takes what the program before left. */
void handover_begin(void);
/* Whether the program that has the name now accepts the configuration; NULL: there is none. Waits
 * for its answer. */
enum err handover_try(const char *config_path, struct reason *why) MUST_USE;
/* Before the listeners are closed: keeps their sockets. */
void handover_keep_sockets(void);
/* The end of this program; returns only when the other could not be started. */
void handover_exec(const char *config_path, struct reason *why);

#endif
