// Package simdisk is a disk in memory that forgets what was not synced, for the simulator and for tests of what lies on disks.
//
// There are two states: what processes see (the page cache) and what the platter has. Every change is applied to the first at once and kept as a
// pending operation until a sync carries it to the second: SyncData those of one file, SyncDir those of one directory's names. At a power loss a
// random subset of the pending operations reaches the platter, closed under these dependencies:
//
//   - a name: after earlier operations on the same name; the removal of a directory after all earlier ones in it
//   - bytes of a page: after earlier bytes of the same page, and after the file's earlier cuts
//   - a length: after the file's earlier lengths
//
// Bytes, length and name of a file are otherwise independent, as are any two files. Pages are 4 KiB; the last operation that reaches a page may be
// torn: then some of its 512-byte sectors reach it, some do not.
//
// A mapping is the file's bytes in the page cache. What is stored through it is not seen when it happens: the next write, cut or sync of the file, or the
// power loss, makes it pending, a run of changed sectors of a page as one write. A mapping of a process that has died is memory of its own.
//
// It is deterministic: the same calls and the same draws give the same outcome. It takes no lock: one goroutine at a time.
package simdisk

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"odradek/disk/vfs"
)

const (
	pageSize   = 4096
	sectorSize = 512
)

// Disk is one disk. Processes use it through mounts.
type Disk struct {
	root   *node
	naming []*change // pending changes of names, in the order they were made
	dirty  []*node   // files with pending changes, in the order they became so
	mount  int       // number of the mount that is valid
	mapped []*node   // files with mappings, in the order they became so
	ops    int       // file operations so far
	quota  int64     // bytes that files may hold in all; negative: no limit
	faults []fault

	// Before, if set, sees each file operation just before it takes place; an error makes it fail. It may call PowerLoss or Crash: the operation
	// then does not take place and fails whatever Before returns.
	Before func(Op) error
	// Full, if set, hears of each write that the quota cuts short.
	Full func()
	// Reads, if set, sees what each read brings, and may change it.
	Reads func(op Op, p []byte)
}

// OpKind is a call of vfs.
type OpKind string

// The kinds of file operations.
const (
	OpOpen     OpKind = "open"
	OpCreate   OpKind = "create"
	OpMkdir    OpKind = "mkdir"
	OpRename   OpKind = "rename"
	OpRemove   OpKind = "remove"
	OpList     OpKind = "list"
	OpSyncDir  OpKind = "syncdir"
	OpSyncAll  OpKind = "syncall"
	OpLock     OpKind = "lock"
	OpWrite    OpKind = "write"
	OpRead     OpKind = "read"
	OpSize     OpKind = "size"
	OpSyncData OpKind = "syncdata"
	OpTruncate OpKind = "truncate"
	OpMap      OpKind = "map"
)

// Op is one file operation. N counts from 1 over the life of the Disk.
type Op struct {
	N    int
	Kind OpKind
	Path string
	To   string // rename
	Off  int64  // write, read; the length of a truncate or a map
	Len  int64  // write, read
}

// node is a file or a directory. Both states refer to the same node; identity survives renames.
type node struct {
	dir     bool
	lock    bool
	path    string // as it was last named, for messages and faults
	names   map[string]*node
	stable  map[string]*node // names on the platter
	data    []byte
	disk    []byte    // bytes on the platter
	waiting []*change // pending changes of bytes and length, in the order they were made
	dirty   bool      // in Disk.dirty

	mappings int    // open ones; their memory is data
	captured []byte // what data was when stores through mappings were last made pending changes; nil: not mapped
}

func newDir(path string) *node {
	return &node{dir: true, path: path, names: map[string]*node{}, stable: map[string]*node{}}
}

// New returns an empty disk.
func New() *Disk { return &Disk{root: newDir(""), quota: -1} }

// Mount returns the disk as a file system. It is valid until the next Crash or PowerLoss, and so are the files opened through it: what a process
// that has died still calls has no effect.
func (d *Disk) Mount() *FS { return &FS{disk: d, mount: d.mount} }

// Ops returns how many file operations there have been.
func (d *Disk) Ops() int { return d.ops }

// Pending returns how many operations no sync has covered yet. Bytes and lengths of files whose names end in one of except do not count.
func (d *Disk) Pending(except ...string) int {
	for _, n := range d.mapped {
		d.capture(n)
	}
	sum := len(d.naming)
	for _, n := range d.dirty {
		if !slices.ContainsFunc(except, func(e string) bool { return strings.HasSuffix(n.path, e) }) {
			sum += len(n.waiting)
		}
	}
	return sum
}

// SetQuota sets how many bytes files may hold in all; negative: no limit.
func (d *Disk) SetQuota(bytes int64) { d.quota = bytes }

// Used returns how many bytes files hold in all.
func (d *Disk) Used() int64 { return d.used() }

func (d *Disk) used() int64 { return d.root.used() }

func (n *node) used() int64 {
	sum := int64(len(n.data))
	for _, child := range n.names { // any order: a sum
		sum += child.used()
	}
	return sum
}

// Crash ends the process: the page cache stays, mounts, files and locks end.
func (d *Disk) Crash() {
	d.mount++
	d.unmapAll()
	d.root.unlock()
}

func (n *node) unlock() {
	n.lock = false
	for _, child := range n.names { // any order: each for itself
		child.unlock()
	}
}

// PowerLoss keeps a dependency-closed subset of the pending operations, drawn from rng (a number from 0 to n−1), and forgets the rest. What is left
// is durable; mounts, files and locks end.
func (d *Disk) PowerLoss(rng func(n int) int) {
	d.mount++
	d.unmapAll()
	chance := rng(9) // in eighths, so that all and nothing both come up
	keepSome(d.naming, chance, rng)
	for _, n := range d.dirty {
		keepSome(n.waiting, chance, rng)
		n.waiting, n.dirty = nil, false
	}
	d.naming, d.dirty = nil, nil
	d.root.forget()
}

// keepSome carries a dependency-closed part of changes over. What is carried over is done, so nothing that is not done may be waited for.
func keepSome(changes []*change, chance int, rng func(n int) int) {
	for _, c := range changes {
		if slices.ContainsFunc(c.after, func(a *change) bool { return !a.done }) {
			continue
		}
		if rng(8) < chance {
			c.apply()
		} else if c.kind == changeBytes && rng(4) == 0 {
			c.tear(rng)
		}
	}
}

// forget makes what the platter has what processes see.
func (n *node) forget() {
	n.lock = false
	if !n.dir {
		n.data = slices.Clone(n.disk)
		return
	}
	n.names = map[string]*node{}
	for name, child := range n.stable { // any order: a copy of a map
		n.names[name] = child
		child.forget()
	}
}

// Flip turns one bit of a file's byte, on the platter and in the page cache.
func (d *Disk) Flip(path string, off int64, bit int) error {
	n, err := d.root.find(path)
	if err != nil {
		return err
	}
	if off < 0 || off >= int64(len(n.data)) {
		return fmt.Errorf("flip %s at %d: the file has %d bytes", path, off, len(n.data))
	}
	n.data[off] ^= 1 << (bit & 7)
	if off < int64(len(n.captured)) {
		n.captured[off] ^= 1 << (bit & 7)
	}
	if off < int64(len(n.disk)) {
		n.disk[off] ^= 1 << (bit & 7)
	}
	return nil
}

// Wipe empties a directory, on the platter and in the page cache. Nothing may be pending: it follows a PowerLoss.
func (d *Disk) Wipe(path string) error {
	n, err := d.root.find(path)
	if err != nil {
		return err
	}
	if len(d.naming)+len(d.dirty) > 0 || !n.dir {
		return fmt.Errorf("wipe %s: changes are pending, or it is a file", path)
	}
	n.names, n.stable = map[string]*node{}, map[string]*node{}
	return nil
}

// Corrupt puts other bytes where a file has some, on the platter and in the page cache, as a disk does that changes what it holds. The path must name one file
// in both, and the bytes lie within it.
func (d *Disk) Corrupt(path string, off int64, p []byte) error {
	n, err := d.root.find(path)
	if err != nil {
		return err
	}
	if end := off + int64(len(p)); n != d.root.durable(path) || off < 0 || end > int64(len(n.data)) || end > int64(len(n.disk)) {
		return fmt.Errorf("corrupt %s at %d: not the same %d bytes on the platter", path, off, len(p))
	}
	copy(n.data[off:], p)
	copy(n.disk[off:], p)
	if off < int64(len(n.captured)) {
		copy(n.captured[off:], p)
	}
	return nil
}

// Data returns a copy of what a process would read of a file; for oracles.
func (d *Disk) Data(path string) ([]byte, error) {
	n, err := d.root.find(path)
	if err != nil {
		return nil, err
	}
	return slices.Clone(n.data), nil
}

// Names returns the names in a directory as they are now, sorted; for oracles.
func (d *Disk) Names(path string) ([]string, error) {
	n, err := d.root.find(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range n.names { // any order: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (n *node) find(path string) (*node, error) {
	at := n
	if path == "" {
		return at, nil
	}
	for _, name := range strings.Split(path, "/") {
		if at = at.names[name]; at == nil {
			return nil, fmt.Errorf("%s: %w", path, vfs.ErrNotExist)
		}
	}
	return at, nil
}

// parent returns the directory of a path and the name in it.
func (n *node) parent(path string) (*node, string, error) {
	cut := strings.LastIndexByte(path, '/')
	dir, err := n.find(path[:max(cut, 0)])
	if err == nil && !dir.dir {
		err = fmt.Errorf("%s: %w: not in a directory", path, vfs.ErrNotExist)
	}
	return dir, path[cut+1:], err
}

// fault makes the next operation of a kind on a path fail once.
type fault struct {
	kind OpKind
	path string
	keep int64 // bytes of a write that still reach the page cache
}

// FailSync makes the next SyncData of the file, or SyncDir of the directory, at path fail. What it should have carried over counts as clean from
// then on: it still reads, no later sync covers it, and a power loss takes it (as ext4 and XFS do after a failed fsync).
// The empty path stands for the root and for SyncAll, whichever comes first.
func (d *Disk) FailSync(path string) {
	if path == "" {
		d.faults = append(d.faults, fault{kind: OpSyncAll})
	}
	d.faults = append(d.faults, fault{kind: OpSyncData, path: path}, fault{kind: OpSyncDir, path: path})
}

// FailWrite makes the next write to the file at path fail after keep bytes; over bytes that the file has already after whole sectors of them, since a system
// copies page by page.
func (d *Disk) FailWrite(path string, keep int64) {
	d.faults = append(d.faults, fault{kind: OpWrite, path: path, keep: keep})
}

// kept is how many bytes a write at off leaves that fails after keep.
func (n *node) kept(off, keep int64) int64 {
	if end := off + keep; end < int64(len(n.data)) {
		return max(end/sectorSize*sectorSize-off, 0)
	}
	return keep
}

func (d *Disk) takeFault(kind OpKind, path string) (fault, bool) {
	for i, f := range d.faults {
		if f.kind == kind && f.path == path {
			d.faults = slices.Delete(d.faults, i, i+1)
			return f, true
		}
	}
	return fault{}, false
}

var errDead = errors.New("the process that opened this has died")

// begin counts an operation and asks the hook. After an error the operation must not take place.
func (d *Disk) begin(mount int, op Op) error {
	if mount != d.mount {
		return fmt.Errorf("%s %s: %w: %w", op.Kind, op.Path, vfs.ErrIO, errDead)
	}
	d.ops++
	op.N = d.ops
	if d.Before == nil {
		return nil
	}
	err := d.Before(op)
	if mount != d.mount {
		err = errDead
	}
	if err != nil && !errors.Is(err, vfs.ErrNoSpace) {
		err = fmt.Errorf("%s %s: %w: %w", op.Kind, op.Path, vfs.ErrIO, err)
	}
	return err
}
