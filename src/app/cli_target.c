/* cli_target.c -- the verbs about where events go: test, targets ls, targets show. */
#include "app/cli.h"

#include "engine/config.h"

/* --- targets: read from what is built in and from presets.d beside the configuration ---------- */

static struct target_table *open_targets(struct cli *c)
{
    const char *path = cli_config_path(c);
    struct problems p = {0};
    struct config *config = path ? config_load(path, NULL, &p) : NULL;
    const char *dir = config ? arena_cstr(&c->arena, config->presets) : NULL;
    problems_release(&p);
    config_unref(config);
    return target_table_new(dir);
}

static const struct target *read_target(struct target_table *t, str id)
{
    struct problems p = {0};
    const struct target *target = target_find(t, id, &p);
    for (size_t i = 0; i < p.count; i++)
        fprintf(stderr, "%s\n", p.v[i].text);
    problems_release(&p);
    return target;
}

static void write_target(struct json_writer *w, const struct target *t)
{
    json_open(w, '{');
    json_pair(w, "id", t->id);
    json_pair(w, "title", t->title);
    json_pair(w, "kind", str_from_cstr(target_kind_words[t->kind]));
    json_pair(w, "docs", t->docs);
    json_pair(w, "verified_by", t->verified_by);
    json_pair(w, "deprecated", t->deprecated);
    json_pair(w, "repeated_after_failure",
              t->repeatable ? STR("always") : STR("only when nothing was sent or done"));
    json_key(w, "fields");
    json_open(w, '[');
    for (size_t i = 0; i < t->field_count; i++) {
        const struct target_field *f = &t->fields[i];
        json_open(w, '{');
        json_pair(w, "name", f->name);
        json_pair(w, "about", f->about);
        json_pair_bool(w, "required", f->required);
        json_pair_bool(w, "secret", f->secret);
        json_pair_bool(w, "map", f->is_map);
        json_pair(w, "default", f->initial);
        json_pair(w, "pattern", f->pattern_text.n ? f->pattern_text : STR_NONE);
        json_key(w, "choices");
        json_open(w, '[');
        for (size_t k = 0; k < f->choice_count; k++)
            json_string(w, f->choices[k].word);
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "setup");
    json_open(w, '[');
    const struct yaml *setup = yaml_get(t->file, STR("setup"));
    for (const struct yaml *one = setup ? setup->first : NULL; one; one = one->next)
        json_string(w, one->scalar);
    json_close(w, ']');
    json_close(w, '}');
}

int cli_targets_ls(struct cli *c)
{
    static const struct cli_column columns[] = {{"TARGET", "id", 0},
                                                {"KIND", "kind", 0},
                                                {"SERVICE", "title", 40},
                                                {"VERIFIED BY", "verified_by", 0}};
    struct target_table *targets = open_targets(c);
    struct buf b;
    struct json_writer w;
    struct reason why;
    buf_init(&b, 16u << 20);
    json_writer_init(&w, &b);
    json_open(&w, '[');
    for (size_t i = 0; i < target_count(targets); i++) {
        const struct target *t = read_target(targets, str_from_cstr(target_id_at(targets, i)));
        if (t)
            write_target(&w, t);
    }
    json_close(&w, ']');
    struct json_doc *doc = json_parse(buf_str(&b), &why);
    cli_print_rows(c, json_root(doc), columns, ARRAY_LEN(columns));
    json_doc_free(doc);
    buf_release(&b);
    target_table_free(targets);
    return CLI_OK;
}

static void print_field(const struct target_field *f)
{
    printf("    %-18.*s %.*s", (int)f->name.n, f->name.p, (int)f->about.n, f->about.p);
    const char *separator = " (";
    if (!f->required) {
        printf("%s%s", separator, f->is_map ? "names and values" : "optional");
        separator = ", ";
    }
    if (f->secret) {
        printf("%ssecret", separator);
        separator = ", ";
    }
    for (size_t i = 0; i < f->choice_count; i++) {
        printf("%s%.*s", i ? " | " : separator, (int)f->choices[i].word.n, f->choices[i].word.p);
        separator = ", ";
    }
    if (f->initial.n) {
        printf("%sdefault %.*s", separator, (int)f->initial.n, f->initial.p);
        separator = ", ";
    }
    puts(separator[0] == ',' ? ")" : "");
}

static void print_target(const struct target *t)
{
    printf("%.*s: %.*s\n", (int)t->id.n, t->id.p, (int)t->title.n, t->title.p);
    if (t->deprecated.n)
        printf("  deprecated: %.*s\n", (int)t->deprecated.n, t->deprecated.p);
    printf("  kind        %s\n  docs        %.*s\n  verified by %.*s\n", target_kind_words[t->kind],
           (int)t->docs.n, t->docs.p, (int)t->verified_by.n, t->verified_by.p);
    printf("  repeated    %s\n", t->repeatable ? "after any failure that may pass"
                                               : "only when nothing was sent or done");
    puts("  fields");
    for (size_t i = 0; i < t->field_count; i++)
        print_field(&t->fields[i]);
    const struct yaml *setup = yaml_get(t->file, STR("setup"));
    if (setup && setup->first)
        puts("  setup");
    int step = 1;
    for (const struct yaml *one = setup ? setup->first : NULL; one; one = one->next)
        printf("    %d. %.*s\n", step++, (int)one->scalar.n, one->scalar.p);
    printf("  in gaff.yaml\n    destinations:\n      NAME:\n        %.*s:\n", (int)t->id.n,
           t->id.p);
    for (size_t i = 0; i < t->field_count; i++)
        if (t->fields[i].required)
            printf("          %.*s: %s\n", (int)t->fields[i].name.n, t->fields[i].name.p,
                   t->fields[i].secret ? "\"${env:NAME}\"" : "...");
}

int cli_targets_show(struct cli *c)
{
    struct target_table *targets = open_targets(c);
    str id = str_from_cstr(c->args[0]);
    const struct target *t = read_target(targets, id);
    int code = CLI_OK;
    if (!t) {
        struct nearest near;
        nearest_init(&near, id);
        for (size_t i = 0; i < target_count(targets); i++)
            nearest_offer(&near, str_from_cstr(target_id_at(targets, i)));
        str best = nearest_word(&near);
        code = cli_error(CLI_NOT_FOUND, "there is no target \"%s\"%s" STR_FMT "%s", c->args[0],
                         best.p ? "; did you mean \"" : "; see gaff targets ls", STR_ARG(best),
                         best.p ? "\"?" : "");
    } else if (c->output == CLI_TABLE) {
        print_target(t);
    } else {
        struct buf b;
        struct json_writer w;
        struct reason why;
        buf_init(&b, 1u << 20);
        json_writer_init(&w, &b);
        write_target(&w, t);
        struct json_doc *doc = json_parse(buf_str(&b), &why);
        cli_print_json(c, json_root(doc));
        json_doc_free(doc);
        buf_release(&b);
    }
    target_table_free(targets);
    return code;
}

/* --- test ------------------------------------------------------------------------------------ */

static void print_part(const char *title, str text)
{
    if (text.n == 0)
        return;
    printf("%s\n", title);
    while (text.p && text.n > 0) {
        fputs("  ", stdout);
        cli_print_text(str_trim(str_cut(&text, '\n')));
        putchar('\n');
    }
}

static int print_verdict(struct cli *c, const struct json *root)
{
    str result = json_str(json_get(root, STR("result")));
    bool ok = str_eq(result, STR("success"));
    if (c->output != CLI_TABLE) {
        cli_print_json(c, root);
        return ok ? CLI_OK : CLI_FAILED;
    }
    int64_t us = 0;
    (void)json_i64(json_get(root, STR("duration_us")), &us);
    print_part("sent", json_str(json_get(root, STR("request"))));
    print_part("answered", json_str(json_get(root, STR("response"))));
    printf("%s%.*s%s: ", cli_color(c, ok ? "green" : "red"), (int)result.n, result.p,
           cli_color(c, "reset"));
    cli_print_text(json_str(json_get(root, STR("summary"))));
    printf(" (%lld ms)\n", (long long)(us / 1000));
    return ok ? CLI_OK : CLI_FAILED;
}

int cli_test(struct cli *c)
{
    struct buf path, body;
    struct json_writer w;
    struct json_doc *doc;
    const char *event = cli_option(c, "event"), *data = cli_option(c, "data");
    const char *type = cli_option(c, "type");
    if (event && (data || type))
        return cli_error(CLI_USAGE, "--event names a stored event: it has its own data and type");
    buf_init(&path, 512);
    buf_init(&body, 1u << 20);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    if (event)
        json_pair(&w, "event", str_from_cstr(event));
    if (type)
        json_pair(&w, "type", str_from_cstr(type));
    if (data)
        json_pair(&w, "data", str_from_cstr(data));
    json_close(&w, '}');
    buf_printf(&path, "/api/v1/destinations/%s/test", c->args[0]);
    int code = cli_call(c, "POST", buf_cstr(&path), buf_cstr(&body), &doc);
    if (code == CLI_OK) {
        code = print_verdict(c, json_root(doc));
        json_doc_free(doc);
    }
    buf_release(&path);
    buf_release(&body);
    return code;
}
