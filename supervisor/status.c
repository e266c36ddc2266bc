#include "supervisor/status.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/json.h"
#include "supervisor/status_assets.h"

void zn_html_add(struct zn_buf *b, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': zn_buf_puts(b, "&amp;"); break;
        case '<': zn_buf_puts(b, "&lt;"); break;
        case '>': zn_buf_puts(b, "&gt;"); break;
        case '"': zn_buf_puts(b, "&quot;"); break;
        case '\'': zn_buf_puts(b, "&#39;"); break;
        default: zn_buf_putc(b, *s);
        }
    }
}

void zn_status_age(int64_t ns, char *ret, size_t size)
{
    int64_t s = ns > 0 ? (ns + 500000000) / 1000000000 : 0;

    if (s < 120)
        snprintf(ret, size, "for %" PRId64 " s", s);
    else if (s < 7200)
        snprintf(ret, size, "for %" PRId64 " min", s / 60);
    else if (s < 172800)
        snprintf(ret, size, "for %" PRId64 " h", s / 3600);
    else
        snprintf(ret, size, "for %" PRId64 " days", s / 86400);
}

static void add_hash(struct zn_buf *b, const char *text)
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    zn_buf_puts(b, "'sha256-");
    zn_base64_add(b, hash, sizeof hash, false);
    zn_buf_puts(b, "'");
}

const char *zn_status_headers(void)
{
    static char headers[1024];
    struct zn_buf b = ZN_BUF(sizeof headers - 1);

    if (headers[0])
        return headers;
    zn_buf_puts(&b, "Zane-Status: page\r\nReferrer-Policy: no-referrer\r\n"
                "Content-Security-Policy: default-src 'none'; connect-src 'self'; "
                "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                "style-src ");
    add_hash(&b, status_css);
    zn_buf_puts(&b, "; script-src ");
    add_hash(&b, status_js);
    zn_buf_puts(&b, "\r\n");
    if (!zn_buf_str(&b))
        zn_bug("the status page's headers do not fit");
    memcpy(headers, zn_buf_str(&b), b.len + 1);
    zn_buf_done(&b);
    return headers;
}

static void add_part(struct zn_buf *b, const json_t *c, int64_t now_ns)
{
    const char *id = zn_json_str(c, "id", ""), *kind = zn_json_str(c, "kind", "wait");
    const char *since = zn_json_str(c, "since", "");
    int64_t since_ns = zn_json_int(c, "since_ns", 0);
    char age[32] = "";

    if (since_ns)
        zn_status_age(now_ns - since_ns, age, sizeof age);
    zn_buf_printf(b, "<li id=\"part-%s\" data-kind=\"%s\"><svg aria-hidden=\"true\"><use href=\"#%s\"/>"
                  "</svg><div class=\"name\">", id, kind, kind);
    zn_html_add(b, id);
    zn_buf_puts(b, "<span class=\"role\">");
    zn_html_add(b, zn_json_str(c, "role", ""));
    zn_buf_puts(b, "</span></div><div class=\"state\"><span class=\"word\">");
    zn_html_add(b, zn_json_str(c, "label", ""));
    zn_buf_printf(b, "</span><time datetime=\"%s\" title=\"%s\">%s</time></div><p class=\"why\">",
                  since, since, age);
    zn_html_add(b, zn_json_str(c, "why", ""));
    zn_buf_puts(b, "</p><code class=\"cmd\">");
    zn_html_add(b, zn_json_str(c, "command", ""));
    zn_buf_puts(b, "</code></li>\n");
}

void zn_status_page(const json_t *doc, int64_t now_ns, struct zn_buf *ret)
{
    const char *summary = zn_json_str(doc, "summary", "Zane");
    json_t *c;
    size_t i;

    /* Without a script the page loads itself again; with one it is live. */
    zn_buf_puts(ret, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<meta name=\"robots\" content=\"noindex\">\n"
                "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n<title>");
    zn_html_add(ret, summary);
    zn_buf_printf(ret, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>");
    zn_buf_puts(ret, status_css);
    zn_buf_printf(ret, "</style></head>\n<body data-now=\"%s\">\n", zn_json_str(doc, "now", ""));
    zn_buf_puts(ret, status_icons);
    zn_buf_puts(ret, "<main><p class=\"brand\">Zane</p>\n<h1 id=\"summary\" role=\"status\">");
    zn_html_add(ret, summary);
    zn_buf_printf(ret, "</h1>\n<progress id=\"bar\" max=\"%" PRId64 "\" value=\"%" PRId64 "\" "
                  "aria-label=\"parts that are ready\"></progress>\n<p class=\"note\" id=\"note\">",
                  zn_json_int(doc, "wanted", 1), zn_json_int(doc, "ready_parts", 0));
    zn_html_add(ret, zn_json_str(doc, "note", ""));
    zn_buf_puts(ret, "</p>\n<p class=\"note\" id=\"lost\" hidden>The connection to Zane is "
                "interrupted; what you see is the last known state. Trying again.</p>\n<ul>\n");
    json_array_foreach(json_object_get(doc, "components"), i, c)
        add_part(ret, c, now_ns);
    zn_buf_puts(ret, "</ul></main>\n<script>");
    zn_buf_puts(ret, status_js);
    zn_buf_puts(ret, "</script></body></html>\n");
}
