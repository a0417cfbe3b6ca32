/* cli_screen.h -- a full screen of text for `gaff listen` and `gaff top`, by ncurses, which is
 * loaded when a screen is opened. One screen at a time, used by one thread. */
#ifndef GAFF_APP_CLI_SCREEN_H
#define GAFF_APP_CLI_SCREEN_H

#include "base/err.h"
#include "base/str.h"

enum screen_style {
    SCREEN_PLAIN,
    SCREEN_BOLD,
    SCREEN_DIM,
    SCREEN_GREEN,
    SCREEN_YELLOW,
    SCREEN_RED,
    SCREEN_STYLES,      /* how many; beside them: */
    SCREEN_CHOSEN = 16, /* the row under the cursor, in any style */
};

/* ERR_NOT_FOUND when ncurses is not installed, ERR_INVALID when this terminal (TERM) is not one
 * that it knows. */
enum err screen_open(struct reason *why) MUST_USE;
void screen_close(void); /* the terminal is as before; nothing when none is open */

int screen_rows(void);
int screen_columns(void);
void screen_clear(void);
/* At most `width` columns of a text that anybody may have written, from there on: what is no
 * printable character is made visible (text_escape). Returns the column behind it. */
int screen_put(int row, int column, int width, int style, str text);
void screen_fill(int row, int column, int width, int style); /* blanks */
void screen_show(void);

#define SCREEN_NONE 0u
#define SCREEN_ENTER '\n'
#define SCREEN_ESCAPE 27u
#define SCREEN_ERASE 127u
#define SCREEN_UP 0x110001u /* above all characters */
#define SCREEN_DOWN 0x110002u
#define SCREEN_PAGE_UP 0x110003u
#define SCREEN_PAGE_DOWN 0x110004u
#define SCREEN_HOME 0x110005u
#define SCREEN_END 0x110006u
#define SCREEN_RESIZED 0x110007u
#define SCREEN_OTHER 0x110008u
/* Waits for a key, or for bytes at `wake` (a pipe, -1: none), or for timeout_ms (-1: for good), and
 * takes it. SCREEN_NONE: something else came. */
uint32_t screen_key(int wake, int timeout_ms);

#endif
