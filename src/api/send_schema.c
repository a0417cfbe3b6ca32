/* send_schema.c -- the objects of the sending API, field by field: what a request may hold and
 * what an answer does. Those of the engine's own beyond the common contract are marked so. */
#include "api/send_schema.h"

#include "action/action_webhook.h"
#include "rule/jq.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, WIRE_ANY, 0, 0, 0, CHECK_NONE, NULL, NULL, NULL, NULL                                \
    }
#define FIELD(name, type, flags, min, max, check, text)                                            \
    {                                                                                              \
        name, type, flags, min, max, check, NULL, NULL, NULL, text                                 \
    }
#define UID(prefix)                                                                                \
    {                                                                                              \
        "uid", WIRE_STRING, WIRE_NULLABLE, 1, 256, CHECK_WORD, prefix, NULL, NULL,                 \
            "A name of your own choice, unique; usable wherever the id is."                        \
    }
#define ENUM(name, flags, words, text)                                                             \
    {                                                                                              \
        name, WIRE_STRING, flags, 0, 0, CHECK_ENUM, NULL, NULL, words, text                        \
    }
#define NAME_MAX_BYTES 65536
#define RATE_MAX 65535
#define COUNT_MAX INT64_C(1000000000000)

static const char *const delivery_words[] = {"push", "poll", NULL};
static const char *const blocked_words[] = {"wait", "deadLetter", NULL};

/* --- applications ----------------------------------------------------------------------------- */

#define APP_FIELDS(required)                                                                       \
    FIELD("name", WIRE_STRING, required, 1, NAME_MAX_BYTES, CHECK_TEXT, "For people."),            \
        UID("app_"),                                                                               \
        FIELD("throttleRate", WIRE_INTEGER, WIRE_NULLABLE, 1, RATE_MAX, CHECK_NONE,                \
              "Attempts a second at all its endpoints together; enforced."),                       \
        FIELD("rateLimit", WIRE_INTEGER, WIRE_NULLABLE | WIRE_OLD, 1, RATE_MAX, CHECK_NONE,        \
              "The older name of throttleRate."),                                                  \
        FIELD("metadata", WIRE_MAP, (required) ? WIRE_NULLABLE : 0, 0, 0, CHECK_METADATA,          \
              "Yours; 4096 bytes."),                                                               \
        FIELD("messageLimit", WIRE_INTEGER, WIRE_NULLABLE, 1, COUNT_MAX, CHECK_NONE,               \
              "Gaff: messages it may send in a period; beyond it 503."),                           \
        FIELD("messageLimitPeriod", WIRE_INTEGER, WIRE_NULLABLE, 1, 2678400, CHECK_NONE,           \
              "Gaff: the period, in seconds; 86400."),                                             \
        FIELD("pendingLimit", WIRE_INTEGER, WIRE_NULLABLE, 1, 100000, CHECK_NONE,                  \
              "Gaff: deliveries that may wait; once there are as many: 503.")

static const struct wire_field app_in_fields[] = {APP_FIELDS(WIRE_REQUIRED), END};
const struct wire_schema schema_app_in = {"ApplicationIn", "", app_in_fields};
static const struct wire_field app_patch_fields[] = {APP_FIELDS(0), END};
const struct wire_schema schema_app_patch = {"ApplicationPatch", "", app_patch_fields};
static const struct wire_field app_out_fields[] = {
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "app_..."),
    FIELD("uid", WIRE_STRING, 0, 0, 0, CHECK_NONE, ""),
    FIELD("name", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("metadata", WIRE_MAP, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("throttleRate", WIRE_INTEGER, WIRE_NULLABLE, 0, 0, CHECK_NONE, ""),
    FIELD("rateLimit", WIRE_INTEGER, WIRE_OLD, 0, 0, CHECK_NONE, ""),
    FIELD("messageLimit", WIRE_INTEGER, 0, 0, 0, CHECK_NONE, ""),
    FIELD("messageLimitPeriod", WIRE_INTEGER, 0, 0, 0, CHECK_NONE, ""),
    FIELD("pendingLimit", WIRE_INTEGER, 0, 0, 0, CHECK_NONE, ""),
    FIELD("createdAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("updatedAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    END};
const struct wire_schema schema_app_out = {"ApplicationOut", "", app_out_fields};

/* --- event types ------------------------------------------------------------------------------ */

#define TYPE_FIELDS(required)                                                                      \
    FIELD("description", WIRE_STRING, required, 0, NAME_MAX_BYTES, CHECK_TEXT, "For people."),     \
        FIELD("archived", WIRE_BOOLEAN, 0, 0, 0, CHECK_NONE, "No longer offered."),                \
        FIELD("deprecated", WIRE_BOOLEAN, 0, 0, 0, CHECK_NONE, ""),                                \
        FIELD("schemas", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE,                             \
              "JSON Schemas of the payload by version."),                                          \
        FIELD("validate", WIRE_BOOLEAN, WIRE_NULLABLE, 0, 0, CHECK_NONE,                           \
              "Gaff: refuse messages that the last schema refuses."),                              \
        FIELD("featureFlag", WIRE_STRING, WIRE_NULLABLE, 1, 256, CHECK_WORD, ""),                  \
        FIELD("featureFlags", WIRE_STRINGS, WIRE_NULLABLE, 0, 50, CHECK_WORD, ""),                 \
        FIELD("groupName", WIRE_STRING, WIRE_NULLABLE, 1, 256, CHECK_WORD, "")

static const struct wire_field type_in_fields[] = {
    FIELD("name", WIRE_STRING, WIRE_REQUIRED, 1, 256, CHECK_WORD, "As user.created."),
    TYPE_FIELDS(WIRE_REQUIRED), END};
const struct wire_schema schema_type_in = {"EventTypeIn", "", type_in_fields};
static const struct wire_field type_put_fields[] = {TYPE_FIELDS(WIRE_REQUIRED), END};
const struct wire_schema schema_type_put = {"EventTypeUpdate", "", type_put_fields};
static const struct wire_field type_patch_fields[] = {TYPE_FIELDS(0), END};
const struct wire_schema schema_type_patch = {"EventTypePatch", "", type_patch_fields};
static const struct wire_field type_out_fields[] = {
    FIELD("name", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), TYPE_FIELDS(WIRE_REQUIRED),
    FIELD("createdAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("updatedAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_type_out = {"EventTypeOut", "", type_out_fields};
static const struct wire_field import_fields[] = {
    FIELD("spec", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE, "An OpenAPI document."),
    FIELD("specRaw", WIRE_STRING, WIRE_NULLABLE, 0, 0, CHECK_NONE, "The same as JSON text."),
    FIELD("dryRun", WIRE_BOOLEAN, 0, 0, 0, CHECK_NONE, "Only say what would change."), END};
const struct wire_schema schema_import_in = {"EventTypeImportOpenApiIn", "", import_fields};
static const struct wire_field import_out_fields[] = {
    FIELD("data", WIRE_OBJECT, WIRE_REQUIRED, 0, 0, CHECK_NONE, "modified, toModify"), END};
const struct wire_schema schema_import_out = {"EventTypeImportOpenApiOut", "", import_out_fields};

/* --- endpoints -------------------------------------------------------------------------------- */

static const struct wire_field circuit_fields[] = {
    FIELD("failures", WIRE_INTEGER, 0, 0, 100000, CHECK_NONE, "In a row; 10. 0: never."),
    FIELD("waitSeconds", WIRE_INTEGER, 0, 1, 86400, CHECK_NONE, "The first pause; 5."),
    FIELD("maxSeconds", WIRE_INTEGER, 0, 1, 86400, CHECK_NONE, "The longest; 60."), END};
static const struct wire_schema schema_circuit = {"EndpointCircuit", "", circuit_fields};

static const struct wire_field basic_fields[] = {
    FIELD("username", WIRE_STRING, WIRE_REQUIRED, 1, 1024, CHECK_TEXT, ""),
    FIELD("password", WIRE_STRING, WIRE_REQUIRED, 1, 1024, CHECK_TEXT, "Not shown again."), END};
static const struct wire_schema schema_basic = {"EndpointBasicAuth", "", basic_fields};
static const struct wire_field oauth_fields[] = {
    FIELD("tokenUrl", WIRE_STRING, WIRE_REQUIRED, 1, 8192, CHECK_URL, ""),
    FIELD("clientId", WIRE_STRING, WIRE_REQUIRED, 1, 1024, CHECK_TEXT, ""),
    FIELD("clientSecret", WIRE_STRING, WIRE_REQUIRED, 1, 4096, CHECK_TEXT, "Not shown again."),
    FIELD("scopes", WIRE_STRINGS, WIRE_NULLABLE, 0, 50, CHECK_NONE, ""),
    FIELD("audience", WIRE_STRING, WIRE_NULLABLE, 1, 8192, CHECK_TEXT, ""),
    END};
static const struct wire_schema schema_oauth = {"EndpointOAuth", "", oauth_fields};
static const struct wire_field pair_fields[] = {
    FIELD("certificate", WIRE_STRING, WIRE_REQUIRED, 1, 65536, CHECK_NONE, "PEM."),
    FIELD("key", WIRE_STRING, WIRE_REQUIRED, 1, 65536, CHECK_NONE, "PEM. Not shown again."),
    FIELD("authority", WIRE_STRING, WIRE_NULLABLE, 1, 65536, CHECK_NONE,
          "PEM: who vouches for the endpoint, instead of the usual."),
    END};
static const struct wire_schema schema_pair = {"EndpointClientCertificate", "", pair_fields};

#define OBJECT(name, flags, schema, text)                                                          \
    {                                                                                              \
        name, WIRE_OBJECT, flags, 0, 0, CHECK_NONE, NULL, schema, NULL, text                       \
    }

#define ENDPOINT_FIELDS(required)                                                                  \
    FIELD("url", WIRE_STRING, required, 1, 65536, CHECK_URL, "http or https."),                    \
        FIELD("description", WIRE_STRING, 0, 0, NAME_MAX_BYTES, CHECK_TEXT, "For people."),        \
        UID("ep_"),                                                                                \
        FIELD("throttleRate", WIRE_INTEGER, WIRE_NULLABLE, 1, RATE_MAX, CHECK_NONE,                \
              "Attempts a second; enforced."),                                                     \
        FIELD("rateLimit", WIRE_INTEGER, WIRE_NULLABLE | WIRE_OLD, 1, RATE_MAX, CHECK_NONE,        \
              "The older name of throttleRate."),                                                  \
        FIELD("disabled", WIRE_BOOLEAN, 0, 0, 0, CHECK_NONE, "Nothing new is planned for it."),    \
        FIELD("eventTypes", WIRE_STRINGS, WIRE_NULLABLE, 1, 10000, CHECK_WORD, "null: all."),      \
        FIELD("filterTypes", WIRE_STRINGS, WIRE_NULLABLE | WIRE_OLD, 1, 10000, CHECK_WORD,         \
              "The older name of eventTypes."),                                                    \
        FIELD("channels", WIRE_STRINGS, WIRE_NULLABLE, 1, 10, CHECK_WORD, "null: all."),           \
        FIELD("metadata", WIRE_MAP, (required) ? WIRE_NULLABLE : 0, 0, 0, CHECK_METADATA,          \
              "Yours; 4096 bytes."),                                                               \
        FIELD("version", WIRE_INTEGER, WIRE_OLD, 1, RATE_MAX, CHECK_NONE, "Kept, means nothing."), \
        FIELD("match", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE,                               \
              "Gaff: conditions on the payload, as `match` in gaff.yaml."),                        \
        FIELD("concurrency", WIRE_INTEGER, WIRE_NULLABLE, 1, 256, CHECK_NONE,                      \
              "Gaff: attempts at once."),                                                          \
        FIELD("orderBy", WIRE_STRING, WIRE_NULLABLE, 0, 1024, CHECK_NONE,                          \
              "Gaff: in order by this key, as {{ .user.id }}; empty: all in one order."),          \
        ENUM("onBlocked", WIRE_NULLABLE, blocked_words,                                            \
             "Gaff: what a failing head of an order does."),                                       \
        FIELD("retry", WIRE_NUMBERS, WIRE_NULLABLE, 0, 50, CHECK_NONE,                             \
              "Gaff: waits between attempts, in seconds."),                                        \
        FIELD("timeout", WIRE_INTEGER, WIRE_NULLABLE, 1, 3600, CHECK_NONE,                         \
              "Gaff: seconds an attempt may take in all."),                                        \
        ENUM("signature", WIRE_NULLABLE, webhook_style_words, "Gaff: how messages are signed."),   \
        ENUM("format", WIRE_NULLABLE, webhook_format_words, "Gaff: what the body is."),            \
        FIELD("where", WIRE_STRING, WIRE_NULLABLE, 1, JQ_PROGRAM_MAX, CHECK_NONE,                  \
              "Gaff: a jq program; what it does not call true is skipped."),                       \
        FIELD("transform", WIRE_STRING, WIRE_NULLABLE, 1, JQ_PROGRAM_MAX, CHECK_NONE,              \
              "Gaff: a jq program that makes the body; nothing: the message is skipped."),         \
        ENUM("delivery", WIRE_NULLABLE, delivery_words,                                            \
             "Gaff: poll: messages are fetched by a poller, the URL is not called."),              \
        ENUM("ownership", WIRE_NULLABLE, ownership_words,                                          \
             "Gaff: how the endpoint proves that it wants messages, before the first."),           \
        OBJECT("basicAuth", WIRE_NULLABLE, &schema_basic, "Gaff: HTTP Basic."),                    \
        OBJECT("oauth", WIRE_NULLABLE, &schema_oauth, "Gaff: OAuth 2.0 client credentials."),      \
        OBJECT("clientCertificate", WIRE_NULLABLE, &schema_pair, "Gaff: mutual TLS."),             \
        FIELD("proxy", WIRE_STRING, WIRE_NULLABLE, 1, 8192, CHECK_NONE,                            \
              "Gaff: an HTTP proxy on the way, as http://user:password@host:port."),               \
    {                                                                                              \
        "circuit", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE, NULL, &schema_circuit, NULL,      \
            "Gaff: when it is left alone for a while after failures."                              \
    }

static const struct wire_field endpoint_in_fields[] = {
    ENDPOINT_FIELDS(WIRE_REQUIRED),
    FIELD("secret", WIRE_STRING, WIRE_NULLABLE, 1, 200, CHECK_SECRET, "whsec_... or whsk_..."),
    FIELD("headers", WIRE_MAP, WIRE_NULLABLE, 0, 0, CHECK_HEADERS, "Fields of each request."), END};
const struct wire_schema schema_endpoint_in = {"EndpointIn", "", endpoint_in_fields};
static const struct wire_field endpoint_put_fields[] = {ENDPOINT_FIELDS(WIRE_REQUIRED), END};
const struct wire_schema schema_endpoint_put = {"EndpointUpdate", "", endpoint_put_fields};
static const struct wire_field endpoint_patch_fields[] = {ENDPOINT_FIELDS(0), END};
const struct wire_schema schema_endpoint_patch = {"EndpointPatch", "", endpoint_patch_fields};
static const struct wire_field endpoint_out_fields[] = {
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "ep_..."),
    ENDPOINT_FIELDS(WIRE_REQUIRED),
    FIELD("circuitState", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE,
          "Gaff: closed, open (left alone for a while) or half-open (one attempt asks)."),
    FIELD("circuitUntil", WIRE_TIME, 0, 0, 0, CHECK_NONE, "Gaff: when it is asked again."),
    FIELD("disabledReason", WIRE_STRING, 0, 0, 0, CHECK_NONE, "Gaff: why it was disabled."),
    FIELD("subscription", WIRE_OBJECT, 0, 0, 0, CHECK_NONE,
          "Gaff: of one that subscribed by WebSub: its topic, and until when the lease runs."),
    FIELD("createdAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("updatedAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    END};
const struct wire_schema schema_endpoint_out = {"EndpointOut", "", endpoint_out_fields};

static const struct wire_field headers_in_fields[] = {
    FIELD("headers", WIRE_MAP, WIRE_REQUIRED, 0, 0, CHECK_HEADERS, ""), END};
const struct wire_schema schema_headers_in = {"EndpointHeadersIn", "", headers_in_fields};
static const struct wire_field headers_patch_fields[] = {
    FIELD("headers", WIRE_MAP_NULL, WIRE_REQUIRED, 0, 0, CHECK_HEADERS, "null removes one."),
    FIELD("deleteHeaders", WIRE_STRINGS, 0, 0, 50, CHECK_NONE, "Names to remove."), END};
const struct wire_schema schema_headers_patch = {"EndpointHeadersPatchIn", "",
                                                 headers_patch_fields};
static const struct wire_field headers_out_fields[] = {
    FIELD("headers", WIRE_MAP, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("sensitive", WIRE_STRINGS, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Names of hidden ones."),
    END};
const struct wire_schema schema_headers_out = {"EndpointHeadersOut", "", headers_out_fields};
static const struct wire_field secret_out_fields[] = {
    FIELD("key", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "whsec_..., or whpk_... of a pair."),
    END};
const struct wire_schema schema_secret_out = {"EndpointSecretOut", "", secret_out_fields};
static const struct wire_field jwk_fields[] = {
    FIELD("kty", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "OKP"),
    FIELD("crv", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Ed25519"),
    FIELD("x", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "The key, base64url."),
    FIELD("kid", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Its thumbprint (RFC 7638)."),
    FIELD("use", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "sig"),
    FIELD("alg", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "EdDSA"),
    END};
static const struct wire_schema schema_jwk = {"Jwk", "", jwk_fields};
static const struct wire_field jwks_fields[] = {{"keys", WIRE_OBJECTS, WIRE_REQUIRED, 0, 0,
                                                 CHECK_NONE, NULL, &schema_jwk, NULL,
                                                 "The present one first."},
                                                END};
const struct wire_schema schema_jwks_out = {"JwkSet", "", jwks_fields};
static const struct wire_field rotate_fields[] = {
    FIELD("key", WIRE_STRING, WIRE_NULLABLE, 1, 200, CHECK_SECRET, "null: a new one is made."),
    FIELD("gracePeriodSeconds", WIRE_INTEGER, WIRE_NULLABLE, 0, 604800, CHECK_NONE,
          "How long the former key signs as well; 86400."),
    END};
const struct wire_schema schema_rotate_in = {"EndpointSecretRotateIn", "", rotate_fields};
static const struct wire_field stats_fields[] = {
    FIELD("success", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("pending", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("sending", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("fail", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("canceled", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    END};
const struct wire_schema schema_stats_out = {"EndpointStats", "", stats_fields};
static const struct wire_field attempt_stats_fields[] = {
    FIELD("success", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("fail", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("canceled", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_attempt_stats_out = {"EndpointAttemptStats", "",
                                                     attempt_stats_fields};
static const struct wire_field example_fields[] = {
    FIELD("eventType", WIRE_STRING, WIRE_REQUIRED, 1, 256, CHECK_WORD, ""), END};
const struct wire_schema schema_example_in = {"EventExampleIn", "", example_fields};

/* --- recovery --------------------------------------------------------------------------------- */

#define RANGE                                                                                      \
    FIELD("since", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Messages from then on."),          \
        FIELD("until", WIRE_TIME, WIRE_NULLABLE, 0, 0, CHECK_NONE, "And before then; now.")

static const struct wire_field range_fields[] = {RANGE, END};
const struct wire_schema schema_recover_in = {"RecoverIn", "", range_fields};
const struct wire_schema schema_replay_in = {"ReplayIn", "", range_fields};
static const struct wire_field bulk_fields[] = {
    RANGE, FIELD("eventTypes", WIRE_STRINGS, WIRE_NULLABLE, 0, 1000, CHECK_WORD, ""),
    FIELD("channel", WIRE_STRING, WIRE_NULLABLE, 1, 128, CHECK_WORD, ""),
    FIELD("tag", WIRE_STRING, WIRE_NULLABLE, 1, 128, CHECK_NONE, ""), END};
const struct wire_schema schema_bulk_in = {"BulkReplayIn", "", bulk_fields};

/* What every job is shown with, and one member that only this view has. */
#define TASK(which, member)                                                                        \
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Of the job: qtask_..."),            \
        FIELD("status", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE,                              \
              "running, finished, failed"),                                                        \
        FIELD("task", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, which), member,                \
        FIELD("updatedAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "")

static const struct wire_field task_fields[] = {
    TASK("", FIELD("data", WIRE_OBJECT, WIRE_REQUIRED, 0, 0, CHECK_NONE,
                   "endpointId, count, reason; of statistics that are finished appStats, "
                   "event_types")),
    END};
const struct wire_schema schema_task_out = {"BackgroundTaskOut", "", task_fields};

static const struct wire_field usage_in_fields[] = {
    FIELD("appIds", WIRE_STRINGS, WIRE_NULLABLE, 0, 1000, CHECK_TEXT, "Ids or uids; else all."),
    FIELD("since", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Messages from then on."),
    FIELD("until", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "And before then."), END};
const struct wire_schema schema_usage_in = {"AppUsageStatsIn", "", usage_in_fields};
static const struct wire_field usage_out_fields[] = {
    TASK("application.stats", FIELD("unresolvedAppIds", WIRE_STRINGS, WIRE_REQUIRED, 0, 0,
                                    CHECK_NONE, "Those of the request that name no application.")),
    END};
const struct wire_schema schema_usage_out = {"AppUsageStatsOut", "", usage_out_fields};

/* --- messages --------------------------------------------------------------------------------- */

static const struct wire_field message_in_fields[] = {
    FIELD("eventType", WIRE_STRING, WIRE_REQUIRED, 1, 256, CHECK_WORD, ""),
    FIELD("payload", WIRE_ANY, 0, 0, 0, CHECK_NONE, "A JSON object; sent byte for byte."),
    FIELD("data", WIRE_ANY, WIRE_OLD, 0, 0, CHECK_NONE, "The older name of payload."),
    FIELD("eventId", WIRE_STRING, WIRE_NULLABLE, 1, 256, CHECK_WORD, "Unique for 30 days."),
    FIELD("channels", WIRE_STRINGS, WIRE_NULLABLE, 1, 5, CHECK_WORD, ""),
    FIELD("tags", WIRE_STRINGS, WIRE_NULLABLE, 0, 10, CHECK_WORD, ""),
    FIELD("payloadRetentionPeriod", WIRE_INTEGER, WIRE_NULLABLE, 5, 90, CHECK_NONE, "Days."),
    FIELD("payloadRetentionHours", WIRE_INTEGER, WIRE_NULLABLE, 1, 8760, CHECK_NONE, ""),
    FIELD("deliverAt", WIRE_TIME, WIRE_NULLABLE, 0, 0, CHECK_NONE, "Not before then."),
    FIELD("application", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE, "Made when missing."),
    FIELD("transformationsParams", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE,
          "rawPayload: text sent as it is."),
    END};
const struct wire_schema schema_message_in = {"MessageIn", "", message_in_fields};
#define MESSAGE_OUT                                                                                \
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "msg_..."),                          \
        FIELD("eventId", WIRE_STRING, WIRE_NULLABLE, 0, 0, CHECK_NONE, ""),                        \
        FIELD("eventType", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),                      \
        FIELD("payload", WIRE_ANY, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),                           \
        FIELD("channels", WIRE_STRINGS, WIRE_NULLABLE, 0, 0, CHECK_NONE, ""),                      \
        FIELD("tags", WIRE_STRINGS, WIRE_NULLABLE, 0, 0, CHECK_NONE, ""),                          \
        FIELD("deliverAt", WIRE_TIME, 0, 0, 0, CHECK_NONE, ""),                                    \
        FIELD("timestamp", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "")
static const struct wire_field message_out_fields[] = {MESSAGE_OUT, END};
const struct wire_schema schema_message_out = {"MessageOut", "", message_out_fields};
#define STATUS                                                                                     \
    FIELD("status", WIRE_INTEGER, WIRE_REQUIRED, 0, 4, CHECK_NONE,                                 \
          "0 success, 1 pending, 2 fail, 3 sending, 4 canceled"),                                  \
        FIELD("statusText", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "")
static const struct wire_field endpoint_message_fields[] = {
    MESSAGE_OUT, STATUS, FIELD("nextAttempt", WIRE_TIME, 0, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_endpoint_message = {"EndpointMessageOut", "",
                                                    endpoint_message_fields};
static const struct wire_field message_endpoint_fields[] = {
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("url", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("description", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    STATUS,
    FIELD("nextAttempt", WIRE_TIME, WIRE_NULLABLE, 0, 0, CHECK_NONE, ""),
    FIELD("createdAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("updatedAt", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    END};
const struct wire_schema schema_message_endpoint = {"MessageEndpointOut", "",
                                                    message_endpoint_fields};
static const struct wire_field precheck_fields[] = {
    FIELD("eventType", WIRE_STRING, WIRE_REQUIRED, 1, 256, CHECK_WORD, ""),
    FIELD("channels", WIRE_STRINGS, WIRE_NULLABLE, 0, 5, CHECK_WORD, ""), END};
const struct wire_schema schema_precheck_in = {"MessagePrecheckIn", "", precheck_fields};
static const struct wire_field precheck_out_fields[] = {
    FIELD("active", WIRE_BOOLEAN, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_precheck_out = {"MessagePrecheckOut", "", precheck_out_fields};

static const struct wire_field bulk_expunge_fields[] = {
    FIELD("ids", WIRE_STRINGS, WIRE_REQUIRED, 1, 250, CHECK_WORD, "Ids or eventIds."), END};
const struct wire_schema schema_bulk_expunge_in = {"BulkExpungeContentsIn", "",
                                                   bulk_expunge_fields};
static const struct wire_field bulk_expunge_out_fields[] = {
    FIELD("results", WIRE_MAP, WIRE_REQUIRED, 0, 0, CHECK_NONE, "By what was asked for."), END};
const struct wire_schema schema_bulk_expunge_out = {"BulkExpungeContentsOut", "",
                                                    bulk_expunge_out_fields};
static const struct wire_field poll_out_fields[] = {
    FIELD("data", WIRE_OBJECTS, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Messages, oldest first."),
    FIELD("iterator", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Go on behind it."),
    FIELD("done", WIRE_BOOLEAN, WIRE_REQUIRED, 0, 0, CHECK_NONE, "No more for now."), END};
const struct wire_schema schema_poll_out = {"PollingEndpointOut", "", poll_out_fields};
static const struct wire_field seek_fields[] = {
    FIELD("after", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, "Messages after then."), END};
const struct wire_schema schema_seek_in = {"PollingEndpointConsumerSeekIn", "", seek_fields};
static const struct wire_field seek_out_fields[] = {
    FIELD("iterator", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_seek_out = {"PollingEndpointConsumerSeekOut", "", seek_out_fields};

/* --- attempts --------------------------------------------------------------------------------- */

static const struct wire_field attempt_fields[] = {
    FIELD("id", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, "atmpt_..."),
    FIELD("msgId", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("endpointId", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("url", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    STATUS,
    FIELD("triggerType", WIRE_INTEGER, WIRE_REQUIRED, 0, 1, CHECK_NONE, "0 scheduled, 1 manual"),
    FIELD("response", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("responseStatusCode", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, "0: no answer"),
    FIELD("responseDurationMs", WIRE_INTEGER, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("timestamp", WIRE_TIME, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    END};
const struct wire_schema schema_attempt_out = {"MessageAttemptOut", "", attempt_fields};

/* --- the rest --------------------------------------------------------------------------------- */

static const char *const capability_words[] = {"ViewBase",
                                               "ViewEndpointSecret",
                                               "ManageEndpoint",
                                               "ManageEndpointSecret",
                                               "CreateAttempts",
                                               "ManageTransformations",
                                               NULL};
static const struct wire_field portal_fields[] = {
    FIELD("featureFlags", WIRE_STRINGS, WIRE_NULLABLE, 0, 50, CHECK_WORD, ""),
    FIELD("application", WIRE_OBJECT, WIRE_NULLABLE, 0, 0, CHECK_NONE, "Made when missing."),
    FIELD("expiry", WIRE_INTEGER, WIRE_NULLABLE, 1, 31536000, CHECK_NONE, "Seconds; 12 hours."),
    FIELD("readOnly", WIRE_BOOLEAN, WIRE_NULLABLE, 0, 0, CHECK_NONE,
          "The token may look, and not see secrets."),
    {"capabilities", WIRE_STRINGS, WIRE_NULLABLE, 0, 6, CHECK_ENUM, NULL, NULL, capability_words,
     "What the token may do besides looking; null: all."},
    END};
const struct wire_schema schema_portal_in = {"AppPortalAccessIn", "", portal_fields};
static const struct wire_field portal_out_fields[] = {
    FIELD("url", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""),
    FIELD("token", WIRE_STRING, WIRE_REQUIRED, 0, 0, CHECK_NONE, ""), END};
const struct wire_schema schema_portal_out = {"AppPortalAccessOut", "", portal_out_fields};
static const struct wire_field none_fields[] = {END};
const struct wire_schema schema_empty = {"Empty", "", none_fields};
