/* The log connections that the supervisor keeps, and to whom they go. */
#include "tests/unit/supervisor/handoff_play.h"

#include <netinet/in.h>
#include <time.h>

#include "base/guard.h"

TestSuite(handoff_conns, .timeout = 40);

/* A collector that was told to accept. */
static int join_ready(const char *name, int *listen_fd)
{
    int conn = join(name, listen_fd);

    ready(conn);
    EXPECT(conn, "{\"cmd\":\"accept\"}");
    return conn;
}

/* One that was told to hold, because another accepts. */
static int join_standby(const char *name)
{
    int listen_fd, conn = join(name, &listen_fd);

    close(listen_fd);
    ready(conn);
    EXPECT(conn, "{\"cmd\":\"hold\"}");
    return conn;
}

static uint64_t cookie(int fd)
{
    uint64_t ret = 0;
    socklen_t size = sizeof ret;

    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &ret, &size), 0);
    return ret;
}

/* The log driver's end of a new connection; *collector_end gets the other one. */
static int driver(int *collector_end)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *collector_end = ends[1];
    return ends[0];
}

static void bring(int conn, int fd)
{
    tell(conn, "{\"conn\":true}", fd);
}

static void end(int conn, uint64_t which)
{
    char text[64];

    snprintf(text, sizeof text, "{\"end\":%llu}", (unsigned long long)which);
    tell(conn, text, -1);
}

/* The next command, which must bring a connection. */
static int hear_conn(int conn)
{
    int fd = -1;
    const char *got = hear(conn, PATIENCE_MS, &fd);

    cr_assert_str_eq(got, "{\"cmd\":\"conn\"}");
    cr_assert_geq(fd, 0);
    return fd;
}

static void expect_conn(int conn, uint64_t which)
{
    int fd = hear_conn(conn);

    cr_assert_eq(cookie(fd), which);
    close(fd);
}

/* Returns once the supervisor has read all that `conn` sent: a new connection reached the owner. */
static void settled(int conn, int owner)
{
    int theirs, ours = driver(&theirs);

    bring(conn, theirs);
    expect_conn(owner, cookie(theirs));
    end(owner, cookie(theirs));
    close(theirs);
    cr_assert_eq(poll(&(struct pollfd){ .fd = ours }, 1, PATIENCE_MS), 1);
    close(ours);
}

static bool hung_up(int driver_end, int ms)
{
    return poll(&(struct pollfd){ .fd = driver_end }, 1, ms) == 1;
}

/* How many descriptors the supervisor has open; only those of one socket, if `fd` is not -1. */
static int open_in_server(int fd)
{
    char path[64], link[64], want[64];
    struct stat st = { 0 };
    int n = 0;

    cr_assert(fd < 0 || fstat(fd, &st) == 0);
    snprintf(want, sizeof want, "socket:[%lu]", (unsigned long)st.st_ino);
    for (int i = 0; i < 8192; i++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)server, i);
        ssize_t len = readlink(path, link, sizeof link - 1);
        link[len < 0 ? 0 : len] = '\0';
        n += len >= 0 && (fd < 0 || strcmp(link, want) == 0);
    }
    return n;
}

/* True if a program that the supervisor executes gets none of its descriptors but 0, 1 and 2. */
static bool all_cloexec(void)
{
    char path[64];
    unsigned flags;

    for (int i = 3; i < 64; i++) {
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)server, i);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        int found = fscanf(f, "pos: %*d flags: %o", &flags);
        fclose(f);
        if (found != 1 || !(flags & O_CLOEXEC))
            return false;
    }
    return true;
}

static void freeze(void)
{
    kill(server, SIGSTOP);
    waitpid(server, NULL, WUNTRACED);
}

Test(handoff_conns, connection_outlives_its_collector_with_what_is_unread, .init = set_up,
     .fini = tear_down)
{
    char line[32] = "";
    int lf, fluentd, embedded, engine, conn;
    uint64_t name;

    start(false);
    fluentd = join_ready("fluentd", &lf);
    embedded = join_standby("embedded");
    engine = zn_dial_unix(log_sock, SOCK_STREAM);
    conn = accept_one(lf);
    name = cookie(conn);
    bring(fluentd, conn);
    expect_conn(fluentd, name);
    cr_assert_eq(write(engine, "line 1", 6), 6);
    close(conn); /* killed */
    close(lf);
    close(fluentd);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    conn = hear_conn(embedded);
    cr_assert_eq(cookie(conn), name);
    cr_assert_eq(read(conn, line, sizeof line), 6);
    cr_assert_str_eq(line, "line 1");
    cr_assert_eq(write(engine, "line 2", 6), 6);
    cr_assert_eq(read(conn, line, sizeof line), 6);
    cr_assert_str_eq(line, "line 2");
    close(conn);
    cr_assert_not(hung_up(engine, 0));
    end(embedded, name);
    cr_assert(hung_up(engine, PATIENCE_MS));
}

Test(handoff_conns, connection_is_kept_once_and_not_inherited, .init = set_up, .fini = tear_down)
{
    int lf, fluentd, embedded, conn, engine = driver(&conn);

    start(false);
    fluentd = join_ready("fluentd", &lf);
    embedded = join_standby("embedded");
    for (int i = 0; i < 3; i++)
        bring(fluentd, conn);
    expect_conn(fluentd, cookie(conn)); /* once */
    settled(fluentd, fluentd);
    bring(embedded, conn);
    settled(embedded, fluentd);
    cr_assert_eq(open_in_server(conn), 1);
    cr_assert(all_cloexec());
    end(fluentd, cookie(conn));
    close(conn);
    cr_assert(hung_up(engine, PATIENCE_MS));
}

Test(handoff_conns, only_the_owner_ends_a_connection, .init = set_up, .fini = tear_down)
{
    int lf, fluentd, embedded, conn, engine = driver(&conn);
    uint64_t name = cookie(conn);

    start(false);
    fluentd = join_ready("fluentd", &lf);
    embedded = join_standby("embedded");
    bring(fluentd, conn);
    expect_conn(fluentd, name);
    close(conn);
    end(embedded, name);
    settled(embedded, fluentd);
    end(fluentd, name + 1000000); /* and what names none */
    tell(fluentd, "{\"end\":\"all\"}", -1);
    tell(fluentd, "{\"end\":null}", -1);
    tell(fluentd, "{\"end\":-1}", -1);
    settled(fluentd, fluentd);
    cr_assert_not(hung_up(engine, 0));
    end(fluentd, name);
    cr_assert(hung_up(engine, PATIENCE_MS));
}

/* More than any queue of commands takes; the driver has closed them, with a byte unread in each. */
enum { MANY = 1000 };

static void bring_many(int conn, uint64_t *names, int n)
{
    for (int i = 0; i < n; i++) {
        int theirs, ours = driver(&theirs);

        names[i] = cookie(theirs);
        cr_assert_eq(write(ours, "x", 1), 1);
        bring(conn, theirs);
        close(ours);
        close(theirs);
    }
}

/* Hears the next connection and ticks it off. */
static void tick_off(int conn, uint64_t *names, int n)
{
    int fd = hear_conn(conn), i = 0;

    while (i < n && names[i] != cookie(fd))
        i++;
    cr_assert_lt(i, n, "it came twice, or nobody brought it");
    names[i] = 0;
    cr_assert_eq(read(fd, &(char){ 0 }, 1), 1, "its unread byte is gone");
    close(fd);
}

static int64_t cpu_ms(void)
{
    struct timespec t = { 0 };
    clockid_t clock;

    cr_assert_eq(clock_getcpuclockid(server, &clock), 0);
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void expect_idle(void)
{
    int64_t busy = cpu_ms();

    zn_pause_ms(500);
    busy = cpu_ms() - busy;
    cr_assert_leq(busy, 50, "the supervisor is busy for %lld ms of 500", (long long)busy);
}

Test(handoff_conns, many_connections_pass_a_full_queue, .init = set_up, .fini = tear_down)
{
    enum { ENDED = 10 };
    int le, lf, embedded, fluentd;
    static uint64_t names[MANY];

    start(true);
    fluentd = join("fluentd", &lf); /* says nothing yet: it brings them, nobody accepts */
    bring_many(fluentd, names, MANY);
    embedded = join("embedded", &le);
    ready(embedded);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    zn_pause_ms(100); /* by then the queue is full */
    expect_idle();
    for (int i = 0; i < ENDED; i++) { /* not handed over yet: the first comes last */
        end(embedded, names[i]);
        names[i] = 0;
    }
    zn_pause_ms(100);
    for (int i = ENDED; i < MANY; i++)
        tick_off(embedded, names, MANY);
    cr_assert_str_eq(hear(embedded, 50, NULL), "");
    expect_idle();
}

Test(handoff_conns, commands_wait_for_a_full_queue, .init = set_up, .fini = tear_down)
{
    int le, lf, fluentd, embedded, n = 0;
    static uint64_t names[MANY];
    const char *got = "";

    start(false);
    embedded = join("embedded", &le);
    bring_many(embedded, names, MANY);
    fluentd = join("fluentd", &lf);
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    ready(embedded);
    EXPECT(embedded, "{\"cmd\":\"hold\"}");
    tell(fluentd, "{\"state\":\"down\",\"why\":\"slow\"}", -1);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    for (int i = 0; i < MANY; i++)
        tick_off(embedded, names, MANY);
    for (int fd = -1; *(got = hear(fluentd, PATIENCE_MS, &fd)) && strstr(got, "conn"); n++)
        close(fd);
    cr_assert_str_eq(got, "{\"cmd\":\"hold\"}");
    cr_assert_lt(n, MANY, "the queue was never full");
    cr_assert_str_eq(hear(fluentd, 50, NULL), "");
}

Test(handoff_conns, restarted_supervisor_gets_the_connections_again, .init = set_up,
     .fini = tear_down)
{
    int lf, fluentd, embedded, conn, engine = driver(&conn);
    uint64_t name = cookie(conn);
    char line[8] = "";

    start(false);
    fluentd = join_ready("fluentd", &lf);
    bring(fluentd, conn);
    expect_conn(fluentd, name);
    crash();
    close(fluentd);
    cr_assert_eq(write(engine, "line", 4), 4);
    start(false);
    fluentd = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(fluentd, "{\"name\":\"fluentd\",\"fd\":true}", lf);
    bring(fluentd, conn);
    close(conn);
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    expect_conn(fluentd, name);
    embedded = join_standby("embedded");
    close(fluentd);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    conn = hear_conn(embedded);
    cr_assert_eq(cookie(conn), name);
    cr_assert_eq(read(conn, line, sizeof line), 4);
}

/* A collector cannot know, while it brings a connection, that it was told to hold and to accept
 * again: on the first it lets go of the connection, after the second it must get it back. */
Test(handoff_conns, connection_follows_the_last_command, .init = set_up, .fini = tear_down)
{
    int lf, fluentd, conn, engine = driver(&conn);
    bool accepts = true, has = false;

    start(false);
    fluentd = join_ready("fluentd", &lf);
    tell(fluentd, "{\"state\":\"down\",\"why\":\"a moment\"}", -1);
    zn_pause_ms(100);
    ready(fluentd);
    zn_pause_ms(100);
    bring(fluentd, conn);
    for (const char *got; *(got = hear(fluentd, 300, NULL));) {
        if (!strstr(got, "conn"))
            accepts = strstr(got, "accept");
        has = accepts && strstr(got, "conn");
    }
    cr_assert(has);
    close(engine);
}

/* `fluentd` dies with commands unread, and before the supervisor has read all that it sent. Then
 * its end is an error (ECONNRESET) that comes before what it sent; so does a command that cannot be
 * sent to it any more, for which `send` makes an occasion. */
static void die_after_bringing(bool send)
{
    int lf, fluentd, embedded, early, late, third, fd;
    int drivers[] = { driver(&early), driver(&late), driver(&third) };
    uint64_t late_name = cookie(late);
    bool found = false;

    start(false);
    fluentd = join_ready("fluentd", &lf);
    embedded = join_standby("embedded");
    bring(fluentd, early);
    cr_assert_eq(poll(&(struct pollfd){ .fd = fluentd, .events = POLLIN }, 1, PATIENCE_MS), 1);
    freeze();
    if (send)
        bring(embedded, third);
    bring(fluentd, late);
    close(early);
    close(late);
    close(third);
    close(fluentd);
    kill(server, SIGCONT);
    EXPECT(embedded, "{\"cmd\":\"accept\"}");
    for (int i = 0; i < 2 + send; i++) {
        fd = hear_conn(embedded);
        found |= cookie(fd) == late_name;
        close(fd);
    }
    cr_assert(found);
    cr_assert_not(hung_up(drivers[1], 0));
}

Test(handoff_conns, what_a_dead_collector_sent_is_still_taken, .init = set_up, .fini = tear_down)
{
    die_after_bringing(false);
}

Test(handoff_conns, dead_collector_is_heard_out_before_it_is_hung_up_on, .init = set_up,
     .fini = tear_down)
{
    die_after_bringing(true);
}

/* Both ends of a connection over the loopback interface. */
static void tcp_pair(int ends[2])
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&sa, &size), 0);
    cr_assert_eq(connect(ends[0], (struct sockaddr *)&sa, sizeof sa), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
}

Test(handoff_conns, what_is_no_connection_is_refused, .init = set_up, .fini = tear_down)
{
    int lf, fluentd, before, pipes[2], datagrams[2], tcp[2], conn, engine = driver(&conn);

    start(false);
    fluentd = join_ready("fluentd", &lf);
    settled(fluentd, fluentd);
    before = open_in_server(-1);
    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, datagrams), 0);
    tcp_pair(tcp);
    int apart = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), none = -1, listening = lf;
    int bad[] = { pipes[0], datagrams[0], tcp[0], apart, listening, none };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bring(fluentd, bad[i]);
        settled(fluentd, fluentd);
        cr_assert_eq(open_in_server(-1), before, "number %zu is kept", i);
    }
    tell(fluentd, "{\"conn\":false}", conn);
    tell(fluentd, "{\"state\":\"ready\"}", conn);
    settled(fluentd, fluentd);
    close(conn);
    cr_assert(hung_up(engine, PATIENCE_MS));
}

static void fill_the_table(int room)
{
    int lf, le, fluentd, embedded, before, conn, engine = driver(&conn);
    uint64_t *names = calloc((size_t)room, sizeof *names);

    start(false);
    embedded = join("embedded", &le);
    before = open_in_server(-1);
    bring_many(embedded, names, room);
    bring(embedded, conn);
    close(conn);
    cr_assert(hung_up(engine, PATIENCE_MS), "one too many is not kept");
    cr_assert_eq(open_in_server(-1), before + room);
    fluentd = join("fluentd", &lf); /* there is room for the supervisor's own work */
    ready(fluentd);
    EXPECT(fluentd, "{\"cmd\":\"accept\"}");
    for (int i = 0; i < room; i++)
        tick_off(fluentd, names, room);
    cr_assert_str_eq(hear(fluentd, 50, NULL), "");
    free(names);
}

Test(handoff_conns, at_most_4096_connections_are_kept, .init = set_up, .fini = tear_down)
{
    fill_the_table(4096);
}

Test(handoff_conns, fewer_are_kept_where_few_files_may_be_open, .init = set_up, .fini = tear_down)
{
    open_files = 400;
    fill_the_table(200);
}

static void expect_reader(const char *claim)
{
    struct stat st;
    char text[32];
    int fd = open(reader, O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 16);
    cr_assert_eq(st.st_mode, S_IFREG | 0660);
    cr_assert_eq(st.st_gid, 975);
    cr_assert_eq(read(fd, text, sizeof text), 16);
    cr_assert(!claim || memcmp(text, claim, 16) == 0);
    close(fd);
}

Test(handoff_conns, reader_file_is_made_once, .init = set_up, .fini = tear_down)
{
    struct zn_err err = { 0 };
    int fd;

    start(false);
    expect_reader(NULL);
    crash();
    fd = open(reader, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(write(fd, "the claim of one", 16), 16);
    cr_assert(fchmod(fd, 0600) == 0 && fchown(fd, 0, 0) == 0);
    close(fd);
    start(false);
    expect_reader("the claim of one");
    crash();
    cr_assert_eq(zn_write_file(reader, "broken", 6, 0644, &err), 0);
    start(false);
    expect_reader(NULL);
    crash();
    cr_assert_eq(zn_write_file(reader, "the claim of one and more", 25, 0644, &err), 0);
    start(false);
    expect_reader(NULL);
}

static pid_t holder(void)
{
    char path[96];
    zn_auto_mem char *line = NULL;
    struct zn_err err = { 0 };

    snprintf(path, sizeof path, "%s/log-holder.pid", dir);
    return zn_read_line_file(path, &line, &err) == 0 ? (pid_t)strtol(line, NULL, 10) : 0;
}

static void stop_platform(void)
{
    int64_t end = zn_now_ms() + PATIENCE_MS;

    kill(server, SIGUSR1);
    waitpid(server, NULL, 0);
    server = 0;
    while (!holder() && zn_now_ms() < end)
        zn_pause_ms(5);
    cr_assert_gt(holder(), 0);
}

Test(handoff_conns, stopped_platform_leaves_socket_and_connections_to_the_next, .init = set_up,
     .fini = tear_down)
{
    char line[32] = "";
    int lf, fluentd, conn, old, fresh;

    start(false);
    fluentd = join_ready("fluentd", &lf);
    old = zn_dial_unix(log_sock, SOCK_STREAM);
    conn = accept_one(lf);
    bring(fluentd, conn);
    expect_conn(fluentd, cookie(conn));
    close(conn);
    close(lf);
    close(fluentd);
    stop_platform();
    fresh = zn_dial_unix(log_sock, SOCK_STREAM); /* a container starts meanwhile */
    cr_assert_geq(fresh, 0);
    cr_assert_eq(write(old, "line 1", 6), 6);
    cr_assert_eq(write(fresh, "line 2", 6), 6);
    start(false);
    fluentd = join_ready("fluentd", &lf);
    conn = hear_conn(fluentd);
    cr_assert_eq(read(conn, line, sizeof line), 6);
    cr_assert_str_eq(line, "line 1");
    for (int i = 0; i < 2; i++) { /* the supervisor's look whether somebody listens is one of them */
        memset(line, 0, sizeof line);
        conn = accept_one(lf);
        if (read(conn, line, sizeof line) > 0)
            break;
    }
    cr_assert_str_eq(line, "line 2");
    int64_t end = zn_now_ms() + PATIENCE_MS;
    while (holder() && zn_now_ms() < end)
        zn_pause_ms(5);
    cr_assert_eq(holder(), 0, "it ends");
}

Test(handoff_conns, holder_ends_when_its_socket_is_gone, .init = set_up, .fini = tear_down)
{
    int64_t end = zn_now_ms() + PATIENCE_MS;
    pid_t pid;

    start(false);
    stop_platform();
    pid = holder();
    unlink(log_sock);
    while (kill(pid, 0) == 0 && holder() && zn_now_ms() < end)
        zn_pause_ms(5);
    cr_assert_eq(holder(), 0);
}

static void stop_loop(void *arg)
{
    zn_loop_stop(arg);
}

Test(handoff_conns, stop_closes_the_kept_connections, .init = set_up, .fini = tear_down)
{
    struct zn_timer t = { .fn = stop_loop };
    struct zn_err err = { 0 };
    struct zn_handoff *h;
    struct zn_loop *l;
    int conn, engine = driver(&conn), fluentd;

    zn_log_setup("test", ZN_LOG_ERROR);
    cr_assert_eq(zn_loop_open(&l, &err), 0);
    cr_assert_eq(zn_handoff_start(l, dir, false, &h, &err), 0, "%s", err.msg);
    fluentd = zn_dial_unix(door, SOCK_SEQPACKET);
    tell(fluentd, "{\"name\":\"fluentd\"}", -1);
    bring(fluentd, conn);
    close(conn);
    close(fluentd);
    t.arg = l;
    zn_timer_set(l, &t, 200);
    zn_loop_run(l);
    cr_assert_not(hung_up(engine, 0));
    zn_handoff_stop(h);
    cr_assert(hung_up(engine, 0));
    zn_loop_close(l);
}
