#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Has the names of the files beside `path`, those that came and those that went, on the medium. Not every file system can do
/// that for a folder: only a medium that fails is an error.
func syncFolder(of path: String) throws(StoreError) {
    let folder = open(TemporaryStore.folder(of: path), O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    let fault = fsync(folder) == 0 ? 0 : errno
    close(folder)
    if fault == EIO || fault == ENOSPC || fault == EDQUOT {
        throw .system(operation: "sync the folder", path: path, code: fault)
    }
}
