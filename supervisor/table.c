#include "supervisor/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"

enum { CELL = 40, COLUMNS = 7 };

static const char *const titles[COLUMNS] = { "COMPONENT", "STATE", "HEALTH", "SINCE", "RESTARTS",
                                             "MEMORY", "VERSION" };

static const struct {
    const char *word, *colour;
} colours[] = {
    { "ready", "32" },   { "ok", "32" },       { "starting", "34" }, { "stopping", "34" },
    { "waiting", "2" },  { "stopped", "2" },   { "unknown", "2" },   { "degraded", "33" },
    { "backoff", "33" }, { "failing", "31" },  { "held", "31" },
};

struct row {
    char cell[COLUMNS][CELL];
};

int64_t zn_table_time(const char *s)
{
    struct tm tm = { 0 };
    const char *rest = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

    return rest && (*rest == '.' || *rest == 'Z') ? (int64_t)timegm(&tm) * 1000000000 : 0;
}

static void age(const char *since, int64_t now_ns, char *ret, size_t size)
{
    int64_t at = zn_table_time(since), s = at ? (now_ns - at) / 1000000000 : 0;

    if (s < 0)
        s = 0;
    if (!at)
        snprintf(ret, size, "-");
    else if (s < 120)
        snprintf(ret, size, "%" PRId64 "s", s);
    else if (s < 7200)
        snprintf(ret, size, "%" PRId64 "m", s / 60);
    else if (s < 172800)
        snprintf(ret, size, "%" PRId64 "h", s / 3600);
    else
        snprintf(ret, size, "%" PRId64 "d", s / 86400);
}

static void memory(const json_t *c, char *ret, size_t size)
{
    int64_t used = zn_json_int(c, "memory_bytes", -1), cap = zn_json_int(c, "memory_cap_bytes", 0);
    char first[16] = "-";

    if (used >= 0)
        snprintf(first, sizeof first, "%.1f", (double)used / (1 << 20));
    if (cap)
        snprintf(ret, size, "%s/%" PRId64 " MiB", first, cap >> 20);
    else
        snprintf(ret, size, "%s%s", first, used >= 0 ? " MiB" : "");
}

/* Text of others: anything that a terminal could take for a command becomes a blank. */
static void add_clean(struct zn_buf *b, const char *s)
{
    for (; *s; s++)
        zn_buf_putc(b, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
}

static void fill(struct row *r, const json_t *c, int64_t now_ns)
{
    const json_t *health = json_object_get(c, "health");

    snprintf(r->cell[0], CELL, "%s", zn_json_str(c, "id", "?"));
    snprintf(r->cell[1], CELL, "%s", zn_json_str(c, "state", "?"));
    snprintf(r->cell[2], CELL, "%s", zn_json_str(health, "state", "?"));
    age(zn_json_str(c, "since", NULL), now_ns, r->cell[3], CELL);
    snprintf(r->cell[4], CELL, "%" PRId64, zn_json_int(c, "restarts", 0));
    memory(c, r->cell[5], CELL);
    snprintf(r->cell[6], CELL, "%.24s", zn_json_str(c, "version", "-"));
}

static bool is_number(unsigned column)
{
    return column >= 3 && column <= 5;
}

static const char *colour_of(const char *word)
{
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(colours[i].word, word) == 0)
            return colours[i].colour;
    return NULL;
}

static void add_row(struct zn_buf *b, const struct row *r, const unsigned *widths, bool head,
                    const struct zn_table_style *st)
{
    unsigned used = 0;

    for (unsigned i = 0; i < COLUMNS; i++) {
        const char *cell = r->cell[i];
        const char *colour = !st->colour ? NULL : head ? "2" : i == 1 || i == 2 ? colour_of(cell)
                                                                                 : NULL;
        int w = (int)widths[i];

        /* Columns that do not fit are left out whole: a cut number would lie. */
        if (st->width && used + widths[i] > st->width)
            break;
        used += widths[i] + 2;
        if (colour)
            zn_buf_printf(b, "\033[%sm", colour);
        zn_buf_printf(b, is_number(i) ? "%*s" : "%-*s", i + 1 == COLUMNS ? 0 : w, cell);
        if (colour)
            zn_buf_puts(b, "\033[0m");
        if (i + 1 < COLUMNS)
            zn_buf_puts(b, "  ");
    }
    while (b->len && b->mem[b->len - 1] == ' ')
        b->len--;
    zn_buf_putc(b, '\n');
}

static void add_components(const json_t *list, const struct zn_table_style *st, struct zn_buf *b)
{
    struct row head = { 0 }, r;
    unsigned widths[COLUMNS] = { 0 };
    json_t *c;
    size_t k;

    for (unsigned i = 0; i < COLUMNS; i++) {
        snprintf(head.cell[i], CELL, "%s", titles[i]);
        widths[i] = (unsigned)strlen(titles[i]);
    }
    json_array_foreach(list, k, c) {
        fill(&r, c, st->now_ns);
        for (unsigned i = 0; i < COLUMNS; i++)
            if (strlen(r.cell[i]) > widths[i])
                widths[i] = (unsigned)strlen(r.cell[i]);
    }
    add_row(b, &head, widths, true, st);
    json_array_foreach(list, k, c) {
        fill(&r, c, st->now_ns);
        add_row(b, &r, widths, false, st);
    }
}

/* A line of running text, cut to the terminal's width (in bytes: the texts are English). */
static void add_line(struct zn_buf *b, const struct zn_table_style *st, const char *a,
                     const char *text)
{
    zn_auto_buf struct zn_buf line = ZN_BUF(4096);

    add_clean(&line, a);
    add_clean(&line, text);
    if (st->width > 3 && line.len > st->width) {
        line.len = st->width - 3;
        while (line.len && ((unsigned char)line.mem[line.len] & 0xc0) == 0x80)
            line.len--;
        zn_buf_puts(&line, "...");
    }
    zn_buf_puts(b, zn_buf_str(&line) ? zn_buf_str(&line) : "");
    zn_buf_putc(b, '\n');
}

/* Why what is not ready is not; components with an issue are told there. */
static void add_reasons(const json_t *health, const struct zn_table_style *st, struct zn_buf *b)
{
    json_t *c;
    size_t k;
    bool first = true;

    json_array_foreach(json_object_get(health, "components"), k, c) {
        const char *state = zn_json_str(c, "state", "");
        const char *message = zn_json_str(json_object_get(c, "health"), "message", NULL);
        const json_t *blockers = json_object_get(c, "blocked_by");
        zn_auto_buf struct zn_buf why = ZN_BUF(1024);
        char label[CELL + 8];

        if (strcmp(state, "ready") == 0 || strcmp(state, "held") == 0 ||
            strcmp(state, "failing") == 0)
            continue;
        if (strcmp(state, "waiting") == 0 && json_array_size(blockers)) {
            zn_buf_puts(&why, "waits for");
            for (size_t i = 0; i < json_array_size(blockers); i++)
                zn_buf_printf(&why, "%s %s", i ? "," : "",
                              json_string_value(json_array_get(blockers, i)));
        } else if (message) {
            zn_buf_puts(&why, message);
        }
        if (!why.len)
            continue;
        if (first)
            zn_buf_putc(b, '\n');
        first = false;
        snprintf(label, sizeof label, "%.32s: ", zn_json_str(c, "id", "?"));
        add_line(b, st, label, zn_buf_str(&why));
    }
}

static void add_issues(const json_t *list, const struct zn_table_style *st, struct zn_buf *b)
{
    json_t *o, *s;
    size_t k, i;

    json_array_foreach(list, k, o) {
        const json_t *facts = json_object_get(o, "facts");
        const json_t *last = json_object_get(facts, "last_lines");
        size_t n = json_array_size(last);

        zn_buf_putc(b, '\n');
        add_line(b, st, "! ", zn_json_str(o, "title", "?"));
        if (zn_json_str(facts, "message", NULL))
            add_line(b, st, "  why: ", zn_json_str(facts, "message", ""));
        for (i = n > 5 ? n - 5 : 0; i < n; i++)
            add_line(b, st, "  log: ", json_string_value(json_array_get(last, i)));
        json_array_foreach(json_object_get(o, "suggestions"), i, s)
            add_line(b, st, "  fix: ", zn_json_str(s, "command", "?"));
    }
}

void zn_table_health(const json_t *health, const struct zn_table_style *st, struct zn_buf *ret)
{
    zn_auto_buf struct zn_buf head = ZN_BUF(1024);
    const char *version = zn_json_str(health, "version", NULL);
    const char *stage = zn_json_str(health, "stage", "");
    bool ready = json_is_true(json_object_get(health, "ready"));

    add_clean(&head, zn_json_str(health, "summary", "?"));
    if (version)
        zn_buf_printf(&head, " (version %.32s)", version);
    if (st->colour)
        zn_buf_puts(ret, ready ? "\033[1;32m" : "\033[1m");
    add_line(ret, st, "", zn_buf_str(&head));
    if (st->colour)
        zn_buf_puts(ret, "\033[0m");
    if (strcmp(stage, "running") != 0 && zn_json_str(health, "message", NULL))
        add_line(ret, st, "now: ", zn_json_str(health, "message", ""));
    zn_buf_putc(ret, '\n');
    add_components(json_object_get(health, "components"), st, ret);
    add_reasons(health, st, ret);
    add_issues(json_object_get(health, "issues"), st, ret);
}

void zn_table_component(const json_t *detail, const struct zn_table_style *st, struct zn_buf *ret)
{
    zn_auto_json one = json_pack("[O]", detail);
    const json_t *history = json_object_get(detail, "history");
    const json_t *last = json_object_get(detail, "last_lines");
    json_t *o;
    size_t k;

    add_components(one, st, ret);
    if (json_array_size(history))
        zn_buf_puts(ret, "\nhistory:\n");
    json_array_foreach(history, k, o) {
        char label[80];
        const char *message = zn_json_str(o, "message", "");

        snprintf(label, sizeof label, "  %.19sZ  %-*.12s%s", zn_json_str(o, "at", "?"),
                 *message ? 9 : 0, zn_json_str(o, "state", "?"), *message ? "  " : "");
        add_line(ret, st, label, message);
    }
    if (json_array_size(last))
        zn_buf_puts(ret, "\nlast log lines before it ended:\n");
    json_array_foreach(last, k, o)
        add_line(ret, st, "  ", json_string_value(o));
}
