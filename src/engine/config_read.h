/* config_read.h -- what the readers of the parts of gaff.yaml share; for config*.c only.
 *
 * A load goes: files -> references -> settings -> sources -> destinations -> routes -> checks.
 * Each reports into the same list and goes on, so that one run shows everything. The caps below
 * and those of yaml.h bound what a load takes, so that the snapshot's arena never runs out. */
#ifndef GAFF_ENGINE_CONFIG_READ_H
#define GAFF_ENGINE_CONFIG_READ_H

#include "engine/config.h"

#define CONFIG_OBJECTS_MAX 10000u /* sources, destinations, routes: of each */
#define CONFIG_FILES_MAX 256u     /* in conf.d */
#define CONFIG_ARENA_MAX (1u << 30)
#define REFERENCE_BYTES_MAX 65536u     /* one ${file:} */
#define REFERENCE_TOTAL_MAX (8u << 20) /* all expanded text */
#define CONFIG_NAME_MAX 63u
#define ORIGINS_MAX 32 /* of pages that may hold the portal */

struct config_reader {
    struct config *config;
    struct arena *arena; /* the snapshot's */
    struct problems *problems;
    size_t expanded_bytes; /* by references so far */
};

/* Zeroed memory of the snapshot. */
void *config_take(struct config_reader *r, size_t n);
#define CONFIG_NEW(r, type) ((type *)config_take((r), sizeof(type)))
#define CONFIG_ARRAY(r, type, count) ((type *)config_take((r), sizeof(type) * ((count) + 1)))

/* config_files.c: the file (or text in its place) with conf.d merged in; NULL with problems. */
struct yaml *config_files_read(struct config_reader *r, const str *text);
/* Adds the sources, destinations and routes of a program's own text to the tree; its other
 * settings replace the tree's. */
void config_files_lay_over(struct config_reader *r, struct yaml *tree, str text,
                           const char *origin);
/* Adds or replaces a member of a map. */
void yaml_put(struct yaml *map, struct yaml *member);
/* relative to directory, absolute when directory is; cut to an arena string. */
char *config_path(struct arena *a, const char *directory, str path);
/* The absolute directory of a configuration file's path, as written (links are not followed). */
char *config_directory(struct arena *a, const char *path);

/* config_refs.c: replaces ${...} in every scalar below node, once. */
void config_refs_resolve(struct config_reader *r, struct yaml *node);
/* Calls fn with the path of every ${file:} and ${cred:} of written text. */
void config_refs_files(struct arena *a, const char *directory, str text,
                       void (*fn)(const char *path, void *arg), void *arg);

/* config_settings.c */
void config_settings_defaults(struct config_reader *r);
/* Puts GAFF_* variables of the environment into the tree, over what the files say. */
void config_settings_environment(struct config_reader *r);
/* Reads all scalars of the table, checks the keys of the top level and its groups. */
void config_settings_read(struct config_reader *r);
void config_settings_describe(const struct config *c, struct buf *out);

/* config_describe.c: "  # gaff.yaml:3" or "  # default", and the end of the line. */
void config_origin_describe(const struct yaml *node, struct buf *out);

/* config_listen.c */
void config_listen_read(struct config_reader *r, const struct yaml *node,
                        struct listen_config **out, size_t *count);
struct listen_config *config_listen_default(struct config_reader *r, const char *address);
void config_listen_check_admin(struct config_reader *r, const struct yaml *node);

/* One file each: */
void config_sources_read(struct config_reader *r, const struct yaml *node);
/* True when the source is a schedule; then it is read whole. */
bool config_cron_read(struct config_reader *r, const struct yaml *node,
                      struct source_config *source);
void config_ack_read(struct config_reader *r, const struct yaml *node,
                     struct source_config *source);
/* The jq programs of a route or a destination. */
void config_filter_read(struct config_reader *r, const struct yaml *node, str *where,
                        str *transform);
void config_destinations_read(struct config_reader *r, const struct yaml *node);
/* config_hub.c */
extern const char *const hub_publish_words[]; /* by enum hub_publishers; NULL-terminated */
void config_hub_read(struct config_reader *r, const struct yaml *node);
void config_routes_read(struct config_reader *r, const struct yaml *node);
void config_check(struct config_reader *r);

/* [a-z0-9][a-z0-9_-]{0,62}; reports at the key. */
bool config_name_check(struct config_reader *r, const struct yaml *node, const char *what);
bool config_name_valid(str name);
/* A list of CIDR ranges. */
bool config_nets_read(struct config_reader *r, const struct yaml *node, struct net **out,
                      size_t *count);
/* A list of origins of pages ("https://app.example.com:8443"), as one text with blanks between. */
bool config_origins_read(struct config_reader *r, const struct yaml *node, str *out);
/* 0..1 as "0.1". */
bool config_fraction_read(struct config_reader *r, const struct yaml *node, double *out);

#endif
