/* cli_dashboard.c -- the verbs about the dashboard: the way in, and what was made there as a file.
 */
#include "app/cli.h"
#include "engine/masking.h"

#include <ctype.h>

int cli_open(struct cli *c)
{
    struct json_doc *doc;
    const char *base = cli_daemon_url(c);
    if (!base)
        return CLI_UNREACHABLE;
    int code = cli_call(c, "POST", "/api/v1/tickets", "{}", &doc);
    if (code == CLI_OK)
        printf("%s" STR_FMT "\n", base, STR_ARG(json_str(json_get(json_root(doc), STR("path")))));
    json_doc_free(doc);
    return code;
}

/* In place of a secret, which is not told: a variable of that place's name. */
static void print_variable(const struct buf *path)
{
    fputs("\"${env:", stdout);
    for (size_t i = 0; i < path->len; i++)
        putchar(isalnum((unsigned char)path->p[i]) ? toupper((unsigned char)path->p[i]) : '_');
    fputs("}\"\n", stdout);
}

/* Strings are written as JSON has them: that is YAML, whatever they hold. path: of names, with
 * '_' between. */
static void print_yaml(const struct json *v, int indent, bool in_list, struct buf *path)
{
    struct json_iter it = {0};
    bool list = json_kind_of(v) == JSON_ARRAY, first = true;
    size_t before = path->len, index = 0;
    if ((list || json_kind_of(v) == JSON_OBJECT) && json_len(v)) {
        if (!in_list)
            putchar('\n');
        while (json_next(v, &it)) {
            printf("%*s", in_list && first ? 0 : indent, "");
            first = false;
            if (list)
                fputs("- ", stdout);
            else
                printf(STR_FMT ":", STR_ARG(it.key));
            if (before)
                buf_char(path, '_');
            if (list)
                buf_printf(path, "%zu", ++index);
            else
                buf_str_append(path, it.key);
            print_yaml(it.value, indent + 2, list, path);
            path->len = before;
        }
        return;
    }
    if (!in_list)
        putchar(' ');
    if (mask_is(json_str(v))) {
        print_variable(path);
        return;
    }
    struct buf text;
    struct json_writer w;
    buf_init(&text, 8u << 20);
    json_writer_init(&w, &text);
    json_value(&w, v);
    printf(STR_FMT "\n", STR_ARG(buf_str(&text)));
    buf_release(&text);
}

int cli_export(struct cli *c)
{
    struct json_doc *doc;
    struct buf path;
    int code = cli_call(c, "GET", "/api/v1/definitions", NULL, &doc);
    if (code != CLI_OK)
        return code;
    struct json_iter it = {0};
    buf_init(&path, 1u << 16);
    puts("# Made in the dashboard. Put this into a file, remove it there, and reload.\n"
         "# Secrets are not told: set the variables that stand in their places.");
    while (json_next(json_root(doc), &it)) {
        if (json_len(it.value) == 0)
            continue;
        printf(STR_FMT ":", STR_ARG(it.key));
        print_yaml(it.value, 2, false, &path);
    }
    buf_release(&path);
    json_doc_free(doc);
    return CLI_OK;
}
