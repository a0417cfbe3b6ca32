/* operational.h -- events about the sending side itself, for who operates it: an endpoint came,
 * went or was disabled; a message is failing, was given up on, or got through after all. They are
 * ordinary messages to the application of MANAGEMENT_ORG whose uid is the organisation. */
#ifndef GAFF_ENGINE_OPERATIONAL_H
#define GAFF_ENGINE_OPERATIONAL_H

#include "engine/app_message.h"

/* Whose applications listen to organisations: each has the organisation as its uid. */
#define MANAGEMENT_ORG "org_00000000000SvixManagement00"
#define OPERATIONAL_FAILING_AT 4 /* the failed attempt that is told of */

extern const char *const operational_types[]; /* NULL-terminated */
bool operational_type_exists(str name);

/* Plans {"type":...,"data":...} for who listens to the organisation of an application; `more` is
 * further members of data, each as ",\"name\":value". endpoint_uid may be empty. False when nobody
 * listens; then nothing is planned. In the arena, as app_message_plan. */
bool operational_plan(struct engine_core *core, str application, const char *type, str endpoint,
                      str endpoint_uid, str more, struct arena *a, struct app_message_plan *out);

#endif
