#ifndef KADSTORE_FAULT_DISK_H
#define KADSTORE_FAULT_DISK_H

#include "faultvfs.h"

#include <pthread.h>
#include <sys/types.h>

/* What a write or truncation has become. */
enum { STATE_PENDING, STATE_SYNCED, STATE_LOST };

/* A change to a file; without bytes a truncation to `offset`. */
typedef struct {
    int state;
    int64_t offset, count;
    unsigned char *bytes;
} fault_operation;

/* A file, whatever its names: its contents at some time, and what was done to it since, oldest first. */
typedef struct fault_inode {
    struct fault_inode *next;
    ino_t number;
    unsigned char *base;
    int64_t size;
    fault_operation *operations;
    int count, capacity;
    int errors;
} fault_inode;

typedef struct {
    char *name;
    fault_inode *inode;
} fault_entry;

typedef struct {
    fault_entry *entries;
    int count;
} fault_names;

/* A change to the folder: a name goes, another comes, or both at once. */
typedef struct {
    char *gone, *come;
    fault_inode *inode;
} fault_renaming;

struct fault_disk {
    struct fault_disk *next;
    pthread_mutex_t mutex;
    int holders;
    char *folder;
    fault_inode *inodes;
    fault_names synced, live;
    fault_renaming *changes;
    int change_count;
    int is_cut, lies;
    int how, mask;
    int64_t first, last, seen, injected;
    int64_t counts[16];
};

int fault_is_watching(void);
/* The disk that a path lies on, held until it is dropped. */
fault_disk *fault_disk_of(const char *path);
/* Likewise; the folder itself too. */
fault_disk *fault_disk_at(const char *path, int *is_folder);
void fault_disk_drop(fault_disk *disk);
void fault_lock(fault_disk *disk);
void fault_unlock(fault_disk *disk);

/* 0 to go on, else how it fails. */
int fault_decide(fault_disk *disk, int what);
int fault_decide_locked(fault_disk *disk, int what);

/* Whether what is written to a file of that name is meant to last: not of the lock, the log's index, an owner's mark. */
int fault_is_durable(const char *path);
/* Whose file it is, by its name. */
int fault_whose(const char *path);
/* The file of that name; known from now on. */
fault_inode *fault_inode_at(fault_disk *disk, const char *path);
int fault_has(fault_disk *disk, const char *path);
void fault_inode_write(fault_inode *inode, const void *bytes, int64_t count, int64_t offset);
void fault_inode_truncate(fault_inode *inode, int64_t size);
void fault_inode_sync(fault_inode *inode);
void fault_inode_lose(fault_inode *inode);
void fault_change(fault_disk *disk, const char *gone, const char *come, fault_inode *inode);
void fault_folder_sync(fault_disk *disk);

#endif
