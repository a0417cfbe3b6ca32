/* Messages: what is known of an event, what an operator wrote, what is shown of the rest. */
#include "action_rig.h"

#include "action/message.h"

static struct message make(struct rig_task *t, const char *yaml)
{
    struct problems p = {0};
    struct message_parts parts;
    struct message m;
    struct reason why = {.text = ""};
    struct event_refs refs = {.task = &t->task};
    const struct yaml *node = yaml_parse(&t->arena, STR("t"), str_from_cstr(yaml), &why);
    message_parts_read(&parts, &t->arena, node, &p);
    if (p.count)
        FAIL("%s", p.v[0].text);
    EXPECT_OK(message_make(&parts, message_rules_embedded(), &refs, &t->arena, &m, &why), why);
    event_refs_release(&refs);
    return m;
}

static void set(struct rig_task *t, const char *provider, const char *type, const char *body)
{
    rig_task_init(t);
    t->event.provider = str_from_cstr(provider);
    t->event.type = str_from_cstr(type);
    t->event.body = str_from_cstr(body);
}

void test_message_knows_what_providers_send(void)
{
    struct rig_task t;
    set(&t, "github", "workflow_run",
        "{\"workflow_run\":{\"name\":\"CI\",\"conclusion\":\"failure\",\"head_branch\":\"main\","
        "\"display_title\":\"Fix\",\"html_url\":\"https://github.com/o/r/actions/runs/1\"},"
        "\"repository\":{\"full_name\":\"o/r\"}}");
    struct message m = make(&t, "{}");
    EXPECT_STR(m.title, "CI failed on main of o/r");
    EXPECT_STR(m.text, "Fix");
    EXPECT_STR(m.link, "https://github.com/o/r/actions/runs/1");
    EXPECT_EQ_INT(m.severity, SEVERITY_ERROR);
    rig_task_release(&t);
    set(&t, "stripe", "invoice.payment_failed",
        "{\"data\":{\"object\":{\"number\":\"A-1\",\"customer_email\":\"a@b.c\",\"amount_due\":900,"
        "\"currency\":\"eur\"}}}");
    m = make(&t, "{}");
    EXPECT_STR(m.title, "Payment of invoice A-1 failed");
    EXPECT_STR(m.text, "a@b.c: 900 EUR (smallest unit)");
    EXPECT_STR(m.link, "");
    rig_task_release(&t);
}

void test_message_shows_the_rest_by_its_first_values(void)
{
    struct rig_task t;
    set(&t, "none", "thing", "{\"a\":1,\"b\":\"x\\ny\",\"c\":{\"d\":2},\"e\":true}");
    struct message m = make(&t, "{}");
    EXPECT_STR(m.title, "github: thing");
    EXPECT_STR(m.text, "a: 1\nb: x y\ne: true");
    rig_task_release(&t);
    set(&t, "none", "", "\xff\xfe");
    m = make(&t, "{}");
    EXPECT_STR(m.title, "Event from github");
    EXPECT_STR(m.text, "2 bytes");
    rig_task_release(&t);
}

void test_message_says_what_an_operator_wrote(void)
{
    struct rig_task t;
    set(&t, "github", "push", "{\"ref\":\"refs/heads/x\",\"compare\":\"javascript:alert(1)\"}");
    struct message m = make(&t, "{ text: \"{{ .ref | branch }}\", severity: critical, "
                                "link: \"{{ .compare }}\" }");
    EXPECT_STR(m.title, "");
    EXPECT_STR(m.text, "x");
    EXPECT_STR(m.link, ""); /* no address that people may be led to */
    EXPECT_EQ_INT(m.severity, SEVERITY_CRITICAL);
    EXPECT_STR(message_summary(&m), "x");
    EXPECT_STR(message_and_link(&m, &t.arena), "x");
    rig_task_release(&t);
}
