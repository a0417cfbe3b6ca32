/* turns.c -- parties in a ring; the one at its head spends its deficit, then goes to the end. */
#include "engine/turns.h"

#include "base/log.h"

struct party {
    struct list link;  /* in turns->waiting, while a turn of it waits */
    struct list lanes; /* struct turn that wait */
    str name;          /* the map's */
    int refs;          /* turns of it, and attempts under way */
    int in_use;
    int64_t deficit;
};

void turns_init(struct turns *t, int budget)
{
    *t = (struct turns){.budget = budget};
    list_init(&t->waiting);
}

static void party_unref(struct turns *t, struct party *p)
{
    if (!p || --p->refs > 0)
        return;
    list_remove(&p->link);
    map_remove(&t->parties, p->name);
    free((char *)(uintptr_t)p->name.p);
    free(p);
}

void turns_release(struct turns *t)
{
    assert(t->parties.count == 0 && t->in_use == 0);
    map_release(&t->parties);
}

static struct party *party_of(struct turns *t, str name)
{
    struct party *p = map_get(&t->parties, name);
    if (!p) {
        char *text = xmalloc(name.n);
        memcpy(text, name.p, name.n);
        p = xcalloc(1, sizeof(*p));
        p->name = str_of(text, name.n);
        list_init(&p->link);
        list_init(&p->lanes);
        map_put(&t->parties, name, p);
    }
    p->refs++;
    return p;
}

void turns_forget(struct turn *who)
{
    struct party *p = who->party;
    if (!who->waits)
        return;
    list_remove(&who->link);
    who->waits = false;
    if (list_is_empty(&p->lanes)) {
        list_remove(&p->link);
        p->deficit = 0; /* who has nothing to send saves nothing up */
    }
}

void turns_join(struct turns *t, struct turn *who, str name)
{
    struct party *old = who->party;
    if (old && name.n && str_eq(old->name, name))
        return;
    turns_forget(who);
    list_init(&who->link);
    who->party = name.n ? party_of(t, name) : NULL;
    party_unref(t, old);
}

/* Never more than is free: with the one that is asked for it holds at most what is left then. */
static bool has_room(const struct turns *t, const struct party *p)
{
    return t->in_use < t->budget && p->in_use < t->budget - t->in_use;
}

static void wait_for_turn(struct turns *t, struct turn *who)
{
    if (who->waits)
        return;
    who->waits = true;
    list_push(&who->party->lanes, &who->link);
    if (list_is_empty(&who->party->link))
        list_push(&t->waiting, &who->party->link);
}

/* Nobody who waits could go instead. */
static bool is_unopposed(const struct turns *t)
{
    LIST_EACH(&t->waiting, node)
    if (has_room(t, CONTAINER_OF(node, struct party, link)))
        return false;
    return true;
}

bool turns_take(struct turns *t, struct turn *who, struct party **held)
{
    struct party *p = who->party;
    *held = NULL;
    if (!p)
        return true;
    if (t->granted ? t->granted != p : !has_room(t, p) || !is_unopposed(t)) {
        wait_for_turn(t, who);
        return false;
    }
    if (t->granted) {
        t->granted = NULL; /* one */
        p->deficit--;
    }
    t->in_use++;
    p->in_use++;
    p->refs++;
    *held = p;
    return true;
}

void turns_charge(struct party *held, size_t bytes)
{
    if (held && !list_is_empty(&held->link))
        held->deficit -= (int64_t)(bytes / TURNS_COST_BYTES);
}

void turns_give(struct turns *t, struct party *held)
{
    if (!held)
        return;
    assert(t->in_use > 0 && held->in_use > 0);
    t->in_use--;
    held->in_use--;
    party_unref(t, held);
}

/* The next party that may go, with something to spend; NULL: nobody may. */
static struct party *next_party(struct turns *t)
{
    bool any = true;
    while (any) {
        any = false;
        LIST_EACH(&t->waiting, node)
        {
            struct party *p = CONTAINER_OF(node, struct party, link);
            if (!has_room(t, p))
                continue;
            if (p->deficit > 0)
                return p;
            p->deficit += TURNS_QUANTUM;
            list_remove(&p->link);
            list_push(&t->waiting, &p->link);
            any = true;
        }
    }
    return NULL;
}

void turns_run(struct turns *t, void (*pump)(struct turn *who))
{
    struct party *p;
    while (t->in_use < t->budget && (p = next_party(t)) != NULL) {
        struct turn *who = CONTAINER_OF(p->lanes.next, struct turn, link);
        list_remove(&who->link);
        who->waits = false;
        p->refs++; /* whatever the pump does */
        t->granted = p;
        pump(who);
        t->granted = NULL;
        if (list_is_empty(&p->lanes) && !list_is_empty(&p->link)) {
            list_remove(&p->link);
            p->deficit = 0;
        }
        party_unref(t, p);
    }
}
