/* listen.h -- listening sockets by address: "127.0.0.1:8080", "[::]:0", "localhost:8080",
 * "unix:/run/gaff.sock", "fd:3" (given by a service manager). */
#ifndef GAFF_HTTP_LISTEN_H
#define GAFF_HTTP_LISTEN_H

#include "base/buf.h"
#include "base/err.h"

#define LISTEN_BACKLOG 4096
#define LISTEN_TEXT_MAX 160

struct listener {
    int fd; /* bound and listening, non-blocking; -1 when closed */
    bool is_unix;
    int port;                      /* 0 for unix sockets */
    char address[LISTEN_TEXT_MAX]; /* "127.0.0.1:8080" or "unix:/run/gaff.sock" */
    char *unix_path;               /* to be removed on close; NULL otherwise */
    bool registered;
};

/* TCP sockets are opened with SO_REUSEPORT, so that several loops of this process can share an
 * address; an address on which another process listens is refused all the same. A unix socket
 * file that nobody listens on is removed first; the new one has mode 0660. */
enum err listener_open(const char *spec, struct listener *out, struct reason *why) MUST_USE;
/* Removes the socket file, forgets the address. The descriptor is closed too. */
void listener_close(struct listener *l);

/* From a program to the one that takes its place by exec: a line "DESCRIPTOR ADDRESS" for each open
 * listener, the address as it was asked for. The descriptors are copies, so the sockets stay open,
 * with all that connects meanwhile in their queues, after every listener was closed. Sockets of a
 * service manager are not among them: it passed them for good. */
void listeners_hand_over(struct buf *out);
/* The other side: listener_open takes what was handed over for its address before it opens any. */
void listeners_take_over(str lines);
/* Closes what nobody asked for. */
void listeners_forget(void);

#endif
