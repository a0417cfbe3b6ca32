/* commit.h -- group commit: many loops contribute, one commit and one fsync carry all of them.
 *
 * A loop collects what arrived during its turn into a ticket and submits it at the turn's end.
 * Whoever finds the store free leads: it takes everything that waits, commits it as one batch,
 * and hands each ticket back to its loop. While the disk is fast the submitting loop leads itself
 * (no hand-over between threads at all); when commits become slow, the committer's own thread
 * leads so that no loop waits for the disk. No timer: a batch is what arrived during the last
 * fsync. */
#ifndef GAFF_ENGINE_COMMIT_H
#define GAFF_ENGINE_COMMIT_H

#include "base/loop.h"
#include "engine/metrics.h"
#include "store/store.h"

struct committer;

#define COMMIT_REJECTIONS_MAX 32

struct commit_ticket { /* embed it; lives until done ran */
    struct commit_ticket *next;
    struct loop *owner; /* done runs on its thread; NULL with committer_commit */
    struct new_event *events;
    struct settlement *settlements;
    struct object_set *sets;
    struct new_event **events_tail;
    struct settlement **settlements_tail;
    struct object_set **sets_tail;
    size_t event_count, settlement_count, set_count;
    struct rejection rejections[COMMIT_REJECTIONS_MAX];
    size_t rejection_count;
    void (*done)(struct commit_ticket *t);
    enum err err;        /* for done: of the events, object sets and rejections as a whole */
    enum err settle_err; /* of the settlements: they may fit when events no longer do */
    struct reason why;
    struct loop_msg msg;
};

void commit_ticket_init(struct commit_ticket *t, struct loop *owner,
                        void (*done)(struct commit_ticket *t));
/* Empty again, keeping owner and done. */
void commit_ticket_clear(struct commit_ticket *t);
static inline bool commit_ticket_is_empty(const struct commit_ticket *t)
{
    return t->event_count == 0 && t->settlement_count == 0 && t->rejection_count == 0 &&
           t->set_count == 0;
}
void commit_ticket_add_event(struct commit_ticket *t, struct new_event *e);
void commit_ticket_add_settlement(struct commit_ticket *t, struct settlement *s);
/* Its own err says afterwards whether it held. */
void commit_ticket_add_set(struct commit_ticket *t, struct object_set *s);

struct committer *committer_new(struct store *store, const struct clock *clock,
                                struct metrics *metrics);
/* Commits what waits, ends its thread. Nothing may be submitted any more. */
void committer_free(struct committer *c);
/* may_lead: the calling thread may spend the time of a commit now. */
void committer_submit(struct committer *c, struct commit_ticket *t, bool may_lead);
/* Blocks until this ticket is durable (or failed), without calling done: for gaff_emit. */
enum err committer_commit(struct committer *c, struct commit_ticket *t,
                          struct reason *why) MUST_USE;

#endif
