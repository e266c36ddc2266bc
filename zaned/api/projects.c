/* Routes that list and find: projects, the services of an environment, names anywhere. */
#include <string.h>

#include "base/str.h"
#include "zaned/api/snapshot.h"
#include "zaned/domain/deployment.h"
#include "zaned/domain/rules.h"

struct list_query {
    const char *slug, *sort_by;
};
static const char *const orders[] = { "slug", "-slug", "updated_at", "-updated_at", NULL };
static const struct zn_jfield list_query[] = {
    ZN_J(list_query, slug, STR, .max = ZN_MAX_PROJECT_SLUG, .check = zn_rule_name,
         .help = "Part of the slug, whatever its case"),
    ZN_J(list_query, sort_by, STR, .min = 1, .choices = orders,
         .help = "What changed last comes first if it is left out"),
};

static int project_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct list_query in = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &in, NULL, err) < 0 ||
        zn_sql_once(call->api->store, ZN_SQL_PROJECT_LIST,
                    ZN_P(call->who.workspace_id, in.slug, in.sort_by, zn_guest_of(call)), &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200, zn_col_docs(res));
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
    zn_reply_doc(call, reply, 200, json_loads(zn_col(res, 0, "doc"), 0, NULL));
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

struct find_query {
    const char *query;
    struct zn_call *call;
    json_t *list;
};
static const struct zn_jfield cards_query[] = {
    ZN_J(find_query, query, STR, .max = ZN_MAX_SLUG, .check = zn_rule_name,
         .help = "Part of the slug, whatever its case"),
};
static const struct zn_jfield search_query[] = {
    ZN_J(find_query, query, STR, .max = ZN_MAX_NAME, .check = zn_rule_name,
         .help = "How the name begins, whatever its case; everything fits an empty one"),
};

static int cards_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct find_query *in = arg;
    struct zn_place place;
    zn_auto_pgresult res = NULL;

    if (zn_place_find(c, in->call, zn_request_param(in->call->req, "slug"),
                      zn_request_param(in->call->req, "env_slug"), &place, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_CARDS, ZN_P(place.environment_id, in->query), &res, err) < 0)
        return -1;
    json_decref(in->list);
    in->list = json_array();
    for (int i = 0; i < PQntuples(res); i++)
        json_array_append_new(in->list, card(in->call->arena, res, i));
    return 0;
}

static int service_cards(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct find_query in = { .call = call };

    if (zn_call_query(call, &in, NULL, err) < 0)
        return -1;
    int r = zn_tx(call->api->store, cards_tx, &in, err);
    zn_auto_json list = in.list;
    if (r == 0)
        zn_reply_json(reply, 200, ZN_TAKE(list));
    return r;
}

/* --- search ----------------------------------------------------------------------------------------- */

static int search(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct find_query in = { .query = "" };
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &in, NULL, err) < 0)
        return -1;
    char *begin = zn_arena_strdup(call->arena, in.query);
    if (!begin)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lower(begin);
    if (zn_sql_once(call->api->store, ZN_SQL_SEARCH,
                    ZN_P(call->who.workspace_id, begin, zn_guest_of(call)), &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200, zn_col_docs(res));
    return 0;
}

const struct zn_route zn_project_routes[] = {
    { .method = "GET", .path = "/api/projects", .scope = ZN_SCOPE_GUEST, .handler = project_list,
      .name = "project_list", .summary = "The projects that the caller may see, with counts of their services",
      .query = ZN_FIELDS(list_query), .answers = { { 200, "ListedProject[]" } },
      .cached = true },
    { .method = "GET", .path = "/api/projects/{slug}", .scope = ZN_SCOPE_GUEST,
      .handler = project_show, .name = "project_show", .summary = "A project with its environments",
      .answers = { { 200, "Project" } } },
    { .method = "GET", .path = "/api/projects/{slug}/{env_slug}/service-list",
      .scope = ZN_SCOPE_GUEST, .handler = service_cards, .name = "service_list",
      .summary = "The services of an environment as cards", .query = ZN_FIELDS(cards_query),
      .answers = { { 200, "ServiceCard[]" } }, .cached = true },
    { .method = "GET", .path = "/api/search-resources", .scope = ZN_SCOPE_GUEST, .handler = search,
      .name = "search", .summary = "Projects, environments and services by how their names begin, "
                                   "at most five of each",
      .query = ZN_FIELDS(search_query), .answers = { { 200, "SearchResult[]" } } },
};
const size_t zn_project_nroutes = ZN_COUNT(zn_project_routes);
