/* cli_listen_screen.c -- gaff listen on a terminal: a list of what came, and the story of one. Two
 * threads take streams and put rows under a lock: the events (resumed after a break, as without a
 * screen), and what becomes of them. This thread draws, reads keys and asks the API. */
#include "app/cli_listen.h"

#include "base/codec.h"
#include "base/id.h"
#include "base/log.h"
#include "app/cli_screen.h"
#include "app/cli_story.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS_MAX 1000
#define EARLY_MAX 256
#define STORY_MAX (4u << 20)
#define FILTER_MAX 64
#define NOTE_MAX 200

struct row {
    uint64_t key; /* of the id */
    char id[ID_TEXT_MAX], time[24], source[40], type[64], result[96];
    int64_t bytes;
    int style; /* of the result */
};

struct early { /* a result that was told before its event: the looks at those are rarer */
    uint64_t key;
    int style;
    char result[96];
};

struct view {
    struct cli *c;
    struct listening listening;
    struct cli stream_cli, follow_cli; /* of the two threads: each has its own arena */
    struct buf follow_pending;
    struct cli_errors errors;
    int wake[2];
    pthread_mutex_t lock;      /* over all that follows, up to the blank line */
    struct row rows[ROWS_MAX]; /* a ring: the oldest goes first */
    size_t first, count;
    struct early early[EARLY_MAX]; /* a ring too */
    size_t next_early;
    uint64_t all;
    int ended; /* exit code of the stream; -1: it goes on */

    uint64_t chosen; /* key of the row under the cursor; 0: the newest, and the list follows */
    char filter[FILTER_MAX];
    bool typing; /* the filter */
    char note[NOTE_MAX];
    struct buf story; /* of one event; empty: the list is shown */
    size_t story_top, story_lines;
    char story_id[ID_TEXT_MAX];
};

/* --- rows, on the threads that stream ----------------------------------------------------------
 */

static void poke(struct view *v)
{
    ssize_t ignored = write(v->wake[1], "", 1); /* a full pipe wakes as well */
    UNUSED(ignored);
}

static void copy(char *out, size_t size, str s)
{
    snprintf(out, size, STR_FMT, STR_ARG(str_slice(s, 0, size - 1)));
}

static struct row *row_at(struct view *v, size_t i)
{
    return &v->rows[(v->first + i) % ROWS_MAX];
}

static struct row *row_of(struct view *v, uint64_t key)
{
    for (size_t i = v->count; i-- > 0;)
        if (row_at(v, i)->key == key)
            return row_at(v, i);
    return NULL;
}

static void on_event(struct listening *l, const struct json *e)
{
    struct view *v = l->shown_by;
    struct row r = {.style = SCREEN_DIM};
    str id = json_str(json_get(e, STR("id"))), verdict = json_str(json_get(e, STR("verdict")));
    if (!id_parse("evt", id, &r.key))
        return;
    copy(r.id, sizeof(r.id), id);
    copy(r.source, sizeof(r.source), json_str(json_get(e, STR("source"))));
    copy(r.type, sizeof(r.type), json_str(json_get(e, STR("type"))));
    copy(r.result, sizeof(r.result), verdict);
    cli_short_time(json_str(json_get(e, STR("received"))), r.time);
    json_i64(json_get(e, STR("body_bytes")), &r.bytes);
    pthread_mutex_lock(&v->lock);
    if (v->count == ROWS_MAX)
        v->first = (v->first + 1) % ROWS_MAX;
    else
        v->count++;
    for (size_t i = 0; i < EARLY_MAX; i++)
        if (v->early[i].key == r.key) {
            r.style = v->early[i].style;
            memcpy(r.result, v->early[i].result, sizeof(r.result));
            v->early[i].key = 0;
        }
    *row_at(v, v->count - 1) = r;
    v->all++;
    pthread_mutex_unlock(&v->lock);
    poke(v);
}

static void set_result(struct view *v, str id, int style, const char *text)
{
    uint64_t key;
    if (!id_parse("evt", id, &key))
        return;
    pthread_mutex_lock(&v->lock);
    struct row *r = row_of(v, key);
    if (r) {
        snprintf(r->result, sizeof(r->result), "%s", text);
        r->style = style;
    } else {
        struct early *e = &v->early[v->next_early++ % EARLY_MAX];
        *e = (struct early){.key = key, .style = style};
        snprintf(e->result, sizeof(e->result), "%s", text);
    }
    pthread_mutex_unlock(&v->lock);
    poke(v);
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
static void follow(struct view *v, str json)
{
    struct reason why = {0};
    char result[96];
    struct json_doc *doc = json_parse(json, &why);
    const struct json *x = json_root(doc);
    str state = json_str(json_get(x, STR("state")));
    if (!v->listening.forward && str_eq(json_str(json_get(x, STR("kind"))), STR("attempt"))) {
        bool good = str_eq(state, STR("delivered"));
        str to = json_str(json_get(x, STR("destination"))),
            why_not = good ? STR("") : json_str(json_get(x, STR("summary")));
        snprintf(result, sizeof(result), STR_FMT "  " STR_FMT "%s" STR_FMT, STR_ARG(state),
                 STR_ARG(str_slice(to, 0, 24)), good ? "" : "  ",
                 STR_ARG(str_slice(why_not, 0, 48)));
        set_result(v, json_str(json_get(x, STR("event_id"))),
                   good                         ? SCREEN_GREEN
                   : str_eq(state, STR("dead")) ? SCREEN_RED
                                                : SCREEN_YELLOW,
                   result);
    }
    json_doc_free(doc);
}

static void got_follow(str bytes, void *arg)
{
    struct view *v = arg;
    buf_str_append(&v->follow_pending, bytes);
    for (;;) {
        str all = buf_str(&v->follow_pending);
        size_t end = str_find(all, '\n');
        if (end == all.n)
            return;
        str line = str_trim(str_slice(all, 0, end));
        if (str_starts(line, STR("data: ")))
            follow(v, str_slice(line, 6, line.n));
        buf_consume(&v->follow_pending, end + 1);
    }
}

static void *follow_main(void *arg)
{
    struct view *v = arg;
    for (;;) {
        buf_clear(&v->follow_pending);
        (void)cli_stream(&v->follow_cli, "/api/v1/tail", got_follow, v);
        arena_reset(&v->follow_cli.arena);
        usleep(500000);
    }
    return NULL;
}

static void *stream_main(void *arg)
{
    struct view *v = arg;
    int code = listening_run(&v->listening);
    pthread_mutex_lock(&v->lock);
    v->ended = code;
    pthread_mutex_unlock(&v->lock);
    poke(v);
    return NULL;
}

/* --- the list ----------------------------------------------------------------------------------
 */

static bool holds(const char *text, const char *part)
{
    str whole = str_from_cstr(text), wanted = str_from_cstr(part);
    for (size_t i = 0; i + wanted.n <= whole.n; i++)
        if (str_eq_nocase(str_slice(whole, i, i + wanted.n), wanted))
            return true;
    return false;
}

static bool is_shown(const struct view *v, const struct row *r)
{
    return !v->filter[0] || holds(r->source, v->filter) || holds(r->type, v->filter) ||
           holds(r->id, v->filter) || holds(r->result, v->filter);
}

/* Places of the rows that pass the filter; *at: the one under the cursor among them. Under the
 * lock. */
static size_t shown_rows(struct view *v, size_t out[ROWS_MAX], size_t *at)
{
    size_t n = 0;
    *at = 0;
    for (size_t i = 0; i < v->count; i++) {
        const struct row *r = row_at(v, i);
        if (!is_shown(v, r))
            continue;
        if (r->key == v->chosen)
            *at = n;
        out[n++] = i;
    }
    if (!v->chosen && n)
        *at = n - 1;
    return n;
}

static void draw_row(const struct row *r, int line, bool chosen, bool wide)
{
    int all = screen_columns(), mark = chosen ? SCREEN_CHOSEN : 0, column = 0;
    char bytes[32];
    if (chosen)
        screen_fill(line, 0, all, mark);
    snprintf(bytes, sizeof(bytes), "%lld B", (long long)r->bytes);
    screen_put(line, column, 11, SCREEN_DIM | mark, str_from_cstr(r->time));
    screen_put(line, column += 12, 14, SCREEN_PLAIN | mark, str_from_cstr(r->source));
    screen_put(line, column += 15, 24, SCREEN_BOLD | mark, str_from_cstr(r->type));
    column += 25;
    if (wide) {
        screen_put(line, column, 17, SCREEN_DIM | mark, str_from_cstr(r->id));
        screen_put(line, column + 18, 10, SCREEN_DIM | mark, str_from_cstr(bytes));
        column += 29;
    }
    screen_put(line, column, all - column, r->style | mark, str_from_cstr(r->result));
}

static void draw_list(struct view *v)
{
    size_t places[ROWS_MAX], at, n = shown_rows(v, places, &at);
    int room = screen_rows() - 3;
    bool wide = screen_columns() >= 100;
    size_t lines = room > 0 ? (size_t)room : 0;
    size_t top = n > lines ? n - lines : 0;
    if (at < top)
        top = at; /* the cursor stays on the screen; the newest at the bottom otherwise */
    for (size_t i = 0; i < lines && top + i < n; i++)
        draw_row(row_at(v, places[top + i]), 1 + (int)i, top + i == at, wide);
    if (n == 0)
        screen_put(2, 2, screen_columns() - 2, SCREEN_DIM,
                   v->all ? STR("Nothing here passes the filter.")
                          : STR("Waiting for the first event."));
}

/* --- the screen --------------------------------------------------------------------------------
 */

static void draw_story(struct view *v)
{
    str rest = buf_str(&v->story);
    int line = 1, last = screen_rows() - 2;
    for (size_t i = 0; rest.p && line < last; i++) {
        str text = str_cut(&rest, '\n');
        bool title = str_starts(text, STR("# "));
        if (i < v->story_top)
            continue;
        screen_put(line++, 0, screen_columns(), title ? SCREEN_BOLD : SCREEN_PLAIN,
                   title ? str_slice(text, 2, text.n) : text);
    }
}

static void draw_edges(struct view *v)
{
    char title[512];
    const char *source = cli_option(v->c, "source");
    int bottom = screen_rows() - 1, all = screen_columns();
    screen_fill(0, 0, all, SCREEN_CHOSEN);
    snprintf(title, sizeof(title), " gaff listen%s%s%s%s   %llu events%s%s",
             source ? "  source " : "", source ? source : "", v->listening.forward ? "  -> " : "",
             v->listening.forward ? v->listening.forward : "", (unsigned long long)v->all,
             v->filter[0] ? "   filter: " : "", v->filter);
    screen_put(0, 0, all, SCREEN_BOLD | SCREEN_CHOSEN, str_from_cstr(title));
    if (v->note[0])
        screen_put(bottom - 1, 0, all, SCREEN_YELLOW, str_from_cstr(v->note));
    if (v->typing) {
        int column = screen_put(bottom, 0, all, SCREEN_BOLD, STR("/"));
        column = screen_put(bottom, column, all - column, SCREEN_PLAIN, str_from_cstr(v->filter));
        screen_fill(bottom, column, 1, SCREEN_CHOSEN);
    } else {
        screen_put(bottom, 0, all, SCREEN_DIM,
                   v->story.len
                       ? STR("j/k scroll  r replay  o open  q back")
                       : STR("j/k move  enter details  r replay  / filter  o open  q quit"));
    }
}

static void draw(struct view *v)
{
    pthread_mutex_lock(&v->lock);
    screen_clear();
    if (v->story.len)
        draw_story(v);
    else
        draw_list(v);
    draw_edges(v);
    pthread_mutex_unlock(&v->lock);
    screen_show();
}

/* --- one event ---------------------------------------------------------------------------------
 */

static void note(struct view *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct view *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->note, sizeof(v->note), fmt, args);
    va_end(args);
}

static void note_error(struct view *v)
{
    pthread_mutex_lock(&v->errors.lock);
    note(v, "%s", v->errors.text);
    pthread_mutex_unlock(&v->errors.lock);
}

/* The id of the row under the cursor, or of the story. */
static bool chosen_id(struct view *v, char id[ID_TEXT_MAX])
{
    size_t places[ROWS_MAX], at;
    if (v->story.len) {
        memcpy(id, v->story_id, ID_TEXT_MAX);
        return true;
    }
    pthread_mutex_lock(&v->lock);
    size_t n = shown_rows(v, places, &at);
    if (n)
        memcpy(id, row_at(v, places[at])->id, ID_TEXT_MAX);
    pthread_mutex_unlock(&v->lock);
    return n > 0;
}

static struct json_doc *fetch(struct view *v, const char *id)
{
    char path[128];
    struct json_doc *doc;
    snprintf(path, sizeof(path), "/api/v1/events/%s", id);
    if (cli_call(v->c, "GET", path, NULL, &doc) != CLI_OK)
        note_error(v);
    return doc;
}

static void open_story(struct view *v)
{
    char id[ID_TEXT_MAX];
    struct json_doc *doc = chosen_id(v, id) ? fetch(v, id) : NULL;
    const struct json *e = json_root(doc);
    if (!doc)
        return;
    buf_clear(&v->story);
    story_write(&v->story, &v->c->arena, e);
    if (!buf_ok(&v->story)) {
        buf_clear(&v->story);
        note(v, "it is too large to be shown here; `gaff events show %s`", id);
    }
    v->story_top = v->story_lines = 0;
    for (size_t i = 0; i < v->story.len; i++)
        v->story_lines += v->story.p[i] == '\n';
    memcpy(v->story_id, id, sizeof(v->story_id));
    json_doc_free(doc);
}

/* With --forward to the program of this machine, where its author waits for it; else as the daemon
 * delivered it. */
static void replay(struct view *v)
{
    char id[ID_TEXT_MAX], path[128];
    struct json_doc *doc = NULL;
    if (!chosen_id(v, id))
        return;
    if (v->listening.forward) {
        struct listening again = v->listening;
        again.c = v->c;
        again.posting = *v->c;
        arena_init(&again.posting.arena, 16u << 20);
        if ((doc = fetch(v, id)) != NULL)
            listening_forward(&again, json_root(doc));
        arena_release(&again.posting.arena);
        if (doc)
            note(v, "sent %s to %s again", id, v->listening.forward);
    } else {
        snprintf(path, sizeof(path), "/api/v1/events/%s/replay", id);
        if (cli_call(v->c, "POST", path, "{}", &doc) == CLI_OK)
            note(v, "%s: " STR_FMT " deliveries again", id,
                 STR_ARG(json_text(&v->c->arena, json_get(json_root(doc), STR("replayed")))));
        else
            note_error(v);
    }
    json_doc_free(doc);
}

extern char **environ;

/* BROWSER names one program; what it prints does not reach the screen. */
static void open_in_browser(struct view *v)
{
    char id[ID_TEXT_MAX], url[512];
    const char *base = cli_daemon_url(v->c), *program = getenv("BROWSER");
    posix_spawn_file_actions_t files;
    pid_t pid;
    if (!base || !chosen_id(v, id))
        return;
    if (strncmp(base, "unix:", 5) == 0) {
        note(v, "the dashboard is on a socket of this machine, which no browser opens");
        return;
    }
    snprintf(url, sizeof(url), "%s/#/events/%s", base, id);
    char *argv[] = {(char *)(uintptr_t)(program && *program ? program : "xdg-open"), url, NULL};
    posix_spawn_file_actions_init(&files);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    int error = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    note(v, "%s%s", error ? "no browser could be started: " : "", url);
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void move_cursor(struct view *v, long by)
{
    size_t places[ROWS_MAX], at;
    pthread_mutex_lock(&v->lock);
    size_t n = shown_rows(v, places, &at);
    long to = (long)at + by;
    if (n) {
        to = to < 0 ? 0 : to > (long)n - 1 ? (long)n - 1 : to;
        /* At the end the list follows what comes. */
        v->chosen = (size_t)to == n - 1 ? 0 : row_at(v, places[to])->key;
    }
    pthread_mutex_unlock(&v->lock);
}

static void scroll(struct view *v, long by)
{
    long most = (long)v->story_lines - 1, to = (long)v->story_top + by;
    v->story_top = (size_t)(to < 0 ? 0 : to > most ? most < 0 ? 0 : most : to);
}

static void move(struct view *v, long by)
{
    if (v->story.len)
        scroll(v, by);
    else
        move_cursor(v, by);
}

static void type_filter(struct view *v, uint32_t key)
{
    size_t n = strlen(v->filter);
    v->chosen = 0;
    if (key == SCREEN_ENTER)
        v->typing = false;
    else if (key == SCREEN_ESCAPE)
        v->filter[0] = 0, v->typing = false;
    else if (key == SCREEN_ERASE && n)
        v->filter[n - 1] = 0;
    else if (key >= ' ' && key < SCREEN_ERASE && n + 1 < FILTER_MAX)
        v->filter[n] = (char)key, v->filter[n + 1] = 0;
}

/* False: it ends. */
static bool press(struct view *v, uint32_t key)
{
    long page = screen_rows() > 4 ? screen_rows() - 4 : 1;
    if (v->typing) {
        type_filter(v, key);
        return true;
    }
    if (key == SCREEN_NONE || key == SCREEN_RESIZED)
        return true;
    v->note[0] = 0;
    switch (key) {
    case 'q':
    case SCREEN_ESCAPE:
        if (!v->story.len)
            return key != 'q';
        buf_clear(&v->story);
        return true;
    case 'j':
    case SCREEN_DOWN:
        move(v, 1);
        return true;
    case 'k':
    case SCREEN_UP:
        move(v, -1);
        return true;
    case ' ':
    case SCREEN_PAGE_DOWN:
        move(v, page);
        return true;
    case SCREEN_PAGE_UP:
        move(v, -page);
        return true;
    case 'g':
    case SCREEN_HOME:
        move(v, -(1L << 30));
        return true;
    case 'G':
    case SCREEN_END:
        move(v, 1L << 30);
        return true;
    case SCREEN_ENTER:
    case 'd':
        open_story(v);
        return true;
    case 'r':
        replay(v);
        return true;
    case 'o':
        open_in_browser(v);
        return true;
    case '/':
        v->typing = !v->story.len;
        return true;
    default:
        return true;
    }
}

/* Signals are for the thread that owns the terminal. */
static bool start_threads(struct view *v)
{
    pthread_t one, two;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool good = pthread_create(&one, NULL, stream_main, v) == 0 &&
                pthread_create(&two, NULL, follow_main, v) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

static int run(struct view *v)
{
    for (;;) {
        draw(v);
        bool more = press(v, screen_key(v->wake[0], -1));
        arena_reset(&v->c->arena);
        while (waitpid(-1, NULL, WNOHANG) > 0) { /* browsers that ended */
        }
        pthread_mutex_lock(&v->lock);
        int ended = v->ended;
        pthread_mutex_unlock(&v->lock);
        if (!more || ended >= 0)
            return more ? ended : CLI_OK;
    }
}

enum err listen_on_screen(struct cli *c, int *code, struct reason *why)
{
    static const struct listen_shows shows = {on_event, on_answer};
    static struct view v;
    struct cli asking = *c; /* options live in the arena of c; that of `asking` is emptied */
    v = (struct view){.c = &asking, .stream_cli = *c, .follow_cli = *c, .ended = -1};
    arena_init(&asking.arena, 64u << 20);
    arena_init(&v.stream_cli.arena, 128u << 20);
    arena_init(&v.follow_cli.arena, 16u << 20);
    buf_init(&v.follow_pending, 8u << 20);
    buf_init(&v.story, STORY_MAX);
    pthread_mutex_init(&v.lock, NULL);
    pthread_mutex_init(&v.errors.lock, NULL);
    if (!cli_daemon_url(c) || !listening_init(&v.listening, &v.stream_cli, &shows)) {
        *code = CLI_USAGE; /* told already */
        return ERR_OK;
    }
    v.listening.shown_by = &v;
    if (pipe2(v.wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return fail_errno(why, ERR_IO, "cannot make a pipe");
    enum err err = screen_open(why);
    if (err != ERR_OK)
        return err;
    cli_errors_keep(&v.errors);
    *code = start_threads(&v) ? run(&v) : CLI_FAILED;
    screen_close();
    cli_errors_keep(NULL);
    if (*code != CLI_OK)
        cli_error(0, "%s", v.errors.text);
    fflush(NULL);
    _exit(*code); /* the threads sit in a stream that has no end */
}
