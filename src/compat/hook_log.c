/* hook_log.c -- one line, one write. */
#include "compat/hook_log.h"

#include "base/clock.h"
#include "base/codec.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_fd = -1;

void hook_log_setup(int fd)
{
    atomic_store(&log_fd, fd);
}

bool hook_log_on(void)
{
    return atomic_load(&log_fd) >= 0;
}

static void begin(struct buf *line, str id)
{
    time_t now = (time_t)(clock_wall_ms(clock_real()) / 1000);
    struct tm tm;
    buf_init(line, HOOK_LOG_LINE_MAX + 4096);
    if (localtime_r(&now, &tm))
        buf_printf(line, "[webhook] %04d/%02d/%02d %02d:%02d:%02d ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (id.n)
        buf_printf(line, "[" STR_FMT "] ", STR_ARG(id));
}

/* Writes what there is; a log that cannot be written is not waited for. */
static void finish(struct buf *line)
{
    buf_char(line, '\n');
    str s = buf_str(line);
    if (write(atomic_load(&log_fd), s.p, s.n) < 0) {
        buf_release(line);
        return;
    }
    buf_release(line);
}

void hook_log(str id, const char *fmt, ...)
{
    struct buf line, text;
    va_list args;
    if (!hook_log_on())
        return;
    begin(&line, id);
    buf_init(&text, HOOK_LOG_LINE_MAX);
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    str s = buf_str(&text);
    if (s.n && s.p[0] == '\t') { /* the indented list of hooks */
        buf_char(&line, '\t');
        s = str_slice(s, 1, s.n);
    }
    text_escape(&line, s, HOOK_LOG_LINE_MAX / 8);
    buf_release(&text);
    finish(&line);
}

static void append_lines(struct buf *line, str text)
{
    text = str_slice(text, 0, HOOK_LOG_LINE_MAX / 8);
    for (bool first = true; text.p; first = false) {
        str part = str_cut(&text, '\n');
        if (!first)
            buf_char(line, '\n');
        for (bool start = true; part.p; start = false) {
            str piece = str_cut(&part, '\t');
            if (!start)
                buf_char(line, '\t');
            text_escape(line, piece, piece.n);
        }
    }
}

void hook_log_text(str id, const char *prefix, str text)
{
    struct buf line;
    if (!hook_log_on())
        return;
    begin(&line, id);
    buf_str_append(&line, str_from_cstr(prefix));
    append_lines(&line, text);
    finish(&line);
}

void hook_log_dump(char mark, str id, str text)
{
    while (hook_log_on() && text.p) {
        str part = str_cut(&text, '\n');
        struct buf line;
        if (!part.n && !text.p)
            break;
        buf_init(&line, HOOK_LOG_LINE_MAX);
        buf_printf(&line, "%c [" STR_FMT "] ", mark, STR_ARG(id));
        text_escape(&line, str_ends(part, STR("\r")) ? str_slice(part, 0, part.n - 1) : part,
                    HOOK_LOG_LINE_MAX / 8);
        finish(&line);
    }
}
