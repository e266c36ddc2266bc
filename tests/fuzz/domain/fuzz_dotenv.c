/* Variables as a text: what is accepted has keys and values that variables may have, each key once, and reads
 * the same when written down again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "zaned/domain/dotenv.h"
#include "zaned/domain/rules.h"

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void write_value(struct zn_buf *b, const char *value)
{
    zn_buf_putc(b, '"');
    for (; *value; value++) {
        if (strchr("\"\\", *value))
            zn_buf_putc(b, '\\');
        if (*value == '\r')
            zn_buf_puts(b, "\\r");
        else
            zn_buf_putc(b, *value);
    }
    zn_buf_puts(b, "\"\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_arena a = { .limit = 16 << 20 };
    struct zn_err err = { 0 };
    zn_auto_buf struct zn_buf b = ZN_BUF(1 << 20);
    zn_auto_buf struct zn_buf again = ZN_BUF(4 << 20);
    zn_auto_json list = NULL;
    zn_auto_json second = NULL;
    zn_auto_json keys = json_object();
    size_t i;
    json_t *v;

    zn_buf_add(&b, data, size);
    const char *text = zn_buf_str(&b);
    if (!text || strlen(text) > ZN_MAX_DOTENV || !zn_utf8_valid(text, strlen(text)))
        return 0;
    if (zn_dotenv_parse(&a, text, &list, &err) == 0) {
        json_array_foreach (list, i, v) {
            const char *key = zn_json_str(v, "key", NULL), *value = zn_json_str(v, "value", NULL);

            must(key && value && *key && !zn_rule_env_key(&key) && !zn_rule_text(&value));
            must(strlen(value) <= ZN_MAX_ENV_VALUE && !json_object_get(keys, key));
            json_object_set(keys, key, v);
            zn_buf_puts(&again, key);
            zn_buf_putc(&again, '=');
            write_value(&again, value);
        }
        must(!zn_dotenv_parse(&a, again.len ? zn_buf_str(&again) : "", &second, &err));
        must(json_equal(list, second));
    } else {
        must(err.code == ZN_INVALID ? err.nfields > 0 : err.code == ZN_INTERNAL);
    }
    zn_arena_done(&a);
    return 0;
}
