/* trim.c -- see trim.h. */
#include "base/trim.h"

#include "base/compiler.h"

#include <link.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEEP_BYTES (128 << 10) /* glibc's own, to begin with */

void trim_steadily(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
#endif
}

void trim_heap(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* Only segments that can't be written: what the loader changed (relocations) lies in the others,
 * and would be lost. */
static int forget_pages(struct dl_phdr_info *object, size_t size, void *arg)
{
    UNUSED(size);
    UNUSED(arg);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
            continue;
        uintptr_t from = (object->dlpi_addr + p->p_vaddr) / page * page;
        uintptr_t to = (object->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) / page * page;
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void trim_after_start(void)
{
    trim_heap();
    (void)dl_iterate_phdr(forget_pages, NULL);
}
