package quorum

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// peer is what a leader knows of a replica that fetches: another voter, or an observer.
type peer struct {
	end      record.Offset // its fetch offset: what it has durably. NoOffset: it has not fetched in this epoch
	told     record.Offset // high watermark in the last answer
	fetched  int64         // when it last fetched
	caughtUp int64         // when it last fetched what was the log end then
	asking   bool          // a BeginQuorumEpoch is under way
	begin    int64         // when the next one is due
}

// observersMax bounds whom DescribeQuorum tells of.
const observersMax = 1000

func (q *Quorum) becomeLeader(now int64, f *Facts) {
	q.turn(Leader, q.epoch, q.cfg.Self, q.voted, f)
	q.due = never
	q.checked = now
	q.peers = map[record.NodeID]*peer{}
	for _, id := range q.cfg.Voters {
		if id != q.cfg.Self {
			q.peers[id] = &peer{end: record.NoOffset, told: record.NoOffset, fetched: -1, caughtUp: -1, begin: now}
		}
	}
	q.maybeBegin(now, f)
	q.leaderTimeout(now, f)
}

// maybeBegin begins the leadership when the epoch is on the disk and the log in memory.
func (q *Quorum) maybeBegin(now int64, f *Facts) {
	if q.role != Leader || q.leading || !q.loaded || q.stored < q.version || q.failed {
		return
	}
	q.leading = true
	q.start = q.Ends.Log
	q.checked = now
	q.NewGeneration() // completions of what was appended as a follower must not count for this leadership before the Sync that follows
	f.Began = true
}

// LeaderChange returns the value of the control record that begins this epoch.
func (q *Quorum) LeaderChange() []byte {
	change := &image.LeaderChange{Leader: q.cfg.Self, Voters: q.cfg.Voters}
	for _, id := range q.cfg.Voters {
		if id == q.cfg.Self || q.granted[id] {
			change.Granting = append(change.Granting, id)
		}
	}
	value, err := image.AppendControl(nil, change)
	if err != nil {
		panic("invariant: LeaderChange cannot be written: " + err.Error())
	}
	return value
}

// OnDurable is the completion of a sync.
func (q *Quorum) OnDurable(now int64, g stream.Generation, upTo record.Offset, f *Facts) {
	if !q.Log.OnDurable(g, upTo) || q.failed {
		return
	}
	q.advance(f)
	q.maybeFetch(now, f)
}

// advance moves a leader's high watermark to what a majority of the voters has durably, itself among them if it is one, once that covers a batch of its own epoch
// (Raft §5.4.2).
func (q *Quorum) advance(f *Facts) {
	if !q.leading {
		return
	}
	ends := make([]record.Offset, 0, len(q.cfg.Voters))
	for _, id := range q.cfg.Voters {
		switch p := q.peers[id]; {
		case id == q.cfg.Self:
			ends = append(ends, q.Ends.Durable)
		case p != nil:
			ends = append(ends, p.end)
		}
	}
	slices.Sort(ends)
	if agreed := ends[len(ends)-q.majority()]; agreed > q.start && agreed > q.hw {
		q.hw, f.Moved = agreed, true
	}
}

// resignTime is how long a leader goes on without a majority (KAFKA-15489).
func (q *Quorum) resignTime() int64 { return q.cfg.FetchMs * 3 / 2 * 1_000_000 }

func (q *Quorum) leaderDue() int64 {
	at := int64(never)
	if !q.alone() {
		at = q.checked + q.resignTime()
	}
	for _, id := range q.cfg.Voters {
		if p := q.peers[id]; p != nil && !p.asking {
			at = min(at, p.begin)
		}
	}
	return at
}

// leaderTimeout tells voters that have not fetched who leads, and resigns when a majority has not fetched for too long: another one may lead a later epoch already.
func (q *Quorum) leaderTimeout(now int64, f *Facts) {
	if q.alone() {
		return
	}
	if now >= q.checked+q.resignTime() {
		q.resign(now, f)
		return
	}
	for _, id := range q.cfg.Voters {
		p := q.peers[id]
		if p == nil || p.asking || now < p.begin {
			continue
		}
		p.asking, p.begin = true, now+q.cfg.FetchMs/2*1_000_000
		q.call(f, id, q.beginRequest(id))
	}
}

func (q *Quorum) resign(now int64, f *Facts) {
	q.turn(Resigned, q.epoch, q.leader, q.voted, f)
	q.wait(now, q.electionTime())
}

func (q *Quorum) beginRequest(to record.NodeID) kmsg.Request {
	req := kmsg.NewPtrBeginQuorumEpochRequest()
	req.Version = 1
	req.ClusterID, req.VoterID = &q.cfg.ClusterID, int32(to)
	p := kmsg.NewBeginQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = int32(q.cfg.Self), int32(q.epoch)
	req.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: stream.MetadataName, Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{p}}}
	return req
}

// Stop ends this node's part in order: a leader tells the voters, best successor first, and stands no more. Calls is empty where nobody needs to know.
func (q *Quorum) Stop(now int64, f *Facts) {
	if q.stopping {
		return
	}
	wasLeader := q.role == Leader && !q.alone()
	q.stopping = true
	if !wasLeader {
		return
	}
	var successors []record.NodeID
	for _, id := range q.cfg.Voters {
		if id != q.cfg.Self {
			successors = append(successors, id)
		}
	}
	peers := q.peers
	slices.SortStableFunc(successors, func(a, b record.NodeID) int { return int(peers[b].end - peers[a].end) })
	epoch := q.epoch
	q.resign(now, f)
	for _, id := range successors {
		q.call(f, id, q.endRequest(epoch, successors))
	}
}

func (q *Quorum) endRequest(epoch record.Epoch, successors []record.NodeID) kmsg.Request {
	req := kmsg.NewPtrEndQuorumEpochRequest()
	req.Version = 0
	req.ClusterID = &q.cfg.ClusterID
	p := kmsg.NewEndQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = int32(q.cfg.Self), int32(epoch)
	for _, id := range successors {
		p.PreferredSuccessors = append(p.PreferredSuccessors, int32(id))
	}
	req.Topics = []kmsg.EndQuorumEpochRequestTopic{{Topic: stream.MetadataName, Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{p}}}
	return req
}

// Asked is what a replica asks of the leader in a Fetch or FetchSnapshot.
type Asked struct {
	Replica   record.NodeID
	Epoch     record.Epoch // that it believes in
	Offset    record.Offset
	LastEpoch record.Epoch // of the record before Offset
}

// Verdict is the answer to a Fetch, but for its records.
type Verdict struct {
	Err      errcode.Code
	Diverges bool
	Epoch    record.Epoch // of Diverges: the largest that the leader has not above the one asked, and where it ends
	End      record.Offset
	Snapshot *SnapshotID // the log begins above the offset: this has what is below
	Now      bool        // answer at once: there is something to tell
}

// Fetch judges a replica's fetch and takes note of what it has. oldest and newest are the snapshots that are kept. The records from Offset on are given up to the written end;
// Told says what high watermark the answer carried.
func (q *Quorum) Fetch(now int64, a Asked, oldest, newest *SnapshotID, f *Facts) Verdict {
	if v := q.checkAsked(a); v.Err != errcode.None {
		return v
	}
	_, knows := q.peers[a.Replica]
	isVoter := slices.Contains(q.cfg.Voters, a.Replica)
	// What lies just below the log start only the snapshot that ends there can vouch for; and of a log that ends in an epoch before that of the oldest snapshot nobody knows
	// here any more where it parts from this one (Kafka's validateOffsetAndEpoch).
	if a.Offset < q.Start || oldest != nil && q.Start > 0 && a.LastEpoch < oldest.Epoch || a.Offset == q.Start && q.Start > 0 && (oldest == nil || oldest.End != q.Start || oldest.Epoch != a.LastEpoch) {
		if newest == nil {
			return Verdict{Err: errcode.UnknownServerError}
		}
		q.note(now, a, isVoter, knows, record.NoOffset, f)
		return Verdict{Snapshot: newest, Now: true}
	}
	if epoch, end, same := q.agrees(a, oldest); !same {
		q.note(now, a, isVoter, knows, record.NoOffset, f)
		return Verdict{Diverges: true, Epoch: epoch, End: end, Now: true}
	}
	q.note(now, a, isVoter, knows, a.Offset, f)
	p := q.peers[a.Replica]
	return Verdict{Now: a.Offset < q.Written || p != nil && p.told < q.hw}
}

// checkAsked returns the error of a question that this node cannot answer in its epoch.
func (q *Quorum) checkAsked(a Asked) Verdict {
	switch {
	case !q.leading || q.failed:
		if a.Epoch >= 0 && a.Epoch < q.epoch {
			return Verdict{Err: errcode.FencedLeaderEpoch}
		}
		return Verdict{Err: errcode.NotLeaderOrFollower}
	case a.Epoch < q.epoch:
		return Verdict{Err: errcode.FencedLeaderEpoch}
	case a.Epoch > q.epoch:
		return Verdict{Err: errcode.UnknownLeaderEpoch}
	case a.Offset < 0 || a.LastEpoch < 0 || a.LastEpoch > a.Epoch || a.Replica == q.cfg.Self:
		return Verdict{Err: errcode.InvalidRequest}
	}
	return Verdict{}
}

// agrees reports whether the record before the offset asked for is in this log, of that epoch; else where the logs part at the latest (KIP-595). Below the first epoch of
// the log that is the end of the oldest snapshot, in its epoch (Kafka's endOffsetForEpoch).
func (q *Quorum) agrees(a Asked, oldest *SnapshotID) (record.Epoch, record.Offset, bool) {
	if a.Offset == q.Start {
		return 0, 0, true
	}
	epoch, end := q.Epochs.EndOffset(a.LastEpoch, q.Ends.Log)
	if epoch == a.LastEpoch && a.Offset <= end {
		return 0, 0, true
	}
	if epoch == record.NoEpoch {
		epoch, end = 0, max(q.Start, 0)
		if oldest != nil && q.Start > 0 {
			epoch = oldest.Epoch
		}
	}
	return epoch, min(end, q.Ends.Log), false
}

// note takes down that a replica fetched. Only a voter's end counts for the high watermark (rows 39, 47); an end does not fall within an epoch unless the replica lost its disk
// (row 57): then what it had is not there any more, and the watermark just does not move for its sake.
func (q *Quorum) note(now int64, a Asked, isVoter, knows bool, end record.Offset, f *Facts) {
	if a.Replica < 0 || !knows && len(q.peers) >= observersMax {
		return
	}
	p := q.peers[a.Replica]
	if p == nil {
		p = &peer{told: record.NoOffset, caughtUp: -1, begin: never}
		q.peers[a.Replica] = p
	}
	p.end, p.fetched = end, now
	if end >= q.Ends.Log {
		p.caughtUp = now
	}
	if isVoter {
		p.begin = now + q.cfg.FetchMs/2*1_000_000
		q.countMajority()
		q.advance(f)
	}
}

// countMajority moves the time at which a majority was last known to fetch: the leader itself, and the latest of the others.
func (q *Quorum) countMajority() {
	var times []int64
	for _, id := range q.cfg.Voters {
		if p := q.peers[id]; p != nil {
			times = append(times, p.fetched)
		}
	}
	slices.Sort(times)
	if need := q.majority() - 1; need > 0 {
		q.checked = max(q.checked, times[len(times)-need])
	}
}

// Told says what high watermark an answer to a replica carries.
func (q *Quorum) Told(replica record.NodeID) {
	if p := q.peers[replica]; p != nil {
		p.told = q.hw
	}
}

// Behind reports whether a replica has something to hear of: records, or a higher watermark.
func (q *Quorum) Behind(replica record.NodeID, offset record.Offset) bool {
	p := q.peers[replica]
	return offset < q.Written || p != nil && p.told < q.hw
}

// ReplicaState is what a leader knows of a replica. Times are monotonic, −1 if unknown.
type ReplicaState struct {
	ID                record.NodeID
	End               record.Offset
	Fetched, CaughtUp int64
	Voter             bool
}

// Replicas returns the voters and observers by rising id, as the leader knows them.
func (q *Quorum) Replicas(now int64) (out []ReplicaState) {
	for _, id := range q.cfg.Voters {
		if id == q.cfg.Self {
			out = append(out, ReplicaState{id, q.Ends.Log, now, now, true})
		}
	}
	for id, p := range q.peers { // any order: sorted below
		out = append(out, ReplicaState{id, p.end, p.fetched, p.caughtUp, slices.Contains(q.cfg.Voters, id)})
	}
	slices.SortFunc(out, func(a, b ReplicaState) int { return int(a.ID - b.ID) })
	return out
}
