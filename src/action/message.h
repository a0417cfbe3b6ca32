/* message.h -- what a person reads of an event: title, text, severity, link. Written by the
 * operator as templates, or taken from the messages that are known for the event's provider
 * (presets/messages), or made of the event's first values. */
#ifndef GAFF_ACTION_MESSAGE_H
#define GAFF_ACTION_MESSAGE_H

#include "action/event_refs.h"

#define SEVERITIES(X)                                                                              \
    X(INFO, "info")                                                                                \
    X(SUCCESS, "success")                                                                          \
    X(WARNING, "warning")                                                                          \
    X(ERROR, "error")                                                                              \
    X(CRITICAL, "critical")
enum severity {
#define X(name, word) SEVERITY_##name,
    SEVERITIES(X)
#undef X
        SEVERITY_COUNT
};
extern const char *const severity_words[]; /* NULL-terminated */

struct message {
    str title, text,
        link; /* empty, never STR_NONE, when there is none; one of title, text is not */
    enum severity severity;
};

struct message_rules; /* the known messages; immutable */

/* Those of presets/messages, which are part of the program: read at the first call, any thread. */
const struct message_rules *message_rules_embedded(void);

/* What an operator wrote; a part that was not written is left to the rules. When title or text is
 * written, the other is empty unless written too. */
struct message_parts {
    struct template title, text, severity, link;
    bool has_title, has_text, has_severity, has_link;
};
#define MESSAGE_KEYS "title", "text", "severity", "link"
void message_parts_read(struct message_parts *m, struct arena *a, const struct yaml *node,
                        struct problems *p);

/* Fills *out, in the arena. ERR_NOT_FOUND with the reference that has no value. */
enum err message_make(const struct message_parts *parts, const struct message_rules *rules,
                      struct event_refs *refs, struct arena *a, struct message *out,
                      struct reason *why) MUST_USE;

/* Title, or else the first line of the text. */
str message_summary(const struct message *m);
/* Title and text; title, text and link: on lines of their own. */
str message_both(const struct message *m, struct arena *a);
str message_and_link(const struct message *m, struct arena *a);

#endif
