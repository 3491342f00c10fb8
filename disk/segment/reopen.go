package segment

import (
	"errors"
	"io"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// reopened tells what recovery would find of a log that has just been cut: its segments, and from the newest good snapshot on the epochs and producers of what is
// left. Everything it reads was checked before or written by this process: batches are known by their headers.
func (d *Dir) reopened(l *Log) (*core.Opened, error) {
	r := &recovery{dir: d, log: l, epoch: record.NoEpoch, producers: producerWindows{}}
	if err := r.stateBefore(); err != nil {
		return nil, err
	}
	for i := range l.segs {
		if s := &l.segs[i]; s.next > r.from {
			if err := r.headers(s); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if r.first, err = l.firstTimestamp(); err != nil {
		return nil, err
	}
	r.point = l.next
	return r.opened(), nil
}

// stateBefore takes up the newest good snapshot that is left and that the file of epochs goes with, and the epochs before it.
func (r *recovery) stateBefore() error {
	l := r.log
	if len(l.segs) == 0 {
		r.from = l.next
		return nil
	}
	r.from = l.segs[0].base
	for i := len(l.snapshots) - 1; i >= 0 && l.epochs != nil; i-- {
		at := l.snapshots[i]
		if at > l.next || at > l.stateEnd || at <= r.from { // recovery may have written one of what it read, and no file of epochs with it
			continue
		}
		text, err := readSmall(r.dir.fs, l.folder+"/"+snapshotName(at), false)
		if err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		entries, bad := ParseSnapshot(text)
		if err != nil || bad != nil {
			continue
		}
		for _, e := range entries {
			w := producerWindow(e)
			r.producers[e.ID] = &w
		}
		r.from = at
		break
	}
	for _, e := range l.epochs {
		if e.Start < r.from {
			r.epochs, r.epoch = append(r.epochs, e), e.Epoch
		}
	}
	return nil
}

// headers walks the batches of a segment. Where one cannot be read, as behind damage that recovery found, it goes on where the log does.
func (r *recovery) headers(s *segment) error {
	path := r.log.path(s.base)
	sc := newScanner(s.file, path, int64(s.size), readerChunk)
	for pos := int64(0); pos < int64(s.size); {
		b, err := sc.header(pos)
		var f flaw
		if errors.As(err, &f) {
			i := slices.IndexFunc(s.leaps, func(x leap) bool { return int64(x.pos) > pos })
			if i < 0 {
				return locate(path, pos, err)
			}
			pos = int64(s.leaps[i].pos)
			continue
		}
		if err != nil && err != io.EOF {
			return locate(path, pos, err)
		}
		r.note(&b)
		pos += int64(b.Size)
	}
	return nil
}

// empty drops all batches, durably. The log begins at base from here on: an empty segment says so. It goes from the last segment backwards, so that what a crash
// leaves is a beginning of what was. The files of segments that are damaged, at the offsets aside, are kept for who wants to know what happened.
func (d *Dir) empty(l *Log, base record.Offset, aside []core.OffsetRange) error {
	if err := d.dropStateAbove(l, record.NoOffset); err != nil {
		return err
	}
	if len(aside) > 0 {
		if err := d.dropAside(l.folder); err != nil {
			return err
		}
	}
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := &l.segs[i]
		within := func(r core.OffsetRange) bool { return !r.Gap && r.From < s.next && r.To > s.base }
		drop := d.removeSegment
		if slices.ContainsFunc(aside, within) {
			drop = d.putAside
		}
		if err := drop(l.folder, s.base); err != nil {
			return err
		}
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
		d.retire(l, s)
	}
	l.segs, l.next = nil, base
	if err := d.beginSegment(l, base); err != nil {
		return err
	}
	l.dirty, l.names = l.dirty[:0], false
	d.covered(l)
	return d.fs.SyncDir(l.folder)
}

// truncated carries a Truncate out and tells what the log is now.
func (d *Dir) truncated(l *Log, op *core.DiskOp) (core.Event, error) {
	var err error
	if op.All {
		err = d.empty(l, op.Base, op.Aside)
	} else {
		var lost []core.OffsetRange
		if lost, err = d.damagedBelow(l, op.To); len(lost) > 0 {
			l.gen = op.Generation
			o := &core.Opened{Dir: d.id, Exists: true, Topic: l.topic, LogStart: l.segs[0].base, LogEnd: l.next, Lost: lost}
			return core.Event{Kind: core.EvTruncated, Stream: l.id, Generation: l.gen, Opened: o}, nil
		}
		if err == nil {
			err = d.truncate(l, op.To)
		}
	}
	if err != nil {
		return core.Event{}, err
	}
	l.gen = op.Generation
	o, err := d.reopened(l)
	return core.Event{Kind: core.EvTruncated, Stream: l.id, Generation: l.gen, Opened: o}, err
}

// cutEpochs leaves of the file of epochs what begins below to, durably: recovery needs it to trust in the snapshots that stay.
func (d *Dir) cutEpochs(l *Log, to record.Offset) error {
	l.stateEnd = min(l.stateEnd, to)
	kept := stream.NewEpochs(l.epochs)
	kept.TruncateTo(to)
	if entries := kept.Entries(); len(entries) < len(l.epochs) {
		if err := d.replace(l, epochsFile, formatEpochs(entries)); err != nil {
			return err
		}
		if err := syncPath(d.fs, l.folder+"/"+epochsFile); err != nil {
			return err
		}
		l.epochs = entries
		l.forgetUnsynced(func(name string) bool { return name == epochsFile })
	}
	return nil
}
