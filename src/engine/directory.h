/* directory.h -- the applications and endpoints of the sending side in memory: what a message is
 * fanned out over without asking the store. Read from the store at start, and told of each change
 * after its commit. Any thread.
 *
 * About 8 KiB an endpoint; the objects themselves are in the store, this is what planning needs. */
#ifndef GAFF_ENGINE_DIRECTORY_H
#define GAFF_ENGINE_DIRECTORY_H

#include "engine/endpoint.h"
#include "engine/engine.h"
#include "engine/event_type.h"

/* Whose applications those are when nobody says otherwise. */
#define DEFAULT_ORG "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

struct directory;

struct directory *directory_new(struct engine_core *core);
void directory_free(struct directory *d); /* accepts NULL */
/* Reads everything anew: at start, and when the settings of all endpoints changed. */
enum err directory_load(struct directory *d, struct reason *why);
/* An application, endpoint or event type was committed (or deleted); other kinds are passed over.
 * Lanes hear of it. */
void directory_apply(struct directory *d, const struct object *o);

struct application {
    str id, org, uid, name;
    size_t endpoints;
};
/* By id or uid within an organisation; slices in the arena. */
bool directory_application(struct directory *d, str org, str id_or_uid, struct arena *a,
                           struct application *out);
bool directory_application_by_id(struct directory *d, str id, struct arena *a,
                                 struct application *out);
/* What an application may do; NULL when there is none such; unref it. */
struct allowance *directory_allowance(struct directory *d, str application);
/* NULL when there is none; unref it. */
struct endpoint *directory_endpoint(struct directory *d, str id);
/* By id or uid within an application; unref it. */
struct endpoint *directory_find_endpoint(struct directory *d, str application, str id_or_uid);

/* NULL when messages of that type are not checked; unref it. */
struct event_type *directory_event_type(struct directory *d, str org, str name);

/* Those of an application: an array in the arena, each to be unref'd. False without memory, then
 * nothing is. */
bool directory_endpoints(struct directory *d, str application, struct arena *a,
                         struct endpoint ***out, size_t *count);

struct planned_endpoint {
    struct gate *gate; /* its name is the endpoint's id */
    uint64_t order_key;
};
/* Who of the application is to be told, by id; in the arena. False without memory. */
bool directory_plan(struct directory *d, str application, const struct message_facts *m,
                    struct arena *a, struct planned_endpoint **out, size_t *count);
size_t directory_count(struct directory *d);

#endif
