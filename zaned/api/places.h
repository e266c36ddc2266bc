/* What the route files of projects and environments share. */
#ifndef ZN_API_PLACES_H
#define ZN_API_PLACES_H

#include "zaned/api/snapshot.h"

enum { ZN_ENVIRONMENT_ID_SIZE = 40 };

/* Lower case of a slug that came in, checked; NULL without memory. */
const char *zn_place_slug(struct zn_call *call, const char *field, const char *text,
                          struct zn_err *err);
/* The same for an environment that a user names: those of previews are not to be had. */
const char *zn_environment_name(struct zn_call *call, const char *text, struct zn_err *err);

/* The project with the slug in the caller's workspace, locked; *id in the arena. Whatever renames or
 * archives a project or adds, renames or archives an environment of it takes it first. exact: the slug
 * is not put in lower case, as some routes of the compatible API have it. ZN_NOT_FOUND. */
int zn_project_lock(struct zn_conn *c, struct zn_call *call, bool exact, const char **id,
                    struct zn_err *err);
/* An environment of a locked project; *id in the arena. ZN_CONFLICT: the name is taken,
 * or there are too many. */
int zn_environment_add(struct zn_conn *c, struct zn_call *call, const char *project,
                       const char *name, const char **id, struct zn_err *err);
/* A document of the database whose variables' values come out in clear text (new reference): an
 * environment, or a shared variable. */
int zn_environment_load(struct zn_conn *c, struct zn_call *call, const char *id, json_t **ret,
                        struct zn_err *err);
int zn_variable_read(struct zn_call *call, const PGresult *rows, int row, json_t **ret,
                     struct zn_err *err);

/* Archives a locked project with all that is in it: rows now, the rest by the workflow that is asked for
 * here. The caller ends its transaction with zn_queue_dispatch. */
int zn_project_archive(struct zn_conn *c, struct zn_call *call, const char *project,
                       struct zn_err *err);

/* Routes of zn_place_routes in files of their own. */
int zn_environment_clone(struct zn_call *call, struct zn_reply *reply, struct zn_err *err);
enum { ZN_ENVIRONMENT_CLONE_NFIELDS = 2 };
extern const struct zn_jfield zn_environment_clone_fields[ZN_ENVIRONMENT_CLONE_NFIELDS];

#endif
