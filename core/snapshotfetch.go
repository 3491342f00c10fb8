package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// FetchSnapshot (KIP-630): a replica whose log ends below the leader's log start takes the leader's snapshot instead. It is fetched piece by piece, checked, stored as
// one file, then the log is emptied to begin at its end and the image is read anew from it.

// snapshotFetch is a snapshot on its way from the leader.
type snapshotFetch struct {
	snapshot Snapshot
	leader   record.NodeID
	epoch    record.Epoch // of the leader
	bytes    []byte
	kept     bool        // the file was there at boot
	needs    uint64      // all bytes have come, and are good: the version of the recovery points' file that says nothing of the log
	sent     bool        // its Store is under way, or done
	stored   bool        // the file is there: the log is being emptied
	log      *stream.Log // emptied: the snapshot is being read
}

// snapshotFetchMax bounds a snapshot that is taken from a leader: it is held in memory.
const snapshotFetchMax = 2 << 30

// wantSnapshot is called when the leader has a snapshot instead of the next records.
func (c *Core) wantSnapshot(id quorum.SnapshotID) {
	c.snaps.fetching = &snapshotFetch{snapshot: Snapshot{End: id.End, Epoch: id.Epoch}, leader: c.meta.quorum.LeaderID(), epoch: c.meta.quorum.Epoch()}
	c.note(NoteSnapshotFetched, number("leader", c.meta.quorum.LeaderID()), number("end", id.End), number("from", c.meta.quorum.Ends.Log))
	c.fetchSnapshotPiece()
}

func (c *Core) fetchSnapshotPiece() {
	w := c.snaps.fetching
	addr, ok := c.cfg.Voter(w.leader)
	if !ok {
		c.abandonSnapshot("its leader is no voter")
		return
	}
	req := kmsg.NewPtrFetchSnapshotRequest()
	req.Version = 0
	req.ClusterID, req.ReplicaID, req.MaxBytes = &c.clusterID, int32(c.self), c.cfg.Quorum.FetchMaxBytes
	p := kmsg.NewFetchSnapshotRequestTopicPartition()
	p.CurrentLeaderEpoch, p.Position = int32(w.epoch), int64(len(w.bytes))
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch = int64(w.snapshot.End), int32(w.snapshot.Epoch)
	t := kmsg.NewFetchSnapshotRequestTopic()
	t.Topic, t.Partitions = stream.MetadataName, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	c.call(w.leader, addr, LaneQuorum, req, func(c *Core, resp kmsg.Response) { c.snapshotFetched(w, resp) })
}

// snapshotFetched takes a piece. It counts only if this node still follows the leader that it asked.
func (c *Core) snapshotFetched(w *snapshotFetch, resp kmsg.Response) {
	if c.snaps.fetching != w {
		return
	}
	r, ok := resp.(*kmsg.FetchSnapshotResponse)
	if !ok || r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		c.abandonSnapshot("no answer")
		return
	}
	q, p := c.meta.quorum, &r.Topics[0].Partitions[0]
	switch code := errcode.Code(p.ErrorCode); {
	case code != errcode.None:
		c.abandonSnapshot(code.String())
	case q.Role() != quorum.Follower || q.Epoch() != w.epoch:
		c.abandonSnapshot("the leader is another one")
	case p.Position != int64(len(w.bytes)) || p.Size > snapshotFetchMax || len(p.Bytes) == 0 && p.Position < p.Size || int64(len(p.Bytes)) > p.Size-p.Position:
		c.abandonSnapshot(fmt.Sprintf("%d bytes at %d of %d, asked at %d", len(p.Bytes), p.Position, p.Size, len(w.bytes)))
	default:
		c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Hears(now) })
		if w.bytes = append(w.bytes, p.Bytes...); int64(len(w.bytes)) < p.Size {
			c.fetchSnapshotPiece()
			return
		}
		c.storeFetchedSnapshot(w)
	}
}

func (c *Core) storeFetchedSnapshot(w *snapshotFetch) {
	it := record.Batches(w.bytes)
	for it.Next() {
		if err := it.Batch.CheckCRC(); err != nil {
			c.abandonSnapshot(err.Error())
			return
		}
	}
	if it.Err() != nil {
		c.abandonSnapshot(it.Err().Error())
		return
	}
	w.snapshot.Bytes = int64(len(w.bytes))
	c.forgetPoint(w)
}

// forgetPoint has the directory's file say nothing of the log any more, which a snapshot is to replace: recovery takes for damage what is missing below a recovery point.
func (c *Core) forgetPoint(w *snapshotFetch) {
	c.meta.point = 0 // the file may name an earlier one even where this incarnation knows none
	w.needs = c.want(metadataDir, pointsFile)
}

// carryOnFetchedSnapshot stores a snapshot, or empties the log for one that is stored, once the file of recovery points allows it.
func (c *Core) carryOnFetchedSnapshot() {
	w := c.snaps.fetching
	if w == nil || w.needs == 0 || w.sent || c.dirs[metadataDir].files[pointsFile].stored < w.needs || c.stop != serving {
		return
	}
	if w.sent = true; w.kept {
		c.fetchedSnapshotStored(w)
		return
	}
	c.dirs[metadataDir].free -= w.snapshot.Bytes
	c.fx.Stores = append(c.fx.Stores, Store{Slot: w.snapshot.slot(), Version: snapshotWritten, Bytes: w.bytes})
}

// abandonSnapshot goes on with the log as it is. The next fetch tells anew what is missing.
func (c *Core) abandonSnapshot(why string) {
	c.snaps.fetching = nil
	c.note(NoteFetchRefused, KeyValue{"topic", stream.MetadataName}, number("leader", c.meta.quorum.LeaderID()), KeyValue{"reason", "snapshot: " + why})
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Abandoned(now, f) })
}

// fetchedSnapshotStored empties the log, now that what was in it is in the file. A node that leads by now keeps its log: the file is one more of its snapshots' names and goes
// with the next cleaning.
func (c *Core) fetchedSnapshotStored(w *snapshotFetch) {
	if w.stored || c.stop != serving {
		return
	}
	w.stored, w.bytes = true, nil
	c.dropWorking()
	c.meta.tail = nil
	c.emptyMetadata(w.snapshot.End)
}

func (c *Core) emptyMetadata(base record.Offset) {
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskTruncate, Stream: stream.Metadata, Generation: c.meta.quorum.NewGeneration(), All: true, Base: base})
}

// goOnFrom takes up at boot what a crash interrupted: a snapshot was fetched and stored, and the log is not emptied yet. Of several voters the others have what the log may
// have had besides; a node alone would lose it, and halts instead.
func (c *Core) goOnFrom(snapshot Snapshot) {
	c.snaps.fetching = &snapshotFetch{snapshot: snapshot, kept: true}
	c.forgetPoint(c.snaps.fetching)
}

// readFetchedSnapshot reads the image anew, with the log that begins at its end.
func (c *Core) readFetchedSnapshot(w *snapshotFetch, log stream.Log) {
	w.log = &log
	for _, old := range c.snaps.kept {
		if old.slot() != w.snapshot.slot() { // the same may have been fetched before a crash
			c.removeSnapshot(old)
		}
	}
	c.snaps.kept = []Snapshot{w.snapshot}
	c.meta.reading, c.meta.open = true, nil
	c.readNewest()
}

// fetchedSnapshotRead publishes the image that the snapshot holds; every topic may be another.
func (c *Core) fetchedSnapshotRead(w *snapshotFetch) {
	m, old := &c.meta, c.meta.committed
	c.snaps.fetching, m.reading, m.replay = nil, false, nil
	img, err := m.replayer.Image()
	if err != nil {
		c.halt("metadata snapshot: " + err.Error())
		return
	}
	m.committed = img
	m.loadedTo = w.snapshot.End
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Reopened(now, *w.log, w.snapshot.Epoch, f) })
	if m.stage == stageBooting { // nothing went on before
		c.metadataLoaded()
	}
	for _, i := range []*image.Image{old, img} {
		for t := range i.Topics() {
			c.topicChanged(old, t.ID)
		}
	}
	c.defaultsChanged()
	c.fx.Publish = img
	c.advanceStage()
}

// onFetchSnapshot gives a replica a piece of a snapshot: whole batches from its position on.
func (c *Core) onFetchSnapshot(r *Request) {
	req := r.Body.(*kmsg.FetchSnapshotRequest)
	response := req.ResponseKind().(*kmsg.FetchSnapshotResponse)
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Topic != stream.MetadataName {
		response.ErrorCode = int16(errcode.InvalidRequest)
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
		return
	}
	asked := &req.Topics[0].Partitions[0]
	t, p := kmsg.NewFetchSnapshotResponseTopic(), kmsg.NewFetchSnapshotResponseTopicPartition()
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch, p.Position = asked.SnapshotID.EndOffset, asked.SnapshotID.Epoch, asked.Position
	snapshot, code := c.snapshotAsked(req, asked)
	p.ErrorCode, p.Size = int16(code), snapshot.Bytes
	t.Topic, t.Partitions = stream.MetadataName, append(t.Partitions, p)
	response.Topics = append(response.Topics, t)
	if code != errcode.None {
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
		return
	}
	id := JobID(c.newID())
	c.snaps.serving[id] = servedSnapshot{r, response}
	c.fx.Jobs = append(c.fx.Jobs, Job{Kind: JobLoad, ID: id, Slot: snapshot.slot(), Pos: asked.Position})
}

// servedSnapshot is a FetchSnapshot whose bytes are being read.
type servedSnapshot struct {
	request  *Request
	response *kmsg.FetchSnapshotResponse
}

// snapshotAsked finds the snapshot that a request names, or the code with which it is refused.
func (c *Core) snapshotAsked(req *kmsg.FetchSnapshotRequest, p *kmsg.FetchSnapshotRequestTopicPartition) (Snapshot, errcode.Code) {
	q := c.meta.quorum
	switch epoch := record.Epoch(p.CurrentLeaderEpoch); {
	case req.ClusterID != nil && *req.ClusterID != c.clusterID:
		return Snapshot{}, errcode.InconsistentClusterID
	case p.Partition != 0:
		return Snapshot{}, errcode.UnknownTopicOrPartition
	case epoch < q.Epoch():
		return Snapshot{}, errcode.FencedLeaderEpoch
	case epoch > q.Epoch():
		return Snapshot{}, errcode.UnknownLeaderEpoch
	case !q.Active():
		return Snapshot{}, errcode.NotLeaderOrFollower
	}
	for _, s := range c.snaps.kept {
		if s.End != record.Offset(p.SnapshotID.EndOffset) || s.Epoch != record.Epoch(p.SnapshotID.Epoch) {
			continue
		}
		if p.Position < 0 || p.Position >= s.Bytes {
			return s, errcode.PositionOutOfRange
		}
		return s, errcode.None
	}
	return Snapshot{}, errcode.SnapshotNotFound
}

// snapshotPieceRead answers with what was read.
func (c *Core) snapshotPieceRead(s servedSnapshot, loaded *Loaded) {
	p := &s.response.Topics[0].Partitions[0]
	if p.ErrorCode = int16(loaded.Err); loaded.Err == errcode.None {
		p.Bytes = loaded.Bytes
	}
	c.reply(Reply{Conn: s.request.Conn, Correlation: s.request.Correlation, Key: s.request.Key, Body: s.response})
}
