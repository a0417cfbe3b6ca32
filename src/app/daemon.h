/* daemon.h -- `gaff serve`: start order, signals, reload, drain. */
#ifndef GAFF_APP_DAEMON_H
#define GAFF_APP_DAEMON_H

#include <stdbool.h>

/* sysexits(3), as service managers know them; the unit does not restart on 2, 77 and 78. */
enum daemon_exit {
    EXIT_CLEAN = 0,
    EXIT_INTERNAL = 1,
    EXIT_STORE = 69,
    EXIT_MEMORY = 71, /* base/log.h ends with it */
    EXIT_STATE = 73,
    EXIT_LOCKED = 75,
    EXIT_PERMISSION = 77,
    EXIT_CONFIG = 78,
};

/* Runs until a signal ends it; returns the exit code. first_steps: what to send first is said, on a
 * terminal anyway. */
int daemon_run(const char *config_path, bool first_steps);

#endif
