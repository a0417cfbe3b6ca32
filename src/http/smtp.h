/* smtp.h -- mail submission (RFC 6409) by libcurl, blocking: for a thread of its own. One client
 * keeps its connection. The address that a name resolves to is judged by the outbound policy. */
#ifndef GAFF_HTTP_SMTP_H
#define GAFF_HTTP_SMTP_H

#include "base/arena.h"
#include "http/client_policy.h"

enum smtp_tls {
    SMTP_STARTTLS, /* required */
    SMTP_TLS,      /* from the first byte */
    SMTP_PLAIN,    /* none: for a relay on this machine */
};

struct smtp_server {
    const char *host;
    uint16_t port;
    enum smtp_tls tls;
    const char *user, *password; /* NULL: no AUTH */
    const char *ca_file;         /* NULL: the system's */
    enum outbound_policy policy;
    const struct outbound_rules *rules; /* NULL: nothing is refused */
};

struct smtp_mail {
    const char *from;      /* bare addresses */
    const char *const *to; /* NULL-terminated */
    str text;              /* the whole message, lines end in CR LF; dots are doubled on the way */
};

/* What came of it. */
enum smtp_result {
    SMTP_ACCEPTED,
    SMTP_TEMPORARY, /* a 4xx reply, or nothing was reached */
    SMTP_REFUSED,   /* a 5xx reply, bad credentials, a refused address */
};

/* Whether mail can be sent here at all: for load time. */
enum err smtp_check(struct reason *why) MUST_USE;

struct smtp_client;
struct smtp_client *smtp_client_new(const struct smtp_server *s); /* s outlives it */
void smtp_client_free(struct smtp_client *c);
/* *code: the last reply's, 0 for none. */
enum smtp_result smtp_send(struct smtp_client *c, const struct smtp_mail *m, int64_t timeout_ms,
                           int *code, struct reason *why);

#endif
