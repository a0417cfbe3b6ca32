/* planned.c -- each delivery that entered its gate leaves it once: in its lane, or here. */
#include "engine/planned.h"

bool planned_enter(struct engine_core *core, const struct plan *plan, struct gate *const *gate_of,
                   struct arena *a, struct new_event *e, struct gate ***gates)
{
    struct new_delivery *d = ARENA_ARRAY(a, struct new_delivery, plan->count + 1);
    struct gate **g = ARENA_ARRAY(a, struct gate *, plan->count + 1);
    if (!d || !g)
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_item *item = &plan->items[i];
        g[i] = gate_of[item->to->index];
        d[i] = (struct new_delivery){.id = id_next(&core->ids),
                                     .destination = item->to->name,
                                     .route = item->route->name,
                                     .order_key = item->order_key,
                                     .supersedes = item->to->latest != LATEST_OFF,
                                     .next_ms = e->event.received_ms};
        if (item->to->debounce_ms > 0) {
            d[i].next_ms = debounce_due(g[i]->debounce, item->order_key, e->event.received_ms,
                                        item->to->debounce_ms, item->to->debounce_max_ms);
            gate_pass_by(g[i]);
        } else {
            d[i].claimed = gate_enter(g[i]);
        }
    }
    e->deliveries = d;
    e->delivery_count = plan->count;
    *gates = g;
    return true;
}

void planned_offer(struct dispatch_offers *offers, const struct new_event *e, struct gate **gates)
{
    for (size_t i = 0; i < e->delivery_count; i++) {
        const struct new_delivery *d = &e->deliveries[i];
        struct offer o = {.gate = gates[i],
                          .delivery_id = d->id,
                          .event_id = e->event.id,
                          .locator = e->locator,
                          .order_key = d->order_key,
                          .created_ms = e->event.received_ms,
                          .overflow = !d->claimed};
        offer_set_route(&o, d->route);
        dispatch_offer(offers, &o);
    }
}

void planned_leave(const struct new_event *e, struct gate **gates)
{
    for (size_t i = 0; i < e->delivery_count; i++) {
        if (e->deliveries[i].claimed)
            gate_leave(gates[i]);
        else
            atomic_fetch_sub(&gates[i]->overflowing, 1);
    }
}
