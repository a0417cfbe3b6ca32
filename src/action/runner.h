/* runner.h -- the small process that runs commands, so that the daemon never forks once it has
 * threads, sockets and secrets. It is started first of all, holds no descriptor but its socket,
 * has an empty environment, and speaks frames over a socket pair.
 *
 * In the runner each command gets: an argv array (never a shell), its own process group in a
 * session without a terminal, an environment built from nothing, stdin from an unnamed file or a
 * passed descriptor, umask 077, no_new_privs, limits, working directory, user; TERM then KILL to
 * the whole group at its deadline. The runner ends (and kills what runs) when its socket closes.
 */
#ifndef GAFF_ACTION_RUNNER_H
#define GAFF_ACTION_RUNNER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "action/runner_sandbox.h"

struct runner;      /* the daemon's end, on one loop */
struct runner_link; /* the started process, before it is attached to a loop */

/* Forks the runner. Must be called while the process has one thread, before secrets are read.
 * NULL with a reason. */
struct runner_link *runner_launch(struct reason *why);
/* As above, but the commands keep what the daemon was started with: its umask, its limits, its
 * session, the right to gain privileges (sudo). For hooks that were written for another program. */
struct runner_link *runner_launch_plain(struct reason *why);
/* Attaches the link to a loop and takes it over: one runner for each loop. */
struct runner *runner_attach(struct runner_link *link, struct loop *l);
/* The process ends and running commands are killed; every open run's done is called with started
 * = false. Waits for the process, at most some seconds. Not from inside a done. Accepts NULL. */
void runner_free(struct runner *r);
void runner_link_free(struct runner_link *link);
int runner_pid(const struct runner *r);

#define RUNNER_OUTPUT_MAX 65536

#define RUNNER_FILES_MAX 5

struct run_limits { /* of each process of the command; 0: the runner's own */
    int64_t memory_bytes, cpu_s, open_files, processes, file_bytes;
};

struct run_spec {
    const char *program;     /* the path to execute; NULL: argv[0] */
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* "NAME=value", NULL-terminated; nothing is inherited */
    const char *cwd;         /* NULL: where the daemon was started */
    const char *user;        /* NULL: as the runner */
    str input;               /* becomes stdin; at most 32 MiB */
    int64_t timeout_ms;      /* then TERM to the group */
    int64_t kill_after_ms;   /* then KILL */
    size_t output_max;       /* bytes kept of stdout and of stderr, each <= RUNNER_OUTPUT_MAX */
    /* For long-lived workers: descriptors that become stdin, stdout and stderr instead; 0 and -1:
     * not. Duplicates are sent to the runner: the caller's may be closed after runner_start. No
     * deadline then unless timeout_ms > 0. */
    int stdin_fd, stdout_fd, stderr_fd;
    bool outlives; /* it goes on when the daemon ends, and what it leaves behind is never killed */
    bool is_jq;    /* jq_process.h in place of a program; argv is its name */
    struct run_limits limits;
    const struct sandbox_rules *sandbox; /* NULL: none */
    /* Sealed files in memory that the command finds open as 3, 4, ... (/dev/fd/3). */
    const str *files;
    size_t file_count; /* <= RUNNER_FILES_MAX */
};

struct run_result {
    bool started; /* false: error tells why (not found, not executable, no such user, the
                   * runner ended) */
    bool timed_out;
    int exit_code; /* -1 when ended by a signal */
    int signal;
    str output, errors; /* stdout and stderr, cut at output_max */
    bool output_cut, errors_cut;
    int64_t duration_us, user_us, system_us, max_rss_kib;
    char error[256];
};

struct run { /* embed it; lives until done ran */
    void (*done)(struct run *run, const struct run_result *result);
    /* What the command writes, as it comes and in parts; NULL: told at the end alone. What comes
     * faster than it is taken is left out here (never from the result). */
    void (*output)(struct run *run, bool errors, str bytes);
    uint64_t id;
    const char *refused; /* private to runner.c */
    struct list link;    /* private to runner.c */
};

/* The spec is copied. done is called once, never from inside runner_start. */
void runner_start(struct runner *r, const struct run_spec *spec, struct run *run);
/* TERM now, KILL after kill_after_ms; done is still called, not from inside. */
void runner_cancel(struct runner *r, struct run *run);

#endif
