/* cli_screen.c -- the one door to ncurses. Text goes to it as wide characters, never as bytes that
 * a terminal could obey. */
#include "app/cli_screen.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/dynlib.h"

#include <poll.h>
#include <unistd.h>

#ifdef SONAME_NCURSES
#define NCURSES_NOMACROS
#define NCURSES_WIDECHAR 1
#include <locale.h>
#include <ncurses.h>
#include <wchar.h>

#define CALLS(X)                                                                                   \
    X(newterm)                                                                                     \
    X(delscreen)                                                                                   \
    X(endwin)                                                                                      \
    X(cbreak)                                                                                      \
    X(noecho)                                                                                      \
    X(curs_set)                                                                                    \
    X(set_escdelay)                                                                                \
    X(keypad)                                                                                      \
    X(wtimeout)                                                                                    \
    X(wget_wch)                                                                                    \
    X(werase)                                                                                      \
    X(wmove)                                                                                       \
    X(waddnwstr)                                                                                   \
    X(wattr_set)                                                                                   \
    X(wrefresh)                                                                                    \
    X(getmaxx)                                                                                     \
    X(getmaxy)                                                                                     \
    X(has_colors)                                                                                  \
    X(start_color)                                                                                 \
    X(use_default_colors)                                                                          \
    X(init_pair)                                                                                   \
    X(stdscr)
static struct {
    CALLS(DYNLIB_POINTER)
} nc;
#define CALL(name) {#name, &nc.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_NCURSES)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "ncurses (libncurses-dev)", calls, ARRAY_LEN(calls), false};

#define LINE_BYTES_MAX 4096

#ifdef SONAME_NCURSES

static SCREEN *terminal; /* NULL: none is open */

enum err screen_open(struct reason *why)
{
    static const short colors[] = {COLOR_GREEN, COLOR_YELLOW, COLOR_RED};
    enum err err = dynlib_load(&library, why);
    if (err != ERR_OK)
        return err;
    setlocale(LC_CTYPE, "");
    terminal = nc.newterm(NULL, stdout, stdin);
    if (!terminal)
        return fail(why, ERR_INVALID, "ncurses does not know this terminal (TERM)");
    nc.cbreak();
    nc.noecho();
    nc.curs_set(0);
    nc.set_escdelay(25);
    nc.keypad(*nc.stdscr, true);
    nc.wtimeout(*nc.stdscr, 0);
    if (!getenv("NO_COLOR") && nc.has_colors() && nc.start_color() == OK &&
        nc.use_default_colors() == OK)
        for (size_t i = 0; i < ARRAY_LEN(colors); i++)
            nc.init_pair((short)(SCREEN_GREEN + i), colors[i], -1);
    return ERR_OK;
}

void screen_close(void)
{
    if (!terminal)
        return;
    nc.endwin();
    nc.delscreen(terminal);
    terminal = NULL;
}

int screen_rows(void)
{
    return nc.getmaxy(*nc.stdscr);
}

int screen_columns(void)
{
    return nc.getmaxx(*nc.stdscr);
}

void screen_clear(void)
{
    nc.werase(*nc.stdscr);
}

static void set_style(int style)
{
    static const attr_t attributes[SCREEN_STYLES] = {
        [SCREEN_BOLD] = WA_BOLD, [SCREEN_DIM] = WA_DIM, [SCREEN_RED] = WA_BOLD};
    int plain = style & ~SCREEN_CHOSEN;
    attr_t a = attributes[plain] | (style & SCREEN_CHOSEN ? WA_REVERSE : WA_NORMAL);
    nc.wattr_set(*nc.stdscr, a, plain >= SCREEN_GREEN ? (short)plain : 0, NULL);
}

/* Cells of a character; what this locale cannot show is one '?'. */
static int cells_of(wchar_t *c)
{
    int n = wcwidth(*c);
    if (n >= 0)
        return n;
    *c = L'?';
    return 1;
}

int screen_put(int row, int column, int width, int style, str text)
{
    wchar_t line[LINE_BYTES_MAX];
    struct buf safe;
    int n = 0, cells = 0;
    if (row < 0 || row >= screen_rows() || column + width > screen_columns())
        width = row < 0 || row >= screen_rows() ? 0 : screen_columns() - column;
    if (width <= 0)
        return column;
    buf_init(&safe, 8 * LINE_BYTES_MAX);
    text_escape(&safe, text, LINE_BYTES_MAX - 8);
    str rest = buf_str(&safe);
    while (rest.n && n < LINE_BYTES_MAX) {
        uint32_t point = 0;
        size_t bytes = utf8_decode(rest, &point);
        wchar_t c = (wchar_t)point;
        int more = bytes ? cells_of(&c) : 0;
        if (!bytes || cells + more > width)
            break;
        line[n++] = c;
        cells += more;
        rest = str_slice(rest, bytes, rest.n);
    }
    buf_release(&safe);
    set_style(style);
    if (nc.wmove(*nc.stdscr, row, column) == OK)
        nc.waddnwstr(*nc.stdscr, line, n);
    return column + cells;
}

void screen_show(void)
{
    nc.wrefresh(*nc.stdscr);
}

static uint32_t read_key(void)
{
    static const struct {
        wint_t theirs;
        uint32_t ours;
    } keys[] = {
        {KEY_UP, SCREEN_UP},           {KEY_DOWN, SCREEN_DOWN},   {KEY_PPAGE, SCREEN_PAGE_UP},
        {KEY_NPAGE, SCREEN_PAGE_DOWN}, {KEY_HOME, SCREEN_HOME},   {KEY_END, SCREEN_END},
        {KEY_RESIZE, SCREEN_RESIZED},  {KEY_ENTER, SCREEN_ENTER}, {KEY_BACKSPACE, SCREEN_ERASE}};
    wint_t c = 0;
    int kind = nc.wget_wch(*nc.stdscr, &c);
    if (kind == ERR)
        return SCREEN_NONE;
    if (kind != KEY_CODE_YES)
        return c == L'\r' ? SCREEN_ENTER : c == L'\b' ? SCREEN_ERASE : (uint32_t)c;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].theirs == c)
            return keys[i].ours;
    return SCREEN_OTHER;
}

#else

enum err screen_open(struct reason *why)
{
    return dynlib_load(&library, why);
}
void screen_close(void)
{
}
int screen_rows(void)
{
    return 0;
}
int screen_columns(void)
{
    return 0;
}
void screen_clear(void)
{
}
int screen_put(int row, int column, int width, int style, str text)
{
    UNUSED(row), UNUSED(width), UNUSED(style), UNUSED(text);
    return column;
}
void screen_show(void)
{
}
static uint32_t read_key(void)
{
    return SCREEN_NONE;
}

#endif

void screen_fill(int row, int column, int width, int style)
{
    char blanks[LINE_BYTES_MAX / 2];
    int n = width < (int)sizeof(blanks) ? width : (int)sizeof(blanks);
    if (n <= 0)
        return;
    memset(blanks, ' ', (size_t)n);
    screen_put(row, column, n, style, str_of(blanks, (size_t)n));
}

uint32_t screen_key(int wake, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
    char drained[256];
    uint32_t key = read_key(); /* one that ncurses holds already */
    if (key != SCREEN_NONE)
        return key;
    /* A signal ends the wait too: that of a new size becomes a key. */
    (void)poll(fds, wake >= 0 ? 2 : 1, timeout_ms);
    if (wake >= 0 && fds[1].revents)
        while (read(wake, drained, sizeof(drained)) == sizeof(drained)) {
        }
    if (fds[0].revents & (POLLHUP | POLLERR))
        return 'q'; /* the terminal is gone */
    return read_key();
}
