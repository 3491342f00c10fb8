// Package filecache is a vfs.FS over another one that keeps few descriptors open: a node may have more segments than the system lets it open files. A File of
// it is logical. While nobody uses it, its descriptor may be closed; who uses it again opens it again, by the path that the file has by then.
//
// What must hold for that to be unnoticeable:
//
//   - Only a clean file is closed. After a write, fsync tells of a lost page once, and to descriptors that were open before: a file with bytes or a length that no
//     sync covers keeps its descriptor, as does one whose sync failed, and one that is mapped (what is stored through memory is not seen here).
//   - A path names the file it was opened by until this FS renames or removes it. Files hang in a tree of names, so renaming a folder moves all in it at once.
//   - A file whose name is removed, or taken by another in a rename, is opened first if it is closed, and keeps its descriptor until Close. So it stays
//     readable, and a later file of that name is never taken for it.
//   - A descriptor in use is not closed: each call, and each Hold until its Drop, counts as a user.
//
// Who is closed: about the least recently used, found by second chance: files lie in a ring, the hand passes those used since its last visit.
//
// Locks, in the order they may be taken: FS.names, File.mu, FS.mu. FS.names is held shared while a path is opened, else by renames and removals alone; File.mu
// only over the opening of its own file; FS.mu over no system call. Whoever uses a file that is open takes its File.mu for a moment, and FS.mu only when
// the file turns clean or dirty.
package filecache

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"odradek/disk/vfs"
)

// Limits bound what one FS has open. Zero: no bound.
type Limits struct {
	Files int // descriptors; more only while more files than that are in use, unsynced or without a name
	Maps  int // mappings; one more is refused, before the system refuses them to the whole process
}

// FS is another FS through a cache of open files. Locks pass through: they are open as long as they are held.
type FS struct {
	vfs.FS
	limits Limits

	names sync.RWMutex

	mu   sync.Mutex
	root node               // of the tree of names
	hand *File              // of the ring; nil: it is empty
	dirt map[*File]struct{} // files with something that no sync covers

	open, known, maps       atomic.Int64
	reopened, evicted, full atomic.Int64
}

var (
	_ vfs.FS   = (*FS)(nil)
	_ vfs.File = (*File)(nil)
)

// New returns under through a cache. Everything that happens to files of the tree must go through the same FS.
func New(under vfs.FS, limits Limits) *FS {
	return &FS{FS: under, limits: limits, dirt: map[*File]struct{}{}}
}

// Stats are counters and gauges of an FS.
type Stats struct {
	Files    int64 // files that somebody has open
	Open     int64 // of those, with a descriptor
	Limit    int64 // of Open; 0: none
	Reopened int64 // times that a file was opened again
	Evicted  int64 // times that a descriptor was closed to stay within the limit
	Full     int64 // times that the system refused a descriptor
	Maps     int64 // mappings
	MapLimit int64
}

// Stats returns the present numbers.
func (fs *FS) Stats() Stats {
	return Stats{Files: fs.known.Load(), Open: fs.open.Load(), Limit: int64(fs.limits.Files), Reopened: fs.reopened.Load(), Evicted: fs.evicted.Load(),
		Full: fs.full.Load(), Maps: fs.maps.Load(), MapLimit: int64(fs.limits.Maps)}
}

// Open opens an existing file.
func (fs *FS) Open(path string) (vfs.File, error) { return fs.enter(path, fs.FS.Open) }

// Create makes an empty file. It counts as clean: that it exists is its directory's to make durable.
func (fs *FS) Create(path string) (vfs.File, error) { return fs.enter(path, fs.FS.Create) }

// Lock takes the lock of a file, which is given up when its descriptor closes: the cache leaves it alone.
func (fs *FS) Lock(path string) (vfs.File, error) {
	return withRoom(fs, func() (vfs.File, error) { return fs.FS.Lock(path) })
}

// List returns the names in a directory.
func (fs *FS) List(path string) ([]string, error) {
	return withRoom(fs, func() ([]string, error) { return fs.FS.List(path) })
}

// SyncDir makes the names in a directory durable. It may be tried again for want of a descriptor: then nothing was synced.
func (fs *FS) SyncDir(path string) error {
	_, err := withRoom(fs, func() (struct{}, error) { return struct{}{}, fs.FS.SyncDir(path) })
	return err
}

// SyncAll makes everything durable. Files that nobody wrote to since it began are clean then; after an error those that were not clean never will be.
func (fs *FS) SyncAll() error {
	type mark struct {
		file *File
		upTo uint64
	}
	var marks []mark
	fs.mu.Lock()
	for f := range fs.dirt { // any order: each for itself
		marks = append(marks, mark{file: f})
	}
	fs.mu.Unlock()
	for i := range marks {
		f := marks[i].file
		f.mu.Lock()
		marks[i].upTo = f.changes
		f.mu.Unlock()
	}
	err := fs.FS.SyncAll()
	for _, m := range marks {
		m.file.syncedUpTo(m.upTo, err)
	}
	fs.trim()
	return err
}

// enter opens a path and gives it a File. Holding names, so that no rename comes between the opening and the place in the tree.
func (fs *FS) enter(path string, open func(string) (vfs.File, error)) (vfs.File, error) {
	fs.names.RLock()
	under, err := withRoom(fs, func() (vfs.File, error) { return open(path) })
	if err != nil {
		fs.names.RUnlock()
		return nil, err
	}
	f := &File{fs: fs, file: under, used: true}
	fs.open.Add(1)
	fs.known.Add(1)
	fs.mu.Lock()
	f.node = fs.root.make(path)
	f.node.files = append(f.node.files, f)
	fs.link(f)
	fs.mu.Unlock()
	fs.names.RUnlock()
	fs.trim()
	return f, nil
}

// Rename gives a file or directory another name. What is open below it is found under the new one from then on.
func (fs *FS) Rename(from, to string) error {
	defer fs.trim() // when names is free again
	fs.names.Lock()
	defer fs.names.Unlock()
	if from != to {
		fs.orphan(to)
	}
	if err := fs.FS.Rename(from, to); err != nil {
		return err
	}
	if from != to {
		fs.mu.Lock()
		fs.root.move(from, to)
		fs.mu.Unlock()
	}
	return nil
}

// Remove removes a file or an empty directory.
func (fs *FS) Remove(path string) error {
	defer fs.trim() // when names is free again
	fs.names.Lock()
	defer fs.names.Unlock()
	fs.orphan(path)
	return fs.FS.Remove(path)
}

// orphan takes the files of a path off the tree, each with a descriptor that stays: whatever comes of the name, they are what they are. If a descriptor cannot
// be had, the file is lost for its holders and not the operation: a disk is not given up for a reader's sake. Caller holds names.
func (fs *FS) orphan(path string) {
	fs.mu.Lock()
	var files []*File
	if n := fs.root.find(path); n != nil {
		files = append(files, n.files...)
	}
	fs.mu.Unlock()
	for _, f := range files {
		f.mu.Lock()
		if f.file == nil && !f.closed {
			if err := f.reopen(path); err != nil {
				f.lost = fmt.Errorf("%s is removed and could not be kept open: %w", path, err)
			}
		}
		fs.mu.Lock()
		fs.unlink(f)
		f.leaveTree()
		fs.mu.Unlock()
		f.mu.Unlock()
	}
}

// withRoom makes a call that takes a descriptor. While the system has none left, idle ones are closed and the call is made again.
func withRoom[T any](fs *FS, call func() (T, error)) (T, error) {
	for {
		got, err := call()
		if !errors.Is(err, vfs.ErrTooMany) {
			return got, err
		}
		fs.full.Add(1)
		closed := false
		for range 16 { // some room for the sockets of the same process too
			closed = fs.evict() || closed
		}
		if !closed {
			return got, err
		}
	}
}

// over reports whether more is open than should be.
func (fs *FS) over() bool { return fs.limits.Files > 0 && fs.open.Load() > int64(fs.limits.Files) }

// trim closes idle descriptors until no more is open than should be, or none is idle.
func (fs *FS) trim() {
	for fs.over() && fs.evict() {
	}
}

// evict closes one idle descriptor; false if there is none.
func (fs *FS) evict() bool {
	under := fs.victim()
	if under == nil {
		return false
	}
	fs.evicted.Add(1)
	_ = under.Close() // the file is clean: there is nothing that an error could tell
	return true
}

// victim takes the descriptor of an idle file away from it. The hand goes round at most twice: the first time it may only take chances.
func (fs *FS) victim() vfs.File {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	first := fs.hand
	for rounds := 0; fs.hand != nil && rounds < 2; {
		f := fs.hand
		fs.hand = f.next
		if fs.hand == first {
			rounds++
		}
		if !f.mu.TryLock() { // it is being used. (Waiting would be against the order of locks.)
			continue
		}
		if f.users > 0 || f.used {
			f.used = f.users > 0
			f.mu.Unlock()
			continue
		}
		under := f.file
		f.file = nil
		fs.unlink(f)
		f.mu.Unlock()
		fs.open.Add(-1)
		return under
	}
	return nil
}

// link puts a file into the ring, behind the hand: the last to be visited. Caller holds mu, and f.mu or f alone.
func (fs *FS) link(f *File) {
	if f.ringed {
		return
	}
	f.ringed = true
	if fs.hand == nil {
		f.next, f.prev, fs.hand = f, f, f
		return
	}
	f.next, f.prev = fs.hand, fs.hand.prev
	f.prev.next, f.next.prev = f, f
}

// unlink takes a file out of the ring, if it is there. Caller holds mu and f.mu.
func (fs *FS) unlink(f *File) {
	if !f.ringed {
		return
	}
	if fs.hand == f {
		fs.hand = f.next
	}
	if fs.hand == f {
		fs.hand = nil
	}
	f.prev.next, f.next.prev = f.next, f.prev
	f.next, f.prev, f.ringed = nil, nil, false
}
