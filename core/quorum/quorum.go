// Package quorum leads the metadata log: KRaft with a voter set of one today. What a larger set changes (votes, fetches, the commit rule) happens
// inside this package; the log, its replay and everything above see only facts.
//
//	Booting --state stored, log loaded--> Leading --own epoch's first batch durable--> active
//
// Invariants: an epoch is on disk before anything is written in it. The high watermark does not show anything before a batch of the leader's own epoch
// is durable (Raft §5.4.2); from then on it is the durable end.
package quorum

import (
	"fmt"
	"math"
	"slices"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// Quorum is the metadata log's replica on this node.
type Quorum struct {
	stream.Log
	self   record.NodeID
	epoch  record.Epoch
	stored bool // the epoch is on disk
	loaded bool // the log is replayed up to its recovered end
	leader bool
	start  record.Offset // log end when this leadership began: its LeaderChange batch lies there
	hw     record.Offset
	failed bool
	limits stream.RollLimits
	kraft  int16 // level of kraft.version; 1: the voters are in the log
	voters *image.Voters
}

// Boot takes up the log that recovery found and the quorum-state file, nil if there is none. It returns the state to store: the epoch in which this
// incarnation will lead. A node whose log was written in a later epoch than its state file says has lost the file: it must not reuse that epoch either.
// snapshot is the epoch of its newest snapshot, NoEpoch without one. A state that names other voters is not this node's to lead.
func Boot(self record.NodeID, log stream.Log, state []byte, snapshot record.Epoch, limits stream.RollLimits) (*Quorum, []byte, error) {
	q := &Quorum{Log: log, self: self, hw: log.Start, limits: limits}
	next := image.QuorumState{Leader: self, Voted: record.NoNode}
	if state != nil {
		s, err := image.ParseQuorumState(state)
		if err != nil {
			return nil, nil, err
		}
		if len(s.Voters) > 0 && !slices.Equal(s.Voters, []record.NodeID{self}) {
			return nil, nil, notAlone(s.Voters)
		}
		q.epoch, next.Version = s.Epoch, s.Version
	}
	if q.epoch = max(q.epoch, log.Epochs.Latest(), snapshot); q.epoch == math.MaxInt32 {
		return nil, nil, fmt.Errorf("epoch %d is the last there is: a node cannot lead the metadata log again", q.epoch)
	}
	q.epoch++
	next.Epoch = q.epoch
	if next.Version == 0 {
		next.Voters = []record.NodeID{self}
	}
	return q, next.Append(nil), nil
}

func notAlone(voters []record.NodeID) error {
	return fmt.Errorf("the metadata quorum has the voters %v, and this node would lead alone: only a directory of a single controller opens", voters)
}

// Take notes a control record that was read back. An error: other voters than this node.
func (q *Quorum) Take(r image.Control) error {
	switch r := r.(type) {
	case *image.KRaftVersion:
		q.kraft = r.Level
	case *image.Voters:
		q.voters = r
		if len(r.Voters) != 1 || r.Voters[0].ID != q.self {
			var ids []record.NodeID
			for i := range r.Voters {
				ids = append(ids, r.Voters[i].ID)
			}
			return notAlone(ids)
		}
	}
	return nil
}

// SnapshotControls returns what a snapshot's first batch holds behind its header: the voters, where kraft.version keeps them in the log.
func (q *Quorum) SnapshotControls() (controls []image.Control) {
	if q.kraft > 0 {
		controls = append(controls, &image.KRaftVersion{Level: q.kraft})
		if q.voters != nil {
			controls = append(controls, q.voters)
		}
	}
	return controls
}

// Epoch returns the epoch that this node leads in, or is about to.
func (q *Quorum) Epoch() record.Epoch { return q.epoch }

// HighWatermark returns the first offset that is not committed.
func (q *Quorum) HighWatermark() record.Offset { return q.hw }

// Active reports whether records may be appended and count as this leader's.
func (q *Quorum) Active() bool { return q.leader && !q.failed }

// Loaded tells that the log is replayed up to its recovered end; Stored, that the epoch is on disk. Both return true when leadership begins with them:
// the caller then appends the LeaderChange batch first of all.
func (q *Quorum) Loaded() bool {
	q.loaded = true
	return q.maybeLead()
}

// Stored tells that the epoch is on disk.
func (q *Quorum) Stored() bool {
	q.stored = true
	return q.maybeLead()
}

func (q *Quorum) maybeLead() bool {
	if !q.stored || !q.loaded || q.leader {
		return false
	}
	q.leader = true
	q.start = q.Ends.Log
	q.NewGeneration()
	return true
}

// LeaderChange returns the value of the control record that begins this epoch.
func (q *Quorum) LeaderChange() []byte {
	self := []record.NodeID{q.self}
	value, err := image.AppendControl(nil, &image.LeaderChange{Leader: q.self, Voters: self, Granting: self})
	if err != nil {
		panic("invariant: LeaderChange cannot be written: " + err.Error())
	}
	return value
}

// Append assigns offsets to a batch of metadata.
func (q *Quorum) Append(b *record.Batch) (rolled bool) {
	if !q.Active() {
		panic("invariant: metadata appended without leading")
	}
	return q.Log.Append(b, q.epoch, q.limits, b.MaxTimestamp)
}

// CanAppend returns why records cannot be appended now, or None.
func (q *Quorum) CanAppend() errcode.Code {
	if !q.Active() {
		return errcode.NotController
	}
	return errcode.None
}

// OnDurable is the completion of a sync. It reports whether the high watermark moved.
func (q *Quorum) OnDurable(g stream.Generation, upTo record.Offset) bool {
	if !q.Log.OnDurable(g, upTo) || !q.leader || q.Ends.Durable <= q.start {
		return false
	}
	q.hw = q.Ends.Durable
	return true
}

// Fail gives the metadata log up: its directory failed.
func (q *Quorum) Fail() { q.failed = true }
