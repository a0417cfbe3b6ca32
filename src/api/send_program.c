/* send_program.c -- the jq programs of an endpoint are compiled before they are kept. That happens
 * in a process of its own (action/jq_worker.h), for compiling can take all time and memory too; the
 * request waits for it, and no other does. */
#include "api/send.h"
#include "api/send_schema.h"

static const struct {
    str name, loc;
} programs[] = {{{"where", 5}, {"body\0where\0", 11}},
                {{"transform", 9}, {"body\0transform\0", 15}}};

struct checking { /* a request that waits */
    struct jq_run run;
    struct api_call frame;
    struct send_call call;
    send_handler *go_on;
    size_t at; /* of programs */
};

static void on_checked(struct jq_run *run, enum jq_answer answer, str result);

static void end(struct checking *k)
{
    json_doc_free(k->frame.doc);
    buf_release(&k->frame.body);
    free(k);
}

/* The next program of the body, from `at` on; false when there is none. */
static bool find_program(struct send_call *s, size_t *at, str *program)
{
    for (; *at < ARRAY_LEN(programs); ++*at) {
        *program = json_str(json_get(s->body, programs[*at].name));
        if (program->n)
            return true;
    }
    return false;
}

static void check_next(struct checking *k)
{
    if (!find_program(&k->call, &k->at, &k->run.program)) {
        k->go_on(&k->call);
        end(k);
        return;
    }
    k->run.only_compiles = true;
    k->run.done = on_checked;
    jq_worker_start(send_api(&k->call)->jq, &k->run);
}

static void on_checked(struct jq_run *run, enum jq_answer answer, str result)
{
    struct checking *k = CONTAINER_OF(run, struct checking, run);
    struct send_call *s = &k->call;
    if (answer != JQ_ANSWER_ERROR) {
        k->at++;
        check_next(k);
        return;
    }
    if (send_api(s)->is_closing) {
        http_reply_retry(s->c->x, 503, "closing", STR("Gaff is stopping; send it again."), 1);
    } else {
        char text[REASON_TEXT_MAX];
        (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(result));
        send_fault(s, programs[k->at].loc, "value_error", text);
    }
    end(k);
}

static bool is_endpoint(const struct wire_schema *in)
{
    return in == &schema_endpoint_in || in == &schema_endpoint_put || in == &schema_endpoint_patch;
}

bool send_programs_check(struct send_call *s, send_handler *go_on)
{
    size_t at = 0;
    str program;
    if (!send_api(s)->jq || !is_endpoint(s->op->in) || !find_program(s, &at, &program))
        return false;
    struct checking *k = xcalloc(1, sizeof(*k));
    k->frame = *s->c;
    k->call = *s;
    k->call.c = &k->frame;
    k->go_on = go_on;
    json_writer_init(&k->frame.json, &k->frame.body);
    s->c->doc = NULL; /* it is the waiting one's */
    check_next(k);
    return true;
}
