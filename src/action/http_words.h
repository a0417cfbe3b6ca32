/* http_words.h -- the parts of a request that are written with {{ }}: URL, header values, body.
 * What an event's sender wrote stays where it was put: in a URL it is percent-encoded and can't
 * change the host or climb a path, in a header it can't begin a line, in a body of JSON it must be
 * quoted by a filter. */
#ifndef GAFF_ACTION_HTTP_WORDS_H
#define GAFF_ACTION_HTTP_WORDS_H

#include "action/event_refs.h"
#include "http/message.h"

enum http_word { HTTP_WORD_URL, HTTP_WORD_FIELD, HTTP_WORD_BODY };

/* Compiles the scalar; count == 0 when it names nothing of the event, and the text is to be used
 * as it is. False when anything was reported. */
bool http_word_read(struct template *t, struct arena *a, const struct yaml *node,
                    enum http_word kind, struct problems *p);
/* In the arena. ERR_NOT_FOUND, ERR_DENIED or ERR_LIMIT with a reason that names `what`. */
enum err http_word_expand(const struct template *t, enum http_word kind, const char *what,
                          struct event_refs *refs, struct arena *a, str *out,
                          struct reason *why) MUST_USE;

/* True for a body that is to be JSON. */
bool http_word_is_json(str text);

#endif
