/* commands.c -- the table of sentences: every verb with its options and an example. `gaff help`,
 * `--help` and the manual are made from it. */
#include "app/cli.h"

#define FILTERS                                                                                    \
    "--source NAME       only this source\n"                                                       \
    "--type TYPE         only this event type\n"                                                   \
    "--destination NAME  only with deliveries to this destination\n"                               \
    "--since WHEN        RFC 3339 time, or an age: 30m, 2h, 7d\n"                                  \
    "--until WHEN        likewise\n"
#define STATE "--state STATE       pending, claimed, delivered, dead, skipped, cancelled\n"
#define PAGE                                                                                       \
    "--limit N           rows, 50 unless told\n"                                                   \
    "--cursor ID         continue after an earlier page\n"

#define LISTING                                                                                    \
    "--limit N           rows, 50 unless told, at most 250\n"                                      \
    "--cursor ID         continue after an earlier page\n"                                         \
    "--all               every page\n"
#define TIMES                                                                                      \
    "--before WHEN       RFC 3339 time, or an age: 30m, 2h, 7d\n"                                  \
    "--after WHEN        likewise\n"
#define STATUS "--status WORD       success, pending, fail, sending, canceled\n"
#define ATTEMPTS                                                                                   \
    LISTING TIMES STATUS "--code CLASS        only with such an answer: 0 (none), 200, 400, 500\n" \
                         "--event-type TYPE   only of this type\n"
#define YES "--yes               do not ask\n"
#define APP_FIELDS                                                                                 \
    "--uid UID           a name of your own choice, usable wherever the id is\n"                   \
    "--rate N            deliveries a second of all its endpoints together\n"                      \
    "--metadata KEY=TEXT  yours (repeat)\n"                                                        \
    "--json JSON         further members as the API takes them\n"
#define ENDPOINT_FIELDS                                                                            \
    "--uid UID           a name of your own choice, usable wherever the id is\n"                   \
    "--description TEXT  for people\n"                                                             \
    "--event-type TYPE   only messages of this type (repeat)\n"                                    \
    "--channel NAME      only messages of this channel (repeat)\n"                                 \
    "--match JSON        only when this holds for the payload\n"                                   \
    "--rate N            attempts a second\n"                                                      \
    "--concurrency N     attempts at once\n"                                                       \
    "--order-by KEY      in order by this key: '{{ .user.id }}'; '': all in one order\n"           \
    "--on-blocked WORD   what a failing head of an order does: wait, deadLetter\n"                 \
    "--retry LIST        waits between attempts in seconds: 5,60,3600\n"                           \
    "--timeout SECONDS   what an attempt may take in all\n"                                        \
    "--signature WORD    standard, svix, rfc9421, github, stripe, none\n"                          \
    "--format WORD       plain, cloudevents, cloudevents-binary\n"                                 \
    "--metadata KEY=TEXT  yours (repeat)\n"                                                        \
    "--disabled          switched off\n"                                                           \
    "--json JSON         further members as the API takes them\n"
#define TYPE_FIELDS                                                                                \
    "--description TEXT  for people\n"                                                             \
    "--schema FILE       the JSON Schema of its payload\n"                                         \
    "--validate          refuse messages that it refuses\n"                                        \
    "--group NAME        where it is listed\n"                                                     \
    "--deprecated        still sent, no longer recommended\n"                                      \
    "--json JSON         further members as the API takes them\n"

const struct cli_command cli_commands[] = {
    {"serve", "", "run the daemon in the foreground",
     "--config FILE       configuration (default: ./gaff.yaml, /etc/gaff/gaff.yaml)\n"
     "--first-steps       say what to send first, also where the output is no terminal\n",
     "gaff serve --config gaff.yaml", 0, 0, cli_serve},
    {"check", "", "check a configuration and list everything that is wrong with it",
     "--config FILE       configuration to check\n"
     "--show              print the effective values with their origin, secrets masked\n",
     "gaff check --config gaff.yaml --show", 0, 0, cli_check},
    {"try", "", "run a new configuration against stored events, without doing anything",
     "--config FILE       the new configuration\n"
     "--last N            how many events, 10000 unless told\n"
     "--fail-on-change    end with 1 when an event would go elsewhere\n"
     "--store URL         open this store (sqlite:DIRECTORY) here, without a daemon\n",
     "gaff try --config new.yaml --fail-on-change", 0, 0, cli_try},
    {"status", "", "how the daemon is doing", "", "gaff status -o json", 0, 0, cli_status},
    {"disk", "", "how large the store is, how it grows, and when the disk would be full", "",
     "gaff disk\n  gaff disk -o json | jq .full_in_days", 0, 0, cli_disk},
    {"nodes", "", "who shares the store: who is alive, what it delivers, how far it lags", "",
     "gaff nodes", 0, 0, cli_nodes},
    {"migrate", "", "move to another store, while events are taken or by itself",
     "--to URL            sqlite:DIRECTORY or postgres://USER@HOST/DATABASE, begun or empty\n"
     "--from URL          copy this store, without a daemon; else the daemon copies its own\n"
     "--finish            the daemon goes over: `store` in its configuration names the new one\n"
     "--stop              the daemon stops copying; what was copied stays there\n",
     "gaff migrate --to postgres://gaff@db/gaff", 0, 0, cli_migrate},
    {"doctor", "", "look for what is wrong: configuration, ports, clock, disk, permissions",
     "--config FILE       configuration to look at\n", "gaff doctor", 0, 0, cli_doctor},
    {"events ls", "", "list events, newest first",
     FILTERS STATE PAGE "--text TEXT         only with this text in head or body\n",
     "gaff events ls --source github --since 2h", 0, 0, cli_events_ls},
    {"events show", "ID", "one event: verdict, request, deliveries, attempts",
     "--body              only the body, byte for byte\n", "gaff events show evt_0F3K8Z2M7QXTA", 1,
     1, cli_events_show},
    {"explain", "ID", "why each rule matched or not, and what came of it", "",
     "gaff explain evt_0F3K8Z2M7QXTA", 1, 1, cli_explain},
    {"replay", "[ID]", "deliver again: one event, one delivery, or all that a filter selects",
     FILTERS STATE "--to NAME           make new deliveries to this destination instead\n"
                   "--dry-run           only say how many\n"
                   "--yes               do not ask\n",
     "gaff replay evt_0F3K8Z2M7QXTA\n  gaff replay --state dead --destination ci --since 2h", 0, 1,
     cli_replay},
    {"dead ls", "", "list dead letters", FILTERS PAGE, "gaff dead ls --destination ci", 0, 0,
     cli_dead_ls},
    {"dead replay", "", "deliver dead letters again",
     FILTERS "--dry-run           only say how many\n--yes               do not ask\n",
     "gaff dead replay --destination ci --since 1d", 0, 0, cli_dead_replay},
    {"deliveries ls", "", "list deliveries, newest first",
     FILTERS STATE PAGE "--event ID          only of this event\n",
     "gaff deliveries ls --state pending", 0, 0, cli_deliveries_ls},
    {"cancel", "[ID]", "cancel a pending delivery, or all that a filter selects",
     FILTERS "--dry-run           only say how many\n--yes               do not ask\n",
     "gaff cancel --destination old-ci", 0, 1, cli_cancel},
    {"rejected ls", "", "list refused requests with the reason", PAGE, "gaff rejected ls", 0, 0,
     cli_rejected_ls},
    {"sources ls", "", "list sources and their counts", "", "gaff sources ls", 0, 0,
     cli_sources_ls},
    {"subscriptions ls", "", "sources that subscribe to a topic at a hub, and how that stands", "",
     "gaff subscriptions ls -o json", 0, 0, cli_subscriptions_ls},
    {"secrets forget", "SOURCE", "forget the secret that a provider gave in a handshake", "",
     "gaff secrets forget asana", 1, 1, cli_secrets_forget},
    {"secrets", "", "each source's secrets by fingerprint: last use, end, and which can go", "",
     "gaff secrets", 0, 0, cli_secrets},
    {"destinations ls", "", "list destinations and how they are doing", "", "gaff destinations ls",
     0, 0, cli_destinations_ls},
    {"circuit close", "DESTINATION",
     "try a destination again that is left alone after failures, as if it had never failed", "",
     "gaff circuit close ci", 1, 1, cli_circuit_close},
    {"test", "DESTINATION", "send a test message to a destination and show what comes back",
     "--event ID          send this stored event instead\n"
     "--data JSON         send this body instead\n"
     "--type TYPE         with this event type\n",
     "gaff test chat", 1, 1, cli_test},
    {"targets ls", "", "list the services that destinations can name: chats, pagers, CI, queues",
     "--config FILE       with the targets in the presets directory of this configuration\n",
     "gaff targets ls", 0, 0, cli_targets_ls},
    {"targets show", "TARGET", "one service: its fields, how to set it up, what to write",
     "--config FILE       with the targets in the presets directory of this configuration\n",
     "gaff targets show slack", 1, 1, cli_targets_show},
    {"routes ls", "", "list routes as sentences", "", "gaff routes ls", 0, 0, cli_routes_ls},
    {"tail", "", "watch events and attempts as they happen",
     "--source NAME       only this source\n"
     "--destination NAME  only attempts at this destination\n",
     "gaff tail --source github", 0, 0, cli_tail},
    {"send", "URL|SOURCE",
     "send a signed webhook, as the provider would; to a source of the daemon by name",
     "--provider ID       how to sign (default: none)\n"
     "--secret SECRET     or GAFF_SECRET in the environment\n"
     "--event TYPE        event type, for providers that send it in a header\n"
     "--id ID             delivery id (default: a new one)\n"
     "--header LINE       a further header, \"Name: value\"\n"
     "--option KEY=VALUE  an option of the provider (repeat)\n"
     "--data JSON         the body; or:\n"
     "--file PATH         the body from a file (\"-\": standard input, the default)\n",
     "gaff send http://127.0.0.1:8080/in/github --provider github --secret s3cret \\\n"
     "      --event push --data '{\"ref\":\"refs/heads/main\"}'",
     1, 1, cli_send},
    {"trigger", "PROVIDER.EVENT",
     "send a provider's event from a fixture, signed as the provider would",
     "--to URL            where to, as http://127.0.0.1:8080/in/github\n"
     "--secret SECRET     or GAFF_SECRET in the environment\n"
     "--set PATH=VALUE    change a member of the body (repeat)\n"
     "--id ID             delivery id (default: a new one)\n"
     "--option KEY=VALUE  an option of the provider (repeat)\n"
     "--print             print the request instead of sending it\n",
     "gaff trigger github.push --to http://127.0.0.1:8080/in/github --secret s3cret \\\n"
     "      --set ref=refs/heads/next\n  gaff trigger github",
     0, 1, cli_trigger},
    {"jwt", "[APP]", "make a token for the sending API, or for one application of it",
     "--expires AGE       how long it holds: 1h, 7d; 90d unless told\n"
     "--org ORG           of this organisation, org_... (default: the daemon's own)\n"
     "--key FILE          the signing secret, or the private key in PEM (default: as the daemon)\n"
     "--algorithm NAME    HS256, HS384, HS512, RS256, EdDSA; with --key\n",
     "gaff jwt --expires 7d\n  gaff jwt acme --expires 1h", 0, 1, cli_jwt},
    {"apps ls", "", "list applications: those who have endpoints", LISTING,
     "gaff apps ls --all -o json", 0, 0, cli_sending},
    {"apps show", "APP", "one application, by its id or uid", "", "gaff apps show acme", 1, 1,
     cli_sending},
    {"apps create", "NAME", "create an application", APP_FIELDS, "gaff apps create Acme --uid acme",
     1, 1, cli_sending},
    {"apps update", "APP", "change an application; an empty value clears",
     "--name NAME         for people\n" APP_FIELDS, "gaff apps update acme --rate 50", 1, 1,
     cli_sending},
    {"apps delete", "APP", "delete an application with its endpoints", YES, "gaff apps delete acme",
     1, 1, cli_sending},
    {"apps token", "APP", "make a token of the application's own",
     "--expires AGE       how long it holds: 1h, 7d; 28d unless told\n",
     "gaff apps token acme --expires 1h", 1, 1, cli_apps_token},
    {"apps expire-tokens", "APP", "make every token of an application void", "",
     "gaff apps expire-tokens acme", 1, 1, cli_sending},
    {"endpoints ls", "APP", "list the endpoints of an application", LISTING,
     "gaff endpoints ls acme", 1, 1, cli_sending},
    {"endpoints show", "APP ENDPOINT", "one endpoint, by its id or uid", "",
     "gaff endpoints show acme main", 2, 2, cli_sending},
    {"endpoints create", "APP URL", "create an endpoint: where an application is told",
     ENDPOINT_FIELDS
     "--header LINE       a header of each request, \"Name: value\" (repeat)\n"
     "--secret-file PATH  its secret, whsec_... or whsk_... (\"-\": standard input); else a new "
     "one\n",
     "gaff endpoints create acme https://acme.example/hook --uid main --event-type user.created", 2,
     2, cli_sending},
    {"endpoints update", "APP ENDPOINT", "change an endpoint; an empty value clears",
     "--url URL           where it leads\n" ENDPOINT_FIELDS "--enabled           switch it on\n",
     "gaff endpoints update acme main --rate 20 --event-type ''", 2, 2, cli_sending},
    {"endpoints enable", "APP ENDPOINT", "switch an endpoint on; what waited for it goes", "",
     "gaff endpoints enable acme main", 2, 2, cli_endpoints_enable},
    {"endpoints disable", "APP ENDPOINT", "switch an endpoint off: nothing new is planned for it",
     "", "gaff endpoints disable acme main", 2, 2, cli_endpoints_disable},
    {"endpoints delete", "APP ENDPOINT", "delete an endpoint and cancel what waits for it", YES,
     "gaff endpoints delete acme main", 2, 2, cli_sending},
    {"endpoints secret", "APP ENDPOINT", "print the secret that the subscriber verifies with", "",
     "gaff endpoints secret acme main", 2, 2, cli_endpoints_secret},
    {"endpoints rotate", "APP ENDPOINT", "replace the secret and print the new one",
     "--grace AGE         how long the former one signs as well: 0s, 30m; 24h unless told\n"
     "--secret-file PATH  the new secret (\"-\": standard input); else one is made\n",
     "gaff endpoints rotate acme main --grace 7d", 2, 2, cli_endpoints_rotate},
    {"endpoints headers", "APP ENDPOINT", "show the header fields of an endpoint, or change them",
     "--set LINE          \"Name: value\" (repeat)\n"
     "--remove NAME       (repeat)\n",
     "gaff endpoints headers acme main --set 'X-Team: billing'", 2, 2, cli_endpoints_headers},
    {"endpoints stats", "APP ENDPOINT", "count its messages of 28 days by how they ended", "",
     "gaff endpoints stats acme main", 2, 2, cli_sending},
    {"endpoints attempts", "APP ENDPOINT", "list the attempts at an endpoint, newest first",
     ATTEMPTS, "gaff endpoints attempts acme main --status fail --after 2h", 2, 2, cli_sending},
    {"endpoints messages", "APP ENDPOINT", "list the messages of an endpoint with their states",
     LISTING TIMES STATUS, "gaff endpoints messages acme main --status fail", 2, 2, cli_sending},
    {"endpoints example", "APP ENDPOINT TYPE", "send the example of an event type to an endpoint",
     "", "gaff endpoints example acme main user.created", 3, 3, cli_sending},
    {"endpoints recover", "APP ENDPOINT", "send again what failed since then, as a job",
     "--since WHEN        a time, or an age: 30m, 2h, 7d\n"
     "--until WHEN        likewise (default: now)\n"
     "--missing           what was never tried instead\n"
     "--everything        all of it instead\n"
     "--wait              until the job has ended\n",
     "gaff endpoints recover acme main --since 2d --wait", 2, 2, cli_endpoints_recover},
    {"messages ls", "APP", "list the messages of an application, newest first",
     LISTING TIMES "--event-type TYPE   only of this type\n"
                   "--channel NAME      only of this channel\n"
                   "--tag TAG           only with this tag\n",
     "gaff messages ls acme --event-type user.created --after 1d", 1, 1, cli_sending},
    {"messages show", "APP MESSAGE", "one message, by its id or the event id it was given", "",
     "gaff messages show acme msg_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 2, 2, cli_sending},
    {"messages create", "APP TYPE", "send a message to the endpoints that want it",
     "--payload JSON      the payload, an object; or:\n"
     "--file PATH         the payload from a file (\"-\": standard input, the default)\n"
     "--event-id ID       a name of your own choice, unique for 30 days\n"
     "--channel NAME      who hears it is narrowed to this channel (repeat)\n"
     "--tag TAG           for finding it (repeat)\n"
     "--at TIME           not before then, as 2026-11-23T20:24:11Z\n"
     "--json JSON         further members as the API takes them\n",
     "gaff messages create acme user.created --payload '{\"id\": 7}'", 2, 2, cli_sending},
    {"messages attempts", "APP MESSAGE", "list the attempts of a message",
     ATTEMPTS "--endpoint ENDPOINT  only at this one\n",
     "gaff messages attempts acme msg_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 2, 2, cli_sending},
    {"messages endpoints", "APP MESSAGE", "list the endpoints of a message with their states",
     LISTING, "gaff messages endpoints acme msg_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 2, 2, cli_sending},
    {"messages resend", "APP MESSAGE ENDPOINT", "send a message to an endpoint once more", "",
     "gaff messages resend acme msg_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB main", 3, 3, cli_sending},
    {"messages expunge", "APP MESSAGE", "delete the payload of a message", YES,
     "gaff messages expunge acme msg_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 2, 2, cli_sending},
    {"event-types ls", "", "list event types by name",
     LISTING "--archived          those too that are no longer offered\n", "gaff event-types ls", 0,
     0, cli_sending},
    {"event-types show", "NAME", "one event type with its schemas", "",
     "gaff event-types show user.created -o json", 1, 1, cli_sending},
    {"event-types create", "NAME", "create an event type, or bring an archived one back",
     TYPE_FIELDS, "gaff event-types create user.created --description 'A user signed up'", 1, 1,
     cli_sending},
    {"event-types update", "NAME", "change an event type", TYPE_FIELDS,
     "gaff event-types update user.created --schema user.schema.json", 1, 1, cli_sending},
    {"event-types delete", "NAME", "archive an event type: it is no longer offered",
     "--expunge           delete it instead\n" YES, "gaff event-types delete user.created", 1, 1,
     cli_sending},
    {"event-types import", "FILE", "make event types of the webhooks of an OpenAPI document (JSON)",
     "--dry-run           only say which\n", "gaff event-types import openapi.json --dry-run", 1, 1,
     cli_event_types_import},
    {"tasks ls", "", "list jobs of recovery",
     LISTING "--status WORD       running, finished, failed\n", "gaff tasks ls", 0, 0, cli_sending},
    {"tasks show", "TASK", "how far a job is", "",
     "gaff tasks show qtask_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 1, 1, cli_sending},
    {"tasks cancel", "TASK", "end a job; what it moved stays moved", "",
     "gaff tasks cancel qtask_2wJ8nWKq5mD8ZqXh4fTqk8Xy1aB", 1, 1, cli_sending},
    {"sign", "", "print the headers a provider would send for a body",
     "--provider ID       how to sign\n"
     "--secret SECRET     or GAFF_SECRET in the environment\n"
     "--event TYPE        event type, for providers that send it in a header\n"
     "--id ID             delivery id (default: a new one)\n"
     "--url URL           where it will be sent, for providers that sign it\n"
     "--header LINE       a header sent beside, \"Name: value\", for those that sign it (repeat)\n"
     "--option KEY=VALUE  an option of the provider (repeat)\n"
     "--file PATH         the body (\"-\": standard input, the default)\n",
     "gaff sign --provider stripe --secret whsec_x < body.json", 0, 0, cli_sign},
    {"verify", "", "judge a request, or a body and its headers, and say why",
     "--provider ID       how it was signed\n"
     "--secret SECRET     or GAFF_SECRET in the environment\n"
     "--header LINE       a header as received, \"Name: value\" (repeat)\n"
     "--url URL           where it was sent to, for providers that sign it\n"
     "--option KEY=VALUE  an option of the provider (repeat)\n"
     "--at TIME           judge the timestamp at this time (default: now)\n"
     "--file PATH         the body, or a request with its head (\"-\": standard input, the "
     "default)\n",
     "gaff verify --provider github --secret s3cret --header 'X-Hub-Signature-256: sha256=...' < "
     "body.json",
     0, 0, cli_verify},
    {"providers", "[ID]", "the services that Gaff can verify, or one of them with what to do there",
     "", "gaff providers stripe\n  gaff providers -o json", 0, 1, cli_providers},
    {"webhook", "[FLAG...]", "serve a hooks.json file as adnanh/webhook does; `-h` lists the flags",
     "", "gaff webhook -hooks hooks.json -verbose -durable", 0, 0, cli_webhook},
    {"listen", "", "show events as they are stored, and send them on to a program of this machine",
     "--source NAME       only of this source\n"
     "--forward URL       send each on, byte for byte, and tell what was answered\n"
     "--after ID          begin behind this event (default: now)\n"
     "--plain             lines instead of the full screen, on a terminal\n",
     "gaff listen --source github --forward http://localhost:3000/hooks\n"
     "  gaff listen --api https://hooks.example.org:8081 --token $TOKEN -o jsonl",
     0, 0, cli_listen},
    {"top", "", "what goes in and out a second, lanes, the queue's age, errors, as it is now",
     "--every DURATION    between two looks, 2s unless told\n"
     "--once              print it once, on a terminal too\n",
     "gaff top\n  gaff top -o json | jq .oldest_pending_age_ms", 0, 0, cli_top},
    {"mcp", "", "the daemon as tools for an agent: Model Context Protocol on stdin and stdout",
     "--allow-write       also those that replay and pause\n",
     "gaff mcp --config /etc/gaff/gaff.yaml", 0, 0, cli_mcp},
    {"open", "", "print a link that opens the dashboard once, signed in", "", "gaff open", 0, 0,
     cli_open},
    {"export", "", "print what was made in the dashboard, as YAML for a configuration file", "",
     "gaff export > conf.d/dashboard.yaml", 0, 0, cli_export},
    {"import adnanh", "FILE", "write a hooks.json of adnanh/webhook as Gaff's own configuration",
     "--out PATH          write it there (0600) instead of printing it\n"
     "--template          expand the file as a Go template first\n",
     "gaff import adnanh hooks.json --out gaff.yaml", 1, 1, cli_import_adnanh},
    {"reload", "", "load the configuration again", "", "gaff reload", 0, 0, cli_reload},
    {"backup", "PATH", "copy the store to a file while running", "",
     "gaff backup /var/backups/gaff.db", 1, 1, cli_backup},
    {"completion", "SHELL", "print what a shell needs to complete verbs and options", "",
     "gaff completion bash > /etc/bash_completion.d/gaff\n"
     "  gaff completion fish > ~/.config/fish/completions/gaff.fish",
     1, 1, cli_completion},
    {"version", "", "versions of gaff and its libraries", "", "gaff version", 0, 0, cli_version},
    {"help", "[COMMAND...]", "this list, or one command", "", "gaff help events ls", 0, 3,
     cli_help},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};
