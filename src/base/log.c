/* log.c -- log lines on stderr, and the end of the process when memory is out.
 *
 * A line is built on the stack, at most 4096 bytes (what a pipe takes whole), and leaves by one
 * write(2), so that lines of several threads never mix and nothing is allocated. A field that does
 * not fit is left out whole, with those after it, and "cut" says so. Any thread. */
#include "base/log.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096
#define TAIL_BYTES_MAX 32 /* kept free for the mark of a cut line and its end */
#define MESSAGE_BYTES_MAX 600
#define VALUE_BYTES_MAX 512
#define VALUE_ROOM (MESSAGE_BYTES_MAX + 3)
#define RATE_SLOTS 256
#define RATE_PROBES 8
#define RATE_WINDOW_NS INT64_C(1000000000)

static _Atomic int out_format = LOG_LOGFMT;
static _Atomic int least_level = LOG_INFO;
static _Atomic bool coloured;

static const struct {
    const char *lower, *upper, *colour;
} levels[] = {
    [LOG_DEBUG] = {"debug", "DEBUG", "\x1b[2m"},
    [LOG_INFO] = {"info", "INFO", "\x1b[32m"},
    [LOG_WARN] = {"warn", "WARN", "\x1b[33m"},
    [LOG_ERROR] = {"error", "ERROR", "\x1b[31m"},
};

void log_setup(enum log_format format, enum log_level least)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = term && strcmp(term, "dumb") == 0;
    if (format == LOG_AUTO)
        format = terminal ? LOG_TEXT : LOG_LOGFMT;
    tzset();
    atomic_store(&out_format, format);
    atomic_store(&least_level, least);
    atomic_store(&coloured, terminal && !dumb && !(no_color && *no_color));
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

static void write_line(struct buf *line)
{
    size_t done = 0;
    while (done < line->len) {
        ssize_t n = write(STDERR_FILENO, line->p + done, line->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

/* s, or its first max bytes (to the beginning of a character) and an ellipsis, made in array. */
static str capped(str s, size_t max, char array[VALUE_ROOM])
{
    if (s.n <= max)
        return s;
    size_t n = max;
    while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    memcpy(array, s.p, n);
    memcpy(array + n, "...", 3);
    return str_of(array, n + 3);
}

/* True when a reader of key=value cannot trip over the bare text. */
static bool is_bare(str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t c = 0;
        size_t n = utf8_decode(str_slice(s, i, s.n), &c);
        if (n == 0 || text_is_unsafe(c) || c == ' ' || c == '=' || c == '"' || c == '\\')
            return false;
        i += n;
    }
    return s.n > 0;
}

/* In quotes the escapes are JSON's, as the readers of logfmt expect. */
static void append_value(struct buf *line, str s, size_t max)
{
    char array[VALUE_ROOM];
    struct json_writer w;
    s = capped(s, max, array);
    if (is_bare(s)) {
        buf_str_append(line, s);
        return;
    }
    json_writer_init(&w, line);
    json_string(&w, s);
}

static void append_field(struct buf *line, const struct log_field *field)
{
    buf_printf(line, " %s=", field->key);
    if (field->kind == LOG_INT)
        buf_printf(line, "%lld", (long long)field->i);
    else
        append_value(line, field->s, VALUE_BYTES_MAX);
}

static void begin_text(struct buf *line, enum log_level level, int64_t now_ms, const char *message)
{
    struct tm local = {0};
    time_t seconds = (time_t)(now_ms / 1000);
    bool colour = atomic_load(&coloured);
    localtime_r(&seconds, &local);
    buf_printf(line, "%s%02d:%02d:%02d%s %s%-5s%s ", colour ? "\x1b[2m" : "", local.tm_hour,
               local.tm_min, local.tm_sec, colour ? "\x1b[0m" : "",
               colour ? levels[level].colour : "", levels[level].upper, colour ? "\x1b[0m" : "");
    text_escape(line, str_from_cstr(message), MESSAGE_BYTES_MAX);
}

static void begin_logfmt(struct buf *line, enum log_level level, int64_t now_ms,
                         const char *message)
{
    char time_text[CLOCK_TEXT_MAX];
    buf_printf(line, "ts=" STR_FMT " level=%s msg=", STR_ARG(clock_format(now_ms, time_text)),
               levels[level].lower);
    append_value(line, str_from_cstr(message), MESSAGE_BYTES_MAX);
}

static void begin_json(struct json_writer *w, enum log_level level, int64_t now_ms,
                       const char *message)
{
    char time_text[CLOCK_TEXT_MAX], array[VALUE_ROOM];
    json_open(w, '{');
    json_pair(w, "ts", clock_format(now_ms, time_text));
    json_pair(w, "level", str_from_cstr(levels[level].lower));
    json_pair(w, "msg", capped(str_from_cstr(message), MESSAGE_BYTES_MAX, array));
}

static void json_field(struct json_writer *w, const struct log_field *field)
{
    char array[VALUE_ROOM];
    if (field->kind == LOG_INT)
        json_pair_int(w, field->key, field->i);
    else
        json_pair(w, field->key, capped(field->s, VALUE_BYTES_MAX, array));
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count)
{
    char array[LINE_BYTES_MAX];
    struct buf line = buf_over(array, sizeof(array) - TAIL_BYTES_MAX);
    struct json_writer w;
    int saved = errno;
    int format = atomic_load(&out_format);
    int64_t now_ms = clock_wall_ms(clock_real());
    assert((size_t)level < ARRAY_LEN(levels));
    json_writer_init(&w, &line);
    if (format == LOG_JSON)
        begin_json(&w, level, now_ms, message);
    else if (format == LOG_TEXT)
        begin_text(&line, level, now_ms, message);
    else
        begin_logfmt(&line, level, now_ms, message);
    assert(buf_ok(&line));
    for (size_t i = 0; i < count && buf_ok(&line); i++) {
        size_t before = line.len;
        if (format == LOG_JSON)
            json_field(&w, &fields[i]);
        else
            append_field(&line, &fields[i]);
        if (!buf_ok(&line))
            line.len = before;
    }
    struct buf whole = buf_over(array, sizeof(array));
    whole.len = line.len;
    if (!buf_ok(&line))
        buf_str_append(&whole, format == LOG_JSON ? STR(",\"cut\":true") : STR(" cut=true"));
    buf_str_append(&whole, format == LOG_JSON ? STR("}\n") : STR("\n"));
    assert(buf_ok(&whole));
    write_line(&whole);
    errno = saved;
}

static void vline(enum log_level level, const char *fmt, va_list args)
{
    char message[MESSAGE_BYTES_MAX + 8];
    int n = vsnprintf(message, sizeof(message), fmt, args);
    assert(n >= 0);
    log_write(level, message, NULL, 0);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list args;
    if (!log_wants(level))
        return;
    va_start(args, fmt);
    vline(level, fmt, args);
    va_end(args);
}

/* --- repeated lines ----------------------------------------------------------------------------
 */

static struct rate_slot {
    uint64_t hash; /* 0: never used */
    int64_t written_ns;
    uint64_t held;
} rate_slots[RATE_SLOTS];
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER;

/* The slot of the key, or the one that was written longest ago of those where it may be. */
static struct rate_slot *rate_find(uint64_t hash)
{
    struct rate_slot *oldest = NULL;
    for (size_t i = 0; i < RATE_PROBES; i++) {
        struct rate_slot *slot = &rate_slots[(hash + i) % RATE_SLOTS];
        if (slot->hash == hash || slot->hash == 0)
            return slot;
        if (!oldest || slot->written_ns < oldest->written_ns)
            oldest = slot;
    }
    return oldest;
}

bool log_rate(const char *key, uint64_t *held)
{
    uint64_t hash = str_hash(str_from_cstr(key), 0) | 1;
    int64_t now_ns = clock_mono_ns(clock_real());
    pthread_mutex_lock(&rate_lock);
    struct rate_slot *slot = rate_find(hash);
    bool known = slot->hash == hash;
    bool may = !known || now_ns - slot->written_ns >= RATE_WINDOW_NS;
    if (may) {
        *held = known ? slot->held : 0;
        *slot = (struct rate_slot){hash, now_ns, 0};
    } else {
        *held = ++slot->held;
    }
    pthread_mutex_unlock(&rate_lock);
    return may;
}

/* --- the end ------------------------------------------------------------------------------------
 */

void die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vline(LOG_ERROR, fmt, args);
    va_end(args);
    abort();
}

void die_of_memory(size_t bytes)
{
    if (bytes)
        log_line(LOG_ERROR, "out of memory: the system refused %zu bytes", bytes);
    else
        log_line(LOG_ERROR, "out of memory inside a library");
    _exit(EXIT_NO_MEMORY);
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        die_of_memory(n);
    return p;
}

void *xcalloc(size_t count, size_t n)
{
    void *p = calloc(count ? count : 1, n ? n : 1);
    if (!p)
        die_of_memory(count > SIZE_MAX / (n ? n : 1) ? SIZE_MAX : count * n);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        die_of_memory(n);
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}
