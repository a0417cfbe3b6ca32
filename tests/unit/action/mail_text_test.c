/* Mail: addresses that can stand in a command, and a message that nothing in it can end. */
#include "unit.h"

#include "action/mail_text.h"

static bool parses(const char *text, const char *name, const char *address)
{
    struct mail_address a;
    struct reason why = {.text = ""};
    if (mail_address_parse(str_from_cstr(text), &a, &why) != ERR_OK)
        return false;
    EXPECT_EQ_STR(a.name, str_from_cstr(name));
    EXPECT_EQ_STR(a.address, str_from_cstr(address));
    return true;
}

void test_mail_text_reads_addresses(void)
{
    EXPECT(parses("a@b.c", "", "a@b.c"));
    EXPECT(parses(" Mona Lisa <mona@example.org> ", "Mona Lisa", "mona@example.org"));
    EXPECT(!parses("nobody", "", ""));
    EXPECT(!parses("a@b@c", "", ""));
    EXPECT(!parses("@b", "", "") && !parses("a@", "", ""));
    EXPECT(!parses("a@b.c>\r\nRCPT TO:<x@y.z", "", ""));
    EXPECT(!parses("Name\r\nBcc: x@y.z <a@b.c>", "", ""));
    EXPECT(!parses("a b@c.d", "", "") && !parses("a@b.c, d@e.f", "", ""));
}

static str write(struct buf *out, str subject, str text)
{
    static const struct mail_address to[] = {{{"", 0}, {"a@b.c", 5}},
                                             {{"\"x\" y", 5}, {"d@e.f", 5}}};
    const struct mail m = {.from = {STR("J\xc3\xb6rg"), STR("j@x.y")},
                           .to = to,
                           .to_count = 2,
                           .subject = subject,
                           .text = text,
                           .message_id = STR("dlv_1@x.y"),
                           .event_id = STR("evt_1"),
                           .source = STR("in"),
                           .now_ms = 1763929451042};
    buf_init(out, 1u << 20);
    mail_write(out, &m);
    EXPECT(buf_ok(out));
    return buf_str(out);
}

/* No line is longer than SMTP carries, and none is blank before the header's end. */
static void expect_lines(str subject, str name)
{
    const struct mail_address to = {name, STR("a@b.c")};
    const struct mail m = {.from = to,
                           .to = &to,
                           .to_count = 1,
                           .subject = subject,
                           .text = STR("x"),
                           .message_id = STR("i@x.y"),
                           .event_id = STR("evt_1"),
                           .source = STR("in"),
                           .now_ms = 1763929451042};
    struct buf b;
    buf_init(&b, 1u << 20);
    mail_write(&b, &m);
    str text = buf_str(&b);
    str head = str_slice(text, 0, str_find_str(text, STR("\r\n\r\n")));
    while (head.p) {
        str line = str_cut(&head, '\n');
        EXPECT(line.n <= 999);
        EXPECT(str_trim(line).n > 0);
    }
    buf_release(&b);
}

void test_mail_text_folds_whatever_is_long(void)
{
    char blanks[400], long_name[1500];
    memset(blanks, ' ', sizeof(blanks));
    memset(long_name, 'w', sizeof(long_name));
    blanks[0] = blanks[sizeof(blanks) - 1] = 'x';
    expect_lines(str_of(blanks, sizeof(blanks)), STR("Ops"));
    expect_lines(str_of(blanks, sizeof(blanks) - 1), STR("Ops"));
    expect_lines(STR("Hello"), str_of(long_name, sizeof(long_name)));
}

void test_mail_text_is_made_of_lines(void)
{
    struct buf b;
    str text = write(&b, STR("Hello"), STR("body"));
    EXPECT(str_starts(text, STR("Date: Sun, 23 Nov 2025 20:24:11 +0000\r\n"
                                "From: =?UTF-8?B?SsO2cmc=?= <j@x.y>\r\n"
                                "To: <a@b.c>,\r\n \"\\\"x\\\" y\" <d@e.f>\r\n"
                                "Subject: Hello\r\n"
                                "Message-ID: <dlv_1@x.y>\r\n")));
    EXPECT(str_ends(text, STR("\r\n\r\nYm9keQ==\r\n")));
    buf_release(&b);
}

/* No line beyond what RFC 5321 lets through, no line of the event's own, whatever it holds. */
void test_mail_text_holds_hostile_values(void)
{
    static const char *const hostile[] = {
        "a\r\nBcc: victim@example.org\r\n\r\n.\r\nQUIT\r\n", "=?UTF-8?B?eA==?=", "\xff\xfe broken",
        "\xe2\x80\xae turned",
        ("a very long subject without end a very long subject without end a very long subject "
         "without end a very long subject without end")};
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct buf b;
        str rest = write(&b, str_from_cstr(hostile[i]), str_from_cstr(hostile[i]));
        EXPECT(str_find_str(rest, STR("\nBcc")) == rest.n);
        while (rest.n > 0) {
            size_t end = str_find_str(rest, STR("\r\n"));
            EXPECT(end < rest.n && end <= 998);
            str line = str_slice(rest, 0, end);
            EXPECT(str_find(line, '\n') == line.n && !str_eq(line, STR(".")));
            for (size_t k = 0; k < line.n; k++)
                EXPECT((unsigned char)line.p[k] < 0x7f);
            rest = str_slice(rest, end + 2, rest.n);
        }
        buf_release(&b);
    }
}
