/* Giving memory back: less of the program is mapped afterwards, and all of it still works. */
#include "unit.h"

#include "base/log.h"
#include "base/trim.h"

#include <link.h>
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
 * little of it yet. */
static int touch(struct dl_phdr_info *object, size_t size, void *arg)
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

/* KiB of files (program and libraries) that are mapped now. */
static long mapped_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    EXPECT(f != NULL);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, "RssFile:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    fclose(f);
    EXPECT(kib > 0);
    return kib;
}

void test_trim_after_start_gives_back_and_all_still_works(void)
{
    char sum = 0;
    (void)dl_iterate_phdr(touch, &sum);
    long before = mapped_kib();
    counted++;
    trim_after_start();
    long after = mapped_kib();
    EXPECT(after < before);
    EXPECT_EQ_INT(functions[0](2, 3) + functions[1](2, 3), 11);
    EXPECT_STR(str_from_cstr(words[1]), "two");
    EXPECT_EQ_INT(counted, 42);
    void *p = xmalloc(100000);
    free(p);
}
