#include "zaned/api/feed.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "zaned/api/hub.h"
#include "zaned/store/store.h"

enum { READERS_MAX = 2000, FRAME_MAX = 4096, GUEST_PROJECTS_MAX = 500, ID_MAX = 64 };
/* Then a reader comes again and is asked anew who it is: so long may a session that was ended still hear of changes. */
static const int64_t READER_MS = 300000, BEAT_MS = 15000;

struct zn_feed {
    struct zn_hub *hub;
    char epoch[9];         /* of this process: ids of another one mean nothing */
    atomic_ullong last;    /* number of the newest event */
    atomic_llong told_ms;
};

struct zn_feed *zn_feed_new(void)
{
    struct zn_feed *f = calloc(1, sizeof *f);

    if (!f || !(f->hub = zn_hub_new(READERS_MAX, READER_MS))) {
        free(f);
        return NULL;
    }
    snprintf(f->epoch, sizeof f->epoch, "%08x", randombytes_random());
    return f;
}

void zn_feed_free(struct zn_feed *f)
{
    if (!f)
        return;
    zn_hub_free(f->hub);
    free(f);
}

/* --- out ---------------------------------------------------------------------------------------------- */

static void publish(struct zn_feed *f, const char *topic, const char *event, const char *data)
{
    char id[ZN_EVENT_ID], text[FRAME_MAX];
    unsigned long long number = atomic_fetch_add(&f->last, 1) + 1;
    int n;

    snprintf(id, sizeof id, "%s.%llu", f->epoch, number);
    n = snprintf(text, sizeof text, "id: %s\nevent: %s\ndata: %s\n\n", id, event, data);
    if (n < 0 || n >= (int)sizeof text)
        return;
    atomic_store(&f->told_ms, zn_now_ms());
    zn_hub_publish(f->hub, id, topic, text, (size_t)n);
}

void zn_feed_reset(struct zn_feed *f)
{
    publish(f, NULL, "reset", "{}");
}

void zn_feed_away(struct zn_feed *f)
{
    zn_hub_end(f->hub, NULL);
}

void zn_feed_beat(struct zn_feed *f)
{
    static const char text[] = "event: ping\ndata: {}\n\n";

    if (zn_now_ms() - atomic_load(&f->told_ms) < BEAT_MS)
        return;
    atomic_store(&f->told_ms, zn_now_ms());
    zn_hub_publish(f->hub, "", NULL, text, sizeof text - 1);
}

void zn_feed_notice(struct zn_feed *f, const char *text)
{
    struct zn_err err = { 0 };
    zn_auto_json doc = NULL;
    char topic[160];

    if (zn_json_parse(text, strlen(text), &doc, &err) < 0 || !json_is_object(doc))
        return;
    const char *kind = zn_json_str(doc, "kind", ""), *workspace = zn_json_str(doc, "w", "");
    snprintf(topic, sizeof topic, "%s %s", workspace, zn_json_str(doc, "p", ""));
    zn_auto_json shown = json_copy(doc);
    json_object_del(shown, "w");
    json_object_del(shown, "p");
    zn_auto_mem char *data = json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS);
    if (!data || !*kind || !*workspace)
        return;
    publish(f, topic, "change", data);
    /* Who may see what has changed: all of the workspace's readers come again and are asked anew. */
    if (strcmp(kind, "member") == 0 || strcmp(kind, "workspace") == 0)
        zn_hub_end(f->hub, topic);
}

/* --- readers ------------------------------------------------------------------------------------------ */

struct audience {
    char workspace[ID_MAX];
    bool guest;
    unsigned n;
    char projects[GUEST_PROJECTS_MAX][ID_MAX]; /* allocated for a guest alone */
};

static bool hears(const void *arg, const char *topic)
{
    const struct audience *a = arg;
    size_t n = strlen(a->workspace);
    const char *project = topic + n + 1;

    if (strncmp(topic, a->workspace, n) != 0 || topic[n] != ' ')
        return false;
    if (!a->guest || !*project)
        return true;
    for (unsigned i = 0; i < a->n; i++)
        if (strcmp(a->projects[i], project) == 0)
            return true;
    return false;
}

static int audience_of(struct zn_call *c, struct audience **ret, struct zn_err *err)
{
    const char *guest = zn_guest_of(c);
    zn_auto_pgresult res = NULL;
    zn_auto_mem struct audience *a = calloc(1, guest ? sizeof *a : offsetof(struct audience, projects));

    if (!a)
        return zn_fail(err, ZN_UNAVAILABLE, "out of memory");
    snprintf(a->workspace, sizeof a->workspace, "%s", c->who.workspace_id);
    if (guest) {
        a->guest = true;
        if (zn_sql_once(c->api->store, ZN_SQL_GUEST_PROJECTS, ZN_P(guest), &res, err) < 0)
            return -1;
        for (int i = 0; i < PQntuples(res) && a->n < GUEST_PROJECTS_MAX; i++)
            snprintf(a->projects[a->n++], ID_MAX, "%s", zn_col(res, i, "project_id"));
    }
    *ret = ZN_TAKE(a);
    return 0;
}

/* What a reader sees first: from where it goes on, or that it must fetch everything. */
static struct zn_blob *greeting(const char *id, bool lost)
{
    char text[256];
    int n = snprintf(text, sizeof text, "retry: 1000\n%s%s%sevent: %s\ndata: {}\n\n", *id ? "id: " : "", id,
                     *id ? "\n" : "", lost ? "reset" : "hello");

    return zn_blob_of(text, (size_t)n);
}

int zn_feed_stream(struct zn_call *c, const char *last, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_feed *f = c->api->feed;
    struct zn_hub_reader r = { .filter = hears };
    struct audience *a = NULL;
    char id[ZN_EVENT_ID];
    bool known = zn_hub_place(f->hub, last, &r.from, id);

    if (audience_of(c, &a, err) < 0)
        return -1;
    r.filter_arg = a;
    if (!(r.first = greeting(known ? last : id, last && !known))) {
        free(a);
        return zn_fail(err, ZN_UNAVAILABLE, "out of memory");
    }
    return zn_hub_stream(f->hub, &r, reply, err);
}

static int feed(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *last;

    return zn_call_since(c, &last, err) < 0 ? -1 : zn_feed_stream(c, last, reply, err);
}

const struct zn_route zn_feed_routes[] = {
    { .method = "GET", .path = "/api/events", .scope = ZN_SCOPE_GUEST, .handler = feed, .name = "events",
      .summary = "Stream of the workspace's changes: hello or reset, then what changed and where",
      .query = ZN_FIELDS(zn_since_query), .answers = { { 200, "EventStream" } } },
};
const size_t zn_feed_nroutes = ZN_COUNT(zn_feed_routes);
