/* Giving memory back: less of the program is mapped afterwards, and all of it still works. */
#include "unit.h"

#include "base/log.h"
#include "base/trim.h"

#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int add(int a, int b)
{
    return a + b;
}

static int times(int a, int b)
{
    return a * b;
}

/* Addresses that the loader put in: they must not be lost. */
static int (*const functions[])(int, int) = {add, times};
static const char *const words[] = {"one", "two"};
static int counted = 41;

/* Reads a byte of each page of what can't be written: a test runs in a fork, which has mapped
 * little of it yet. Between the variables too, which AddressSanitizer would call an overflow. */
__attribute__((no_sanitize("address"))) static int touch(struct dl_phdr_info *object, size_t size,
                                                         void *arg)
{
    UNUSED(size);
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        const volatile char *bytes = (const char *)(object->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_LOAD && (p->p_flags & PF_R) && !(p->p_flags & PF_W))
            for (size_t at = 0; at < p->p_filesz; at += 4096)
                *(char *)arg ^= bytes[at];
    }
    return 0;
}

/* KiB that are mapped now: "RssFile:", of program and libraries, or "RssAnon:". */
static long mapped_kib(const char *of_what)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    EXPECT(f != NULL);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, of_what, 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    fclose(f);
    EXPECT(kib > 0);
    return kib;
}

void test_trim_after_start_gives_back_and_all_still_works(void)
{
    char sum = 0;
    (void)dl_iterate_phdr(touch, &sum);
    long before = mapped_kib("RssFile:");
    counted++;
    trim_after_start();
    long after = mapped_kib("RssFile:");
    EXPECT(after < before);
    EXPECT_EQ_INT(functions[0](2, 3) + functions[1](2, 3), 11);
    EXPECT_STR(str_from_cstr(words[1]), "two");
    EXPECT_EQ_INT(counted, 42);
    void *p = xmalloc(100000);
    free(p);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BLOCKS 400u
#define BLOCK_BYTES 20000u

/* What a burst does to a thread that goes on: one large block, then many small ones, all freed.
 * Gives the KiB that it grew by. */
static void *burst(void *grown)
{
    static void *blocks[BLOCKS];
    long before = mapped_kib("RssAnon:");
    void *large = xcalloc(1, 4u << 20);
    free(large);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memset(xmalloc(BLOCK_BYTES), 1, BLOCK_BYTES);
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    trim_heap();
    *(long *)grown = mapped_kib("RssAnon:") - before;
    return NULL;
}

void test_trim_steadily_a_thread_keeps_nothing_of_a_burst(void)
{
    pthread_t t;
    long grown = 0;
    trim_steadily();
    EXPECT(pthread_create(&t, NULL, burst, &grown) == 0);
    EXPECT(pthread_join(t, NULL) == 0);
    if (grown > 1024)
        FAIL("%ld KiB more after it", grown);
}
#endif
