/* Answers of routes with `cached`: kept until something changes, and worked out once for all who ask at the
 * same time. */
#ifndef ZN_API_ANSWERS_H
#define ZN_API_ANSWERS_H

#include "base/blob.h"
#include "zaned/api/api.h"

/* The answer from memory, a reference for the caller; NULL if it is not there. Never waits. */
struct zn_blob *zn_answer_recall(struct zn_call *c);
/* The same, but waits for somebody who is working it out already. NULL: the caller works it out now, and
 * must end that with zn_answer_end. */
struct zn_blob *zn_answer_begin(struct zn_call *c);
/* Keeps the reply if it is a 200, and gives it an ETag. */
void zn_answer_end(struct zn_call *c, struct zn_reply *reply);
/* Replies with a kept answer, whose reference it takes. */
void zn_answer_reply(struct zn_call *c, struct zn_reply *reply, struct zn_blob *steals);

#endif
