package segment

import (
	"errors"
	"fmt"
	"io"
	"path"

	"odradek/core"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// slotBytesMax bounds what ReadSlot takes into memory: slots are small files.
const slotBytesMax = 64 << 20

// Store replaces the file of a slot so that a crash leaves the old or the new one whole: written aside, synced, renamed, name synced. A folder
// on the way is made if it is missing. Or it removes the file. It returns Stored or IOFailed; ok is false for a fenced directory, which says nothing.
func (d *Dir) Store(s core.Store) (ev core.Event, ok bool) {
	if d.fenced != nil {
		return ev, false
	}
	return d.EndStore(s, d.WriteSlot(s))
}

// EndStore is the second half of Store: it tells what WriteSlot came to, and fences the directory after a failure.
func (d *Dir) EndStore(s core.Store, err error) (ev core.Event, ok bool) {
	switch {
	case d.fenced != nil:
		return ev, false
	case err != nil:
		d.fenced = err
		return core.Event{Kind: core.EvIOFailed, Dir: d.id, Stream: stream.ID{}, Reason: err.Error()}, true
	}
	return core.Event{Kind: core.EvStored, Slot: s.Slot, Version: s.Version}, true
}

// WriteSlot is the first half of Store: the file operations. It touches nothing of the Dir, so whatever else is done with it goes on beside; but for one
// WriteSlot at a time.
func (d *Dir) WriteSlot(s core.Store) error {
	name := s.Slot.Name
	if name == "" || path.Clean(name) != name || name[0] == '/' || name[0] == '.' && len(name) > 1 && name[1] == '.' {
		return fmt.Errorf("slot %q is no path below log directory %d", name, d.id)
	}
	folder := folderOf(name)
	if s.Remove {
		if err := d.fs.Remove(name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		return d.fs.SyncDir(folder)
	}
	if folder == "" {
		// the root is there
	} else if err := d.fs.Mkdir(folder); err == nil {
		if err := d.fs.SyncDir(""); err != nil {
			return err
		}
	} else if !errors.Is(err, vfs.ErrExist) {
		return err
	}
	if err := d.fs.Remove(name + tmpSuffix); err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return err
	}
	if err := d.writeMetadata(name+tmpSuffix, s.Bytes); err != nil {
		return err
	}
	if err := d.fs.Rename(name+tmpSuffix, name); err != nil {
		return err
	}
	return d.fs.SyncDir(folder)
}

// ReadSlot returns the bytes of a slot's file, the caller's to keep; vfs.ErrNotExist if there is none. What it returns is durable: a process that
// ended inside Store may have left it in the page cache only.
func (d *Dir) ReadSlot(name string) ([]byte, error) {
	text, err := readSmall(d.fs, name, true)
	if err != nil {
		return nil, err
	}
	return text, d.fs.SyncDir(folderOf(name))
}

func folderOf(name string) string {
	if folder := path.Dir(name); folder != "." {
		return folder
	}
	return ""
}

func readSmall(fs vfs.FS, name string, sync bool) ([]byte, error) {
	file, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > slotBytesMax {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d a small file may have: move it away", name, size, slotBytesMax)
	}
	text := make([]byte, size)
	if n, err := file.ReadAt(text, 0); int64(n) < size {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("%s: file ends at %d, inside its %d bytes", name, n, size)
		}
		return nil, err
	}
	if sync {
		err = file.SyncData()
	}
	return text, err
}
