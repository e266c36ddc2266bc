/* Who gets the log socket and is told to accept on it. */
#include "tests/unit/supervisor/handoff_play.h"

TestSuite(handoff, .timeout = 40);

Test(handoff, preferred_accepts_other_holds, .init = set_up, .fini = tear_down)
{
    int lf, le, fluentd, embedded, engine;

    start(false);
    embedded = join("embedded", &le);
    ready(embedded);
    fluentd = join("fluentd", &lf);
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    EXPECT(embedded, "{\"cmd\":\"hold\"}");
    engine = zn_dial_unix(log_sock, SOCK_STREAM);
    cr_assert_geq(engine, 0);
    cr_assert_geq(accept_one(lf), 0);
    tell(fluentd, "{\"state\":\"down\",\"why\":\"in_forward does not answer\"}", -1);
    EXPECT(fluentd, "{\"cmd\":\"hold\"}");
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
}

Test(handoff, silence_moves_it_within_2_s, .init = set_up, .fini = tear_down)
{
    int lf, le, fluentd, embedded;
    int64_t since;
    const char *got = "";

    start(false);
    fluentd = join("fluentd", &lf);
    ready(fluentd);
    since = zn_now_ms();
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    embedded = join("embedded", &le);
    ready(embedded);
    EXPECT(embedded, "{\"cmd\":\"hold\"}");
    while (!*got && zn_now_ms() - since < PATIENCE_MS) {
        ready(embedded);
        got = hear(embedded, 300, NULL);
    }
    cr_assert_str_eq(got, "{\"cmd\":\"accept\"}");
    cr_assert_geq(zn_now_ms() - since, 1450);
    cr_assert_leq(zn_now_ms() - since, 2000);
}

Test(handoff, embedded_as_the_wanted_one, .init = set_up, .fini = tear_down)
{
    int le, embedded;
    int64_t since;

    start(true);
    since = zn_now_ms();
    embedded = join("embedded", &le);
    ready(embedded);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    cr_assert_leq(zn_now_ms() - since, 1000, "the grace is for a standby only");
}

Test(handoff, restarted_supervisor_takes_the_same_socket_back, .init = set_up, .fini = tear_down)
{
    int lf, le = -1, fluentd, embedded, engine;
    struct stat before, after;
    const char *got;

    start(false);
    fluentd = join("fluentd", &lf);
    cr_assert_eq(stat(log_sock, &before), 0);
    crash();
    close(fluentd);
    engine = zn_dial_unix(log_sock, SOCK_STREAM); /* the engine connects while nobody supervises */
    cr_assert_geq(engine, 0, "the socket must go on listening");
    start(false);
    /* Another collector that comes first has to wait for the descriptor. */
    embedded = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(embedded, "{\"name\":\"embedded\"}", -1);
    cr_assert_str_eq(hear(embedded, 300, NULL), "");
    fluentd = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(fluentd, "{\"name\":\"fluentd\",\"fd\":true}", lf);
    got = hear(embedded, PATIENCE_MS, &le);
    cr_assert_str_eq(got, "{\"cmd\":\"fd\"}");
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}"); /* and no descriptor: it has the right one */
    cr_assert_eq(stat(log_sock, &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino);
    close(lf);
    int conn = accept_one(le); /* what waited is still there, on the copy of the other */
    cr_assert_eq(write(engine, "x", 1), 1);
    cr_assert_eq(read(conn, &(char){ 0 }, 1), 1);
}

Test(handoff, stale_socket_is_not_taken, .init = set_up, .fini = tear_down)
{
    int lf, fluentd, stale, given = -1;
    struct zn_err err = { 0 };
    char other[96];
    const char *got;

    start(false);
    snprintf(other, sizeof other, "%s/other", dir);
    stale = zn_listen_unix(other, SOCK_STREAM, 0600, &err);
    cr_assert_geq(stale, 0);
    fluentd = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(fluentd, "{\"name\":\"fluentd\",\"fd\":true}", stale);
    got = hear(fluentd, PATIENCE_MS, &given);
    cr_assert_str_eq(got, "{\"cmd\":\"fd\"}");
    cr_assert_geq(zn_dial_unix(log_sock, SOCK_STREAM), 0);
    cr_assert_geq(accept_one(given), 0);
    unlink(other);
    /* something that does not listen at all */
    lf = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fluentd = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(fluentd, "{\"name\":\"fluentd\",\"fd\":true}", lf);
    EXPECT(fluentd, "{\"cmd\":\"fd\"}");
}

Test(handoff, dead_socket_file_is_bound_anew_at_once, .init = set_up, .fini = tear_down)
{
    int lf;
    int64_t since;

    start(false);
    crash(); /* nobody held a copy */
    cr_assert_lt(zn_dial_unix(log_sock, SOCK_STREAM), 0);
    start(false);
    since = zn_now_ms();
    join("fluentd", &lf);
    cr_assert_leq(zn_now_ms() - since, 1000);
}

Test(handoff, holder_that_never_comes_is_replaced, .init = set_up, .fini = tear_down)
{
    int lf, le, fluentd, embedded;

    start(false);
    fluentd = join("fluentd", &lf);
    crash();
    close(fluentd);
    start(false);
    embedded = join("embedded", &le); /* within the patience of join: 10 s */
    cr_assert_geq(zn_dial_unix(log_sock, SOCK_STREAM), 0);
    cr_assert_geq(accept_one(le), 0);
    close(lf);
    close(embedded);
}

Test(handoff, bad_datagrams_close_the_connection, .init = set_up, .fini = tear_down)
{
    static const char *const bad[] = {
        "not json", "[]", "{\"name\":\"intruder\"}", "{\"name\":7}", "{}", "\xff\xfe",
        "{\"name\":\"fluentd\"",
    };
    static char large[4096];
    int lf, conn;

    start(false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        conn = zn_dial_unix(door, SOCK_SEQPACKET);
        tell(conn, bad[i], -1);
        const char *got = hear(conn, PATIENCE_MS, NULL);
        cr_assert_str_eq(got, "closed", "%s", bad[i]);
        close(conn);
    }
    memset(large, ' ', sizeof large);
    conn = zn_dial_unix(door, SOCK_SEQPACKET);
    cr_assert_eq(send(conn, large, sizeof large, MSG_NOSIGNAL), (ssize_t)sizeof large);
    EXPECT(conn, "closed");
    conn = join("fluentd", &lf); /* it lives, and knows that future words may come */
    tell(conn, "{\"state\":\"ready\",\"later\":1}", -1);
    EXPECT(conn, "{\"cmd\":\"accept\"}");
    tell(conn, "{\"state\":\"dancing\"}", -1);
    tell(conn, "{\"state\":\"down\"}", -1);
    EXPECT(conn, "{\"cmd\":\"hold\"}");
}

Test(handoff, connections_wait_while_there_is_no_collector, .init = set_up, .fini = tear_down)
{
    int waiting[200], lf, fluentd;

    start(false);
    for (int i = 0; i < 200; i++) {
        waiting[i] = zn_dial_unix(log_sock, SOCK_STREAM);
        cr_assert_geq(waiting[i], 0, "connection %d", i);
    }
    fluentd = join("fluentd", &lf);
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    for (int i = 0; i < 200; i++)
        cr_assert_geq(accept_one(lf), 0);
}

Test(handoff, too_many_collectors_are_refused, .init = set_up, .fini = tear_down)
{
    int lf, conn[9];

    start(false);
    for (int i = 0; i < 8; i++)
        conn[i] = join("embedded", &lf);
    conn[8] = zn_dial_unix(door, SOCK_SEQPACKET);
    EXPECT(conn[8], "closed");
    close(conn[0]);
    int64_t end = zn_now_ms() + PATIENCE_MS;
    const char *got = "closed";
    while (strcmp(got, "closed") == 0 && zn_now_ms() < end) { /* until the slot is seen free */
        close(conn[8]);
        conn[8] = zn_dial_unix(door, SOCK_SEQPACKET);
        if (send(conn[8], "{\"name\":\"fluentd\"}", 18, MSG_NOSIGNAL) == 18)
            got = hear(conn[8], PATIENCE_MS, NULL);
    }
    cr_assert_str_eq(got, "{\"cmd\":\"fd\"}");
}
