/* cli_providers.c -- which services Gaff knows, how sure it is of each, and what to do there. */
#include "app/cli.h"

#include "verify/provider.h"

#define LIST_BYTES_MAX (4u << 20)

static void write_options(struct json_writer *w, const struct provider *p)
{
    size_t count;
    const struct provider_option *options = provider_options(p, &count);
    json_key(w, "options");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(w, '{');
        json_pair(w, "name", options[i].name);
        json_pair(w, options[i].required ? "example" : "default", options[i].initial);
        json_pair(w, "about", options[i].about);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void write_list(struct json_writer *w, const char *key, const str *v, size_t count)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_string(w, v[i]);
    json_close(w, ']');
}

static void write_provider(struct json_writer *w, struct arena *a, const struct provider *p)
{
    const struct provider_facts *f = provider_facts(p);
    str ways[PROVIDER_WAYS_MAX];
    json_open(w, '{');
    json_pair(w, "id", provider_id(p));
    json_pair(w, "title", provider_title(p));
    json_pair(w, "docs", f->docs);
    json_pair(w, "verified_by", f->verified_by);
    json_pair(w, "evidence", f->evidence);
    write_list(w, "proof", ways, provider_ways(p, a, ways));
    json_pair_bool(w, "needs_secret", provider_needs_secret(p));
    json_pair_bool(w, "handshake", f->greets);
    json_key(w, "deadline_ms");
    if (f->deadline_ms)
        json_integer(w, f->deadline_ms);
    else
        json_null(w);
    json_pair(w, "retries", f->retries);
    write_list(w, "setup", f->setup, f->setup_count);
    write_options(w, p);
    json_close(w, '}');
}

static struct json_doc *parse(const struct buf *text)
{
    struct reason why;
    struct json_doc *doc = buf_ok(text) ? json_parse(buf_str(text), &why) : NULL;
    if (!doc)
        cli_error(0, "the providers are too many to list");
    return doc;
}

static int list(struct cli *c, struct provider_table *t)
{
    static const struct cli_column columns[] = {{"ID", "id", 0},
                                                {"TITLE", "title", 40},
                                                {"VERIFIED BY", "verified_by", 0},
                                                {"PROOF", "proof", 90}};
    struct json_writer w;
    struct buf text;
    str *ids;
    buf_init(&text, LIST_BYTES_MAX);
    json_writer_init(&w, &text);
    json_open(&w, '[');
    size_t count = provider_ids(t, &c->arena, &ids);
    for (size_t i = 0; i < count; i++)
        write_provider(&w, &c->arena, provider_find(t, ids[i], NULL));
    json_close(&w, ']');
    struct json_doc *doc = parse(&text);
    if (doc)
        cli_print_rows(c, json_root(doc), columns, ARRAY_LEN(columns));
    json_doc_free(doc);
    buf_release(&text);
    return doc ? CLI_OK : CLI_FAILED;
}

static void print_line(const char *name, str value)
{
    if (value.n)
        printf("%-12s" STR_FMT "\n", name, STR_ARG(value));
}

/* What to do there, and what to write here. */
static void print_steps(const struct provider *p)
{
    const struct provider_facts *f = provider_facts(p);
    for (size_t i = 0; i < f->setup_count; i++)
        printf("%s%zu. " STR_FMT "\n", i ? "" : "\n", i + 1, STR_ARG(f->setup[i]));
    size_t count;
    const struct provider_option *options = provider_options(p, &count);
    printf("\nsources:\n  " STR_FMT ":\n    provider: " STR_FMT "\n", STR_ARG(provider_id(p)),
           STR_ARG(provider_id(p)));
    if (provider_needs_secret(p))
        printf("    secret: ${env:SECRET}\n");
    for (size_t i = 0; i < count; i++)
        printf("%s      " STR_FMT ": \"" STR_FMT "\" # " STR_FMT "%s\n", i ? "" : "    options:\n",
               STR_ARG(options[i].name), STR_ARG(options[i].initial), STR_ARG(options[i].about),
               options[i].required ? "" : " (may be left out)");
}

static void print_one(struct cli *c, const struct provider *p)
{
    const struct provider_facts *f = provider_facts(p);
    str ways[PROVIDER_WAYS_MAX];
    size_t count = provider_ways(p, &c->arena, ways);
    printf("%s" STR_FMT "%s\n", cli_color(c, "bold"), STR_ARG(provider_title(p)),
           cli_color(c, "off"));
    for (size_t i = 0; i < count; i++)
        print_line(i ? "or" : "proof", ways[i]);
    print_line("sure by", f->verified_by);
    print_line("", f->evidence);
    print_line("docs", f->docs);
    print_line("handshake", f->greets ? STR("answered") : STR(""));
    if (f->deadline_ms)
        printf("%-12s%lld s for our answer\n", "deadline", (long long)f->deadline_ms / 1000);
    print_line("retries", f->retries);
    print_steps(p);
}

static int show(struct cli *c, struct provider_table *t, const char *id)
{
    const char *nearest = NULL;
    const struct provider *p = provider_find(t, str_from_cstr(id), &nearest);
    if (!p)
        return cli_error(CLI_NOT_FOUND, "there is no provider \"%s\"%s%s%s", id,
                         nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                         nearest ? "\"?" : "");
    if (c->output == CLI_TABLE) {
        print_one(c, p);
        return CLI_OK;
    }
    struct json_writer w;
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    json_writer_init(&w, &text);
    write_provider(&w, &c->arena, p);
    struct json_doc *doc = parse(&text);
    if (doc)
        cli_print_json(c, json_root(doc));
    json_doc_free(doc);
    buf_release(&text);
    return doc ? CLI_OK : CLI_FAILED;
}

int cli_providers(struct cli *c)
{
    struct provider_table *t = cli_provider_table(c);
    int code = c->arg_count ? show(c, t, c->args[0]) : list(c, t);
    provider_table_free(t);
    return code;
}
