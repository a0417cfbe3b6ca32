/* journal_tail.c -- pieces of memory that follow each other in the log. A piece never spans two
 * segments, so a place in it is a subtraction away from an LSN; the oldest one that nobody reads
 * is used again. */
#include "store/journal_tail.h"

#include "base/log.h"

void tail_init(struct tail *t)
{
    *t = (struct tail){0};
    pthread_mutex_init(&t->lock, NULL);
}

static void piece_free(struct tail_piece *p)
{
    assert(p->pins == 0);
    free(p->bytes);
    free(p);
}

void tail_release(struct tail *t)
{
    for (size_t i = 0; i < t->count; i++)
        piece_free(t->pieces[i]);
    free(t->pieces);
    pthread_mutex_destroy(&t->lock);
}

static struct tail_piece *piece_new(size_t need)
{
    struct tail_piece *p = xcalloc(1, sizeof(*p));
    p->cap =
        need < TAIL_PIECE_BYTES ? TAIL_PIECE_BYTES : (need + TAIL_PAGE - 1) / TAIL_PAGE * TAIL_PAGE;
    p->bytes = aligned_alloc(TAIL_PAGE, p->cap);
    if (!p->bytes)
        die_of_memory(0);
    return p;
}

/* Takes the oldest that nobody reads out of the list; NULL while there may be more. */
static struct tail_piece *take_oldest(struct tail *t)
{
    size_t oldest = SIZE_MAX;
    if (t->count < TAIL_PIECES)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        if (t->pieces[i]->pins == 0 && t->pieces[i] != t->current &&
            (oldest == SIZE_MAX || t->pieces[i]->first_lsn < t->pieces[oldest]->first_lsn))
            oldest = i;
    if (oldest == SIZE_MAX)
        return NULL;
    struct tail_piece *p = t->pieces[oldest];
    t->pieces[oldest] = t->pieces[--t->count];
    return p;
}

static void add(struct tail *t, struct tail_piece *p)
{
    t->pieces = xrealloc(t->pieces, (t->count + 1) * sizeof(struct tail_piece *));
    t->pieces[t->count++] = p;
}

/* The piece for the record at lsn; it becomes the current one, and the former one ends there. */
static void next_piece(struct tail *t, uint64_t lsn, size_t at, size_t need)
{
    struct tail_piece *former = t->current;
    pthread_mutex_lock(&t->lock);
    struct tail_piece *p = take_oldest(t);
    pthread_mutex_unlock(&t->lock);
    bool is_great = p && p->cap > TAIL_PIECE_BYTES;
    if (p && (p->cap < need || is_great)) {
        piece_free(p);
        p = NULL;
    }
    if (!p)
        p = piece_new(need);
    memcpy(p->bytes, t->page, at % TAIL_PAGE);
    p->at = at;
    p->first_lsn = lsn;
    p->limit = UINT64_MAX;
    pthread_mutex_lock(&t->lock);
    if (former)
        former->limit = lsn;
    add(t, p);
    t->current = p;
    pthread_mutex_unlock(&t->lock);
}

static size_t place_of(const struct tail_piece *p, uint64_t lsn)
{
    return p->at + (size_t)(lsn - p->first_lsn);
}

/* Pages here must be the pages of the file, and a segment's first page has a head before it. */
static bool fits(const struct tail_piece *p, uint64_t lsn, size_t at, size_t total, bool after_head)
{
    size_t place = place_of(p, lsn);
    return place % TAIL_PAGE == at % TAIL_PAGE &&
           (!after_head || (p->first_lsn == lsn && p->at == TAIL_PAGE)) &&
           place + total + TAIL_PAGE <= p->cap;
}

char *tail_room(struct tail *t, uint64_t lsn, uint64_t file_at, size_t total, bool after_head)
{
    size_t at = after_head ? TAIL_PAGE : (size_t)(file_at % TAIL_PAGE);
    assert(file_at % TAIL_PAGE == at % TAIL_PAGE);
    if (!t->current || !fits(t->current, lsn, at, total, after_head))
        next_piece(t, lsn, at, at + total + TAIL_PAGE);
    return t->current->bytes + place_of(t->current, lsn);
}

void tail_written(struct tail *t, const char *record, uint64_t file_at, size_t total)
{
    size_t rest = (size_t)((file_at + total) % TAIL_PAGE);
    /* The page may begin before the record: all of it is in the piece. */
    memcpy(t->page, record + total - rest, rest);
}

void tail_end(struct tail *t, uint64_t end_lsn)
{
    pthread_mutex_lock(&t->lock);
    if (t->current)
        t->current->limit = end_lsn;
    t->current = NULL;
    pthread_mutex_unlock(&t->lock);
}

struct tail_piece *tail_pin(struct tail *t, uint64_t lsn, uint64_t end, str *out)
{
    struct tail_piece *found = NULL;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count && !found; i++)
        if (t->pieces[i]->first_lsn <= lsn && lsn < t->pieces[i]->limit)
            found = t->pieces[i];
    uint64_t limit = found && found->limit < end ? found->limit : end;
    if (lsn >= limit)
        found = NULL;
    if (found) {
        found->pins++;
        *out = str_of(found->bytes + place_of(found, lsn), (size_t)(limit - lsn));
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void tail_unpin(struct tail *t, struct tail_piece *p)
{
    pthread_mutex_lock(&t->lock);
    p->pins--;
    pthread_mutex_unlock(&t->lock);
}
