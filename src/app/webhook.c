/* webhook.c -- the life of `gaff webhook`, in the order of the program it stands in for: flags,
 * listener, privileges, log, pid file, hooks, serving. One loop; signals are taken by a thread of
 * their own. TERM and INT end it at once: nothing is drained, and commands that run go on. */
#include "app/webhook.h"

#include "base/fs.h"
#include "base/log.h"
#include "app/systemd.h"
#include "app/webhook_durable.h"
#include "app/webhook_flags.h"
#include "compat/hook_log.h"
#include "compat/hook_server.h"
#include "engine/watch.h"
#include "gaff.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define HEADER_BYTES_MAX (1 << 20)
#define HEADER_COUNT_MAX 500
#define REQUEST_LINE_MAX (1 << 16)

struct webhook;

struct file_watch { /* of one hooks file */
    struct webhook *webhook;
    size_t file;
    struct config_watch *watch;
};

struct webhook {
    struct arena arena;
    struct webhook_flags flags;
    struct hook_set set;
    struct hook_server hooks;
    struct loop *loop;
    struct http_server *server;
    struct webhook_durable *durable; /* NULL: nothing is stored */
    struct file_watch watches[HOOK_FILES_MAX];
    struct loop_msg reload;
    pthread_t signals;
};

/* --- small things ---------------------------------------------------------------------------- */

/* On stdout, for without -verbose there is no log. */
static void say_no_hooks(void)
{
    hook_log_setup(STDOUT_FILENO);
    hook_log_text(
        STR(""), "",
        STR("couldn't load any hooks from file!\n"
            "aborting webhook execution since the -verbose flag is set to false.\n"
            "If, for some reason, you want webhook to start without the hooks, either use "
            "-verbose flag, or -nopanic"));
}

static bool may_be_empty(const struct webhook *w)
{
    return w->flags.verbose || w->flags.nopanic;
}

/* "post , put" as POST and PUT. */
static void split_methods(struct webhook *w)
{
    str rest = str_from_cstr(w->flags.http_methods ? w->flags.http_methods : "");
    char *text = arena_alloc(&w->arena, rest.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] != ' ')
            text[n++] = (char)(rest.p[i] >= 'a' && rest.p[i] <= 'z' ? rest.p[i] - 32 : rest.p[i]);
    rest = str_of(text, n);
    w->hooks.methods = ARENA_ARRAY(&w->arena, str, n + 1);
    while (n && rest.p)
        w->hooks.methods[w->hooks.method_count++] = str_cut(&rest, ',');
}

/* --- the pid file ---------------------------------------------------------------------------- */

static bool is_alive(str text)
{
    uint64_t pid;
    char path[64];
    if (!str_to_u64(str_trim(text), &pid) || pid == 0)
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)pid);
    return fs_exists(path);
}

/* False when the process in it is alive, or it cannot be written. */
static bool write_pid_file(struct webhook *w)
{
    struct reason why = {0};
    str old;
    const char *path = w->flags.pidfile;
    if (fs_read(&w->arena, path, 4096, &old, NULL) == ERR_OK && is_alive(old)) {
        hook_log(STR(""),
                 "Error creating pidfile: pid file found, ensure webhook is not running "
                 "or delete %s",
                 path);
        return false;
    }
    str directory = str_from_cstr(path);
    while (directory.n && directory.p[directory.n - 1] != '/')
        directory.n--;
    str pid = arena_printf(&w->arena, "%d", (int)getpid());
    const char *parent = arena_cstr(&w->arena, directory);
    if ((directory.n && fs_mkdirs(parent, &why) != ERR_OK) ||
        fs_write_atomic(path, pid, 0600, &why) != ERR_OK) {
        hook_log(STR(""), "Error creating pidfile: %s", why.text);
        return false;
    }
    return true;
}

/* --- signals --------------------------------------------------------------------------------- */

static void watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

static void *signals_main(void *arg)
{
    struct webhook *w = arg;
    sigset_t set;
    int number;
    watched_signals(&set);
    for (;;) {
        if (sigwait(&set, &number) != 0)
            continue;
        if (number == SIGHUP || number == SIGUSR1) {
            hook_log(STR(""), "caught %s signal",
                     number == SIGHUP ? "hangup" : "user defined signal 1");
            loop_post(w->loop, &w->reload);
            continue;
        }
        hook_log(STR(""), "caught %s signal; exiting",
                 number == SIGINT ? "interrupt" : "terminated");
        if (w->flags.pidfile)
            (void)unlink(w->flags.pidfile);
        if (w->flags.socket)
            (void)unlink(w->flags.socket);
        if (w->durable)
            webhook_durable_end(w->durable);

        _exit(0);
    }
}

static void on_reload(struct loop_msg *msg)
{
    struct webhook *w = CONTAINER_OF(msg, struct webhook, reload);
    for (size_t i = 0; i < w->set.count; i++)
        hook_set_reload(&w->set, i);
    if (w->durable)
        webhook_durable_reload(w->durable);
}

/* --- hot reload ------------------------------------------------------------------------------ */

static void on_file_changed(void *arg)
{
    struct file_watch *f = arg;
    struct webhook *w = f->webhook;
    if (fs_exists(w->set.paths[f->file])) {
        hook_log(STR(""), "hooks file %s modified", w->set.paths[f->file]);
        hook_set_reload(&w->set, f->file);
    } else {
        hook_log(STR(""),
                 "hooks file %s removed, no longer watching this file for changes, "
                 "removing hooks that were loaded from it",
                 w->set.paths[f->file]);
        hook_set_remove(&w->set, f->file);
        if (hook_set_size(&w->set) == 0 && !may_be_empty(w)) {
            say_no_hooks();
            _exit(1);
        }
    }
    if (w->durable)
        webhook_durable_reload(w->durable);
}

static void watch_files(struct webhook *w)
{
    for (size_t i = 0; i < w->set.count; i++) {
        w->watches[i] = (struct file_watch){.webhook = w, .file = i};
        w->watches[i].watch =
            config_watch_new(w->loop, w->set.paths[i], on_file_changed, &w->watches[i]);
    }
}

/* --- start ----------------------------------------------------------------------------------- */

/* A socket that systemd passed goes first, then -socket, then -ip and -port. */
static const char *listen_address(struct webhook *w)
{
    const struct webhook_flags *f = &w->flags;
    struct arena *a = &w->arena;
    int fd = systemd_only_fd();
    if (fd >= 0)
        return arena_printf(a, "fd:%d", fd).p;
    if (f->socket)
        return arena_printf(a, "unix:%s", f->socket).p;
    /* As Go does: all addresses of both families. */
    bool any = !f->ip[0] || (strcmp(f->ip, "0.0.0.0") == 0 && fs_exists("/proc/net/if_inet6"));
    bool is_v6 = strchr(f->ip, ':') != NULL;
    return arena_printf(a, is_v6 ? "[%s]:%lld" : "%s:%lld", any ? "[::]" : f->ip,
                        (long long)f->port)
        .p;
}

static struct http_server *listen_here(struct webhook *w, struct reason *why)
{
    const struct webhook_flags *f = &w->flags;
    struct http_server_options o = {
        .listen = listen_address(w),
        .tls_cert_file = f->secure ? f->cert : NULL,
        .tls_key_file = f->secure ? f->key : NULL,
        .tls_policy = {.only_1_3 = strcmp(f->tls_min, "1.3") == 0, .ciphers = f->ciphers},
        .limits = {.body_bytes_max = f->durable && f->body_max > WEBHOOK_DURABLE_BODY_MAX
                                         ? WEBHOOK_DURABLE_BODY_MAX
                                         : f->body_max,
                   .header_bytes_max = HEADER_BYTES_MAX,
                   .header_count_max = HEADER_COUNT_MAX,
                   .request_line_max = REQUEST_LINE_MAX},
        .handler = hook_server_handle,
        .refusal = hook_server_refuse,
        .any_method = true,
        .arg = &w->hooks,
    };
    return http_server_new(w->loop, &o, why);
}

/* 0, or the exit code. */
static int drop_privileges(const struct webhook_flags *f)
{
    if (!f->setuid)
        return 0;
    if (setgroups(0, NULL) != 0 || setgid((gid_t)f->setgid) != 0 || setuid((uid_t)f->setuid) != 0) {
        fprintf(stderr, "[webhook] error dropping privileges: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}

static int open_log(const struct webhook_flags *f)
{
    if (!f->logfile)
        return STDERR_FILENO;
    int fd = open(f->logfile, O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        fprintf(stderr, "[webhook] error opening log file \"%s\": %s\n", f->logfile,
                strerror(errno));
    return fd;
}

static void print_cipher(const char *name, bool is_1_3, void *only_1_3)
{
    if (is_1_3 || !*(bool *)only_1_3)
        puts(name);
}

static int list_ciphers(const char *least)
{
    bool only_1_3 = strcmp(least, "1.3") == 0;
    tls_ciphers_list(print_cipher, &only_1_3);
    return 0;
}

static bool ciphers_are_known(const char *ciphers)
{
    struct reason why = {0};
    if (!ciphers || tls_ciphers_check(ciphers, &why) == ERR_OK)
        return true;
    hook_log(STR(""), "error: %s", why.text);
    return false;
}

static bool tls_version_is_known(const char *v)
{
    static const char *const known[] = {"1.0", "1.1", "1.2", "1.3"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(v, known[i]) == 0)
            return true;
    hook_log(STR(""), "error: unknown minimum TLS version: %s", v);
    return false;
}

static void fill_server(struct webhook *w)
{
    const struct webhook_flags *f = &w->flags;
    w->hooks.set = &w->set;
    w->hooks.loop = w->loop;
    w->hooks.url_prefix = f->url_prefix;
    w->hooks.headers = f->headers;
    w->hooks.header_count = f->header_count;
    w->hooks.use_request_id = f->use_request_id;
    w->hooks.request_id_max = f->request_id_max > 0 ? (size_t)f->request_id_max : 0;
    w->hooks.debug = f->debug;
    split_methods(w);
}

/* Loads the hooks. 0, or the exit code. */
static int load_hooks(struct webhook *w)
{
    const struct webhook_flags *f = &w->flags;
    w->set.as_template = f->as_template;
    w->set.count = f->hook_count;
    memcpy(w->set.paths, f->hooks, sizeof(w->set.paths));
    if (!hook_set_load(&w->set))
        return 1;
    if (hook_set_size(&w->set) == 0 && !may_be_empty(w)) {
        say_no_hooks();
        return 1;
    }
    return 0;
}

static void announce(const struct webhook *w)
{
    const struct webhook_flags *f = &w->flags;
    const char *slash = f->url_prefix[0] ? "/" : "";
    if (f->socket)
        hook_log(STR(""), "serving hooks on unix:%s%s%s/{id}", f->socket, slash, f->url_prefix);
    else
        hook_log(STR(""), "serving hooks on http%s://%s:%lld%s%s/{id}", f->secure ? "s" : "", f->ip,
                 (long long)f->port, slash, f->url_prefix);
}

static void serve(struct webhook *w)
{
    w->reload.fn = on_reload;
    if (pthread_create(&w->signals, NULL, signals_main, w) != 0)
        die("cannot start the signal thread");
    hook_log(STR(""), "os signal watcher ready");
    if (w->flags.hotreload)
        watch_files(w);
    announce(w);
    http_server_start(w->server);
    loop_run(w->loop);
}

/* From the listener on. Returns the exit code; a program that serves ends by a signal. */
static int start(struct webhook *w)
{
    const struct webhook_flags *f = &w->flags;
    struct reason why = {0}, tls = {0};
    w->loop = loop_new(clock_real());
    fill_server(w);
    w->server = listen_here(w, &why);
    /* A certificate that cannot be read ends the program only when it would begin to serve. */
    if (!w->server && f->secure && why.code == ERR_INVALID)
        tls = why;
    int privileges = drop_privileges(f);
    int log = open_log(f);
    if (privileges || log < 0)
        return 1;
    if (!w->server && !tls.text[0]) {
        fprintf(stderr, "[webhook] error listening on port: %s\n", why.text);
        return 1;
    }
    hook_log_setup(f->verbose ? log : -1);
    if (f->pidfile && !write_pid_file(w))
        return 1;
    hook_log(STR(""), "version %s starting", GAFF_VERSION);
    hook_log(STR(""), "setting up os signal watcher");
    int code = load_hooks(w);
    if (code)
        return code;
    if (f->secure && (!ciphers_are_known(f->ciphers) || !tls_version_is_known(f->tls_min)))
        return 1;
    if (tls.text[0]) {
        hook_log(STR(""), "%s", tls.text);
        return 0;
    }
    struct runner_link *link = runner_launch_plain(&why);
    if (!link)
        return 1;
    w->hooks.runner = runner_attach(link, w->loop);
    if (f->durable) {
        w->durable = webhook_durable_new(&w->hooks, f->data, f->admin, &why);
        if (!w->durable) {
            fprintf(stderr, "[webhook] -durable: %s\n", why.text);
            return 1;
        }
    }
    serve(w);
    return 0;
}

int webhook_main(int argc, char **argv)
{
    static struct webhook w;
    sigset_t set;
    arena_init(&w.arena, 1u << 20);
    int code = webhook_flags_read(&w.flags, &w.arena, argc, argv);
    if (code >= 0)
        return code;
    if (w.flags.version) {
        printf("webhook version %s\n", GAFF_VERSION);
        return 0;
    }
    if (w.flags.list_ciphers)
        return list_ciphers(w.flags.tls_min);
    if ((w.flags.setuid != 0) != (w.flags.setgid != 0)) {
        puts("error: setuid and setgid options must be used together");
        return 1;
    }
    if (w.flags.socket && w.flags.socket[0] == '@') {
        puts("error: sockets without a file (a name that begins with @) are not supported");
        return 1;
    }
    if (w.flags.socket && w.flags.setuid) {
        puts("error: setuid and setgid options are not supported together with socket");
        return 1;
    }
    watched_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return start(&w);
}
