/* Hex, base64, percent-encoding, UTF-8, escaping for people. */
#include "unit.h"

#include "base/codec.h"
#include "base/rand.h"

static uint8_t out[1024];
static size_t out_n;

static str decoded(bool right)
{
    return right ? str_of((const char *)out, out_n) : STR_NONE;
}

static str hex(const char *text)
{
    return decoded(hex_decode(str_from_cstr(text), out, sizeof(out), &out_n));
}

static str b64(const char *text)
{
    return decoded(base64_decode(str_from_cstr(text), out, sizeof(out), &out_n));
}

static str b64url(const char *text)
{
    return decoded(base64url_decode(str_from_cstr(text), out, sizeof(out), &out_n));
}

void test_codec_hex_of_every_byte(void)
{
    char text[2];
    for (unsigned v = 0; v < 256; v++) {
        uint8_t byte = (uint8_t)v;
        char expected[3];
        snprintf(expected, sizeof(expected), "%02x", v);
        hex_encode(&byte, 1, text);
        EXPECT_EQ_STR(str_of(text, 2), str_of(expected, 2));
        snprintf(expected, sizeof(expected), "%02X", v);
        EXPECT_EQ_STR(hex(expected), str_of((const char *)&byte, 1));
    }
}

void test_codec_hex_refuses_every_other_byte(void)
{
    for (unsigned v = 0; v < 256; v++) {
        char text[2] = {(char)v, '0'};
        bool digit = (v >= '0' && v <= '9') || (v >= 'a' && v <= 'f') || (v >= 'A' && v <= 'F');
        EXPECT(hex_decode(str_of(text, 2), out, 1, &out_n) == digit);
        char swapped[2] = {'0', (char)v};
        EXPECT(hex_decode(str_of(swapped, 2), out, 1, &out_n) == digit);
    }
    EXPECT_NONE(hex("abc"));
    EXPECT_STR(hex(""), "");
    EXPECT(!hex_decode(STR("0011"), out, 1, &out_n));
    EXPECT(hex_decode(STR("0011"), out, 2, &out_n));
}

/* RFC 4648, section 10. */
void test_codec_base64_vectors(void)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    char text[16];
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        size_t n = base64_encode(plain[i], strlen(plain[i]), text);
        EXPECT_EQ_UINT(n, BASE64_LEN(strlen(plain[i])));
        EXPECT_EQ_STR(str_of(text, n), str_from_cstr(coded[i]));
        EXPECT_EQ_STR(b64(coded[i]), str_from_cstr(plain[i]));
    }
    EXPECT_EQ_UINT(base64_encode("\xfb\xff\xfe", 3, text), 4);
    EXPECT(memcmp(text, "+//+", 4) == 0);
    EXPECT_EQ_UINT(base64url_encode("\xfb\xff\xfe!", 4, text), 6);
    EXPECT(memcmp(text, "-__-IQ", 6) == 0);
}

void test_codec_base64_padding_is_optional_but_right(void)
{
    EXPECT_STR(b64("Zg"), "f");
    EXPECT_STR(b64("Zm8"), "fo");
    EXPECT_NONE(b64("Zg="));
    EXPECT_NONE(b64("Zg==="));
    EXPECT_NONE(b64("Zm8=="));
    EXPECT_NONE(b64("Zm9v="));
    EXPECT_NONE(b64("Zm9v===="));
    EXPECT_NONE(b64("="));
    EXPECT_NONE(b64("=="));
    EXPECT_NONE(b64("===="));
    EXPECT_NONE(b64("Z"));
    EXPECT_NONE(b64("Z==="));
    EXPECT_NONE(b64("Zg==Zg=="));
    EXPECT_STR(b64url("Zg=="), "f");
}

void test_codec_base64_spare_bits_must_be_zero(void)
{
    EXPECT_STR(b64("Zg=="), "f");
    EXPECT_NONE(b64("Zh=="));
    EXPECT_NONE(b64("Zv"));
    EXPECT_STR(b64("Zm8="), "fo");
    EXPECT_NONE(b64("Zm9="));
}

void test_codec_base64_each_alphabet_refuses_all_else(void)
{
    for (unsigned v = 0; v < 256; v++) {
        char text[4] = {'A', (char)v, 'A', 'A'};
        bool both = (v >= '0' && v <= '9') || (v >= 'a' && v <= 'z') || (v >= 'A' && v <= 'Z');
        EXPECT(base64_decode(str_of(text, 4), out, 3, &out_n) == (both || v == '+' || v == '/'));
        EXPECT(base64url_decode(str_of(text, 4), out, 3, &out_n) == (both || v == '-' || v == '_'));
    }
    EXPECT(!base64_decode(STR("AAAA"), out, 2, &out_n));
}

void test_codec_base64_round_trips(void)
{
    uint8_t in[200];
    char text[BASE64_LEN(200)];
    rand_bytes(in, sizeof(in));
    for (size_t n = 0; n <= sizeof(in); n++) {
        size_t len = base64_encode(in, n, text);
        EXPECT(base64_decode(str_of(text, len), out, n, &out_n));
        EXPECT(out_n == n && memcmp(in, out, n) == 0);
        len = base64url_encode(in, n, text);
        EXPECT(base64url_decode(str_of(text, len), out, n, &out_n));
        EXPECT(out_n == n && memcmp(in, out, n) == 0);
    }
}

void test_codec_percent_decoding(void)
{
    struct arena a = {.max = 1000};
    str plain = STR("a+b");
    EXPECT(percent_decode(&a, plain, false).p == plain.p);
    EXPECT_STR(percent_decode(&a, plain, true), "a b");
    EXPECT_STR(percent_decode(&a, STR("%41%6a%6A%2B+"), true), "Ajj+ ");
    EXPECT_STR(percent_decode(&a, STR("%00"), false), "\0");
    EXPECT_STR(percent_decode(&a, STR("%25%32%35"), false), "%25");
    EXPECT_NONE(percent_decode(&a, STR("%"), false));
    EXPECT_NONE(percent_decode(&a, STR("%4"), false));
    EXPECT_NONE(percent_decode(&a, STR("abc%4"), false));
    EXPECT_NONE(percent_decode(&a, STR("%4g"), false));
    EXPECT_NONE(percent_decode(&a, STR("%%41"), false));
    EXPECT_NONE(percent_decode(&a, STR_NONE, false));
    arena_release(&a);
}

void test_codec_percent_encoding(void)
{
    struct buf b;
    buf_init(&b, 100);
    percent_encode(&b, STR("aZ0-._~/ +%\xc3\xa9\0"));
    EXPECT_STR(buf_str(&b), "aZ0-._~%2F%20%2B%25%C3%A9%00");
    buf_release(&b);
}

static bool is_a_or_blank(unsigned char c)
{
    return c == 'a' || c == ' ';
}

void test_codec_percent_encoding_of_what_is_told(void)
{
    struct arena a;
    arena_init(&a, 64);
    EXPECT_STR(percent_encode_but(&a, STR("a b/"), is_a_or_blank), "a %62%2F");
    EXPECT_STR(percent_encode_but(&a, STR(""), is_a_or_blank), "");
    EXPECT_NONE(
        percent_encode_but(&a, STR("0123456789012345678901234567890123456789"), is_a_or_blank));
    arena_release(&a);
}

void test_codec_utf8_accepts_the_edges_of_each_length(void)
{
    EXPECT(utf8_valid(STR_NONE));
    EXPECT(utf8_valid(STR("plain ascii, longer than a word")));
    EXPECT(utf8_valid(STR("\0\x7f")));
    EXPECT(utf8_valid(STR("\xc2\x80\xdf\xbf")));
    EXPECT(utf8_valid(STR("\xe0\xa0\x80\xef\xbf\xbf")));
    EXPECT(utf8_valid(STR("\xed\x9f\xbf\xee\x80\x80")));
    EXPECT(utf8_valid(STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
}

void test_codec_utf8_refuses_what_rfc_3629_forbids(void)
{
    static const char *const wrong[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xf8\x88\x80\x80\x80",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[32];
        EXPECT(!utf8_valid(str_from_cstr(wrong[i])));
        for (size_t before = 0; before < 10; before++) {
            int n = snprintf(text, sizeof(text), "%.*s%sab", (int)before, "0123456789", wrong[i]);
            EXPECT(!utf8_valid(str_of(text, (size_t)n)));
        }
    }
}

static const char *escaped(str s, size_t max)
{
    static struct buf b;
    buf_release(&b);
    buf_init(&b, 4096);
    text_escape(&b, s, max);
    return buf_cstr(&b);
}

void test_codec_text_escape_leaves_only_harmless_text(void)
{
    EXPECT_CSTR(escaped(STR("plain \xc3\xa9 \xf0\x9f\x98\x80"), 99),
                "plain \xc3\xa9 \xf0\x9f\x98\x80");
    EXPECT_CSTR(escaped(STR("a\nb\x1b[31m\0\x7f"), 99), "a\\x0ab\\x1b[31m\\x00\\x7f");
    EXPECT_CSTR(escaped(STR("\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6"), 99),
                "\\u009b\\u2028\\u202e\\u2066");
    EXPECT_CSTR(escaped(STR("\xff\xc3"), 99), "\\xff\\xc3");
    EXPECT_CSTR(escaped(STR_NONE, 99), "");
}

void test_codec_text_escape_cuts_between_characters(void)
{
    EXPECT_CSTR(escaped(STR("abcdef"), 6), "abcdef");
    EXPECT_CSTR(escaped(STR("abcdef"), 5), "abcde...");
    EXPECT_CSTR(escaped(STR("ab\xc3\xa9g"), 3), "ab...");
    EXPECT_CSTR(escaped(STR("ab\xc3\xa9g"), 4), "ab\xc3\xa9...");
    EXPECT_CSTR(escaped(STR("\n\n\n"), 2), "\\x0a\\x0a...");
    EXPECT_CSTR(escaped(STR("abc"), 0), "...");
}
