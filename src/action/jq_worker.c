/* jq_worker.c -- the queue before the process: runs go out one at a time, so that the one that
 * takes too long is known. What the process never answered because it ended is sent again, but for
 * that one. */
#include "action/jq_worker.h"

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "action/jq_process.h"
#include "action/worker_child.h"

struct jq_worker {
    struct child child;
    struct list waiting; /* of struct jq_run; the first may be in the process */
    struct loop_timer timer;
    struct map programs; /* text -> number + 1, as the process at hand knows them */
    uint64_t next_id;
    bool is_late; /* it was ended for that */
    bool closing;
};

static struct jq_run *first(struct jq_worker *w)
{
    return list_is_empty(&w->waiting) ? NULL : CONTAINER_OF(w->waiting.next, struct jq_run, link);
}

static void finish(struct jq_run *run, enum jq_answer answer, str result)
{
    list_remove(&run->link);
    run->done(run, answer, result);
}

static void pump(struct jq_worker *w);

static void on_timer(struct loop_timer *t)
{
    struct jq_worker *w = CONTAINER_OF(t, struct jq_worker, timer);
    struct jq_run *run = first(w);
    if (run && run->is_sent) {
        w->is_late = true;
        child_stop(&w->child); /* on_ended answers it */
    } else {
        pump(w);
    }
}

static void on_line(struct child *c, str line)
{
    struct jq_worker *w = CONTAINER_OF(c, struct jq_worker, child);
    static const char *const words[] = {"value", "text", "false", "nothing", "error"};
    struct jq_run *run = first(w);
    uint64_t id;
    str number = str_cut(&line, ' '), word = str_cut(&line, ' ');
    if (!run || !run->is_sent || !str_to_u64(number, &id) || id != run->id || w->is_late)
        return; /* of one that was forgotten */
    loop_timer_stop(&w->timer);
    enum jq_answer answer = JQ_ANSWER_ERROR;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(word, str_from_cstr(words[i])))
            answer = (enum jq_answer)i;
    struct json_doc *doc = NULL;
    str result = line.p ? line : STR("");
    if (answer != JQ_ANSWER_VALUE && (doc = json_parse(result, NULL)) != NULL)
        result = json_str(json_root(doc));
    finish(run, answer, result.p ? result : STR(""));
    json_doc_free(doc);
    pump(w);
}

static void on_ended(struct child *c, bool started, str why)
{
    struct jq_worker *w = CONTAINER_OF(c, struct jq_worker, child);
    struct jq_run *run = first(w);
    char text[400];
    bool late = w->is_late;
    w->is_late = false;
    map_release(&w->programs);
    w->programs = (struct map){0};
    if (w->closing)
        return;
    if (late)
        (void)snprintf(text, sizeof(text), "the program took more than %d ms", JQ_TIME_MS);
    else
        (void)snprintf(text, sizeof(text),
                       started ? "the jq process ended (" STR_FMT
                                 "); perhaps the program took more than 512 MiB"
                               : "the jq process could not be started: " STR_FMT,
                       STR_ARG(str_slice(why, 0, 250)));
    if (run && (run->is_sent || !started))
        finish(run, JQ_ANSWER_ERROR, str_from_cstr(text));
    pump(w);
}

static void on_drained(struct child *c)
{
    UNUSED(c);
}

static bool start_process(struct jq_worker *w)
{
    static const char *const argv[] = {"gaff-jq", NULL}, *const env[] = {NULL},
                             *const none[] = {NULL};
    static const struct sandbox_rules walls = {.read = none, .write = none, .network = false};
    const struct run_spec spec = {.argv = argv,
                                  .env = env,
                                  .limits = {.memory_bytes = JQ_MEMORY_BYTES, .open_files = 16},
                                  .sandbox = sandbox_missing() ? NULL : &walls,
                                  .is_jq = true};
    struct reason why = {.text = ""};
    return child_start(&w->child, &spec, &why);
}

/* The program's number in the process, told to it at its first use. */
static size_t number_of(struct jq_worker *w, str program)
{
    size_t known = (size_t)(uintptr_t)map_get(&w->programs, program);
    if (known)
        return known - 1;
    size_t number = w->programs.count % JQ_PROGRAMS_MAX;
    struct json_writer writer;
    buf_printf(&w->child.out, "P %zu ", number);
    json_writer_init(&writer, &w->child.out);
    json_string(&writer, program);
    buf_char(&w->child.out, '\n');
    map_put(&w->programs, program, (void *)(uintptr_t)(number + 1));
    return number;
}

static void write_run(struct jq_worker *w, const struct jq_run *run)
{
    size_t number = number_of(w, run->program);
    buf_printf(&w->child.out, "R %llu %zu ", (unsigned long long)run->id, number);
    buf_str_append(&w->child.out, run->event);
    buf_char(&w->child.out, '\n');
}

static void write_check(struct jq_worker *w, const struct jq_run *run)
{
    struct json_writer writer;
    buf_printf(&w->child.out, "C %llu ", (unsigned long long)run->id);
    json_writer_init(&writer, &w->child.out);
    json_string(&writer, run->program);
    buf_char(&w->child.out, '\n');
}

static void pump(struct jq_worker *w)
{
    struct jq_run *run = first(w);
    if (!run || run->is_sent || w->child.state == CHILD_STOPPING || w->closing)
        return;
    if (w->programs.count >= JQ_PROGRAMS_MAX) { /* of many configurations: begin again */
        child_stop(&w->child);
        return;
    }
    if (w->child.state == CHILD_IDLE && !start_process(w)) {
        loop_timer_start(w->child.loop, &w->timer, JQ_TIME_MS, on_timer); /* then once more */
        return;
    }
    if (run->only_compiles)
        write_check(w, run);
    else
        write_run(w, run);
    run->is_sent = true;
    loop_timer_start(w->child.loop, &w->timer, JQ_TIME_MS, on_timer);
    child_flush(&w->child);
}

static void pump_soon(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct jq_worker, timer));
}

void jq_worker_start(struct jq_worker *w, struct jq_run *run)
{
    run->id = ++w->next_id;
    run->is_sent = false;
    bool alone = list_is_empty(&w->waiting);
    list_init(&run->link);
    list_push(&w->waiting, &run->link);
    if (alone) /* not from inside: what can't be started is answered from here */
        loop_timer_start(w->child.loop, &w->timer, 0, pump_soon);
}

void jq_worker_forget(struct jq_worker *w, struct jq_run *run)
{
    bool was_first = first(w) == run;
    list_remove(&run->link);
    if (was_first && run->is_sent)
        child_stop(&w->child); /* it may run for long yet */
    else if (was_first)
        pump(w);
}

struct jq_worker *jq_worker_new(struct loop *l, struct runner *r)
{
    struct jq_worker *w = xcalloc(1, sizeof(*w));
    child_init(&w->child, l, r, "jq");
    w->child.on_line = on_line;
    w->child.on_ended = on_ended;
    w->child.on_drained = on_drained;
    list_init(&w->waiting);
    return w;
}

void jq_worker_close(struct jq_worker *w)
{
    if (!w)
        return;
    w->closing = true;
    loop_timer_stop(&w->timer);
    while (first(w))
        finish(first(w), JQ_ANSWER_ERROR, STR("gaff is stopping"));
}

void jq_worker_free(struct jq_worker *w)
{
    if (!w)
        return;
    jq_worker_close(w);
    map_release(&w->programs);
    child_release(&w->child);
    free(w);
}
