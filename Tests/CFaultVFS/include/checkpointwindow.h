#ifndef KADSTORE_CHECKPOINTWINDOW_H
#define KADSTORE_CHECKPOINTWINDOW_H

#include <sqlite3.h>

/* The moment of a checkpoint in which a commit does harm, before SQLite 3.51.3: after it has read the header of the log's
 * index, before it looks how much of the log is in the file already. SQLite calls the VFS there (xUnfetch), when the header
 * has changed since the connection last read it. Threads meet in it once in billions of checkpoints, this always. */

typedef struct checkpoint_window checkpoint_window;

/* Has `meet` called once, in the next such moment of a connection that has `file` open. NULL when it cannot be. */
checkpoint_window *checkpoint_window_open(sqlite3_file *file, void (*meet)(void *context), void *context);

/* Ends it. 1 when the moment came, 0 when it did not. */
int checkpoint_window_close(checkpoint_window *window);

#endif
