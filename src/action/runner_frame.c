/* runner_frame.c -- the frames between daemon and runner, written and read. Pure: no I/O. Both
 * sides use it, so that the two can't differ. */
#include "action/runner_frame.h"

static size_t frame_begin(struct buf *out, enum frame_kind kind)
{
    size_t start = out->len;
    buf_u32(out, 0);
    buf_u8(out, (uint8_t)kind);
    return start;
}

static void frame_end(struct buf *out, size_t start)
{
    if (!buf_ok(out))
        return;
    uint32_t n = (uint32_t)(out->len - start - sizeof(uint32_t));
    for (unsigned i = 0; i < sizeof(n); i++)
        out->p[start + i] = (char)(uint8_t)(n >> (8 * i));
}

static void put_cstr(struct buf *out, const char *s)
{
    buf_blob(out, s ? str_of(s, strlen(s) + 1) : str_of("", 0));
}

static void put_list(struct buf *out, const char *const *v)
{
    uint32_t count = 0;
    while (v && v[count])
        count++;
    buf_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_cstr(out, v[i]);
}

#define JOB_OUTLIVES (1u << FRAME_DESCRIPTORS)

static void put_limits(struct buf *out, const struct run_limits *l)
{
    const int64_t v[] = {l->memory_bytes, l->cpu_s, l->open_files, l->processes, l->file_bytes};
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        buf_u64(out, (uint64_t)v[i]);
}

static void put_sandbox(struct buf *out, const struct sandbox_rules *s)
{
    buf_u8(out, s ? 1 : 0);
    buf_u8(out, s && s->network ? 1 : 0);
    put_list(out, s ? s->read : NULL);
    put_list(out, s ? s->write : NULL);
}

void frame_put_job(struct buf *out, const struct run_spec *spec, uint64_t id, uint8_t descriptors,
                   bool streams)
{
    size_t start = frame_begin(out, FRAME_JOB);
    buf_u64(out, id);
    buf_u16(out, (uint16_t)(descriptors | (spec->outlives ? JOB_OUTLIVES : 0)));
    buf_u64(out, (uint64_t)spec->timeout_ms);
    buf_u64(out, (uint64_t)spec->kill_after_ms);
    buf_u32(out, (uint32_t)spec->output_max);
    put_cstr(out, spec->cwd);
    put_cstr(out, spec->user);
    put_cstr(out, spec->program);
    put_list(out, spec->argv);
    put_list(out, spec->env);
    buf_u8(out, streams ? 1 : 0);
    buf_u8(out, spec->is_jq ? 1 : 0);
    put_limits(out, &spec->limits);
    put_sandbox(out, spec->sandbox);
    frame_end(out, start);
}

void frame_put_cancel(struct buf *out, uint64_t id)
{
    size_t start = frame_begin(out, FRAME_CANCEL);
    buf_u64(out, id);
    frame_end(out, start);
}

void frame_put_output(struct buf *out, uint64_t id, bool errors, str bytes)
{
    size_t start = frame_begin(out, FRAME_OUTPUT);
    buf_u64(out, id);
    buf_u8(out, errors ? 1 : 0);
    buf_blob(out, bytes);
    frame_end(out, start);
}

#define RESULT_STARTED 1u
#define RESULT_TIMED_OUT 2u
#define RESULT_OUTPUT_CUT 4u
#define RESULT_ERRORS_CUT 8u

void frame_put_result(struct buf *out, uint64_t id, const struct run_result *r)
{
    size_t start = frame_begin(out, FRAME_RESULT);
    buf_u64(out, id);
    buf_u8(out,
           (uint8_t)((r->started ? RESULT_STARTED : 0) | (r->timed_out ? RESULT_TIMED_OUT : 0) |
                     (r->output_cut ? RESULT_OUTPUT_CUT : 0) |
                     (r->errors_cut ? RESULT_ERRORS_CUT : 0)));
    buf_u32(out, (uint32_t)r->exit_code);
    buf_u32(out, (uint32_t)r->signal);
    buf_u64(out, (uint64_t)r->duration_us);
    buf_u64(out, (uint64_t)r->user_us);
    buf_u64(out, (uint64_t)r->system_us);
    buf_u64(out, (uint64_t)r->max_rss_kib);
    buf_blob(out, r->output);
    buf_blob(out, r->errors);
    put_cstr(out, r->error[0] ? r->error : NULL);
    frame_end(out, start);
}

bool frame_take(str *bytes, enum frame_kind *kind, str *payload, bool *broken)
{
    *broken = false;
    if (bytes->n < FRAME_HEAD)
        return false;
    struct cursor c = cursor_of(*bytes);
    uint32_t n = cursor_u32(&c);
    uint8_t k = cursor_u8(&c);
    if (n < 1 || n > FRAME_MAX || k < FRAME_JOB || k > FRAME_OUTPUT) {
        *broken = true;
        return false;
    }
    size_t whole = sizeof(uint32_t) + n;
    if (bytes->n < whole)
        return false;
    *kind = (enum frame_kind)k;
    *payload = str_of(bytes->p + FRAME_HEAD, whole - FRAME_HEAD);
    *bytes = str_of(bytes->p + whole, bytes->n - whole);
    return true;
}

/* NULL for an empty one, and for one without its NUL at the end, which is malformed. */
static const char *get_cstr(struct cursor *c)
{
    str s = cursor_blob(c);
    if (c->failed || s.n == 0)
        return NULL;
    c->failed = s.p[s.n - 1] != '\0';
    return c->failed ? NULL : s.p;
}

static const char **get_list(struct cursor *c, struct arena *a)
{
    uint32_t count = cursor_u32(c);
    if (c->failed || count > FRAME_STRINGS_MAX)
        return NULL;
    const char **v = ARENA_ARRAY(a, const char *, count + 1);
    for (uint32_t i = 0; v && i < count; i++) {
        v[i] = get_cstr(c);
        if (!v[i])
            return NULL;
    }
    return v;
}

static void get_limits(struct cursor *c, struct run_limits *l)
{
    int64_t *const v[] = {&l->memory_bytes, &l->cpu_s, &l->open_files, &l->processes,
                          &l->file_bytes};
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        *v[i] = (int64_t)cursor_u64(c);
}

static_assert(FRAME_DESCRIPTORS == 8, "a bit each in the byte of a job");

bool frame_get_job(str payload, struct arena *a, struct frame_job *out)
{
    struct cursor c = cursor_of(payload);
    out->id = cursor_u64(&c);
    uint16_t flags = cursor_u16(&c);
    out->descriptors = (uint8_t)(flags & (JOB_OUTLIVES - 1));
    out->outlives = (flags & JOB_OUTLIVES) != 0;
    out->timeout_ms = (int64_t)cursor_u64(&c);
    out->kill_after_ms = (int64_t)cursor_u64(&c);
    out->output_max = cursor_u32(&c);
    out->cwd = get_cstr(&c);
    out->user = get_cstr(&c);
    out->program = get_cstr(&c);
    out->argv = get_list(&c, a);
    out->env = get_list(&c, a);
    out->streams = cursor_u8(&c) != 0;
    out->is_jq = cursor_u8(&c) != 0;
    get_limits(&c, &out->limits);
    out->is_sandboxed = cursor_u8(&c) != 0;
    out->sandbox.network = cursor_u8(&c) != 0;
    out->sandbox.read = (const char *const *)get_list(&c, a);
    out->sandbox.write = (const char *const *)get_list(&c, a);
    return !c.failed && out->argv && out->argv[0] && out->env && out->sandbox.read &&
           out->sandbox.write && out->output_max <= RUNNER_OUTPUT_MAX && flags < 2 * JOB_OUTLIVES;
}

bool frame_get_cancel(str payload, uint64_t *id)
{
    struct cursor c = cursor_of(payload);
    *id = cursor_u64(&c);
    return !c.failed;
}

bool frame_get_output(str payload, uint64_t *id, bool *errors, str *bytes)
{
    struct cursor c = cursor_of(payload);
    *id = cursor_u64(&c);
    *errors = cursor_u8(&c) != 0;
    *bytes = cursor_blob(&c);
    return !c.failed;
}

bool frame_get_result(str payload, uint64_t *id, struct run_result *out)
{
    struct cursor c = cursor_of(payload);
    *id = cursor_u64(&c);
    uint8_t flags = cursor_u8(&c);
    out->started = (flags & RESULT_STARTED) != 0;
    out->timed_out = (flags & RESULT_TIMED_OUT) != 0;
    out->output_cut = (flags & RESULT_OUTPUT_CUT) != 0;
    out->errors_cut = (flags & RESULT_ERRORS_CUT) != 0;
    out->exit_code = (int)cursor_u32(&c);
    out->signal = (int)cursor_u32(&c);
    out->duration_us = (int64_t)cursor_u64(&c);
    out->user_us = (int64_t)cursor_u64(&c);
    out->system_us = (int64_t)cursor_u64(&c);
    out->max_rss_kib = (int64_t)cursor_u64(&c);
    out->output = cursor_blob(&c);
    out->errors = cursor_blob(&c);
    const char *error = get_cstr(&c);
    (void)snprintf(out->error, sizeof(out->error), "%s", error ? error : "");
    return !c.failed;
}
