/* worker_test.c -- the worker action against real processes, most of them shell scripts. */
#include "action_rig.h"

#include "base/json.h"
#include "action/kinds.h"

#include <fcntl.h>
#include <unistd.h>

/* Answers each line with ok, keeps what it got in `got`, counts its starts in `starts`. */
static const char good[] = "#!/bin/sh\n"
                           "echo start >> starts\n"
                           "while read -r line; do\n"
                           "  printf '%s\\n' \"$line\" >> got\n"
                           "  id=${line#*:}; id=${id%%,*}\n"
                           "  echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"\n"
                           "done\n";

/* The first part of a shell loop that has the line and its id. */
#define LOOP "#!/bin/sh\nwhile read -r line; do id=${line#*:}; id=${id%%,*}\n"

static str slurp(struct arena *a, const char *name)
{
    char *text = arena_alloc(a, 1u << 20);
    int fd = open(unit_path(name), O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, (1u << 20) - 1);
    if (fd >= 0)
        (void)close(fd);
    return n < 0 ? STR_NONE : str_of(text, (size_t)n);
}

static size_t count_lines(const char *name)
{
    struct arena a;
    arena_init(&a, 2u << 20);
    str text = slurp(&a, name);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    arena_release(&a);
    return n;
}

static struct action *worker(struct rig *r, const char *script, const char *yaml)
{
    (void)rig_script("worker", script);
    return rig_action(r, &action_worker, yaml);
}

static void wait_all(struct rig *r, struct rig_task *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rig_wait(r, &t[i].done, 20);
}

void test_worker_round_trip(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = worker(&r, good, "command: [./worker]");
    EXPECT_NONE(slurp(&t.arena, "starts")); /* not before the first event */
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_SUCCESS);
    EXPECT(str_starts(t.outcome.summary, STR("ok after ")));
    struct json_doc *doc = json_parse(slurp(&t.arena, "got"), NULL);
    const struct json *root = json_root(doc);
    EXPECT(root != NULL);
    int64_t n = 0;
    EXPECT(json_i64(json_get(root, STR("id")), &n) && n == 1);
    EXPECT(json_i64(json_get(root, STR("attempt")), &n) && n == 3);
    EXPECT(str_starts(json_str(json_get(root, STR("event_id"))), STR("evt_")));
    EXPECT(str_starts(json_str(json_get(root, STR("delivery_id"))), STR("dlv_")));
    EXPECT_STR(json_str(json_get(root, STR("source"))), "github");
    EXPECT_STR(json_str(json_get(root, STR("type"))), "push");
    EXPECT_STR(json_str(json_get(root, STR("received"))), "2025-11-23T20:24:11.042Z");
    EXPECT_STR(json_str(json_path(root, STR("headers.content-type"))), "application/json");
    EXPECT_EQ_STR(json_str(json_get(root, STR("body"))), t.event.body);
    json_doc_free(doc);
    action_free(a);
    rig_task_release(&t);
    rig_release(&r);
}

void test_worker_sends_parsed_json_and_base64(void)
{
    struct rig r;
    struct rig_task t[3];
    rig_init(&r);
    struct action *a = worker(&r, good, "{command: [./worker], json: true}");
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        rig_task_init(&t[i]);
    t[0].event.body = STR("{\n \"big\": 12345678901234567890123, \"a\":\n[1.0]\n}");
    t[1].event.body = STR("no JSON");
    t[2].event.body = STR("\xff\x00z");
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        rig_attempt(&r, a, &t[i]);
    str got = slurp(&t[0].arena, "got");
    str first = str_cut(&got, '\n'), second = str_cut(&got, '\n'), third = str_cut(&got, '\n');
    EXPECT(str_ends(first, STR("\"data\":{  \"big\": 12345678901234567890123, \"a\": [1.0] }}")));
    EXPECT(str_ends(second, STR("\"body\":\"no JSON\"}")));
    EXPECT(str_ends(third, STR("\"body_base64\":\"/wB6\"}")));
    action_free(a);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        rig_task_release(&t[i]);
    rig_release(&r);
}

void test_worker_answers_decide(void)
{
    static const struct {
        const char *answer;
        enum attempt_result result;
        const char *says;
    } cases[] = {
        {"\\\"ok\\\":true,\\\"output\\\":\\\"made it\\\"", ATTEMPT_SUCCESS, "ok after"},
        {"\\\"ok\\\":false", ATTEMPT_RETRY, "no reason given"},
        {"\\\"ok\\\":false,\\\"retry\\\":true,\\\"error\\\":\\\"busy\\\"", ATTEMPT_RETRY, "busy"},
        {"\\\"ok\\\":false,\\\"retry\\\":false,\\\"error\\\":\\\"never\\\"", ATTEMPT_PERMANENT,
         "never"},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig_task t;
        char script[512];
        (void)snprintf(script, sizeof(script), "%s echo \"{\\\"id\\\":\\\"$id\\\",%s}\"\ndone\n",
                       LOOP, cases[i].answer);
        rig_task_init(&t);
        struct action *a = worker(&r, script, "command: [./worker]");
        rig_attempt(&r, a, &t);
        EXPECT_EQ_INT(t.outcome.result, cases[i].result);
        EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), cases[i].says);
        if (i == 0)
            EXPECT_STR(t.outcome.response, "made it");
        action_free(a);
        rig_task_release(&t);
    }
    rig_release(&r);
}

void test_worker_takes_answers_in_any_order(void)
{
    struct rig r;
    struct rig_task t[4];
    rig_init(&r);
    /* Answers two by two, the second first; the first of each pair is refused. */
    struct action *a =
        worker(&r,
               LOOP "read -r other; oid=${other#*:}; oid=${oid%%,*}\n"
                    "echo \"{\\\"id\\\":$oid,\\\"ok\\\":true}\"\n"
                    "echo \"{\\\"ok\\\":false,\\\"retry\\\":false,\\\"id\\\":$id}\"\ndone\n",
               "command: [./worker]");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        EXPECT_EQ_INT(t[i].outcome.result, i % 2 ? ATTEMPT_SUCCESS : ATTEMPT_PERMANENT);
        rig_task_release(&t[i]);
    }
    action_free(a);
    rig_release(&r);
}

void test_worker_that_dies_gives_its_events_back_and_is_started_again(void)
{
    struct rig r;
    struct rig_task t[3];
    rig_init(&r);
    struct action *a = worker(&r,
                              "#!/bin/sh\necho start >> starts\n"
                              "[ -e died ] && exec ./good\n"
                              "read -r line; touch died; echo dying >&2; exit 3\n",
                              "{command: [./worker], restart: 50ms}");
    (void)rig_script("good", good);
    for (size_t i = 0; i < 2; i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, 2);
    for (size_t i = 0; i < 2; i++) {
        EXPECT_EQ_INT(t[i].outcome.result, ATTEMPT_RETRY);
        EXPECT_CSTR(t[i].class, "worker");
        EXPECT_HAS(arena_cstr(&t[i].arena, t[i].outcome.summary), "exit code 3");
        rig_task_release(&t[i]);
    }
    rig_task_init(&t[2]);
    rig_attempt(&r, a, &t[2]); /* waits for the pause to be over */
    EXPECT_EQ_INT(t[2].outcome.result, ATTEMPT_SUCCESS);
    EXPECT_EQ_UINT(count_lines("starts"), 3); /* the script, then itself and `good` */
    rig_task_release(&t[2]);
    action_free(a);
    rig_release(&r);
}

void test_worker_answers_given_before_it_died_count(void)
{
    struct rig r;
    struct rig_task t[2];
    rig_init(&r);
    struct action *a =
        worker(&r, LOOP "echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"; read -r line; exit 1\ndone\n",
               "command: [./worker]");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    EXPECT_EQ_INT(t[0].outcome.result, ATTEMPT_SUCCESS);
    EXPECT_EQ_INT(t[1].outcome.result, ATTEMPT_RETRY);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        rig_task_release(&t[i]);
    action_free(a);
    rig_release(&r);
}

void test_worker_garbage_lines_are_passed_over(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = worker(&r,
                              LOOP "echo garbage; echo; echo '{\"id\":99,\"ok\":true}'; "
                                   "echo '{\"ok\":true}'; echo '[1]'; echo \"{\\\"id\\\":$id}\"; "
                                   "printf '\\000\\n'; echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"; "
                                   "echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"\ndone\n",
                              "command: [./worker]");
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_SUCCESS);
    rig_turn(&r, 50);
    rig_task_release(&t);
    rig_task_init(&t);
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_SUCCESS);
    rig_task_release(&t);
    action_free(a);
    rig_release(&r);
}

void test_worker_endless_line_ends_it(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = worker(&r, "#!/bin/sh\nread -r line; head -c 3000000 /dev/zero; sleep 30\n",
                              "{command: [./worker], kill_after: 200ms}");
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "the worker ended");
    rig_task_release(&t);
    action_free(a);
    rig_release(&r);
}

void test_worker_that_hangs_times_out_and_is_restarted(void)
{
    struct rig r;
    struct rig_task t[3];
    rig_init(&r);
    struct action *a =
        worker(&r,
               "#!/bin/sh\n[ -e hung ] && exec ./good\n"
               "read -r line; touch hung; trap '' TERM; while :; do sleep 0.05; done\n",
               "{command: [./worker], timeout: 400ms, kill_after: 100ms, "
               "restart: 10ms}");
    (void)rig_script("good", good);
    rig_task_init(&t[0]);
    rig_attempt(&r, a, &t[0]);
    EXPECT_EQ_INT(t[0].outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t[0].class, "timeout");
    rig_turn(&r, 600);
    rig_task_init(&t[1]);
    rig_attempt(&r, a, &t[1]);
    EXPECT_EQ_INT(t[1].outcome.result, ATTEMPT_SUCCESS);
    for (size_t i = 0; i < 2; i++)
        rig_task_release(&t[i]);
    action_free(a);
    rig_release(&r);
}

void test_worker_late_answer_is_nobodys(void)
{
    struct rig r;
    struct rig_task t[2];
    rig_init(&r);
    /* The first event is slow, the second quick: the process is not stuck. */
    struct action *a = worker(&r,
                              LOOP "if [ -z \"$first\" ]; then first=$id; else "
                                   "echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"; sleep 0.6; "
                                   "echo \"{\\\"id\\\":$first,\\\"ok\\\":true}\"; fi\ndone\n",
                              "{command: [./worker], timeout: 300ms}");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    EXPECT_EQ_INT(t[0].outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t[0].class, "timeout");
    EXPECT_EQ_INT(t[1].outcome.result, ATTEMPT_SUCCESS);
    rig_turn(&r, 700);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        rig_task_release(&t[i]);
    action_free(a);
    rig_release(&r);
}

void test_worker_window_bounds_what_a_process_holds(void)
{
    struct rig r;
    struct rig_task t[4];
    rig_init(&r);
    struct action *a =
        worker(&r,
               "#!/bin/sh\nread -r a; read -r b; touch two; read -r c && touch three; "
               "sleep 30\n",
               "{command: [./worker], window: 2, timeout: 600ms, kill_after: 50ms}");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    EXPECT(access(unit_path("two"), F_OK) == 0);
    EXPECT(access(unit_path("three"), F_OK) < 0);
    EXPECT_HAS(arena_cstr(&t[3].arena, t[3].outcome.summary), "no worker was free");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        EXPECT_EQ_INT(t[i].outcome.result, ATTEMPT_RETRY);
        rig_task_release(&t[i]);
    }
    action_free(a);
    rig_release(&r);
}

void test_worker_uses_all_its_processes(void)
{
    struct rig r;
    static struct rig_task t[30];
    rig_init(&r);
    struct action *a = worker(&r, good, "{command: [./worker], processes: 3, window: 4}");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        EXPECT_EQ_INT(t[i].outcome.result, ATTEMPT_SUCCESS);
        rig_task_release(&t[i]);
    }
    EXPECT_EQ_UINT(count_lines("starts"), 3);
    action_free(a);
    rig_release(&r);
}

void test_worker_takes_large_events(void)
{
    struct rig r;
    struct rig_task t[4];
    rig_init(&r);
    size_t n = 5u << 20;
    char *body = malloc(n);
    EXPECT(body != NULL);
    memset(body, '"', n); /* doubles when escaped */
    struct action *a = worker(&r,
                              "#!/bin/sh\ngrep -o --line-buffered '^{\"id\":[0-9]*,' | "
                              "while read -r x; do echo \"$x\\\"ok\\\":true}\"; done\n",
                              "command: [./worker]");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        t[i].event.body = str_of(body, n);
        action_start(a, &t[i].task);
    }
    wait_all(&r, t, ARRAY_LEN(t));
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        EXPECT_EQ_INT(t[i].outcome.result, ATTEMPT_SUCCESS);
        rig_task_release(&t[i]);
    }
    action_free(a);
    free(body);
    rig_release(&r);
}

void test_worker_cancel(void)
{
    struct rig r;
    struct rig_task t[2];
    rig_init(&r);
    struct action *a =
        worker(&r, "#!/bin/sh\nsleep 30\n", "{command: [./worker], window: 1, kill_after: 50ms}");
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_task_init(&t[i]);
        action_start(a, &t[i].task);
    }
    rig_turn(&r, 50);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        action_cancel(a, &t[i].task); /* one in hand, one waiting */
        EXPECT(t[i].done);
        EXPECT_EQ_INT(t[i].outcome.result, ATTEMPT_CANCELLED);
        rig_task_release(&t[i]);
    }
    action_free(a);
    rig_release(&r);
}

void test_worker_that_can_not_be_started_gives_events_back(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = worker(&r, "#!/nowhere/sh\n", "command: [./worker]");
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t.class, "spawn");
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "interpreter");
    action_free(a);
    rig_task_release(&t);
    rig_release(&r);
}

struct freeing {
    struct task task;
    struct action *action;
    bool done;
};

static void free_inside(struct task *t, const struct outcome *o)
{
    struct freeing *f = CONTAINER_OF(t, struct freeing, task);
    EXPECT_EQ_INT(o->result, ATTEMPT_SUCCESS);
    action_free(f->action);
    f->done = true;
}

void test_worker_may_be_freed_from_inside_done(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct freeing f = {.task = t.task, .action = worker(&r, good, "command: [./worker]")};
    f.task.done = free_inside;
    action_start(f.action, &f.task);
    rig_wait(&r, &f.done, 10);
    rig_turn(&r, 100);
    rig_task_release(&t);
    rig_release(&r);
}

void test_worker_errors_of_the_process_reach_the_log(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = worker(&r,
                              LOOP "echo \"looking at $id\" >&2; i=0; "
                                   "while [ $i -lt 500 ]; do echo spam >&2; i=$((i+1)); done; "
                                   "echo \"{\\\"id\\\":$id,\\\"ok\\\":true}\"\ndone\n",
                              "command: [./worker]");
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_SUCCESS);
    action_free(a);
    rig_task_release(&t);
    rig_release(&r);
}

void test_worker_configuration_problems(void)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"command: ./worker", "must be a list"},    {"{command: [cat], processes: 65}", "64"},
        {"{command: [cat], window: 0}", "1"},       {"{command: [cat], json: yes}", "true"},
        {"{command: [cat], stdin: body}", "stdin"},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = rig_problems(&r, &action_worker, cases[i].yaml);
        if (!strstr(text, "gaff.yaml:1:") || !strstr(text, cases[i].says))
            FAIL("%s: \"%s\" is not in \"%s\"", cases[i].yaml, cases[i].says, text);
    }
    struct action *a = rig_action(&r, &action_worker, "command: [echo, '{{ literal }}']");
    action_free(a);
    rig_release(&r);
}
