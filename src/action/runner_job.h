/* runner_job.h -- the runner's inside: its state, and the life of one job in it. Shared by
 * runner_process.c (socket, loop) and runner_job.c (jobs). */
#ifndef GAFF_ACTION_RUNNER_JOB_H
#define GAFF_ACTION_RUNNER_JOB_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "action/runner_frame.h"
#include "action/runner_spawn.h"

#define DESCRIPTORS_WAITING 64
#define STREAM_READ_BYTES 65536
#define STREAM_UNSENT_MAX (4u << 20) /* what waits for the daemon; beyond it parts are left out */
#define RESULTS_MAX ((size_t)FRAME_JOBS_MAX * (2 * RUNNER_OUTPUT_MAX + 4096))

enum watched { WATCHED_EXIT, WATCHED_OUTPUT, WATCHED_ERRORS, WATCHED_SOCKET, WATCHED_CHILDREN };

struct stream { /* stdout or stderr of a command */
    int fd;     /* -1: closed, or not ours to read */
    struct buf kept;
    bool cut;
};

enum phase { PHASE_RUNNING, PHASE_TERMINATED, PHASE_KILLED };

struct job {
    uint64_t id;
    uint32_t slot, generation;
    pid_t pid;
    int pidfd;
    struct stream streams[2];
    size_t output_max;
    int64_t kill_after_ms, started_ns, ended_ns;
    enum phase phase;
    bool exited, timed_out;
    bool outlives;
    bool sends_output; /* its output is sent as it comes */
    bool piped;        /* at least one stream was ours */
    struct heap_node timer;
    struct list fresh; /* its streams are not watched yet */
    int64_t watch_ms;  /* when they will be */
};

struct runner_state {
    int socket, epoll, null, children;
    struct buf in, out;
    bool out_watched, closing;
    int waiting[DESCRIPTORS_WAITING]; /* received, their job's frame not yet complete */
    size_t waiting_count;
    struct heap timers;
    struct list fresh; /* of struct job, in the order they started */
    struct job *jobs[FRAME_JOBS_MAX];
    uint32_t free_slots[FRAME_JOBS_MAX];
    size_t free_count;
    uint32_t generation;
    struct idmap by_id;
    struct arena arena; /* of the frame at hand */
    struct spawn_user user;
    int64_t user_until_ms;
    char scratch[STREAM_READ_BYTES];
};

/* Milliseconds of the monotonic clock. */
int64_t runner_now_ms(void);
/* What an epoll event is about; slot and generation name a job. */
static inline uint64_t runner_tag(enum watched what, uint32_t slot, uint32_t generation)
{
    return ((uint64_t)generation << 32) | ((uint64_t)slot << 3) | (uint64_t)what;
}
bool runner_watch(struct runner_state *p, int fd, uint64_t tag);

/* Starts the command, or puts the result that says why not. */
void job_start(struct runner_state *p, const struct frame_job *f);
/* Watches the streams of jobs that have run for a moment; returns the milliseconds until the next
 * of them is due, -1 for none. */
int64_t job_watch_streams(struct runner_state *p);
/* A stream can be read. May end the job. */
void job_read(struct runner_state *p, struct job *j, enum watched what);
/* The command has exited and is not reaped yet. May end the job. */
void job_exited(struct runner_state *p, struct job *j);
/* Its timer, taken off the heap, is due. May end the job. */
void job_timer(struct runner_state *p, struct job *j);
void job_set_timer(struct runner_state *p, struct job *j, int64_t delay_ms);
/* Lets go of a command that goes on without us. */
void job_leave(struct runner_state *p, struct job *j);
/* TERM to the group, later KILL; nothing when that is under way. */
void job_terminate(struct runner_state *p, struct job *j);

#endif
