// Package vfs is the file system as Odradek sees it. Implementations: osfs (production) and the simulator's disk, which forgets what was not
// synced. Paths are slash-separated and relative to the root of the FS. Whoever creates, renames or removes a name makes that durable with
// SyncDir on its directory; whoever writes, with SyncData on the file. Nothing else is durable and nothing is ordered.
package vfs

import "errors"

// The errors that callers tell apart. Implementations wrap them; test with errors.Is.
var (
	ErrNotExist = errors.New("does not exist")
	ErrExist    = errors.New("exists already")
	ErrNoSpace  = errors.New("no space left")
	ErrLocked   = errors.New("locked by another process")
	ErrIO       = errors.New("input/output error")

	// ErrTooMany: the process may have no more descriptors, or no more mappings. Nothing was done, so the call may be made again.
	ErrTooMany = errors.New("too many open files or mappings")
)

// FS is one directory tree. Its methods may be called from several goroutines, but a File's writer is one at a time.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(path string) (File, error)
	// Create makes an empty file, open for reading and writing; ErrExist if the name is taken.
	Create(path string) (File, error)
	// Mkdir makes one directory; ErrExist if the name is taken.
	Mkdir(path string) error
	// Rename gives a file or directory another name, replacing a file of that name.
	Rename(from, to string) error
	// Remove removes a file or an empty directory. Open files stay readable until closed.
	Remove(path string) error
	// List returns the names in a directory, sorted.
	List(path string) ([]string, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(path string) error
	// SyncAll makes everything durable that was written and every name that was given before it, in one call. After an error nothing is known of any of it. It
	// may wait for bytes that nobody asked to be synced: for those of relaxed topics, and of other programs on the same disk. Only where SyncsAll says true.
	SyncAll() error
	// SyncsAll reports whether the system can be trusted with SyncAll: that it reaches the whole tree and tells of every failure.
	SyncsAll() bool
	// Free returns the bytes that may still be written.
	Free() (int64, error)
	// Total returns the bytes of the whole file system, free or not.
	Total() (int64, error)
	// Lock takes the advisory lock of a file, made if missing; ErrLocked if another holds it. It is held until the returned File closes.
	Lock(path string) (File, error)
}

// File is an open file. ReadAt may run beside anything else.
type File interface {
	// WriteAt writes all of the vector bufs, one behind the other, from off on, in one call where the system can. It returns the bytes written.
	WriteAt(bufs [][]byte, off int64) (int64, error)
	// ReadAt fills p from off on; fewer bytes only with an error (io.EOF at the end of the file).
	ReadAt(p []byte, off int64) (int, error)
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// SyncData makes the bytes and the length durable. After an error nothing is known of them: never call it again.
	SyncData() error
	// Truncate sets the length.
	Truncate(size int64) error
	// Map returns the first length bytes of the file, which must have so many, as memory. It stays after Close.
	Map(length int64) (Mapping, error)
	// Hold returns the system's file descriptor for sendfile, good until Drop. Where ok is false there is none, no Drop must follow, and ReadAt says why if
	// something is wrong. Hold for one system call and not for as long as the file may be wanted: what is held cannot be closed when descriptors get few.
	Hold() (fd uintptr, ok bool)
	// Drop ends a Hold.
	Drop()
	Close() error
}

// Mapping is memory that is a file's bytes: what is stored there reads from the file at once, and what is written to the file shows there. SyncData of
// the file makes it durable like any write. While a file is mapped it may be cut, but then nobody may touch the memory behind the cut. No write may make
// it longer; Truncate may, but what is stored or written afterwards need not show in mappings from before. A store to a page that no write has given a place on the disk kills the process if the disk is full: write there first.
type Mapping interface {
	// Bytes returns the memory, as long as was asked. Not to be touched after Unmap.
	Bytes() []byte
	// Unmap gives the memory back, once.
	Unmap() error
}
