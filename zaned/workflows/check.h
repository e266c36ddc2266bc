/* One look at the health of a version of a service: what a deployment waits for and the monitor asks. */
#ifndef ZN_WORKFLOWS_CHECK_H
#define ZN_WORKFLOWS_CHECK_H

#include "zaned/workflows/work.h"

/* What is asked, out of the snapshot that it borrows from. Times in milliseconds. */
struct zn_check {
    int64_t timeout_ms, interval_ms;
    int64_t port;        /* 0 = nothing to ask over the network */
    const char *path;
    const char *command; /* health command; NULL = none */
    bool any_answer;     /* without a health check any answer will do */
    bool attached;       /* the proxy reaches the service's network */
    char last[400];      /* what the last look saw that was not well */
};

void zn_check_read(const json_t *snapshot, struct zn_check *ret);
/* What must hold for it to be well, as the end of "… until": "GET /up on port 80 answers 2xx". */
void zn_check_describe(const struct zn_check *c, char *ret, size_t size);

/* Asks a running task: 1 well, 0 not well (c->last says why), -1 it could not be asked. cancel_fd ends
 * it early; -1 = none. A check without port and command is always well. */
int zn_check_ask(struct zn_work *w, const struct zn_dep *d, const struct zn_task *task, int cancel_fd,
                 struct zn_check *c, struct zn_err *err);

/* Writes into c->last why nothing runs. absent: what to call a service without a wanted task. */
void zn_check_stopped(const struct zn_task_view *v, const char *absent, struct zn_check *c);

#endif
