/* otel.c -- OTEL_* variables to tracer_options. Only a collector that is named by a variable gets
 * anything: the specification's default, localhost, would have every daemon knock there. */
#include "app/otel.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "gaff.h"

#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
#define DELAY_MS 5000
#define QUEUE_MAX 2048
#define BATCH_MAX 512
#define RESOURCE_MAX 8192

/* An empty variable is as good as none. */
static str variable(const char *name)
{
    const char *value = getenv(name);
    return str_trim(value ? str_from_cstr(value) : STR(""));
}

/* The one for traces, else the one for all signals. */
static str either(const char *traces, const char *all, const char **name)
{
    str value = variable(traces);
    *name = value.n ? traces : all;
    return value.n ? value : variable(all);
}

static void complain(const char *name, const char *what)
{
    log_event(LOG_WARN, "a variable of OpenTelemetry is not used as it stands",
              LOG_F("variable", str_from_cstr(name)), LOG_F("reason", str_from_cstr(what)));
}

static int64_t number(const char *name, int64_t usual, int64_t least, int64_t most)
{
    int64_t n;
    str value = variable(name);
    if (!value.n)
        return usual;
    if (str_to_i64(value, &n) && n >= least && n <= most)
        return n;
    complain(name, "it is no number, or too small or too large");
    return usual;
}

static bool read_url(struct tracer_options *o, struct arena *a)
{
    const char *name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    struct reason why = {0};
    o->url = arena_str(a, variable(name));
    if (!o->url.n) {
        str base = variable(name = "OTEL_EXPORTER_OTLP_ENDPOINT");
        if (!base.n)
            return false;
        o->url = arena_printf(a, STR_FMT "%sv1/traces", STR_ARG(base),
                              str_ends(base, STR("/")) ? "" : "/");
    }
    if (o->url.p && http_url_check(o->url, OUTBOUND_PRIVATE, &why) == ERR_OK)
        return true;
    complain(name, why.text);
    return false;
}

static bool speaks_http(void)
{
    const char *name;
    str protocol =
        either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", &name);
    if (str_eq(protocol, STR("grpc"))) {
        complain(name, "there is no gRPC here; name the collector's HTTP port (4318) instead");
        return false;
    }
    if (protocol.n && !str_eq(protocol, STR("http/json")))
        complain(name, "spans are sent as http/json");
    return true;
}

/* "name=value,name=value", values percent-encoded (W3C Baggage). */
static void read_fields(struct tracer_options *o, struct arena *a)
{
    const char *name;
    struct reason why = {0};
    str list = either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", &name);
    while (list.n) {
        str value = str_trim(str_cut(&list, ',')), key = str_trim(str_cut(&value, '='));
        struct http_field f = {arena_str(a, key), STR_NONE};
        if (key.n && value.p)
            f.value = arena_str(a, percent_decode(a, str_trim(value), false));
        if (!f.value.p || o->field_count == TRACER_FIELDS_MAX ||
            str_eq_nocase(key, STR("Content-Type")) || http_field_check(&f, &why) != ERR_OK)
            complain(name, "one of its fields cannot be sent");
        else
            o->fields[o->field_count++] = f;
    }
}

static void write_attribute(struct json_writer *w, str key, str value)
{
    json_open(w, '{');
    json_pair(w, "key", key);
    json_key(w, "value");
    json_open(w, '{');
    json_pair(w, "stringValue", value);
    json_close(w, '}');
    json_close(w, '}');
}

/* OTEL_SERVICE_NAME goes before a service.name among the attributes. */
static void read_resource(struct tracer_options *o, struct arena *a)
{
    char room[RESOURCE_MAX], host[256] = "";
    struct buf out = buf_over(room, sizeof(room));
    struct json_writer w;
    str name = variable("OTEL_SERVICE_NAME"), list = variable("OTEL_RESOURCE_ATTRIBUTES");
    bool has_name = name.n > 0;
    json_writer_init(&w, &out);
    json_open(&w, '[');
    while (list.n) {
        str value = str_trim(str_cut(&list, ',')), key = str_trim(str_cut(&value, '='));
        str text = value.p ? percent_decode(a, str_trim(value), false) : STR_NONE;
        bool names = str_eq(key, STR("service.name"));
        if (!key.n || !text.p) {
            complain("OTEL_RESOURCE_ATTRIBUTES", "one of its attributes is no key=value");
        } else if (!names || !has_name) {
            write_attribute(&w, key, text);
            has_name = has_name || names;
        }
    }
    if (name.n || !has_name)
        write_attribute(&w, STR("service.name"), name.n ? name : STR("gaff"));
    write_attribute(&w, STR("service.version"), STR(GAFF_VERSION));
    write_attribute(&w, STR("telemetry.sdk.name"), STR("gaff"));
    write_attribute(&w, STR("telemetry.sdk.language"), STR("c"));
    write_attribute(&w, STR("telemetry.sdk.version"), STR(GAFF_VERSION));
    if (gethostname(host, sizeof(host) - 1) == 0 && host[0])
        write_attribute(&w, STR("host.name"), str_from_cstr(host));
    json_close(&w, ']');
    if (buf_ok(&out)) {
        o->resource = arena_str(a, buf_str(&out));
        return;
    }
    complain("OTEL_RESOURCE_ATTRIBUTES", "it is too long; none of it is told");
    o->resource = STR("[]");
}

static double read_share(void)
{
    str text = variable("OTEL_TRACES_SAMPLER_ARG");
    char room[32], *end;
    if (!text.n)
        return 1;
    snprintf(room, sizeof(room), STR_FMT, STR_ARG(text));
    double share = strtod(room, &end);
    if (text.n < sizeof(room) && end != room && !*end && share >= 0 && share <= 1)
        return share;
    complain("OTEL_TRACES_SAMPLER_ARG", "it is no number from 0 to 1; all are sampled");
    return 1;
}

static struct trace_sampler read_sampler(void)
{
    static const struct {
        const char *word;
        struct trace_sampler sampler;
    } known[] = {{"always_on", {false, TRACE_ALL, 0}},
                 {"always_off", {false, TRACE_NONE, 0}},
                 {"traceidratio", {false, TRACE_SHARE, 0}},
                 {"parentbased_always_on", {true, TRACE_ALL, 0}},
                 {"parentbased_always_off", {true, TRACE_NONE, 0}},
                 {"parentbased_traceidratio", {true, TRACE_SHARE, 0}}};
    str word = variable("OTEL_TRACES_SAMPLER");
    for (size_t i = 0; word.n && i < ARRAY_LEN(known); i++)
        if (str_eq(word, str_from_cstr(known[i].word))) {
            struct trace_sampler s = known[i].sampler;
            s.share = s.choice == TRACE_SHARE ? read_share() : 0;
            return s;
        }
    if (word.n)
        complain("OTEL_TRACES_SAMPLER", "no such sampler; parentbased_always_on stands in");
    return (struct trace_sampler){true, TRACE_ALL, 0};
}

static bool is_off(void)
{
    return str_eq_nocase(variable("OTEL_SDK_DISABLED"), STR("true")) ||
           str_eq(variable("OTEL_TRACES_EXPORTER"), STR("none"));
}

const struct tracer_options *otel_from_environment(struct arena *a)
{
    const char *name;
    struct tracer_options *o = ARENA_NEW(a, struct tracer_options);
    if (!o || is_off() || !read_url(o, a) || !speaks_http())
        return NULL;
    read_fields(o, a);
    read_resource(o, a);
    o->sampler = read_sampler();
    (void)either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", &name);
    o->timeout_ms = number(name, TIMEOUT_MS, 1, 600000);
    o->delay_ms = number("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS, 1, 600000);
    o->queue_max = (size_t)number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX, 1, 65536);
    o->batch_max = (size_t)number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_MAX, 1, 65536);
    if (o->batch_max > o->queue_max)
        o->batch_max = o->queue_max;
    str ca =
        either("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", &name);
    o->ca_file = ca.n ? arena_cstr(a, ca) : NULL;
    o->version = GAFF_VERSION;
    return arena_ok(a) ? o : NULL;
}
