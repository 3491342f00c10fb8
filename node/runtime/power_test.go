package runtime

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"odradek/disk/vfs"
	"odradek/disk/vfs/filecache"
	"odradek/sim/simdisk"
)

// powerDisk is a simulated disk for many goroutines, with a switch. Off, every operation fails at once, and what no sync has covered is lost in part.
type powerDisk struct {
	mu   sync.Mutex
	disk *simdisk.Disk
	off  bool
	left int           // operations until the power goes off by itself; 0: it does not
	gone chan struct{} // closed when the power goes off
	lies string        // syncs of files below a folder of this prefix say done and do nothing: for the check that the tests can fail
	slow time.Duration // what the sync of a log takes
	free int           // calls of Free
}

func newPowerDisk() *powerDisk { return &powerDisk{disk: simdisk.New(), gone: make(chan struct{})} }

var errOff = errors.New("the power is off")

// begin takes the lock for one operation. The caller unlocks.
func (d *powerDisk) begin() error {
	d.mu.Lock()
	if d.left > 0 {
		if d.left--; d.left == 0 {
			d.switchOff()
		}
	}
	if d.off {
		return fmt.Errorf("%w: %w", vfs.ErrIO, errOff)
	}
	return nil
}

func (d *powerDisk) switchOff() {
	d.off = true
	close(d.gone)
}

// offAfter lets the power go off at the nth operation from now on.
func (d *powerDisk) offAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		d.left = n
	}
}

// frees is how often free space was asked for.
func (d *powerDisk) frees() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free
}

// restore ends the mounts, loses what the power loss takes, and switches on again.
func (d *powerDisk) restore(rng func(int) int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.disk.PowerLoss(rng)
	d.off, d.left, d.gone = false, 0, make(chan struct{})
}

// with runs f on the bare disk.
func (d *powerDisk) with(f func(*simdisk.Disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d.disk)
}

// mount returns the disk as the next process sees it, with so few descriptors that its files are opened again and again.
func (d *powerDisk) mount() vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return filecache.New(&powerFS{d, d.disk.Mount()}, filecache.Limits{Files: 3})
}

type powerFS struct {
	d  *powerDisk
	fs *simdisk.FS
}

// onPower runs one operation.
func onPower[T any](d *powerDisk, f func() (T, error)) (T, error) {
	err := d.begin()
	defer d.mu.Unlock()
	if err != nil {
		var none T
		return none, err
	}
	return f()
}

func (d *powerDisk) do(f func() error) error {
	_, err := onPower(d, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (p *powerFS) file(path string, open func(string) (vfs.File, error)) (vfs.File, error) {
	f, err := onPower(p.d, func() (vfs.File, error) { return open(path) })
	if err != nil {
		return nil, err
	}
	return &powerFile{p.d, f, path}, nil
}

func (p *powerFS) Open(path string) (vfs.File, error)   { return p.file(path, p.fs.Open) }
func (p *powerFS) Create(path string) (vfs.File, error) { return p.file(path, p.fs.Create) }
func (p *powerFS) Lock(path string) (vfs.File, error)   { return p.file(path, p.fs.Lock) }
func (p *powerFS) Mkdir(path string) error              { return p.d.do(func() error { return p.fs.Mkdir(path) }) }
func (p *powerFS) Rename(from, to string) error {
	return p.d.do(func() error { return p.fs.Rename(from, to) })
}
func (p *powerFS) Remove(path string) error { return p.d.do(func() error { return p.fs.Remove(path) }) }
func (p *powerFS) SyncDir(path string) error {
	return p.d.do(func() error { return p.fs.SyncDir(path) })
}
func (p *powerFS) SyncAll() error        { return p.d.do(p.fs.SyncAll) }
func (p *powerFS) SyncsAll() bool        { return true }
func (p *powerFS) Total() (int64, error) { return 1 << 40, nil }

func (p *powerFS) Free() (int64, error) {
	return onPower(p.d, func() (int64, error) { p.d.free++; return p.fs.Free() })
}
func (p *powerFS) List(path string) ([]string, error) {
	return onPower(p.d, func() ([]string, error) { return p.fs.List(path) })
}

type powerFile struct {
	d    *powerDisk
	f    vfs.File
	path string
}

func (p *powerFile) WriteAt(bufs [][]byte, off int64) (int64, error) {
	return onPower(p.d, func() (int64, error) { return p.f.WriteAt(bufs, off) })
}

func (p *powerFile) ReadAt(b []byte, off int64) (int, error) {
	return onPower(p.d, func() (int, error) { return p.f.ReadAt(b, off) })
}

func (p *powerFile) SyncData() error {
	p.d.mu.Lock()
	slow, lies := p.d.slow, p.d.lies != "" && strings.HasPrefix(p.path, p.d.lies)
	p.d.mu.Unlock()
	if lies {
		return p.d.do(func() error { return nil })
	}
	if strings.HasSuffix(p.path, ".log") {
		time.Sleep(slow)
	}
	return p.d.do(p.f.SyncData)
}

func (p *powerFile) Size() (int64, error) { return onPower(p.d, p.f.Size) }
func (p *powerFile) Truncate(size int64) error {
	return p.d.do(func() error { return p.f.Truncate(size) })
}
func (p *powerFile) Map(length int64) (vfs.Mapping, error) {
	m, err := onPower(p.d, func() (vfs.Mapping, error) { return p.f.Map(length) })
	if err != nil {
		return nil, err
	}
	return &powerMapping{m, p.d}, nil
}

type powerMapping struct {
	vfs.Mapping
	d *powerDisk
}

func (m *powerMapping) Unmap() error {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return m.Mapping.Unmap()
}

func (p *powerFile) Hold() (uintptr, bool) { return 0, false }
func (p *powerFile) Drop()                 {}

// Close works without power: the process may still forget its files.
func (p *powerFile) Close() error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	return p.f.Close()
}
