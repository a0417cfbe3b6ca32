/* tally.h -- the counting jobs of an organisation (recovery.h): one application after the other, in
 * steps of bounded size. What is counted lies in the job's document: `rows`, what the applications
 * made of it that are done; `after`, the last of them; `here`, of the one that is being counted. */
#ifndef GAFF_ENGINE_TALLY_H
#define GAFF_ENGINE_TALLY_H

#include "base/json.h"
#include "store/store.h"

#define TALLY_USAGE "application.stats"    /* deliveries of the messages of a time */
#define TALLY_TYPES "event-type.aggregate" /* what endpoints have asked for */

struct tally {
    bool types;
    str organisation;
    const struct json *applications; /* ids; NULL: all of the organisation */
    int64_t since_ms, until_ms;
    int64_t cursor;  /* id of the last message that was counted of the present application */
    int64_t here;    /* of that application */
    int64_t counted; /* of all */
    struct buf rows; /* JSON objects with commas between */
    char after[OBJECT_ID_MAX];
};

/* True when the job is one of these; then *t is filled from its document, which must outlive it. */
bool tally_read(struct tally *t, str task, str organisation, const struct json *doc);
void tally_write(const struct tally *t, struct json_writer *w); /* its members of the document */
void tally_release(struct tally *t);                            /* accepts a zeroed struct */
/* ERR_LIMIT when the rows are more than a document holds. */
enum err tally_step(struct tally *t, struct store_reader *r, struct arena *a, bool *done,
                    struct reason *why) MUST_USE;

#endif
