/* bloom_file.c -- see bloom_file.h. */
#include "store/bloom_file.h"

#include "base/log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINES (BLOOM_BYTES / BLOOM_LINE)
#define LINE_BYTES (BLOOM_LINE * 8) /* of a group */
#define GROUP_BYTES ((size_t)LINES * LINE_BYTES)
#define FILE_BYTES (BLOOM_FILE_GROUPS * GROUP_BYTES)

struct bloom_file {
    int fd;
    uint8_t *map; /* all of it, to read */
};

struct bloom_file *bloom_file_new(const char *path, struct reason *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail_errno(why, ERR_IO, "can't make %s", path);
        return NULL;
    }
    if (unlink(path) != 0 || ftruncate(fd, (off_t)FILE_BYTES) != 0) {
        fail_errno(why, ERR_IO, "can't prepare %s", path);
        close(fd);
        return NULL;
    }
    void *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fail_errno(why, ERR_IO, "can't map %s", path);
        close(fd);
        return NULL;
    }
    struct bloom_file *f = xcalloc(1, sizeof(*f));
    f->fd = fd;
    f->map = map;
    return f;
}

void bloom_file_free(struct bloom_file *f)
{
    if (!f)
        return;
    munmap(f->map, FILE_BYTES);
    close(f->fd);
    free(f);
}

void bloom_file_rest(struct bloom_file *f)
{
    (void)madvise(f->map, FILE_BYTES, MADV_DONTNEED);
}

/* Eight bits as the lowest of eight bytes, bit 0 first: a byte in which its own bit is set passes
 * 127 by adding that, and none passes 255. */
static uint64_t spread(uint8_t bits)
{
    uint64_t own = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (own + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

/* The bits of the others stay as they are, so that who reads meanwhile finds them. */
static bool put_line(int fd, off_t at, unsigned slot, bool first, const uint8_t bits[BLOOM_LINE])
{
    uint64_t line[BLOOM_LINE] = {0};
    if (!first && pread(fd, line, sizeof(line), at) != (ssize_t)sizeof(line))
        return false;
    for (size_t i = 0; i < BLOOM_LINE; i++)
        line[i] =
            (line[i] & ~htole64(spread(UINT8_MAX) << slot)) | htole64(spread(bits[i]) << slot);
    return pwrite(fd, line, sizeof(line), at) == (ssize_t)sizeof(line);
}

enum err bloom_file_put(struct bloom_file *f, unsigned group, unsigned slot, bool first,
                        const struct bloom *b, struct reason *why)
{
    assert(group < BLOOM_FILE_GROUPS && slot < BLOOM_GROUP && b->bytes == BLOOM_BYTES);
    off_t at = (off_t)(group * GROUP_BYTES);
    for (size_t i = 0; i < LINES; i++, at += LINE_BYTES) {
        errno = EIO; /* of a read or write that was cut short */
        if (!put_line(f->fd, at, slot, first, b->bits + i * BLOOM_LINE))
            return fail_errno(why, ERR_IO, "can't write the filters of delivery ids");
    }
    return ERR_OK;
}

static uint8_t find_in_line(const uint8_t line[LINE_BYTES], const uint64_t key[2])
{
    uint64_t h = key[1];
    unsigned found = UINT8_MAX;
    for (int i = 0; i < BLOOM_PROBES && found; i++, h >>= 9)
        found &= line[h % LINE_BYTES];
    return (uint8_t)found;
}

void bloom_file_find(const struct bloom_file *f, unsigned group, unsigned count,
                     const uint64_t key[2], uint8_t *found)
{
    assert(group + count <= BLOOM_FILE_GROUPS);
    const uint8_t *line =
        f->map + group * GROUP_BYTES + bloom_line(BLOOM_BYTES, key) / BLOOM_LINE * LINE_BYTES;
    /* The other probes follow at once where these two leave anything: in half of all cases. */
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&line[i * GROUP_BYTES + key[1] % LINE_BYTES]);
        __builtin_prefetch(&line[i * GROUP_BYTES + (key[1] >> 9) % LINE_BYTES]);
    }
    for (size_t i = 0; i < count; i++)
        found[i] = find_in_line(line + i * GROUP_BYTES, key);
}
