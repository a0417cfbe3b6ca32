/* jq_process.h -- the process that runs jq programs, made by the runner and spoken to in lines:
 *
 *   to it     P NUMBER PROGRAM            (a JSON string)   a program, before its first use
 *             R ID NUMBER EVENT           (a JSON object)   one run
 *             C ID PROGRAM                (a JSON string)   compiled and forgotten: nothing, error
 *   from it   ID value|text|false|nothing|error RESULT      (a JSON value, or a JSON string)
 *
 * One run at a time, in order. It has no environment, no files and no network, and its memory is
 * limited; whoever waits for it ends it when it takes too long. */
#ifndef GAFF_ACTION_JQ_PROCESS_H
#define GAFF_ACTION_JQ_PROCESS_H

#include "base/compiler.h"

#define JQ_PROGRAMS_MAX 1024u

/* On descriptors 0 and 1, until the first ends. */
_Noreturn void jq_process_main(void);

#endif
