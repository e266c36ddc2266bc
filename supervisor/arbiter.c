#include "supervisor/arbiter.h"

#include <stddef.h>

void zn_arbiter_init(struct zn_arbiter *a, int64_t now_ms)
{
    *a = (struct zn_arbiter){ .owner = -1, .started_ms = now_ms };
}

int zn_arbiter_join(struct zn_arbiter *a, bool preferred, int64_t now_ms)
{
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        if (a->peers[i].used)
            continue;
        a->peers[i] = (struct zn_peer){ .used = true, .preferred = preferred, .heard_ms = now_ms };
        return i;
    }
    return -1;
}

void zn_arbiter_leave(struct zn_arbiter *a, int slot)
{
    a->peers[slot] = (struct zn_peer){ 0 };
    if (a->owner == slot)
        a->owner = -1;
}

static bool usable(const struct zn_peer *p, int64_t now_ms)
{
    return p->used && p->ready && now_ms - p->heard_ms < ZN_SILENCE_MS;
}

void zn_arbiter_heard(struct zn_arbiter *a, int slot, bool ready, int64_t now_ms)
{
    struct zn_peer *p = &a->peers[slot];

    if (ready && !usable(p, now_ms)) /* the first word after a silence begins a new stretch */
        p->ready_ms = now_ms;
    p->ready = ready;
    p->heard_ms = now_ms;
}

/* The longest ready one of a kind, or -1. */
static int best(const struct zn_arbiter *a, bool preferred, int64_t now_ms)
{
    int found = -1;

    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        const struct zn_peer *p = &a->peers[i];

        if (usable(p, now_ms) && p->preferred == preferred &&
            (found < 0 || p->ready_ms < a->peers[found].ready_ms))
            found = i;
    }
    return found;
}

static int choose(const struct zn_arbiter *a, int64_t now_ms)
{
    const struct zn_peer *owner = a->owner >= 0 ? &a->peers[a->owner] : NULL;
    int first = best(a, true, now_ms), second = best(a, false, now_ms);

    if (owner && usable(owner, now_ms)) {
        bool back = first >= 0 && now_ms - a->peers[first].ready_ms >= ZN_RETURN_MS;
        return !owner->preferred && back ? first : a->owner;
    }
    if (first >= 0)
        return first;
    if (second >= 0 && (a->granted || now_ms - a->started_ms >= ZN_GRACE_MS))
        return second;
    /* Nobody else: a silent owner may come round, and a command to hold would only make it drop
     * what it reads. One that says it is down is better off with the connections in the backlog. */
    return owner && owner->ready ? a->owner : -1;
}

void zn_arbiter_settle(struct zn_arbiter *a, int64_t now_ms, enum zn_command send[ZN_ARBITER_PEERS])
{
    a->owner = choose(a, now_ms);
    a->granted |= a->owner >= 0;
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        struct zn_peer *p = &a->peers[i];
        enum zn_command want = i == a->owner ? ZN_CMD_ACCEPT : ZN_CMD_HOLD;

        /* Until somebody is chosen a newcomer keeps the command it brought along: after a restart
         * of the supervisor the one that accepts goes on accepting. */
        send[i] = ZN_CMD_NONE;
        if (!p->used || p->told == want || (!a->granted && p->told == ZN_CMD_NONE))
            continue;
        send[i] = p->told = want;
    }
}

static void sooner(int64_t *wait, int64_t ms)
{
    if (ms > 0 && (*wait < 0 || ms < *wait))
        *wait = ms;
}

int64_t zn_arbiter_wait(const struct zn_arbiter *a, int64_t now_ms)
{
    int64_t wait = -1;

    if (!a->granted)
        sooner(&wait, a->started_ms + ZN_GRACE_MS - now_ms);
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        const struct zn_peer *p = &a->peers[i];

        if (!usable(p, now_ms))
            continue;
        sooner(&wait, p->heard_ms + ZN_SILENCE_MS - now_ms);
        if (p->preferred && i != a->owner)
            sooner(&wait, p->ready_ms + ZN_RETURN_MS - now_ms);
    }
    return wait;
}
