/* Routes of projects, and of the services of an environment as a list. */
#include <string.h>

#include "base/str.h"
#include "zaned/api/snapshot.h"
#include "zaned/domain/deployment.h"

static json_t *docs(const PGresult *res)
{
    json_t *list = json_array();

    for (int i = 0; res && i < PQntuples(res); i++)
        json_array_append_new(list, json_loads(zn_col(res, i, "doc"), 0, NULL));
    return list;
}

static int project_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    static const char *const orders[] = { "slug", "-slug", "updated_at", "-updated_at" };
    const char *order = zn_request_query(call->req, "sort_by");
    const char *slug = zn_request_query(call->req, "slug");
    zn_auto_pgresult res = NULL;
    bool known = !order;

    for (size_t i = 0; !known && i < ZN_COUNT(orders); i++)
        known = strcmp(order, orders[i]) == 0;
    if (!known) {
        zn_call_field(call, err, "sort_by", "invalid_choice",
                      "Select a valid choice: slug, -slug, updated_at or -updated_at.");
        return zn_fail(err, ZN_INVALID, "the query has invalid fields");
    }
    if (zn_sql_once(call->api->store, ZN_SQL_PROJECT_LIST,
                    ZN_P(call->who.workspace_id, slug, order, zn_guest_of(call)), &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200, docs(res));
    return 0;
}

static int project_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    const char *slug = zn_request_param(call->req, "slug");
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(call->api->store, ZN_SQL_PROJECT_DOC,
                    ZN_P(call->who.workspace_id, slug, zn_guest_of(call)), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "A project with the slug `%.80s` does not exist.", slug);
    zn_reply_json(reply, 200, json_loads(zn_col(res, 0, "doc"), 0, NULL));
    return 0;
}

/* --- cards ------------------------------------------------------------------------------------------ */

/* "host:5000/app:1.2@sha256:…" → "host:5000/app" and "1.2". */
static void split_image(struct zn_arena *a, const char *ref, const char **image, const char **tag)
{
    size_t n = strcspn(ref, "@");
    const char *slash = memrchr(ref, '/', n), *from = slash ? slash : ref;
    const char *colon = memchr(from, ':', n - (size_t)(from - ref));

    *image = zn_arena_strndup(a, ref, colon ? (size_t)(colon - ref) : n);
    *tag = colon ? zn_arena_strndup(a, colon + 1, n - (size_t)(colon + 1 - ref)) : "latest";
}

static json_t *card(struct zn_arena *a, const PGresult *res, int i)
{
    const char *image = "", *tag = "";

    split_image(a, zn_col(res, i, "image"), &image, &tag);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:I,s:s,s:s}", "id", zn_col(res, i, "id"), "type",
                     "docker", "slug", zn_col(res, i, "slug"), "image", image, "tag", tag, "url",
                     zn_col(res, i, "url"), "volume_number",
                     (json_int_t)zn_col_i64(res, i, "volumes"), "status",
                     zn_service_card_status(zn_col(res, i, "production"),
                                            zn_col_bool(res, i, "unfinished")),
                     "updated_at", zn_col(res, i, "updated_at"));
}

struct cards {
    struct zn_call *call;
    json_t *list;
};

static int cards_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct cards *in = arg;
    struct zn_place place;
    zn_auto_pgresult res = NULL;

    if (zn_place_find(c, in->call, zn_request_param(in->call->req, "slug"),
                      zn_request_param(in->call->req, "env_slug"), &place, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_CARDS,
               ZN_P(place.environment_id, zn_request_query(in->call->req, "query")), &res, err) < 0)
        return -1;
    json_decref(in->list);
    in->list = json_array();
    for (int i = 0; i < PQntuples(res); i++)
        json_array_append_new(in->list, card(in->call->arena, res, i));
    return 0;
}

static int service_cards(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct cards in = { call, NULL };
    int r = zn_tx(call->api->store, cards_tx, &in, err);
    zn_auto_json list = in.list;

    if (r == 0)
        zn_reply_json(reply, 200, ZN_TAKE(list));
    return r;
}

const struct zn_route zn_project_routes[] = {
    { .method = "GET", .path = "/api/projects", .scope = ZN_SCOPE_GUEST, .handler = project_list,
      .cached = true },
    { .method = "GET", .path = "/api/projects/{slug}", .scope = ZN_SCOPE_GUEST,
      .handler = project_show },
    { .method = "GET", .path = "/api/projects/{slug}/{env_slug}/service-list",
      .scope = ZN_SCOPE_GUEST, .handler = service_cards, .cached = true },
};
const size_t zn_project_nroutes = ZN_COUNT(zn_project_routes);
