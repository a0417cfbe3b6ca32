/* send_schema.h -- the objects of the sending API; see wire.h. */
#ifndef GAFF_API_SEND_SCHEMA_H
#define GAFF_API_SEND_SCHEMA_H

#include "api/wire.h"

extern const struct wire_schema schema_app_in;
extern const struct wire_schema schema_app_patch;
extern const struct wire_schema schema_app_out;
extern const struct wire_schema schema_type_in;
extern const struct wire_schema schema_type_put;
extern const struct wire_schema schema_type_patch;
extern const struct wire_schema schema_type_out;
extern const struct wire_schema schema_import_in;
extern const struct wire_schema schema_import_out;
extern const struct wire_schema schema_endpoint_in;
extern const struct wire_schema schema_endpoint_put;
extern const struct wire_schema schema_endpoint_patch;
extern const struct wire_schema schema_endpoint_out;
extern const struct wire_schema schema_headers_in;
extern const struct wire_schema schema_headers_patch;
extern const struct wire_schema schema_headers_out;
extern const struct wire_schema schema_secret_out;
extern const struct wire_schema schema_rotate_in, schema_jwks_out;
extern const struct wire_schema schema_stats_out, schema_attempt_stats_out;
extern const struct wire_schema schema_example_in;
extern const struct wire_schema schema_recover_in;
extern const struct wire_schema schema_replay_in;
extern const struct wire_schema schema_bulk_in;
extern const struct wire_schema schema_task_out, schema_usage_in, schema_usage_out;
extern const struct wire_schema schema_message_in;
extern const struct wire_schema schema_message_out;
extern const struct wire_schema schema_endpoint_message;
extern const struct wire_schema schema_message_endpoint;
extern const struct wire_schema schema_precheck_in;
extern const struct wire_schema schema_precheck_out, schema_bulk_expunge_in,
    schema_bulk_expunge_out, schema_poll_out, schema_seek_in, schema_seek_out;
extern const struct wire_schema schema_attempt_out;
extern const struct wire_schema schema_portal_in;
extern const struct wire_schema schema_portal_out;
extern const struct wire_schema schema_empty;

#endif
