/* Whole files and directories. */
#include "unit.h"

#include "base/fs.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static struct reason why;

static unsigned count_entries(const char *path)
{
    unsigned n = 0;
    DIR *dir = opendir(path);
    EXPECT(dir != NULL);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

void test_fs_write_then_read(void)
{
    struct arena a = {.max = 1 << 20};
    struct stat st;
    str bytes;
    EXPECT_OK(fs_write_atomic("file", STR("a\0b"), 0640, &why), why);
    EXPECT_OK(fs_read(&a, "file", 3, &bytes, &why), why);
    EXPECT_STR(bytes, "a\0b");
    EXPECT(stat("file", &st) == 0);
    EXPECT_EQ_INT(st.st_mode & 07777, 0640);
    EXPECT_OK(fs_write_atomic(unit_path("file"), STR(""), 0600, &why), why);
    EXPECT_OK(fs_read(&a, "file", 0, &bytes, &why), why);
    EXPECT_STR(bytes, "");
    EXPECT_EQ_UINT(count_entries("."), 1);
    arena_release(&a);
}

void test_fs_read_stops_at_max(void)
{
    struct arena a = {.max = 1 << 20};
    str bytes = STR("before");
    EXPECT_OK(fs_write_atomic("file", STR("12345"), 0600, &why), why);
    EXPECT_EQ_INT(fs_read(&a, "file", 4, &bytes, &why), ERR_LIMIT);
    EXPECT_CSTR(why.text, "file is larger than 4 bytes, the most that is read");
    EXPECT_STR(bytes, "before");
    struct arena small = {.max = 4};
    EXPECT_EQ_INT(fs_read(&small, "file", 100, &bytes, &why), ERR_LIMIT);
    arena_release(&small);
    arena_release(&a);
}

void test_fs_read_of_what_has_no_size(void)
{
    struct arena a = {.max = 1 << 20};
    str bytes;
    EXPECT_OK(fs_read(&a, "/proc/self/status", 1 << 16, &bytes, &why), why);
    EXPECT(str_starts(bytes, STR("Name:")));
    EXPECT_EQ_INT(fs_read(&a, "/dev/zero", 1 << 16, &bytes, &why), ERR_LIMIT);
    arena_release(&a);
}

void test_fs_read_says_what_is_wrong(void)
{
    struct arena a = {.max = 1 << 20};
    str bytes;
    EXPECT_EQ_INT(fs_read(&a, "absent", 10, &bytes, &why), ERR_NOT_FOUND);
    EXPECT_CSTR(why.text, "cannot open absent: No such file or directory");
    EXPECT_EQ_INT(fs_read(&a, ".", 10, &bytes, &why), ERR_IO);
    arena_release(&a);
}

void test_fs_write_that_fails_leaves_nothing_behind(void)
{
    EXPECT_EQ_INT(fs_write_atomic("absent/file", STR("x"), 0600, &why), ERR_NOT_FOUND);
    EXPECT_EQ_INT(mkdir("taken", 0700), 0);
    EXPECT_EQ_INT(fs_write_atomic("taken", STR("x"), 0600, &why), ERR_IO);
    EXPECT_EQ_UINT(count_entries("."), 1);
}

void test_fs_write_to_a_full_device(void)
{
    struct arena a = {.max = 100};
    str bytes;
    EXPECT_OK(fs_write_atomic("file", STR("old"), 0600, &why), why);
    EXPECT_OK(fs_read(&a, "file", 10, &bytes, &why), why);
    EXPECT_STR(bytes, "old");
    if (access("/dev/full", W_OK) != 0)
        SKIP("there is no /dev/full");
    /* What is beside /dev/full is /dev; no file of ours may stay there. */
    EXPECT(fs_write_atomic("/dev/full/x", STR("x"), 0600, &why) == ERR_NOT_FOUND);
    arena_release(&a);
}

void test_fs_mkdirs_makes_what_is_missing(void)
{
    struct stat st;
    EXPECT_OK(fs_mkdirs("a/b/c", &why), why);
    EXPECT(stat("a/b/c", &st) == 0 && S_ISDIR(st.st_mode));
    EXPECT_EQ_INT(st.st_mode & 0777, 0700);
    EXPECT_OK(fs_mkdirs("a/b/c", &why), why);
    EXPECT_OK(fs_mkdirs("a//b/d/", &why), why);
    EXPECT(fs_exists("a/b/d"));
    EXPECT_OK(fs_mkdirs(unit_path("x/y"), &why), why);
    EXPECT(fs_exists("x/y"));
    EXPECT_OK(fs_mkdirs(".", &why), why);
    EXPECT_OK(fs_write_atomic("a/file", STR(""), 0600, &why), why);
    EXPECT_EQ_INT(fs_mkdirs("a/file", &why), ERR_IO);
    EXPECT_HAS(why.text, "is no directory");
    EXPECT(fs_mkdirs("a/file/x", &why) != ERR_OK);
    EXPECT_EQ_INT(fs_mkdirs("", &why), ERR_INVALID);
}

void test_fs_sync_parent_and_exists(void)
{
    EXPECT_OK(fs_sync_parent("file", &why), why);
    EXPECT_OK(fs_sync_parent(unit_path("file"), &why), why);
    EXPECT_EQ_INT(fs_sync_parent("absent/file", &why), ERR_NOT_FOUND);
    EXPECT(fs_exists("."));
    EXPECT(!fs_exists("absent"));
}
