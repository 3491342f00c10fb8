package segment

import (
	"errors"
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/vfs"
)

// truncate drops the batches from offset to on, durably. As Kafka does it, a segment that begins at to stays, empty, as the one that grows, and a
// batch that holds to goes as a whole: then the log ends at its base. A log that ends at or before to loses nothing. The file of epochs is cut first, durably, and
// the snapshots above to go: what they say may come to differ from what is written anew there.
func (d *Dir) truncate(l *Log, to record.Offset) error {
	if len(l.segs) > 0 && to < l.segs[0].base {
		return fmt.Errorf("%s: truncate to offset %d lies before the log's start %d", l.folder, to, l.segs[0].base)
	}
	if err := d.dropStateAbove(l, to); err != nil {
		return err
	}
	keep := len(l.segs) // segments that stay, the cut one included
	for keep > 1 && l.segs[keep-1].base > to {
		keep--
	}
	for i := len(l.segs) - 1; i >= keep; i-- {
		s := &l.segs[i]
		if err := d.removeSegment(l.folder, s.base); err != nil {
			return err
		}
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
		d.retire(l, s)
	}
	l.segs = slices.Clone(l.segs[:keep]) // views hold the old array
	s := l.last()
	if s == nil {
		l.next = min(l.next, to)
		return nil
	}
	if err := d.cutLastAt(l, to); err != nil {
		return err
	}
	if err := d.cutLast(l, s.size); err != nil {
		return err
	}
	if l.names {
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
	}
	l.next = s.next
	return d.syncRest(l)
}

func (d *Dir) dropStateAbove(l *Log, to record.Offset) error {
	if l.epochs == nil && len(l.snapshots) == 0 {
		return nil
	}
	if err := d.cutEpochs(l, to); err != nil {
		return err
	}
	if err := d.dropSnapshots(l, func(at record.Offset) bool { return at > to }); err != nil {
		return err
	}
	return d.fs.SyncDir(l.folder)
}

// syncRest makes the segments before the last durable, so that a Durable may be said of the whole log.
func (d *Dir) syncRest(l *Log) error {
	last := l.last().file
	for _, file := range l.dirty {
		if file == last {
			continue
		}
		if err := file.SyncData(); err != nil {
			return err
		}
	}
	l.dirty, l.names = l.dirty[:0], false
	d.covered(l)
	return nil
}

// cutLastAt forgets the last segment's batches from the one on that holds or follows offset to. It walks all headers before it, which makes the indexes anew:
// readers may be in the old ones, and a segment that had ceased to grow grows again.
func (d *Dir) cutLastAt(l *Log, to record.Offset) error {
	s := l.last()
	if to >= s.next && s.index.grows() {
		return nil
	}
	path := l.path(s.base)
	cut := newSegment(s.base, s.file)
	limits := d.limitsOf(l)
	sc := newScanner(s.file, path, int64(s.size), readerChunk)
	for cut.size < s.size {
		b, err := sc.header(int64(cut.size))
		if err != nil {
			return locate(path, int64(cut.size), err)
		}
		if b.LastOffset() >= to {
			cut.next = min(to, max(cut.next, b.BaseOffset))
			break
		}
		cut.take(&b, limits)
	}
	if to >= s.next {
		cut.next = s.next // beyond the last batch, if an earlier cut left a gap
	}
	if maps := s.index.release(); len(maps) > 0 {
		d.gone = append(d.gone, FileChange{Stream: l.id, Base: s.base, File: s.file, Maps: maps})
	}
	*s = cut
	return d.placeIndex(l.folder, s, limits)
}

// damagedBelow looks whether a cut at to can be trusted: it goes by headers, and a rotten one may claim to hold to, or lead nowhere. Then nothing tells where the batch before to ends, and
// the rest of the segment is lost.
func (d *Dir) damagedBelow(l *Log, to record.Offset) ([]core.OffsetRange, error) {
	i := len(l.segs) - 1
	for i > 0 && l.segs[i].base > to {
		i--
	}
	if i < 0 || to >= l.next {
		return nil, nil
	}
	s := &l.segs[i]
	path := l.path(s.base)
	sc := newScanner(s.file, path, int64(s.size), readerChunk)
	next := s.base
	for pos := int64(0); pos < int64(s.size) && next < to; { // what begins at to goes, damaged or not
		b, err := sc.header(pos)
		holds := err == nil && b.LastOffset() >= to
		if holds {
			b, err = sc.batch(pos)
		}
		if err == nil && b.BaseOffset < next {
			err = flaw(fmt.Sprintf("base offset is %d, behind a batch that ends at %d", b.BaseOffset, next))
		}
		var f flaw
		switch {
		case errors.As(err, &f):
			return []core.OffsetRange{{From: next, To: l.next, Why: locate(path, pos, err).Error()}}, nil
		case err != nil:
			return nil, locate(path, pos, err)
		case holds:
			return nil, nil
		}
		next, pos = b.LastOffset()+1, pos+int64(b.Size)
	}
	return nil, nil
}

// deleteBelow removes the segments all of whose offsets lie below to, from the first on, each durably before the next. The last one stays.
func (d *Dir) deleteBelow(l *Log, to record.Offset) error {
	if len(l.segs) > 1 && l.names {
		// The name of the segment that stays is all that tells where the log stands, once what is before it is gone.
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
		l.names = false
	}
	if err := d.keepStateAt(l, to); err != nil {
		return err
	}
	n := 0
	for n < len(l.segs)-1 && l.segs[n].next <= to && l.segs[n+1].base <= to {
		s := &l.segs[n]
		if err := d.removeSegment(l.folder, s.base); err != nil {
			return err
		}
		if err := d.dropSnapshots(l, func(at record.Offset) bool { return at <= s.base }); err != nil {
			return err
		}
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
		d.retire(l, s)
		n++
	}
	if n > 0 {
		l.segs = slices.Clone(l.segs[n:])
	}
	return nil
}

// keepStateAt makes the snapshot durable that stands for the segments which are about to go: their producers are known from nothing else then.
func (d *Dir) keepStateAt(l *Log, to record.Offset) error {
	first := 0
	for first < len(l.segs)-1 && l.segs[first+1].base <= to {
		first++
	}
	if first == 0 {
		return nil
	}
	name := snapshotName(l.segs[first].base)
	if !slices.Contains(l.unsynced, name) {
		return nil
	}
	if err := syncPath(d.fs, l.folder+"/"+name); err != nil {
		return err
	}
	l.forgetUnsynced(func(n string) bool { return n == name })
	return d.fs.SyncDir(l.folder)
}

// moveAside gives a stream's folder the name of one whose removal has begun, durably. The stream lives on under it until its Delete.
func (d *Dir) moveAside(l *Log) error {
	name := deletedName(l.topic, l.id)
	if l.folder == name {
		return nil
	}
	if err := d.strike(l); err != nil {
		return err
	}
	if l.missing {
		return d.setAside(l, name)
	}
	if err := d.fs.Rename(l.folder, name); err != nil {
		return err
	}
	if err := d.fs.SyncDir(""); err != nil {
		return err
	}
	delete(d.folders, l.folder)
	l.folder = name
	return nil
}

// setAside renames what is left of a lost folder, if anything: it lacks the file that says whose it is.
func (d *Dir) setAside(l *Log, name string) error {
	if d.folders[l.folder] != l {
		l.folder = name
		return nil // another stream has that name now
	}
	delete(d.folders, l.folder)
	err := d.fs.Rename(l.folder, name)
	l.folder = name
	if errors.Is(err, vfs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, d.fs.SyncDir(""))
}

// deleteAll removes a stream. After the rename a crash cannot bring it back: recovery finishes what is left.
func (d *Dir) deleteAll(l *Log) error {
	if err := d.moveAside(l); err != nil {
		return err
	}
	for i := range l.segs {
		d.retire(l, &l.segs[i])
	}
	l.segs = nil
	d.covered(l)
	delete(d.logs, l.id)
	d.want = slices.DeleteFunc(d.want, func(w *Log) bool { return w == l })
	if err := d.removeFolder(l.folder); !l.missing || !errors.Is(err, vfs.ErrNotExist) {
		return err
	}
	return nil
}
