/* mail_text.c -- one message of text/plain. What is not printable ASCII goes as encoded words, so
 * that no byte of an event can end a header line. */
#include "action/mail_text.h"

#include "base/clock.h"
#include "base/codec.h"

#define WORD_BYTES_MAX 42 /* of UTF-8: an encoded word has at most 75 characters */
#define LINE_BYTES 57     /* 76 characters of base64 */
#define ADDRESS_MAX 254
#define NAME_PLAIN_MAX 200 /* of a display name: quoted it stays on one line */

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return str_find_str(s, STR("=?")) == s.n;
}

enum err mail_address_parse(str text, struct mail_address *out, struct reason *why)
{
    str address = str_trim(text), name = STR("");
    size_t open = str_find(address, '<');
    if (open < address.n) {
        if (address.p[address.n - 1] != '>')
            return fail(why, ERR_INVALID, "expected \"Name <local@domain>\"");
        name = str_trim(str_slice(address, 0, open));
        address = str_slice(address, open + 1, address.n - 1);
    }
    size_t at = str_find(address, '@');
    bool ok = at > 0 && at + 1 < address.n && address.n <= ADDRESS_MAX;
    for (size_t i = 0; i < address.n; i++)
        ok = ok && address.p[i] > 0x20 && address.p[i] < 0x7f &&
             !strchr("<>()[],;:\\\"", address.p[i]) && (i == at || address.p[i] != '@');
    for (size_t i = 0; i < name.n; i++)
        ok = ok && (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7f;
    if (!ok || !utf8_valid(name))
        return fail(why, ERR_INVALID, "no mail address: expected local@domain");
    *out = (struct mail_address){name, address};
    return ERR_OK;
}

/* How many bytes of s an encoded word may take without cutting a character. */
static size_t word_length(str s)
{
    size_t n = 0;
    while (n < s.n) {
        uint32_t code_point;
        size_t step = utf8_decode(str_slice(s, n, s.n), &code_point);
        step = step ? step : 1;
        if (n + step > WORD_BYTES_MAX)
            break;
        n += step;
    }
    return n;
}

static void write_encoded(struct buf *out, str s)
{
    for (bool first = true; s.n > 0; first = false) {
        size_t n = word_length(s);
        char code[BASE64_LEN(WORD_BYTES_MAX) + 1];
        buf_str_append(out, first ? STR("=?UTF-8?B?") : STR("\r\n =?UTF-8?B?"));
        buf_append(out, code, base64_encode(s.p, n, code));
        buf_str_append(out, STR("?="));
        s = str_slice(s, n, s.n);
    }
}

/* Words on lines of at most 78 characters where blanks allow it. */
static void write_folded(struct buf *out, str s, size_t column)
{
    while (s.p) {
        str word = str_cut(&s, ' ');
        if (column + word.n > 76 && column > 1) {
            buf_str_append(out, STR("\r\n"));
            column = 0;
        }
        buf_char(out, ' ');
        buf_str_append(out, word);
        column += word.n + 1;
    }
}

/* A line of nothing but blanks must not be made (RFC 5322 section 3.2.2): some readers take it for
 * the end of the header. */
static bool folds_to_blanks(str s)
{
    return str_find_str(s, STR("  ")) < s.n || str_ends(s, STR(" "));
}

static void write_unstructured(struct buf *out, const char *name, str value)
{
    buf_printf(out, "%s:", name);
    if (is_plain(value) && value.n < 900 && !folds_to_blanks(value)) {
        write_folded(out, value, strlen(name) + 1);
    } else {
        buf_char(out, ' ');
        write_encoded(out, value);
    }
    buf_str_append(out, STR("\r\n"));
}

static void write_address(struct buf *out, const struct mail_address *a)
{
    if (a->name.n && a->name.n <= NAME_PLAIN_MAX && is_plain(a->name)) {
        buf_char(out, '"');
        for (size_t i = 0; i < a->name.n; i++) {
            if (a->name.p[i] == '"' || a->name.p[i] == '\\')
                buf_char(out, '\\');
            buf_char(out, a->name.p[i]);
        }
        buf_str_append(out, STR("\" "));
    } else if (a->name.n) {
        write_encoded(out, a->name);
        buf_char(out, ' ');
    }
    buf_printf(out, "<" STR_FMT ">", STR_ARG(a->address));
}

static void write_text(struct buf *out, str text)
{
    char code[BASE64_LEN(LINE_BYTES) + 1];
    for (size_t at = 0; at < text.n; at += LINE_BYTES) {
        str part = str_slice(text, at, at + LINE_BYTES);
        buf_append(out, code, base64_encode(part.p, part.n, code));
        buf_str_append(out, STR("\r\n"));
    }
}

void mail_write(struct buf *out, const struct mail *m)
{
    char date[CLOCK_TEXT_MAX];
    str at = clock_http_format(m->now_ms, date);
    buf_printf(out, "Date: " STR_FMT "+0000\r\n", STR_ARG(str_slice(at, 0, at.n - 3)));
    buf_str_append(out, STR("From: "));
    write_address(out, &m->from);
    buf_str_append(out, STR("\r\nTo: "));
    for (size_t i = 0; i < m->to_count; i++) {
        buf_str_append(out, i ? STR(",\r\n ") : STR(""));
        write_address(out, &m->to[i]);
    }
    buf_str_append(out, STR("\r\n"));
    write_unstructured(out, "Subject", m->subject);
    buf_printf(out, "Message-ID: <" STR_FMT ">\r\n", STR_ARG(m->message_id));
    write_unstructured(out, "X-Gaff-Event-Id", m->event_id);
    write_unstructured(out, "X-Gaff-Source", m->source);
    buf_str_append(out, STR("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                            "Content-Type: text/plain; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: base64\r\n\r\n"));
    write_text(out, m->text);
}
