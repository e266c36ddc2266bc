/* Schedules from the command line: TARGET put ID TYPE QUEUE EVERY_MS|CRON · trigger ID · delete ID. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/temporal/client.h"

static int put(struct zt_client *c, char **a, struct zn_err *err)
{
    zn_auto_json input = json_pack("{s:s}", "from", a[0]);
    long long every = 0;
    struct zt_schedule s = { .id = a[0], .type = a[1], .queue = a[2], .workflow_id = a[0], .input = input };

    if (zn_parse_i64(a[3], 1, 1LL << 40, &every))
        s.every_ms = every;
    else
        s.cron = a[3];
    return zt_client_schedule(c, &s, err);
}

int main(int argc, char **argv)
{
    struct zt_client_config where = { .target = argc > 1 ? argv[1] : "", .namespace_ = "default",
                                      .identity = "schedule_probe", .client_name = "schedule_probe",
                                      .client_version = "1.0.0" };
    struct zt_client *c = NULL;
    struct zn_err err = { 0 };
    int r = -1;

    zn_log_setup("schedule_probe", ZN_LOG_WARN);
    if (argc < 4)
        zn_fail(&err, ZN_INVALID, "too few arguments");
    else if (zt_client_open(&where, &c, &err) == 0 && zt_client_ensure_namespace(c, 86400, &err) == 0)
        r = strcmp(argv[2], "put") == 0 && argc == 7 ? put(c, argv + 3, &err)
            : strcmp(argv[2], "trigger") == 0        ? zt_client_schedule_trigger(c, argv[3], &err)
            : strcmp(argv[2], "delete") == 0         ? zt_client_schedule_delete(c, argv[3], &err)
                                                     : zn_fail(&err, ZN_INVALID, "unknown verb");
    zt_client_close(c);
    printf("%s\n", r < 0 ? err.msg : "ok");
    return r < 0;
}
