#include "zaned/http/conns.h"

#include <stdlib.h>
#include <sys/socket.h>

struct zn_conn_entry {
    struct zn_conn_entry *older, *newer;
    int fd;
    bool idle;
};

static void take_out(struct zn_conns *c, struct zn_conn_entry *e)
{
    if (!e->idle)
        return;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    e->older = e->newer = NULL;
    e->idle = false;
}

static void put_in(struct zn_conns *c, struct zn_conn_entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
    e->idle = true;
}

/* The server finds it closed, as if the client had done so. */
static void make_room(struct zn_conns *c)
{
    struct zn_conn_entry *e = c->oldest;

    if (c->n <= c->max || !e)
        return;
    take_out(c, e);
    shutdown(e->fd, SHUT_RDWR);
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
            put_in(c, e);
        }
        *context = e;
        make_room(c);
    } else {
        c->n--;
        if (e)
            take_out(c, e);
        free(e);
        *context = NULL;
    }
}

void zn_conns_busy(struct zn_conns *c, struct MHD_Connection *conn, bool busy)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct zn_conn_entry *e = info ? info->socket_context : NULL;

    if (!e)
        return;
    take_out(c, e);
    if (!busy)
        put_in(c, e);
}
