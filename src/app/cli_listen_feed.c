/* cli_listen_feed.c -- two streams into rows: the events (resumed after a break, as without a
 * screen), and what becomes of them. Each stream has a thread that sits in it for good. */
#include "app/cli_listen_feed.h"

#include "app/cli_screen.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* --- rows ------------------------------------------------------------------------------------ */

static void poke(struct feed *f)
{
    ssize_t ignored = write(f->wake[1], "", 1); /* a full pipe wakes as well */
    UNUSED(ignored);
}

static void copy(char *out, size_t size, str s)
{
    snprintf(out, size, STR_FMT, STR_ARG(str_slice(s, 0, size - 1)));
}

struct feed_row *feed_row_at(struct feed *f, size_t i)
{
    return &f->rows[(f->first + i) % FEED_ROWS_MAX];
}

static struct feed_row *row_of(struct feed *f, uint64_t key)
{
    for (size_t i = f->count; i-- > 0;)
        if (feed_row_at(f, i)->key == key)
            return feed_row_at(f, i);
    return NULL;
}

static void on_event(struct listening *l, const struct json *e)
{
    struct feed *f = l->shown_by;
    struct feed_row r = {.style = SCREEN_DIM};
    str id = json_str(json_get(e, STR("id"))), verdict = json_str(json_get(e, STR("verdict")));
    if (!id_parse("evt", id, &r.key))
        return;
    copy(r.id, sizeof(r.id), id);
    copy(r.source, sizeof(r.source), json_str(json_get(e, STR("source"))));
    copy(r.type, sizeof(r.type), json_str(json_get(e, STR("type"))));
    copy(r.result, sizeof(r.result), verdict);
    cli_short_time(json_str(json_get(e, STR("received"))), r.time);
    json_i64(json_get(e, STR("body_bytes")), &r.bytes);
    pthread_mutex_lock(&f->lock);
    if (f->count == FEED_ROWS_MAX)
        f->first = (f->first + 1) % FEED_ROWS_MAX;
    else
        f->count++;
    for (size_t i = 0; i < FEED_EARLY_MAX; i++)
        if (f->early[i].key == r.key) {
            r.style = f->early[i].style;
            memcpy(r.result, f->early[i].result, sizeof(r.result));
            f->early[i].key = 0;
        }
    *feed_row_at(f, f->count - 1) = r;
    f->all++;
    pthread_mutex_unlock(&f->lock);
    poke(f);
}

static void set_result(struct feed *f, str id, int style, const char *text)
{
    uint64_t key;
    if (!id_parse("evt", id, &key))
        return;
    pthread_mutex_lock(&f->lock);
    struct feed_row *r = row_of(f, key);
    if (r) {
        snprintf(r->result, sizeof(r->result), "%s", text);
        r->style = style;
    } else {
        struct feed_early *e = &f->early[f->next_early++ % FEED_EARLY_MAX];
        *e = (struct feed_early){.key = key, .style = style};
        snprintf(e->result, sizeof(e->result), "%s", text);
    }
    pthread_mutex_unlock(&f->lock);
    poke(f);
}

static void on_answer(struct listening *l, str id, int status, const char *text, int64_t us)
{
    char result[96];
    if (status)
        snprintf(result, sizeof(result), "%d %.40s  %.1f ms", status, text, (double)us / 1000.0);
    else
        snprintf(result, sizeof(result), "%.90s", text);
    set_result(l->shown_by, id, status >= 200 && status < 300 ? SCREEN_GREEN : SCREEN_RED, result);
}

/* A line of /tail: what became of a delivery. With --forward the answer of here is what counts. */
static void follow(struct feed *f, str json)
{
    struct reason why = {0};
    char result[96];
    struct json_doc *doc = json_parse(json, &why);
    const struct json *x = json_root(doc);
    str state = json_str(json_get(x, STR("state")));
    if (!f->listening.forward && str_eq(json_str(json_get(x, STR("kind"))), STR("attempt"))) {
        bool good = str_eq(state, STR("delivered"));
        str to = json_str(json_get(x, STR("destination"))),
            why_not = good ? STR("") : json_str(json_get(x, STR("summary")));
        snprintf(result, sizeof(result), STR_FMT "  " STR_FMT "%s" STR_FMT, STR_ARG(state),
                 STR_ARG(str_slice(to, 0, 24)), good ? "" : "  ",
                 STR_ARG(str_slice(why_not, 0, 48)));
        set_result(f, json_str(json_get(x, STR("event_id"))),
                   good                         ? SCREEN_GREEN
                   : str_eq(state, STR("dead")) ? SCREEN_RED
                                                : SCREEN_YELLOW,
                   result);
    }
    json_doc_free(doc);
}

static void got_follow(str bytes, void *arg)
{
    struct feed *f = arg;
    buf_str_append(&f->follow_pending, bytes);
    for (;;) {
        str all = buf_str(&f->follow_pending);
        size_t end = str_find(all, '\n');
        if (end == all.n)
            return;
        str line = str_trim(str_slice(all, 0, end));
        if (str_starts(line, STR("data: ")))
            follow(f, str_slice(line, 6, line.n));
        buf_consume(&f->follow_pending, end + 1);
    }
}

/* --- which of them are shown ----------------------------------------------------------------- */

static bool holds(const char *text, const char *part)
{
    str whole = str_from_cstr(text), wanted = str_from_cstr(part);
    for (size_t i = 0; i + wanted.n <= whole.n; i++)
        if (str_eq_nocase(str_slice(whole, i, i + wanted.n), wanted))
            return true;
    return false;
}

static bool is_shown(const struct feed *f, const struct feed_row *r)
{
    return !f->filter[0] || holds(r->source, f->filter) || holds(r->type, f->filter) ||
           holds(r->id, f->filter) || holds(r->result, f->filter);
}

size_t feed_shown(struct feed *f, size_t out[FEED_ROWS_MAX], size_t *at)
{
    size_t n = 0;
    *at = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct feed_row *r = feed_row_at(f, i);
        if (!is_shown(f, r))
            continue;
        if (r->key == f->chosen)
            *at = n;
        out[n++] = i;
    }
    if (!f->chosen && n)
        *at = n - 1;
    return n;
}

/* --- the two threads ------------------------------------------------------------------------- */

static void *follow_main(void *arg)
{
    struct feed *f = arg;
    for (;;) {
        buf_clear(&f->follow_pending);
        (void)cli_stream(&f->follow_cli, "/api/v1/tail", got_follow, f);
        arena_reset(&f->follow_cli.arena);
        usleep(500000);
    }
    return NULL;
}

static void *stream_main(void *arg)
{
    struct feed *f = arg;
    int code = listening_run(&f->listening);
    pthread_mutex_lock(&f->lock);
    f->ended = code;
    pthread_mutex_unlock(&f->lock);
    poke(f);
    return NULL;
}

bool feed_init(struct feed *f, struct cli *c)
{
    static const struct listen_shows shows = {on_event, on_answer};
    f->stream_cli = *c;
    f->follow_cli = *c;
    f->ended = -1;
    arena_init(&f->stream_cli.arena, 128u << 20);
    arena_init(&f->follow_cli.arena, 16u << 20);
    buf_init(&f->follow_pending, 8u << 20);
    pthread_mutex_init(&f->lock, NULL);
    if (!cli_daemon_url(c) || !listening_init(&f->listening, &f->stream_cli, &shows))
        return false;
    f->listening.shown_by = f;
    return true;
}

enum err feed_start(struct feed *f, struct reason *why)
{
    pthread_t one, two;
    sigset_t all, before;
    if (pipe2(f->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return fail_errno(why, ERR_IO, "cannot make a pipe");
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool good = pthread_create(&one, NULL, stream_main, f) == 0 &&
                pthread_create(&two, NULL, follow_main, f) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good ? ERR_OK : fail(why, ERR_IO, "cannot start a thread");
}
