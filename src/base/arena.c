/* arena.c -- bump allocation out of a chain of blocks.
 *
 * The newest block is the head and the only one that is filled; block sizes double from 4 KiB to
 * 64 KiB, and a larger request gets a block of its own size. `used` counts what was asked for with
 * its padding, capped at max, so that a full arena is full to the byte. */
#include "base/arena.h"

#include "base/log.h"

#include <stdarg.h>

#define ALIGN_BYTES 16
#define BLOCK_BYTES_MIN 4096u
#define BLOCK_BYTES_MAX 65536u

struct arena_block {
    struct arena_block *next; /* the older one */
    size_t used, cap;
    _Alignas(ALIGN_BYTES) char bytes[];
};

struct arena_end {
    struct arena_end *next;
    void (*fn)(void *arg);
    void *arg;
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void call_ends(struct arena *a)
{
    for (struct arena_end *end = a->ends; end; end = end->next)
        end->fn(end->arg);
    a->ends = NULL;
}

void arena_reset(struct arena *a)
{
    call_ends(a);
    while (a->head && a->head->next) {
        struct arena_block *block = a->head;
        a->head = block->next;
        free(block);
    }
    if (a->head)
        a->head->used = 0;
    a->used = 0;
    a->failed = false;
}

void arena_release(struct arena *a)
{
    arena_reset(a);
    free(a->head);
    a->head = NULL;
}

bool arena_at_end(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct arena_end *end = ARENA_NEW(a, struct arena_end);
    if (!end)
        return false;
    *end = (struct arena_end){a->ends, fn, arg};
    a->ends = end;
    return true;
}

static bool add_block(struct arena *a, size_t n)
{
    size_t cap = a->head ? a->head->cap * 2 : BLOCK_BYTES_MIN;
    if (cap > BLOCK_BYTES_MAX)
        cap = BLOCK_BYTES_MAX;
    if (cap < n)
        cap = n;
    if (cap > SIZE_MAX - sizeof(struct arena_block))
        return false;
    struct arena_block *block = malloc(sizeof(*block) + cap);
    if (!block && cap <= BLOCK_BYTES_MAX)
        die_of_memory(cap);
    if (!block)
        return false;
    block->next = a->head;
    block->used = 0;
    block->cap = cap;
    a->head = block;
    return true;
}

static void *take(struct arena *a, size_t n, size_t align)
{
    if (a->failed || n > a->max - a->used) {
        a->failed = true;
        return NULL;
    }
    struct arena_block *block = a->head;
    size_t start = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (!block || start > block->cap || n > block->cap - start) {
        if (!add_block(a, n)) {
            a->failed = true;
            return NULL;
        }
        block = a->head;
        start = 0;
    }
    size_t padded = start + n - block->used;
    a->used = padded < a->max - a->used ? a->used + padded : a->max;
    block->used = start + n;
    return block->bytes + start;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return take(a, n ? n : 1, ALIGN_BYTES);
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    return p ? memset(p, 0, n) : NULL;
}

void *arena_array(struct arena *a, size_t size, size_t count)
{
    size_t n;
    if (__builtin_mul_overflow(size, count, &n)) {
        a->failed = true;
        return NULL;
    }
    return arena_zalloc(a, n);
}

str arena_str(struct arena *a, str s)
{
    if (!s.p)
        return STR_NONE;
    if (s.n == 0)
        return STR("");
    char *p = take(a, s.n, 1);
    if (!p)
        return STR_NONE;
    memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

char *arena_cstr(struct arena *a, str s)
{
    if (!s.p)
        return NULL;
    char *p = s.n < SIZE_MAX ? take(a, s.n + 1, 1) : NULL;
    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    char *p = take(a, (size_t)n + 1, 1);
    if (!p)
        return STR_NONE;
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    return str_of(p, (size_t)n);
}
