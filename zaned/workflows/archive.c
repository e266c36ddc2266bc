/* The archive workflows: end what still runs of a service, an environment or a project, then remove all
 * that it left. The rows were marked before; what a workflow finds gone already is fine. */
#include "base/json.h"
#include "zaned/workflows/workflows.h"

enum { AT_ONCE = 10 }; /* children of one workflow at a time */

#define ACT(kind, attempt_s)                                                               \
    {                                                                                      \
        .type = kind, .start_to_close_ms = (attempt_s) * 1000LL,                           \
        .schedule_to_close_ms = 86400000, .heartbeat_ms = 6000, .backoff = 1.5,            \
        .first_ms = 500, .max_ms = 5000,                                                   \
    }

enum zt_res zn_wf_archive(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts cancel_all = ACT("cancel_all", 30), erase = ACT("erase", 180);

    (void)result;
    zt_shield(w, true);
    enum zt_res r = zt_do(w, &cancel_all, json_incref(input), NULL);
    return r == ZT_OK ? zt_do(w, &erase, json_incref(input), NULL) : r;
}

/* One child for each id, AT_ONCE at a time. How a child ends is not looked at: one that exists already is
 * as good, and what is left afterwards keeps the removal of the place waiting. */
static void archive_each(struct zt_wf *w, const json_t *ids, const char *type, const char *key)
{
    size_t n = json_array_size(ids);

    for (size_t done = 0; done < n; done += AT_ONCE) {
        struct zt_fut futs[AT_ONCE];
        size_t k = n - done < AT_ONCE ? n - done : AT_ONCE;

        for (size_t i = 0; i < k; i++) {
            const char *id = json_string_value(json_array_get(ids, done + i));

            futs[i] = zt_child(w, type, zn_arena_printf(zt_arena(w), "archive-%s", id),
                               json_pack("{s:s}", key, id));
        }
        for (size_t i = 0; i < k; i++)
            zt_await(w, futs[i], NULL);
    }
}

/* What list finds is archived child by child, then remove takes the place itself. */
static enum zt_res archive_place(struct zt_wf *w, json_t *input, const struct zt_activity_opts *list,
                                 const char *type, const char *key,
                                 const struct zt_activity_opts *remove)
{
    json_t *found = NULL;

    zt_shield(w, true);
    enum zt_res r = zt_do(w, list, json_incref(input), &found);
    if (r != ZT_OK)
        return r;
    archive_each(w, json_object_get(found, "ids"), type, key);
    return zt_do(w, remove, json_incref(input), NULL);
}

enum zt_res zn_wf_archive_environment(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts list = ACT("list_services", 30),
                                         remove = ACT("erase_environment", 120);

    (void)result;
    return archive_place(w, input, &list, "archive_service", "service", &remove);
}

enum zt_res zn_wf_archive_project(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts list = ACT("list_environments", 30),
                                         remove = ACT("erase_project", 60);

    (void)result;
    return archive_place(w, input, &list, "archive_environment", "environment", &remove);
}

/* --- daily ------------------------------------------------------------------------------------------- */

enum zt_res zn_wf_housekeeping(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts tidy = ACT("tidy", 300);

    return zt_do(w, &tidy, json_incref(input), result);
}

const struct zt_workflow zn_workflows[] = {
    { "deploy_service", zn_wf_deploy },
    { "archive_service", zn_wf_archive },
    { "toggle_service", zn_wf_toggle },
    { "archive_environment", zn_wf_archive_environment },
    { "archive_project", zn_wf_archive_project },
    { "housekeeping", zn_wf_housekeeping },
};
const size_t zn_workflows_count = sizeof zn_workflows / sizeof *zn_workflows;
