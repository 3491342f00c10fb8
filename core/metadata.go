package core

import (
	"fmt"
	"strings"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// metadataDir holds the metadata log: the first log directory (Kafka's metadata.log.dir default).
const metadataDir stream.DirID = 0

// QuorumStateSlot holds the quorum's vote and epoch.
var QuorumStateSlot = Slot{Dir: metadataDir, Name: stream.MetadataName + "-0/quorum-state"}

// metadata is the metadata log and what follows from it. The replayer holds the working image: what is applied of the log. The committed image is what broker,
// query and policy read; it moves only when the high watermark does, and only to the end of whole transactions. See tail.go.
type metadata struct {
	quorum    *quorum.Quorum
	created   bool
	state     Store // quorum-state that waits for the log's folder
	replayer  *image.Replayer
	bootstrap []image.Record // of bootstrap.checkpoint: how an empty log is to begin; nil: as this node does by itself
	committed *image.Image
	open      []replayed  // committed records of a metadata transaction that has not ended
	tail      []tailBatch // above the high watermark, by rising end
	applied   int         // batches of tail that the working image holds
	within    int         // records of tail[applied] that it holds besides
	lead      bool        // leadership has begun: LeaderChange is appended when all of tail is applied
	replay    []replayed  // records of a snapshot, not yet replayed
	reading   bool        // the log is being read back
	loading   JobID       // the Load in flight, 0 for none
	loadedTo  record.Offset
	stage     stage
	tookUp    bool          // what recovery found was taken up: checkpoint files are written anew
	asked     bool          // a Checkpoint of the log is under way
	point     record.Offset // the log's recovery point. Invariant: committed
	parked    []parkedReply
	builder   record.Builder
}

// replayed is one record and its place in the log.
type replayed struct {
	at     image.At
	record image.Record
}

// stage is how far this incarnation has come. Each ends by what the committed image shows.
type stage uint8

const (
	stageBooting     stage = iota // loading the metadata log
	stageRegistering              // not registered yet
	stageRegistered               // waiting for the last Opened, taking partitions up
	stageUnfencing                // wants to be unfenced
	stageReady
)

func (c *Core) onStored(slot Slot, version uint64) {
	switch {
	case slot == QuorumStateSlot:
		c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Stored(now, version, f) })
	case slot.Name == CleanMark:
		c.dirs[slot.Dir].marked = true
	case strings.HasPrefix(slot.Name, SnapshotFolder+"/"):
		if version == snapshotWritten {
			c.snapshotStored(slot)
		}
	default:
		c.checkpointStored(slot, version)
	}
}

// load asks for the next piece of the metadata log.
func (c *Core) load() {
	m := &c.meta
	m.loading = JobID(c.newID())
	c.fx.Jobs = append(c.fx.Jobs, Job{Kind: JobLoad, ID: m.loading, Stream: stream.Metadata, From: m.loadedTo})
}

// onLoaded decodes a piece of the metadata log. Recovery checked the CRCs; bytes from disk are checked again where they are used.
func (c *Core) onLoaded(job JobID, loaded *Loaded) {
	m := &c.meta
	if s, ok := c.snaps.serving[job]; ok {
		delete(c.snaps.serving, job)
		c.snapshotPieceRead(s, loaded)
		return
	}
	if job != m.loading || c.halted {
		return
	}
	m.loading = 0
	if c.snaps.reading != nil {
		c.snapshotLoaded(loaded)
		return
	}
	it := record.Batches(loaded.Bytes)
	for it.Next() {
		b := it.Batch
		if err := c.decodeMetadata(&b); err != nil {
			c.halt(fmt.Sprintf("metadata log at offset %d: %v", b.BaseOffset, err))
			return
		}
		m.loadedTo = b.NextOffset()
	}
	switch {
	case loaded.Err != errcode.None:
		c.halt(fmt.Sprintf("metadata log cannot be read at offset %d: %v", m.loadedTo, loaded.Err))
	case it.Err() != nil:
		c.halt(fmt.Sprintf("metadata log at offset %d: %v", m.loadedTo, it.Err()))
	case len(loaded.Bytes) == 0 && m.loadedTo < m.quorum.Ends.Log:
		c.halt(fmt.Sprintf("metadata log ends at offset %d, recovery had found %d", m.loadedTo, m.quorum.Ends.Log))
	}
}

// decodeMetadata adds a batch of the log that was read back to the tail.
func (c *Core) decodeMetadata(b *record.Batch) error {
	from := c.meta.loadedTo // a snapshot may end within a batch
	if b.BaseOffset > from || b.NextOffset() <= from {
		return fmt.Errorf("expected offset %d", from)
	}
	if err := b.CheckCRC(); err != nil {
		return err
	}
	t, err := c.decodeBatch(b, from)
	if err == nil {
		t.back = true
		c.snaps.bytes += t.bytes
		c.meta.tail = append(c.meta.tail, t)
	}
	return err
}

// checkLevel refuses a metadata.version whose records this node may not know.
func checkLevel(r image.Record) error {
	f, ok := r.(*image.FeatureLevelRecord)
	if ok && f.Name == image.MetadataVersion && (f.Level < image.MetadataVersionMin || f.Level > image.MetadataVersionLatest) {
		return fmt.Errorf("metadata.version %d is finalized, and this node knows %d to %d: a newer release opens it, or Kafka itself lowers it",
			f.Level, image.MetadataVersionMin, image.MetadataVersionLatest)
	}
	return nil
}

// replaySlice replays up to n records of the snapshot and the log that are being read back, then asks for more.
func (c *Core) replaySlice(n int) {
	m := &c.meta
	if !m.reading {
		return
	}
	n = min(n, len(m.replay))
	for i := range m.replay[:n] {
		r := &m.replay[i]
		if err := m.replayer.Apply(r.record, r.at); err != nil {
			c.snapshotFailed(err)
			return
		}
	}
	m.replay = m.replay[n:]
	if len(m.replay) > 0 || m.loading != 0 || c.canApply() {
		return
	}
	if r := c.snaps.reading; r != nil && !r.footer {
		c.loadSnapshot()
		return
	} else if r != nil {
		c.snapshotRead()
	}
	if w := c.snaps.fetching; w != nil {
		if w.log != nil {
			c.fetchedSnapshotRead(w)
		}
		return
	}
	if m.loadedTo < m.quorum.Ends.Log {
		c.load()
		return
	}
	m.reading, m.replay = false, nil
	c.metadataLoaded()
}

// metadataLoaded begins this incarnation's part in the cluster.
func (c *Core) metadataLoaded() {
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Loaded(now, f) })
	c.meta.stage = stageRegistering
	c.live()
}
