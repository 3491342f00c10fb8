package osfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"odradek/disk/vfs"
)

// syncAll is what syncfs needs. Its descriptor stays open for good: the kernel tells of a failed write-back to descriptors that were open then.
type syncAll struct {
	once sync.Once
	root *os.File // nil: not to be used
}

// honest are the file systems of Linux whose syncfs is known to report what went wrong with any file of theirs. A layer over others (overlayfs, FUSE) need not
// hear of it.
var honest = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC}

// SyncsAll reports whether syncfs may stand for an fsync of each file: a kernel that reports its errors, a file system that is known to, and nothing in the tree
// that lies on another one. It is found out once.
func (f *FS) SyncsAll() bool {
	f.sync.once.Do(func() {
		var release unix.Utsname
		var st unix.Statfs_t
		if unix.Uname(&release) != nil || !reportsErrors(unix.ByteSliceToString(release.Release[:])) || unix.Statfs(f.root, &st) != nil ||
			!slices.Contains(honest, int64(st.Type)) || !oneDevice(f.root) {
			return
		}
		f.sync.root, _ = os.Open(f.root)
	})
	return f.sync.root != nil
}

// reportsErrors reports whether a kernel's syncfs returns failures: of write-back since 5.8, of the file system's own work since 5.17.
func reportsErrors(release string) bool {
	major, rest, _ := strings.Cut(release, ".")
	minor := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	a, err := strconv.Atoi(major)
	if err != nil || len(minor) == 0 {
		return false
	}
	b, err := strconv.Atoi(minor[0])
	return err == nil && (a > 5 || a == 5 && b >= 17)
}

// oneDevice reports whether root and its folders lie on one device. A folder that somebody linked or mounted from another disk does not.
func oneDevice(root string) bool {
	var st, sub unix.Stat_t
	names, err := os.ReadDir(root)
	if err != nil || unix.Stat(root, &st) != nil {
		return false
	}
	for _, name := range names {
		if name.Type()&fs.ModeSymlink != 0 {
			return false
		}
		if name.IsDir() && (unix.Lstat(filepath.Join(root, name.Name()), &sub) != nil || sub.Dev != st.Dev) {
			return false
		}
	}
	return true
}

// SyncAll is syncfs. It is never retried.
func (f *FS) SyncAll() error {
	if !f.SyncsAll() {
		return failed("syncfs", f.root, unix.ENOTSUP)
	}
	return failed("syncfs", f.root, unix.Syncfs(int(f.sync.root.Fd())))
}

var _ vfs.FS = (*FS)(nil)
