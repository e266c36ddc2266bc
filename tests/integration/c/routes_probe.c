/* Prints the daemon's route table: method, path and scope of each route, a line each. With the argument
 * "tables": all that the tables say, as JSON, for tests that compare it with the API's description. */
#include <stdio.h>
#include <string.h>

#include "zaned/api/api.h"
#include "zaned/api/caller.h"
#include "zaned/domain/values.h"

static const char *const scopes[] = { "PUBLIC", "INGEST", "SESSION", "GUEST",
                                      "MEMBER", "ADMIN",  "OWNER",   "SUPERUSER" };

static json_t *fields(const struct zn_jfield *tab, size_t n)
{
    static const char *const types[] = { [ZN_J_STR] = "STR",   [ZN_J_INT] = "INT", [ZN_J_BOOL] = "BOOL",
                                         [ZN_J_NUM] = "NUM",   [ZN_J_STRS] = "STRS", [ZN_J_OBJ] = "OBJ",
                                         [ZN_J_JSON] = "JSON" };
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct zn_jfield *f = &tab[i];
        json_t *choices = f->choices ? json_array() : json_null();

        for (const char *const *c = f->choices; c && *c; c++)
            json_array_append_new(choices, json_string(*c));
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:o,s:o,s:s?,s:s?,s:b}", "name", f->name, "type",
                            types[f->type], "required", f->required, "nullable", f->nullable, "blank", f->blank,
                            "min", (json_int_t)f->min, "max", (json_int_t)f->max, "items", (json_int_t)f->items,
                            "choices", choices, "sub", fields(f->sub, f->nsub), "help", f->help, "format",
                            f->format, "checked", f->check != NULL));
    }
    return list;
}

static json_t *answers(const struct zn_route *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ZN_ANSWERS_MAX && r->answers[i].status; i++)
        json_array_append_new(list, json_pack("[i,s?]", r->answers[i].status, r->answers[i].schema));
    return list;
}

static json_t *route(const struct zn_route *r, const char *area)
{
    static const char *const tokens[] = { [ZN_TOKEN_AUTO] = "AUTO", [ZN_TOKEN_NONE] = "NONE",
                                          [ZN_TOKEN_READ] = "READ", [ZN_TOKEN_DEPLOY] = "DEPLOY",
                                          [ZN_TOKEN_ADMIN] = "ADMIN" };

    static const char *const throttles[] = {
        [ZN_THROTTLE_AUTO] = "AUTO", [ZN_THROTTLE_NONE] = "NONE", [ZN_THROTTLE_ANON] = "ANON",
        [ZN_THROTTLE_TLS] = "TLS", [ZN_THROTTLE_REGISTRATION] = "REGISTRATION",
        [ZN_THROTTLE_WEBHOOK] = "WEBHOOK",
    };

    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s?,s:s?,s:o,s:s?,s:o,s:o,s:b,s:s}", "method", r->method, "path",
                     r->path, "area", area, "scope", scopes[r->scope], "token", tokens[zn_route_token(r)],
                     "loop", r->lane == ZN_LANE_LOOP, "name", r->name, "summary", r->summary, "body",
                     fields(r->body.tab, r->body.n), "body_schema", r->body_schema, "query",
                     fields(r->query.tab, r->query.n), "answers", answers(r), "conflicts", r->conflicts, "throttle",
                     throttles[r->throttle]);
}

static int dump(void)
{
    json_t *routes = json_array(), *changes = json_array();

    for (size_t t = 0; t < zn_all_nroutes; t++)
        for (size_t i = 0; i < *zn_all_routes[t].n; i++)
            json_array_append_new(routes, route(&zn_all_routes[t].routes[i], zn_all_routes[t].area));
    for (size_t i = 0; i < zn_change_ntables; i++) {
        const struct zn_change_table *c = &zn_change_tables[i];

        json_array_append_new(changes, json_pack("{s:s,s:b,s:b,s:o}", "field", c->field, "nullable", c->nullable,
                                                 "list", c->list, "fields", fields(c->tab, c->n)));
    }
    json_t *all = json_pack("{s:o,s:o}", "routes", routes, "changes", changes);
    int r = json_dumpf(all, stdout, JSON_COMPACT);
    json_decref(all);
    return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "tables") == 0)
        return dump();
    for (size_t t = 0; t < zn_all_nroutes; t++)
        for (size_t i = 0; i < *zn_all_routes[t].n; i++) {
            const struct zn_route *r = &zn_all_routes[t].routes[i];

            printf("%s %s %s\n", r->method, r->path, scopes[r->scope]);
        }
    return 0;
}
