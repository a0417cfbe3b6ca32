/* programs.c -- one program after the other. */
#include "api/programs.h"

const char *const program_members[PROGRAM_MEMBERS] = {"where", "transform"};

static str program_at(const struct json *doc, size_t i)
{
    return json_str(json_get(doc, str_from_cstr(program_members[i])));
}

bool programs_are_in(const struct json *doc)
{
    for (size_t i = 0; i < PROGRAM_MEMBERS; i++)
        if (program_at(doc, i).n)
            return true;
    return false;
}

static void on_checked(struct jq_run *run, enum jq_answer answer, str result)
{
    struct programs *p = CONTAINER_OF(run, struct programs, run);
    if (answer == JQ_ANSWER_ERROR) {
        p->done(p, program_members[p->at], result);
        return;
    }
    p->at++;
    programs_check(p);
}

void programs_check(struct programs *p)
{
    while (p->at < PROGRAM_MEMBERS && !program_at(p->doc, p->at).n)
        p->at++;
    if (p->at == PROGRAM_MEMBERS) {
        p->done(p, NULL, STR(""));
        return;
    }
    p->run = (struct jq_run){
        .program = program_at(p->doc, p->at), .only_compiles = true, .done = on_checked};
    jq_worker_start(p->worker, &p->run);
}
