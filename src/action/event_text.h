/* event_text.h -- a stored event as commands, workers and log files see it: its fields by name,
 * its query, and itself as JSON. */
#ifndef GAFF_ACTION_EVENT_TEXT_H
#define GAFF_ACTION_EVENT_TEXT_H

#include "base/json.h"
#include "store/model.h"

/* Takes the next field off the lines of event.head; false at the end. */
bool event_next_field(str *head, str *name, str *value);
/* The first field of that name, any letter case; STR_NONE when absent. */
str event_field(const struct event *e, str name);
/* Percent-decoded value of the first query parameter of that name; STR_NONE when absent or
 * malformed. */
str event_query(const struct event *e, struct arena *a, str name);

/* Writes the members source, type, received (RFC 3339) into an object that is open. */
void event_write_origin(struct json_writer *w, const struct event *e);

/* Writes the member headers: an object, names in lower case, values of a repeated field joined by
 * ", ". With hide_secrets the values of fields that carry credentials or signatures are
 * "[hidden]". */
void event_write_headers(struct json_writer *w, const struct event *e, bool hide_secrets);

/* Writes the body as the member body (a string), or body_base64 when it is no UTF-8; with
 * as_data and a body that is JSON, as the member data (the value itself, byte for byte but for
 * line breaks). */
void event_write_body(struct json_writer *w, const struct event *e, bool as_data);

/* Bytes that what the functions above write is sure to fit in. */
size_t event_text_max(const struct event *e);

#endif
