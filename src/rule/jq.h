/* jq.h -- jq programs, by libjq: the one door to it. The library is loaded when the first program
 * is made, and that happens in a process of its own only (action/jq_process.h): a program can loop
 * for ever, take all memory, or end its process, and no bound on that is possible inside.
 *
 * `.` is the event's JSON body, as in {{ .ref }}; $event is all of it: type, source, headers, data.
 * A program is a pure function here: no environment, no files, no input beyond its event. */
#ifndef GAFF_RULE_JQ_H
#define GAFF_RULE_JQ_H

#include "base/buf.h"
#include "base/err.h"

#define JQ_PROGRAM_MAX 16384u

struct jq_program;

/* NULL with a reason: no libjq on this machine, or what is wrong with the program. */
struct jq_program *jq_program_new(str text, struct reason *why);
void jq_program_free(struct jq_program *p);

enum jq_result { JQ_VALUE, JQ_TEXT, JQ_FALSE, JQ_NOTHING, JQ_ERROR };
/* The first value that the program makes of the event (a JSON object with `data`): JQ_FALSE for
 * false and null, JQ_NOTHING for none, JQ_TEXT for a string (as it is), JQ_VALUE for others (as
 * JSON on one line). Appended to out; of JQ_ERROR its message. */
enum jq_result jq_program_run(struct jq_program *p, str event, struct buf *out);

/* Compiles it in a child process and forgets it. ERR_OK also when that can't be found out here: no
 * libjq (*missing then) or a process with threads, which must not fork. */
enum err jq_program_check(str text, bool *missing, struct reason *why) MUST_USE;

#endif
