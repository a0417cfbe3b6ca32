/* webhook_flags.c -- a table of flags; the usage is made from it. */
#include "app/webhook_flags.h"

#include <stdio.h>

enum flag_kind { FLAG_STRING, FLAG_BOOL, FLAG_INT, FLAG_HOOKS, FLAG_HEADER };

struct flag {
    const char *name;
    enum flag_kind kind;
    size_t at;
    const char *fallback; /* as text; NULL: none */
    const char *usage;
};

#define FLAG(name, kind, member, fallback, usage)                                                  \
    {                                                                                              \
        name, kind, offsetof(struct webhook_flags, member), fallback, usage                        \
    }
static const struct flag flags[] = {
    FLAG("admin", FLAG_STRING, admin, "127.0.0.1:8081",
         "where the API listens with -durable (gaff events, gaff replay)"),
    FLAG("cert", FLAG_STRING, cert, "cert.pem", "path to the HTTPS certificate pem file"),
    FLAG("cipher-suites", FLAG_STRING, ciphers, NULL,
         "comma-separated list of supported TLS cipher suites"),
    FLAG("data", FLAG_STRING, data, "gaff-data", "where -durable keeps what it received"),
    FLAG("debug", FLAG_BOOL, debug, NULL, "show debug output"),
    FLAG("durable", FLAG_BOOL, durable, NULL,
         "store each triggered request before it is answered; its command runs after that, and "
         "again when it fails"),
    FLAG("header", FLAG_HEADER, headers, NULL,
         "response header to return, as name=value; use multiple times to set multiple headers"),
    FLAG("hooks", FLAG_HOOKS, hooks, NULL,
         "path to a file with hooks; use multiple times to load from different files"),
    FLAG("hotreload", FLAG_BOOL, hotreload, NULL,
         "watch hooks file for changes and reload them automatically"),
    FLAG("http-methods", FLAG_STRING, http_methods, NULL,
         "set default allowed HTTP methods (ie. \"POST\"); separate methods with comma"),
    FLAG("ip", FLAG_STRING, ip, "0.0.0.0", "ip the webhook should serve hooks on"),
    FLAG("key", FLAG_STRING, key, "key.pem", "path to the HTTPS certificate private key pem file"),
    FLAG("list-cipher-suites", FLAG_BOOL, list_ciphers, NULL, "list available TLS cipher suites"),
    FLAG("logfile", FLAG_STRING, logfile, NULL,
         "send log output to a file; implicitly enables verbose logging"),
    FLAG("max-body-bytes", FLAG_INT, body_max, "67108864",
         "largest request body; a larger one is answered 413"),
    FLAG("max-multipart-mem", FLAG_INT, multipart_max, "1048576",
         "accepted and without effect: bodies are held in memory up to -max-body-bytes"),
    FLAG("nopanic", FLAG_BOOL, nopanic, NULL,
         "do not panic if hooks cannot be loaded when webhook is not running in verbose mode"),
    FLAG("pidfile", FLAG_STRING, pidfile, NULL, "create PID file at the given path"),
    FLAG("port", FLAG_INT, port, "9000", "port the webhook should serve hooks on"),
    FLAG("secure", FLAG_BOOL, secure, NULL, "use HTTPS instead of HTTP"),
    FLAG("setgid", FLAG_INT, setgid, NULL,
         "set group ID after opening listening port; must be used with setuid"),
    FLAG("setuid", FLAG_INT, setuid, NULL,
         "set user ID after opening listening port; must be used with setgid"),
    FLAG("socket", FLAG_STRING, socket, NULL,
         "path to a Unix socket to use instead of listening on an ip and port"),
    FLAG("template", FLAG_BOOL, as_template, NULL, "parse hooks file as a Go template"),
    FLAG("tls-min-version", FLAG_STRING, tls_min, "1.2",
         "minimum TLS version (1.0, 1.1, 1.2, 1.3); 1.0 and 1.1 mean 1.2"),
    FLAG("urlprefix", FLAG_STRING, url_prefix, "hooks",
         "url prefix to use for served hooks (protocol://yourserver:port/PREFIX/:hook-id)"),
    FLAG("verbose", FLAG_BOOL, verbose, NULL, "show verbose output"),
    FLAG("version", FLAG_BOOL, version, NULL, "display webhook version and quit"),
    FLAG("x-request-id", FLAG_BOOL, use_request_id, NULL,
         "use X-Request-Id header, if present, as request ID"),
    FLAG("x-request-id-limit", FLAG_INT, request_id_max, NULL,
         "truncate X-Request-Id header to limit; default no limit"),
};
#undef FLAG

static void print_usage(void)
{
    static const char *const types[] = {" string", "", " int", " value", " value"};
    fputs("Usage of webhook:\n", stderr);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const struct flag *f = &flags[i];
        const char *quote = f->kind == FLAG_STRING ? "\"" : "";
        fprintf(stderr, "  -%s%s\n    \t%s", f->name, types[f->kind], f->usage);
        if (f->fallback)
            fprintf(stderr, " (default %s%s%s)", quote, f->fallback, quote);
        fputc('\n', stderr);
    }
}

static int wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int wrong(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    print_usage();
    return 2;
}

/* Go's strconv.ParseBool. */
static bool parse_bool(str text, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq(text, str_from_cstr(yes[i])) || str_eq(text, str_from_cstr(no[i]))) {
            *out = str_eq(text, str_from_cstr(yes[i]));
            return true;
        }
    }
    return false;
}

/* Go's strconv.ParseInt with base 0, without its underscores. */
static bool parse_int(str text, int64_t *out)
{
    char digits[32], *end = NULL;
    if (!text.n || text.n >= sizeof(digits) || strchr(" \t\n", text.p[0]))
        return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    *out = strtoll(digits, &end, 0);
    return *end == '\0';
}

static bool set_header(struct webhook_flags *f, struct arena *a, str value)
{
    size_t eq = str_find(value, '=');
    if (eq == value.n || f->header_count == WEBHOOK_HEADERS_MAX)
        return false;
    f->headers[f->header_count++] = (struct http_field){
        arena_str(a, str_slice(value, 0, eq)), arena_str(a, str_slice(value, eq + 1, value.n))};
    return true;
}

/* NULL, or what is wrong with the value. */
static const char *set(struct webhook_flags *f, struct arena *a, const struct flag *flag,
                       const char *value)
{
    void *at = (char *)f + flag->at;
    str text = str_from_cstr(value);
    switch (flag->kind) {
    case FLAG_STRING:
        *(const char **)at = value;
        return NULL;
    case FLAG_BOOL:
        return parse_bool(text, at) ? NULL : "parse error";
    case FLAG_INT:
        return parse_int(text, at) ? NULL : "parse error";
    case FLAG_HOOKS:
        if (f->hook_count == HOOK_FILES_MAX)
            return "too many files";
        f->hooks[f->hook_count++] = value;
        return NULL;
    case FLAG_HEADER:
        break;
    }
    return set_header(f, a, text) ? NULL : "header flag must be in name=value format";
}

static const struct flag *find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_eq(name, str_from_cstr(flags[i].name)))
            return &flags[i];
    return NULL;
}

/* The flag at argv[*i]; -1 to go on. */
static int read_one(struct webhook_flags *f, struct arena *a, int argc, char **argv, int *i)
{
    const char *text = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    str given = str_from_cstr(text);
    size_t eq = str_find(given, '=');
    str name = str_slice(given, 0, eq);
    const char *value = eq < given.n ? text + eq + 1 : NULL;
    if (!name.n || name.p[0] == '-')
        return wrong("bad flag syntax: %s", argv[*i]);
    const struct flag *flag = find(name);
    if (!flag && (str_eq(name, STR("h")) || str_eq(name, STR("help")))) {
        print_usage();
        return 0;
    }
    if (!flag)
        return wrong("flag provided but not defined: -" STR_FMT, STR_ARG(name));
    if (!value && flag->kind == FLAG_BOOL)
        value = "true";
    if (!value && ++*i < argc)
        value = argv[*i];
    if (!value)
        return wrong("flag needs an argument: -%s", flag->name);
    const char *bad = set(f, a, flag, value);
    if (bad)
        return wrong("invalid %s \"%s\" for flag -%s: %s",
                     flag->kind == FLAG_BOOL ? "boolean value" : "value", value, flag->name, bad);
    return -1;
}

int webhook_flags_read(struct webhook_flags *f, struct arena *a, int argc, char **argv)
{
    *f = (struct webhook_flags){0};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].fallback)
            (void)set(f, a, &flags[i], flags[i].fallback);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || !argv[i][1] || strcmp(argv[i], "--") == 0)
            break;
        int code = read_one(f, a, argc, argv, &i);
        if (code >= 0)
            return code;
    }
    if (f->hook_count == 0)
        f->hooks[f->hook_count++] = "hooks.json";
    f->verbose = f->verbose || f->debug || f->logfile;
    return -1;
}
