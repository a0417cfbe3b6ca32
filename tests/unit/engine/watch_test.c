/* watch_test.c -- every way a configuration is changed in practice, on a real directory and the
 * real kernel; and what must not count as a change. */
#include "engine/watch.h"

#include "base/fs.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

/* Long enough for a busy machine; a passing test waits only as long as the watch takes. */
#define PATIENCE_MS 15000

static struct loop *loop;
static struct config_watch *watch;
static int changes;

static void on_change(void *arg)
{
    UNUSED(arg);
    changes++;
}

static void on_patience(struct loop_timer *t)
{
    t->fn = NULL;
}

/* Turns the loop until a change was told or ms have passed; how many were told. */
static int wait_changes(int64_t ms)
{
    struct loop_timer patience = {0};
    int before = changes;
    loop_timer_start(loop, &patience, ms, on_patience);
    while (changes == before && patience.fn)
        loop_run_once(loop, true);
    loop_timer_stop(&patience);
    return changes - before;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(unit_path(name), "w");
    EXPECT(f);
    EXPECT(fputs(text, f) >= 0);
    EXPECT_EQ_INT(fclose(f), 0);
}

static void move(const char *from, const char *to)
{
    char source[512];
    snprintf(source, sizeof(source), "%s", unit_path(from));
    EXPECT_EQ_INT(rename(source, unit_path(to)), 0);
}

static void link_to(const char *target, const char *name)
{
    EXPECT_EQ_INT(symlink(target, unit_path(name)), 0);
}

static void begin(const char *path)
{
    loop = loop_new(clock_real());
    watch = config_watch_new(loop, unit_path(path), on_change, NULL);
}

static void end(void)
{
    config_watch_free(watch);
    loop_free(loop);
}

static void expect_change(void)
{
    EXPECT_EQ_INT(wait_changes(PATIENCE_MS), 1);
}

void test_config_watch_sees_a_write_in_place(void)
{
    write_file("gaff.yaml", "listen: a:1\n");
    begin("gaff.yaml");
    write_file("gaff.yaml", "listen: a:2\n");
    expect_change();
    end();
}

void test_config_watch_sees_an_atomic_rename(void)
{
    write_file("gaff.yaml", "listen: a:1\n");
    begin("gaff.yaml");
    write_file(".gaff.yaml.swp", "listen: a:2\n");
    move(".gaff.yaml.swp", "gaff.yaml");
    expect_change();
    /* And again: the watch is on the directory, not on the file that went. */
    write_file("new", "listen: a:3\n");
    move("new", "gaff.yaml");
    expect_change();
    end();
}

/* Kubernetes: gaff.yaml -> ..data/gaff.yaml, ..data -> ..1, and ..data is renamed over. */
void test_config_watch_sees_a_swapped_link(void)
{
    mkdir(unit_path("..1"), 0700);
    mkdir(unit_path("..2"), 0700);
    write_file("..1/gaff.yaml", "listen: a:1\n");
    write_file("..2/gaff.yaml", "listen: a:2\n");
    link_to("..1", "..data");
    link_to("..data/gaff.yaml", "gaff.yaml");
    begin("gaff.yaml");
    link_to("..2", "..tmp");
    move("..tmp", "..data");
    expect_change();
    end();
}

/* The directory itself is reached through a link, of which the kernel says nothing: the poll
 * finds out, and the directory that is there now is watched from then on. */
void test_config_watch_sees_a_swapped_directory(void)
{
    mkdir(unit_path("r1"), 0700);
    mkdir(unit_path("r2"), 0700);
    write_file("r1/gaff.yaml", "listen: a:1\n");
    write_file("r2/gaff.yaml", "listen: a:2\n");
    link_to("r1", "current");
    begin("current/gaff.yaml");
    link_to("r2", "next");
    move("next", "current");
    expect_change();
    write_file("r2/gaff.yaml", "listen: a:3\n");
    expect_change();
    end();
}

/* git checkout: the file is removed and made anew. */
void test_config_watch_sees_a_file_that_went_and_came(void)
{
    write_file("gaff.yaml", "listen: a:1\n");
    begin("gaff.yaml");
    unlink(unit_path("gaff.yaml"));
    expect_change();
    write_file("gaff.yaml", "listen: a:2\n");
    expect_change();
    end();
}

void test_config_watch_sees_other_files_of_the_configuration(void)
{
    mkdir(unit_path("secrets"), 0700);
    write_file("secrets/one", "old\n");
    write_file("gaff.yaml", "sources: { a: { provider: github, secret: \"${file:secrets/one}\" } "
                            "}\nlisten: { address: \"a:1\", tls: { cert: c.pem, key: k.pem } }\n");
    begin("gaff.yaml");
    write_file("secrets/one", "new\n");
    expect_change();
    mkdir(unit_path("conf.d"), 0700);
    write_file("conf.d/a.yaml", "sources: { b: { provider: none } }\n");
    expect_change();
    write_file("conf.d/a.yaml", "sources: { b: { provider: github } }\n");
    expect_change();
    write_file("c.pem", "certificate\n");
    expect_change();
    unlink(unit_path("conf.d/a.yaml"));
    expect_change();
    end();
}

/* A configuration that is wrong still says which files matter. */
void test_config_watch_sees_a_missing_secret_arrive(void)
{
    write_file("gaff.yaml", "nonsense: 1\nsources: { a: { secret: \"${file:later}\" } }\n");
    begin("gaff.yaml");
    write_file("later", "secret\n");
    expect_change();
    end();
}

void test_config_watch_ignores_what_changes_nothing(void)
{
    write_file("gaff.yaml", "listen: a:1\n");
    begin("gaff.yaml");
    write_file("gaff.yaml", "listen: a:1\n"); /* the same bytes */
    write_file("other.txt", "x");
    mkdir(unit_path("gaff-data"), 0700);
    write_file("gaff-data/journal", "x");
    EXPECT_EQ_INT(wait_changes(3 * CONFIG_WATCH_STILL_MS), 0);
    end();
}

/* Many writes in a row, the last of which is what counts: one call, after they have ended. */
static int writes_left;

static void on_write(struct loop_timer *t)
{
    char text[64];
    snprintf(text, sizeof(text), "listen: a:%d\n", 100 + writes_left);
    write_file("gaff.yaml", text);
    if (--writes_left)
        loop_timer_start(loop, t, CONFIG_WATCH_STILL_MS / 4, on_write);
}

void test_config_watch_waits_until_writes_have_ended(void)
{
    struct loop_timer writer = {0};
    write_file("gaff.yaml", "listen: a:1\n");
    begin("gaff.yaml");
    writes_left = 12;
    loop_timer_start(loop, &writer, 0, on_write);
    expect_change();
    EXPECT_EQ_INT(writes_left, 0);
    EXPECT_EQ_INT(wait_changes(3 * CONFIG_WATCH_STILL_MS), 0);
    end();
}

void test_config_watch_calls_back_at_the_expected_time(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 1000000);
    write_file("gaff.yaml", "listen: a:1\n");
    loop = loop_new(&clock.base);
    watch = config_watch_new(loop, unit_path("gaff.yaml"), on_change, NULL);
    config_watch_expect(watch, 1000000 + 5000);
    for (int i = 0; i < 2; i++) {
        clock_fake_advance(&clock, CONFIG_WATCH_POLL_MS);
        loop_run_once(loop, false);
    }
    EXPECT_EQ_INT(changes, 0);
    for (int i = 0; i < 4; i++) {
        clock_fake_advance(&clock, CONFIG_WATCH_POLL_MS);
        loop_run_once(loop, false);
    }
    EXPECT_EQ_INT(changes, 1);
    end();
}
