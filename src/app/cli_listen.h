/* cli_listen.h -- the stream of `gaff listen` and the sending on, without what is shown of it. */
#ifndef GAFF_APP_CLI_LISTEN_H
#define GAFF_APP_CLI_LISTEN_H

#include "base/map.h"
#include "app/cli.h"

struct listening;

struct listen_shows { /* called on the thread that listens; NULL: not wanted */
    void (*event)(struct listening *l, const struct json *event);
    /* What the program of this machine said; status 0: nothing, and text says why. */
    void (*answered)(struct listening *l, str id, int status, const char *text, int64_t us);
};

struct listening {
    struct cli *c;      /* its arena is emptied after each event */
    struct cli posting; /* the answers' own arena */
    const struct listen_shows *shows;
    void *shown_by;      /* for shows */
    struct buf pending;  /* bytes of a line not yet whole */
    struct idmap seen;   /* ids, of this run */
    const char *forward; /* NULL: only shown */
    char last[64];       /* id of the last event: where a new stream begins */
    unsigned pause_ms;
};

/* False, with a message, when an option is wrong. */
bool listening_init(struct listening *l, struct cli *c, const struct listen_shows *shows);
void listening_release(struct listening *l);
/* Until the daemon refuses; an exit code. */
int listening_run(struct listening *l);
/* Sends an event (as the API gives it) to l->forward and tells the answer. */
void listening_forward(struct listening *l, const struct json *event);

/* cli_listen_screen.c: the same on the whole screen. ERR_OK: *code is how it ended. */
enum err listen_on_screen(struct cli *c, int *code, struct reason *why) MUST_USE;

#endif
