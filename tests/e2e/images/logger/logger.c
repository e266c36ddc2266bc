/* Writes numbered lines: LINES (10), RATE lines a second (0 = as fast as possible), then ends with
 * status EXIT, or stays if EXIT is not set. PAD: bytes added to each line. The longest time that one
 * write took is told on stderr at the end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_term(int sig)
{
    (void)sig;
    stopping = 1;
}

static long env(const char *name, long fallback)
{
    const char *v = getenv(name);

    return v && *v ? strtol(v, NULL, 10) : fallback;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(double s)
{
    struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };

    if (s > 0)
        nanosleep(&t, NULL);
}

int main(void)
{
    long lines = env("LINES", 10), rate = env("RATE", 0), pad = env("PAD", 0), i;
    struct sigaction sa = { .sa_handler = on_term };
    double began = now(), longest = 0;
    char *line = malloc((size_t)pad + 128);

    sigaction(SIGTERM, &sa, NULL);
    for (i = 1; i <= lines && !stopping; i++) {
        int n = snprintf(line, 64, "line %ld of %ld ", i, lines);
        memset(line + n, 'x', (size_t)pad);
        line[n + pad] = '\n';
        double from = now();
        if (write(1, line, (size_t)(n + pad + 1)) < 0)
            return 2;
        double took = now() - from;
        if (took > longest)
            longest = took;
        if (rate)
            rest(began + (double)i / (double)rate - now());
    }
    fprintf(stderr, "longest write %.0f ms, lines %ld\n", longest * 1000, i - 1);
    if (getenv("EXIT") && *getenv("EXIT"))
        return (int)env("EXIT", 0);
    while (!stopping)
        pause();
    printf("last words\n");
    fflush(stdout);
    return 0;
}
