/* The dashboard's files where the proxy serves them from. Their names hold a hash of what is in them, so a file
 * never changes: a page that was loaded before an upgrade still finds the ones it asks for later. */
#ifndef ZN_PROXY_ASSETS_H
#define ZN_PROXY_ASSETS_H

#include <time.h>

#include "base/err.h"

/* Under the folder of the upstream files. */
#define ZN_WEB_FOLDER "web"

/* Copies the files of <from>/assets that are not there yet to <edge_dir>/web/assets, each whole or not at all, and
 * removes those that 30 days before `now` a version no longer had. A <from> without assets is none that failed. */
int zn_assets_publish(const char *from, const char *edge_dir, time_t now, struct zn_err *err);

#endif
