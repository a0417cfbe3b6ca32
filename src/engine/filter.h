/* filter.h -- the jq programs between a stored event and an attempt: `where:` decides whether the
 * delivery is made, `transform:` what it carries; those of the route first, then those of the
 * destination. An attempt runs them anew each time, on the event as it was stored. */
#ifndef GAFF_ENGINE_FILTER_H
#define GAFF_ENGINE_FILTER_H

#include "engine/lane.h"
#include "engine/plan.h"

struct filter;

/* In the flight's arena; NULL when nothing stands between. `failed` is set when something must and
 * can't: then *o says why. */
struct filter *filter_new(struct flight *f, struct outcome *o, bool *failed);
/* done is called once, never from inside: with NULL when the attempt may go on (the flight's event
 * then is what the programs made of it), or with the outcome that it has instead. */
void filter_start(struct filter *x, void (*done)(struct flight *f, const struct outcome *o));
/* done is not called any more. */
void filter_forget(struct filter *x);

#endif
