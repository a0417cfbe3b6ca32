/* The texts in the binary are those of the source tree. */
#include "unit.h"

#include "base/embed.h"
#include "base/fs.h"

#define BYTES_MAX (1u << 20)

void test_embed_gives_every_file_as_it_is_in_the_tree(void)
{
    struct arena a;
    struct reason why;
    arena_init(&a, 2 * BYTES_MAX);
    EXPECT(packed_count > 400);
    for (size_t i = 0; i < packed_count; i++) {
        const char *name = packed_files[i].name, *root = "presets";
        if (str_starts(str_from_cstr(name), STR("schema/")))
            root = "src/store";
        str path = arena_printf(&a, "%s/%s", root, name), want;
        EXPECT_OK(fs_read(&a, unit_source_path(arena_cstr(&a, path)), BYTES_MAX, &want, &why), why);
        str text = packed_text(&a, &packed_files[i]);
        EXPECT_EQ_STR(text, want);
        EXPECT(text.p[text.n] == '\0');
        arena_reset(&a);
    }
    arena_release(&a);
}

void test_embed_a_full_arena_gives_no_text(void)
{
    struct arena a;
    arena_init(&a, 16);
    EXPECT_NONE(packed_text(&a, &packed_files[0]));
    arena_release(&a);
}
