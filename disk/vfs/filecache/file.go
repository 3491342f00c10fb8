package filecache

import (
	"fmt"
	"sync"

	"odradek/disk/vfs"
)

// File is a file that somebody has open, with or without a descriptor.
type File struct {
	fs *FS

	mu      sync.Mutex
	file    vfs.File // nil: no descriptor
	users   int      // calls under way, and Holds
	used    bool     // since the hand's last visit
	changes uint64   // raised when a write begins and when it has ended
	synced  uint64   // what changes was when the last sync began that went well
	spoiled bool     // a sync failed, or it is mapped: never clean again
	closed  bool
	lost    error // why it has neither descriptor nor name

	// Guarded by FS.mu and, for writers, mu.
	node       *node // nil: it has no name any more
	next, prev *File // the ring: files that are open, clean and have a name
	ringed     bool
	dirty      bool // in FS.dirt
}

// use gives the descriptor, opened if need be, and counts its user; done must follow. changing says that the file will be written to or cut.
func (f *File) use(changing bool) (vfs.File, error) {
	f.mu.Lock()
	if f.file == nil {
		f.mu.Unlock()
		if err := f.openAgain(); err != nil {
			return nil, err
		}
		defer f.fs.trim() // when mu is free again: this one is in use by then
	}
	defer f.mu.Unlock()
	f.users++
	f.used = true
	if changing {
		f.changes++
		f.settle()
	}
	return f.file, nil
}

// openAgain opens a file that the cache closed. It returns holding mu if err is nil. No rename can come between the path and its opening.
func (f *File) openAgain() error {
	fs := f.fs
	fs.names.RLock()
	defer fs.names.RUnlock()
	f.mu.Lock()
	err := f.lost
	switch {
	case f.closed:
		err = fmt.Errorf("%w: the file was closed", vfs.ErrIO)
	case err == nil && f.file == nil:
		err = f.reopen(f.node.path())
	}
	if err != nil {
		f.mu.Unlock()
	}
	return err
}

// reopen opens path, which is the file's. Caller holds names and mu.
func (f *File) reopen(path string) error {
	under, err := withRoom(f.fs, func() (vfs.File, error) { return f.fs.FS.Open(path) })
	if err != nil {
		return err
	}
	f.file = under
	f.fs.open.Add(1)
	f.fs.reopened.Add(1)
	f.settle()
	return nil
}

// done ends a use.
func (f *File) done() {
	f.mu.Lock()
	f.users--
	f.mu.Unlock()
	f.fs.trim()
}

// settle puts the file where it belongs by its state: into the ring if its descriptor may be closed, into FS.dirt if it is not clean. Caller holds mu.
//
// Invariant: in the ring exactly if it is open, clean and has a name.
func (f *File) settle() {
	fs, dirty := f.fs, f.changes != f.synced || f.spoiled
	idle := f.file != nil && !dirty
	if idle == f.ringed && dirty == f.dirty {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if idle && f.node != nil {
		fs.link(f)
	} else {
		fs.unlink(f)
	}
	if f.dirty = dirty; dirty {
		fs.dirt[f] = struct{}{}
	} else {
		delete(fs.dirt, f)
	}
}

// change runs a call that changes the file. changes is raised again at the end: a sync that began while the call was under way may have missed it.
func change[T any](f *File, call func(vfs.File) (T, error)) (T, error) {
	under, err := f.use(true)
	if err != nil {
		var none T
		return none, err
	}
	got, err := call(under)
	f.mu.Lock()
	f.changes++
	f.settle()
	f.mu.Unlock()
	f.done()
	return got, err
}

// WriteAt writes bufs from off on.
func (f *File) WriteAt(bufs [][]byte, off int64) (int64, error) {
	return change(f, func(under vfs.File) (int64, error) { return under.WriteAt(bufs, off) })
}

// Truncate sets the length.
func (f *File) Truncate(size int64) error {
	_, err := change(f, func(under vfs.File) (struct{}, error) { return struct{}{}, under.Truncate(size) })
	return err
}

// SyncData makes bytes and length durable; then the file is clean, if nothing was written meanwhile.
func (f *File) SyncData() error {
	under, err := f.use(false)
	if err != nil {
		return err
	}
	f.mu.Lock()
	upTo := f.changes
	f.mu.Unlock()
	err = under.SyncData()
	f.syncedUpTo(upTo, err)
	f.done()
	return err
}

// syncedUpTo takes note of how a sync ended that began when changes was upTo.
func (f *File) syncedUpTo(upTo uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return
	case err == nil:
		f.synced = max(f.synced, upTo)
	default:
		f.spoiled = true
	}
	f.settle()
}

// ReadAt fills p from off on.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	under, err := f.use(false)
	if err != nil {
		return 0, err
	}
	defer f.done()
	return under.ReadAt(p, off)
}

// Size returns the file's length.
func (f *File) Size() (int64, error) {
	under, err := f.use(false)
	if err != nil {
		return 0, err
	}
	defer f.done()
	return under.Size()
}

// Hold returns a descriptor that is not closed before Drop.
func (f *File) Hold() (uintptr, bool) {
	under, err := f.use(false)
	if err != nil {
		return 0, false
	}
	fd, ok := under.Hold()
	if !ok {
		f.done()
	}
	return fd, ok
}

// Drop ends a Hold. The descriptor is the one that was held: a file in use is not closed.
func (f *File) Drop() {
	f.mu.Lock()
	under := f.file
	f.mu.Unlock()
	under.Drop()
	f.done()
}

// Map maps the file. From here on it keeps its descriptor: stores to memory are not seen here, so it may be dirty at any time. Who maps many files closes
// them, for a mapping stays after Close.
func (f *File) Map(length int64) (vfs.Mapping, error) {
	fs := f.fs
	if length == 0 {
		return f.mapped(0)
	}
	if n := fs.maps.Add(1); fs.limits.Maps > 0 && n > int64(fs.limits.Maps) {
		fs.maps.Add(-1)
		return nil, fmt.Errorf("map a file: %w: %d are mapped; raise vm.max_map_count (sysctl) or have fewer or larger segments", vfs.ErrTooMany, n-1)
	}
	m, err := f.mapped(length)
	if err != nil {
		fs.maps.Add(-1)
		return nil, err
	}
	return &mapping{Mapping: m, fs: fs}, nil
}

func (f *File) mapped(length int64) (vfs.Mapping, error) {
	under, err := f.use(false)
	if err != nil {
		return nil, err
	}
	defer f.done()
	f.mu.Lock()
	f.spoiled = true
	f.settle()
	f.mu.Unlock()
	return under.Map(length)
}

// mapping is counted until Unmap.
type mapping struct {
	vfs.Mapping
	fs *FS
}

func (m *mapping) Unmap() error {
	err := m.Mapping.Unmap()
	if err == nil {
		m.fs.maps.Add(-1)
	}
	return err
}

// Close ends the file's use. No other call may be under way.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return fmt.Errorf("close a file: %w: closed already", vfs.ErrIO)
	}
	if f.users > 0 {
		panic("invariant: a file is closed while it is in use")
	}
	under := f.file
	f.file, f.closed = nil, true
	f.fs.mu.Lock()
	f.fs.unlink(f)
	f.leaveTree()
	delete(f.fs.dirt, f)
	f.fs.mu.Unlock()
	f.mu.Unlock()
	f.fs.known.Add(-1)
	if under == nil {
		return nil
	}
	err := under.Close()
	f.fs.open.Add(-1)
	return err
}
