#include "baseline.h"

#ifdef __linux__
#include <malloc.h>
#endif
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct baseline {
    sqlite3 *database;
    sqlite3_stmt *scan;
};

baseline *baseline_open(const char *path, int cache_kibibytes) {
    baseline *state = calloc(1, sizeof *state);
    if (!state) return NULL;
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA cache_size = -%d", cache_kibibytes);
    if (sqlite3_open_v2(path, &state->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK
        || sqlite3_exec(state->database, pragma, NULL, NULL, NULL) != SQLITE_OK
        || sqlite3_prepare_v3(
               state->database, "SELECT key, id, addresses FROM peer WHERE key >= ?1 ORDER BY key LIMIT ?2", -1,
               SQLITE_PREPARE_PERSISTENT, &state->scan, NULL)
            != SQLITE_OK) {
        baseline_close(state);
        return NULL;
    }
    return state;
}

int64_t baseline_scan(baseline *state, const void *key, int rows) {
    int64_t sum = 0;
    sqlite3_bind_blob(state->scan, 1, key, 32, SQLITE_STATIC);
    sqlite3_bind_int(state->scan, 2, rows);
    int code;
    while ((code = sqlite3_step(state->scan)) == SQLITE_ROW) {
        for (int column = 0; column < 3; column++) {
            const unsigned char *bytes = sqlite3_column_blob(state->scan, column);
            int count = sqlite3_column_bytes(state->scan, column);
            if (count > 0) sum += bytes[0] + count;
        }
    }
    sqlite3_reset(state->scan);
    return code == SQLITE_DONE ? sum : -1;
}

void baseline_close(baseline *state) {
    if (!state) return;
    sqlite3_finalize(state->scan);
    sqlite3_close_v2(state->database);
    free(state);
}

int64_t baseline_heap_bytes(void) {
#ifdef __GLIBC__
    struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
#else
    return 0;
#endif
}
