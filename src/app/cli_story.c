/* cli_story.c -- one event told as text: verdict, deliveries and their attempts, what each route
 * said, the request. */
#include "app/cli_story.h"

struct story {
    struct buf *out;
    struct arena *arena;
};

static str text_of(struct story *s, const struct json *x, const char *path)
{
    str text = json_text(s->arena, json_path(x, str_from_cstr(path)));
    return text.p ? text : STR("");
}

static void tell_deliveries(struct story *s, const struct json *e)
{
    struct json_iter it = {0};
    buf_str_append(s->out, STR("\n# Deliveries\n"));
    if (json_len(json_get(e, STR("deliveries"))) == 0)
        buf_str_append(s->out, STR("none was planned\n"));
    while (json_next(json_get(e, STR("deliveries")), &it)) {
        struct json_iter log = {0};
        buf_printf(s->out, STR_FMT "  " STR_FMT "  " STR_FMT "\n",
                   STR_ARG(text_of(s, it.value, "destination")),
                   STR_ARG(text_of(s, it.value, "state")), STR_ARG(text_of(s, it.value, "reason")));
        while (json_next(json_get(it.value, STR("log")), &log)) {
            int64_t us = 0;
            json_i64(json_get(log.value, STR("duration_us")), &us);
            buf_printf(s->out, "  #" STR_FMT "  " STR_FMT "  %.1f ms  " STR_FMT "\n",
                       STR_ARG(text_of(s, log.value, "number")),
                       STR_ARG(text_of(s, log.value, "result")), (double)us / 1000.0,
                       STR_ARG(text_of(s, log.value, "summary")));
        }
    }
    it = (struct json_iter){0};
    while (json_next(json_get(e, STR("trace")), &it))
        buf_printf(s->out, STR_FMT "\n", STR_ARG(json_str(it.value)));
}

static void tell_request(struct story *s, const struct json *e)
{
    struct json_iter it = {0};
    str body = json_str(json_get(e, STR("body")));
    buf_printf(s->out, "\n# " STR_FMT " " STR_FMT "\n", STR_ARG(text_of(s, e, "method")),
               STR_ARG(text_of(s, e, "target")));
    while (json_next(json_get(e, STR("headers")), &it))
        buf_printf(s->out, STR_FMT ": " STR_FMT "\n", STR_ARG(text_of(s, it.value, "name")),
                   STR_ARG(text_of(s, it.value, "value")));
    buf_char(s->out, '\n');
    if (body.p)
        buf_str_append(s->out, body);
    else
        buf_printf(s->out, "(" STR_FMT " bytes that are no text)",
                   STR_ARG(text_of(s, e, "body_bytes")));
    buf_char(s->out, '\n');
}

void story_write(struct buf *out, struct arena *a, const struct json *e)
{
    struct story s = {out, a};
    buf_printf(out, "# " STR_FMT "  " STR_FMT "  " STR_FMT "\n", STR_ARG(text_of(&s, e, "id")),
               STR_ARG(text_of(&s, e, "source")), STR_ARG(text_of(&s, e, "type")));
    buf_printf(out, STR_FMT " from " STR_FMT "\n" STR_FMT ": " STR_FMT "\n",
               STR_ARG(text_of(&s, e, "received")), STR_ARG(text_of(&s, e, "peer")),
               STR_ARG(text_of(&s, e, "verdict")), STR_ARG(text_of(&s, e, "verdict_text")));
    tell_deliveries(&s, e);
    tell_request(&s, e);
}
