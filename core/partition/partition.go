// Package partition is one replica of one partition: who leads it, what is committed, and which produces wait for that.
//
// The log itself, with its three ends, is core/stream's. A partition adds the high watermark: what is below it is acknowledged to acks=all and
// visible to consumers. In durable mode (flush.messages=1) it follows the durable ends of the in-sync replicas, else their written ends.
//
// Invariants, checked after every change: log start <= high watermark <= log end; the high watermark never falls.
package partition

import (
	"fmt"
	"slices"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// Assignment is what the committed image says of a partition.
type Assignment struct {
	Leader         record.NodeID
	LeaderEpoch    record.Epoch
	PartitionEpoch int32
	Replicas       []record.NodeID
	ISR            []record.NodeID
}

// Settings are the topic's configs that a partition needs.
type Settings struct {
	FlushMessages int64 // flush.messages: 1 is durable mode
	FlushMs       int64 // flush.ms
	MinInsync     int32
	Roll          stream.RollLimits
	JitterMs      int64 // segment.jitter.ms
	Retention     stream.Retention
}

// Durable reports whether a record counts only when it is fsynced.
func (s *Settings) Durable() bool { return s.FlushMessages == 1 }

// Partition is one replica. The zero value is not ready; use New.
type Partition struct {
	stream.Log
	Settings
	Topic string

	self       record.NodeID
	assigned   Assignment
	leading    bool
	epochStart record.Offset // log end when this leadership began
	hw         record.Offset
	followers  []follower      // while it leads: of the other replicas, in the order of assignment
	proposed   []record.NodeID // members of the AlterPartition under way
	doubted    []record.NodeID // members of earlier ones in this partition epoch that may still come to be committed
	proposing  bool
	hardening  bool         // it became durable in this leadership: what followers claim counts from the next epoch on, which the same commit begins
	cutting    bool         // the log is being cut: Reopened ends it
	unsynced   int64        // records appended since the last sync was asked for, and those of which recovery did not know that they are durable
	failed     errcode.Code // not None: the replica is given up and answers with it

	own parkedProduces // acks=1: wait for the leader's own end
	all parkedProduces // acks=all: wait for the high watermark
}

// Facts are what a change brought about. Callers pass an empty one and read it after the call.
type Facts struct {
	Acked []Ack // produces that no longer wait
	Moved bool  // consumers can read further, or the high watermark moved
}

// Ack ends the wait of one partition of a produce. Err is None when it is acknowledged.
type Ack struct {
	Produce uint64
	Index   int32
	Err     errcode.Code
}

// New returns the replica of a log. hw is the checkpointed high watermark: what is known to be committed.
func New(self record.NodeID, topic string, log stream.Log, hw record.Offset, s Settings) *Partition {
	return &Partition{Log: log, Settings: s, Topic: topic, self: self, hw: max(log.Start, min(hw, log.Ends.Log)), assigned: Assignment{Leader: record.NoNode},
		unsynced: int64(log.Ends.Log - log.Ends.Durable)}
}

// Assigned returns what the image last said.
func (p *Partition) Assigned() *Assignment { return &p.assigned }

// Leading reports whether this replica leads and serves.
func (p *Partition) Leading() bool { return p.leading && p.failed == errcode.None }

// Failed returns the code with which a given-up replica answers, or None.
func (p *Partition) Failed() errcode.Code { return p.failed }

// HighWatermark returns the first offset that is not committed.
func (p *Partition) HighWatermark() record.Offset { return p.hw }

// ReadEnd returns the first offset that consumers do not get: committed, and in the file.
func (p *Partition) ReadEnd() record.Offset { return min(p.hw, p.Written) }

// Ready reports whether the high watermark has reached the start of this leadership's epoch: until then it may lag behind what an earlier leader
// acknowledged, and questions for the latest offset must not be answered (OFFSET_NOT_AVAILABLE).
func (p *Partition) Ready() bool { return p.hw >= p.epochStart }

// Role is what an assignment makes of a replica.
type Role uint8

// The roles of Assign.
const (
	Unchanged Role = iota
	Leads          // it begins to lead
	Follows        // it begins to follow, or waits for a leader
)

// Assign takes over what the image says; now is in milliseconds. When the leader epoch is new, a generation starts and the disk must Sync in it: what recovery kept
// may not be durable, and completions of appends in flight count no more.
func (p *Partition) Assign(a Assignment, now int64, facts *Facts) (role Role) {
	newEpoch := a.LeaderEpoch > p.assigned.LeaderEpoch || p.assigned.Leader == record.NoNode && a.Leader != record.NoNode
	if a.PartitionEpoch != p.assigned.PartitionEpoch || newEpoch {
		p.proposing, p.proposed, p.doubted = false, nil, nil // the committed image answers, whatever it was
	}
	p.assigned = a
	p.assigned.ISR, p.assigned.Replicas = slices.Clone(a.ISR), slices.Clone(a.Replicas)
	switch {
	case a.Leader != p.self:
		p.leading = false
		p.release(errcode.NotLeaderOrFollower, facts)
		if newEpoch {
			role = Follows
		}
	case newEpoch:
		role, p.leading, p.hardening = Leads, true, false
		p.epochStart = p.Log.Ends.Log
		// The epoch begins at the log end now, not at its first append: else a follower of an earlier epoch is told a wrong point to cut at (KAFKA-7415).
		p.Epochs.Assign(a.LeaderEpoch, p.epochStart)
		p.beginFollowers(now)
	default:
		p.resetFollowers(now)
	}
	if role != Unchanged {
		p.NewGeneration()
	}
	p.advance(facts)
	return role
}

// CanAppend returns the reason why a batch with these acks must be refused before it gets an offset, or None.
func (p *Partition) CanAppend(acks int16) errcode.Code {
	switch {
	case p.failed != errcode.None:
		return p.failed
	case !p.leading:
		return errcode.NotLeaderOrFollower
	case acks == -1 && len(p.assigned.ISR) < p.effectiveMinInsync():
		return errcode.NotEnoughReplicas
	}
	return errcode.None
}

// effectiveMinInsync is min(min.insync.replicas, replication factor): a topic of one replica works whatever the configured minimum.
func (p *Partition) effectiveMinInsync() int {
	return min(int(p.MinInsync), max(len(p.assigned.Replicas), 1))
}

// Append assigns the batch its offsets. rolled says that the disk must Roll to the batch's base offset first.
// now is the broker's time, ms the monotonic one.
func (p *Partition) Append(b *record.Batch, now record.UnixMillis, ms int64) (rolled bool) {
	if p.CanAppend(1) != errcode.None {
		panic("invariant: append to a replica that does not lead")
	}
	for i := range p.followers { // who had everything until now was caught up until now
		if f := &p.followers[i]; f.end >= p.Ends.Log {
			f.caught = ms
		}
	}
	p.unsynced += int64(b.Count)
	return p.Log.Append(b, p.assigned.LeaderEpoch, p.Roll, now)
}

// Unsynced reports whether records were appended since the last sync was asked for.
func (p *Partition) Unsynced() bool { return p.unsynced > 0 }

// Flush reports whether a sync is to be asked for now: something is unsynced and the replica stands.
func (p *Partition) Flush() bool {
	if p.unsynced == 0 || p.failed != errcode.None {
		return false
	}
	p.unsynced = 0
	return true
}

// SyncNow reports whether the append just made must be synced: always in durable mode, else when flush.messages records have gathered.
func (p *Partition) SyncNow() bool {
	if p.unsynced < p.FlushMessages {
		return false
	}
	p.unsynced = 0
	return true
}

// Park makes a produce wait until everything below upTo has the acknowledgement that acks asks for. It returns false if that is so already.
func (p *Partition) Park(acks int16, upTo record.Offset, produce uint64, index int32) bool {
	q, end := &p.all, p.ackedEnd()
	if acks == 1 {
		q, end = &p.own, p.ownEnd()
	}
	if upTo <= end {
		return false
	}
	q.push(parkedProduce{upTo, produce, index})
	return true
}

// ownEnd is how far this replica has what it was given: durably, or written where the topic is relaxed.
func (p *Partition) ownEnd() record.Offset {
	if p.Settings.Durable() {
		return p.Ends.Durable
	}
	return p.Written
}

// ackedEnd is what acks=all may be told of: the high watermark, in durable mode as far as it is durable here. It lags behind the watermark only after a topic
// has become durable, until what was written before is synced.
func (p *Partition) ackedEnd() record.Offset {
	if p.Settings.Durable() {
		return min(p.hw, p.Ends.Durable)
	}
	return p.hw
}

// Configure takes over changed settings. They hold at once: nothing is acknowledged any more that the new ones do not allow, and who waits only for what
// they do not ask for is let go. sync says that the disk must Sync: what was written is to become durable. The high watermark does not fall: consumers may
// have read up to it; new records raise it when they, and so everything before them, are durable.
func (p *Partition) Configure(s Settings, facts *Facts) (sync bool) {
	hardened := s.Durable() && !p.Settings.Durable()
	p.Settings = s
	if hardened && len(p.followers) > 0 {
		p.hardening = true
		for i := range p.followers {
			p.followers[i].end = record.NoOffset
		}
	}
	if p.Leading() && (hardened && p.Ends.Durable < p.Ends.Log || p.unsynced > 0 && p.unsynced >= s.FlushMessages) {
		p.unsynced, sync = 0, true
	}
	p.advance(facts)
	return sync
}

// OnWritten and OnDurable are the completions of the disk.
func (p *Partition) OnWritten(g stream.Generation, upTo record.Offset, facts *Facts) {
	if p.Log.OnWritten(g, upTo) {
		p.advance(facts)
	}
}

// OnDurable is the completion of a sync: bytes below upTo survive power loss.
func (p *Partition) OnDurable(g stream.Generation, upTo record.Offset, facts *Facts) {
	if p.Log.OnDurable(g, upTo) {
		p.advance(facts)
	}
}

// advance moves the high watermark to the least end of the in-sync replicas and lets go whom that satisfies.
func (p *Partition) advance(facts *Facts) {
	if !p.Leading() {
		return
	}
	facts.Moved = true
	if end := p.inSync(); end > p.hw && len(p.assigned.ISR) >= p.effectiveMinInsync() {
		p.hw = end
	}
	p.own.pop(p.ownEnd(), facts)
	p.all.pop(p.ackedEnd(), facts)
	p.check()
}

// Expires returns the log start that retention leaves, never beyond the high watermark (KAFKA-5634); ok is false if nothing goes. rest says that all records
// go: a segment must begin at the log end first.
func (p *Partition) Expires(now record.UnixMillis) (start record.Offset, rest, ok bool) {
	if !p.Leading() {
		return 0, false, false
	}
	start = p.Expired(p.Retention, now, p.hw)
	segments := p.Segments()
	return start, start == p.Ends.Log && len(segments) > 0 && segments[len(segments)-1].Size > 0, start != p.Start
}

// Retain moves the log start to what Expires returned. It reports whether segments went: the disk must Delete below the log start.
func (p *Partition) Retain(start record.Offset) (gone bool) {
	gone = p.DeleteBelow(start)
	p.check()
	return gone
}

// Fail gives the replica up: whatever waits, and whoever asks from here on, gets code.
func (p *Partition) Fail(code errcode.Code, facts *Facts) {
	p.failed = code
	facts.Moved = true
	p.release(code, facts)
}

func (p *Partition) release(code errcode.Code, facts *Facts) {
	p.own.drain(code, facts)
	p.all.drain(code, facts)
}

func (p *Partition) check() {
	if p.hw < p.Start || p.hw > p.Ends.Log || p.Ends.Durable > p.Written || p.Written > p.Ends.Log {
		panic(fmt.Sprintf("invariant: %v: start %d, durable %d, written %d, log end %d, high watermark %d",
			p.ID, p.Start, p.Ends.Durable, p.Written, p.Ends.Log, p.hw))
	}
}
