/* journal_fuzz.c -- a journal of two segments whose files were changed while it was closed: it
 * opens, with records one behind the other, and what is appended then is there at the next opening;
 * or it says why not. Input: changes, one after the other: a byte for the file and what is done to
 * it, a place (24 bits), a length (a byte), and the bytes that are put there. */
#include "store/journal.h"

#include "base/log.h"
#include "store/crc32c.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 2
#define BYTES JOURNAL_SEGMENT_BYTES_MIN

enum change { PUT, CUT, SEAL_RECORD, SEAL_HEAD, CHANGES };

#define FOLDER "gaff-journal-fuzz-XXXXXX"
static char folder[sizeof("/dev/shm/" FOLDER)] =
    "/dev/shm/" FOLDER;                             /* in memory, if there is one */
static char files[FILES][BYTES], now[FILES][BYTES]; /* as they were, and changed */
static char names[FILES][sizeof(folder) + 32];

static int no_sync(int fd)
{
    UNUSED(fd);
    return 0;
}

static int allocate(int fd, off_t bytes)
{
    return ftruncate(fd, bytes);
}

static const struct journal_io io = {pwrite, no_sync, allocate};

struct seen {
    uint64_t count, sum, end_lsn;
};

static void visit(const struct journal_record *r, void *arg)
{
    struct seen *s = (struct seen *)arg;
    assert(s->count == 0 || r->lsn == s->end_lsn);
    assert(r->end_lsn >= r->lsn + JOURNAL_RECORD_HEAD + r->payload.n);
    s->end_lsn = r->end_lsn;
    s->count++;
    for (size_t i = 0; i < r->payload.n; i++)
        s->sum = s->sum * 31 + (uint8_t)r->payload.p[i];
}

static struct journal *open_it(struct seen *s)
{
    struct reason why = {.text = ""};
    struct journal_options o = {.dir = folder,
                                .store_id = 42,
                                .from_lsn = JOURNAL_FIRST_LSN,
                                .segment_bytes = BYTES,
                                .io = &io,
                                .clock = clock_real()};
    *s = (struct seen){0};
    struct journal *j = journal_open(&o, visit, s, &why);
    assert(j || why.text[0]);
    return j;
}

static bool append(struct journal *j, size_t n)
{
    struct reason why;
    uint64_t lsn;
    memset(journal_room(j, n, &lsn), (int)n & 255, n);
    return journal_append(j, 7, n, true, &why) == ERR_OK;
}

static void each_file(void (*fn)(const char *path))
{
    DIR *d = opendir(folder);
    char path[sizeof(folder) + 300];
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            fn(path);
    }
    (void)closedir(d);
}

static void remove_file(const char *path)
{
    (void)unlink(path);
}

static void end(void)
{
    each_file(remove_file);
    (void)rmdir(folder);
}

static void remember(const char *path)
{
    static size_t count;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (count == FILES || fd < 0 || pread(fd, files[count], BYTES, 0) != BYTES)
        die("%s is no segment", path);
    (void)snprintf(names[count++], sizeof(names[0]), "%s", path);
    (void)close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct seen s;
    UNUSED(argc);
    UNUSED(argv);
    if (access("/dev/shm", W_OK) != 0)
        memcpy(folder, "/tmp/" FOLDER, sizeof("/tmp/" FOLDER));
    struct journal *j = mkdtemp(folder) ? open_it(&s) : NULL;
    if (!j)
        die("no journal");
    for (size_t i = 0; i < 5; i++)
        if (!append(j, i < 2 ? 8 + i : 100000 + i))
            die("no record");
    journal_close(j);
    each_file(remember);
    return atexit(end);
}

/* The checksum as the journal has it, so that more is looked at than checksums. */
static void seal(char *file, size_t at, bool head)
{
    uint32_t salt, n, sum;
    memcpy(&salt, file + 32, sizeof(salt));
    if (head) {
        sum = crc32c(0, file, 36);
        memcpy(file + 36, &sum, sizeof(sum));
    } else if (at + JOURNAL_RECORD_HEAD <= BYTES) {
        memcpy(&n, file + at + 4, sizeof(n));
        size_t total = JOURNAL_RECORD_HEAD + (((size_t)n + 7) & ~(size_t)7);
        if (total > BYTES - at)
            return;
        sum = crc32c(salt, file + at + 4, total - 4);
        memcpy(file + at, &sum, sizeof(sum));
    }
}

/* True when no checksum was made to fit. */
static bool change_all(const uint8_t *data, size_t size)
{
    size_t bytes[FILES] = {BYTES, BYTES};
    bool is_honest = true;
    memcpy(now, files, sizeof(now));
    while (size >= 5) {
        size_t f = data[0] % FILES, n = data[4];
        size_t at = (size_t)(data[1] | data[2] << 8 | data[3] << 16) % BYTES;
        enum change change = (enum change)(data[0] / FILES % CHANGES);
        n = n < size - 5 ? n : size - 5;
        if (change == PUT)
            memcpy(now[f] + at, data + 5, n < BYTES - at ? n : BYTES - at);
        else if (change == CUT)
            bytes[f] = at;
        else
            seal(now[f], at & ~(size_t)7, change == SEAL_HEAD);
        is_honest = is_honest && change <= CUT;
        data += change == PUT ? 5 + n : 5;
        size -= change == PUT ? 5 + n : 5;
    }
    each_file(remove_file);
    for (size_t f = 0; f < FILES; f++) {
        int fd = open(names[f], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0 || pwrite(fd, now[f], bytes[f], 0) != (ssize_t)bytes[f])
            die("%s can't be written", names[f]);
        (void)close(fd);
    }
    return is_honest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first, again;
    bool is_honest = change_all(data, size);
    struct journal *j = open_it(&first);
    if (!j)
        return 0;
    bool is_appended = append(j, 77);
    journal_close(j);
    j = open_it(&again);
    if (is_honest)
        assert(j && again.count == first.count + is_appended);
    journal_close(j);
    return 0;
}
