/* jq_process.c -- reads programs and events, writes what becomes of them. A child of the runner
 * that never executes anything: it came from it by fork, before any secret was read. */
#include "action/jq_process.h"

#include "base/json.h"
#include "base/log.h"
#include "rule/jq.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64u << 20)
#define RESULT_BYTES_MAX (900u << 10) /* a line of an answer has at most 1 MiB */
#define READ_BYTES 65536

struct slot {
    struct jq_program *program;
    char *error; /* in its place */
};

struct process {
    struct slot slots[JQ_PROGRAMS_MAX];
    struct buf in, result, line;
};

static bool write_all(str s)
{
    while (s.n > 0) {
        ssize_t n = write(1, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_slice(s, (size_t)n, s.n);
    }
    return true;
}

static struct slot *slot_of(struct process *p, str *rest)
{
    uint64_t number;
    str word = str_cut(rest, ' ');
    return str_to_u64(word, &number) && number < JQ_PROGRAMS_MAX ? &p->slots[number] : NULL;
}

static void take_program(struct process *p, str rest)
{
    struct reason why = {.text = ""};
    struct slot *slot = slot_of(p, &rest);
    struct json_doc *doc = slot ? json_parse(rest, NULL) : NULL;
    if (!doc)
        return;
    jq_program_free(slot->program);
    free(slot->error);
    *slot = (struct slot){.program = jq_program_new(json_str(json_root(doc)), &why)};
    if (!slot->program)
        slot->error = strdup(why.text);
    json_doc_free(doc);
}

/* Anything a program makes of an event goes as a JSON string, so that it stays on its line; values
 * are JSON on one line already. */
static bool answer(struct process *p, str id, enum jq_result result)
{
    static const char *const words[] = {"value", "text", "false", "nothing", "error"};
    struct json_writer w;
    bool fits = buf_ok(&p->result) && p->result.len <= RESULT_BYTES_MAX;
    buf_clear(&p->line);
    buf_printf(&p->line, STR_FMT " %s ", STR_ARG(id), words[fits ? result : JQ_ERROR]);
    json_writer_init(&w, &p->line);
    if (!fits)
        json_string(&w, STR("the result is larger than 900 KiB"));
    else if (result == JQ_VALUE)
        buf_str_append(&p->line, buf_str(&p->result));
    else
        json_string(&w, buf_str(&p->result));
    buf_char(&p->line, '\n');
    return write_all(buf_str(&p->line));
}

static bool run(struct process *p, str rest)
{
    str id = str_cut(&rest, ' ');
    struct slot *slot = slot_of(p, &rest);
    enum jq_result result = JQ_ERROR;
    buf_clear(&p->result);
    if (slot && slot->program)
        result = jq_program_run(slot->program, rest.p ? rest : STR(""), &p->result);
    else
        buf_str_append(&p->result,
                       slot && slot->error ? str_from_cstr(slot->error) : STR("no such program"));
    return answer(p, id, result);
}

static bool check(struct process *p, str rest)
{
    struct reason why = {.text = ""};
    str id = str_cut(&rest, ' ');
    struct json_doc *doc = json_parse(rest.p ? rest : STR(""), NULL);
    struct jq_program *program = jq_program_new(json_str(json_root(doc)), &why);
    buf_clear(&p->result);
    buf_str_append(&p->result, str_from_cstr(why.text));
    bool good = program != NULL;
    jq_program_free(program);
    json_doc_free(doc);
    return answer(p, id, good ? JQ_NOTHING : JQ_ERROR);
}

static bool take_lines(struct process *p)
{
    size_t from = 0;
    bool ok = true;
    while (ok) {
        str all = str_slice(buf_str(&p->in), from, p->in.len);
        size_t end = str_find(all, '\n');
        if (end == all.n)
            break;
        str rest = str_slice(all, 0, end);
        str kind = str_cut(&rest, ' ');
        if (str_eq(kind, STR("P")))
            take_program(p, rest);
        else if (str_eq(kind, STR("R")))
            ok = run(p, rest);
        else if (str_eq(kind, STR("C")))
            ok = check(p, rest);
        from += end + 1;
    }
    buf_consume(&p->in, from);
    return ok;
}

_Noreturn void jq_process_main(void)
{
    struct process *p = xcalloc(1, sizeof(*p));
    /* Empty, not missing: libjq 1.6 reads it without looking whether it is there. */
    static char *no_environment[] = {NULL};
    environ = no_environment;
    (void)prctl(PR_SET_NAME, "gaff-jq");
    buf_init(&p->in, LINE_MAX_BYTES + READ_BYTES);
    buf_init(&p->result, LINE_MAX_BYTES);
    buf_init(&p->line, 8u << 20);
    for (;;) {
        char *room = buf_reserve(&p->in, READ_BYTES);
        ssize_t n = room ? read(0, room, READ_BYTES) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(room ? 0 : 1);
        buf_grew(&p->in, (size_t)n);
        if (!take_lines(p))
            _exit(1);
    }
}
