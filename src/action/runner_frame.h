/* runner_frame.h -- what the daemon and the runner say to each other on their socket.
 *
 * A frame is a u32 length (of what follows), a u8 kind, and the kind's own fields, little-endian.
 * Strings are a u32 length and the bytes; those of a job hold their NUL, so that the runner uses
 * them where they lie. Descriptors of a job travel with the first byte of its frame. */
#ifndef GAFF_ACTION_RUNNER_FRAME_H
#define GAFF_ACTION_RUNNER_FRAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "action/runner.h"

#define FRAME_MAX (1u << 20)    /* bytes of one frame: argv, environment, captured output */
#define FRAME_STRINGS_MAX 4096u /* elements of argv and of the environment together */
#define FRAME_JOBS_MAX 1024u    /* jobs that one runner has at once */
#define FRAME_DESCRIPTORS (3u + RUNNER_FILES_MAX) /* stdin, stdout, stderr, files */
#define FRAME_HEAD 5u                             /* length and kind */

enum frame_kind { FRAME_JOB = 1, FRAME_CANCEL, FRAME_RESULT, FRAME_OUTPUT };

struct frame_job {
    uint64_t id;
    uint8_t descriptors; /* bit n: descriptor n of the command was sent along */
    bool outlives;
    int64_t timeout_ms, kill_after_ms;
    size_t output_max;
    const char *cwd, *user; /* NULL: as the runner */
    const char *program;    /* NULL: argv[0] */
    const char **argv, **env;
    bool streams; /* output frames are wanted */
    bool is_jq;
    struct run_limits limits;
    bool is_sandboxed;
    struct sandbox_rules sandbox;
};

void frame_put_job(struct buf *out, const struct run_spec *spec, uint64_t id, uint8_t descriptors,
                   bool streams);
void frame_put_output(struct buf *out, uint64_t id, bool errors, str bytes);
void frame_put_cancel(struct buf *out, uint64_t id);
void frame_put_result(struct buf *out, uint64_t id, const struct run_result *r);

/* Takes the first whole frame off *bytes. False when there is none yet; *broken then says whether
 * there never will be one. */
bool frame_take(str *bytes, enum frame_kind *kind, str *payload, bool *broken);

/* False when malformed. Slices and strings point into the payload; arrays lie in the arena. */
bool frame_get_job(str payload, struct arena *a, struct frame_job *out);
bool frame_get_cancel(str payload, uint64_t *id);
bool frame_get_output(str payload, uint64_t *id, bool *errors, str *bytes);
bool frame_get_result(str payload, uint64_t *id, struct run_result *out);

#endif
