/* runner_process.h -- the runner's own main: what runs after the fork. */
#ifndef GAFF_ACTION_RUNNER_PROCESS_H
#define GAFF_ACTION_RUNNER_PROCESS_H

#include "base/compiler.h"

/* Sheds what the daemon had (descriptors, environment, arguments), then serves the socket until
 * the daemon closes its end. plain: commands keep umask, limits and privileges. */
_Noreturn void runner_process_main(int socket, bool plain);

#endif
