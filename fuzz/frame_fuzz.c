/* frame_fuzz.c -- any bytes on the socket between daemon and runner, and any line of a worker: what
 * a frame says is read within it, and says the same when it is written and read again; an answer
 * has an id and an outcome that fits it. Input: frames, or a line that begins with a brace. */
#include "action/runner_frame.h"
#include "action/worker_answer.h"

/* Writes what was read, and reads that: the payload of the new frame. */
static str written(const struct buf *b, enum frame_kind as)
{
    str bytes = buf_str(b), payload = STR("");
    enum frame_kind kind = as;
    bool broken = false;
    assert(frame_take(&bytes, &kind, &payload, &broken));
    assert(kind == as && !broken && bytes.n == 0);
    return payload;
}

static void check_job(str payload, struct arena *a, struct buf *b)
{
    struct frame_job job = {0}, again = {0};
    if (!frame_get_job(payload, a, &job))
        return;
    struct run_spec spec = {.program = job.program,
                            .argv = job.argv,
                            .env = job.env,
                            .cwd = job.cwd,
                            .user = job.user,
                            .timeout_ms = job.timeout_ms,
                            .kill_after_ms = job.kill_after_ms,
                            .output_max = job.output_max,
                            .outlives = job.outlives,
                            .is_jq = job.is_jq,
                            .limits = job.limits,
                            .sandbox = job.is_sandboxed ? &job.sandbox : NULL};
    frame_put_job(b, &spec, job.id, job.descriptors, job.streams);
    assert(frame_get_job(written(b, FRAME_JOB), a, &again));
    assert(again.id == job.id && again.descriptors == job.descriptors);
    assert(again.outlives == job.outlives && again.is_jq == job.is_jq);
    assert(again.output_max == job.output_max && !again.program == !job.program);
    for (size_t i = 0; job.argv[i]; i++)
        assert(strcmp(job.argv[i], again.argv[i]) == 0);
    for (size_t i = 0; job.env[i]; i++)
        assert(strcmp(job.env[i], again.env[i]) == 0);
}

static void check_result(str payload, struct buf *b)
{
    struct run_result r = {0}, again = {0};
    uint64_t id = 0, same = 0;
    if (!frame_get_result(payload, &id, &r))
        return;
    frame_put_result(b, id, &r);
    assert(frame_get_result(written(b, FRAME_RESULT), &same, &again));
    assert(same == id && again.exit_code == r.exit_code && again.started == r.started);
    assert(str_eq(again.output, r.output) && str_eq(again.errors, r.errors));
    assert(strcmp(again.error, r.error) == 0);
}

static void check_output(str payload, struct buf *b)
{
    uint64_t id = 0, same = 0;
    bool errors = false, as = false;
    str bytes = STR(""), again = STR("");
    if (!frame_get_output(payload, &id, &errors, &bytes))
        return;
    frame_put_output(b, id, errors, bytes);
    assert(frame_get_output(written(b, FRAME_OUTPUT), &same, &as, &again));
    assert(same == id && as == errors && str_eq(bytes, again));
}

static void check_line(str line, struct arena *a)
{
    struct worker_answer answer;
    struct outcome o;
    struct json_doc *doc = json_parse(line, NULL);
    if (worker_answer_read(json_root(doc), &answer)) {
        worker_answer_outcome(&answer, STR("1ms"), a, &o);
        assert(answer.id > 0 && answer.ok == (o.result == ATTEMPT_SUCCESS));
        assert(!answer.is_final == (o.result != ATTEMPT_PERMANENT));
        assert(o.summary.n > 0 || !arena_ok(a));
        assert(o.response.n <= RUNNER_OUTPUT_MAX);
    }
    json_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str bytes = str_of((const char *)data, size), payload;
    struct arena a;
    struct buf b;
    enum frame_kind kind;
    bool broken;
    arena_init(&a, 4u << 20);
    buf_init(&b, 2 * FRAME_MAX);
    if (size > 0 && data[0] == '{')
        check_line(bytes, &a);
    while (frame_take(&bytes, &kind, &payload, &broken)) {
        uint64_t id;
        buf_clear(&b);
        if (kind == FRAME_JOB)
            check_job(payload, &a, &b);
        else if (kind == FRAME_RESULT)
            check_result(payload, &b);
        else if (kind == FRAME_OUTPUT)
            check_output(payload, &b);
        else
            (void)frame_get_cancel(payload, &id);
    }
    buf_release(&b);
    arena_release(&a);
    return 0;
}
