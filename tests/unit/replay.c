/* replay.c -- the files of a corpus, each in memory of just its size: a read beyond it is seen by
 * the sanitizers. */
#include "replay.h"

#include "base/fs.h"
#include "base/log.h"
#include "unit.h"

#include <dirent.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX (1u << 20)

static int is_input(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void replay_file(const char *path, replay_one *one)
{
    struct arena a;
    struct reason why = {.text = ""};
    str bytes;
    arena_init(&a, 2 * INPUT_BYTES_MAX);
    EXPECT_OK(fs_read(&a, path, INPUT_BYTES_MAX, &bytes, &why), why);
    uint8_t *copy = xmalloc(bytes.n ? bytes.n : 1);
    memcpy(copy, bytes.p, bytes.n);
    fprintf(stderr, "%s\n", path);
    EXPECT_EQ_INT(one(copy, bytes.n), 0);
    free(copy);
    arena_release(&a);
}

void replay(const char *name, replay_begin *begin, replay_one *one)
{
    char folder[128], path[512];
    struct dirent **names;
    int argc = 0;
    char **argv = NULL;
    bool is_provider = strcmp(name, "provider") == 0;
    snprintf(folder, sizeof(folder), is_provider ? "presets/providers" : "fuzz/corpus/%s", name);
    int n = scandir(unit_source_path(folder), &names, is_input, alphasort);
    if (n <= 0)
        FAIL("%s: no input", folder);
    if (begin)
        EXPECT_EQ_INT(begin(&argc, &argv), 0);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        replay_file(unit_source_path(path), one);
        free(names[i]);
    }
    free(names);
}
