/* command.h -- what exec and worker have in common: a program with its arguments, environment,
 * directory and user, read and checked at load, expanded for one attempt.
 *
 *   command: [./deploy.sh, --, "{{ .ref }}"]   # argv, never a shell line
 *   env: { BRANCH: "{{ .ref }}" }              # beside the fixed variables
 *   pass_env: [HOME]                           # copied from the daemon's own at load
 *   cwd: /srv/app                              # default: the configuration's directory
 *   user: deploy                               # default: the daemon's
 *   kill_after: 5s                             # from TERM to KILL
 *   limits: { memory: 512MiB, cpu: 5m }        # of each process; see run_limits
 *   sandbox: { write: [/srv/app], network: false }  # Landlock and seccomp
 *
 * The child gets PATH, HOME, LANG, GAFF_* and what is named here: nothing else. */
#ifndef GAFF_ACTION_COMMAND_H
#define GAFF_ACTION_COMMAND_H

#include "base/template.h"
#include "action/action.h"
#include "action/runner.h"

#define COMMAND_PATH "/usr/local/bin:/usr/bin:/bin"

struct command_argument {
    struct template value;
    str shown;   /* as written, so that what ${...} gave is not shown */
    bool hidden; /* show `shown` rather than the value */
};

struct command_variable {
    const char *name;
    struct template value;
};

struct command {
    const char *program;           /* an absolute path */
    struct command_argument *args; /* after the program */
    size_t arg_count;
    size_t guard; /* index of the first literal "--"; arg_count when there is none */
    struct command_variable *env;
    size_t env_count;
    const char **fixed_env; /* "NAME=value", NULL-terminated */
    const char *cwd, *user; /* NULL: not given */
    int64_t kill_after_ms;
    struct run_limits limits;
    const struct sandbox_rules *sandbox; /* NULL: none */
    struct command_variable *files;      /* variables that name a file, and what it holds */
    size_t file_count;
    bool references; /* some argument or variable has one */
};

/* The keys that command_read reads, for the kind's own list of known keys. */
#define COMMAND_KEYS "command", "env", "pass_env", "cwd", "user", "kill_after", "limits", "sandbox"

/* Reads and checks them; reports all that is wrong. Without `references` every value is
 * literal. */
bool command_read(struct command *c, struct arena *a, const struct yaml *node, bool references,
                  struct problems *p);

/* files: { CHANGES: "{{ .commits }}" }: up to RUNNER_FILES_MAX files in memory, each named by its
 * variable (CHANGES=/dev/fd/3) in the environment that command_build makes. Of exec alone. */
void command_files_read(struct command *c, struct arena *a, const struct yaml *node,
                        struct problems *p);
/* What each holds for this attempt, in the arena; out has file_count places. */
enum err command_files_build(const struct command *c, const struct task *t, struct arena *a,
                             str *out, struct reason *why) MUST_USE;

/* The argv and environment of one attempt, in the task's arena. t may be NULL when there are no
 * references: then without the variables of an event. ERR_DENIED when a value from the event may
 * not stand where it would; ERR_NOT_FOUND when it is absent; ERR_LIMIT when it is too long. */
enum err command_build(const struct command *c, const struct task *t, struct arena *a,
                       const char *const **argv, const char *const **env,
                       struct reason *why) MUST_USE;

/* argv as one line for people, quoted where needed, escaped, cut. */
str command_show(const struct command *c, const char *const *argv, struct arena *a);

#endif
