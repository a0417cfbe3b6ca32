/* action_log.c -- events as JSON lines in a file or on stdout, one write(2) each.
 *
 *   log:
 *     file: events.jsonl   # relative to the configuration's directory; "-": stdout
 *     format: json
 *
 * A line: {"id":"evt_...","source":"...","type":"...","received":"...","verdict":"...",
 * "headers":{...},"body":"..."}; values of fields that carry credentials are hidden. The file is
 * opened for appending when first needed, and again when its name has come to mean another file
 * (log rotation), looked at once a second at most. */
#include "base/id.h"
#include "base/log.h"
#include "action/event_text.h"
#include "action/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES (256u << 20) /* an event of the largest body, escaped */
#define KEPT_BYTES_MAX (1u << 20)
#define LOOK_NS 1000000000ll

struct log_config {
    struct action_config base;
    const char *file; /* NULL: stdout */
};

struct log_file {
    struct action action;
    const struct clock *clock;
    const char *path; /* NULL: stdout */
    char *owned_path;
    int fd; /* -1: not open */
    dev_t device;
    ino_t inode;
    int64_t looked_ns;
    bool torn; /* the last line was cut short: the next begins a line of its own */
    struct buf line;
};

static struct action_config *log_read(struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const known[] = {"file", "format", NULL};
    static const char *const formats[] = {"json", NULL};
    struct log_config *c = ARENA_NEW(a, struct log_config);
    if (!c || !read_keys(p, node, known))
        return NULL;
    str file = STR_NONE;
    int format = 0;
    bool ok = read_enum(p, yaml_get(node, STR("format")), formats, &format);
    const struct yaml *file_node = yaml_get(node, STR("file"));
    ok = read_str(p, file_node, &file) && ok;
    if (ok && file.n == 0) {
        problem_at(p, file_node ? file_node : node, "log needs file: a path, or \"-\" for stdout");
        return NULL;
    }
    if (!ok)
        return NULL;
    c->file = str_eq(file, STR("-")) ? NULL : arena_cstr(a, file);
    c->base = (struct action_config){
        .kind = &action_log, .timeout_ms = 10000, .default_concurrency = 16, .data = c};
    return &c->base;
}

/* --- the file ------------------------------------------------------------------------------- */

static void close_file(struct log_file *f)
{
    if (f->fd >= 0 && f->path)
        (void)close(f->fd);
    f->fd = -1;
}

static bool is_moved(const struct log_file *f)
{
    struct stat st;
    return stat(f->path, &st) < 0 || st.st_dev != f->device || st.st_ino != f->inode;
}

static enum err open_file(struct log_file *f, struct reason *why)
{
    int64_t now_ns = clock_mono_ns(f->clock);
    if (!f->path) {
        f->fd = 1;
        return ERR_OK;
    }
    if (f->fd >= 0 && now_ns - f->looked_ns >= LOOK_NS) {
        f->looked_ns = now_ns;
        if (is_moved(f))
            close_file(f);
    }
    if (f->fd >= 0)
        return ERR_OK;
    /* Nonblocking for the sake of a pipe that nobody reads; a file does not care. */
    f->fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        enum err e = fail_errno(why, ERR_IO, "cannot open %s", f->path);
        close_file(f);
        return e;
    }
    if (f->device != st.st_dev || f->inode != st.st_ino)
        f->torn = false; /* that line is in another file */
    f->device = st.st_dev;
    f->inode = st.st_ino;
    f->looked_ns = now_ns;
    return ERR_OK;
}

static enum err append(struct log_file *f, str line, struct reason *why)
{
    size_t written = 0;
    while (written < line.n) {
        ssize_t n = write(f->fd, line.p + written, line.n - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = errno;
            enum err e =
                fail_errno(why, ERR_IO, "cannot write to %s", f->path ? f->path : "stdout");
            f->torn = f->torn || written > 0;
            if (error != ENOSPC && error != EAGAIN)
                close_file(f);
            return e;
        }
        written += (size_t)n;
    }
    f->torn = false;
    return ERR_OK;
}

/* --- the action ----------------------------------------------------------------------------- */

static bool render(struct log_file *f, const struct task *t)
{
    struct json_writer w;
    char id[ID_TEXT_MAX];
    if (f->torn)
        buf_char(&f->line, '\n');
    json_writer_init(&w, &f->line);
    json_open(&w, '{');
    json_pair(&w, "id", id_format("evt", t->event->id, id));
    event_write_origin(&w, t->event);
    json_pair(&w, "verdict", t->event->verdict.p ? t->event->verdict : STR(""));
    event_write_headers(&w, t->event, true);
    event_write_body(&w, t->event, false);
    json_close(&w, '}');
    buf_char(&f->line, '\n');
    return buf_ok(&f->line);
}

static void log_start(struct action *action, struct task *t)
{
    struct log_file *f = CONTAINER_OF(action, struct log_file, action);
    struct reason why = {.text = ""};
    struct outcome o = {.result = ATTEMPT_RETRY,
                        .error_class = "file",
                        .request = str_from_cstr(f->path ? f->path : "stdout")};
    if (open_file(f, &why) != ERR_OK) {
        o.summary = str_from_cstr(why.text);
    } else if (!render(f, t)) {
        o.result = ATTEMPT_PERMANENT;
        o.summary = STR("the event is too large for one line");
    } else if (append(f, buf_str(&f->line), &why) != ERR_OK) {
        o.summary = str_from_cstr(why.text);
    } else {
        o.result = ATTEMPT_SUCCESS;
        o.error_class = "";
        o.summary = arena_printf(t->arena, "%zu bytes appended", f->line.len);
    }
    bool large = f->line.cap > KEPT_BYTES_MAX;
    buf_clear(&f->line);
    if (large) {
        buf_release(&f->line);
        buf_init(&f->line, LINE_MAX_BYTES);
    }
    t->done(t, &o); /* may free the action */
}

static void log_cancel(struct action *action, struct task *t)
{
    UNUSED(action); /* every attempt has ended before its start returned */
    UNUSED(t);
}

static void log_free(struct action *action)
{
    struct log_file *f = CONTAINER_OF(action, struct log_file, action);
    close_file(f);
    buf_release(&f->line);
    free(f->owned_path);
    free(f);
}

static const struct action_ops log_ops = {
    .kind = "log", .start = log_start, .cancel = log_cancel, .free = log_free};

static struct action *log_create(const struct action_config *config,
                                 const struct action_context *ctx, struct reason *why)
{
    const struct log_config *c = (const struct log_config *)config->data;
    UNUSED(why);
    struct log_file *f = (struct log_file *)xcalloc(1, sizeof(*f));
    f->action.ops = &log_ops;
    f->clock = loop_clock(ctx->loop);
    f->fd = -1;
    buf_init(&f->line, LINE_MAX_BYTES);
    if (c->file && (c->file[0] == '/' || !ctx->directory)) {
        f->path = c->file;
    } else if (c->file) {
        size_t n = strlen(ctx->directory) + strlen(c->file) + 2;
        f->owned_path = (char *)xmalloc(n);
        (void)snprintf(f->owned_path, n, "%s/%s", ctx->directory, c->file);
        f->path = f->owned_path;
    }
    return &f->action;
}

const struct action_kind action_log = {.name = "log", .read = log_read, .create = log_create};
