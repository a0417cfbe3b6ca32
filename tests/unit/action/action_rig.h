/* action_rig.h -- what the tests of actions share: a runner on a loop, scripts in the test's own
 * directory, an event, and attempts made with a configuration written as YAML. */
#ifndef GAFF_TESTS_ACTION_RIG_H
#define GAFF_TESTS_ACTION_RIG_H

#include "action/action.h"
#include "action/runner.h"
#include "unit.h"

struct rig {
    struct loop *loop;
    struct runner *runner;
    struct arena arena; /* of the configuration */
    struct problems problems;
    struct action_context context;
};

void rig_init(struct rig *r);
void rig_release(struct rig *r); /* also when all descriptors must be closed again */

/* Writes an executable script; its absolute path, in static storage as unit_path. */
const char *rig_script(const char *name, const char *text);
/* Turns the loop until *flag, at most seconds long; fails the test then. */
void rig_wait(struct rig *r, const bool *flag, int seconds);
/* Turns the loop for that long. */
void rig_turn(struct rig *r, int ms);

/* One command by the runner; the slices are in static storage. */
struct rig_result {
    struct run_result r;
    bool done;
    struct run run;
    char output[RUNNER_OUTPUT_MAX + 1], errors[RUNNER_OUTPUT_MAX + 1];
};
struct run_spec rig_spec(const char *const *argv);
void rig_run_start(struct rig *r, const struct run_spec *spec, struct rig_result *out);
void rig_run(struct rig *r, const struct run_spec *spec, struct rig_result *out);

/* The action of that kind, from the text of its mapping. Fails the test when it is refused. */
struct action *rig_action(struct rig *r, const struct action_kind *kind, const char *yaml);
/* The texts of all problems of a refused (or warned of) configuration, one a line. */
const char *rig_problems(struct rig *r, const struct action_kind *kind, const char *yaml);

/* One attempt; the slices of the outcome are copied into its arena. */
struct rig_task {
    struct task task;
    struct event event;
    struct delivery delivery;
    struct arena arena;
    struct outcome outcome;
    char class[32];
    bool done;
    int times;
};
void rig_task_init(struct rig_task *t);
void rig_task_release(struct rig_task *t);
/* Starts and waits. */
void rig_attempt(struct rig *r, struct action *a, struct rig_task *t);

#endif
