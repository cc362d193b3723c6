#include "checkpointwindow.h"

#include <stdlib.h>

struct checkpoint_window {
    /* First: what a file points to is this, and leads to the rest. */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    sqlite3_file *file;
    void (*meet)(void *context);
    void *context;
    int came;
};

static int unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page) {
    checkpoint_window *window = (checkpoint_window *)file->pMethods;
    if (!page && !window->came) {
        window->came = 1;
        window->meet(window->context);
    }
    return window->original->xUnfetch(file, offset, page);
}

checkpoint_window *checkpoint_window_open(sqlite3_file *file, void (*meet)(void *context), void *context) {
    if (!file || !file->pMethods || file->pMethods->iVersion < 3 || !file->pMethods->xUnfetch) return 0;
    checkpoint_window *window = calloc(1, sizeof *window);
    if (!window) return 0;
    window->methods = *file->pMethods;
    window->methods.xUnfetch = unfetch;
    window->original = file->pMethods;
    window->file = file;
    window->meet = meet;
    window->context = context;
    file->pMethods = &window->methods;
    return window;
}

int checkpoint_window_close(checkpoint_window *window) {
    int came = window->came;
    window->file->pMethods = window->original;
    free(window);
    return came;
}
