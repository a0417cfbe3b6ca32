/* gaff_reply.c -- one-line replies. The JSON form is printf's, so that the compiler checks it, with
 * one difference: strings are written as JSON strings. */
#include "app/program.h"

#include <stdarg.h>

void gaff_set_header(gaff_req *req, const char *name, const char *value)
{
    if (req->field_count == PROGRAM_REPLY_FIELDS_MAX || !name || !value)
        return;
    /* A line break in a value would be another header: such a value is dropped. */
    if (strpbrk(name, "\r\n: ") || strpbrk(value, "\r\n"))
        return;
    req->fields[req->field_count++] = (struct http_field){
        arena_str(&req->extra, str_from_cstr(name)), arena_str(&req->extra, str_from_cstr(value))};
}

int gaff_bytes(gaff_req *req, int status, const char *content_type, gaff_str body)
{
    buf_clear(&req->body);
    buf_append(&req->body, body.ptr, body.len);
    req->content_type = arena_str(&req->extra, str_from_cstr(content_type));
    return status;
}

int gaff_text(gaff_req *req, int status, const char *fmt, ...)
{
    va_list args;
    buf_clear(&req->body);
    va_start(args, fmt);
    buf_vprintf(&req->body, fmt, args);
    va_end(args);
    req->content_type = STR("text/plain; charset=utf-8");
    return status;
}

/* One conversion: its flags and length as in printf, its letter, and for %.*s the precision. */
struct conversion {
    char text[16]; /* "%lld", to hand to snprintf */
    size_t n;
    int longs;
    bool size, star;
    char letter;
};

static const char *read_conversion(const char *p, struct conversion *v)
{
    *v = (struct conversion){.text = "%", .n = 1};
    for (p++; *p && v->n < sizeof(v->text) - 2; p++) {
        v->text[v->n++] = *p;
        if (*p == 'l')
            v->longs++;
        else if (*p == 'z')
            v->size = true;
        else if (*p == '*')
            v->star = true;
        else if (strchr("diufgGeEsc%", *p)) {
            v->letter = *p;
            return p + 1;
        }
    }
    return p;
}

struct arguments { /* a va_list that can be handed on by pointer everywhere */
    va_list list;
};

static void write_string(struct json_writer *w, const struct conversion *v, struct arguments *a)
{
    size_t max = SIZE_MAX;
    if (v->star) {
        int n = va_arg(a->list, int);
        max = n < 0 ? 0 : (size_t)n;
    }
    const char *s = va_arg(a->list, const char *);
    /* Without a NUL, a slice's bytes end at its precision. */
    str text = !s ? STR_NONE : str_of(s, max == SIZE_MAX ? strlen(s) : max);
    json_string(w, text);
    w->has_item = 0; /* commas are the format's */
    w->after_key = false;
}

static void write_integer(struct buf *out, const struct conversion *v, struct arguments *a)
{
    bool is_signed = v->letter != 'u';
    if (v->size)
        buf_printf(out, "%zu", va_arg(a->list, size_t));
    else if (v->longs >= 2 && is_signed)
        buf_printf(out, "%lld", va_arg(a->list, long long));
    else if (v->longs >= 2)
        buf_printf(out, "%llu", va_arg(a->list, unsigned long long));
    else if (v->longs == 1 && is_signed)
        buf_printf(out, "%ld", va_arg(a->list, long));
    else if (v->longs == 1)
        buf_printf(out, "%lu", va_arg(a->list, unsigned long));
    else if (is_signed)
        buf_printf(out, "%d", va_arg(a->list, int));
    else
        buf_printf(out, "%u", va_arg(a->list, unsigned));
}

static void write_json(struct buf *out, const char *fmt, struct arguments *a)
{
    struct json_writer w;
    json_writer_init(&w, out);
    while (*fmt) {
        struct conversion v;
        if (*fmt != '%') {
            buf_char(out, *fmt++);
            continue;
        }
        fmt = read_conversion(fmt, &v);
        if (v.letter == 's')
            write_string(&w, &v, a);
        else if (v.letter == '%')
            buf_char(out, '%');
        else if (v.letter == 'f' || v.letter == 'g' || v.letter == 'G' || v.letter == 'e' ||
                 v.letter == 'E')
            json_number(&w, va_arg(a->list, double)), w.has_item = 0;
        else if (v.letter == 'd' || v.letter == 'i' || v.letter == 'u')
            write_integer(out, &v, a);
        else
            out->failed = true; /* a conversion JSON has no use for: the reply becomes 500 */
    }
}

int gaff_json(gaff_req *req, int status, const char *fmt, ...)
{
    struct arguments a;
    buf_clear(&req->body);
    va_start(a.list, fmt);
    write_json(&req->body, fmt, &a);
    va_end(a.list);
    req->content_type = STR("application/json");
    return status;
}

int gaff_ok(gaff_req *req)
{
    return gaff_json(req, 200, "{\"ok\":true}");
}

static void write_error(gaff_req *req, const char *code, const char *fmt, va_list args)
{
    struct buf message;
    struct json_writer w;
    buf_init(&message, 65536);
    buf_vprintf(&message, fmt, args);
    buf_clear(&req->body);
    json_writer_init(&w, &req->body);
    json_open(&w, '{');
    json_key(&w, "error");
    json_open(&w, '{');
    json_pair(&w, "code", str_from_cstr(code));
    json_pair(&w, "message", buf_str(&message));
    json_close(&w, '}');
    json_close(&w, '}');
    buf_release(&message);
    req->content_type = STR("application/json");
}

int gaff_fail(gaff_req *req, int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    write_error(req, "failed", fmt, args);
    va_end(args);
    return status;
}

int gaff_retry(gaff_req *req, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    write_error(req, "retry", fmt, args);
    va_end(args);
    return 503;
}
