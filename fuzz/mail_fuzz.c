/* mail_fuzz.c -- what an event's sender wrote, in a mail: no line of it becomes a header, none is
 * longer than SMTP carries (RFC 5321 section 4.5.3.1.6), and the text comes out as it went in.
 * Input, ended by NUL bytes: an address, the subject, the event's source; the rest is the text. */
#include "action/mail_text.h"

#include "base/codec.h"

#include <stdlib.h>

static const char *const known[] = {"Date",
                                    "From",
                                    "To",
                                    "Subject",
                                    "Message-ID",
                                    "X-Gaff-Event-Id",
                                    "X-Gaff-Source",
                                    "Auto-Submitted",
                                    "MIME-Version",
                                    "Content-Type",
                                    "Content-Transfer-Encoding"};

static void check_head(str head)
{
    size_t fields = 0;
    while (head.p && head.n) {
        str line = str_cut(&head, '\n');
        assert(line.n > 0 && line.n <= 999 && line.p[line.n - 1] == '\r');
        for (size_t i = 0; i + 1 < line.n; i++)
            assert((line.p[i] >= ' ' && line.p[i] <= '~') || line.p[i] == '\t');
        assert(str_trim(line).n > 0);
        if (line.p[0] == ' ')
            continue;
        str name = str_slice(line, 0, str_find(line, ':'));
        assert(fields < ARRAY_LEN(known) && str_eq(name, str_from_cstr(known[fields])));
        fields++;
    }
    assert(fields == ARRAY_LEN(known));
}

static void check_text(str lines, str text)
{
    size_t at = 0;
    uint8_t part[256];
    while (lines.p && lines.n) {
        str line = str_cut(&lines, '\n');
        size_t n;
        assert(line.n > 0 && line.n <= 78 && line.p[line.n - 1] == '\r');
        assert(base64_decode(str_slice(line, 0, line.n - 1), part, sizeof(part), &n));
        assert(str_eq(str_of((const char *)part, n), str_slice(text, at, at + n)));
        at += n;
    }
    assert(at == text.n);
}

static void check_address(const struct mail_address *a)
{
    size_t at = str_find(a->address, '@');
    assert(at > 0 && at + 1 < a->address.n);
    for (size_t i = 0; i < a->address.n; i++)
        assert((unsigned char)a->address.p[i] > ' ' && !strchr("<>,", a->address.p[i]));
    for (size_t i = 0; i < a->name.n; i++)
        assert(a->name.p[i] != '\r' && a->name.p[i] != '\n' && a->name.p[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_of((const char *)data, size), parts[3];
    if (size > 16384)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        parts[i] = rest.p ? str_cut(&rest, '\0') : STR("");
    struct reason why = {.text = ""};
    struct mail_address to[2] = {{STR(""), STR("a@b.c")}, {STR(""), STR("a@b.c")}};
    if (mail_address_parse(parts[0], &to[1], &why) == ERR_OK)
        check_address(&to[1]);
    else
        assert(why.text[0]);
    const struct mail m = {.from = {STR("Gaff"), STR("gaff@example.org")},
                           .to = to,
                           .to_count = to[1].address.n ? 2 : 1,
                           .subject = parts[1],
                           .text = rest.p ? rest : STR(""),
                           .message_id = STR("dlv_1@example.org"),
                           .event_id = STR("evt_1"),
                           .source = parts[2],
                           .now_ms = 1763929451042};
    struct buf out;
    buf_init(&out, 1u << 20);
    mail_write(&out, &m);
    str text = buf_str(&out);
    size_t end = str_find_str(text, STR("\r\n\r\n"));
    assert(buf_ok(&out) && end < text.n);
    check_head(str_slice(text, 0, end + 2));
    check_text(str_slice(text, end + 4, text.n), m.text);
    buf_release(&out);
    return 0;
}
