// Package osfs is vfs on real files: one FS is one directory of the operating system, and every call is one system call or a few. It keeps no
// state but file descriptors: all rules about what is durable when are those of package vfs, and the caller's to keep.
package osfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"odradek/disk/vfs"
)

// FS is the tree below one directory.
type FS struct {
	root string
	sync syncAll
}

// New returns the tree below root, which must exist; nothing is opened yet.
func New(root string) *FS { return &FS{root: root} }

// Root returns the directory that New was given.
func (f *FS) Root() string { return f.root }

func (f *FS) full(path string) string { return filepath.Join(f.root, filepath.FromSlash(path)) }

// Open opens an existing file for reading and writing.
func (f *FS) Open(path string) (vfs.File, error) { return f.open(path, unix.O_RDWR, "open") }

// Create makes an empty file; vfs.ErrExist if the name is taken.
func (f *FS) Create(path string) (vfs.File, error) {
	return f.open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, "create")
}

func (f *FS) open(path string, flags int, verb string) (*File, error) {
	full := f.full(path)
	fd, err := retry(func() (int, error) { return unix.Open(full, flags|unix.O_CLOEXEC, 0o644) })
	if err != nil {
		return nil, failed(verb, full, err)
	}
	return &File{fd: fd, path: full}, nil
}

// Mkdir makes one directory.
func (f *FS) Mkdir(path string) error {
	full := f.full(path)
	return failed("mkdir", full, unix.Mkdir(full, 0o755))
}

// Rename gives a file or directory another name, replacing a file of that name.
func (f *FS) Rename(from, to string) error {
	return failed("rename to "+to, f.full(from), unix.Rename(f.full(from), f.full(to)))
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(path string) error {
	full := f.full(path)
	return failed("remove", full, os.Remove(full))
}

// List returns the names in a directory, sorted.
func (f *FS) List(path string) ([]string, error) {
	full := f.full(path)
	d, err := os.Open(full)
	if err != nil {
		return nil, failed("list", full, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, failed("list", full, err)
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir makes the names in a directory durable.
func (f *FS) SyncDir(path string) error {
	full := f.full(path)
	fd, err := retry(func() (int, error) { return unix.Open(full, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return failed("open directory to sync", full, err)
	}
	// Never retried, not even after EINTR: what a failed fsync leaves behind is unknown.
	syncErr := unix.Fsync(fd)
	closeErr := unix.Close(fd)
	if syncErr != nil {
		return failed("fsync directory", full, syncErr)
	}
	return failed("close directory", full, closeErr)
}

// Free returns the bytes that an unprivileged process may still write.
func (f *FS) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(f.root, &st); err != nil {
		return 0, failed("statfs", f.root, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// Total returns the bytes of the whole file system.
func (f *FS) Total() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(f.root, &st); err != nil {
		return 0, failed("statfs", f.root, err)
	}
	return int64(st.Blocks) * st.Bsize, nil
}

// Lock takes the advisory lock (flock) of a file, made if missing; vfs.ErrLocked if another holds it. Closing the file gives it up.
func (f *FS) Lock(path string) (vfs.File, error) {
	file, err := f.open(path, unix.O_RDWR|unix.O_CREAT, "open lock")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(file.fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w: stop the other process that uses this log directory", file.path, vfs.ErrLocked)
		}
		return nil, failed("lock", file.path, err)
	}
	return file, nil
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// failed names the call and the file of err, and wraps the vfs error that it amounts to; nil stays nil.
func failed(verb, path string, err error) error {
	if err == nil {
		return nil
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	kind := vfs.ErrIO
	switch {
	case errors.Is(err, unix.ENOENT):
		kind = vfs.ErrNotExist
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOTEMPTY):
		kind = vfs.ErrExist
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		kind = vfs.ErrNoSpace
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM) && verb == "map":
		kind = vfs.ErrTooMany
	}
	return fmt.Errorf("%s %s: %w (%w)", verb, path, kind, err)
}
