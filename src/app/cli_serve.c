/* cli_serve.c -- the verbs about this machine: serve, check, doctor, version. */
#include "app/cli.h"
#include "app/daemon.h"

#include "action/runner_sandbox.h"
#include "engine/config.h"
#include "gaff.h"
#include "http/client.h"
#include "store/store.h"

#include <fcntl.h>
#include <llhttp.h>
#include <openssl/opensslv.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <uv.h>

int cli_serve(struct cli *c)
{
    return daemon_run(cli_config_path(c), cli_flag(c, "first-steps"));
}

static struct config *load(const char *path, size_t *errors, size_t *warnings)
{
    struct problems problems = {0};
    struct config *config = config_load(path, NULL, &problems);
    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "%s\n", problems.v[i].text);
    *errors = problems.errors;
    *warnings = problems.count > problems.errors ? problems.count - problems.errors : 0;
    problems_release(&problems);
    return config;
}

int cli_check(struct cli *c)
{
    const char *path = cli_config_path(c);
    size_t errors, warnings;
    if (!path)
        return cli_error(CLI_USAGE, "no configuration: name one with --config");
    struct config *config = load(path, &errors, &warnings);
    if (!config) {
        fprintf(stderr, "%s: %zu error%s\n", path, errors, errors == 1 ? "" : "s");
        return EXIT_CONFIG;
    }
    if (cli_flag(c, "show")) {
        struct buf out;
        buf_init(&out, 8u << 20);
        config_describe(config, &out);
        fwrite(buf_str(&out).p, 1, out.len, stdout);
        buf_release(&out);
    } else {
        printf("%s: ok: %zu source%s, %zu destination%s, %zu route%s\n", path, config->source_count,
               config->source_count == 1 ? "" : "s", config->destination_count,
               config->destination_count == 1 ? "" : "s", config->route_count,
               config->route_count == 1 ? "" : "s");
    }
    config_unref(config);
    return CLI_OK;
}

int cli_version(struct cli *c)
{
    UNUSED(c);
    printf("gaff %s\nlibuv %s\nllhttp %d.%d.%d\nSQLite %s\nOpenSSL %s\n%s\n", GAFF_VERSION,
           uv_version_string(), LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH,
           sqlite3_libversion(), OPENSSL_VERSION_TEXT, http_client_library());
    return CLI_OK;
}

/* --- doctor ---------------------------------------------------------------------------------- */

static void tell(struct cli *c, bool good, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void tell(struct cli *c, bool good, const char *fmt, ...)
{
    va_list args;
    printf("%s%s%s ", cli_color(c, good ? "green" : "red"), good ? "ok  " : "BAD ",
           cli_color(c, "off"));
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static double sync_ms(const char *directory)
{
    char path[4096], page[4096] = {0};
    snprintf(path, sizeof(path), "%s/.gaff-doctor", directory);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int64_t start = clock_mono_ns(clock_real());
    int rounds = 20;
    for (int i = 0; i < rounds; i++)
        if (write(fd, page, sizeof(page)) < 0 || fdatasync(fd) != 0)
            rounds = 0;
    double ms = (double)(clock_mono_ns(clock_real()) - start) / 1e6;
    close(fd);
    unlink(path);
    return rounds ? ms / rounds : -1;
}

static bool look_at_disk(struct cli *c, const struct config *config)
{
    struct statvfs fs;
    const char *where = config ? config->directory : ".";
    double ms = sync_ms(where);
    if (statvfs(where, &fs) != 0) {
        tell(c, false, "disk: cannot look at %s", where);
        return false;
    }
    double free_gib = (double)fs.f_bavail * (double)fs.f_frsize / (double)(1u << 30);
    tell(c, free_gib > 1, "disk: %.1f GiB free at %s", free_gib, where);
    tell(c, ms >= 0,
         "disk: %.2f ms for a write that is on disk (each group of events waits so "
         "long)",
         ms);
    return free_gib > 1 && ms >= 0;
}

static bool look_at_clock(struct cli *c)
{
    /* Signatures with timestamps are refused beyond five minutes of difference. */
    int64_t now = clock_wall_ms(clock_real());
    char text[CLOCK_TEXT_MAX];
    bool plausible = now > 1700000000000;
    str shown = clock_format(now, text);
    tell(c, plausible, "clock: " STR_FMT, STR_ARG(shown));
    return plausible;
}

static bool look_at_daemon(struct cli *c)
{
    struct json_doc *doc;
    int code = cli_call(c, "GET", "/api/v1/status", NULL, &doc);
    if (code != CLI_OK) {
        tell(c, false, "daemon: not reachable");
        return false;
    }
    str state = json_str(json_get(json_root(doc), STR("state")));
    bool ready = str_eq(state, STR("ready"));
    tell(c, ready, "daemon: " STR_FMT ", " STR_FMT " events, " STR_FMT " dead letters",
         STR_ARG(state), STR_ARG(json_text(&c->arena, json_get(json_root(doc), STR("events")))),
         STR_ARG(json_text(&c->arena, json_path(json_root(doc), STR("deliveries.dead")))));
    json_doc_free(doc);
    return ready;
}

struct inspection {
    struct cli *c;
    bool good;
};

static void tell_of_store(bool good, str line, void *arg)
{
    struct inspection *i = arg;
    tell(i->c, good, STR_FMT, STR_ARG(line));
    i->good = i->good && good;
}

static bool look_at_store(struct cli *c, const struct config *config)
{
    struct inspection i = {c, true};
    struct reason why = {0};
    if (config && store_inspect(config->store, tell_of_store, &i, &why) != ERR_OK) {
        tell(c, false, "store: %s", why.text);
        return false;
    }
    return i.good;
}

/* No trouble by itself: only who asks for a sandbox needs one. */
static void look_at_walls(struct cli *c)
{
    const char *missing = sandbox_missing();
    if (missing)
        tell(c, true, "sandbox: not here: %s; commands that ask for one are refused", missing);
    else
        tell(c, true, "sandbox: Landlock and seccomp");
}

int cli_doctor(struct cli *c)
{
    const char *path = cli_config_path(c);
    size_t errors = 0, warnings = 0;
    struct config *config = path ? load(path, &errors, &warnings) : NULL;
    if (path)
        tell(c, config != NULL, "configuration: %s, %zu errors, %zu warnings", path, errors,
             warnings);
    else
        tell(c, false, "configuration: none found");
    tell(c, true, "SQLite %s, libuv %s", sqlite3_libversion(), uv_version_string());
    bool good = config != NULL;
    good = look_at_disk(c, config) && good;
    good = look_at_store(c, config) && good;
    good = look_at_clock(c) && good;
    look_at_walls(c);
    good = look_at_daemon(c) && good;
    config_unref(config);
    return good ? CLI_OK : CLI_FAILED;
}
