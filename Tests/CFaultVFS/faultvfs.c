#define _GNU_SOURCE
#include "faultvfs.h"
#include "disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether this thread is in here already: what SQLite's own VFS does to a watched folder is counted once. */
static _Thread_local int inside = 0;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;

/* One open file. SQLite's own lies behind it. */
typedef struct {
    sqlite3_file base;
    fault_disk *disk;
    fault_inode *inode;
    int whose;
    /* Created by this handle, and the folder not synced since: SQLite's first sync does that. */
    int is_new;
    /* Failed syncs of the file that this handle knows of: each handle is told once, as Linux does it. */
    int seen_errors;
} fault_file;

static sqlite3_file *real_of(sqlite3_file *file) { return (sqlite3_file *)((fault_file *)file + 1); }

static int failed(int outcome, int code) {
    errno = outcome == FAULT_FULL || outcome == FAULT_SHORT ? ENOSPC : EIO;
    return errno == ENOSPC && (code == SQLITE_IOERR_WRITE) ? SQLITE_FULL : code;
}

/* ---- a file ---- */

static int file_close(sqlite3_file *file) {
    fault_file *ours = (fault_file *)file;
    inside++;
    int code = real_of(file)->pMethods->xClose(real_of(file));
    inside--;
    fault_disk_drop(ours->disk);
    return code;
}

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    fault_file *ours = (fault_file *)file;
    int outcome = fault_decide(ours->disk, FAULT_READ);
    if (outcome) return failed(outcome, SQLITE_IOERR_READ);
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    fault_file *ours = (fault_file *)file;
    fault_lock(ours->disk);
    int outcome = fault_decide_locked(ours->disk, FAULT_WRITE);
    int kept = outcome == 0 || outcome == FAULT_CUT ? count : outcome == FAULT_SHORT ? count / 2 : 0;
    int code = SQLITE_OK;
    inside++;
    if (kept > 0 && outcome != FAULT_CUT)
        code = real_of(file)->pMethods->xWrite(real_of(file), bytes, kept, offset);
    inside--;
    if (code == SQLITE_OK && kept > 0) fault_inode_write(ours->inode, bytes, kept, offset);
    fault_unlock(ours->disk);
    return outcome ? failed(outcome, SQLITE_IOERR_WRITE) : code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    fault_file *ours = (fault_file *)file;
    fault_lock(ours->disk);
    int outcome = fault_decide_locked(ours->disk, FAULT_TRUNCATE);
    int code = SQLITE_OK;
    if (!outcome) code = real_of(file)->pMethods->xTruncate(real_of(file), size);
    if (code == SQLITE_OK && (!outcome || outcome == FAULT_CUT)) fault_inode_truncate(ours->inode, size);
    fault_unlock(ours->disk);
    return outcome ? failed(outcome, SQLITE_IOERR_TRUNCATE) : code;
}

static int file_sync(sqlite3_file *file, int flags) {
    (void)flags;
    fault_file *ours = (fault_file *)file;
    fault_lock(ours->disk);
    int outcome = fault_decide_locked(ours->disk, FAULT_SYNC);
    int is_told = ours->seen_errors != ours->inode->errors;
    if (!outcome && !is_told) {
        if (!(ours->disk->lies & ours->whose)) fault_inode_sync(ours->inode);
        if (ours->is_new && !(ours->disk->lies & FAULT_FOLDER)) fault_folder_sync(ours->disk);
        ours->is_new = 0;
    } else if (outcome != FAULT_CUT && outcome && !ours->disk->is_cut) {
        fault_inode_lose(ours->inode);
    }
    ours->seen_errors = ours->inode->errors;
    fault_unlock(ours->disk);
    if (outcome || is_told) {
        errno = EIO;
        return SQLITE_IOERR_FSYNC;
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    int outcome = fault_decide(((fault_file *)file)->disk, FAULT_READ);
    if (outcome) return failed(outcome, SQLITE_IOERR_FSTAT);
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_lock(sqlite3_file *file, int *result) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

static int file_control(sqlite3_file *file, int what, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int file_sector_size(sqlite3_file *file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }

static int file_characteristics(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extends, void volatile **memory) {
    int outcome = fault_decide(((fault_file *)file)->disk, FAULT_SHARED);
    if (outcome) {
        *memory = NULL;
        return failed(outcome, SQLITE_IOERR_SHMMAP);
    }
    inside++;
    int code = real_of(file)->pMethods->xShmMap(real_of(file), page, size, extends, memory);
    inside--;
    return code;
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }

static int file_shm_unmap(sqlite3_file *file, int deletes) {
    inside++;
    int code = real_of(file)->pMethods->xShmUnmap(real_of(file), deletes);
    inside--;
    return code;
}

/* Version 2: without memory maps of the database, which would go past us. */
static const sqlite3_io_methods methods = {
    2, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock,
    file_check_lock, file_control, file_sector_size, file_characteristics, file_shm_map, file_shm_lock,
    file_shm_barrier, file_shm_unmap, NULL, NULL,
};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    (void)vfs;
    fault_disk *disk = name ? fault_disk_of(name) : NULL;
    if (!disk) return real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
    fault_file *ours = (fault_file *)file;
    memset(ours, 0, sizeof *ours);
    fault_lock(disk);
    int is_new = (flags & SQLITE_OPEN_CREATE) && access(name, F_OK) != 0;
    int outcome = fault_decide_locked(disk, is_new ? FAULT_CREATE : FAULT_OPEN);
    int code = outcome ? failed(outcome, SQLITE_CANTOPEN) : SQLITE_OK;
    if (code == SQLITE_OK) {
        inside++;
        code = real_vfs->xOpen(real_vfs, name, real_of(file), flags, out_flags);
        inside--;
    }
    if (code == SQLITE_OK) {
        ours->base.pMethods = &methods;
        ours->disk = disk;
        ours->inode = fault_inode_at(disk, name);
        ours->whose = fault_whose(name);
        ours->is_new = is_new && ours->whose != FAULT_DATABASE;
        ours->seen_errors = ours->inode->errors;
    }
    fault_unlock(disk);
    // The handle keeps the disk.
    if (code != SQLITE_OK) fault_disk_drop(disk);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int syncs_folder) {
    (void)vfs;
    fault_disk *disk = fault_disk_of(name);
    if (!disk) return real_vfs->xDelete(real_vfs, name, syncs_folder);
    fault_lock(disk);
    int outcome = fault_decide_locked(disk, FAULT_DELETE);
    int code = outcome ? failed(outcome, SQLITE_IOERR_DELETE) : SQLITE_OK;
    if (!outcome) {
        inside++;
        code = real_vfs->xDelete(real_vfs, name, 0);
        inside--;
    }
    if (code == SQLITE_OK || outcome == FAULT_CUT) fault_change(disk, name, NULL, NULL);
    if (code == SQLITE_OK && syncs_folder && !(disk->lies & FAULT_FOLDER)) fault_folder_sync(disk);
    fault_unlock(disk);
    fault_disk_drop(disk);
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    (void)vfs;
    fault_disk *disk = fault_disk_of(name);
    if (disk) {
        int outcome = fault_decide(disk, FAULT_OPEN);
        fault_disk_drop(disk);
        if (outcome) return failed(outcome, SQLITE_IOERR_ACCESS);
    }
    return real_vfs->xAccess(real_vfs, name, flags, result);
}

static int vfs_last_error(sqlite3_vfs *vfs, int count, char *text) {
    (void)vfs, (void)count, (void)text;
    return errno;
}

static void install(void) {
    if (sqlite3_initialize() != SQLITE_OK) return;
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (!found) return;
    our_vfs = *found;
    our_vfs.zName = "faulty";
    our_vfs.pNext = NULL;
    our_vfs.szOsFile = (int)sizeof(fault_file) + found->szOsFile;
    our_vfs.xOpen = vfs_open;
    our_vfs.xDelete = vfs_delete;
    our_vfs.xAccess = vfs_access;
    our_vfs.xGetLastError = vfs_last_error;
    real_vfs = found;
    if (sqlite3_vfs_register(&our_vfs, 1) != SQLITE_OK) real_vfs = NULL;
}

int faultvfs_install(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    return real_vfs != NULL;
}

/* ---- what the store asks of the system itself ----
 * These take the place of the C library's in the program that they are linked into. */

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static int refused(int outcome) {
    errno = outcome == FAULT_FULL ? ENOSPC : EIO;
    return -1;
}

/* The disk that an open file or folder lies on, and its path; held until it is dropped. NULL: none of ours. */
static fault_disk *disk_of(int descriptor, char path[PATH_MAX], int *is_folder) {
    if (inside || !fault_is_watching()) return NULL;
#ifdef __APPLE__
    if (fcntl(descriptor, F_GETPATH, path) != 0) return NULL;
#else
    char link_name[64];
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link_name, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
#endif
    return fault_disk_at(path, is_folder);
}

int fsync(int descriptor) {
    static int (*real)(int);
    if (!real) real = REAL("fsync", int (*)(int));
    char path[PATH_MAX];
    int is_folder = 0;
    fault_disk *disk = disk_of(descriptor, path, &is_folder);
    if (!disk) return real(descriptor);
    fault_lock(disk);
    int outcome = fault_decide_locked(disk, FAULT_SYNC);
    if (is_folder) {
        if (!outcome && !(disk->lies & FAULT_FOLDER)) fault_folder_sync(disk);
    } else {
        fault_inode *inode = fault_inode_at(disk, path);
        if (!outcome) {
            if (!(disk->lies & fault_whose(path))) fault_inode_sync(inode);
        } else if (outcome != FAULT_CUT && !disk->is_cut) {
            fault_inode_lose(inode);
        }
    }
    fault_unlock(disk);
    fault_disk_drop(disk);
    return outcome ? refused(FAULT_ERROR) : 0;
}

typedef ssize_t (*writer)(int, const void *, size_t, off_t);

/* A write at a place, by `real`: of files with durable contents, which the lock and the log's index are not. */
static ssize_t writing(int descriptor, const void *bytes, size_t count, off_t offset, writer real) {
    char path[PATH_MAX];
    int is_folder = 0;
    fault_disk *disk = disk_of(descriptor, path, &is_folder);
    if (disk && !fault_is_durable(path)) {
        fault_disk_drop(disk);
        disk = NULL;
    }
    if (!disk) return real(descriptor, bytes, count, offset);
    fault_lock(disk);
    int outcome = fault_decide_locked(disk, FAULT_WRITE);
    size_t kept = outcome == 0 || outcome == FAULT_CUT ? count : outcome == FAULT_SHORT ? count / 2 : 0;
    ssize_t result = outcome == FAULT_CUT ? (ssize_t)kept : kept > 0 ? real(descriptor, bytes, kept, offset) : 0;
    int code = errno;
    if (result > 0) fault_inode_write(fault_inode_at(disk, path), bytes, result, offset);
    fault_unlock(disk);
    fault_disk_drop(disk);
    errno = code;
    return outcome == FAULT_SHORT && result > 0 ? result : outcome ? refused(outcome) : result;
}

static ssize_t write_here(int descriptor, const void *bytes, size_t count, off_t offset) {
    (void)offset;
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = REAL("write", ssize_t(*)(int, const void *, size_t));
    return real(descriptor, bytes, count);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    if (inside || !fault_is_watching()) return write_here(descriptor, bytes, count, 0);
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    return writing(descriptor, bytes, count, offset < 0 ? 0 : offset, write_here);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    static writer real;
    if (!real) real = REAL("pwrite", writer);
    return writing(descriptor, bytes, count, offset, real);
}

static int renaming(const char *from, const char *to, int keeps, int (*real)(const char *, const char *)) {
    fault_disk *disk = inside || !fault_is_watching() ? NULL : fault_disk_of(from);
    if (!disk) return real(from, to);
    fault_lock(disk);
    int outcome = fault_decide_locked(disk, FAULT_NAME);
    fault_inode *inode = outcome && outcome != FAULT_CUT ? NULL : fault_inode_at(disk, from);
    int result = outcome ? refused(outcome) : real(from, to);
    int code = errno;
    if (inode && (result == 0 || outcome == FAULT_CUT)) fault_change(disk, keeps ? NULL : from, to, inode);
    fault_unlock(disk);
    fault_disk_drop(disk);
    errno = code;
    return result;
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = REAL("rename", int (*)(const char *, const char *));
    return renaming(from, to, 0, real);
}

int link(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = REAL("link", int (*)(const char *, const char *));
    return renaming(from, to, 1, real);
}

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = REAL("unlink", int (*)(const char *));
    fault_disk *disk = inside || !fault_is_watching() ? NULL : fault_disk_of(path);
    if (!disk) return real(path);
    fault_lock(disk);
    int result = 0;
    // Of files without durable contents (the lock, the log's index) nothing is counted.
    int outcome = fault_has(disk, path) ? fault_decide_locked(disk, FAULT_DELETE) : disk->is_cut ? FAULT_ERROR : 0;
    result = outcome ? refused(outcome) : real(path);
    int code = errno;
    if (result == 0 || outcome == FAULT_CUT) fault_change(disk, path, NULL, NULL);
    fault_unlock(disk);
    fault_disk_drop(disk);
    errno = code;
    return result;
}
