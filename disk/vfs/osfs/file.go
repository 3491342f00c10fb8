package osfs

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"odradek/disk/vfs"
)

// iovecMax is IOV_MAX of Linux: the longest vector that one pwritev takes.
const iovecMax = 1024

// File is an open file. It is a bare descriptor: whoever closes it makes sure that no other call is under way, for the number is used anew.
type File struct {
	fd   int
	path string
}

var _ vfs.File = (*File)(nil)

// WriteAt writes all of bufs from off on: one pwritev for each 1024 buffers, more only after a short write. bufs is not changed.
func (f *File) WriteAt(bufs [][]byte, off int64) (int64, error) {
	var written int64
	skip := 0 // bytes of bufs[0] that a short write has done already
	var short [1][]byte
	for len(bufs) > 0 {
		vec := bufs[:min(len(bufs), iovecMax)]
		if skip > 0 {
			short[0] = bufs[0][skip:]
			vec = short[:] // the rest of the broken buffer alone; the vector goes on behind it
		}
		n, err := retry(func() (int, error) { return unix.Pwritev(f.fd, vec, off+written) })
		if err != nil {
			return written, failed("write", f.path, err)
		}
		want := 0
		for _, b := range vec {
			want += len(b)
		}
		if n == 0 && want > 0 {
			return written, fmt.Errorf("write %s at %d: %w: nothing was written and no error given", f.path, off+written, vfs.ErrIO)
		}
		written += int64(n)
		bufs, skip = advance(bufs, skip, n, len(vec))
	}
	return written, nil
}

// advance drops n written bytes from the front of bufs, of which skip were gone before; empty buffers of the vector go too.
func advance(bufs [][]byte, skip, n, vec int) ([][]byte, int) {
	for ; vec > 0; vec-- {
		left := len(bufs[0]) - skip
		if n < left {
			return bufs, skip + n
		}
		n -= left
		bufs, skip = bufs[1:], 0
	}
	return bufs, skip
}

// ReadAt fills p from off on; fewer bytes only with an error, io.EOF at the end of the file.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	read := 0
	for read < len(p) {
		n, err := retry(func() (int, error) { return unix.Pread(f.fd, p[read:], off+int64(read)) })
		if err != nil {
			return read, failed("read", f.path, err)
		}
		if n == 0 {
			return read, io.EOF
		}
		read += n
	}
	return read, nil
}

// Size returns the file's length in bytes.
func (f *File) Size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return 0, failed("stat", f.path, err)
	}
	return st.Size, nil
}

// SyncData is fdatasync: bytes and length. It is never retried, for a second call may succeed though the pages are lost.
func (f *File) SyncData() error { return failed("fdatasync", f.path, unix.Fdatasync(f.fd)) }

// Truncate sets the length.
func (f *File) Truncate(size int64) error {
	return failed("truncate", f.path, unix.Ftruncate(f.fd, size))
}

// Map maps the file, shared and writable. Pages take memory only once they are touched.
func (f *File) Map(length int64) (vfs.Mapping, error) {
	if length == 0 {
		return &mapping{path: f.path}, nil
	}
	p, err := unix.Mmap(f.fd, 0, int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, failed("map", f.path, err)
	}
	return &mapping{bytes: p, path: f.path}, nil
}

type mapping struct {
	bytes []byte
	path  string
	gone  bool
}

func (m *mapping) Bytes() []byte { return m.bytes }

func (m *mapping) Unmap() error {
	p := m.bytes
	if m.gone {
		return fmt.Errorf("unmap %s: %w: unmapped already", m.path, vfs.ErrIO)
	}
	m.bytes, m.gone = nil, true
	if p == nil {
		return nil
	}
	return failed("unmap", m.path, unix.Munmap(p))
}

// Hold returns the descriptor: it stays until Close.
func (f *File) Hold() (uintptr, bool) { return uintptr(f.fd), true }

// Drop has nothing to give back.
func (f *File) Drop() {}

// Close gives the descriptor back.
func (f *File) Close() error {
	fd := f.fd
	f.fd = -1
	if fd < 0 {
		return fmt.Errorf("close %s: %w: closed already", f.path, vfs.ErrIO)
	}
	return failed("close", f.path, unix.Close(fd))
}
