/* objects.h -- one change of a stored object, made by the calling thread and durable on return. */
#ifndef GAFF_ENGINE_OBJECTS_H
#define GAFF_ENGINE_OBJECTS_H

#include "engine/engine.h"

/* `o` has kind, id and doc, and what else is wanted; its version and times are set. ERR_CONFLICT
 * when another version than `expect` is there (store.h), or the name is taken. */
enum err object_put(struct engine_core *core, struct object *o, uint64_t expect,
                    struct reason *why) MUST_USE;
/* The same for an object whose times are kept as they are. */
enum err object_replace(struct engine_core *core, struct object *o, uint64_t expect,
                        struct reason *why) MUST_USE;
/* ERR_NOT_FOUND when it is not there. */
enum err object_delete(struct engine_core *core, struct store_reader *r, str kind, str id,
                       struct reason *why) MUST_USE;

#endif
