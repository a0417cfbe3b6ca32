/* config_ack.c -- `ack:` of a source: when its sender is answered, and with what.
 *
 *   ack: stored       # the event is on disk (default)
 *   ack: verified     # the signature is right; the event is on its way to disk
 *   ack: done         # the work is done: the command's output, a status from its exit code
 *   ack: { when: done, timeout: 30s, stream: true, status: { 3: 422 } } */
#include "engine/config_read.h"

#define DAY_MS INT64_C(86400000)
#define TIMEOUT_DEFAULT_MS 30000

static void read_statuses(struct config_reader *r, const struct yaml *node,
                          struct source_config *source)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        problem_at(r->problems, node,
                   "expected a mapping of exit codes to HTTP statuses, as "
                   "{ 0: 200, 3: 422 }");
        return;
    }
    source->ack_statuses = CONFIG_ARRAY(r, uint16_t, 256);
    for (const struct yaml *one = node->first; one; one = one->next) {
        uint64_t code;
        int64_t status = 0;
        if (!str_to_u64(one->key, &code) || code > 255)
            problem_at_key(r->problems, one, "an exit code is a number from 0 to 255");
        else if (read_int(r->problems, one, 200, 599, &status))
            source->ack_statuses[code] = (uint16_t)status;
    }
}

void config_ack_read(struct config_reader *r, const struct yaml *node, struct source_config *source)
{
    static const char *const words[] = {"stored", "verified", "done", NULL};
    static const char *const keys[] = {"when", "timeout", "stream", "status", NULL};
    int word = ACK_STORED;
    source->ack_timeout_ms = TIMEOUT_DEFAULT_MS;
    if (!node)
        return;
    if (node->kind == YAML_SCALAR) {
        read_enum(r->problems, node, words, &word);
    } else if (read_keys(r->problems, node, keys)) {
        const struct yaml *when = yaml_get(node, STR("when"));
        word = ACK_DONE;
        read_enum(r->problems, when, words, &word);
        if (word != ACK_DONE)
            problem_at(r->problems, when,
                       "timeout, stream and status have a meaning with done "
                       "alone; write ack: %s",
                       words[word]);
        read_duration(r->problems, yaml_get(node, STR("timeout")), 1, DAY_MS,
                      &source->ack_timeout_ms);
        read_bool(r->problems, yaml_get(node, STR("stream")), &source->ack_stream);
        read_statuses(r, yaml_get(node, STR("status")), source);
    }
    source->ack = (enum ack)word;
    if (source->ack == ACK_DONE && source->respond_set && source->respond_body.n)
        problem_at(r->problems, node,
                   "ack: done answers with what the command wrote: take the "
                   "body out of respond");
}
