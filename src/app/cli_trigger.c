/* cli_trigger.c -- sends an event as its provider would, from a fixture of Gaff's own: to try a
 * set-up before the provider is told of it. It goes over the wire to the front door, like any. */
#include "app/cli.h"

#include "base/clock.h"
#include "base/embed.h"
#include "base/id.h"
#include "base/yaml.h"
#include "http/client.h"
#include "verify/place.h"
#include "verify/sign.h"

#define TIMEOUT_MS 30000
#define FIELDS_MAX 32
#define OPTIONS_MAX 16

/* presets/fixtures/PROVIDER.yaml; NULL when there is none. */
static const struct yaml *fixture_of(struct cli *c, str provider)
{
    for (size_t i = 0; i < packed_count; i++) {
        const struct packed *f = &packed_files[i];
        str name = str_from_cstr(f->name);
        struct reason why;
        if (!str_starts(name, STR("fixtures/")) || !str_ends(name, STR(".yaml")) ||
            !str_eq(str_slice(name, 9, name.n - 5), provider))
            continue;
        return yaml_parse(&c->arena, name, packed_text(&c->arena, f), &why);
    }
    return NULL;
}

static int list_fixtures(struct cli *c, str provider)
{
    bool any = false;
    for (size_t i = 0; i < packed_count; i++) {
        str name = str_from_cstr(packed_files[i].name);
        if (!str_starts(name, STR("fixtures/")) || !str_ends(name, STR(".yaml")))
            continue;
        name = str_slice(name, 9, name.n - 5);
        const struct yaml *file = fixture_of(c, name);
        if (!file || (provider.n && !str_eq(name, provider)))
            continue;
        for (const struct yaml *e = yaml_get(file, STR("events"))->first; e; e = e->next)
            printf(STR_FMT "." STR_FMT "\n", STR_ARG(name), STR_ARG(e->key));
        any = true;
    }
    return any ? CLI_OK
               : cli_error(CLI_NOT_FOUND,
                           "there are no fixtures of \"" STR_FMT "\"; `gaff trigger` "
                           "lists all, `gaff send` takes a body of your own",
                           STR_ARG(provider));
}

/* The --set of the command line, into a JSON body or a form. */
static bool change_body(struct cli *c, str type, str *body)
{
    bool form = str_starts(type, STR("application/x-www-form-urlencoded"));
    str url = STR("");
    struct reason why;
    for (size_t i = 0; i < c->option_count; i++) {
        if (strcmp(c->options[i].name, "set") != 0)
            continue;
        str value = str_from_cstr(c->options[i].value), path = str_cut(&value, '=');
        if (str_starts(path, STR(".")))
            path = str_slice(path, 1, path.n);
        struct ref ref = {form ? REF_FORM : REF_JSON, path, path};
        if (!value.p) {
            cli_error(0, "--set takes PATH=VALUE, not \"%s\"", c->options[i].value);
            return false;
        }
        if (value_place(&ref, STR(""), value, &c->arena, body, &url, &why) != ERR_OK) {
            cli_error(0, "--set " STR_FMT ": %s", STR_ARG(path), why.text);
            return false;
        }
    }
    return true;
}

static int deliver(struct cli *c, const struct signed_request *s, struct http_fields fields)
{
    struct http_answer a = {0};
    struct reason why = {.text = ""};
    struct http_call call = {.method = STR("POST"),
                             .url = s->url,
                             .fields = fields.v,
                             .field_count = fields.count,
                             .body = s->body,
                             .policy = OUTBOUND_PRIVATE,
                             .timeout_ms = TIMEOUT_MS};
    if (http_fetch(NULL, &call, NULL, NULL, &a, &c->arena, &why) != ERR_OK)
        return cli_error(CLI_UNREACHABLE, STR_FMT ": %s", STR_ARG(s->url), why.text);
    return cli_print_answer(a.status, a.body);
}

static void print_request(const struct signed_request *s, struct http_fields fields)
{
    printf("POST " STR_FMT " HTTP/1.1\r\n", STR_ARG(s->url.n ? s->url : STR("/")));
    for (size_t i = 0; i < fields.count; i++)
        printf(STR_FMT ": " STR_FMT "\r\n", STR_ARG(fields.v[i].name), STR_ARG(fields.v[i].value));
    printf("\r\n" STR_FMT, STR_ARG(s->body));
}

static size_t read_options(struct cli *c, str *keys, str *values)
{
    size_t count = 0;
    for (size_t i = 0; i < c->option_count && count < OPTIONS_MAX; i++) {
        if (strcmp(c->options[i].name, "option") != 0)
            continue;
        values[count] = str_from_cstr(c->options[i].value);
        keys[count] = str_cut(&values[count], '=');
        if (values[count].p)
            count++;
    }
    return count;
}

/* The fixture's event, signed; fields get what else it is sent with. */
static bool make_request(struct cli *c, const struct provider *p, const struct yaml *event,
                         struct http_fields *fields, struct signed_request *out)
{
    const struct yaml *body = yaml_get(event, STR("body")),
                      *extra = yaml_get(event, STR("headers"));
    const struct yaml *type = yaml_get(event, STR("content-type")),
                      *word = yaml_get(event, STR("event"));
    const char *secret = cli_option(c, "secret"), *to = cli_option(c, "to"),
               *id = cli_option(c, "id");
    str keys[OPTIONS_MAX], values[OPTIONS_MAX], text = body ? body->scalar : STR("{}");
    str content_type = type ? type->scalar : STR("application/json");
    struct id_source ids;
    struct reason why;
    char made[ID_TEXT_MAX];
    id_source_init(&ids, clock_real(), 0);
    fields->v[fields->count++] = (struct http_field){STR("Content-Type"), content_type};
    for (const struct yaml *h = extra ? extra->first : NULL; h && fields->count < 16; h = h->next)
        fields->v[fields->count++] = (struct http_field){h->key, h->scalar};
    secret = secret ? secret : getenv("GAFF_SECRET");
    text = str_trim(text);
    if (!change_body(c, content_type, &text))
        return false;
    struct signature_input in = {
        .method = STR("POST"),
        .url = str_from_cstr(to ? to : ""),
        .id = id ? str_from_cstr(id) : arena_str(&c->arena, id_format("trg", id_next(&ids), made)),
        .event_type = word ? word->scalar : event->key,
        .now_ms = clock_wall_ms(clock_real()),
        .body = text,
        .fields = *fields,
        .config_keys = keys,
        .config_values = values,
        .config_count = read_options(c, keys, values)};
    if (sign_whole(p, str_from_cstr(secret ? secret : ""), &in, &c->arena, out, &why) != ERR_OK) {
        cli_error(0, "%s", why.text);
        return false;
    }
    for (size_t i = 0; i < out->count; i++)
        fields->v[fields->count++] = out->fields[i];
    return true;
}

int cli_trigger(struct cli *c)
{
    str event = str_from_cstr(c->arg_count ? c->args[0] : ""), id = str_cut(&event, '.');
    const char *nearest;
    if (!event.p)
        return list_fixtures(c, id.p ? id : STR(""));
    const struct yaml *file = fixture_of(c, id);
    const struct yaml *one = file ? yaml_get(yaml_get(file, STR("events")), event) : NULL;
    if (!one)
        return list_fixtures(c, id) == CLI_OK
                   ? cli_error(CLI_NOT_FOUND, "there is no fixture %s; those above are", c->args[0])
                   : CLI_NOT_FOUND;
    if (!cli_option(c, "to") && !cli_option(c, "print"))
        return cli_error(CLI_USAGE,
                         "where to? --to http://127.0.0.1:8080/in/" STR_FMT
                         ", or --print to look at it",
                         STR_ARG(id));
    struct provider_table *t = provider_table_new();
    const struct provider *p = provider_find(t, id, &nearest);
    struct http_field room[FIELDS_MAX];
    struct http_fields fields = {room, 0};
    struct signed_request made;
    int code = CLI_FAILED;
    if (p && make_request(c, p, one, &fields, &made)) {
        code = CLI_OK;
        if (cli_option(c, "print"))
            print_request(&made, fields);
        else
            code = deliver(c, &made, fields);
    }
    provider_table_free(t);
    return code;
}
