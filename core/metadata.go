package core

import (
	"fmt"
	"slices"
	"strings"

	"odradek/core/controller"
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

// metadata is the metadata log and what follows from it. The replayer holds the working image: committed records and the uncommitted tail. The
// committed image is what broker, query and policy read; it moves only when the high watermark does, and only to the end of whole transactions.
type metadata struct {
	quorum    *quorum.Quorum
	created   bool
	state     []byte // quorum-state to be stored
	replayer  *image.Replayer
	bootstrap []image.Record // of bootstrap.checkpoint: how an empty log is to begin; nil: as this node does by itself
	committed *image.Image
	tail      []tailImage // uncommitted, by rising end
	replay    []replayed  // records read back at boot, not yet replayed
	reading   bool        // the log is being read back
	loading   JobID       // the Load in flight, 0 for none
	loadedTo  record.Offset
	stage     stage
	stageAt   record.Offset // the stage ends when this is committed
	broker    controller.Broker
	tookUp    bool // what recovery found was taken up: checkpoint files are written anew
	closing   bool // its last Checkpoint is under way
	parked    []parkedReply
	builder   record.Builder
}

// tailImage is the working image after a batch: it becomes the committed one when end is committed.
type tailImage struct {
	end     record.Offset
	img     *image.Image
	bytes   int64
	topics  []record.UUID // touched by the batch
	configs []configResource
	// defaults says that the batch changes what topics without entries of their own get.
	defaults bool
}

// replayed is one record read back at boot.
type replayed struct {
	at     image.At
	record image.Record
}

// stage is how far this incarnation has come. Each ends when what it appended is committed.
type stage uint8

const (
	stageBooting     stage = iota // storing the epoch, loading and replaying the log
	stageLeading                  // LeaderChange appended
	stageRegistering              // bootstrap and registration appended
	stageRegistered               // waiting for the last Opened, taking partitions up
	stageUnfencing                // unfence record appended
	stageReady
)

// metadataDurable is a completion on the metadata stream. The first one, at offset 0 of a new log, says that its folder exists.
func (c *Core) metadataDurable(g stream.Generation, upTo record.Offset) {
	m := &c.meta
	if !m.created {
		m.created = true
		c.fx.Stores = append(c.fx.Stores, Store{Slot: QuorumStateSlot, Version: 1, Bytes: m.state})
		return
	}
	if m.quorum.OnDurable(g, upTo) {
		c.metadataCommitted()
	}
}

func (c *Core) onStored(slot Slot, version uint64) {
	switch {
	case slot == QuorumStateSlot:
		if version == 1 && c.meta.quorum.Stored() {
			c.lead()
		}
	case slot.Name == CleanMark:
		c.dirs[slot.Dir].marked = true
	case strings.HasPrefix(slot.Name, SnapshotFolder+"/"):
		c.snapshotStored(slot)
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

func (c *Core) decodeMetadata(b *record.Batch) error {
	from := c.meta.loadedTo // a snapshot may end within a batch
	if b.BaseOffset > from || b.NextOffset() <= from {
		return fmt.Errorf("expected offset %d", from)
	}
	if err := b.CheckCRC(); err != nil {
		return err
	}
	c.snaps.bytes += int64(b.Size)
	records := b.Records(nil, nil)
	for records.Next() {
		r := &records.Record
		if b.BaseOffset+record.Offset(r.OffsetDelta) < from {
			continue
		}
		if b.Control() { // of LeaderChange recovery put the epoch into the cache
			control, err := parseControl(r)
			if err == nil {
				err = c.meta.quorum.Take(control)
			}
			if err != nil {
				return err
			}
			continue
		}
		decoded, _, err := image.ParseRecord(r.Value)
		if err == nil {
			err = checkLevel(decoded)
		}
		if err != nil {
			return err
		}
		c.meta.replay = append(c.meta.replay, replayed{image.At{Offset: b.BaseOffset + record.Offset(r.OffsetDelta), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}, decoded})
	}
	return records.Err()
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

// replaySlice replays up to n records read back, then asks for more or begins to lead.
func (c *Core) replaySlice(n int) {
	m := &c.meta
	if !m.reading {
		return
	}
	n = min(n, len(m.replay))
	for i := range m.replay[:n] {
		r := &m.replay[i]
		if err := m.replayer.Apply(r.record, r.at); err != nil {
			if c.snaps.reading != nil {
				c.snapshotFailed(err)
				return
			}
			c.halt("metadata log: " + err.Error())
			return
		}
	}
	m.replay = m.replay[n:]
	if len(m.replay) > 0 || m.loading != 0 {
		return
	}
	if r := c.snaps.reading; r != nil && !r.footer {
		c.loadSnapshot()
		return
	} else if r != nil {
		c.snapshotRead()
	}
	if m.loadedTo < m.quorum.Ends.Log {
		c.load()
		return
	}
	m.reading, m.replay = false, nil
	if m.quorum.Loaded() {
		c.lead()
	}
}

// lead begins this node's leadership of the metadata log: first of all its LeaderChange, whose commit commits everything before it.
func (c *Core) lead() {
	m := &c.meta
	m.builder.Reset(record.PlainSpec(record.AttrControl))
	m.builder.Append(c.now.Wall, record.AppendControlKey(nil, record.ControlLeaderChange), m.quorum.LeaderChange(), nil)
	m.stage = stageLeading
	m.stageAt = c.appendMetadataBatch(nil)
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
	b, err := m.builder.Build(nil)
	if err != nil {
		panic("invariant: a metadata batch cannot be built: " + err.Error())
	}
	b.Data = slices.Clone(b.Data)
	if m.quorum.Append(&b) {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskRoll, Stream: stream.Metadata, Base: b.BaseOffset})
	}
	c.dirs[metadataDir].free -= int64(b.Size)
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskAppend, Stream: stream.Metadata, Generation: m.quorum.Generation, Batch: b, Sync: true})
	tail := tailImage{end: b.NextOffset(), bytes: int64(b.Size)}
	if records == nil {
		m.replayer.Skip(image.At{Offset: b.LastOffset(), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp})
	}
	for i, r := range records {
		if err := m.replayer.Apply(r, image.At{Offset: b.BaseOffset + record.Offset(i), Epoch: b.LeaderEpoch, Timestamp: b.BaseTimestamp}); err != nil {
			panic("invariant: own metadata record does not replay: " + err.Error())
		}
		if id, ok := touchedTopic(r); ok && !slices.Contains(tail.topics, id) {
			tail.topics = append(tail.topics, id)
		}
	}
	tail.img = c.working()
	c.configured(records, &tail)
	m.tail = append(m.tail, tail)
	return tail.end
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

// working is the image that the controller decides by: committed records and the uncommitted tail.
func (c *Core) working() *image.Image {
	img, err := c.meta.replayer.Image()
	if err != nil {
		c.halt("metadata log: " + err.Error())
		return c.meta.committed
	}
	return img
}

// metadataCommitted publishes what the high watermark now covers, then lets go the replies that waited for it.
func (c *Core) metadataCommitted() {
	m := &c.meta
	hw := m.quorum.HighWatermark()
	n := 0
	for ; n < len(m.tail) && m.tail[n].end <= hw; n++ {
		old := m.committed
		m.committed = m.tail[n].img
		c.snaps.bytes += m.tail[n].bytes
		for _, id := range m.tail[n].topics {
			c.noteTopic(old, id)
			c.topicChanged(old, id)
		}
		c.noteConfigs(old, m.tail[n].configs)
		if m.tail[n].defaults {
			c.defaultsChanged()
		}
	}
	if n == 0 {
		return
	}
	m.tail = m.tail[:copy(m.tail, m.tail[n:])]
	c.fx.Publish = m.committed
	c.producing.granted(c, hw)
	c.releaseReplies(hw)
	c.advanceStage()
	c.maybeSnapshot(false)
}

// advanceStage carries the start of this incarnation on, as far as it goes.
func (c *Core) advanceStage() {
	m := &c.meta
	committed := m.quorum.HighWatermark() >= m.stageAt
	switch {
	case m.stage == stageLeading && committed:
		c.register()
	case m.stage == stageRegistering && committed:
		m.stage = stageRegistered
		for t := range m.committed.Topics() {
			for i := range t.Partitions {
				c.takeUps = append(c.takeUps, stream.ID{Topic: t.ID, Partition: int32(i)})
			}
		}
		c.maybeUnfence()
	case m.stage == stageRegistered:
		c.maybeUnfence()
	case m.stage == stageUnfencing && committed && len(c.takeUps) == 0:
		m.stage = stageReady
		c.startRetention()
		c.startCheckpoints()
		c.armSnapshot()
		c.cleanMetadata()
		c.maybeSnapshot(false)
		c.tellTakenOver()
		c.note(NoteReady, KeyValue{"epoch", fmt.Sprint(m.quorum.Epoch())}, KeyValue{"topics", fmt.Sprint(m.committed.TopicCount())})
	}
}

// register appends what a new leader owes the log (the end of an open transaction, the bootstrap of an empty log) and this incarnation's registration.
func (c *Core) register() {
	m := &c.meta
	if m.replayer.Open() {
		c.appendMetadata([]image.Record{controller.Abort()})
	}
	if c.working().Feature(image.MetadataVersion) == 0 {
		c.appendMetadata(controller.Bootstrap(m.bootstrap, c.cfg.Topic.MinInsync))
	}
	m.broker = controller.Broker{ID: c.self, Incarnation: c.incarnation, Epoch: int64(m.quorum.Ends.Log), Endpoints: c.endpoints(), Rack: c.cfg.Rack}
	m.stageAt = c.appendAll(controller.Register(c.working(), c.registration()))
	m.stage = stageRegistering
}

func (c *Core) endpoints() []image.Endpoint {
	list := c.cfg.Advertised
	if len(list) == 0 {
		list = c.cfg.Listeners
	}
	var out []image.Endpoint
	for _, l := range list {
		out = append(out, image.Endpoint{Name: l.Name, Host: l.Host, Port: uint16(l.Port)})
	}
	return out
}

// maybeUnfence asks to be unfenced once every recovered stream has been taken up and the checkpoints say so.
func (c *Core) maybeUnfence() {
	m := &c.meta
	if m.stage != stageRegistered || c.unopened > 0 || len(c.takeUps) > 0 {
		return
	}
	if !m.tookUp {
		// What the checkpoints held counted for the streams that were found with their topic. Entries of others must be gone before a partition is made.
		m.tookUp = true
		c.dropStrays()
		c.wantAll()
		c.tellDirectories()
	}
	if !c.allStored() {
		return
	}
	elected := controller.Elect(c.working(), c.registration())
	c.tellUnclean(elected)
	m.stageAt = c.appendAll(append([]image.Record{controller.Unfence(m.broker)}, elected...))
	m.stage = stageUnfencing
}
