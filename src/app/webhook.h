/* webhook.h -- `gaff webhook`, and what this program is when it is called webhook: the drop-in for
 * hooks.json. */
#ifndef GAFF_APP_WEBHOOK_H
#define GAFF_APP_WEBHOOK_H

/* argv[0] is the name; returns the exit code. */
int webhook_main(int argc, char **argv);

#endif
