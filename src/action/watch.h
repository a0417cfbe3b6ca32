/* watch.h -- tells when a descriptor can be read or written, on a loop. The descriptor is the
 * caller's, nonblocking, and may be closed right after watch_free. */
#ifndef GAFF_ACTION_WATCH_H
#define GAFF_ACTION_WATCH_H

#include "base/loop.h"

#define WATCH_READ 1u
#define WATCH_WRITE 2u

struct watch;

/* An error or hang-up is told as every event that was asked for; reading or writing then finds
 * out which. The callback may free the watch. */
typedef void watch_fn(void *arg, unsigned events);

struct watch *watch_new(struct loop *l, int fd, watch_fn *fn, void *arg);
void watch_set(struct watch *w, unsigned events); /* 0: none */
void watch_free(struct watch *w);                 /* accepts NULL */

#endif
