package simdisk

import (
	"fmt"
	"io"
	"slices"

	"odradek/disk/vfs"
)

// FS is the disk as one process sees it.
type FS struct {
	disk  *Disk
	mount int
}

var (
	_ vfs.FS   = (*FS)(nil)
	_ vfs.File = (*File)(nil)
)

// Open opens an existing file.
func (f *FS) Open(path string) (vfs.File, error) {
	if err := f.disk.begin(f.mount, Op{Kind: OpOpen, Path: path}); err != nil {
		return nil, err
	}
	n, err := f.disk.root.find(path)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, fmt.Errorf("open %s: %w: it is a directory", path, vfs.ErrIO)
	}
	return &File{fs: f, node: n}, nil
}

// Create makes an empty file.
func (f *FS) Create(path string) (vfs.File, error) {
	if err := f.disk.begin(f.mount, Op{Kind: OpCreate, Path: path}); err != nil {
		return nil, err
	}
	n, err := f.link(path, &node{path: path})
	if err != nil {
		return nil, err
	}
	return &File{fs: f, node: n}, nil
}

// Mkdir makes one directory.
func (f *FS) Mkdir(path string) error {
	if err := f.disk.begin(f.mount, Op{Kind: OpMkdir, Path: path}); err != nil {
		return err
	}
	_, err := f.link(path, newDir(path))
	return err
}

func (f *FS) link(path string, n *node) (*node, error) {
	dir, name, err := f.disk.root.parent(path)
	if err != nil {
		return nil, err
	}
	if dir.names[name] != nil {
		return nil, fmt.Errorf("%s: %w", path, vfs.ErrExist)
	}
	f.disk.add(&change{kind: changeNames, links: []link{{dir, name, n}}, covers: dir})
	dir.names[name] = n
	return n, nil
}

// Rename gives a file or directory another name, replacing a file of that name.
func (f *FS) Rename(from, to string) error {
	if err := f.disk.begin(f.mount, Op{Kind: OpRename, Path: from, To: to}); err != nil {
		return err
	}
	fromDir, fromName, err := f.disk.root.parent(from)
	if err != nil {
		return err
	}
	toDir, toName, err := f.disk.root.parent(to)
	if err != nil {
		return err
	}
	n := fromDir.names[fromName]
	if n == nil {
		return fmt.Errorf("rename %s: %w", from, vfs.ErrNotExist)
	}
	if old := toDir.names[toName]; old != nil && (old.dir || n.dir) {
		return fmt.Errorf("rename %s to %s: %w", from, to, vfs.ErrExist)
	}
	f.disk.add(&change{kind: changeNames, links: []link{{fromDir, fromName, nil}, {toDir, toName, n}}, covers: toDir})
	delete(fromDir.names, fromName)
	toDir.names[toName] = n
	n.rename(to)
	return nil
}

func (n *node) rename(path string) {
	n.path = path
	for name, child := range n.names { // any order: each for itself
		child.rename(path + "/" + name)
	}
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(path string) error {
	if err := f.disk.begin(f.mount, Op{Kind: OpRemove, Path: path}); err != nil {
		return err
	}
	dir, name, err := f.disk.root.parent(path)
	if err != nil {
		return err
	}
	n := dir.names[name]
	if n == nil {
		return fmt.Errorf("remove %s: %w", path, vfs.ErrNotExist)
	}
	if len(n.names) > 0 {
		return fmt.Errorf("remove %s: %w: the directory is not empty", path, vfs.ErrExist)
	}
	f.disk.add(&change{kind: changeNames, links: []link{{dir, name, nil}}, covers: dir})
	delete(dir.names, name)
	return nil
}

// List returns the names in a directory, sorted.
func (f *FS) List(path string) ([]string, error) {
	if err := f.disk.begin(f.mount, Op{Kind: OpList, Path: path}); err != nil {
		return nil, err
	}
	n, err := f.disk.root.find(path)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, fmt.Errorf("list %s: %w: it is a file", path, vfs.ErrIO)
	}
	names := make([]string, 0, len(n.names))
	for name := range n.names { // any order: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir carries the names of a directory over to the platter.
func (f *FS) SyncDir(path string) error {
	hookErr := f.disk.begin(f.mount, Op{Kind: OpSyncDir, Path: path})
	if f.mount != f.disk.mount {
		return hookErr
	}
	n, err := f.disk.root.find(path)
	if err != nil {
		return err
	}
	if _, failed := f.disk.takeFault(OpSyncDir, path); failed || hookErr != nil {
		f.disk.loseNames(n)
		if hookErr != nil {
			return hookErr
		}
		return fmt.Errorf("syncdir %s: %w", path, vfs.ErrIO)
	}
	f.disk.carryNames(n)
	return nil
}

// SyncAll carries all names, bytes and lengths over to the platter.
func (f *FS) SyncAll() error {
	d := f.disk
	hookErr := d.begin(f.mount, Op{Kind: OpSyncAll})
	if f.mount != d.mount {
		return hookErr
	}
	_, failed := d.takeFault(OpSyncAll, "")
	d.settleAll(!failed && hookErr == nil)
	if hookErr != nil {
		return hookErr
	}
	if failed {
		return fmt.Errorf("syncall: %w", vfs.ErrIO)
	}
	return nil
}

// SyncsAll says that SyncAll can be trusted.
func (f *FS) SyncsAll() bool { return true }

// Free returns the bytes left of the quota, or 1 TiB if there is none.
func (f *FS) Free() (int64, error) {
	if f.disk.quota < 0 {
		return 1 << 40, nil
	}
	return max(f.disk.quota-f.disk.used(), 0), nil
}

// Total returns the quota, or 1 TiB if there is none.
func (f *FS) Total() (int64, error) {
	if f.disk.quota < 0 {
		return 1 << 40, nil
	}
	return f.disk.quota, nil
}

// Lock takes the lock of a file, made if missing.
func (f *FS) Lock(path string) (vfs.File, error) {
	if err := f.disk.begin(f.mount, Op{Kind: OpLock, Path: path}); err != nil {
		return nil, err
	}
	n, err := f.disk.root.find(path)
	if err != nil {
		if n, err = f.link(path, &node{path: path}); err != nil {
			return nil, err
		}
	}
	if n.lock {
		return nil, fmt.Errorf("lock %s: %w", path, vfs.ErrLocked)
	}
	n.lock = true
	return &File{fs: f, node: n, locks: true}, nil
}

// File is an open file.
type File struct {
	fs     *FS
	node   *node
	locks  bool
	closed bool
}

func (f *File) begin(kind OpKind, off, length int64) error {
	if f.closed {
		return fmt.Errorf("%s %s: %w: the file was closed", kind, f.node.path, vfs.ErrIO)
	}
	return f.fs.disk.begin(f.fs.mount, Op{Kind: kind, Path: f.node.path, Off: off, Len: length})
}

// WriteAt writes bufs from off on; a quota or a fault may let a part of it through.
func (f *File) WriteAt(bufs [][]byte, off int64) (int64, error) {
	p := slices.Concat(bufs...)
	if err := f.begin(OpWrite, off, int64(len(p))); err != nil {
		return 0, err
	}
	var err error
	d := f.fs.disk
	if fault, ok := d.takeFault(OpWrite, f.node.path); ok {
		p = p[:f.node.kept(off, min(fault.keep, int64(len(p))))]
		err = fmt.Errorf("write %s at %d: %w", f.node.path, off, vfs.ErrIO)
	}
	if grow := off + int64(len(p)) - int64(len(f.node.data)); d.quota >= 0 && grow > 0 {
		if over := grow - max(d.quota-d.used(), 0); over > 0 {
			p = p[:max(int64(len(p))-over, 0)]
			if d.Full != nil {
				d.Full()
			}
			err = fmt.Errorf("write %s at %d: %w", f.node.path, off, vfs.ErrNoSpace)
		}
	}
	if f.node.mappings > 0 && off+int64(len(p)) > int64(len(f.node.data)) {
		return 0, fmt.Errorf("write %s at %d: %w: a mapped file must not grow", f.node.path, off, vfs.ErrIO)
	}
	d.capture(f.node)
	f.write(p, off)
	f.node.recapture()
	return int64(len(p)), err
}

// write changes the page cache and makes pending a length, if it grows, and the bytes page by page.
func (f *File) write(p []byte, off int64) {
	n, d := f.node, f.fs.disk
	if end := off + int64(len(p)); len(p) > 0 && end > int64(len(n.data)) {
		n.data = resized(n.data, end)
		d.add(&change{kind: changeLength, node: n, length: end})
	}
	copy(n.data[min(off, int64(len(n.data))):], p)
	for at := int64(0); at < int64(len(p)); {
		next := min((off+at)/pageSize*pageSize+pageSize-off, int64(len(p)))
		d.add(&change{kind: changeBytes, node: n, off: off + at, bytes: p[at:next:next]})
		at = next
	}
}

// ReadAt fills q from off on.
func (f *File) ReadAt(q []byte, off int64) (int, error) {
	if err := f.begin(OpRead, off, int64(len(q))); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(q, f.node.data[off:])
	if reads := f.fs.disk.Reads; reads != nil {
		reads(Op{N: f.fs.disk.ops, Kind: OpRead, Path: f.node.path, Off: off, Len: int64(n)}, q[:n])
	}
	if n < len(q) {
		return n, io.EOF
	}
	return n, nil
}

// Size returns the file's length.
func (f *File) Size() (int64, error) {
	if err := f.begin(OpSize, 0, 0); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

// SyncData carries bytes and length over to the platter.
func (f *File) SyncData() error {
	hookErr := f.begin(OpSyncData, 0, 0)
	d := f.fs.disk
	if f.closed || f.fs.mount != d.mount {
		return hookErr
	}
	if _, failed := d.takeFault(OpSyncData, f.node.path); failed || hookErr != nil {
		d.capture(f.node)
		d.settle(f.node, false)
		if hookErr != nil {
			return hookErr
		}
		return fmt.Errorf("syncdata %s: %w", f.node.path, vfs.ErrIO)
	}
	d.capture(f.node)
	d.settle(f.node, true)
	return nil
}

// Truncate sets the length.
func (f *File) Truncate(size int64) error {
	if err := f.begin(OpTruncate, size, 0); err != nil {
		return err
	}
	n := f.node
	if size == int64(len(n.data)) {
		return nil
	}
	cut := size < int64(len(n.data))
	f.fs.disk.capture(n)
	if n.mappings > 0 && !cut { // from here on the mappings that there are show what was
		n.data = slices.Clone(n.data)
	}
	n.data = resized(n.data, size)
	f.fs.disk.add(&change{kind: changeLength, node: n, length: size, cut: cut})
	n.recapture()
	return nil
}

// Hold returns no descriptor: there is none.
func (f *File) Hold() (uintptr, bool) { return 0, false }

// Drop is never called, for nothing is held.
func (f *File) Drop() {}

// Close ends the file's use, and its lock.
func (f *File) Close() error {
	if f.closed {
		return fmt.Errorf("close %s: %w: closed already", f.node.path, vfs.ErrIO)
	}
	f.closed = true
	if f.locks && f.fs.mount == f.fs.disk.mount {
		f.node.lock = false
	}
	return nil
}
