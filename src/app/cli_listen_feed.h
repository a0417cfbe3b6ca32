/* cli_listen_feed.h -- what `gaff listen` shows on a screen: rows of the events that came, and what
 * became of each. Two threads fill it under its lock from streams of their own; whoever draws waits
 * at `wake`, and reads the rows under the lock. */
#ifndef GAFF_APP_CLI_LISTEN_FEED_H
#define GAFF_APP_CLI_LISTEN_FEED_H

#include "base/id.h"
#include "app/cli_listen.h"

#define FEED_ROWS_MAX 1000
#define FEED_EARLY_MAX 256
#define FEED_FILTER_MAX 64

struct feed_row {
    uint64_t key; /* of the id */
    char id[ID_TEXT_MAX], time[24], source[40], type[64], result[96];
    int64_t bytes;
    int style; /* of the result */
};

struct feed_early { /* a result that was told before its event: the looks at those are rarer */
    uint64_t key;
    int style;
    char result[96];
};

struct feed {
    struct listening listening;
    struct cli stream_cli, follow_cli; /* of the two threads: each has its own arena */
    struct buf follow_pending;
    int wake[2];                         /* a pipe; a byte comes with each change */
    pthread_mutex_t lock;                /* over what follows, `ended` included */
    struct feed_row rows[FEED_ROWS_MAX]; /* a ring: the oldest goes first */
    size_t first, count;
    struct feed_early early[FEED_EARLY_MAX]; /* a ring too */
    size_t next_early;
    uint64_t all;
    int ended; /* exit code of the stream; -1: it goes on */

    /* Of the thread that draws: */
    uint64_t chosen; /* key of the row under the cursor; 0: the newest, and the list follows */
    char filter[FEED_FILTER_MAX];
};

/* A zeroed feed becomes one of the daemon that c talks to; it lasts as long as the program. False,
 * with a message, when an option is wrong. */
bool feed_init(struct feed *f, struct cli *c);
/* ERR_IO when the pipe or a thread can't be made. Signals are for the calling thread. */
enum err feed_start(struct feed *f, struct reason *why) MUST_USE;

/* Under the lock: the i-th row that is kept, oldest first. */
struct feed_row *feed_row_at(struct feed *f, size_t i);
/* Under the lock: places of the rows that pass the filter, and how many. *at: the one under the
 * cursor among them. */
size_t feed_shown(struct feed *f, size_t out[FEED_ROWS_MAX], size_t *at);

#endif
