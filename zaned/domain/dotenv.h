/* Variables as a text, as .env files have them.
 *
 *     # comment
 *     export KEY=value          blanks around key and value do not count; " #" begins a comment
 *     KEY='as it is'            no escapes
 *     KEY="two\nlines"          \n \r \t \" \\ \$; may span lines
 *     KEY=                      empty
 *
 * Lines end in LF, CRLF or CR. Nothing is expanded: "$OTHER" and "{{env.KEY}}" stay as they are. */
#ifndef ZN_DOMAIN_DOTENV_H
#define ZN_DOMAIN_DOTENV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* [{"key", "value"}] in the order of the text (new reference); of a key that is there twice the last value
 * counts. ZN_INVALID with field errors "new_value" that name the line. */
int zn_dotenv_parse(struct zn_arena *a, const char *text, json_t **ret, struct zn_err *err);

#endif
