/* config_files.h -- which files and directories a configuration is made of, for watch.h. */
#ifndef GAFF_ENGINE_CONFIG_FILES_H
#define GAFF_ENGINE_CONFIG_FILES_H

#include "base/arena.h"

#define INVOLVED_FILES_MAX 4096u

/* The file itself, conf.d and its files, what ${file:} and ${cred:} name, TLS certificates and
 * keys, provider files of the user's own; also when the configuration is wrong or files are
 * missing. In the arena; returns how many. Reads the YAML files. */
size_t config_files_involved(struct arena *a, const char *path, const char ***out);

/* The directory of the user's own provider files that goes with the configuration at path: what it
 * calls `presets`, else presets.d beside it. Need not exist. In the arena. */
const char *config_presets_directory(struct arena *a, const char *path);

#endif
