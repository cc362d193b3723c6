#define _GNU_SOURCE
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER;
static fault_disk *all;
static atomic_int watching;

static void *grown(void *memory, size_t size) {
    void *result = realloc(memory, size ? size : 1);
    if (!result) abort();
    return result;
}

static char *copied(const char *text) {
    char *result = strdup(text);
    if (!result) abort();
    return result;
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- names ---- */

static int place_of(const fault_names *names, const char *name) {
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->entries[i].name, name) == 0) return i;
    return -1;
}

static void remove_name(fault_names *names, const char *name) {
    int place = place_of(names, name);
    if (place < 0) return;
    free(names->entries[place].name);
    names->entries[place] = names->entries[--names->count];
}

static void add_name(fault_names *names, const char *name, fault_inode *inode) {
    remove_name(names, name);
    names->entries = grown(names->entries, sizeof(fault_entry) * (size_t)(names->count + 1));
    names->entries[names->count++] = (fault_entry){copied(name), inode};
}

static void apply_change(fault_names *names, const fault_renaming *change) {
    if (change->gone) remove_name(names, change->gone);
    if (change->come) add_name(names, change->come, change->inode);
}

static void copy_names(fault_names *to, const fault_names *from) {
    *to = (fault_names){NULL, 0};
    for (int i = 0; i < from->count; i++) add_name(to, from->entries[i].name, from->entries[i].inode);
}

static void free_names(fault_names *names) {
    for (int i = 0; i < names->count; i++) free(names->entries[i].name);
    free(names->entries);
    *names = (fault_names){NULL, 0};
}

void fault_change(fault_disk *disk, const char *gone, const char *come, fault_inode *inode) {
    if (gone) gone = name_of(gone);
    if (come) come = name_of(come);
    if (gone && !come && place_of(&disk->live, gone) < 0) return;
    fault_renaming change = {gone ? copied(gone) : NULL, come ? copied(come) : NULL, inode};
    disk->changes = grown(disk->changes, sizeof change * (size_t)(disk->change_count + 1));
    disk->changes[disk->change_count++] = change;
    apply_change(&disk->live, &change);
}

static void forget_changes(fault_disk *disk) {
    for (int i = 0; i < disk->change_count; i++) {
        free(disk->changes[i].gone);
        free(disk->changes[i].come);
    }
    disk->change_count = 0;
}

void fault_folder_sync(fault_disk *disk) {
    free_names(&disk->synced);
    copy_names(&disk->synced, &disk->live);
    forget_changes(disk);
}

/* ---- files ---- */

static void add_operation(fault_inode *inode, fault_operation operation) {
    if (inode->count == inode->capacity) {
        inode->capacity = inode->capacity * 2 + 16;
        inode->operations = grown(inode->operations, sizeof operation * (size_t)inode->capacity);
    }
    inode->operations[inode->count++] = operation;
}

void fault_inode_write(fault_inode *inode, const void *bytes, int64_t count, int64_t offset) {
    unsigned char *copy = grown(NULL, (size_t)count);
    memcpy(copy, bytes, (size_t)count);
    add_operation(inode, (fault_operation){STATE_PENDING, offset, count, copy});
}

void fault_inode_truncate(fault_inode *inode, int64_t size) {
    add_operation(inode, (fault_operation){STATE_PENDING, size, 0, NULL});
}

/* Applies an operation, or of a write the bytes from `from` to `to`. */
static void apply(unsigned char **bytes, int64_t *size, const fault_operation *operation, int64_t from, int64_t to) {
    if (!operation->bytes) {
        if (operation->offset > *size) {
            *bytes = grown(*bytes, (size_t)operation->offset);
            memset(*bytes + *size, 0, (size_t)(operation->offset - *size));
        }
        *size = operation->offset;
        return;
    }
    int64_t start = operation->offset + from, end = operation->offset + to;
    if (end > *size) {
        *bytes = grown(*bytes, (size_t)end);
        memset(*bytes + *size, 0, (size_t)(end - *size));
        *size = end;
    }
    memcpy(*bytes + start, operation->bytes + from, (size_t)(to - from));
}

void fault_inode_sync(fault_inode *inode) {
    for (int i = 0; i < inode->count; i++)
        if (inode->operations[i].state == STATE_PENDING) inode->operations[i].state = STATE_SYNCED;
    // What has nothing uncertain before it becomes the base.
    int done = 0;
    while (done < inode->count && inode->operations[done].state == STATE_SYNCED) {
        apply(&inode->base, &inode->size, &inode->operations[done], 0, inode->operations[done].count);
        free(inode->operations[done++].bytes);
    }
    inode->count -= done;
    memmove(inode->operations, inode->operations + done, sizeof(fault_operation) * (size_t)inode->count);
}

void fault_inode_lose(fault_inode *inode) {
    for (int i = 0; i < inode->count; i++)
        if (inode->operations[i].state == STATE_PENDING) inode->operations[i].state = STATE_LOST;
    inode->errors++;
}

static fault_inode *new_inode(fault_disk *disk, ino_t number) {
    fault_inode *inode = grown(NULL, sizeof *inode);
    memset(inode, 0, sizeof *inode);
    inode->number = number;
    inode->next = disk->inodes;
    disk->inodes = inode;
    return inode;
}

static int64_t read_file(const char *path, unsigned char **bytes) {
    *bytes = NULL;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    struct stat status;
    int64_t size = fstat(descriptor, &status) == 0 ? status.st_size : 0;
    *bytes = grown(NULL, (size_t)size);
    if (pread(descriptor, *bytes, (size_t)size, 0) != size) size = 0;
    close(descriptor);
    return size;
}

fault_inode *fault_inode_at(fault_disk *disk, const char *path) {
    struct stat status;
    ino_t number = stat(path, &status) == 0 ? status.st_ino : 0;
    int place = place_of(&disk->live, name_of(path));
    if (place >= 0 && disk->live.entries[place].inode->number == number) return disk->live.entries[place].inode;
    // Made by the store itself, empty, before SQLite has it: not a file that SQLite may have locks on.
    fault_inode *inode = new_inode(disk, number);
    fault_change(disk, NULL, path, inode);
    return inode;
}

int fault_has(fault_disk *disk, const char *path) { return place_of(&disk->live, name_of(path)) >= 0; }

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), tail = strlen(end);
    return length > tail && strcmp(path + length - tail, end) == 0;
}

int fault_is_durable(const char *path) {
    return !ends_with(path, "-lock") && !ends_with(path, "-shm") && !ends_with(path, "-owner");
}

int fault_whose(const char *path) {
    return ends_with(path, "-wal") ? FAULT_LOG : ends_with(path, "-journal") ? FAULT_JOURNAL : FAULT_DATABASE;
}

/* ---- disks ---- */

int fault_is_watching(void) { return atomic_load(&watching) > 0; }

fault_disk *fault_disk_at(const char *path, int *is_folder) {
    if (!fault_is_watching()) return NULL;
    pthread_mutex_lock(&all_mutex);
    fault_disk *found = all;
    for (; found; found = found->next) {
        size_t length = strlen(found->folder);
        if (strncmp(path, found->folder, length) != 0) continue;
        *is_folder = path[length] == 0;
        if (*is_folder || (path[length] == '/' && !strchr(path + length + 1, '/'))) break;
    }
    if (found) found->holders++;
    pthread_mutex_unlock(&all_mutex);
    return found;
}

fault_disk *fault_disk_of(const char *path) {
    int is_folder = 0;
    fault_disk *disk = fault_disk_at(path, &is_folder);
    if (!disk || !is_folder) return disk;
    fault_disk_drop(disk);
    return NULL;
}

static void free_disk(fault_disk *disk) {
    free_names(&disk->synced);
    free_names(&disk->live);
    forget_changes(disk);
    free(disk->changes);
    while (disk->inodes) {
        fault_inode *inode = disk->inodes;
        disk->inodes = inode->next;
        for (int i = 0; i < inode->count; i++) free(inode->operations[i].bytes);
        free(inode->operations);
        free(inode->base);
        free(inode);
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk->folder);
    free(disk);
}

void fault_disk_drop(fault_disk *disk) {
    pthread_mutex_lock(&all_mutex);
    int left = --disk->holders;
    if (left == 0) {
        fault_disk **place = &all;
        while (*place && *place != disk) place = &(*place)->next;
        if (*place) *place = disk->next;
        atomic_fetch_sub(&watching, 1);
    }
    pthread_mutex_unlock(&all_mutex);
    if (left == 0) free_disk(disk);
}

void fault_lock(fault_disk *disk) { pthread_mutex_lock(&disk->mutex); }
void fault_unlock(fault_disk *disk) { pthread_mutex_unlock(&disk->mutex); }

static int index_of(int what) {
    int index = 0;
    while (what >>= 1) index++;
    return index;
}

int fault_decide_locked(fault_disk *disk, int what) {
    if (disk->is_cut) return FAULT_ERROR;
    disk->counts[index_of(what)]++;
    if (!(disk->mask & what)) return 0;
    int64_t number = ++disk->seen;
    if (number < disk->first || number > disk->last) return 0;
    disk->injected++;
    if (disk->how == FAULT_CUT) disk->is_cut = 1;
    return disk->how;
}

int fault_decide(fault_disk *disk, int what) {
    fault_lock(disk);
    int outcome = fault_decide_locked(disk, what);
    fault_unlock(disk);
    return outcome;
}

fault_disk *faultvfs_watch(const char *folder) {
    fault_disk *disk = grown(NULL, sizeof *disk);
    memset(disk, 0, sizeof *disk);
    pthread_mutex_init(&disk->mutex, NULL);
    disk->holders = 1;
    disk->folder = copied(folder);
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        char path[PATH_MAX];
        struct stat status;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
        if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) continue;
        fault_inode *inode = new_inode(disk, status.st_ino);
        inode->size = read_file(path, &inode->base);
        add_name(&disk->live, entry->d_name, inode);
        add_name(&disk->synced, entry->d_name, inode);
    }
    if (listing) closedir(listing);
    pthread_mutex_lock(&all_mutex);
    disk->next = all;
    all = disk;
    atomic_fetch_add(&watching, 1);
    pthread_mutex_unlock(&all_mutex);
    return disk;
}

void faultvfs_release(fault_disk *disk) {
    faultvfs_cut(disk);
    fault_disk_drop(disk);
}

void faultvfs_plan(fault_disk *disk, int how, int mask, int64_t first, int64_t last) {
    fault_lock(disk);
    disk->how = how;
    disk->mask = mask;
    disk->first = first;
    disk->last = last;
    disk->seen = 0;
    fault_unlock(disk);
}

void faultvfs_lie(fault_disk *disk, int whose) {
    fault_lock(disk);
    disk->lies = whose;
    fault_unlock(disk);
}

void faultvfs_cut(fault_disk *disk) {
    fault_lock(disk);
    disk->is_cut = 1;
    fault_unlock(disk);
}

int64_t faultvfs_count(fault_disk *disk, int mask) {
    fault_lock(disk);
    int64_t count = 0;
    for (int index = 0; index < 16; index++)
        if (mask & (1 << index)) count += disk->counts[index];
    fault_unlock(disk);
    return count;
}

int64_t faultvfs_injected(fault_disk *disk) {
    fault_lock(disk);
    int64_t count = disk->injected;
    fault_unlock(disk);
    return count;
}

/* ---- what the disk shows ---- */

/* SplitMix64. */
static uint64_t random_bits(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int chance(uint64_t *state, int percent) { return (int)(random_bits(state) % 100) < percent; }

enum { SECTOR = 512 };

/* Applies a write sector by sector, each with a chance. */
static void apply_sectors(
    unsigned char **bytes, int64_t *size, const fault_operation *operation, int percent, uint64_t *state) {
    for (int64_t from = 0; from < operation->count;) {
        int64_t to = ((operation->offset + from) / SECTOR + 1) * SECTOR - operation->offset;
        if (to > operation->count) to = operation->count;
        if (chance(state, percent)) apply(bytes, size, operation, from, to);
        from = to;
    }
}

static int64_t contents(const fault_inode *inode, int kind, uint64_t *state, unsigned char **result) {
    unsigned char *bytes = grown(NULL, (size_t)inode->size);
    if (inode->size) memcpy(bytes, inode->base, (size_t)inode->size);
    int64_t size = inode->size;
    static const int shares[] = {15, 50, 85};
    int share = shares[random_bits(state) % 3];
    int prefix = (int)(random_bits(state) % (uint64_t)(inode->count + 1));
    for (int i = 0; i < inode->count; i++) {
        const fault_operation *operation = &inode->operations[i];
        int whole = operation->state == STATE_SYNCED || kind == FAULT_IMAGE_ALL
            || (kind == FAULT_IMAGE_PREFIX && i < prefix && operation->state == STATE_PENDING)
            || (kind == FAULT_IMAGE_TORN && i + 1 < inode->count && operation->state == STATE_PENDING);
        if (!whole && kind == FAULT_IMAGE_SUBSET) {
            if (!chance(state, share)) continue;
            whole = chance(state, 75);
        }
        if (!whole && !operation->bytes && (kind == FAULT_IMAGE_TORN || kind == FAULT_IMAGE_SECTORS))
            whole = chance(state, 50);
        if (whole) {
            apply(&bytes, &size, operation, 0, operation->count);
        } else if (operation->bytes && kind == FAULT_IMAGE_TORN && operation->state == STATE_PENDING) {
            int64_t sectors = operation->count / SECTOR + 1;
            int64_t to = (int64_t)(random_bits(state) % (uint64_t)sectors) * SECTOR;
            if (to > 0) apply(&bytes, &size, operation, 0, to);
        } else if (operation->bytes && (kind == FAULT_IMAGE_SUBSET || kind == FAULT_IMAGE_SECTORS)) {
            apply_sectors(&bytes, &size, operation, kind == FAULT_IMAGE_SUBSET ? 50 : share, state);
        }
    }
    *result = bytes;
    return size;
}

int faultvfs_image(fault_disk *disk, const char *folder, int kind, uint64_t seed) {
    fault_lock(disk);
    uint64_t state = seed;
    fault_names names;
    copy_names(&names, &disk->synced);
    int in_order = chance(&state, 50);
    int prefix = (int)(random_bits(&state) % (uint64_t)(disk->change_count + 1));
    for (int i = 0; i < disk->change_count; i++) {
        int kept = kind == FAULT_IMAGE_ALL ? 1 : kind == FAULT_IMAGE_NONE ? 0 : in_order ? i < prefix : chance(&state, 50);
        if (kept) apply_change(&names, &disk->changes[i]);
    }
    int done = 1;
    for (int i = 0; i < names.count; i++) {
        unsigned char *bytes;
        int64_t size = contents(names.entries[i].inode, kind, &state, &bytes);
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", folder, names.entries[i].name) >= (int)sizeof path) done = 0;
        int descriptor = done ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
        if (descriptor < 0 || write(descriptor, bytes, (size_t)size) != size) done = 0;
        if (descriptor >= 0) close(descriptor);
        free(bytes);
    }
    free_names(&names);
    fault_unlock(disk);
    return done;
}
