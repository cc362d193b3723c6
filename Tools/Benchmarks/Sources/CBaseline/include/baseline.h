#ifndef KADSTORE_BASELINE_H
#define KADSTORE_BASELINE_H

#include <stdint.h>

typedef struct baseline baseline;

/* Opens the file with the settings of the store's readers. Null on failure. */
baseline *baseline_open(const char *path, int cache_kibibytes);

/* Reads `rows` rows upward from `key` (32 bytes), with key, id and addresses. Returns a checksum of what was read, or -1. */
int64_t baseline_scan(baseline *state, const void *key, int rows);

void baseline_close(baseline *state);

/* Bytes that the process has asked for and not given back; the rest of its memory lies idle with the allocator. 0 where
 * nobody tells. */
int64_t baseline_heap_bytes(void);

#endif
