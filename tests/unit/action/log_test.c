/* log_test.c -- the log action: lines in a real file. */
#include "action_rig.h"

#include "base/json.h"
#include "action/kinds.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static str slurp(struct arena *a, const char *name)
{
    char *text = arena_alloc(a, 65536);
    int fd = open(unit_path(name), O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, 65535);
    if (fd >= 0)
        (void)close(fd);
    return n < 0 ? STR_NONE : str_of(text, (size_t)n);
}

static enum attempt_result append(struct rig *r, struct action *a, str body)
{
    struct rig_task t;
    rig_task_init(&t);
    if (body.p)
        t.event.body = body;
    rig_attempt(r, a, &t);
    enum attempt_result result = t.outcome.result;
    rig_task_release(&t);
    return result;
}

void test_log_line_has_the_event_and_hides_credentials(void)
{
    struct rig r;
    rig_init(&r);
    struct action *a = rig_action(&r, &action_log, "file: events.jsonl");
    EXPECT_EQ_INT(append(&r, a, STR_NONE), ATTEMPT_SUCCESS);
    EXPECT_EQ_INT(append(&r, a, STR("\xff")), ATTEMPT_SUCCESS);
    str text = slurp(&r.arena, "events.jsonl");
    str first = str_cut(&text, '\n'), second = str_cut(&text, '\n');
    EXPECT_STR(text, "");
    struct json_doc *doc = json_parse(first, NULL);
    const struct json *root = json_root(doc);
    EXPECT(str_starts(json_str(json_get(root, STR("id"))), STR("evt_")));
    EXPECT_STR(json_str(json_get(root, STR("source"))), "github");
    EXPECT_STR(json_str(json_get(root, STR("verdict"))), "verified");
    EXPECT_STR(json_str(json_get(root, STR("received"))), "2025-11-23T20:24:11.042Z");
    EXPECT_STR(json_str(json_path(root, STR("headers.authorization"))), "[hidden]");
    EXPECT_STR(json_str(json_path(root, STR("headers.host"))), "localhost");
    EXPECT(str_starts(json_str(json_get(root, STR("body"))), STR("{\"ref\"")));
    json_doc_free(doc);
    EXPECT(str_find_str(first, STR("s3cret")) == first.n);
    EXPECT(str_ends(second, STR("\"body_base64\":\"/w==\"}")));
    struct stat st;
    EXPECT(stat(unit_path("events.jsonl"), &st) == 0);
    EXPECT_EQ_INT(st.st_mode & 07, 0);
    action_free(a);
    rig_release(&r);
}

void test_log_follows_a_rotated_file(void)
{
    struct rig r;
    rig_init(&r);
    struct clock_fake clock;
    clock_fake_init(&clock, 1763929451042);
    struct loop *real = r.loop;
    r.context.loop = loop_new(&clock.base);
    struct action *a = rig_action(&r, &action_log, "file: events.jsonl");
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_SUCCESS);
    EXPECT(rename("events.jsonl", "events.1") == 0);
    EXPECT_EQ_INT(append(&r, a, STR("two")), ATTEMPT_SUCCESS); /* within the second */
    clock_fake_advance(&clock, 1001);
    EXPECT_EQ_INT(append(&r, a, STR("three")), ATTEMPT_SUCCESS);
    EXPECT(str_find_str(slurp(&r.arena, "events.1"), STR("\"two\"")) > 0);
    str now = slurp(&r.arena, "events.jsonl");
    EXPECT(str_find_str(now, STR("\"three\"")) < now.n);
    EXPECT(str_find_str(now, STR("\"two\"")) == now.n);
    action_free(a);
    loop_free(r.context.loop);
    r.context.loop = real;
    rig_release(&r);
}

void test_log_full_disk_is_retried_and_a_torn_line_stands_alone(void)
{
    struct rig r;
    rig_init(&r);
    EXPECT(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    struct action *a = rig_action(&r, &action_log, "file: events.jsonl");
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_SUCCESS);
    struct stat st;
    EXPECT(stat("events.jsonl", &st) == 0);
    struct rlimit before, limit;
    EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
    limit = (struct rlimit){(rlim_t)st.st_size + 20, before.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT_EQ_INT(append(&r, a, STR("two")), ATTEMPT_RETRY);
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT_EQ_INT(append(&r, a, STR("two")), ATTEMPT_SUCCESS);
    str text = slurp(&r.arena, "events.jsonl");
    (void)str_cut(&text, '\n');
    EXPECT_EQ_UINT(str_cut(&text, '\n').n, 20); /* the torn one */
    str last = str_cut(&text, '\n');
    EXPECT(str_starts(last, STR("{\"id\"")) && str_ends(last, STR("}")));
    action_free(a);
    rig_release(&r);
}

void test_log_full_device_is_retried(void)
{
    if (access("/dev/full", W_OK) < 0)
        SKIP("no /dev/full here");
    struct rig r;
    struct rig_task t;
    rig_init(&r);
    rig_task_init(&t);
    struct action *a = rig_action(&r, &action_log, "file: /dev/full");
    rig_attempt(&r, a, &t);
    EXPECT_EQ_INT(t.outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(t.class, "file");
    EXPECT_HAS(arena_cstr(&t.arena, t.outcome.summary), "No space left on device");
    action_free(a);
    rig_task_release(&t);
    rig_release(&r);
}

void test_log_pipe_without_a_reader_does_not_block(void)
{
    struct rig r;
    rig_init(&r);
    EXPECT(mkfifo("pipe", 0600) == 0);
    struct action *a = rig_action(&r, &action_log, "file: pipe");
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_RETRY);
    action_free(a);
    rig_release(&r);
}

void test_log_missing_directory_is_retried(void)
{
    struct rig r;
    rig_init(&r);
    struct action *a = rig_action(&r, &action_log, "file: absent/events.jsonl");
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_RETRY);
    EXPECT(mkdir("absent", 0700) == 0);
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_SUCCESS);
    action_free(a);
    rig_release(&r);
}

void test_log_writes_to_stdout(void)
{
    struct rig r;
    int ends[2];
    char text[4096] = "";
    rig_init(&r);
    EXPECT(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
    struct action *a = rig_action(&r, &action_log, "{file: '-', format: json}");
    EXPECT_EQ_INT(append(&r, a, STR("one")), ATTEMPT_SUCCESS);
    EXPECT(read(ends[0], text, sizeof(text) - 1) > 0);
    EXPECT_HAS(text, "\"body\":\"one\"}\n");
    action_free(a);
    EXPECT(write(1, "", 0) == 0); /* still open */
    rig_release(&r);
}

void test_log_configuration_problems(void)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"{}", "log needs file"},
        {"{file: ''}", "log needs file"},
        {"{file: x, format: text}", "json"},
        {"{path: x}", "path"},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = rig_problems(&r, &action_log, cases[i].yaml);
        if (!strstr(text, "gaff.yaml:1:") || !strstr(text, cases[i].says))
            FAIL("%s: \"%s\" is not in \"%s\"", cases[i].yaml, cases[i].says, text);
    }
    rig_release(&r);
}
