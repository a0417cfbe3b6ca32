/* send_program.c -- the jq programs of an endpoint (programs.h). */
#include "api/programs.h"
#include "api/send.h"
#include "api/send_schema.h"

struct checking { /* a request that waits */
    struct programs programs;
    struct api_call frame;
    struct send_call call;
    send_handler *go_on;
};

static void on_checked(struct programs *p, const char *wrong, str why)
{
    struct checking *k = CONTAINER_OF(p, struct checking, programs);
    struct send_call *s = &k->call;
    char text[REASON_TEXT_MAX], place[64];
    if (!wrong) {
        k->go_on(s);
    } else if (send_api(s)->is_closing) {
        http_reply_retry(s->c->x, 503, "closing", STR("Gaff is stopping; send it again."), 1);
    } else {
        struct buf loc = buf_over(place, sizeof(place));
        buf_append(&loc, "body", sizeof("body"));
        buf_append(&loc, wrong, strlen(wrong) + 1);
        (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(why));
        send_fault(s, buf_str(&loc), "value_error", text);
    }
    json_doc_free(k->frame.doc);
    buf_release(&k->frame.body);
    free(k);
}

static bool is_endpoint(const struct wire_schema *in)
{
    return in == &schema_endpoint_in || in == &schema_endpoint_put || in == &schema_endpoint_patch;
}

bool send_programs_check(struct send_call *s, send_handler *go_on)
{
    if (!send_api(s)->jq || !is_endpoint(s->op->in) || !programs_are_in(s->body))
        return false;
    struct checking *k = xcalloc(1, sizeof(*k));
    k->frame = *s->c;
    k->call = *s;
    k->call.c = &k->frame;
    k->go_on = go_on;
    k->programs.worker = send_api(s)->jq;
    k->programs.doc = s->body;
    k->programs.done = on_checked;
    json_writer_init(&k->frame.json, &k->frame.body);
    s->c->doc = NULL; /* it is the waiting one's */
    programs_check(&k->programs);
    return true;
}
