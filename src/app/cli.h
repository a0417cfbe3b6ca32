/* cli.h -- the command line: a table of sentences, their options, and what the verbs share. Every
 * verb but serve, check, sign, verify and version talks to the daemon's API. */
#ifndef GAFF_APP_CLI_H
#define GAFF_APP_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

#include <pthread.h>

/* Exit codes of the command line; the daemon's are sysexits (see daemon.h). */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_AUTH = 4,
    CLI_REFUSED = 5,
    CLI_UNREACHABLE = 6,
};

enum cli_output { CLI_TABLE, CLI_JSON, CLI_JSONL, CLI_ID };

#define CLI_OPTIONS_MAX 32

struct cli_command;

struct cli {
    const struct cli_command *command;
    const char *args[16]; /* positional */
    size_t arg_count;
    struct {
        const char *name, *value; /* value "" for flags */
    } options[CLI_OPTIONS_MAX];
    size_t option_count;
    enum cli_output output;
    bool terminal; /* stdout is one */
    char **rest;   /* argv from the last word of the sentence on, for verbs that read it */
    int rest_count;
    struct arena arena; /* for the command's whole life */
};

struct cli_command {
    const char *words;   /* "events ls" */
    const char *args;    /* "[ID]", for the usage line */
    const char *summary; /* one line for `gaff help` */
    const char *options; /* lines "--source NAME   only events of this source"; parsed for what
                          * exists and which take a value */
    const char *example; /* shown by --help */
    size_t args_min, args_max;
    int (*fn)(struct cli *c);
};

extern const struct cli_command cli_commands[]; /* ends with words == NULL */

/* The value of --name, or NULL; "" for a flag that was given. */
const char *cli_option(const struct cli *c, const char *name);
bool cli_flag(const struct cli *c, const char *name);
/* Prints "gaff: ..." on stderr and returns code. */
int cli_error(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* From now on the last error's text goes there instead: for verbs that own the terminal, or speak a
 * protocol. Before any other thread starts. */
struct cli_errors {
    pthread_mutex_t lock;
    char text[512];
};
void cli_errors_keep(struct cli_errors *where);

/* --- the daemon's API ------------------------------------------------------------------------ */

/* method path?query with an optional JSON body; *status and *answer (parsed; NULL when empty or
 * no JSON). Prints the error and returns its exit code unless 2xx. */
int cli_call(struct cli *c, const char *method, const char *path, const char *body,
             struct json_doc **answer);
/* Where the daemon's API is, in the arena; NULL with a message printed. */
const char *cli_daemon_url(struct cli *c);
/* As above for raw bytes, or a stream: on_bytes gets them as they come; no time limit. */
int cli_stream(struct cli *c, const char *path, void (*on_bytes)(str bytes, void *arg), void *arg);
/* Appends name=value (percent-encoded) with '?' or '&'. Nothing when value is NULL. */
void cli_query(struct buf *path, const char *name, const char *value);

/* Path of the configuration file: --config, GAFF_CONFIG, ./gaff.yaml, /etc/gaff/gaff.yaml. NULL:
 * none found. */
const char *cli_config_path(struct cli *c);
/* The daemon's data directory: --data, GAFF_DATA, the configuration's store, ./gaff-data. */
const char *cli_data(struct cli *c);

struct provider_table;
/* Those built in, and the user's own that go with the configuration, if there is one. To be freed
 * with provider_table_free. */
struct provider_table *cli_provider_table(struct cli *c);

/* --- output ---------------------------------------------------------------------------------- */

/* A table: columns sized to their content, headings on a terminal or when piped alike; control
 * bytes of cells are escaped. rows of a JSON array, one column each member path. */
struct cli_column {
    const char *title, *path;
    size_t width_max; /* longer cells are cut with an ellipsis; 0: no bound */
};
/* Prints the array as table, json, jsonl or ids as asked. */
void cli_print_rows(struct cli *c, const struct json *array, const struct cli_column *columns,
                    size_t column_count);
/* Prints one value as JSON, indented on a terminal. */
void cli_print_json(struct cli *c, const struct json *value);
/* Text of an outsider: control and escape bytes made visible. */
void cli_print_text(str text);
/* "200 OK" and the body, on lines of their own; returns the exit code that goes with it. */
int cli_print_answer(int status, str body);
/* "2026-11-23T20:24:11.042Z" -> "20:24:11" today, else "11-23 20:24". */
void cli_short_time(str rfc3339, char out[24]);
/* Colours when stdout is a terminal and NO_COLOR is unset: "\033[..m" or "". */
const char *cli_color(const struct cli *c, const char *name);
/* All of stdin, or of a file; NULL with a message printed. */
bool cli_read_input(struct cli *c, const char *path, str *out);

/* --- verbs ----------------------------------------------------------------------------------- */
typedef int cli_verb(struct cli *c);
cli_verb cli_try;
cli_verb cli_serve, cli_check, cli_version, cli_doctor, cli_status, cli_webhook, cli_import_adnanh;
cli_verb cli_disk, cli_subscriptions_ls, cli_nodes, cli_migrate;
cli_verb cli_events_ls, cli_events_show, cli_explain, cli_replay, cli_rejected_ls;
cli_verb cli_dead_ls, cli_dead_replay, cli_deliveries_ls, cli_cancel;
cli_verb cli_sources_ls, cli_destinations_ls, cli_circuit_close, cli_routes_ls;
cli_verb cli_tail, cli_send, cli_sign, cli_verify, cli_providers;
cli_verb cli_completion, cli_listen, cli_top, cli_mcp, cli_open, cli_export, cli_reload, cli_backup,
    cli_help;
cli_verb cli_test, cli_targets_ls, cli_targets_show;
cli_verb cli_trigger, cli_secrets, cli_secrets_forget;
cli_verb cli_sending, cli_jwt, cli_apps_token, cli_event_types_import;
cli_verb cli_endpoints_secret, cli_endpoints_rotate, cli_endpoints_headers, cli_endpoints_enable;
cli_verb cli_endpoints_disable, cli_endpoints_recover;

#endif
