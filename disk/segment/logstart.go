package segment

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/vfs"
)

// readStarts reads the checkpoint of log starts, by folder. A missing one has no entries; a wrong one is an error, for without it deleted records would
// come back.
func (d *Dir) readStarts() (map[string]record.Offset, error) {
	text, err := d.ReadSlot(core.LogStartCheckpoint)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := core.ParseCheckpoint(text)
	if err != nil {
		return nil, fmt.Errorf("%s, %w: mend it, or remove it and deleted records come back", core.LogStartCheckpoint, err)
	}
	starts := make(map[string]record.Offset, len(entries))
	for _, e := range entries {
		starts[folderName(e.Topic, e.Partition)] = e.Offset
	}
	return starts, nil
}

// startAt takes away all that was found: it ends below the log start that was promised, because a relaxed topic lost its tail. The log goes on at start, as
// Kafka's does: an offset below it was deleted, and is never given to another record.
func (r *recovery) startAt(start record.Offset) error {
	l := r.log
	for n := len(l.segs); n > 0; n-- {
		s := &l.segs[n-1]
		r.cut += int64(s.size)
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
	r.epochs, r.producers = nil, nil
	return nil
}
