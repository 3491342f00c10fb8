package core

import (
	"errors"
	"fmt"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// Snapshot names one snapshot of the metadata log: all below End is in it. Its name is that of Kafka's file.
type Snapshot struct {
	End   record.Offset
	Epoch record.Epoch // of the last record contained
	Bytes int64
	Last  UnixMillis // append time of the last record contained
}

func (s Snapshot) name() string { return fmt.Sprintf("%020d-%010d.checkpoint", s.End, s.Epoch) }

// SnapshotFolder is where snapshots lie below the metadata directory. BootstrapName is the file at its root that kafka-storage format writes: in a snapshot's
// layout, what a new cluster is to begin with.
const (
	SnapshotFolder = stream.MetadataName + "-0"
	BootstrapName  = "bootstrap.checkpoint"
)

func (s Snapshot) slot() Slot {
	return Slot{Dir: metadataDir, Name: SnapshotFolder + "/" + s.name()}
}

// snapshots are those of the metadata log: read at boot, written and cleaned from then on.
//
// Invariants: kept are on disk, whole, by rising end; the log reaches back to the first of them, or to offset 0. The log start is never above the last.
type snapshots struct {
	kept     []Snapshot
	bad      []Snapshot // found damaged at boot: they go when a newer one is stored
	reading  *snapshotReader
	writing  *snapshotWriter
	fetching *snapshotFetch           // on its way from the leader
	serving  map[JobID]servedSnapshot // pieces that are being read for replicas: one a connection at most
	bytes    int64                    // of the log since the last one ends, committed or read back
	since    Instant                  // when the last one was begun, or the node
}

// snapshotReader is a file of a snapshot's layout on its way into memory.
type snapshotReader struct {
	slot      Slot
	snapshot  Snapshot
	bootstrap bool
	pos       int64
	next      record.Offset
	last      record.UnixMillis // by the header
	header    bool
	footer    bool
	records   []image.Record // of a bootstrap file
}

var errSnapshotEnd = errors.New("it ends without a footer")

// bootSources begins to read what the metadata starts from: the bootstrap file for an empty log, the newest snapshot that the log goes on from, the log.
// It returns false, halted, if nothing reaches the log's start.
func (c *Core) bootSources(b *Boot) bool {
	s, log := &c.snaps, &c.meta.quorum.Log
	s.since = c.now.Mono
	var newer *Snapshot
	for i, snapshot := range b.Snapshots {
		switch {
		case !c.cfg.Alone() && outdated(log, snapshot):
			newer = &b.Snapshots[i]
		case snapshot.End > log.Ends.Log:
			c.halt(fmt.Sprintf("metadata log ends at offset %d, and the snapshot %s goes up to %d: the log has lost records", log.Ends.Log, snapshot.name(), snapshot.End))
			return false
		case snapshot.End < log.Start:
			s.bad = append(s.bad, snapshot) // the log does not go on from it
		default:
			s.kept = append(s.kept, snapshot)
		}
	}
	if newer != nil {
		c.goOnFrom(*newer)
		return true
	}
	if b.Bootstrap && log.Ends.Log == 0 {
		s.reading = &snapshotReader{slot: Slot{Dir: metadataDir, Name: BootstrapName}, bootstrap: true}
		c.loadSnapshot()
		return true
	}
	return c.readNewest()
}

// readNewest begins to read the newest snapshot that is left, or the log if there is none.
func (c *Core) readNewest() bool {
	s, m := &c.snaps, &c.meta
	m.replay, m.replayer = nil, image.NewReplayer(image.Empty())
	n := len(s.kept)
	switch {
	case n > 0:
		newest := s.kept[n-1]
		s.reading = &snapshotReader{slot: newest.slot(), snapshot: newest}
		c.loadSnapshot()
	case m.quorum.Start > 0:
		c.halt(fmt.Sprintf("metadata log begins at offset %d, and no good snapshot goes up to there", m.quorum.Start))
		return false
	default:
		m.loadedTo = 0 // replaySlice loads the log, if there is one
	}
	return true
}

// outdated reports whether a log is behind a snapshot, or is none that goes on from it: its last epoch is older than that of the last record contained (Kafka's
// truncateToLatestSnapshot). A log that begins where the snapshot ends, and is empty, goes on from it.
func outdated(log *stream.Log, s Snapshot) bool {
	return s.End > log.Ends.Log || s.Epoch > log.Epochs.Latest() && !(log.Start == s.End && log.Ends.Log == s.End)
}

func (c *Core) loadSnapshot() {
	m, r := &c.meta, c.snaps.reading
	m.loading = JobID(c.newID())
	c.fx.Jobs = append(c.fx.Jobs, Job{Kind: JobLoad, ID: m.loading, Slot: r.slot, Pos: r.pos})
}

// snapshotLoaded takes in a piece of the file that is being read.
func (c *Core) snapshotLoaded(loaded *Loaded) {
	r := c.snaps.reading
	err := error(nil)
	if loaded.Err != errcode.None {
		err = errors.New(loaded.Err.String())
	}
	it := record.Batches(loaded.Bytes)
	end := r.pos + int64(len(loaded.Bytes))
	for err == nil && it.Next() {
		b := it.Batch
		err = r.take(c, &b)
		r.pos += int64(b.Size)
	}
	switch {
	case err != nil:
	case it.Err() != nil:
		err = it.Err()
	case r.pos < end: // a piece is whole batches, so this is the end of the file
		err = errors.New("its last batch is cut short")
	case len(loaded.Bytes) == 0 && !r.footer:
		err = errSnapshotEnd
	}
	if err != nil {
		c.snapshotFailed(err)
		return
	}
	if !r.footer {
		return // replaySlice asks for the next piece
	}
	if r.bootstrap {
		c.meta.bootstrap = r.records
		c.snaps.reading = nil
		c.readNewest()
	}
}

// take decodes a batch: header first, footer last, offsets from 0 without a gap.
func (r *snapshotReader) take(c *Core, b *record.Batch) error {
	if r.footer || b.BaseOffset != r.next {
		return fmt.Errorf("a batch at offset %d, where %d was due or nothing", b.BaseOffset, r.next)
	}
	if err := b.CheckCRC(); err != nil {
		return err
	}
	r.next = b.NextOffset()
	records := b.Records(nil, nil)
	for records.Next() {
		var err error
		if b.Control() {
			err = r.control(c, &records.Record)
		} else {
			err = r.data(c, records.Record.Value)
		}
		if err != nil {
			return err
		}
	}
	return records.Err()
}

func (r *snapshotReader) control(c *Core, rec *record.Record) error {
	control, err := parseControl(rec)
	if err != nil {
		return err
	}
	switch h := control.(type) {
	case *image.SnapshotHeader:
		if r.header {
			return errors.New("it has a second header")
		}
		r.header, r.last = true, h.LastContainedTimestamp
	case *image.SnapshotFooter:
		r.footer = true
	default:
		err = c.meta.quorum.Take(h)
	}
	if err == nil && !r.header {
		err = errors.New("it does not begin with a header")
	}
	return err
}

func (r *snapshotReader) data(c *Core, value []byte) error {
	decoded, _, err := image.ParseRecord(value)
	if err == nil {
		err = checkLevel(decoded)
	}
	switch {
	case err != nil:
		return err
	case !r.header:
		return errors.New("it does not begin with a header")
	case r.bootstrap:
		r.records = append(r.records, decoded)
	default:
		c.meta.replay = append(c.meta.replay, replayed{r.at(), decoded})
	}
	return nil
}

// at is how far the log is contained in what the snapshot's records make.
func (r *snapshotReader) at() image.At {
	return image.At{Offset: r.snapshot.End - 1, Epoch: r.snapshot.Epoch, Timestamp: r.last}
}

func parseControl(r *record.Record) (image.Control, error) {
	kind, err := record.ParseControlKey(r.Key)
	if err != nil {
		return nil, err
	}
	return image.ParseControl(kind, r.Value)
}

// snapshotFailed gives a snapshot up: the one before it serves, with the log from there on.
func (c *Core) snapshotFailed(err error) {
	s, r := &c.snaps, c.snaps.reading
	if r.bootstrap {
		c.halt(BootstrapName + ": " + err.Error())
		return
	}
	c.note(NoteBadSnapshot, KeyValue{"file", r.slot.Name}, KeyValue{"reason", err.Error()})
	s.reading = nil
	s.bad = append(s.bad, r.snapshot)
	s.kept = s.kept[:len(s.kept)-1]
	c.readNewest()
}

// snapshotRead ends the reading of a snapshot whose records are all replayed: the log goes on from its end. What a snapshot holds is committed: the working image of a
// leadership that ends goes back to it.
func (c *Core) snapshotRead() {
	m, r := &c.meta, c.snaps.reading
	c.snaps.reading = nil
	if r.snapshot.End > 0 {
		m.replayer.Skip(r.at())
	}
	if c.snaps.fetching == nil { // else what it changes is still to be told
		m.committed = c.working()
	}
	m.loadedTo = max(r.snapshot.End, m.quorum.Start)
}
