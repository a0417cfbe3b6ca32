/* cli_send.h -- the verbs of the sending side: a body from options, a call, and how its answer is
 * shown. For the files cli_send*.c. */
#ifndef GAFF_APP_CLI_SEND_H
#define GAFF_APP_CLI_SEND_H

#include "app/cli.h"

/* Writes the object that the options amount to: those of the table in cli_send_body.c, then the
 * members of --json. `member` (NULL: none) is one more, with `value`. False with a message printed;
 * *empty when nothing was said. */
bool cli_send_body(struct cli *c, const char *member, const char *value, struct buf *out,
                   bool *empty);
/* "2026-11-23T20:24:11Z", or an age as 2h, to the former. NULL with a message printed; NULL text
 * gives NULL without one. */
const char *cli_send_time(struct cli *c, const char *option, const char *text, bool *good);
/* Appends /api/v1 and `pattern`, each {} filled with the next of the command's arguments; returns
 * how many were used. */
size_t cli_send_path(struct cli *c, const char *pattern, struct buf *out);
/* One object: lines of `key  value` on a table, else JSON or its id. */
void cli_send_show(struct cli *c, const struct json *object);

#endif
