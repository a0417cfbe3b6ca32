/* cron_fuzz.c -- cron expressions and zone files. Input: a line with an expression, a line with a
 * time (seconds), and the bytes of a zone file; without those, UTC. What is found comes after, and
 * nothing between fits. */
#include "base/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_of((const char *)data, size);
    str expression = str_cut(&rest, '\n');
    str time = rest.p ? str_cut(&rest, '\n') : STR("0");
    struct cron c;
    struct reason why = {.text = ""};
    struct arena a;
    int64_t after_s = 0;
    arena_init(&a, 1u << 20);
    if (!str_to_i64(time, &after_s) || after_s < 0 || after_s > INT64_C(4102444800))
        after_s = 0;
    const struct zone *z = rest.n ? zone_parse(&a, rest, &why) : zone_load(&a, STR("UTC"), &why);
    enum err e = cron_parse(expression, &c, &why);
    assert(e == ERR_OK || why.text[0]);
    if (e == ERR_OK && z) {
        int64_t next = cron_next(&c, z, after_s * 1000);
        assert(next == 0 || (next > after_s * 1000 && next % 60000 == 0));
        if (next) {
            struct civil t = civil_of(next / 1000 + zone_offset_s(z, next / 1000));
            assert(t.month >= 1 && t.month <= 12 && t.day >= 1 && t.day <= 31 && t.hour < 24);
            assert(
                civil_days(t.year, t.month, t.day) ==
                    (next / 1000 + zone_offset_s(z, next / 1000) - t.hour * 3600 - t.minute * 60) /
                        86400 ||
                t.year < 1970);
        }
    }
    arena_release(&a);
    return 0;
}
