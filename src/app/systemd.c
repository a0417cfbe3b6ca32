/* systemd.c -- reads the environment afresh at each call; the daemon calls it a handful of times.
 */
#include "app/systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3

void systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof(address.sun_path))
        return;
    size_t n = strlen(path);
    memcpy(address.sun_path, path, n);
    if (path[0] == '@')
        address.sun_path[0] = 0; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    UNUSED(sent); /* systemd's own time-out tells when it never hears */
    close(fd);
}

static bool is_for_us(const char *pid_variable)
{
    uint64_t pid;
    const char *text = getenv(pid_variable);
    return !text || (str_to_u64(str_from_cstr(text), &pid) && pid == (uint64_t)getpid());
}

int64_t systemd_watchdog_us(void)
{
    uint64_t us;
    const char *text = getenv("WATCHDOG_USEC");
    if (!text || !is_for_us("WATCHDOG_PID") || !str_to_u64(str_from_cstr(text), &us))
        return 0;
    return (int64_t)us;
}

int systemd_only_fd(void)
{
    uint64_t count;
    const char *text = getenv("LISTEN_FDS");
    bool one =
        text && is_for_us("LISTEN_PID") && str_to_u64(str_from_cstr(text), &count) && count == 1;
    return one ? FIRST_FD : -1;
}

int systemd_listen_fd(const char *name)
{
    uint64_t count;
    const char *text = getenv("LISTEN_FDS");
    if (!text || !is_for_us("LISTEN_PID") || !str_to_u64(str_from_cstr(text), &count))
        return -1;
    const char *all = getenv("LISTEN_FDNAMES");
    str names = str_from_cstr(all ? all : "");
    for (int i = 0; i < (int)count; i++) {
        str one = names.p ? str_cut(&names, ':') : STR("");
        if (str_eq(one, str_from_cstr(name)))
            return FIRST_FD + i;
    }
    return -1;
}
