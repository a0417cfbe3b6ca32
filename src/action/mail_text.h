/* mail_text.h -- a message of plain text as RFC 5322 and MIME have it. Pure. */
#ifndef GAFF_ACTION_MAIL_TEXT_H
#define GAFF_ACTION_MAIL_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#define MAIL_TO_MAX 50

struct mail_address {
    str name;    /* for people; "" for none */
    str address; /* local@domain, bare */
};

/* "Ops <ops@example.org>" or "ops@example.org". ERR_INVALID when it is no address that can stand
 * in an SMTP command. Slices of text. */
enum err mail_address_parse(str text, struct mail_address *out, struct reason *why) MUST_USE;

struct mail {
    struct mail_address from;
    const struct mail_address *to;
    size_t to_count;
    str subject, text;    /* UTF-8; line breaks of the subject become blanks */
    str message_id;       /* what stands between < and > */
    str event_id, source; /* for X-Gaff-Event-Id and X-Gaff-Source */
    int64_t now_ms;
};

/* Header fields are folded and encoded (RFC 2047) where they are not plain ASCII, the text goes in
 * base64: nothing in it can become a header or end the message. */
void mail_write(struct buf *out, const struct mail *m);

#endif
