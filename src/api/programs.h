/* programs.h -- the jq programs that a request writes are compiled before they are kept. That
 * happens in a process of its own (action/jq_worker.h), for compiling can take all time and memory
 * too; the request waits for it, and no other does. */
#ifndef GAFF_API_PROGRAMS_H
#define GAFF_API_PROGRAMS_H

#include "base/json.h"
#include "action/jq_worker.h"

#define PROGRAM_MEMBERS 2
extern const char *const program_members[PROGRAM_MEMBERS]; /* "where", "transform" */

/* True when the document has one. */
bool programs_are_in(const struct json *doc);

struct programs { /* of one document; embed it, it lives until done ran */
    struct jq_run run;
    struct jq_worker *worker;
    const struct json *doc;
    size_t at; /* of program_members */
    /* wrong: the first member that doesn't compile, and why; NULL: all do. */
    void (*done)(struct programs *p, const char *wrong, str why);
};
/* worker, doc and done are set. done is called from inside when there is nothing to compile. */
void programs_check(struct programs *p);

#endif
