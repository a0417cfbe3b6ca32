/* hook_log.h -- the log lines of the drop-in, whose wording tools depend on, as
 * "[webhook] 2006/01/02 15:04:05 [id] text". Silent unless set up. Bytes that could drive a
 * terminal or forge a line are escaped. Any thread; one write a line. */
#ifndef GAFF_COMPAT_HOOK_LOG_H
#define GAFF_COMPAT_HOOK_LOG_H

#include "base/buf.h"

#define HOOK_LOG_LINE_MAX (1u << 20)

/* fd < 0: silent. */
void hook_log_setup(int fd);
bool hook_log_on(void);
/* "[id] " comes first unless id is empty. */
void hook_log(str id, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* With text behind the prefix in which line ends stay as they are: the output of a command. */
void hook_log_text(str id, const char *prefix, str text);
/* Lines "> [id] ..." of a dump. */
void hook_log_dump(char mark, str id, str text);

#endif
