/* duty.c -- a claim of nothing on a lane without deliveries is how it is taken. */
#include "engine/duty.h"

bool duty_holds(const struct duty *d)
{
    struct store *s = d->core->store;
    return !s->shared || (d->owns && atomic_load(&s->lost) == d->lost && store_lease_holds(s));
}

bool duty_take(struct duty *d)
{
    struct store *s = d->core->store;
    struct claim want = {.destination = d->lane, .now_ms = clock_wall_ms(d->core->clock), .max = 1};
    struct delivery_list none = {0};
    struct reason why;
    struct arena a;
    int64_t due;
    if (duty_holds(d))
        return true;
    arena_init(&a, 1u << 16);
    d->lost = atomic_load(&s->lost);
    d->owns = store_claim(s, &want, &a, &none, &due, &why) == ERR_OK;
    arena_release(&a);
    return duty_holds(d);
}

void duty_leave(struct duty *d)
{
    struct reason ignored;
    if (d->core->store->shared && duty_holds(d) &&
        store_release(d->core->store, d->lane, &ignored) == ERR_OK)
        d->owns = false;
}
