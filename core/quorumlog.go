package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// quorumStep lets the quorum's machine do something and carries out what it asks for.
func (c *Core) quorumStep(do func(q *quorum.Quorum, now int64, f *quorum.Facts)) {
	var f quorum.Facts
	do(c.meta.quorum, int64(c.now.Mono), &f)
	c.carryOutQuorum(&f)
}

// carryOutQuorum carries facts out, in the order of their fields.
func (c *Core) carryOutQuorum(f *quorum.Facts) {
	m := &c.meta
	if f.Store != nil {
		c.storeQuorumState(Store{Slot: QuorumStateSlot, Version: f.Version, Bytes: f.Store})
	}
	if f.Ended {
		c.leadershipEnded()
	}
	if f.Cut {
		c.cutMetadata(f.To)
	}
	if f.Records != nil {
		c.acceptMetadata(f.Records)
	}
	if f.Empty != nil {
		c.wantSnapshot(*f.Empty)
	}
	if f.Began {
		m.lead = true
	}
	if c.halted {
		return
	}
	m.quorum.Learn(f)
	for i := range f.Calls {
		c.callQuorum(f.Calls[i])
	}
	for i := range f.Replies {
		c.answerPeer(f.Replies[i].Token, f.Replies[i].Body)
	}
	if f.Moved {
		c.wakeMetadataFetches()
	}
	c.armQuorum()
	c.leaderChanged()
}

// armQuorum sets the timer to what the quorum's machine waits for.
func (c *Core) armQuorum() {
	key := timerKey{timerQuorum, 0}
	if at := c.meta.quorum.Deadline(); at < forever*1_000_000 {
		c.timers.Set(key, at)
	} else {
		c.timers.Cancel(key)
	}
}

// storeQuorumState stores the vote and epoch; the folder must be there first.
func (c *Core) storeQuorumState(s Store) {
	if !c.meta.created {
		c.meta.state = s
		return
	}
	c.fx.Stores = append(c.fx.Stores, s)
}

// metadataDurable is a completion on the metadata stream. The first one, at offset 0 of a new log, says that its folder exists.
func (c *Core) metadataDurable(g stream.Generation, upTo record.Offset) {
	m := &c.meta
	if !m.created {
		m.created = true
		c.storeQuorumState(m.state)
		return
	}
	kept := c.metadataKept()
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.OnDurable(now, g, upTo, f) })
	for i := range c.dirs {
		if kept {
			break
		}
		c.takeUps = append(c.takeUps, c.dirs[i].deferred...) // what waited for it
		c.dirs[i].deferred = nil
	}
	c.maybeSnapshot(false)
}

// leadershipEnded drops what only a leader has, and refuses who waited for it: what they were told of may never be committed.
func (c *Core) leadershipEnded() {
	c.dropWorking()
	c.controlEnded()
	for len(c.meta.parked) > 0 {
		p := c.meta.parked[0]
		c.meta.parked = c.meta.parked[1:]
		c.timers.Cancel(timerKey{timerReply, p.id})
		failAll(p.body, errcode.NotController)
		c.answerParked(&p)
	}
}

// acceptMetadata appends the batches that a leader sent. What does not fit is not taken: the next fetch asks for it again.
func (c *Core) acceptMetadata(bytes []byte) {
	m := &c.meta
	it := record.Batches(bytes)
	for it.Next() {
		b := it.Batch
		err := b.CheckCRC()
		var t tailBatch
		if err == nil {
			t, err = c.decodeBatch(&b, b.BaseOffset)
		}
		var rolled bool
		if err == nil {
			rolled, err = m.quorum.Accept(&b)
		}
		if err != nil {
			c.note(NoteFetchRefused, KeyValue{"topic", stream.MetadataName}, number("leader", m.quorum.LeaderID()), KeyValue{"reason", err.Error()})
			m.quorum.Refused(int64(c.now.Mono))
			return
		}
		c.storeMetadata(&b, rolled)
		m.tail = append(m.tail, t)
	}
}

// cutMetadata drops what the leader does not have.
func (c *Core) cutMetadata(to record.Offset) {
	m := &c.meta
	if to < m.point {
		c.halt(fmt.Sprintf("the metadata log is committed up to %d, and its leader has it end at %d: the leader lost what a majority had", m.point, to))
		return
	}
	n := len(m.tail)
	for n > 0 && m.tail[n-1].end > to {
		n--
	}
	if n < m.applied || n == m.applied && m.within > 0 {
		panic(fmt.Sprintf("invariant: metadata cut to %d, and what lies behind is applied", to))
	}
	m.tail = m.tail[:n]
	g := m.quorum.NewGeneration()
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskTruncate, Stream: stream.Metadata, Generation: g, To: to})
}

// metadataLog is the log as the disk has it, durable below an offset. It begins behind the record that its epochs begin with: when the log start moved up to a snapshot, those
// before were forgotten, though the segment that holds their records may have stayed. Of records of forgotten epochs a leader could not tell where a follower's log parts from them.
func metadataLog(o *Opened, durable record.Offset) stream.Log {
	log := stream.NewLog(stream.Metadata, metadataDir, o.LogStart, o.LogEnd, durable, o.Segments, o.Epochs)
	if len(o.Epochs) > 0 && o.Epochs[0].Start > log.Start {
		log.DeleteBelow(min(o.Epochs[0].Start+1, log.Ends.Log))
	}
	return log
}

// metadataTruncated goes on with the log as it is now.
func (c *Core) metadataTruncated(g stream.Generation, o *Opened) {
	m := &c.meta
	if g != m.quorum.Generation {
		return
	}
	if len(o.Lost) > 0 {
		c.halt(fmt.Sprintf("the metadata log is damaged, from offset %d on: %s; restore its directory from a backup, or empty it, so that this node copies it anew", o.Lost[0].From, o.Lost[0].Why))
		return
	}
	log := metadataLog(o, o.LogEnd)
	if w := c.snaps.fetching; w != nil && w.stored {
		c.readFetchedSnapshot(w, log)
		return
	}
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Reopened(now, log, newestEpoch(c.snaps.kept), f) })
}

// onPeerRequest takes what another node of the quorum asks of this one's machine.
func (c *Core) onPeerRequest(r *Request) {
	token := c.newID()
	if c.peers == nil {
		c.peers = map[uint64]*Request{}
	}
	c.peers[token] = r
	c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) {
		switch req := r.Body.(type) {
		case *kmsg.VoteRequest:
			q.Vote(now, token, req, f)
		case *kmsg.BeginQuorumEpochRequest:
			q.BeginEpoch(now, token, req, f)
		case *kmsg.EndQuorumEpochRequest:
			q.EndEpoch(now, token, req, f)
		}
	})
}

func (c *Core) answerPeer(token uint64, body kmsg.Response) {
	r := c.peers[token]
	delete(c.peers, token)
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: body})
}
