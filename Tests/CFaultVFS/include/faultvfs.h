#ifndef KADSTORE_FAULTVFS_H
#define KADSTORE_FAULTVFS_H

#include <stdint.h>

/* A disk that fails, for tests: one folder whose files SQLite reaches through a VFS of ours, and this program through
 * write, pwrite, fsync, rename, link and unlink, which are ours too. Everything that is done to the folder is done to the
 * real files and kept in memory besides, with what has been synced: so that after a power cut the folder can be made anew
 * as a disk might show it. Files of other folders are SQLite's default VFS's and the system's, untouched.
 *
 * Modelled: of each file the state at its last sync, and any part of the writes and truncations since, down to sectors of
 * 512 bytes; of the folder the names at its last sync, and any of the creations, renames and deletions since; a failed
 * sync, after which the pages that it was for are clean in memory and not on the disk, as Linux has it. Not modelled: bytes
 * that rot, sectors torn inside, a sync that is acknowledged and not done (but on request), a file that is made by open
 * until something else is done to it. */

typedef struct fault_disk fault_disk;

/* What is counted, and can fail. */
enum {
    FAULT_WRITE = 1,    /* a write */
    FAULT_TRUNCATE = 2, /* a truncation */
    FAULT_SYNC = 4,     /* a sync of a file or of the folder */
    FAULT_DELETE = 8,   /* a deletion */
    FAULT_CREATE = 16,  /* opening a file that is not there */
    FAULT_NAME = 32,    /* a rename or a second name */
    FAULT_SHARED = 64,  /* mapping a piece of a log's index */
    FAULT_READ = 128,   /* a read, or asking for a size */
    FAULT_OPEN = 256,   /* opening a file that is there, or asking whether it is */
    FAULT_CHANGES = 1 | 2 | 4 | 8 | 16 | 32
};

/* How. */
enum {
    FAULT_ERROR = 1, /* EIO */
    FAULT_FULL = 2,  /* ENOSPC */
    FAULT_SHORT = 3, /* half of a write is written, then ENOSPC; anything else as FAULT_ERROR */
    FAULT_CUT = 4    /* the power is cut in the middle of it: it may or may not have happened, and nothing works any more */
};

/* What a disk shows after a power cut. */
enum {
    FAULT_IMAGE_ALL = 0,     /* everything: what a killed process leaves */
    FAULT_IMAGE_NONE = 1,    /* what was synced, and nothing else */
    FAULT_IMAGE_PREFIX = 2,  /* of each file the first of the writes since */
    FAULT_IMAGE_TORN = 3,    /* everything, but the last write of each file is torn at a sector */
    FAULT_IMAGE_SUBSET = 4,  /* some of the writes, some of them torn */
    FAULT_IMAGE_SECTORS = 5, /* some of the sectors */
    FAULT_IMAGES = 6
};

/* Whose syncs are to be lies: acknowledged, and not done. */
enum { FAULT_DATABASE = 1, FAULT_LOG = 2, FAULT_JOURNAL = 4, FAULT_FOLDER = 8 };

/* Makes the VFS the default one of this process; any number of times. 0 when it could not. */
int faultvfs_install(void);

/* Begins to watch a folder, given by its real path; its files count as synced. */
fault_disk *faultvfs_watch(const char *folder);

/* Ends it: whoever still has a file of it open meets errors. */
void faultvfs_release(fault_disk *disk);

/* Fails the operations of `mask` from the `first` to the `last`, counted from now, from 1. */
void faultvfs_plan(fault_disk *disk, int how, int mask, int64_t first, int64_t last);

/* Whose syncs are lies from now on. */
void faultvfs_lie(fault_disk *disk, int whose);

/* Cuts the power now. */
void faultvfs_cut(fault_disk *disk);

/* Operations of `mask` so far, and faults that were injected. */
int64_t faultvfs_count(fault_disk *disk, int mask);
int64_t faultvfs_injected(fault_disk *disk);

/* Makes the files that the disk may show, in another, empty folder. 0 when it could not. */
int faultvfs_image(fault_disk *disk, const char *folder, int kind, uint64_t seed);

#endif
