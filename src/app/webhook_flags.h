/* webhook_flags.h -- the flags of `gaff webhook`, in the syntax of Go's flag package: -x v, -x=v,
 * --x v, --x=v; booleans alone or as -x=true; reading stops at the first positional argument. */
#ifndef GAFF_APP_WEBHOOK_FLAGS_H
#define GAFF_APP_WEBHOOK_FLAGS_H

#include "base/arena.h"
#include "compat/hook_set.h"
#include "http/message.h"

#define WEBHOOK_HEADERS_MAX 64u

struct webhook_flags {
    const char *hooks[HOOK_FILES_MAX];
    size_t hook_count;
    const char *ip, *socket, *url_prefix, *http_methods;
    int64_t port;
    struct http_field headers[WEBHOOK_HEADERS_MAX];
    size_t header_count;
    bool as_template, hotreload, verbose, debug, nopanic, version, use_request_id;
    const char *logfile, *pidfile;
    int64_t request_id_max, multipart_max, body_max;
    bool secure, list_ciphers;
    const char *cert, *key, *tls_min, *ciphers;
    int64_t setuid, setgid;
    bool durable;
    const char *data, *admin;
};

/* Fills *f. Returns -1 to go on, or the exit code when all has been said: 0 for -h, 2 for a
 * mistake, with the usage on stderr. */
int webhook_flags_read(struct webhook_flags *f, struct arena *a, int argc, char **argv);

#endif
