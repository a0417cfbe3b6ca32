/* cli_listen_screen.c -- gaff listen on a terminal: a list of what came, and the story of one. The
 * rows come from the feed's threads; this thread draws, reads keys and asks the API. */
#include "app/cli_listen.h"

#include "base/codec.h"
#include "base/log.h"
#include "app/cli_listen_feed.h"
#include "app/cli_screen.h"
#include "app/cli_story.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORY_MAX (4u << 20)
#define NOTE_MAX 200

struct view {
    struct cli *c;
    struct feed feed;
    struct cli_errors errors;
    bool typing; /* the filter */
    char note[NOTE_MAX];
    struct buf story; /* of one event; empty: the list is shown */
    size_t story_top, story_lines;
    char story_id[ID_TEXT_MAX];
};

/* --- the list ----------------------------------------------------------------------------------
 */

static void draw_row(const struct feed_row *r, int line, bool chosen, bool wide)
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
    size_t places[FEED_ROWS_MAX], at, n = feed_shown(&v->feed, places, &at);
    int room = screen_rows() - 3;
    bool wide = screen_columns() >= 100;
    size_t lines = room > 0 ? (size_t)room : 0;
    size_t top = n > lines ? n - lines : 0;
    if (at < top)
        top = at; /* the cursor stays on the screen; the newest at the bottom otherwise */
    for (size_t i = 0; i < lines && top + i < n; i++)
        draw_row(feed_row_at(&v->feed, places[top + i]), 1 + (int)i, top + i == at, wide);
    if (n == 0)
        screen_put(2, 2, screen_columns() - 2, SCREEN_DIM,
                   v->feed.all ? STR("Nothing here passes the filter.")
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
    snprintf(
        title, sizeof(title), " gaff listen%s%s%s%s   %llu events%s%s", source ? "  source " : "",
        source ? source : "", v->feed.listening.forward ? "  -> " : "",
        v->feed.listening.forward ? v->feed.listening.forward : "", (unsigned long long)v->feed.all,
        v->feed.filter[0] ? "   filter: " : "", v->feed.filter);
    screen_put(0, 0, all, SCREEN_BOLD | SCREEN_CHOSEN, str_from_cstr(title));
    if (v->note[0])
        screen_put(bottom - 1, 0, all, SCREEN_YELLOW, str_from_cstr(v->note));
    if (v->typing) {
        int column = screen_put(bottom, 0, all, SCREEN_BOLD, STR("/"));
        column =
            screen_put(bottom, column, all - column, SCREEN_PLAIN, str_from_cstr(v->feed.filter));
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
    pthread_mutex_lock(&v->feed.lock);
    screen_clear();
    if (v->story.len)
        draw_story(v);
    else
        draw_list(v);
    draw_edges(v);
    pthread_mutex_unlock(&v->feed.lock);
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
    size_t places[FEED_ROWS_MAX], at;
    if (v->story.len) {
        memcpy(id, v->story_id, ID_TEXT_MAX);
        return true;
    }
    pthread_mutex_lock(&v->feed.lock);
    size_t n = feed_shown(&v->feed, places, &at);
    if (n)
        memcpy(id, feed_row_at(&v->feed, places[at])->id, ID_TEXT_MAX);
    pthread_mutex_unlock(&v->feed.lock);
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
    if (v->feed.listening.forward) {
        struct listening again = v->feed.listening;
        again.c = v->c;
        again.posting = *v->c;
        arena_init(&again.posting.arena, 16u << 20);
        if ((doc = fetch(v, id)) != NULL)
            listening_forward(&again, json_root(doc));
        arena_release(&again.posting.arena);
        if (doc)
            note(v, "sent %s to %s again", id, v->feed.listening.forward);
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
    size_t places[FEED_ROWS_MAX], at;
    pthread_mutex_lock(&v->feed.lock);
    size_t n = feed_shown(&v->feed, places, &at);
    long to = (long)at + by;
    if (n) {
        to = to < 0 ? 0 : to > (long)n - 1 ? (long)n - 1 : to;
        /* At the end the list follows what comes. */
        v->feed.chosen = (size_t)to == n - 1 ? 0 : feed_row_at(&v->feed, places[to])->key;
    }
    pthread_mutex_unlock(&v->feed.lock);
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
    size_t n = strlen(v->feed.filter);
    v->feed.chosen = 0;
    if (key == SCREEN_ENTER)
        v->typing = false;
    else if (key == SCREEN_ESCAPE)
        v->feed.filter[0] = 0, v->typing = false;
    else if (key == SCREEN_ERASE && n)
        v->feed.filter[n - 1] = 0;
    else if (key >= ' ' && key < SCREEN_ERASE && n + 1 < FEED_FILTER_MAX)
        v->feed.filter[n] = (char)key, v->feed.filter[n + 1] = 0;
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

static int run(struct view *v)
{
    for (;;) {
        draw(v);
        bool more = press(v, screen_key(v->feed.wake[0], -1));
        arena_reset(&v->c->arena);
        while (waitpid(-1, NULL, WNOHANG) > 0) { /* browsers that ended */
        }
        pthread_mutex_lock(&v->feed.lock);
        int ended = v->feed.ended;
        pthread_mutex_unlock(&v->feed.lock);
        if (!more || ended >= 0)
            return more ? ended : CLI_OK;
    }
}

enum err listen_on_screen(struct cli *c, int *code, struct reason *why)
{
    static struct view v;
    struct cli asking = *c; /* options live in the arena of c; that of `asking` is emptied */
    v = (struct view){.c = &asking};
    arena_init(&asking.arena, 64u << 20);
    buf_init(&v.story, STORY_MAX);
    pthread_mutex_init(&v.errors.lock, NULL);
    if (!feed_init(&v.feed, c)) {
        *code = CLI_USAGE; /* told already */
        return ERR_OK;
    }
    enum err err = screen_open(why);
    if (err != ERR_OK)
        return err;
    cli_errors_keep(&v.errors);
    err = feed_start(&v.feed, why);
    *code = err == ERR_OK ? run(&v) : CLI_FAILED;
    screen_close();
    cli_errors_keep(NULL);
    if (err != ERR_OK)
        cli_error(0, "%s", why->text);
    else if (*code != CLI_OK)
        cli_error(0, "%s", v.errors.text);
    fflush(NULL);
    _exit(*code); /* the threads sit in a stream that has no end */
}
