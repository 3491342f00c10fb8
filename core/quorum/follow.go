package quorum

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// pull is a follower's fetching from its leader.
//
// Invariant: one is under way, or what the last one brought is not durable yet, or the log is being cut, or the next one is due at retry.
type pull struct {
	busy   bool          // a fetch is under way
	heard  bool          // the leader has answered in this epoch, and not said that it stops
	retry  int64         // no fetch before
	known  record.Offset // high watermark by the leader's last answer
	silent int64         // of an observer: answers that did not come, one after another
}

// fetchWaitMs is how long a leader may park a fetch.
const fetchWaitMs = 500

// follows reports whether this node is to fetch: from its leader, or as an observer from any voter that may know who leads.
func (q *Quorum) follows() bool {
	return q.loaded && !q.cutting && !q.failed && !q.stopping && (q.role == Follower || !q.voter && q.role != Leader)
}

// maybeFetch asks for what comes next, from the durable end on: the offset of a fetch is a claim (row 38).
func (q *Quorum) maybeFetch(now int64, f *Facts) {
	if !q.follows() || q.pull.busy || now < q.pull.retry || q.Ends.Durable < q.Ends.Log {
		return
	}
	to := q.leader
	if to == record.NoNode { // an observer: one of the voters knows
		to = q.cfg.Voters[q.asked%len(q.cfg.Voters)]
		q.asked++
	}
	q.pull.busy = true
	q.call(f, to, q.fetchRequest())
}

func (q *Quorum) fetchRequest() kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 17
	req.ClusterID = &q.cfg.ClusterID
	req.ReplicaState.ID = int32(q.cfg.Self)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = fetchWaitMs, 0, q.cfg.MaxBytes, -1
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	t.TopicID = stream.MetadataTopic
	p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = int32(q.epoch), int64(q.Ends.Log), int32(q.lastEpoch())
	p.LogStartOffset, p.PartitionMaxBytes = int64(q.Start), q.cfg.MaxBytes
	t.Partitions = []kmsg.FetchRequestTopicPartition{p}
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}

// onFetched takes the answer to a fetch. It counts only if this node is still where it asked from (row 22).
func (q *Quorum) onFetched(now int64, from record.NodeID, req *kmsg.FetchRequest, resp kmsg.Response, f *Facts) {
	asked := &req.Topics[0].Partitions[0]
	if !q.follows() || !q.pull.busy || record.Epoch(asked.CurrentLeaderEpoch) != q.epoch || q.leader != record.NoNode && q.leader != from {
		return
	}
	q.pull.busy = false
	r, ok := resp.(*kmsg.FetchResponse)
	if !ok || errcode.Code(r.ErrorCode) != errcode.None || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		q.backOff(now)
		return
	}
	p := &r.Topics[0].Partitions[0]
	if q.observe(now, record.Epoch(p.CurrentLeader.LeaderEpoch), record.NodeID(p.CurrentLeader.LeaderID), f) {
		return
	}
	if errcode.Code(p.ErrorCode) != errcode.None || q.role != Follower || record.Offset(asked.FetchOffset) != q.Ends.Log {
		q.backOff(now)
		return
	}
	q.pull.heard = true
	q.wait(now, q.fetchTime())
	switch {
	case p.SnapshotID.EndOffset >= 0 && p.SnapshotID.Epoch >= 0:
		q.cutting = true
		f.Empty = &SnapshotID{End: record.Offset(p.SnapshotID.EndOffset), Epoch: record.Epoch(p.SnapshotID.Epoch)}
	case p.DivergingEpoch.Epoch >= 0 && p.DivergingEpoch.EndOffset >= 0:
		q.diverged(record.Epoch(p.DivergingEpoch.Epoch), record.Offset(p.DivergingEpoch.EndOffset), f)
	default:
		if len(p.RecordBatches) > 0 {
			f.Records = p.RecordBatches
		}
		q.pull.known = max(q.pull.known, record.Offset(p.HighWatermark))
	}
}

// Refused has the follower ask again, after a while, for what it did not accept.
func (q *Quorum) Refused(now int64) { q.backOff(now) }

// Learn moves a follower's high watermark to what its leader said, as far as its log goes. It is called when the records of the answer are accepted.
func (q *Quorum) Learn(f *Facts) {
	if hw := min(q.pull.known, q.Ends.Log); q.role != Leader && hw > q.hw {
		q.hw, f.Moved = hw, true
	}
}

func (q *Quorum) backOff(now int64) {
	q.pull.retry = now + max(q.cfg.RetryMs, 1)*1_000_000
	if !q.voter && q.role == Follower { // its leader may be gone: an observer asks the others
		q.pull.silent++
		if q.pull.silent*max(q.cfg.RetryMs, 1) > q.cfg.FetchMs {
			q.leader, q.role, q.pull.silent = record.NoNode, Unattached, 0
		}
	}
}

// diverged has the log cut where it parts from the leader's: at the end of the leader's epoch, or of this log's epochs up to that one if they end before.
func (q *Quorum) diverged(epoch record.Epoch, end record.Offset, f *Facts) {
	own, ownEnd := q.Epochs.EndOffset(epoch, q.Ends.Log)
	to := end
	if own == record.NoEpoch {
		ownEnd = q.Start
	}
	to = max(min(to, ownEnd), q.Start)
	if to < q.hw {
		panic(fmt.Sprintf("invariant: the metadata log is committed up to %d, and the leader of epoch %d has it cut to %d", q.hw, q.epoch, to))
	}
	q.cutting = true
	f.Cut, f.To = true, to
}

// Accept takes a batch that was fetched. An error: it does not go on from the log's end, or is of an epoch that it cannot have.
func (q *Quorum) Accept(b *record.Batch) (rolled bool, err error) {
	switch {
	case b.BaseOffset != q.Ends.Log:
		return false, fmt.Errorf("the leader sent offset %d, the log ends at %d", b.BaseOffset, q.Ends.Log)
	case b.LeaderEpoch < q.Epochs.Latest() || b.LeaderEpoch > q.epoch:
		return false, fmt.Errorf("the leader sent a batch of epoch %d at offset %d; the log's last is %d, the leader's own %d", b.LeaderEpoch, b.BaseOffset, q.Epochs.Latest(), q.epoch)
	}
	return q.Log.Accept(b, q.cfg.Limits, b.MaxTimestamp), nil
}

// Hears notes that the leader has answered, by something other than a fetch.
func (q *Quorum) Hears(now int64) {
	if q.role == Follower {
		q.wait(now, q.fetchTime())
	}
}

// Abandoned ends a wish for a snapshot that could not be had: the log stays as it is.
func (q *Quorum) Abandoned(now int64, f *Facts) {
	q.cutting = false
	q.backOff(now)
}

// Reopened takes the log over as it is after a cut, or with nothing but the snapshot below its start. Whoever was waiting for it goes on.
// below is the epoch of the newest snapshot, NoEpoch without one.
func (q *Quorum) Reopened(now int64, log stream.Log, below record.Epoch, f *Facts) {
	log.Generation = q.Generation
	q.Log, q.below = log, below
	q.hw = max(q.hw, log.Start)
	q.cutting = false
	q.maybeFetch(now, f)
}
