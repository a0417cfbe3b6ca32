/* no_memory.c -- loaded before libc (LD_PRELOAD) into the daemon under test: refuses memory, once
 * at each place that asks for it. A place is the chain of return addresses above the call; the
 * table of those that were refused outlives the daemon, so that the next one meets the next place.
 *
 *   NO_MEMORY_CONTROL  a file of struct control, mapped: it may change at any time
 *
 * Addresses must be the same from run to run: the harness turns their randomization off. Spared are
 * the processes that the daemon forks, and the C library's own needs: it crashes without (names of
 * users), as libuv does when no thread can be made. tests/fault/no_memory.py is the other side. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#define PLACES 65536
#define DEPTH 10
#define FRAMES_OF_OURS 2
#define SPARED_MAX 4

struct control {
    _Atomic uint32_t armed, one_in, seed, refused, asked, unused[3];
    _Atomic uint64_t places[PLACES]; /* a hash table, open */
};

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

static struct control *control;
static _Atomic bool is_child;
static __thread bool is_busy;

static struct { /* where the C library and the dynamic linker are */
    uint64_t from, to;
} spared[SPARED_MAX];
static size_t spared_count;

static int note_object(struct dl_phdr_info *o, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (!strstr(o->dlpi_name, "/libc.so") && !strstr(o->dlpi_name, "/ld-"))
        return 0;
    for (size_t i = 0; i < o->dlpi_phnum && spared_count < SPARED_MAX; i++)
        if (o->dlpi_phdr[i].p_type == PT_LOAD && (o->dlpi_phdr[i].p_flags & PF_X)) {
            spared[spared_count].from = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr;
            spared[spared_count].to = spared[spared_count].from + o->dlpi_phdr[i].p_memsz;
            spared_count++;
        }
    return 0;
}

static bool is_spared(uint64_t at)
{
    for (size_t i = 0; i < spared_count; i++)
        if (at >= spared[i].from && at < spared[i].to)
            return true;
    return false;
}

static void forked(void)
{
    atomic_store(&is_child, true);
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("NO_MEMORY_CONTROL");
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    pthread_atfork(NULL, NULL, forked);
    dl_iterate_phdr(note_object, NULL);
    if (page != MAP_FAILED)
        control = page;
}

struct chain {
    uint64_t hash;
    int frames;
    bool is_spared;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct chain *c = arg;
    uint64_t at = (uint64_t)_Unwind_GetIP(context);
    if (c->frames == FRAMES_OF_OURS)
        c->is_spared = is_spared(at);
    if (c->frames++ >= FRAMES_OF_OURS)
        c->hash = (c->hash ^ at) * 0x9e3779b97f4a7c15u;
    return c->frames < DEPTH + FRAMES_OF_OURS ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* True when the place is new, and is noted now. */
static bool is_first(uint64_t place)
{
    for (size_t i = 0; i < PLACES; i++) {
        _Atomic uint64_t *slot = &control->places[(place + i) % PLACES];
        uint64_t empty = 0;
        if (atomic_load(slot) == place)
            return false;
        if (atomic_compare_exchange_strong(slot, &empty, place))
            return true;
        if (empty == place)
            return false;
    }
    return false;
}

static __attribute__((noinline)) bool is_refused(void)
{
    struct chain c = {.hash = 1};
    if (!control || is_busy || atomic_load(&is_child) || !atomic_load(&control->armed))
        return false;
    is_busy = true;
    _Unwind_Backtrace(step, &c);
    is_busy = false;
    atomic_fetch_add(&control->asked, 1);
    if (c.is_spared)
        return false;
    uint64_t luck = (c.hash ^ atomic_load(&control->seed)) * 0xff51afd7ed558ccdu;
    if ((luck >> 33) % atomic_load(&control->one_in) != 0 || !is_first(c.hash | 1))
        return false;
    atomic_fetch_add(&control->refused, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return is_refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    return is_refused() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    return is_refused() ? NULL : __libc_realloc(p, n);
}
