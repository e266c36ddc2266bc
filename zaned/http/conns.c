#include "zaned/http/conns.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { GRACE_MS = 1000 };

struct zn_conn_entry {
    struct zn_conn_entry *older, *newer; /* of its place */
    int64_t since_ms;
    enum zn_conn_place place;
    int fd;
    bool cut; /* in no place any more */
};

static void take_out(struct zn_conns *c, struct zn_conn_entry *e)
{
    if (e->cut)
        return;
    *(e->older ? &e->older->newer : &c->places[e->place].oldest) = e->newer;
    *(e->newer ? &e->newer->older : &c->places[e->place].newest) = e->older;
}

static void put_in(struct zn_conns *c, struct zn_conn_entry *e, enum zn_conn_place place)
{
    e->place = place;
    e->since_ms = zn_now_ms();
    e->older = c->places[place].newest;
    e->newer = NULL;
    *(e->older ? &e->older->newer : &c->places[place].oldest) = e;
    c->places[place].newest = e;
}

/* The server finds it closed, as if the client had done so. */
static void cut(struct zn_conns *c, struct zn_conn_entry *e)
{
    take_out(c, e);
    e->cut = true;
    shutdown(e->fd, SHUT_RDWR);
}

static void cut_late(struct zn_conns *c)
{
    int64_t now = zn_now_ms();

    for (int p = 0; p < ZN_CONN_PLACES; p++)
        while (c->longest_ms[p] && c->places[p].oldest &&
               now - c->places[p].oldest->since_ms > c->longest_ms[p])
            cut(c, c->places[p].oldest);
}

/* Quiet ones that have had their time first: a newcomer must not go before it could send its request, nor
 * an answer because of somebody who only connects. */
static void make_room(struct zn_conns *c)
{
    struct zn_conn_entry *quiet = c->places[ZN_CONN_QUIET].oldest;
    struct zn_conn_entry *arriving = c->places[ZN_CONN_ARRIVING].oldest, *e = quiet ? quiet : arriving;

    if (c->n <= c->max)
        return;
    if (quiet && arriving && arriving->since_ms < quiet->since_ms)
        e = arriving;
    if ((!e || zn_now_ms() - e->since_ms < GRACE_MS) && c->places[ZN_CONN_SENDING].oldest)
        e = c->places[ZN_CONN_SENDING].oldest;
    if (e)
        cut(c, e);
}

void zn_conns_notify(void *arg, struct MHD_Connection *conn, void **context,
                     enum MHD_ConnectionNotificationCode code)
{
    struct zn_conns *c = arg;
    struct zn_conn_entry *e = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);

        c->n++;
        if (info && (e = calloc(1, sizeof *e))) {
            e->fd = info->connect_fd;
            put_in(c, e, ZN_CONN_QUIET);
        }
        *context = e;
        cut_late(c);
        make_room(c);
    } else {
        c->n--;
        if (e)
            take_out(c, e);
        free(e);
        *context = NULL;
    }
}

void zn_conns_move(struct zn_conns *c, struct MHD_Connection *conn, enum zn_conn_place place)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct zn_conn_entry *e = info ? info->socket_context : NULL;

    if (e && !e->cut) {
        take_out(c, e);
        put_in(c, e, place);
    }
    cut_late(c);
}
