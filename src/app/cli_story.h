/* cli_story.h -- one event, as GET /api/v1/events/{id} gives it, as lines of text. A line that
 * begins with "# " is a heading. What outsiders wrote stays as it is: escape it where it is shown.
 */
#ifndef GAFF_APP_CLI_STORY_H
#define GAFF_APP_CLI_STORY_H

#include "base/json.h"

void story_write(struct buf *out, struct arena *a, const struct json *event);

#endif
