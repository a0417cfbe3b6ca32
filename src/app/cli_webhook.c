/* cli_webhook.c -- the verbs about hooks.json. */
#include "app/cli.h"
#include "app/webhook.h"

int cli_webhook(struct cli *c)
{
    return webhook_main(c->rest_count, c->rest);
}
