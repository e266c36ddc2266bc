#include "zaned/api/web.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "zaned/api/etag.h"

enum { FILE_MAX = 8 << 20, FILES_MAX = 1024 };

/* Scripts, styles, pictures and answers of this server alone; nothing inline, nothing evaluated, no frame. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

struct file {
    char *name;
    struct zn_blob *bytes;
};

struct zn_web {
    struct zn_blob *document;
    char tag[ZN_ETAG_SIZE];
    struct file *files; /* by name */
    size_t n;
};

static int read_blob(const char *folder, const char *name, struct zn_blob **ret, struct zn_err *err)
{
    char path[PATH_MAX];
    zn_auto_buf struct zn_buf b = ZN_BUF(FILE_MAX);

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", folder);
    if (zn_read_file(path, &b, err) < 0)
        return -1;
    if (!(*ret = zn_blob_of(b.mem, b.len)))
        return zn_fail(err, ZN_INTERNAL, "out of memory for %s", path);
    return 0;
}

static bool is_packed(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".br") == 0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int read_assets(struct zn_web *w, const char *folder, struct zn_err *err)
{
    char path[PATH_MAX];
    struct dirent *e;

    snprintf(path, sizeof path, "%s/assets", folder);
    ZN_AUTO(zn_auto_dir) DIR *dir = opendir(path);
    if (!dir)
        return zn_fail_errno(err, errno, "reading %s", path);
    if (!(w->files = calloc(FILES_MAX, sizeof *w->files)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    while ((e = readdir(dir))) {
        if (e->d_name[0] == '.' || is_packed(e->d_name))
            continue;
        if (w->n == FILES_MAX)
            return zn_fail(err, ZN_INVALID, "%s has more than %d files", path, FILES_MAX);
        struct file *f = &w->files[w->n];
        if (read_blob(path, e->d_name, &f->bytes, err) < 0)
            return -1;
        w->n++;
        if (!(f->name = strdup(e->d_name)))
            return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    qsort(w->files, w->n, sizeof *w->files, by_name);
    return 0;
}

int zn_web_load(const char *folder, struct zn_web **ret, struct zn_err *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/index.html", folder) >= (int)sizeof path)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", folder);
    if (access(path, F_OK) < 0) {
        *ret = NULL;
        return 0;
    }
    struct zn_web *w = calloc(1, sizeof *w);
    if (!w)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (read_blob(folder, "index.html", &w->document, err) < 0 || read_assets(w, folder, err) < 0) {
        zn_web_free(w);
        return -1;
    }
    zn_etag_of(w->document->bytes, w->document->n, w->tag);
    *ret = w;
    return 0;
}

void zn_web_free(struct zn_web *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++) {
        free(w->files[i].name);
        zn_blob_unref(w->files[i].bytes);
    }
    free(w->files);
    zn_blob_unref(w->document);
    free(w);
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        { ".js", "text/javascript; charset=utf-8" }, { ".css", "text/css; charset=utf-8" },
        { ".svg", "image/svg+xml" },                 { ".png", "image/png" },
        { ".json", "application/json" },             { ".txt", "text/plain; charset=utf-8" },
        { ".woff2", "font/woff2" },
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static void asset(const struct zn_web *w, const char *name, struct zn_reply *reply)
{
    char *key = strdup(name);
    const struct file *f = key ? bsearch(&(struct file){ .name = key }, w->files, w->n, sizeof *w->files, by_name) : NULL;

    free(key);
    zn_reply_header(reply, "X-Content-Type-Options", "nosniff");
    if (!f) { /* of another version: the document would be no script */
        static const char text[] = "there is no such file in this version\n";

        zn_reply_header(reply, "Cache-Control", "no-store");
        zn_reply_text(reply, 404, "text/plain; charset=utf-8", text, sizeof text - 1);
        return;
    }
    zn_reply_header(reply, "Cache-Control", "public, max-age=31536000, immutable");
    zn_reply_blob(reply, 200, type_of(name), zn_blob_ref(f->bytes), 0);
}

static void document(const struct zn_web *w, struct zn_reply *reply)
{
    zn_reply_header(reply, "Content-Security-Policy", policy);
    zn_reply_header(reply, "X-Content-Type-Options", "nosniff");
    zn_reply_header(reply, "Referrer-Policy", "same-origin");
    zn_reply_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
    zn_reply_header(reply, "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    zn_reply_header(reply, "Cache-Control", "no-cache");
    zn_reply_header(reply, "ETag", w->tag);
    zn_reply_blob(reply, 200, "text/html; charset=utf-8", zn_blob_ref(w->document), 0);
}

bool zn_web_answer(const struct zn_web *w, const struct zn_request *req, struct zn_reply *reply)
{
    static const char robots[] = "User-agent: *\nDisallow: /\n";
    const char *path = req->path;

    if (!w || (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) || strcmp(path, "/api") == 0 ||
        zn_starts_with(path, "/api/"))
        return false;
    if (strcmp(path, "/robots.txt") == 0)
        zn_reply_text(reply, 200, "text/plain; charset=utf-8", robots, sizeof robots - 1);
    else if (zn_starts_with(path, "/assets/"))
        asset(w, path + strlen("/assets/"), reply);
    else
        document(w, reply);
    return true;
}
