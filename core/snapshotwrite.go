package core

import (
	"slices"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// snapshotWriter builds a snapshot of one committed image, some records a Step. The image stays as it is, however the log goes on.
type snapshotWriter struct {
	snapshot Snapshot
	level    int16
	cursor   *image.Cursor
	next     record.Offset // within the file
	bytes    []byte
	stored   bool // its Store is under way
}

// snapshotRecords bounds the records of one of its batches, and snapshotBatch the bytes: what one Step builds.
const (
	snapshotRecords = workPerStep
	snapshotBatch   = LoadBytes / 2
)

// maybeSnapshot begins a snapshot of the committed image when enough of the log, or enough time, has passed since the last one (Kafka's
// metadata.log.max.record.bytes.between.snapshots and metadata.log.max.snapshot.interval.ms). One is written at a time.
func (c *Core) maybeSnapshot(timeUp bool) {
	s, at := &c.snaps, c.meta.committed.At()
	if c.meta.stage != stageReady || c.stop != serving || s.writing != nil || s.fetching != nil || !timeUp && s.bytes < c.cfg.Metadata.SnapshotBytes {
		return
	}
	end := at.Offset + 1
	if c.meta.quorum.Ends.Durable < end {
		return // others have it on their disks; this one must not have a snapshot of what its own log may lose. When it has it, too, it comes here again
	}
	if n := len(s.kept); n > 0 && s.kept[n-1].End >= end {
		return
	}
	s.writing = &snapshotWriter{snapshot: Snapshot{End: end, Epoch: at.Epoch, Last: at.Timestamp}, level: c.meta.committed.Feature(image.MetadataVersion),
		cursor: c.meta.committed.Cursor()}
	s.bytes, s.since = 0, c.now.Mono
	c.appendSnapshot(record.AttrControl, slices.Concat([]image.Control{&image.SnapshotHeader{LastContainedTimestamp: at.Timestamp}},
		c.meta.quorum.SnapshotControls()), nil)
}

// snapshotDue is the deadline of the interval.
func (c *Core) snapshotDue() {
	c.maybeSnapshot(true)
	c.armSnapshot()
}

func (c *Core) armSnapshot() {
	if ms := c.cfg.Metadata.SnapshotMs; ms > 0 {
		c.after(timerKey{timerSnapshot, 0}, ms)
	}
}

// buildingSnapshot reports whether there is a slice to build.
func (c *Core) buildingSnapshot() bool { return c.snaps.writing != nil && !c.snaps.writing.stored }

// snapshotSlice builds one batch; after the last one the footer, and the file is stored whole.
func (c *Core) snapshotSlice() {
	if !c.buildingSnapshot() {
		return
	}
	w := c.snaps.writing
	if records := w.cursor.Next(snapshotRecords); len(records) > 0 {
		c.appendSnapshot(0, nil, records)
		return
	}
	c.appendSnapshot(record.AttrControl, []image.Control{&image.SnapshotFooter{}}, nil)
	w.stored = true
	w.snapshot.Bytes = int64(len(w.bytes))
	c.dirs[metadataDir].free -= w.snapshot.Bytes
	c.fx.Stores = append(c.fx.Stores, Store{Slot: w.snapshot.slot(), Version: snapshotWritten, Bytes: w.bytes})
}

// appendSnapshot adds records to the file, in a batch or, where they are long, several.
func (c *Core) appendSnapshot(attributes record.Attributes, controls []image.Control, records []image.Record) {
	w, builder := c.snaps.writing, &c.meta.builder
	begin := func() {
		spec := record.PlainSpec(attributes)
		spec.BaseOffset, spec.LeaderEpoch = w.next, w.snapshot.Epoch
		builder.Reset(spec)
	}
	end := func() {
		b, err := builder.Build(nil)
		if err != nil {
			panic("invariant: a snapshot's batch cannot be built: " + err.Error())
		}
		w.next, w.bytes = b.NextOffset(), append(w.bytes, b.Data...)
	}
	begin()
	for _, r := range controls {
		value, err := image.AppendControl(nil, r)
		if err != nil {
			panic("invariant: a control record cannot be written: " + err.Error())
		}
		builder.Append(c.now.Wall, record.AppendControlKey(nil, r.ControlType()), value, nil)
	}
	for _, r := range records {
		value, err := image.AppendRecord(nil, r, image.VersionFor(r, w.level))
		if err != nil {
			panic("invariant: an image's record cannot be written at its level: " + err.Error())
		}
		if builder.Count() > 0 && builder.Size()+len(value) > snapshotBatch {
			end()
			begin()
		}
		builder.Append(c.now.Wall, nil, value, nil)
	}
	end()
}

// snapshotStored takes the written snapshot in: it is on disk for good, and older ones and the log below may go.
func (c *Core) snapshotStored(slot Slot) {
	s := &c.snaps
	if w := s.fetching; w != nil && slot == w.snapshot.slot() {
		c.fetchedSnapshotStored(w)
		return
	}
	if s.writing == nil || slot != s.writing.snapshot.slot() {
		return
	}
	s.kept = append(s.kept, s.writing.snapshot)
	s.writing = nil
	for _, bad := range s.bad {
		if bad.slot() != slot {
			c.removeSnapshot(bad)
		}
	}
	s.bad = nil
	c.cleanMetadata()
}

// The versions of a snapshot's slot.
const (
	snapshotWritten uint64 = 1
	snapshotRemoved uint64 = 2
)

func (c *Core) removeSnapshot(s Snapshot) {
	c.fx.Stores = append(c.fx.Stores, Store{Slot: s.slot(), Version: snapshotRemoved, Remove: true})
}

// cleanMetadata lets the oldest snapshot go, and the segments wholly below the end of the next one, while log and snapshots are larger than
// metadata.max.retention.bytes or the oldest is older than metadata.max.retention.ms. The last snapshot stays, and so does the log from its end on.
func (c *Core) cleanMetadata() {
	if c.stop != serving {
		return // the log may be closed already: the next life cleans it
	}
	s, q, limits := &c.snaps, c.meta.quorum, &c.cfg.Metadata
	for len(s.kept) >= 2 {
		var total int64
		for i := range s.kept {
			total += s.kept[i].Bytes
		}
		for _, segment := range q.Segments() {
			total += int64(segment.Size)
		}
		bySize := limits.RetentionBytes >= 0 && total > limits.RetentionBytes
		byTime := limits.RetentionMs >= 0 && int64(c.now.Wall)-int64(s.kept[0].Last) > limits.RetentionMs
		if !bySize && !byTime {
			return
		}
		c.removeSnapshot(s.kept[0])
		s.kept = slices.Delete(s.kept, 0, 1)
		if start := s.kept[0].End; start > q.Start && q.DeleteBelow(start) {
			c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: stream.Metadata, To: start})
		}
	}
}
