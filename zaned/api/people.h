/* What the route files of people share: documents, tokens, the locks that keep roles true. */
#ifndef ZN_API_PEOPLE_H
#define ZN_API_PEOPLE_H

#include "zaned/api/api.h"
#include "zaned/domain/people.h"
#include "zaned/store/store.h"

/* --- documents ---------------------------------------------------------------------------------------- */

/* Column doc of a row; the text under its member `sealed` (NULL = none) is shown in clear. *ret: new
 * reference. */
int zn_people_doc(struct zn_call *c, const PGresult *rows, int row, const char *sealed, json_t **ret,
                  struct zn_err *err);
/* The same of all rows, as a list. */
int zn_people_docs(struct zn_call *c, const PGresult *rows, const char *sealed, json_t **ret,
                   struct zn_err *err);
/* zn_people_doc of the first row into what a transaction shows; frees what an earlier try left there. */
int zn_people_show(struct zn_call *c, const PGresult *rows, const char *sealed, json_t **shown,
                   struct zn_err *err);
/* A number of the path as a text for statements; NULL if it is none, so nothing has it. */
const char *zn_people_number(struct zn_call *c, const char *param);
/* Runs the transaction and answers what it left in *shown, which is taken; 204 answers nothing. */
int zn_people_reply(struct zn_call *c, zn_tx_fn fn, void *arg, json_t **shown, int status,
                    struct zn_reply *reply, struct zn_err *err);

/* --- tokens of links ---------------------------------------------------------------------------------- */

struct zn_link_token {
    const char *text;           /* 32 hexadecimal digits: what the link holds */
    const char *hash, *sealed;  /* what is kept: found by one, shown from the other */
    const char *key_id;
};
/* All texts in the arena. */
int zn_link_token_new(struct zn_call *c, struct zn_link_token *ret, struct zn_err *err);
/* Hash of a token that came; NULL if the arena is full. */
const char *zn_link_token_hash(struct zn_arena *a, const char *text);

/* --- workspaces and members ----------------------------------------------------------------------------- */

/* Locks the caller's workspace and reads their role again: it may have changed since the call began.
 * ZN_DENIED if it is below at_least now. doc: the workspace as it is, new reference; may be NULL. */
int zn_workspace_lock_own(struct zn_conn *c, struct zn_call *call, int at_least, int *role,
                          json_t **doc, struct zn_err *err);
/* Locks any workspace; ZN_NOT_FOUND. doc as above. */
int zn_workspace_lock(struct zn_conn *c, struct zn_call *call, const char *id, json_t **doc,
                      struct zn_err *err);
/* Deletes a locked workspace: its projects are archived, nobody is in it any more. ZN_CONFLICT for the
 * last one of the instance. The last act of its transaction. */
int zn_workspace_remove(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err);

/* Ids as a text for statements, checked against the projects of a workspace; the bad ones are field
 * errors under accessible_project_ids. *ret: in the arena. */
int zn_projects_check(struct zn_conn *c, struct zn_call *call, const char *workspace,
                      const struct zn_strs *ids, const char **ret, struct zn_err *err);
/* What must hold for any role and its list of projects, before the database is asked: adds field
 * errors; empties the list for roles that see all projects. */
void zn_projects_rule(struct zn_call *call, int64_t role, struct zn_strs *ids, struct zn_err *err);

#endif
