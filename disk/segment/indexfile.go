package segment

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"odradek/core/record"
	"odradek/disk/vfs"
)

// placeIndex moves a segment's entries from the heap into its files and maps them. Where the segment grows, the files are new and have room set aside; where
// not, the entries are complete, and files that have them already are left as they are.
func (d *Dir) placeIndex(folder string, s *segment, grows bool) error {
	x := &s.index
	if !grows {
		x.addTime(s.maxTS, s.maxAt, &d.options)
	}
	files := &indexFiles{grows: grows}
	x.files = files
	err := d.placeFile(&files.offsets, folder+"/"+indexName(s.base), &x.offsets, offsetEntry, grows)
	if err == nil {
		err = d.placeFile(&files.times, folder+"/"+timeIndexName(s.base), &x.times, timeEntry, grows)
	}
	if err != nil {
		err = errors.Join(err, x.drop())
	}
	return err
}

func (d *Dir) placeFile(f *indexFile, path string, entries *[]byte, entry int64, grows bool) error {
	if !grows {
		if kept, err := d.keepIndex(f, path, entries); kept || err != nil {
			return err
		}
	}
	file, err := d.createNew(path)
	if err != nil {
		return err
	}
	return errors.Join(d.fillFile(f, file, entries, entry, grows), file.Close())
}

// fillFile writes and maps the entries, and sets room aside where the segment grows.
func (d *Dir) fillFile(f *indexFile, file vfs.File, entries *[]byte, entry int64, grows bool) error {
	size := int64(len(*entries))
	if grows {
		size = d.options.limit(entry)
		if err := file.Truncate(size); err != nil {
			return err
		}
	}
	if len(*entries) > 0 {
		f.claimed = min((int64(len(*entries))+indexPage-1)/indexPage*indexPage, size)
		if err := writeWhole(file, append(*entries, make([]byte, f.claimed-int64(len(*entries)))...), 0); err != nil {
			return err
		}
	}
	return f.mapIn(file, size, entries)
}

// keepIndex maps a file that has exactly these entries; kept is false if it is missing or other.
func (d *Dir) keepIndex(f *indexFile, path string, entries *[]byte) (kept bool, err error) {
	file, err := d.fs.Open(path)
	if errors.Is(err, vfs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	size, err := file.Size()
	if err != nil || size != int64(len(*entries)) {
		return false, errors.Join(err, file.Close())
	}
	have := make([]byte, size)
	if n, err := file.ReadAt(have, 0); n < len(have) && err != nil && err != io.EOF {
		return false, errors.Join(err, file.Close())
	}
	if !bytes.Equal(have, *entries) {
		return false, file.Close()
	}
	err = f.mapIn(file, size, entries)
	return err == nil, errors.Join(err, file.Close())
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

// removeOrphans removes index files whose segment is not there.
func (d *Dir) removeOrphans(folder string, names []string) error {
	logs := map[string]bool{}
	for _, name := range names {
		if _, ok := parseLog(name); ok {
			logs[strings.TrimSuffix(name, logSuffix)] = true
		}
	}
	for _, name := range names {
		digits, is := strings.CutSuffix(name, indexSuffix)
		if !is {
			digits, is = strings.CutSuffix(name, timeIndexSuffix)
		}
		if is && !logs[digits] {
			if err := d.fs.Remove(folder + "/" + name); err != nil {
				return err
			}
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
				_ = d.closeIndex(l.folder, s) // what this leaves unfinished recovery makes anew
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
