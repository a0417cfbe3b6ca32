/* live.h -- what happens, told to those who watch (gaff tail, the dashboard): small JSON lines.
 * Nobody watching costs one relaxed load. A watcher that is too slow loses lines, never the
 * engine's time. */
#ifndef GAFF_ENGINE_LIVE_H
#define GAFF_ENGINE_LIVE_H

#include "base/loop.h"
#include "base/str.h"

struct live;
struct live_watcher;

struct live *live_new(void);
void live_free(struct live *l); /* after the last watcher has gone */

/* fn runs on loop's thread with one JSON object, without a newline, valid during the call;
 * `sequence` grows by one a line. */
struct live_watcher *live_watch(struct live *l, struct loop *loop,
                                void (*fn)(uint64_t sequence, str json, void *arg), void *arg);
void live_unwatch(struct live_watcher *w); /* on the loop's thread; fn is not called any more */

bool live_is_watched(const struct live *l);
void live_tell(struct live *l, str json); /* any thread */

#endif
