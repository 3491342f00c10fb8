package segment

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Write carries out ops in their order for each stream and appends what became true to events: for each stream appended to one Written, for each
// Truncate its Truncated, after a failure IOFailed and nothing more, now and ever. Appends of one stream with nothing else of that stream between
// them go out as one vectored write, whatever stands between them in ops. A batch's Data is not kept.
//
// done is how many ops were carried out. It is less than all only when ops[done] must sync what a round in flight may be syncing (Truncate, Roll,
// Delete below): two syncs of one file at a time share one error report, and one of them would call lost bytes durable. Call again with the rest after
// EndSync. (A fenced directory carries out nothing and calls it done.)
func (d *Dir) Write(ops []core.DiskOp, events []core.Event) (done int, _ []core.Event) {
	if d.fenced != nil {
		return len(ops), events
	}
	for done = range ops {
		op := &ops[done]
		if d.mustWait(op) {
			return done, d.finish(events)
		}
		var err error
		if events, err = d.execute(op, events); err != nil {
			return len(ops), d.fail(op.Stream, err, events)
		}
	}
	return len(ops), d.finish(events)
}

func (d *Dir) mustWait(op *core.DiskOp) bool {
	l := d.logs[op.Stream]
	if l != nil && l.waitsForSeal(op) {
		return true
	}
	if d.round == nil {
		return false
	}
	switch op.Kind {
	case core.DiskTruncate:
		return true
	case core.DiskDelete:
		return !op.All
	case core.DiskRoll:
		return l != nil && len(l.segs)+len(l.pending) > 0 && (len(l.segs) == 0 || l.last().base != op.Base) && !d.sealsLater(l, op.Base)
	}
	return false
}

// finish writes what is gathered and reports it.
func (d *Dir) finish(events []core.Event) []core.Event {
	for _, l := range d.touched {
		if err := d.flush(l); err != nil {
			return d.fail(l.id, err, events)
		}
	}
	return d.written(events)
}

// written reports every stream that was appended to, under its generation of now: whatever came before a change of generation holds under the
// new one.
func (d *Dir) written(events []core.Event) []core.Event {
	for i, l := range d.touched {
		if l.wrote {
			events = append(events, core.Event{Kind: core.EvWritten, Stream: l.id, Generation: l.gen, UpTo: l.next})
		}
		l.touched, l.wrote = false, false
		l.forgetPending()
		d.touched[i] = nil
	}
	d.touched = d.touched[:0]
	return events
}

// fail reports what was written before the failure of a stream, then fences the directory.
func (d *Dir) fail(id stream.ID, err error, events []core.Event) []core.Event {
	return d.fence(id, err, d.written(events))
}

func (d *Dir) execute(op *core.DiskOp, events []core.Event) ([]core.Event, error) {
	if op.Kind == core.DiskCreate {
		return events, d.create(op)
	}
	l := d.logs[op.Stream]
	if l == nil {
		return events, fmt.Errorf("stream %s is not in log directory %d: the core named a stream that it did not create", op.Stream, d.id)
	}
	if op.Kind == core.DiskAppend {
		return events, d.gather(l, op)
	}
	if err := d.flush(l); err != nil {
		return events, err
	}
	switch op.Kind {
	case core.DiskSync:
		l.gen = op.Generation
		d.wantSync(l)
	case core.DiskCheckpoint:
		return events, d.checkpoint(l, op)
	case core.DiskTruncate:
		ev, err := d.truncated(l, op)
		if err != nil {
			return events, err
		}
		return append(events, ev), nil
	case core.DiskRoll:
		return events, d.rollTo(l, op)
	case core.DiskDelete:
		if op.All {
			return events, d.deleteAll(l)
		}
		return events, d.deleteBelow(l, op.To)
	default:
		return events, fmt.Errorf("%s: disk operation of unknown kind %d", l.folder, op.Kind)
	}
	return events, nil
}

// gather takes an append in for the next flush of its log.
func (d *Dir) gather(l *Log, op *core.DiskOp) error {
	b := op.Batch
	next := l.next
	if n := len(l.pending); n > 0 {
		next = l.pending[n-1].NextOffset()
	}
	if b.BaseOffset < next {
		return fmt.Errorf("%s: append at offset %d lies before the log's end %d", l.folder, b.BaseOffset, next)
	}
	if int(b.Size) != len(b.Data) || b.Size < record.HeaderSize {
		return fmt.Errorf("%s: batch at offset %d has %d bytes and says %d", l.folder, b.BaseOffset, len(b.Data), b.Size)
	}
	if l.missing {
		return fmt.Errorf("%s: append at offset %d to a log whose folder is lost", l.folder, b.BaseOffset)
	}
	l.setLimits(op.Index)
	b.Stamp()
	l.bufs = append(l.bufs, b.Data)
	b.Data = nil
	l.pending = append(l.pending, b)
	l.gen = op.Generation
	if op.Sync {
		l.synced = true
		d.wantSync(l)
	}
	if !l.touched {
		l.touched = true
		d.touched = append(d.touched, l)
	}
	return nil
}

// flush writes what is gathered of l: one vectored write, into a new segment if a roll was asked or there is none.
func (d *Dir) flush(l *Log) error {
	if len(l.pending) == 0 {
		return nil
	}
	if l.last() == nil {
		if err := d.beginSegment(l, l.pending[0].BaseOffset); err != nil {
			return err
		}
	}
	s := l.last()
	if !s.index.grows() {
		if err := d.growIndex(l, s); err != nil {
			return err
		}
	}
	l.markDirty(s.file) // before the write: a failed one may have written too
	want := int64(0)
	for i := range l.pending {
		want += int64(l.pending[i].Size)
	}
	n, err := s.file.WriteAt(l.bufs, int64(s.size))
	if err == nil && n != want {
		err = fmt.Errorf("%s at %d: %d of %d bytes written: %w", l.path(s.base), s.size, n, want, vfs.ErrIO)
	}
	if err != nil {
		return err
	}
	if err := d.claimIndex(l.folder, s, len(l.pending), s.size+stream.Pos(want)); err != nil {
		return err
	}
	for i := range l.pending {
		s.take(&l.pending[i], s.limit)
	}
	l.next, l.wrote = s.next, true
	l.beside += want
	d.beside += want
	fills := l.synced && l.id != stream.Metadata
	l.forgetPending()
	if fills {
		return d.fill(l, s, want)
	}
	return nil
}

func (l *Log) forgetPending() {
	clear(l.bufs) // the frames are not ours any more
	l.bufs, l.pending, l.synced = l.bufs[:0], l.pending[:0], false
}

// rollTo ends the last segment and begins another one.
func (d *Dir) rollTo(l *Log, op *core.DiskOp) error {
	if op.Base < l.next {
		return fmt.Errorf("%s: roll at offset %d lies before the log's end %d", l.folder, op.Base, l.next)
	}
	l.setLimits(op.Index)
	s := l.last()
	if s != nil && s.base == op.Base {
		return nil
	}
	if s != nil {
		if err := l.trim(); err != nil {
			return err
		}
		if l.unsealed = d.sealsLater(l, op.Base); l.unsealed {
			d.wantRound(l)
		} else if err := d.seal(l); err != nil {
			return err
		}
		if err := d.closeIndex(l, s); err != nil {
			return err
		}
		l.indexUnsynced(s.base)
	}
	l.next = op.Base
	if err := d.writeState(l, op.Base, op.State); err != nil {
		return err
	}
	return d.beginSegment(l, op.Base)
}

// beginSegment makes the file that appends go to from now on. Its name becomes durable with the next round.
func (d *Dir) beginSegment(l *Log, base record.Offset) error {
	name := logName(base)
	if l.unsealed {
		name = nextName(base)
	}
	file, err := d.fs.Create(l.folder + "/" + name)
	if err != nil {
		return err
	}
	l.names = true
	l.segs = append(l.segs, newSegment(base, file))
	d.opened = append(d.opened, FileChange{Stream: l.id, Base: base, File: file})
	return d.placeIndex(l.folder, l.last(), d.limitsOf(l))
}

// seal makes everything written so far durable, before a further segment begins.
//
// Invariant: a segment's file exists only if everything before it is durable (but for one that has not got its name yet, see unsealed.go). So an interrupted write can
// only be met in the last segment; a flaw in any other, or a gap between two, is damage, and recovery never cuts there.
func (d *Dir) seal(l *Log) error {
	for _, file := range l.dirty {
		if err := file.SyncData(); err != nil {
			return err
		}
	}
	if l.names {
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
	}
	clear(l.dirty)
	l.dirty, l.names = l.dirty[:0], false
	d.covered(l)
	return nil
}

// wantSync asks for everything that was written so far to be durable.
func (d *Dir) wantSync(l *Log) {
	l.asked = true
	d.wantRound(l)
}

func (d *Dir) wantRound(l *Log) {
	if !l.wanted {
		l.wanted = true
		d.want = append(d.want, l)
	}
}

// create makes a stream's folder with its partition.metadata, durable when it returns. A stream that is there already is left as it is. A folder
// of that name which belongs to another topic is moved aside: the Delete of that stream, not ordered against this, finds it there.
func (d *Dir) create(op *core.DiskOp) error {
	if d.logs[op.Stream] != nil {
		return nil
	}
	folder := folderName(op.Topic, op.Stream.Partition)
	if old := d.folders[folder]; old != nil {
		if err := d.moveAside(old); err != nil {
			return err
		}
	}
	if err := d.fs.Mkdir(folder); err != nil && !errors.Is(err, vfs.ErrExist) {
		return err
	}
	if err := d.writeMetadata(folder+"/"+metadataFile, partitionMetadata(op.Stream.Topic)); err != nil {
		return err
	}
	if err := d.fs.SyncDir(folder); err != nil {
		return err
	}
	if err := d.fs.SyncDir(""); err != nil {
		return err
	}
	l := &Log{id: op.Stream, topic: op.Topic, folder: folder}
	d.logs[l.id], d.folders[folder] = l, l
	d.list.mu.Lock()
	defer d.list.mu.Unlock()
	if d.list.known {
		d.list.streams[l.id] = l.topic
	}
	return d.enlist(appendStreamLine(nil, "+", l.id, l.topic), 1)
}

// writeMetadata makes a small file and syncs it, not its name.
func (d *Dir) writeMetadata(path string, text []byte) error {
	file, err := d.fs.Create(path)
	if err != nil {
		return err
	}
	if _, err = file.WriteAt([][]byte{text}, 0); err == nil {
		err = file.SyncData()
	}
	return errors.Join(err, file.Close())
}
