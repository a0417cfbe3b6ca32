/* systemd.h -- sd_notify and socket activation, spoken directly: both are a few lines over a
 * socket and two environment variables (sd_notify(3), sd_listen_fds(3)). */
#ifndef GAFF_APP_SYSTEMD_H
#define GAFF_APP_SYSTEMD_H

#include "base/str.h"

/* Sends e.g. "READY=1\nSTATUS=..." to NOTIFY_SOCKET; nothing without it. */
void systemd_notify(const char *state);
/* Microseconds between the watchdog's signs of life; 0: none asked for. */
int64_t systemd_watchdog_us(void);
/* The descriptor passed under this name by LISTEN_FDS and LISTEN_FDNAMES; -1: none. */
int systemd_listen_fd(const char *name);
/* The descriptor passed when there is exactly one, whatever its name; -1 otherwise. */
int systemd_only_fd(void);

#endif
