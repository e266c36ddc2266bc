/* Log lines on stderr: "<rfc3339> <level> <component> <message> key=value …". One line per event;
 * line breaks inside a message are written as spaces. Thread-safe (one write per line). */
#ifndef ZN_BASE_LOG_H
#define ZN_BASE_LOG_H

enum zn_level { ZN_LOG_ERROR, ZN_LOG_WARN, ZN_LOG_INFO, ZN_LOG_DEBUG };

/* Component name and the most verbose level that is printed. The name is borrowed for ever. */
void zn_log_setup(const char *component, enum zn_level max);
void zn_log(enum zn_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define zn_error(...) zn_log(ZN_LOG_ERROR, __VA_ARGS__)
#define zn_warn(...) zn_log(ZN_LOG_WARN, __VA_ARGS__)
#define zn_info(...) zn_log(ZN_LOG_INFO, __VA_ARGS__)
#define zn_debug(...) zn_log(ZN_LOG_DEBUG, __VA_ARGS__)

#endif
