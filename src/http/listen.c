/* Listening sockets. SO_REUSEPORT lets any process of the same user join an address, so a second
 * daemon started by mistake would silently take half of the first one's connections. Hence the
 * registry: an address this process has not bound itself is first tried without the option. The
 * registry and the two tables of sockets that go from program to program are the only state of the
 * process here; servers on several threads open listeners. Called by server.c, app/handover.c. */
#include "http/listen.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REGISTRY_MAX 128

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char address[LISTEN_TEXT_MAX];
    int listeners;
} registry[REGISTRY_MAX];

/* The entry of that address, or (with add) an empty one; -1 when there is none. */
static int registry_find(const char *address, bool add)
{
    int empty = -1;
    for (int i = 0; i < REGISTRY_MAX; i++) {
        if (registry[i].listeners > 0 && strcmp(registry[i].address, address) == 0)
            return i;
        if (registry[i].listeners == 0 && empty < 0)
            empty = i;
    }
    return add ? empty : -1;
}

static bool is_ours(const char *address)
{
    pthread_mutex_lock(&registry_lock);
    bool found = registry_find(address, false) >= 0;
    pthread_mutex_unlock(&registry_lock);
    return found;
}

static void register_address(struct listener *l)
{
    pthread_mutex_lock(&registry_lock);
    int i = registry_find(l->address, true);
    if (i >= 0) {
        snprintf(registry[i].address, sizeof(registry[i].address), "%s", l->address);
        registry[i].listeners++;
        l->registered = true;
    }
    pthread_mutex_unlock(&registry_lock);
}

static void unregister_address(const struct listener *l)
{
    pthread_mutex_lock(&registry_lock);
    int i = registry_find(l->address, false);
    if (i >= 0)
        registry[i].listeners--;
    pthread_mutex_unlock(&registry_lock);
}

/* --- from program to program ---------------------------------------------------------------- */

struct held_socket {
    char spec[LISTEN_TEXT_MAX]; /* empty: a free place */
    int fd;
};
static struct held_socket held[REGISTRY_MAX];   /* what is open now */
static struct held_socket handed[REGISTRY_MAX]; /* by the program before, not yet taken */
static bool is_handing_over;                    /* files of sockets stay */

/* registry_lock is held. A socket beyond the table is not handed over. */
static void put_socket(struct held_socket *table, str spec, int fd)
{
    for (int i = 0; i < REGISTRY_MAX; i++)
        if (!table[i].spec[0]) {
            snprintf(table[i].spec, sizeof(table[i].spec), STR_FMT, STR_ARG(spec));
            table[i].fd = fd;
            return;
        }
}

static void hold(const char *spec, int fd)
{
    if (strncmp(spec, "fd:", 3) == 0)
        return;
    pthread_mutex_lock(&registry_lock);
    put_socket(held, str_from_cstr(spec), fd);
    pthread_mutex_unlock(&registry_lock);
}

static void let_go(int fd)
{
    pthread_mutex_lock(&registry_lock);
    for (int i = 0; i < REGISTRY_MAX; i++)
        if (held[i].spec[0] && held[i].fd == fd)
            held[i].spec[0] = '\0';
    pthread_mutex_unlock(&registry_lock);
}

static int take_handed(const char *spec)
{
    int fd = -1;
    pthread_mutex_lock(&registry_lock);
    for (int i = 0; i < REGISTRY_MAX && fd < 0; i++)
        if (handed[i].spec[0] && strcmp(handed[i].spec, spec) == 0) {
            handed[i].spec[0] = '\0';
            fd = handed[i].fd;
        }
    pthread_mutex_unlock(&registry_lock);
    return fd;
}

void listeners_hand_over(struct buf *out)
{
    pthread_mutex_lock(&registry_lock);
    is_handing_over = true;
    for (int i = 0; i < REGISTRY_MAX; i++) {
        int fd = held[i].spec[0] ? fcntl(held[i].fd, F_DUPFD, 3) : -1;
        if (fd >= 0)
            buf_printf(out, "%d %s\n", fd, held[i].spec);
    }
    pthread_mutex_unlock(&registry_lock);
}

void listeners_take_over(str lines)
{
    pthread_mutex_lock(&registry_lock);
    while (lines.p && lines.n) {
        str spec = str_cut(&lines, '\n');
        uint64_t fd;
        if (!str_to_u64(str_cut(&spec, ' '), &fd) || fd > INT32_MAX || !spec.p ||
            spec.n >= LISTEN_TEXT_MAX)
            continue;
        if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0)
            put_socket(handed, spec, (int)fd);
    }
    pthread_mutex_unlock(&registry_lock);
}

void listeners_forget(void)
{
    pthread_mutex_lock(&registry_lock);
    for (int i = 0; i < REGISTRY_MAX; i++)
        if (handed[i].spec[0]) {
            close(handed[i].fd);
            handed[i].spec[0] = '\0';
        }
    pthread_mutex_unlock(&registry_lock);
}

/* --- TCP ------------------------------------------------------------------------------------ */

static int port_of(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
    if (sa->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
    return 0;
}

static void format_tcp(const struct sockaddr_storage *sa, char out[LISTEN_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool is_v6 = sa->ss_family == AF_INET6;
    if (is_v6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, host,
                  sizeof(host));
    else
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, host,
                  sizeof(host));
    snprintf(out, LISTEN_TEXT_MAX, is_v6 ? "[%s]:%d" : "%s:%d", host, port_of(sa));
}

/* "host:port" taken apart and resolved. */
static enum err resolve_tcp(const char *spec, struct sockaddr_storage *sa, socklen_t *sa_n,
                            struct reason *why)
{
    static const char hint[] =
        "write it as 127.0.0.1:8080, [::1]:8080, unix:/path/to/socket or fd:3";
    const char *colon = strrchr(spec, ':');
    uint64_t port;
    if (!colon || !str_to_u64(str_from_cstr(colon + 1), &port) || port > UINT16_MAX)
        return fail(why, ERR_INVALID, "cannot listen on \"%s\": %s", spec, hint);
    char host[256];
    size_t n = (size_t)(colon - spec);
    bool in_brackets = n >= 2 && spec[0] == '[' && spec[n - 1] == ']';
    const char *from = in_brackets ? spec + 1 : spec;
    n -= in_brackets ? 2 : 0;
    if (n == 0 || n >= sizeof(host) || (!in_brackets && memchr(from, ':', n)))
        return fail(why, ERR_INVALID, "cannot listen on \"%s\": %s", spec, hint);
    memcpy(host, from, n);
    host[n] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    if (strcmp(host, "localhost") == 0)
        hints.ai_family = AF_INET;
    else
        hints.ai_flags |= AI_NUMERICHOST;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0 || !list)
        return fail(why, ERR_INVALID, "cannot listen on \"%s\": \"%s\" is no IP address; %s", spec,
                    host, hint);
    memcpy(sa, list->ai_addr, list->ai_addrlen);
    *sa_n = list->ai_addrlen;
    freeaddrinfo(list);
    return ERR_OK;
}

static int open_tcp_socket(int family, bool reuse_port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    /* Accepted connections inherit it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static enum err bind_failed(const char *spec, struct reason *why)
{
    if (errno == EADDRINUSE)
        return fail(why, ERR_CONFLICT,
                    "cannot listen on %s: another process listens there; stop it or choose "
                    "another address",
                    spec);
    if (errno == EACCES)
        return fail(why, ERR_DENIED,
                    "cannot listen on %s: permission denied; ports below 1024 need "
                    "CAP_NET_BIND_SERVICE or a socket of the service manager",
                    spec);
    if (errno == EADDRNOTAVAIL)
        return fail(why, ERR_INVALID, "cannot listen on %s: no interface has this address", spec);
    return fail_errno(why, ERR_IO, "cannot listen on %s", spec);
}

/* Fails when another process listens there. */
static enum err probe_tcp(const char *spec, const struct sockaddr_storage *sa, socklen_t sa_n,
                          struct reason *why)
{
    int fd = open_tcp_socket(sa->ss_family, false);
    if (fd < 0)
        return fail_errno(why, ERR_IO, "cannot open a socket for %s", spec);
    enum err rc = ERR_OK;
    if (bind(fd, (const struct sockaddr *)sa, sa_n) != 0)
        rc = bind_failed(spec, why);
    close(fd);
    return rc;
}

static enum err open_tcp(const char *spec, struct listener *out, struct reason *why)
{
    struct sockaddr_storage sa = {0};
    socklen_t sa_n = 0;
    enum err rc = resolve_tcp(spec, &sa, &sa_n, why);
    if (rc != ERR_OK)
        return rc;
    format_tcp(&sa, out->address);
    if (port_of(&sa) != 0 && !is_ours(out->address)) {
        rc = probe_tcp(spec, &sa, sa_n, why);
        if (rc != ERR_OK)
            return rc;
    }
    out->fd = open_tcp_socket(sa.ss_family, true);
    if (out->fd < 0)
        return fail_errno(why, ERR_IO, "cannot open a socket for %s", spec);
    if (bind(out->fd, (const struct sockaddr *)&sa, sa_n) != 0 ||
        listen(out->fd, LISTEN_BACKLOG) != 0)
        return bind_failed(spec, why);
    sa_n = sizeof(sa);
    if (getsockname(out->fd, (struct sockaddr *)&sa, &sa_n) != 0)
        return fail_errno(why, ERR_IO, "cannot read the address of %s", spec);
    out->port = port_of(&sa);
    format_tcp(&sa, out->address);
    register_address(out);
    return ERR_OK;
}

/* --- unix sockets --------------------------------------------------------------------------- */

/* Removes a socket file that nobody listens on. */
static enum err remove_stale(const char *path, const struct sockaddr_un *sa, struct reason *why)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return ERR_OK;
    if (!S_ISSOCK(st.st_mode))
        return fail(why, ERR_CONFLICT,
                    "cannot listen on unix:%s: a file that is no socket is there", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(why, ERR_IO, "cannot open a socket for unix:%s", path);
    bool is_dead =
        connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!is_dead)
        return fail(why, ERR_CONFLICT,
                    "cannot listen on unix:%s: another process listens there; stop it or choose "
                    "another path",
                    path);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(why, ERR_IO, "cannot remove the stale socket %s", path);
    return ERR_OK;
}

static enum err open_unix(const char *path, struct listener *out, struct reason *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(sa.sun_path))
        return fail(why, ERR_INVALID, "cannot listen on unix:%s: the path must have 1 to %zu bytes",
                    path, sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path, n + 1);
    enum err rc = remove_stale(path, &sa, why);
    if (rc != ERR_OK)
        return rc;
    out->is_unix = true;
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->fd < 0)
        return fail_errno(why, ERR_IO, "cannot open a socket for unix:%s", path);
    if (bind(out->fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
        return fail_errno(why, errno == EACCES ? ERR_DENIED : ERR_IO, "cannot listen on unix:%s",
                          path);
    out->unix_path = xstrdup(path);
    /* Before listen, so that nobody connects under the mode of the umask. */
    if (chmod(path, 0660) != 0 || listen(out->fd, LISTEN_BACKLOG) != 0)
        return fail_errno(why, ERR_IO, "cannot listen on unix:%s", path);
    snprintf(out->address, sizeof(out->address), "unix:%s", path);
    return ERR_OK;
}

/* --- descriptors of a service manager, or of the program before ------------------------------ */

/* Takes out->fd as it is. */
static enum err adopt(const char *spec, struct listener *out, struct reason *why)
{
    struct sockaddr_storage sa = {0};
    socklen_t sa_n = sizeof(sa);
    if (out->fd < 0 || fcntl(out->fd, F_SETFL, fcntl(out->fd, F_GETFL) | O_NONBLOCK) != 0 ||
        getsockname(out->fd, (struct sockaddr *)&sa, &sa_n) != 0)
        return fail_errno(why, ERR_IO, "cannot use %s", spec);
    out->is_unix = sa.ss_family == AF_UNIX;
    out->port = port_of(&sa);
    if (out->is_unix)
        snprintf(out->address, sizeof(out->address), "unix:%s",
                 ((const struct sockaddr_un *)(const void *)&sa)->sun_path);
    else
        format_tcp(&sa, out->address);
    return ERR_OK;
}

static enum err open_handed(const char *spec, struct listener *out, struct reason *why)
{
    enum err rc = adopt(spec, out, why);
    if (rc != ERR_OK)
        return rc;
    if (out->is_unix)
        out->unix_path = xstrdup(spec + 5);
    else
        register_address(out);
    return ERR_OK;
}

static enum err open_fd(const char *number, struct listener *out, struct reason *why)
{
    uint64_t n;
    int listening = 0;
    socklen_t size = sizeof(listening);
    if (!str_to_u64(str_from_cstr(number), &n) || n > INT32_MAX)
        return fail(why, ERR_INVALID, "cannot listen on fd:%s: write the number of a descriptor",
                    number);
    if (getsockopt((int)n, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening)
        return fail(why, ERR_INVALID,
                    "cannot listen on fd:%s: it is no listening socket; was this process started "
                    "by a service manager with socket activation?",
                    number);
    char spec[32];
    snprintf(spec, sizeof(spec), "fd:%d", (int)n);
    out->fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
    return adopt(spec, out, why);
}

enum err listener_open(const char *spec, struct listener *out, struct reason *why)
{
    *out = (struct listener){.fd = take_handed(spec)};
    enum err rc;
    if (out->fd >= 0)
        rc = open_handed(spec, out, why);
    else if (strncmp(spec, "unix:", 5) == 0)
        rc = open_unix(spec + 5, out, why);
    else if (strncmp(spec, "fd:", 3) == 0)
        rc = open_fd(spec + 3, out, why);
    else
        rc = open_tcp(spec, out, why);
    if (rc == ERR_OK)
        hold(spec, out->fd);
    else
        listener_close(out);
    return rc;
}

void listener_close(struct listener *l)
{
    if (l->fd >= 0)
        let_go(l->fd);
    if (l->unix_path && !is_handing_over)
        unlink(l->unix_path);
    free(l->unix_path);
    if (l->registered)
        unregister_address(l);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct listener){.fd = -1};
}
