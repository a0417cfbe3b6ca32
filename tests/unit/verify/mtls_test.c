/* Client certificates as the proof: which of those that TLS has verified a source accepts. */
#include "rig.h"

#include "http/tls_peer.h"

#define PRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct tls_peer partner(void)
{
    return (struct tls_peer){.subject = STR("CN=partner,O=Acme"),
                             .issuer = STR("CN=Client CA"),
                             .names = {STR("dns:Partner.example.org"), STR("uri:spiffe://acme/a")},
                             .name_count = 2,
                             .fingerprint = PRINT,
                             .not_after_ms = RIG_NOW_MS + 1000};
}

static void use_mtls(struct rig *r, const char *pins)
{
    const char *verify = arena_cstr(&r->arena, arena_printf(&r->arena, "scheme: mtls\n%s\n", pins));
    struct provider *p = rig_add(r, verify);
    if (!p)
        FAIL("%s", r->problems.v[0].text);
    rig_verifier(r, &(struct verifier_options){.provider = p});
    rig_request(r, STR("{}"));
}

void test_mtls_pins_are_compared(void)
{
    static const struct {
        const char *pins;
        bool fits;
    } cases[] = {
        {"subject: \"CN=partner,O=Acme\"", true},
        {"subject: \"CN=partner\"", false},
        {"subject: \"cn=partner,o=acme\"", false},
        {"subject: [\"CN=x\", \"CN=partner,O=Acme\"]", true},
        {"issuer: \"CN=Client CA\"", true},
        {"issuer: \"CN=Other CA\"", false},
        {"subject: \"CN=partner,O=Acme\"\nissuer: \"CN=Other CA\"", false},
        {"san: \"dns:partner.EXAMPLE.org\"", true},
        {"san: \"dns:example.org\"", false},
        {"san: \"dns:*.example.org\"", false},
        {"san: [\"uri:spiffe://acme/a\"]", true},
        {"san: [\"uri:spiffe://acme/A\"]", false},
        {"san: \"email:partner.example.org\"", false},
        {"fingerprint: \"" PRINT "\"", true},
        {"fingerprint: \"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:"
         "88:99:AA:BB:CC:DD:EE:FF\"",
         true},
        {"fingerprint: \"10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"",
         false},
    };
    struct tls_peer peer = partner();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_init(&r);
        use_mtls(&r, cases[i].pins);
        r.req.client = &peer;
        if ((rig_check(&r) == VERDICT_VERIFIED) != cases[i].fits)
            FAIL("%s: %s", cases[i].pins, r.verdict.text);
        EXPECT(cases[i].fits || r.verdict.code == VERDICT_BAD_CREDENTIALS);
        rig_release(&r);
    }
}

void test_mtls_without_a_living_certificate_is_refused(void)
{
    struct rig r;
    struct tls_peer peer = partner();
    rig_init(&r);
    use_mtls(&r, "subject: \"CN=partner,O=Acme\"");
    rig_field(&r, "X-SSL-Client-S-DN", STR("CN=partner,O=Acme"));
    EXPECT_VERDICT(&r, VERDICT_NO_SIGNATURE);
    r.req.client = &peer;
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_EQ_INT(rig_check_at(&r, peer.not_after_ms), VERDICT_STALE);
    rig_release(&r);
}

void test_mtls_needs_a_pin(void)
{
    static const struct {
        const char *verify, *part;
    } cases[] = {{"scheme: mtls\n", "whose certificate counts"},
                 {"scheme: mtls\nsubject: []\n", "1 to 32"},
                 {"scheme: mtls\nsubject: \"\"\n", "nobody's"},
                 {"scheme: mtls\nsan: a.example.org\n", "a name with its kind"},
                 {"scheme: mtls\nfingerprint: \"0011\"\n", "64 hex digits"},
                 {"any:\n  - scheme: bearer\n  - { scheme: mtls, subject: \"CN=a\" }\n",
                  "cannot be one of several"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_init(&r);
        if (rig_add(&r, cases[i].verify))
            FAIL("this was taken: %s", cases[i].verify);
        EXPECT_HAS(r.problems.v[0].text, cases[i].part);
        rig_release(&r);
    }
}
