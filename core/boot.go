package core

import (
	"bytes"
	"fmt"
	"slices"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/fetch"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/prng"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// onBoot begins an incarnation. The epoch in which it will lead the metadata log is stored while the log is read back.
func (c *Core) onBoot(b *Boot) {
	entries := make([]config.Entry, len(b.Config))
	for i, kv := range b.Config {
		entries[i] = config.Entry{Key: kv.Key, Value: kv.Value}
	}
	cfg, err := config.ParseNode(entries)
	if err != nil {
		c.halt("configuration: " + err.Error())
		return
	}
	c.node, c.absent = cfg, b.Absent
	c.cfg, c.clusterID, c.self, c.incarnation = cfg, b.ClusterID, b.NodeID, b.Incarnation
	c.random = prng.New(b.Seed)
	c.consumers.sessions = fetch.NewSessions(cfg.FetchSessions)
	c.followers.sessions = fetch.NewSessions(followerSessions)
	c.unopened = b.Streams
	c.life.controller = record.NoNode
	if err := checkDirectories(b.Dirs); err != nil {
		c.halt(err.Error())
		return
	}
	for _, d := range b.Dirs {
		c.dirs = append(c.dirs, dirState{id: d.ID, path: d.Path, total: d.Total, free: d.Free, clean: d.Clean, left: d.Epoch})
	}
	if b.Metadata.Damage != "" {
		c.halt("metadata log: " + b.Metadata.Damage)
		return
	}
	if len(b.Metadata.Lost) > 0 {
		lost := b.Metadata.Lost[0]
		c.halt(fmt.Sprintf("metadata log: offsets %d to %d are damaged: %s", lost.From, lost.To-1, lost.Why))
		return
	}
	o := &b.Metadata
	if o.LogEnd == 0 && len(b.Snapshots) == 0 && b.Streams > 0 {
		// Taken for a new cluster, it would delete them all as strays.
		c.halt(fmt.Sprintf("the metadata log is empty and %d partitions are there: its directory, the first of log.dirs, was lost or is another one", b.Streams))
		return
	}
	log := metadataLog(o, o.Durable)
	m := &c.meta
	m.committed = image.Empty()
	m.replayer = image.NewReplayer(m.committed)
	m.loadedTo, m.point = log.Start, min(o.RecoveryPoint, o.LogEnd)
	var f quorum.Facts
	if m.quorum, err = quorum.Boot(c.quorumConfig(), log, b.QuorumState, newestEpoch(b.Snapshots), c.random.Split(), int64(c.now.Mono), &f); err != nil {
		c.halt("quorum-state: " + err.Error())
		return
	}
	if !o.Exists {
		// The folder must be there before its quorum-state: the Sync completes behind the Create.
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskCreate, Stream: stream.Metadata, Dir: metadataDir, Topic: stream.MetadataName})
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: stream.Metadata, Generation: m.quorum.Generation})
	} else {
		m.created = true
		if o.Durable < o.LogEnd { // what this node fetches from is a claim: it must be durable
			c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: stream.Metadata, Generation: m.quorum.Generation})
		}
	}
	c.carryOutQuorum(&f)
	if m.reading = o.LogEnd > 0 || len(b.Snapshots) > 0 || b.Bootstrap; m.reading {
		c.bootSources(b)
	} else {
		c.metadataLoaded()
	}
}

func (c *Core) quorumConfig() quorum.Config {
	return quorum.Config{Self: c.self, Voters: c.cfg.Voters(), ClusterID: c.clusterID, ElectionMs: c.cfg.Quorum.ElectionMs, FetchMs: c.cfg.Quorum.FetchMs,
		BackoffMs: c.cfg.Quorum.BackoffMs, RetryMs: c.cfg.Quorum.RetryMs, MaxBytes: c.cfg.Quorum.FetchMaxBytes,
		Limits: stream.RollLimits{Bytes: c.cfg.Metadata.SegmentBytes, Ms: c.cfg.Metadata.SegmentMs}}
}

func newestEpoch(list []Snapshot) record.Epoch {
	if len(list) == 0 {
		return record.NoEpoch
	}
	return list[len(list)-1].Epoch
}

// onOpened keeps what recovery found until the committed image says whose it is.
func (c *Core) onOpened(id stream.ID, o *Opened) {
	c.opened[id] = o
	c.unopened--
	if o.Cut > 0 {
		c.note(NoteLogCut, KeyValue{"topic", o.Topic}, KeyValue{"partition", fmt.Sprint(id.Partition)}, KeyValue{"bytes", fmt.Sprint(o.Cut)},
			KeyValue{"end", fmt.Sprint(o.LogEnd)})
	}
	c.maybeUnfence()
}

// topicChanged queues the partitions of a topic that a committed record touched, before and after.
func (c *Core) topicChanged(old *image.Image, id record.UUID) {
	if c.stop != serving {
		return // the next incarnation takes them up
	}
	n := 0
	if t, ok := old.TopicByID(id); ok {
		n = len(t.Partitions)
	}
	if t, ok := c.meta.committed.TopicByID(id); ok {
		n = max(n, len(t.Partitions))
	}
	for i := range n {
		p := stream.ID{Topic: id, Partition: int32(i)}
		c.markSessions(p)
		c.takeUps = append(c.takeUps, p)
	}
}

func (c *Core) canTakeUp() bool { return c.meta.stage >= stageRegistered && c.unopened == 0 }

// takeUpSlice brings up to n partitions in line with the committed image.
func (c *Core) takeUpSlice(n int) {
	if len(c.takeUps) == 0 || !c.canTakeUp() {
		return
	}
	n = min(n, len(c.takeUps))
	for _, id := range c.takeUps[:n] {
		c.takeUp(id)
	}
	if c.takeUps = c.takeUps[n:]; len(c.takeUps) == 0 {
		c.takeUps = nil
		c.advanceStage()
	}
}

// takeUp makes one partition what the committed image says it is: here or not, led or not.
func (c *Core) takeUp(id stream.ID) {
	t, ok := c.meta.committed.TopicByID(id.Topic)
	if !ok || int(id.Partition) >= len(t.Partitions) {
		c.dropReplica(id)
		return
	}
	p := t.Partitions[id.Partition]
	if !slices.Contains(p.Replicas, c.self) {
		return
	}
	rep := c.here(id, t, p)
	if rep == nil {
		return
	}
	c.configure(rep)
	if rep.Cutting() {
		rep.again = true
		return
	}
	if rep.Failed() != errcode.None && !c.dirs[rep.Dir].failed && c.replaceable(p) { // its folder was lost: it is made anew, and copied
		c.dropReplica(id)
		c.takeUps = append(c.takeUps, id)
		return
	}
	var facts partition.Facts
	role := rep.Assign(partition.Assignment{Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
		Replicas: p.Replicas, ISR: p.Isr}, c.nowMs(), &facts)
	if role != partition.Unchanged {
		c.beginRole(rep)
		c.finishDeletings()
	}
	if role == partition.Leads {
		c.hurryFollowers(rep)
	}
	c.markSessions(id)
	c.settle(rep, &facts)
	switch {
	case !rep.Following():
		c.stopCopying(rep)
		c.membersMayChange(rep)
	case role != partition.Unchanged || rep.copying.from == nil:
		c.copyFrom(rep)
	}
	c.repair(rep, p)
}

// beginRole syncs what a replica had before its present role: what recovery kept may lie in the page cache only, and completions of appends in flight count no more.
// A relaxed partition syncs what is written when it would sync what was just appended.
func (c *Core) beginRole(rep *replica) {
	if rep.Durable() && rep.Ends.Durable < rep.Ends.Log || rep.Written < rep.Ends.Log {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: rep.ID, Generation: rep.Generation})
	}
	if !rep.Durable() {
		c.flushLater(rep)
	}
}

// openReplica starts a replica's machines from what recovery found, or anew.
func (c *Core) openReplica(id stream.ID, t *image.Topic, o *Opened) *replica {
	cfg, ignored := config.StoredTopic(c.nodeConfig(), config.Entries(c.meta.committed, image.ResourceTopic, t.Name))
	if id.Partition == 0 {
		c.tellIgnored(t.Name, ignored)
	}
	settings := settingsOf(&cfg)
	rep := &replica{configs: c.meta.committed.Config(image.ResourceTopic, t.Name), defaults: c.nodeConfig()}
	rep.Partition = partition.New(c.self, t.Name, stream.NewLog(id, o.Dir, o.LogStart, o.LogEnd, o.Durable, o.Segments, o.Epochs), o.HighWatermark, settings)
	rep.producers.Restore(o.Producers, c.now.Wall)
	rep.readEnd, rep.heardMark = rep.ReadEnd(), rep.HighWatermark()
	c.takeLost(rep, o, cfg.Compacted)
	rep.floor, rep.point = rep.HighWatermark(), rep.sound(min(o.RecoveryPoint, o.LogEnd))
	if o.startUntold() {
		c.promise(id, o.LogStart)
	}
	if o.Damage != "" {
		rep.floor, rep.point = o.HighWatermark, o.RecoveryPoint // they count again when the log is back
		rep.Fail(errcode.KafkaStorageError, &partition.Facts{})
		c.fx.Halts = append(c.fx.Halts, Halt{Scope: HaltStream, Stream: id, Dir: o.Dir, Reason: o.Damage})
	}
	if c.dirs[o.Dir].failed {
		rep.Fail(errcode.KafkaStorageError, &partition.Facts{})
	}
	c.replicas[id] = rep
	c.dirs[o.Dir].add(rep)
	return rep
}

// dropReplica removes a partition whose topic was deleted.
func (c *Core) dropReplica(id stream.ID) {
	c.unplace(id)
	delete(c.offline, id)
	rep, ok := c.replicas[id]
	if !ok {
		return
	}
	c.stopCopying(rep)
	var facts partition.Facts
	rep.Fail(errcode.UnknownTopicOrPartition, &facts)
	c.settle(rep, &facts)
	delete(c.replicas, id)
	delete(c.promised, id)
	c.remove(rep)
	if rep.checkpointing {
		c.dirs[rep.Dir].pass.waits--
		c.maybeEndPass(rep.Dir)
	}
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: id, Dir: rep.Dir, All: true})
}

// dropStrays removes streams that recovery found but the committed image does not know: their topic was deleted while this node was down.
func (c *Core) dropStrays() {
	for _, id := range sortedIDs(c.opened) {
		c.note(NoteStrayDeleted, KeyValue{"topic", c.opened[id].Topic}, KeyValue{"id", id.String()})
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: id, Dir: c.opened[id].Dir, All: true})
	}
	clear(c.opened)
}

func (c *Core) sortedReplicas() []stream.ID { return sortedIDs(c.replicas) }

func sortedIDs[V any](m map[stream.ID]V) []stream.ID {
	ids := make([]stream.ID, 0, len(m))
	for id := range m { // any order: sorted below
		ids = append(ids, id)
	}
	sortIDs(ids)
	return ids
}

func sortIDs(ids []stream.ID) {
	slices.SortFunc(ids, func(a, b stream.ID) int {
		if d := bytes.Compare(a.Topic[:], b.Topic[:]); d != 0 {
			return d
		}
		return int(a.Partition) - int(b.Partition)
	})
}
