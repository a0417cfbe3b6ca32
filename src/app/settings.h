/* settings.h -- what the daemon keeps beside its store, and what it says at the start. */
#ifndef GAFF_APP_SETTINGS_H
#define GAFF_APP_SETTINGS_H

#include "engine/config.h"

#define SETTINGS_TOKEN_MAX 256

/* `delivery_loops` of the file without resolving anything; 1 when absent or unreadable. */
size_t settings_delivery_loops(const char *config_path);
/* The directory of a sqlite store, absolute; malloc'd; NULL when the store is in memory. */
char *settings_state_directory(const struct config *c);
/* The configured token, else the one in admin.token of the directory, made there at first. */
bool settings_admin_token(const struct config *c, const char *directory,
                          char token[SETTINGS_TOKEN_MAX], struct reason *why);
/* The same for sending.jwt_secret and the file jwt.secret. Without a directory it is one that
 * nobody knows: then the tokens that the API makes are good, and no others. Release it. */
bool settings_jwt_secret(const struct config *c, const char *directory, struct secret *out,
                         struct reason *why);
/* Leaves the admin address where the command line looks for it. */
bool settings_publish_url(const char *directory, const char *url, struct reason *why);
void settings_withdraw_url(const char *directory);
/* To stderr: a line that sends a first event, signed as the sender would, and how to look at
 * it; ready to be copied. No secret is shown. */
void settings_print_first_steps(const struct config *c, const char *url);

#endif
