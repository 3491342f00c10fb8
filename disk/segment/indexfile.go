package segment

import (
	"bytes"
	"errors"

	"odradek/core/record"
	"odradek/disk/vfs"
)

// placeIndex moves the entries of a segment that grows from the heap into new files with room set aside, and maps them.
func (d *Dir) placeIndex(folder string, s *segment, o *Options) error {
	x := &s.index
	x.files, s.limit = &indexFiles{grows: true}, o
	err := d.placeFile(&x.files.offsets, folder+"/"+indexName(s.base), &x.offsets, o.limit(offsetEntry))
	if err == nil {
		err = d.placeFile(&x.files.times, folder+"/"+timeIndexName(s.base), &x.times, o.limit(timeEntry))
	}
	if err != nil {
		err = errors.Join(err, x.drop())
	}
	return err
}

func (d *Dir) placeFile(f *indexFile, path string, entries *[]byte, room int64) error {
	file, err := d.createNew(path)
	if err != nil {
		return err
	}
	return errors.Join(f.fill(file, entries, room), file.Close())
}

// fill gives an empty file its room and its entries, and maps it.
func (f *indexFile) fill(file vfs.File, entries *[]byte, room int64) error {
	if err := file.Truncate(room); err != nil {
		return err
	}
	if n := int64(len(*entries)); n > 0 {
		f.claimed = min((n+indexPage-1)/indexPage*indexPage, room)
		if err := writeWhole(file, append(*entries, make([]byte, f.claimed-n)...), 0); err != nil {
			return err
		}
	}
	return f.mapIn(file, room, entries)
}

// growIndex sets room aside for a segment that did not grow: a log's last, at the first append after a start. Readers may be in the old mappings.
func (d *Dir) growIndex(l *Log, s *segment) error {
	x := &s.index
	if maps := x.release(); len(maps) > 0 {
		d.gone = append(d.gone, FileChange{Stream: l.id, Base: s.base, File: s.file, Maps: maps})
	}
	files := &indexFiles{grows: true}
	s.limit = d.limitsOf(l)
	err := d.onFile(l.folder+"/"+indexName(s.base), func(file vfs.File) error {
		return files.offsets.regrow(file, &x.offsets, s.limit.room(x.offsets, offsetEntry))
	})
	if err == nil {
		err = d.onFile(l.folder+"/"+timeIndexName(s.base), func(file vfs.File) error {
			return files.times.regrow(file, &x.times, s.limit.room(x.times, timeEntry))
		})
	}
	x.files = files
	return err
}

// regrow maps a file that has these entries with room behind them. The page that the last entry lies in has its place on the disk.
func (f *indexFile) regrow(file vfs.File, entries *[]byte, room int64) error {
	n := int64(len(*entries))
	f.claimed = min((n+indexPage-1)/indexPage*indexPage, room)
	if err := file.Truncate(room); err != nil {
		return err
	}
	return f.mapIn(file, room, entries)
}

// settleIndex maps the index files of a segment that recovery has read, and makes them hold what it found. Of each, the first keptOffsets and keptTimes bytes
// were taken from the file and are left alone; what was behind them goes. With durable, what had to be changed is synced: the recovery point says that it is.
func (d *Dir) settleIndex(folder string, s *segment, keptOffsets, keptTimes int, durable bool) error {
	x := &s.index
	x.files = &indexFiles{}
	changed, err := d.settleFile(&x.files.offsets, folder+"/"+indexName(s.base), &x.offsets, keptOffsets, durable)
	var more bool
	if err == nil {
		more, err = d.settleFile(&x.files.times, folder+"/"+timeIndexName(s.base), &x.times, keptTimes, durable)
	}
	if err == nil && durable && (changed || more) {
		err = d.fs.SyncDir(folder)
	}
	if err != nil {
		err = errors.Join(err, x.drop())
	}
	return err
}

// heapIndex is the size in bytes up to which the entries of a segment that does not grow stay on the heap: a mapping takes a page anyway, and a process may
// have only so many.
const heapIndex = 4096

func (d *Dir) settleFile(f *indexFile, path string, entries *[]byte, kept int, durable bool) (changed bool, err error) {
	file, err := d.fs.Open(path)
	if errors.Is(err, vfs.ErrNotExist) {
		changed = true
		file, err = d.fs.Create(path)
	}
	if err != nil {
		return changed, err
	}
	size, same, err := holds(file, *entries, kept)
	switch {
	case err != nil || same && size == int64(len(*entries)):
	case same: // as after the end of a process, with room behind: written anew, a file that was cut to nothing would go to the disk when it is closed
		changed = true
		err = file.Truncate(int64(len(*entries)))
	default:
		changed = true
		if err = file.Truncate(int64(kept)); err == nil && len(*entries) > kept {
			err = writeWhole(file, (*entries)[kept:], int64(kept))
		}
	}
	if err == nil && changed && durable {
		err = file.SyncData()
	}
	if err == nil && len(*entries) > heapIndex {
		err = f.mapIn(file, int64(len(*entries)), entries)
	}
	return changed, errors.Join(err, file.Close())
}

// holds reports a file's size, and whether it begins with these entries, of which the first kept bytes are known to be there.
func holds(file vfs.File, entries []byte, kept int) (size int64, same bool, err error) {
	if size, err = file.Size(); err != nil || size < int64(len(entries)) {
		return size, false, err
	}
	if kept == len(entries) {
		return size, true, nil
	}
	have := make([]byte, len(entries)-kept)
	_, err = file.ReadAt(have, int64(kept))
	return size, bytes.Equal(have, entries[kept:]), err
}

// mapIn maps size bytes and lets entries lie in them.
func (f *indexFile) mapIn(file vfs.File, size int64, entries *[]byte) error {
	if size == 0 {
		return nil
	}
	m, err := file.Map(size)
	if err != nil {
		return err
	}
	f.mapping = m
	*entries = m.Bytes()[:len(*entries):size]
	return nil
}

// createNew makes an empty file, in place of one of that name: a mapping of that one stays what it is.
func (d *Dir) createNew(path string) (vfs.File, error) {
	file, err := d.fs.Create(path)
	if errors.Is(err, vfs.ErrExist) {
		if err := d.fs.Remove(path); err != nil {
			return nil, err
		}
		return d.fs.Create(path)
	}
	return file, err
}

// removeSegment removes the files of a segment, the log first: indexes without one are nobody's, and recovery removes them. Nothing is synced.
func (d *Dir) removeSegment(folder string, base record.Offset) error {
	if err := d.fs.Remove(folder + "/" + logName(base)); err != nil {
		return err
	}
	return d.removeIndexes(folder, base)
}

func (d *Dir) removeIndexes(folder string, base record.Offset) error {
	for _, name := range []string{indexName(base), timeIndexName(base)} {
		if err := d.fs.Remove(folder + "/" + name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// CloseIndexes ends the use of all indexes: those that grew get their final entry and are cut to what they hold, and all are unmapped, so no View may be
// used any more. For a clean stop; the Dir writes nothing afterwards.
func (d *Dir) CloseIndexes() error {
	var errs []error
	for _, id := range d.Streams() {
		l := d.logs[id]
		for i := range l.segs {
			s := &l.segs[i]
			if d.fenced == nil {
				_ = d.closeIndex(l, s) // what this leaves unfinished recovery makes anew
			}
			errs = append(errs, s.index.drop())
		}
	}
	for i := range d.gone {
		for _, m := range d.gone[i].Maps {
			errs = append(errs, m.Unmap())
		}
		d.gone[i].Maps = nil
	}
	if d.fenced == nil {
		d.fenced = errClosed
	}
	return errors.Join(errs...)
}

var errClosed = errors.New("log directory is closed")
