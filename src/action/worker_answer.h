/* worker_answer.h -- what a line of a worker says of an event: see action_worker.c for the lines.
 * Pure. */
#ifndef GAFF_ACTION_WORKER_ANSWER_H
#define GAFF_ACTION_WORKER_ANSWER_H

#include "base/arena.h"
#include "base/json.h"
#include "action/action.h"

struct worker_answer {                 /* its parts live in the document */
    uint64_t id;                       /* of the event; not 0 */
    bool ok, is_final;                 /* is_final: not ok, and not to be tried again */
    const struct json *error, *output; /* NULL: none */
};

/* False when it is no answer: "id" is a number or one as text, "ok" is true or false. */
bool worker_answer_read(const struct json *line, struct worker_answer *out);
/* after: how long it took, as text. Slices live in the arena or in the answer's document. */
void worker_answer_outcome(const struct worker_answer *w, str after, struct arena *a,
                           struct outcome *out);

#endif
