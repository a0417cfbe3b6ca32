/* migration.h -- moves the events of a running engine into another store: a thread copies, compares
 * and then follows what changes, until whoever asked for it lets the daemon change over. Until then
 * the engine's own store is the only one that counts; after a crash it is begun again and goes on
 * from what is there.
 *
 *   idle -> copying -> comparing -> following -> (engine_drain) migration_end
 *              \-----------\------------\-> failed, and begun again by migration_begin
 *
 * The engine must be the only one that writes to its store: of a shared one, the only node. */
#ifndef GAFF_ENGINE_MIGRATION_H
#define GAFF_ENGINE_MIGRATION_H

#include "engine/engine.h"
#include "store/copy.h"

#define MIGRATION_STATES(X)                                                                        \
    X(IDLE, "idle")                                                                                \
    X(COPYING, "copying")                                                                          \
    X(COMPARING, "comparing")                                                                      \
    X(FOLLOWING, "following")                                                                      \
    X(FAILED, "failed")
enum migration_state {
#define X(name, word) MIGRATION_##name,
    MIGRATION_STATES(X)
#undef X
};

struct migration;
struct migration_view {
    enum migration_state state;
    char to[256];                 /* without what may be secret */
    char reason[REASON_TEXT_MAX]; /* of FAILED */
    struct copy_progress progress;
    uint64_t left; /* changes that the last round of following met */
};

struct migration *migration_new(struct engine_core *core);
void migration_free(struct migration *m); /* ends the thread; accepts NULL */
const char *migration_state_word(enum migration_state s);
/* ERR_CONFLICT: one is under way, or other nodes are; ERR_INVALID: not a store to move to. */
enum err migration_begin(struct migration *m, str url, struct reason *why);
/* The target keeps what it has, marked as not whole. */
void migration_stop(struct migration *m);
void migration_look(struct migration *m, struct migration_view *out);
/* Whether the store that `url` names is the target, and it has caught up. */
enum err migration_may_end(struct migration *m, str url, struct reason *why);
/* The engine is drained: copies what is left, checks, takes the mark off the target and puts one on
 * the engine's store. On an error the engine's store is as it was. */
enum err migration_end(struct migration *m, struct reason *why);

#endif
