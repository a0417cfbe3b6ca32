/* cli_completion.c -- gaff completion: what a shell needs to complete verbs and options, made from
 * the table of sentences. zsh reads the script of bash. */
#include "app/cli.h"

/* The first (index 0) or second word of a command; empty when it has none. */
static str word_of(const struct cli_command *cmd, int index)
{
    str rest = str_from_cstr(cmd->words), first = str_cut(&rest, ' ');
    if (index == 0)
        return first;
    return rest.p ? rest : STR("");
}

/* True for the first command of the table that begins with this word. */
static bool is_first_of_its_word(const struct cli_command *cmd)
{
    for (const struct cli_command *c = cli_commands; c != cmd; c++)
        if (str_eq(word_of(c, 0), word_of(cmd, 0)))
            return false;
    return true;
}

/* The next option in the text of a command: "--source"; empty at the end. */
static str next_option(str *options)
{
    while (options->p && options->n) {
        str line = str_cut(options, '\n');
        if (str_starts(line, STR("-")))
            return str_cut(&line, ' ');
    }
    return STR("");
}

static void print_options(const struct cli_command *cmd)
{
    str options = str_from_cstr(cmd->options);
    for (str one = next_option(&options); one.n; one = next_option(&options))
        printf(STR_FMT " ", STR_ARG(one));
    fputs("--api --data --token -o --help", stdout);
}

static void print_second_words(str first)
{
    for (const struct cli_command *c = cli_commands; c->words; c++)
        if (str_eq(word_of(c, 0), first) && word_of(c, 1).n)
            printf(STR_FMT " ", STR_ARG(word_of(c, 1)));
}

static void print_bash(void)
{
    puts("_gaff() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
         "    local said=\"${COMP_WORDS[*]:1:COMP_CWORD-1} \"\n"
         "    case $cur in\n"
         "    -*)\n"
         "        case $said in");
    for (const struct cli_command *c = cli_commands; c->words; c++) {
        printf("        '%s '*) words='", c->words);
        print_options(c);
        puts("' ;;");
    }
    puts("        esac ;;\n"
         "    *)\n"
         "        case $said in");
    fputs("        ' ') words='", stdout);
    for (const struct cli_command *c = cli_commands; c->words; c++)
        if (is_first_of_its_word(c))
            printf(STR_FMT " ", STR_ARG(word_of(c, 0)));
    puts("' ;;");
    for (const struct cli_command *c = cli_commands; c->words; c++)
        if (is_first_of_its_word(c) && word_of(c, 1).n) {
            printf("        '" STR_FMT " ') words='", STR_ARG(word_of(c, 0)));
            print_second_words(word_of(c, 0));
            puts("' ;;");
        }
    puts("        esac ;;\n"
         "    esac\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "}\n"
         "complete -F _gaff gaff");
}

static void print_zsh(void)
{
    puts("autoload -U +X bashcompinit && bashcompinit");
    print_bash();
}

/* Single-quoted for fish: a quote and a backslash are escaped. */
static void print_fish_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void print_fish(void)
{
    for (const struct cli_command *c = cli_commands; c->words; c++) {
        str first = word_of(c, 0), second = word_of(c, 1), options = str_from_cstr(c->options);
        if (is_first_of_its_word(c)) {
            printf("complete -c gaff -n __fish_use_subcommand -a " STR_FMT " -d ", STR_ARG(first));
            print_fish_quoted(c->summary);
            putchar('\n');
        }
        if (second.n) {
            printf("complete -c gaff -n '__fish_seen_subcommand_from " STR_FMT "' -a " STR_FMT
                   " -d ",
                   STR_ARG(first), STR_ARG(second));
            print_fish_quoted(c->summary);
            putchar('\n');
        }
        for (str one = next_option(&options); one.n; one = next_option(&options))
            printf("complete -c gaff -n '__fish_seen_subcommand_from " STR_FMT "' -l " STR_FMT "\n",
                   STR_ARG(first), STR_ARG(str_slice(one, 2, one.n)));
    }
}

int cli_completion(struct cli *c)
{
    str shell = str_from_cstr(c->args[0]);
    if (str_eq(shell, STR("bash")))
        print_bash();
    else if (str_eq(shell, STR("zsh")))
        print_zsh();
    else if (str_eq(shell, STR("fish")))
        print_fish();
    else
        return cli_error(CLI_USAGE, "there is completion for bash, zsh and fish");
    return CLI_OK;
}
