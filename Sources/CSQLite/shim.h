#ifndef KADSTORE_CSQLITE_H
#define KADSTORE_CSQLITE_H

#include <sqlite3.h>

/* SQLITE_TRANSIENT is a cast that the importer cannot see: SQLite copies the bytes before the call returns. */
static inline int kadstore_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

static inline int kadstore_bind_text(sqlite3_stmt *statement, int index, const char *bytes, int count) {
    return sqlite3_bind_text(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/* sqlite3_db_config is variadic. Defensive mode keeps SQL from writing the schema or the shadow tables by accident. Triggers
 * and views would be the file's own programs, run by whoever opens it: ours have none. (Foreign keys work without.) */
static inline int kadstore_set_defensive(sqlite3 *database) {
    int enabled = 0;
    int code = sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, &enabled);
    if (code == SQLITE_OK) code = sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &enabled);
    if (code == SQLITE_OK) code = sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, &enabled);
    if (code == SQLITE_OK) code = sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, &enabled);
    return code;
}

/* While this is on, a transaction takes the file for an empty one, whatever its first page says: what is damaged beyond
   opening can be replaced. */
static inline int kadstore_set_resetting(sqlite3 *database, int enabled) {
    int now = 0;
    return sqlite3_db_config(database, SQLITE_DBCONFIG_RESET_DATABASE, enabled, &now);
}

/* The file of the main database, as the VFS has it. */
static inline sqlite3_file *kadstore_file(sqlite3 *database) {
    sqlite3_file *file = 0;
    return sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK ? file : 0;
}

/* The file of a connection's write-ahead log; none before it is open. */
static inline sqlite3_file *kadstore_log_file(sqlite3 *database) {
    sqlite3_file *file = 0;
    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK) return 0;
    return file && file->pMethods ? file : 0;
}

/* Whether closing the last connection leaves the log as it is; 1 and 0 set it, -1 only asks. */
static inline int kadstore_leaves_log(sqlite3 *database, int value) {
    int result = 0;
    if (sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, value, &result) != SQLITE_OK) return 0;
    return result;
}

#endif
