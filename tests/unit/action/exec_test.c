/* exec_test.c -- the exec action: configuration, argv and environment of an attempt, outcomes. */
#include "action_rig.h"

#include "base/json.h"
#include "action/kinds.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

static void attempt(struct rig *r, const char *yaml, struct rig_task *t)
{
    struct action *a = rig_action(r, &action_exec, yaml);
    rig_attempt(r, a, t);
    action_free(a);
}

/* One attempt with the rig's event; the caller looks at t->outcome and releases both. */
static void one(struct rig *r, const char *yaml, struct rig_task *t)
{
    rig_init(r);
    rig_task_init(t);
    attempt(r, yaml, t);
}

static void done(struct rig *r, struct rig_task *t)
{
    rig_task_release(t);
    rig_release(r);
}

void test_exec_exit_codes_decide(void)
{
    static const struct {
        const char *yaml;
        enum attempt_result result;
        int status;
    } cases[] = {
        {"command: [sh, -c, exit 0]", ATTEMPT_SUCCESS, 0},
        {"command: [sh, -c, exit 75]", ATTEMPT_RETRY, 75},
        {"command: [sh, -c, exit 78]", ATTEMPT_PERMANENT, 78},
        {"command: [sh, -c, exit 1]", ATTEMPT_RETRY, 1},
        {"{command: [sh, -c, exit 1], on_failure: dead}", ATTEMPT_PERMANENT, 1},
        {"{command: [sh, -c, exit 75], on_failure: dead}", ATTEMPT_RETRY, 75},
        {"{command: [sh, -c, exit 3], success: [0, 3]}", ATTEMPT_SUCCESS, 3},
        {"{command: [sh, -c, exit 0], success: [3]}", ATTEMPT_RETRY, 0},
        {"{command: [sh, -c, exit 9], dead: [9]}", ATTEMPT_PERMANENT, 9},
        {"{command: [sh, -c, exit 75], success: [0, 75]}", ATTEMPT_SUCCESS, 75},
        {"{command: [sh, -c, exit 78], dead: [9]}", ATTEMPT_RETRY, 78},
        {"{command: [sh, -c, exit 78], retry: [78], dead: []}", ATTEMPT_RETRY, 78},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig_task t;
        rig_task_init(&t);
        attempt(&r, cases[i].yaml, &t);
        EXPECT_EQ_INT(t.outcome.result, cases[i].result);
        EXPECT_EQ_INT(t.outcome.status, cases[i].status);
        EXPECT_CSTR(t.class, t.outcome.result == ATTEMPT_SUCCESS ? "" : "exit");
        rig_task_release(&t);
    }
    rig_release(&r);
}

void test_exec_outcome_says_what_was_run_and_what_came_of_it(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "{command: [sh, -c, 'echo out; echo err >&2; exit 2', 'two words', \"it's\"]}", &t);
    EXPECT_STR(str_slice(t.outcome.summary, 0, 18), "exit code 2 after ");
    EXPECT(str_ends(t.outcome.request,
                    STR("/sh -c 'echo out; echo err >&2; exit 2' 'two words' 'it'\\''s'")));
    EXPECT_STR(t.outcome.response, "stdout:\nout\n\nstderr:\nerr\n");
    struct json_doc *timing = json_parse(t.outcome.timing, NULL);
    int64_t us = 0;
    EXPECT(json_i64(json_get(json_root(timing), STR("run_us")), &us) && us > 0);
    json_doc_free(timing);
    done(&r, &t);
}

void test_exec_gives_the_body_on_stdin(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "command: [cat]", &t);
    EXPECT(str_starts(t.outcome.response, STR("stdout:\n{\"ref\":\"refs/heads/main\"")));
    rig_task_release(&t);
    rig_task_init(&t);
    attempt(&r, "{command: [cat], stdin: none}", &t);
    EXPECT_STR(t.outcome.response, "");
    done(&r, &t);
}

void test_exec_gives_the_whole_event_on_stdin(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "{command: [cat], stdin: event}", &t);
    struct json_doc *doc =
        json_parse(str_slice(t.outcome.response, strlen("stdout:\n"), t.outcome.response.n), NULL);
    const struct json *root = json_root(doc);
    EXPECT(root != NULL);
    EXPECT_STR(json_str(json_get(root, STR("source"))), "github");
    EXPECT_STR(json_str(json_get(root, STR("type"))), "push");
    EXPECT(str_starts(json_str(json_get(root, STR("event_id"))), STR("evt_")));
    EXPECT(str_starts(json_str(json_get(root, STR("delivery_id"))), STR("dlv_")));
    EXPECT_STR(json_str(json_get(root, STR("received"))), "2025-11-23T20:24:11.042Z");
    EXPECT_EQ_STR(json_str(json_get(root, STR("body"))), t.event.body);
    const struct json *headers = json_get(root, STR("headers"));
    EXPECT_STR(json_str(json_get(headers, STR("content-type"))), "application/json");
    EXPECT_STR(json_str(json_get(headers, STR("accept"))), "a, b");
    EXPECT_EQ_UINT(json_len(headers), 5);
    int64_t attempt_number = 0;
    EXPECT(json_i64(json_get(root, STR("attempt")), &attempt_number));
    EXPECT_EQ_INT(attempt_number, 3);
    json_doc_free(doc);
    done(&r, &t);
}

void test_exec_environment_holds_only_ours(void)
{
    struct rig r;
    struct rig_task t;
    EXPECT(setenv("SECRET", "hunter2", 1) == 0);
    EXPECT(setenv("WANTED", "yes", 1) == 0);
    EXPECT(setenv("LD_PRELOAD_NOT", "x", 1) == 0);
    one(&r,
        "{command: [env], env: {BRANCH: '{{ .ref }}', HOME: /tmp, KEY: literal}, "
        "pass_env: [WANTED]}",
        &t);
    const char *text = arena_cstr(&t.arena, t.outcome.response);
    static const char *const expected[] = {
        "WANTED=yes\n",
        "PATH=/usr/local/bin:/usr/bin:/bin\n",
        "LANG=C.UTF-8\n",
        "GAFF_EVENT_ID=evt_",
        "GAFF_DELIVERY_ID=dlv_",
        "GAFF_ATTEMPT=3\n",
        "GAFF_SOURCE=github\n",
        "GAFF_EVENT_TYPE=push\n",
        "GAFF_CONTENT_TYPE=application/json\n",
        "GAFF_RECEIVED=2025-11-23T20:24:11.042Z\n",
        "GAFF_ROUTE=push-main\n",
        "GAFF_DESTINATION=deploy\n",
        "BRANCH=refs/heads/main\n",
        "HOME=/tmp\n",
        "KEY=literal\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        EXPECT_HAS(text, expected[i]);
    size_t lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    EXPECT_EQ_UINT(lines, ARRAY_LEN(expected) + 1); /* and "stdout:" */
    done(&r, &t);
}

void test_exec_each_argument_stays_one_element(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    t.event.body = STR("{\"x\":\"a b; $(touch pwned) `id` | & > ' \\\" *\"}");
    (void)rig_script("args", "#!/bin/sh\nfor a; do echo \"<$a>\"; done\n");
    attempt(&r, "command: [./args, '{{ .x }}', 'q={{ query:name }}', '{{ source }}-{{ attempt }}']",
            &t);
    EXPECT_STR(t.outcome.response,
               "stdout:\n<a b; $(touch pwned) `id` | & > ' \" *>\n<q=a b>\n<github-3>\n");
    EXPECT(access(unit_path("pwned"), F_OK) < 0);
    done(&r, &t);
}

void test_exec_refuses_values_that_would_do_harm(void)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"command: [echo, '{{ .dash }}']", "begins with '-'"},
        {"command: [echo, '{{ header:X-Env }}']", "begins with '-'"},
        {"command: [echo, '{{ .none? }}{{ .dash }}']", "begins with '-'"},
        {"command: [echo, '{{ .evil }}']", "line break"},
        {"{command: [echo], env: {X: '{{ .evil }}'}}", "line break"},
        {"command: [echo, '{{ .absent }}']", "absent"},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig_task t;
        rig_task_init(&t);
        attempt(&r, cases[i].yaml, &t);
        EXPECT_EQ_INT(t.outcome.result, ATTEMPT_PERMANENT);
        EXPECT_CSTR(t.class, "refused");
        EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), cases[i].says);
        rig_task_release(&t);
    }
    struct rig_task t;
    rig_task_init(&t);
    t.event.type = STR("two\nlines");
    attempt(&r, "command: [echo]", &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_PERMANENT);
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "GAFF_EVENT_TYPE");
    rig_task_release(&t);
    rig_release(&r);
}

void test_exec_takes_a_dash_after_two_dashes_or_a_prefix(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "command: [echo, 'x{{ .dash }}', --, '{{ .dash }}']", &t);
    EXPECT_STR(t.outcome.response, "stdout:\nx-rf -- -rf\n");
    done(&r, &t);
}

void test_exec_times_out(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "{command: [sleep, '50'], timeout: 200ms}", &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t.class, "timeout");
    EXPECT(str_starts(t.outcome.summary, STR("ended by its timeout after ")));
    rig_task_release(&t);
    rig_task_init(&t);
    attempt(&r,
            "{command: [sh, -c, 'trap \"\" TERM; while :; do sleep 0.05; done'], timeout: 200ms, "
            "kill_after: 200ms, on_failure: dead}",
            &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_PERMANENT);
    EXPECT_CSTR(t.class, "timeout");
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "killed");
    done(&r, &t);
}

void test_exec_tells_of_a_signal(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "command: [sh, -c, 'kill -ABRT $$']", &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t.class, "signal");
    EXPECT(str_starts(t.outcome.summary, STR("ended by signal 6 (ABRT) after ")));
    done(&r, &t);
}

void test_exec_program_that_vanished_is_retried(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    const char *path = rig_script("gone", "#!/bin/sh\n");
    struct action *a = rig_action(&r, &action_exec, "command: [./gone]");
    EXPECT(unlink(path) == 0);
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t.class, "spawn");
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "cannot execute");
    action_free(a);
    done(&r, &t);
}

void test_exec_is_cancelled(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = rig_action(&r, &action_exec, "command: [sleep, '50']");
    action_start(a, &t.task);
    rig_turn(&r, 100);
    EXPECT(!t.done);
    action_cancel(a, &t.task);
    action_cancel(a, &t.task);
    rig_wait(&r, &t.done, 10);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_CANCELLED);
    action_free(a);
    done(&r, &t);
}

void test_exec_runs_in_the_configured_directory_by_default(void)
{
    struct rig r;
    struct rig_task t;
    one(&r, "command: [pwd]", &t);
    str here = str_trim(str_slice(t.outcome.response, 8, t.outcome.response.n));
    str expected = str_from_cstr(unit_path(""));
    if (str_ends(expected, STR("/")))
        expected.n--;
    EXPECT_EQ_STR(here, expected);
    rig_task_release(&t);
    rig_task_init(&t);
    attempt(&r, "{command: [pwd], cwd: /usr}", &t);
    EXPECT_STR(t.outcome.response, "stdout:\n/usr\n");
    done(&r, &t);
}

void test_exec_runs_as_another_user(void)
{
    if (geteuid() != 0 || !getpwnam("nobody"))
        SKIP("only root can become the user nobody");
    struct rig r;
    struct rig_task t;
    one(&r, "{command: [sh, -c, 'id -un; echo $HOME'], user: nobody, cwd: /}", &t);
    char expected[512];
    (void)snprintf(expected, sizeof(expected), "stdout:\nnobody\n%s\n", getpwnam("nobody")->pw_dir);
    EXPECT_EQ_STR(t.outcome.response, str_from_cstr(expected));
    done(&r, &t);
}

void test_exec_configuration_problems_are_found_at_load(void)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"command: echo hello", "command must be a list"},
        {"cwd: /", "command must be a list"},
        {"command: []", "command must be a list"},
        {"command: [no-such-program-at-all]",
         "no program \"no-such-program-at-all\" in /usr/local"},
        {"command: [./absent.sh]", "there is no program /"},
        {"command: [./plain]", "chmod +x"},
        {"command: [/etc]", "is no executable file"},
        {"command: [echo, '{{ body }}']", "the body is on stdin"},
        {"command: [echo, '{{ header }}']", "needs a name"},
        {"command: [echo, '{{ .a | nofilter }}']", "nofilter"},
        {"command: [echo, [a]]", "text is expected"},
        {"command: [echo, \"{{ .a }}\\nb\"]", "line break"},
        {"command: [sh, -c, 'echo {{ .a }}']", "would let the sender"},
        {"command: [env, bash, -ec, 'echo {{ .a }}']", "would let the sender"},
        {"command: [perl, -e, 'print {{ .a | shell }}']", "would let the sender"},
        {"{command: [echo], env: {GAFF_X: a}}", "begin with GAFF_"},
        {"{command: [echo], env: {'A=B': a}}", "no name for"},
        {"{command: [echo], env: [A]}", "mapping"},
        {"{command: [echo], user: no-such-user-here}", "there is no user"},
        {"{command: [echo], cwd: /nowhere/at/all}", "there is no directory"},
        {"{command: [echo], success: [0, 75], retry: [75]}", "listed twice"},
        {"{command: [echo], retry: [256]}", "256"},
        {"{command: [echo], retry: 75}", "a list of exit codes"},
        {"{command: [echo], stdin: file}", "body"},
        {"{command: [echo], output_max: 1MiB}", "64"},
        {"{command: [echo], concurency: 2}", "concurrency"},
        {"{command: [echo], timeout: soon}", "soon"},
    };
    struct rig r;
    rig_init(&r);
    int fd = open(unit_path("plain"), O_WRONLY | O_CREAT, 0644);
    EXPECT(fd >= 0 && close(fd) == 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = rig_problems(&r, &action_exec, cases[i].yaml);
        if (!strstr(text, "gaff.yaml:1:") || !strstr(text, cases[i].says))
            FAIL("%s: \"%s\" is not in \"%s\"", cases[i].yaml, cases[i].says, text);
    }
    rig_release(&r);
}

void test_exec_configuration_lists_all_problems(void)
{
    struct rig r;
    rig_init(&r);
    const char *text = rig_problems(
        &r, &action_exec, "command: [./absent.sh, '{{ nope }}']\nenv: {1X: a}\ntimeout: x\n");
    EXPECT_HAS(text, "gaff.yaml:1:11: there is no program");
    EXPECT_HAS(text, "gaff.yaml:1:");
    EXPECT_HAS(text, "nope");
    EXPECT_HAS(text, "gaff.yaml:2:7: no name");
    EXPECT_HAS(text, "gaff.yaml:3:10: ");
    EXPECT_EQ_UINT(r.problems.errors, 4);
    rig_release(&r);
}

void test_exec_quoted_reference_in_a_shell_script_is_allowed(void)
{
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    t.event.body = STR("{\"x\":\"'; touch pwned; '\"}");
    attempt(&r, "command: [sh, -c, 'echo {{ .x | shell }}']", &t);
    EXPECT_STR(t.outcome.response, "stdout:\n'; touch pwned; '\n");
    EXPECT(access(unit_path("pwned"), F_OK) < 0);
    rig_task_release(&t);
    rig_task_init(&t);
    attempt(&r, "command: [sh, -c, 'echo \"$1\"', sh, '{{ .ref }}']", &t);
    EXPECT_STR(t.outcome.response, "stdout:\nrefs/heads/main\n");
    done(&r, &t);
}

void test_exec_pass_env_warns_of_what_is_not_set(void)
{
    struct rig r;
    rig_init(&r);
    EXPECT(unsetenv("NOT_THERE") == 0);
    const char *text = rig_problems(&r, &action_exec, "{command: [echo], pass_env: [NOT_THERE]}");
    EXPECT_HAS(text, "NOT_THERE is not set");
    EXPECT_EQ_UINT(r.problems.errors, 0);
    rig_release(&r);
}

void test_exec_without_a_runner_says_so(void)
{
    struct rig r;
    struct reason why = {.text = ""};
    rig_init(&r);
    struct action *a = rig_action(&r, &action_exec, "command: [echo]");
    action_free(a);
    struct action_context none = r.context;
    none.runner = NULL;
    const struct yaml *node = yaml_parse(&r.arena, STR("gaff.yaml"), STR("command: [echo]"), &why);
    const struct action_config *c = action_exec.read(&r.arena, node, &r.problems);
    EXPECT(c && c->runs_command && c->default_concurrency == 1);
    EXPECT_EQ_INT(c->timeout_ms, 600000);
    EXPECT(!action_exec.create(c, &none, &why));
    EXPECT_HAS(why.text, "runner");
    rig_release(&r);
}
