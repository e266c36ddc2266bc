/* What changes in a workspace, for whoever looks at it: the database's notices as server-sent events. */
#ifndef ZN_API_FEED_H
#define ZN_API_FEED_H

#include "zaned/api/api.h"

struct zn_feed; /* owner: the caller */

struct zn_feed *zn_feed_new(void); /* NULL: out of memory */
void zn_feed_free(struct zn_feed *f); /* readers must have ended; NULL is fine */

/* A notice of the channel "events": JSON {kind, w: workspace, p?: project's id, project?, environment?, service?,
 * deployment?}. */
void zn_feed_notice(struct zn_feed *f, const char *text);
/* Notices may have been missed: every reader fetches everything anew. */
void zn_feed_reset(struct zn_feed *f);
/* Notices do not come: a stream would promise what it cannot keep, so all end. */
void zn_feed_away(struct zn_feed *f);
/* Something at least every 15 s, so that readers know that they are still connected. */
void zn_feed_beat(struct zn_feed *f);

/* Streams the changes of the caller's workspace, of a guest the ones that concern what they see, from after the event
 * `last` on (NULL = from now). */
int zn_feed_stream(struct zn_call *c, const char *last, struct zn_reply *reply, struct zn_err *err);

#endif
