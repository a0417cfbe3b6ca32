/* action_email.c -- each event as a mail of plain text, submitted by SMTP.
 *
 *   email:
 *     server: smtp.example.org:587
 *     tls: starttls                 # starttls | tls (port 465) | none (a relay on this machine)
 *     user: gaff@example.org
 *     password: "${env:SMTP_PASSWORD}"
 *     from: Gaff <gaff@example.org>
 *     to: [ops@example.org]
 *     title: "Deploy of {{ .ref }}"     # the subject; without title and text, what is known of
 *     text: "by {{ .pusher.name }}"     # the event
 *
 * Delivered when the server has accepted the mail for all recipients. The Message-ID is made of the
 * delivery's id, so a repeat is recognised by mailboxes that look at it. */
#include "base/id.h"
#include "action/bus.h"
#include "action/kinds.h"
#include "action/mail_text.h"
#include "action/message.h"
#include "http/smtp.h"

#define MAIL_MAX (4u << 20)

struct email_config {
    struct bus_config bus;
    struct smtp_server smtp; /* but for the rules */
    struct mail_address from, to[MAIL_TO_MAX];
    size_t to_count;
    const char *from_address, *to_addresses[MAIL_TO_MAX + 1];
    struct message_parts message;
};

struct client {
    struct smtp_server server;
    const struct email_config *config;
    struct smtp_client *smtp;
};

static void *email_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                        struct reason *why)
{
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    UNUSED(deadline_ns);
    UNUSED(permanent);
    UNUSED(why);
    k->config = (const struct email_config *)(const void *)s->config;
    k->server = k->config->smtp;
    k->server.rules = s->rules;
    k->smtp = smtp_client_new(&k->server); /* connects when it sends */
    return k;
}

static void email_close(void *client)
{
    struct client *k = (struct client *)client;
    smtp_client_free(k->smtp);
    free(k);
}

static bool email_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                       struct reason *why)
{
    static const enum attempt_result results[] = {[SMTP_ACCEPTED] = ATTEMPT_SUCCESS,
                                                  [SMTP_TEMPORARY] = ATTEMPT_RETRY,
                                                  [SMTP_REFUSED] = ATTEMPT_PERMANENT};
    struct client *k = (struct client *)client;
    UNUSED(why);
    for (size_t i = 0; i < n; i++) {
        struct reason said = {.text = ""};
        int code = 0;
        const struct smtp_mail mail = {k->config->from_address, k->config->to_addresses,
                                       v[i]->body};
        enum smtp_result r = smtp_send(k->smtp, &mail, bus_left_ms(deadline_ns), &code, &said);
        if (r == SMTP_ACCEPTED)
            bus_settle(v[i], ATTEMPT_SUCCESS, "", "accepted by %s (%d)", k->config->bus.server,
                       code);
        else
            bus_settle(v[i], results[r], code ? "smtp" : "connect", "%s", said.text);
    }
    return true;
}

/* On the loop's thread: the mail itself. */
static enum err email_fill(struct bus_job *j, struct event_refs *refs, struct reason *why)
{
    const struct email_config *c = (const struct email_config *)(const void *)j->config;
    struct task *t = j->task;
    struct message m;
    struct buf b;
    char id[ID_TEXT_MAX];
    enum err e = message_make(&c->message, message_rules_embedded(), refs, t->arena, &m, why);
    if (e != ERR_OK)
        return e;
    str host = c->from.address;
    (void)str_cut(&host, '@');
    str text = m.text.n ? m.text : m.title;
    if (m.link.n)
        text = arena_printf(t->arena, STR_FMT "\r\n\r\n" STR_FMT, STR_ARG(text), STR_ARG(m.link));
    const struct mail mail = {
        .from = c->from,
        .to = c->to,
        .to_count = c->to_count,
        .subject = template_filter_builtin(STR("line"), message_summary(&m), t->arena),
        .text = text,
        .message_id = arena_printf(t->arena, STR_FMT "@" STR_FMT,
                                   STR_ARG(id_format("dlv", t->delivery->id, id)), STR_ARG(host)),
        .event_id = j->event_id,
        .source = j->source,
        .now_ms = t->now_ms};
    buf_init(&b, MAIL_MAX);
    mail_write(&b, &mail);
    j->body = buf_ok(&b) ? arena_str(t->arena, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return j->body.p ? ERR_OK : fail(why, ERR_LIMIT, "the mail is too large");
}

static const struct bus_ops ops = {email_open, email_send, email_close, email_fill};

static void read_to(struct email_config *c, struct arena *a, const struct yaml *node,
                    struct problems *p)
{
    const struct yaml *to = yaml_get(node, STR("to"));
    struct reason why;
    if (!to || (to->kind == YAML_LIST && (to->count == 0 || to->count > MAIL_TO_MAX)) ||
        to->kind == YAML_MAP) {
        problem_at(p, to ? to : node, "\"to\" takes an address or a list of 1 to %d", MAIL_TO_MAX);
        return;
    }
    const struct yaml *one = to->kind == YAML_LIST ? to->first : to;
    for (; one; one = to->kind == YAML_LIST ? one->next : NULL) {
        str text = STR("");
        if (!read_str(p, one, &text))
            continue;
        if (mail_address_parse(text, &c->to[c->to_count], &why) != ERR_OK)
            problem_at(p, one, "%s", why.text);
        else
            c->to_addresses[c->to_count] = arena_cstr(a, c->to[c->to_count].address);
        c->to_count++;
    }
}

static void read_from(struct email_config *c, struct arena *a, const struct yaml *node,
                      struct problems *p)
{
    const struct yaml *from = yaml_get(node, STR("from"));
    str text = STR("");
    struct reason why;
    if (!from) {
        problem_at(p, node, "\"from\" is missing: who sends the mail?");
        return;
    }
    if (!read_str(p, from, &text))
        return;
    if (mail_address_parse(text, &c->from, &why) != ERR_OK)
        problem_at(p, from, "%s", why.text);
    else
        c->from_address = arena_cstr(a, c->from.address);
}

static struct action_config *email_read(struct arena *a, const struct yaml *node,
                                        struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "from", "to", MESSAGE_KEYS, NULL};
    static const char *const tls_words[] = {"starttls", "tls", "none", NULL};
    struct email_config *c = ARENA_NEW(a, struct email_config);
    size_t before = p->errors;
    int tls = 0;
    if (!c || !read_keys(p, node, keys))
        return NULL;
    (void)read_enum(p, yaml_get(node, STR("tls")), tls_words, &tls);
    bus_read(&c->bus, a, node, tls == 1 ? 465 : tls == 0 ? 587 : 25, p);
    read_from(c, a, node, p);
    read_to(c, a, node, p);
    message_parts_read(&c->message, a, node, p);
    if (tls == 2 && c->bus.password)
        problem_warn(p, yaml_get(node, STR("tls")), "the password goes over the wire unencrypted");
    struct reason why;
    if (smtp_check(&why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->smtp = (struct smtp_server){.host = c->bus.host,
                                   .port = c->bus.port,
                                   .tls = (enum smtp_tls)tls,
                                   .user = c->bus.user,
                                   .password = c->bus.password,
                                   .ca_file = c->bus.ca_file,
                                   .policy = c->bus.policy};
    c->bus.host = ""; /* libcurl resolves, and each address is judged as it is dialled */
    c->bus.base.kind = &action_email;
    c->bus.base.timeout_ms = 30000;
    c->bus.base.default_concurrency = 4;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_email = {.name = "email", .read = email_read, .create = bus_create};
