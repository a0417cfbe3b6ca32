/* arena.h -- bump allocation for one request, one attempt, one configuration.
 *
 * Everything allocated is freed at once by arena_reset or arena_release; code inside never frees
 * single things. An arena has a maximum; beyond it allocation returns NULL and the arena is
 * marked `failed` for good (until reset): check once with arena_ok. So it is when the system has no
 * memory for a large block; for want of a small one the program ends (die_of_memory): nobody could
 * go on, and a rule that is judged without its facts would be judged wrong. A zeroed struct with
 * only `max` set is a valid empty arena. Not thread-safe. */
#ifndef GAFF_BASE_ARENA_H
#define GAFF_BASE_ARENA_H

#include "base/str.h"

struct arena_block;
struct arena_end;

struct arena {
    struct arena_block *head; /* the block being filled; older ones are linked behind */
    size_t used, max;         /* bytes handed out, and the most that may be */
    bool failed;
    struct arena_end *ends; /* what to call, the latest first */
};

void arena_init(struct arena *a, size_t max);
/* Keeps the first block for reuse. */
void arena_reset(struct arena *a);
void arena_release(struct arena *a);
/* fn(arg) is called by the next reset or release, before the memory goes: for what a library made
 * that lives as long as the arena. False (fn is not called) when the arena is full. */
bool arena_at_end(struct arena *a, void (*fn)(void *arg), void *arg);
static inline bool arena_ok(const struct arena *a)
{
    return !a->failed;
}

/* Uninitialised (zeroed for arena_zalloc) memory, 16-byte aligned; NULL beyond max. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
/* Zeroed; NULL (and `failed`) also when size * count overflows. */
void *arena_array(struct arena *a, size_t size, size_t count);
#define ARENA_ARRAY(a, type, count) ((type *)arena_array((a), sizeof(type), (count)))

/* Copies; STR_NONE stays STR_NONE. On failure STR_NONE / NULL. */
str arena_str(struct arena *a, str s);
char *arena_cstr(struct arena *a, str s); /* adds the NUL; NUL bytes inside s end it early */
str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
