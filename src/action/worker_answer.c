/* worker_answer.c -- a line that a worker wrote, as the outcome of an attempt. Called by
 * action_worker.c; anybody may have written the line. */
#include "action/worker_answer.h"

#include "action/runner.h"

#define ERROR_TEXT_MAX 1000

static bool read_id(const struct json *v, uint64_t *id)
{
    int64_t n = 0;
    if (json_i64(v, &n)) {
        *id = n > 0 ? (uint64_t)n : 0;
        return n > 0;
    }
    return json_kind_of(v) == JSON_STRING && str_to_u64(json_str(v), id) && *id > 0;
}

bool worker_answer_read(const struct json *line, struct worker_answer *out)
{
    const struct json *ok = json_get(line, STR("ok")), *retry = json_get(line, STR("retry"));
    *out = (struct worker_answer){.ok = json_bool(ok),
                                  .error = json_get(line, STR("error")),
                                  .output = json_get(line, STR("output"))};
    out->is_final = !out->ok && retry && !json_bool(retry);
    return ok && json_kind_of(ok) == JSON_BOOL && read_id(json_get(line, STR("id")), &out->id);
}

void worker_answer_outcome(const struct worker_answer *w, str after, struct arena *a,
                           struct outcome *out)
{
    *out = (struct outcome){.result = ATTEMPT_SUCCESS, .error_class = ""};
    if (w->ok) {
        out->summary = arena_printf(a, "ok after " STR_FMT, STR_ARG(after));
    } else {
        str text = w->error ? json_text(a, w->error) : STR("no reason given");
        text = str_slice(text, 0, ERROR_TEXT_MAX);
        out->result = w->is_final ? ATTEMPT_PERMANENT : ATTEMPT_RETRY;
        out->error_class = "worker";
        out->summary = arena_printf(a, "the worker refused the event after " STR_FMT ": " STR_FMT,
                                    STR_ARG(after), STR_ARG(text));
    }
    if (w->output)
        out->response = str_slice(json_text(a, w->output), 0, RUNNER_OUTPUT_MAX);
}
