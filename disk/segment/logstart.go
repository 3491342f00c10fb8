package segment

import "odradek/core/record"

// startAt takes away all that was found: it ends below the log start that was promised, because a relaxed topic lost its tail. The log goes on at start, as
// Kafka's does: an offset below it was deleted, and is never given to another record.
func (r *recovery) startAt(start record.Offset) error {
	l := r.log
	for n := len(l.segs); n > 0; n-- {
		s := &l.segs[n-1]
		r.cut += int64(s.size)
		if err := s.index.drop(); err != nil {
			return err
		}
		s.file.Close()
		if err := r.dir.removeSegment(l.folder, s.base); err != nil {
			return err
		}
		if err := r.dir.fs.SyncDir(l.folder); err != nil {
			return err
		}
		l.segs = l.segs[:n-1]
	}
	l.next = start
	clear(l.dirty)
	l.dirty = l.dirty[:0]
	r.kept, r.epochs, r.producers = nil, nil, producerWindows{}
	return nil
}
