/* main.c -- finds the sentence, reads its options, calls its verb. The only program with a main;
 * all else can be linked into somebody's own. */
#include "app/cli.h"
#include "app/webhook.h"

#include "base/log.h"
#include "base/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#define COMMON                                                                                     \
    "-o FORMAT           table, json, jsonl or id\n"                                               \
    "--api URL           the daemon's admin address (GAFF_API)\n"                                  \
    "--token TOKEN       its token (GAFF_TOKEN)\n"                                                 \
    "--data DIR          its data directory, where both are found by themselves\n"
/* For those that have no line of their own about it. */
#define CONFIG "--config FILE       its configuration, which names the data directory\n"

static struct cli_errors *kept;

void cli_errors_keep(struct cli_errors *where)
{
    kept = where;
}

int cli_error(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (kept) {
        pthread_mutex_lock(&kept->lock);
        vsnprintf(kept->text, sizeof(kept->text), fmt, args);
        pthread_mutex_unlock(&kept->lock);
        va_end(args);
        return code;
    }
    fputs("gaff: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

const char *cli_option(const struct cli *c, const char *name)
{
    for (size_t i = c->option_count; i-- > 0;)
        if (strcmp(c->options[i].name, name) == 0)
            return c->options[i].value;
    return NULL;
}

bool cli_flag(const struct cli *c, const char *name)
{
    return cli_option(c, name) != NULL;
}

/* How many leading words of argv the sentence has, or 0 when it is another. */
static int sentence_length(const char *words, int argc, char **argv)
{
    str rest = str_from_cstr(words);
    int n = 0;
    while (rest.p) {
        str word = str_cut(&rest, ' ');
        if (n >= argc || !str_eq(word, str_from_cstr(argv[n])))
            return 0;
        n++;
    }
    return n;
}

static const struct cli_command *find(int argc, char **argv, int *length)
{
    const struct cli_command *best = NULL;
    *length = 0;
    for (const struct cli_command *c = cli_commands; c->words; c++) {
        int n = sentence_length(c->words, argc, argv);
        if (n > *length) {
            best = c;
            *length = n;
        }
    }
    return best;
}

/* 0: unknown; 1: a flag; 2: takes a value. */
static int option_kind(const char *lines, str name)
{
    str rest = str_from_cstr(lines);
    while (rest.p && rest.n) {
        str line = str_cut(&rest, '\n');
        str words = line;
        str option = str_cut(&words, ' ');
        if (option.n > 2 && str_eq(str_slice(option, 2, option.n), name))
            return words.p && words.n && words.p[0] != ' ' ? 2 : 1;
    }
    return 0;
}

static void print_usage(const struct cli_command *command)
{
    printf("usage: gaff %s%s%s [options]\n\n%s\n", command->words, command->args[0] ? " " : "",
           command->args, command->summary);
    if (command->options[0])
        printf("\n%s", command->options);
    bool own_config = option_kind(command->options, STR("config")) != 0;
    printf("\n%s%s\nexample:\n  %s\n", COMMON, own_config ? "" : CONFIG, command->example);
}

/* True for a verb of the noun; any command when that is empty. */
static bool is_of(const struct cli_command *k, str noun)
{
    str words = str_from_cstr(k->words);
    return !noun.n || str_eq(str_cut(&words, ' '), noun);
}

static bool is_noun(str word)
{
    for (const struct cli_command *k = cli_commands; k->words; k++)
        if (word.n && is_of(k, word))
            return true;
    return false;
}

static void list_commands(str noun)
{
    for (const struct cli_command *k = cli_commands; k->words; k++)
        if (is_of(k, noun))
            printf("  %-19s %s\n", k->words, k->summary);
    puts("\n`gaff COMMAND --help` shows options and an example.");
}

int cli_help(struct cli *c)
{
    int length;
    const struct cli_command *one =
        c->arg_count ? find((int)c->arg_count, (char **)(uintptr_t)c->args, &length) : NULL;
    if (one) {
        print_usage(one);
        return CLI_OK;
    }
    str noun = str_from_cstr(c->arg_count ? c->args[0] : "");
    if (is_noun(noun)) {
        printf("usage: gaff " STR_FMT " VERB [options]\n\n", STR_ARG(noun));
        list_commands(noun);
        return CLI_OK;
    }
    puts("gaff: receive, act on and send webhooks; nothing lost, nothing let in\n\n"
         "usage: gaff COMMAND [options]\n");
    list_commands(STR(""));
    return CLI_OK;
}

static int set_output(struct cli *c, const char *value)
{
    static const char *const words[] = {"table", "json", "jsonl", "id"};
    for (size_t i = 0; value && i < ARRAY_LEN(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            c->output = (enum cli_output)i;
            return CLI_OK;
        }
    }
    return cli_error(CLI_USAGE, "-o takes table, json, jsonl or id");
}

/* argv[*i] is "--name", "--name=value" or "--name" "value". */
static int read_option(struct cli *c, int argc, char **argv, int *i)
{
    str given = str_from_cstr(argv[*i] + 2);
    size_t eq = str_find(given, '=');
    str name = str_slice(given, 0, eq);
    int kind = option_kind(c->command->options, name);
    if (kind == 0)
        kind = option_kind(COMMON CONFIG, name);
    if (kind == 0)
        return cli_error(CLI_USAGE, "`gaff %s` has no option --" STR_FMT "; see `gaff %s --help`",
                         c->command->words, STR_ARG(name), c->command->words);
    if (c->option_count == CLI_OPTIONS_MAX)
        return cli_error(CLI_USAGE, "too many options");
    const char *value = "";
    if (eq < given.n)
        value = argv[*i] + 2 + eq + 1;
    else if (kind == 2 && ++*i < argc)
        value = argv[*i];
    else if (kind == 2)
        return cli_error(CLI_USAGE, "--" STR_FMT " needs a value", STR_ARG(name));
    c->options[c->option_count].name = arena_cstr(&c->arena, name);
    c->options[c->option_count++].value = value;
    return CLI_OK;
}

static int read_args(struct cli *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        int code = CLI_OK;
        if (strcmp(argv[i], "-o") == 0)
            code = set_output(c, i + 1 < argc ? argv[++i] : NULL);
        else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
            code = read_option(c, argc, argv, &i);
        else if (c->arg_count < c->command->args_max)
            c->args[c->arg_count++] = argv[i];
        else
            code =
                cli_error(CLI_USAGE, "`gaff %s` does not take \"%s\"", c->command->words, argv[i]);
        if (code != CLI_OK)
            return code;
    }
    if (c->arg_count < c->command->args_min)
        return cli_error(CLI_USAGE, "usage: gaff %s %s", c->command->words, c->command->args);
    return CLI_OK;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* The name this program was called by, without its directory. */
static str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_from_cstr(slash ? slash + 1 : path);
}

int main(int argc, char **argv)
{
    struct cli c = {.terminal = isatty(STDOUT_FILENO)};
    int length;
    signal(SIGPIPE, SIG_IGN);
    loop_own_memory();
    arena_init(&c.arena, 256u << 20);
    if (argc > 0 && str_eq(base_name(argv[0]), STR("webhook")))
        return webhook_main(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return cli_version(&c);
    const struct cli_command *command = find(argc - 1, argv + 1, &length);
    if (!command) {
        bool help = argc < 2 || asks_help(argc - 1, argv + 1);
        if (!help && is_noun(str_from_cstr(argv[1])))
            return cli_error(CLI_USAGE, "which of them? see `gaff help %s`", argv[1]);
        if (!help)
            return cli_error(CLI_USAGE, "no command \"%s\"; see `gaff help`", argv[1]);
        if (argc > 1)
            c.args[c.arg_count++] = argv[1];
        cli_help(&c);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    c.command = command;
    c.rest = argv + length;
    c.rest_count = argc - length;
    if (command->fn == cli_webhook) /* its flags are not ours */
        return command->fn(&c);
    if (asks_help(argc - 1 - length, argv + 1 + length)) {
        print_usage(command);
        return CLI_OK;
    }
    int code = read_args(&c, argc - 1 - length, argv + 1 + length);
    if (code == CLI_OK)
        code = command->fn(&c);
    arena_release(&c.arena);
    return code;
}
