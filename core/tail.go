package core

import (
	"slices"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// tailBatch is a batch of the metadata log that is not known to be committed.
//
// A follower applies it when it commits. A leader applies all of the tail when its leadership begins, and each batch that it appends at once: that is its
// working image, which goes when the leadership ends (DESIGN §2.9).
type tailBatch struct {
	end     record.Offset
	at      image.At   // of its last record
	records []replayed // none of a control batch
	bytes   int64
	back    bool         // read back at the start of this incarnation: nobody is told what it changes
	img     *image.Image // after it, once it is applied
	topics  []record.UUID
	configs []configResource
	// defaults says that the batch changes what topics without entries of their own get.
	defaults bool
}

// decodeBatch decodes a batch whose CRC is known to be good, from an offset on.
func (c *Core) decodeBatch(b *record.Batch, from record.Offset) (tailBatch, error) {
	t := tailBatch{end: b.NextOffset(), bytes: int64(b.Size), at: image.At{Offset: b.LastOffset(), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}}
	records := b.Records(nil, nil)
	for records.Next() {
		r := &records.Record
		at := image.At{Offset: b.BaseOffset + record.Offset(r.OffsetDelta), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}
		if at.Offset < from {
			continue
		}
		if b.Control() { // of LeaderChange the epoch cache knows
			control, err := parseControl(r)
			if err == nil {
				err = c.meta.quorum.Take(control)
			}
			if err != nil {
				return t, err
			}
			continue
		}
		decoded, _, err := image.ParseRecord(r.Value)
		if err == nil {
			err = checkLevel(decoded)
		}
		if err != nil {
			return t, err
		}
		t.records = append(t.records, replayed{at, decoded})
	}
	return t, records.Err()
}

// holds takes the image after the batch, and notes what the batch changes for those who act on it when it is committed.
func (t *tailBatch) holds(img *image.Image) {
	t.img, t.topics, t.configs = img, nil, nil
	for i := range t.records {
		if id, ok := touchedTopic(t.records[i].record); ok && !slices.Contains(t.topics, id) {
			t.topics = append(t.topics, id)
		}
	}
	t.configured()
}

// touchedTopic returns the topic that a record makes, changes or removes.
func touchedTopic(r image.Record) (record.UUID, bool) {
	switch r := r.(type) {
	case *image.TopicRecord:
		return r.ID, true
	case *image.PartitionRecord:
		return r.TopicID, true
	case *image.PartitionChangeRecord:
		return r.TopicID, true
	case *image.RemoveTopicRecord:
		return r.TopicID, true
	}
	return record.UUID{}, false
}

// canApply reports whether a batch of the tail is to be applied: all of a leader's, of others what is committed. Whose leadership has not begun, as its epoch is not on the disk yet, is another
// one still: it may never begin, and then nothing ends it, and drops the working image.
func (c *Core) canApply() bool {
	m := &c.meta
	return m.quorum != nil && m.applied < len(m.tail) && c.snaps.reading == nil &&
		(m.quorum.Active() || m.tail[m.applied].end <= m.quorum.HighWatermark())
}

// applySlice applies up to n records of the tail, and publishes what is committed.
func (c *Core) applySlice(n int) {
	m := &c.meta
	for n > 0 && c.canApply() {
		t := &m.tail[m.applied]
		k := min(n, len(t.records)-m.within)
		for i := range t.records[m.within : m.within+k] {
			r := &t.records[m.within+i]
			if err := m.replayer.Apply(r.record, r.at); err != nil {
				c.halt("metadata log: " + err.Error())
				return
			}
		}
		n -= max(k, 1)
		if m.within += k; m.within == len(t.records) {
			if len(t.records) == 0 {
				m.replayer.Skip(t.at)
			}
			t.holds(c.working())
			m.applied, m.within = m.applied+1, 0
		}
	}
	c.commitTail()
}

// commitTail publishes what the high watermark covers, then lets go the replies that waited for it.
func (c *Core) commitTail() {
	m := &c.meta
	if m.quorum == nil {
		return
	}
	hw := m.quorum.HighWatermark()
	n := 0
	for ; n < m.applied && m.tail[n].end <= hw && !c.halted; n++ {
		t := &m.tail[n]
		old := m.committed
		m.committed = t.img
		m.noteOpen(t)
		if t.back {
			continue
		}
		c.snaps.bytes += t.bytes
		for _, id := range t.topics {
			c.noteTopic(old, id)
			c.topicChanged(old, id)
		}
		c.noteConfigs(old, t.configs)
		if t.defaults {
			c.defaultsChanged()
		}
	}
	if n == 0 {
		return
	}
	m.applied -= n
	m.tail = m.tail[:copy(m.tail, m.tail[n:])]
	c.fx.Publish = m.committed
	c.releaseReplies(hw)
	c.answerAutoCreated()
	c.advanceStage()
	c.maybeSnapshot(false)
}

// noteOpen keeps what a committed batch adds to a metadata transaction that is still open: who must go back to the committed image needs it.
func (m *metadata) noteOpen(t *tailBatch) {
	for _, r := range t.records {
		switch r.record.(type) {
		case *image.BeginTransactionRecord:
			m.open = append(m.open[:0], r)
		case *image.EndTransactionRecord, *image.AbortTransactionRecord:
			m.open = nil
		default:
			if len(m.open) > 0 {
				m.open = append(m.open, r)
			}
		}
	}
}

// dropWorking goes back to the committed image.
func (c *Core) dropWorking() {
	m := &c.meta
	m.replayer = image.NewReplayer(m.committed)
	for _, r := range m.open {
		if err := m.replayer.Apply(r.record, r.at); err != nil {
			panic("invariant: committed records do not replay twice: " + err.Error())
		}
	}
	for i := range m.tail[:m.applied] {
		m.tail[i].img = nil
	}
	m.applied, m.within, m.lead = 0, 0, false
}

// maybeLead begins a leadership when the working image holds all of the log.
func (c *Core) maybeLead() {
	if m := &c.meta; m.lead && !c.halted && m.applied == len(m.tail) && m.quorum.Active() {
		c.lead()
	}
}

// lead begins this node's leadership of the metadata log: first of all its LeaderChange, whose commit commits everything before it.
func (c *Core) lead() {
	m := &c.meta
	m.lead = false
	m.builder.Reset(record.PlainSpec(record.AttrControl))
	m.builder.Append(c.now.Wall, record.AppendControlKey(nil, record.ControlLeaderChange), m.quorum.LeaderChange(), nil)
	c.appendMetadataBatch(nil)
}

// appendMetadata makes one atomic batch of records, appends it and replays it into the working image. It returns the offset whose commit commits it.
// Records have the versions of the finalized metadata.version. The caller has checked that the quorum is active; after that nothing can fail but the directory.
func (c *Core) appendMetadata(records []image.Record) record.Offset {
	m := &c.meta
	level := c.working().Feature(image.MetadataVersion)
	m.builder.Reset(record.PlainSpec(0))
	var value []byte
	for _, r := range records {
		var err error
		if value, err = image.AppendRecord(value[:0], r, image.VersionFor(r, level)); err != nil {
			panic("invariant: own metadata record cannot be written: " + err.Error())
		}
		m.builder.Append(c.now.Wall, nil, value, nil)
	}
	return c.appendMetadataBatch(records)
}

func (c *Core) appendMetadataBatch(records []image.Record) record.Offset {
	m := &c.meta
	if m.applied < len(m.tail) {
		panic("invariant: metadata appended to an image that lacks some of the log")
	}
	b, err := m.builder.Build(nil)
	if err != nil {
		panic("invariant: a metadata batch cannot be built: " + err.Error())
	}
	b.Data = slices.Clone(b.Data)
	c.storeMetadata(&b, m.quorum.Append(&b))
	t := tailBatch{end: b.NextOffset(), bytes: int64(b.Size), at: image.At{Offset: b.LastOffset(), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}}
	if records == nil {
		m.replayer.Skip(t.at)
	}
	for i, r := range records {
		at := image.At{Offset: b.BaseOffset + record.Offset(i), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}
		if err := m.replayer.Apply(r, at); err != nil {
			panic("invariant: own metadata record does not replay: " + err.Error())
		}
		t.records = append(t.records, replayed{at, r})
	}
	t.holds(c.working())
	m.tail = append(m.tail, t)
	m.applied++
	return t.end
}

// storeMetadata has the disk append a batch whose offsets are assigned.
func (c *Core) storeMetadata(b *record.Batch, rolled bool) {
	if rolled {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskRoll, Stream: stream.Metadata, Base: b.BaseOffset})
	}
	c.dirs[metadataDir].free -= int64(b.Size)
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskAppend, Stream: stream.Metadata, Generation: c.meta.quorum.Generation, Batch: *b, Sync: true})
}

// working is the image that the controller decides by: committed records and the uncommitted tail.
func (c *Core) working() *image.Image {
	img, err := c.meta.replayer.Image()
	if err != nil {
		c.halt("metadata log: " + err.Error())
		return c.meta.committed
	}
	return img
}
