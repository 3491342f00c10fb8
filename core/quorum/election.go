package quorum

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// Timeout does what is due.
func (q *Quorum) Timeout(now int64, f *Facts) {
	if q.failed {
		return
	}
	if q.role == Leader {
		q.leaderTimeout(now, f)
	}
	if now >= q.due {
		switch q.role {
		case Unattached, Follower, Resigned, Candidate:
			q.becomeProspective(now, q.leader, f)
		case Prospective: // nobody could win: heard from nobody, or too many refused
			q.becomeProspective(now, record.NoNode, f)
		case Leader:
			q.due = never
		}
	}
	q.maybeFetch(now, f)
}

// turn takes a role within an epoch that is not lower than the present one. A vote and a leader are of their epoch.
func (q *Quorum) turn(role Role, epoch record.Epoch, leader, voted record.NodeID, f *Facts) {
	if epoch < q.epoch || epoch == q.epoch && q.voted != record.NoNode && voted != q.voted && voted != record.NoNode {
		panic("invariant: an epoch fell, or a second vote in it")
	}
	changed := epoch != q.epoch || leader != q.leader || voted != q.voted
	if q.leading {
		q.leading, f.Ended = false, true
	}
	f.Moved = f.Moved || leader != q.leader || epoch != q.epoch
	q.role, q.epoch, q.leader, q.voted = role, epoch, leader, voted
	q.granted, q.rejected, q.peers = nil, nil, nil
	q.pull = pull{}
	if changed {
		q.save(f)
	}
}

func (q *Quorum) becomeUnattached(now int64, epoch record.Epoch, f *Facts) {
	voted := record.NoNode
	if epoch == q.epoch {
		voted = q.voted
	}
	q.turn(Unattached, epoch, record.NoNode, voted, f)
	q.wait(now, q.electionTime())
}

func (q *Quorum) becomeFollower(now int64, epoch record.Epoch, leader record.NodeID, f *Facts) {
	voted := record.NoNode
	if epoch == q.epoch {
		voted = q.voted
	}
	q.turn(Follower, epoch, leader, voted, f)
	q.wait(now, q.fetchTime())
}

// becomeProspective asks whether an election could be won, without changing anything for anybody (KIP-996).
func (q *Quorum) becomeProspective(now int64, leader record.NodeID, f *Facts) {
	if !q.voter || q.stopping { // an observer never stands (row 47)
		q.due = never
		return
	}
	q.turn(Prospective, q.epoch, leader, q.voted, f)
	q.wait(now, q.electionTime())
	if q.cutting {
		return // what this log is to end with is not known yet
	}
	q.granted, q.rejected = map[record.NodeID]bool{q.cfg.Self: true}, map[record.NodeID]bool{}
	q.askVotes(q.epoch, true, f)
}

func (q *Quorum) becomeCandidate(now int64, f *Facts) {
	q.turn(Candidate, q.epoch+1, record.NoNode, q.cfg.Self, f)
	q.wait(now, q.electionTime())
	q.granted, q.rejected = map[record.NodeID]bool{q.cfg.Self: true}, map[record.NodeID]bool{}
	q.askVotes(q.epoch, false, f)
}

func (q *Quorum) askVotes(epoch record.Epoch, pre bool, f *Facts) {
	for _, id := range q.cfg.Voters {
		if id != q.cfg.Self {
			q.call(f, id, q.voteRequest(id, epoch, pre))
		}
	}
}

func (q *Quorum) voteRequest(to record.NodeID, epoch record.Epoch, pre bool) kmsg.Request {
	req := kmsg.NewPtrVoteRequest()
	req.Version = 2
	req.ClusterID, req.VoterID = &q.cfg.ClusterID, int32(to)
	p := kmsg.NewVoteRequestTopicPartition()
	p.CandidateEpoch, p.CandidateID, p.PreVote = int32(epoch), int32(q.cfg.Self), pre
	p.LastOffsetEpoch, p.LastOffset = int32(q.lastEpoch()), int64(q.Ends.Log)
	req.Topics = []kmsg.VoteRequestTopic{{Topic: stream.MetadataName, Partitions: []kmsg.VoteRequestTopicPartition{p}}}
	return req
}

// Vote answers a request for a vote. An error that it returns is of the whole request.
func (q *Quorum) Vote(now int64, token uint64, req *kmsg.VoteRequest, f *Facts) {
	resp := req.ResponseKind().(*kmsg.VoteResponse)
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Topic != stream.MetadataName || req.Topics[0].Partitions[0].Partition != 0 {
		resp.ErrorCode = int16(errcode.InvalidRequest)
		q.reply(f, token, resp)
		return
	}
	if code := q.checkRequest(req.ClusterID, record.NodeID(req.VoterID), req.Version >= 1); code != errcode.None {
		resp.ErrorCode = int16(code)
		q.reply(f, token, resp)
		return
	}
	p := &req.Topics[0].Partitions[0]
	out := kmsg.NewVoteResponseTopicPartition()
	code, granted := q.vote(now, record.Epoch(p.CandidateEpoch), record.NodeID(p.CandidateID), p.PreVote, record.Epoch(p.LastOffsetEpoch), record.Offset(p.LastOffset), f)
	out.ErrorCode, out.VoteGranted, out.LeaderID, out.LeaderEpoch = int16(code), granted, int32(q.leader), int32(q.epoch)
	resp.Topics = []kmsg.VoteResponseTopic{{Topic: stream.MetadataName, Partitions: []kmsg.VoteResponseTopicPartition{out}}}
	q.reply(f, token, resp)
}

func (q *Quorum) vote(now int64, epoch record.Epoch, candidate record.NodeID, pre bool, lastEpoch record.Epoch, end record.Offset, f *Facts) (errcode.Code, bool) {
	switch {
	case epoch < 0 || lastEpoch < 0 || end < 0 || lastEpoch > epoch || !pre && lastEpoch >= epoch:
		return errcode.InvalidRequest, false
	case !slices.Contains(q.cfg.Voters, candidate):
		return errcode.InconsistentVoterSet, false
	case epoch < q.epoch:
		return errcode.FencedLeaderEpoch, false
	}
	if epoch > q.epoch {
		q.becomeUnattached(now, epoch, f)
	}
	current := lastEpoch > q.lastEpoch() || lastEpoch == q.lastEpoch() && end >= q.Ends.Log
	if pre {
		return errcode.None, current && !q.hears()
	}
	if !current || q.leader != record.NoNode || q.voted != record.NoNode && q.voted != candidate {
		return errcode.None, false
	}
	if q.voted == record.NoNode {
		q.turn(Unattached, epoch, record.NoNode, candidate, f)
		q.wait(now, q.electionTime())
	}
	return errcode.None, true
}

// hears reports whether a leader is there as far as this node can see: then it supports no election. It takes no note of who asks: a node that is cut off
// from the leader alone must not keep this one from noticing later that the leader is gone (row 43).
func (q *Quorum) hears() bool {
	return q.role == Leader || q.role == Follower && q.pull.heard
}

// onVote counts an answer.
func (q *Quorum) onVote(now int64, from record.NodeID, req *kmsg.VoteRequest, resp *kmsg.VoteResponse, f *Facts) {
	if errcode.Code(resp.ErrorCode) != errcode.None || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return
	}
	asked, p := &req.Topics[0].Partitions[0], &resp.Topics[0].Partitions[0]
	// Who grants a vote has lost the leader that it names, too: they must not remind one another of it for ever.
	if (!p.VoteGranted || record.Epoch(p.LeaderEpoch) > q.epoch) && q.observe(now, record.Epoch(p.LeaderEpoch), record.NodeID(p.LeaderID), f) {
		return
	}
	counts := q.role == Prospective && asked.PreVote || q.role == Candidate && !asked.PreVote
	if !counts || q.granted == nil || record.Epoch(asked.CandidateEpoch) != q.epoch { // none are counted while the log is cut: one may come from a round before
		return
	}
	if p.VoteGranted {
		q.granted[from] = true
	} else {
		q.rejected[from] = true
	}
	switch {
	case len(q.granted) >= q.majority() && q.role == Prospective:
		q.becomeCandidate(now, f)
	case len(q.granted) >= q.majority():
		q.becomeLeader(now, f)
	case len(q.cfg.Voters)-len(q.rejected) < q.majority(): // lost: try again after a while that differs from node to node
		q.wait(now, 1+int64(q.random.N(uint64(max(q.cfg.BackoffMs, 1)))))
	}
}

func (q *Quorum) majority() int { return len(q.cfg.Voters)/2 + 1 }

// observe takes note of an epoch and its leader that another node told of. It reports whether this node's role changed.
func (q *Quorum) observe(now int64, epoch record.Epoch, leader record.NodeID, f *Facts) bool {
	known := leader >= 0 && leader != q.cfg.Self
	switch {
	case epoch > q.epoch && known:
		q.becomeFollower(now, epoch, leader, f)
	case epoch > q.epoch:
		q.becomeUnattached(now, epoch, f)
	case epoch == q.epoch && known && q.role != Follower && q.role != Leader && (q.leader == record.NoNode || q.leader == leader):
		q.becomeFollower(now, epoch, leader, f)
	default:
		return false
	}
	return true
}

// checkRequest returns why a request of another node cannot be meant for this one.
func (q *Quorum) checkRequest(cluster *string, voter record.NodeID, names bool) errcode.Code {
	switch {
	case cluster != nil && *cluster != q.cfg.ClusterID:
		return errcode.InconsistentClusterID
	case names && voter >= 0 && voter != q.cfg.Self:
		return errcode.InvalidVoterKey
	case !q.voter:
		return errcode.InconsistentVoterSet
	}
	return errcode.None
}

// BeginEpoch answers a leader that says that it leads.
func (q *Quorum) BeginEpoch(now int64, token uint64, req *kmsg.BeginQuorumEpochRequest, f *Facts) {
	resp := req.ResponseKind().(*kmsg.BeginQuorumEpochResponse)
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Topic != stream.MetadataName {
		resp.ErrorCode = int16(errcode.InvalidRequest)
	} else {
		resp.ErrorCode = int16(q.checkRequest(req.ClusterID, record.NodeID(req.VoterID), req.Version >= 1))
	}
	if resp.ErrorCode != 0 {
		q.reply(f, token, resp)
		return
	}
	p := &req.Topics[0].Partitions[0]
	epoch, leader := record.Epoch(p.LeaderEpoch), record.NodeID(p.LeaderID)
	out := kmsg.NewBeginQuorumEpochResponseTopicPartition()
	switch {
	case epoch < q.epoch:
		out.ErrorCode = int16(errcode.FencedLeaderEpoch)
	case !slices.Contains(q.cfg.Voters, leader):
		out.ErrorCode = int16(errcode.InconsistentVoterSet)
	case epoch == q.epoch && q.leader != record.NoNode && q.leader != leader: // no two lead one epoch: one of them is not speaking of this quorum
		out.ErrorCode = int16(errcode.InvalidRequest)
	default:
		q.observe(now, epoch, leader, f)
	}
	out.LeaderID, out.LeaderEpoch = int32(q.leader), int32(q.epoch)
	resp.Topics = []kmsg.BeginQuorumEpochResponseTopic{{Topic: stream.MetadataName, Partitions: []kmsg.BeginQuorumEpochResponseTopicPartition{out}}}
	q.reply(f, token, resp)
	q.maybeFetch(now, f)
}

// EndEpoch answers a leader that stops: its successors stand at once, one after the other.
func (q *Quorum) EndEpoch(now int64, token uint64, req *kmsg.EndQuorumEpochRequest, f *Facts) {
	resp := req.ResponseKind().(*kmsg.EndQuorumEpochResponse)
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Topic != stream.MetadataName {
		resp.ErrorCode = int16(errcode.InvalidRequest)
	} else {
		resp.ErrorCode = int16(q.checkRequest(req.ClusterID, record.NoNode, false))
	}
	if resp.ErrorCode != 0 {
		q.reply(f, token, resp)
		return
	}
	p := &req.Topics[0].Partitions[0]
	out := kmsg.NewEndQuorumEpochResponseTopicPartition()
	epoch, leader := record.Epoch(p.LeaderEpoch), record.NodeID(p.LeaderID)
	if epoch < q.epoch {
		out.ErrorCode = int16(errcode.FencedLeaderEpoch)
	} else if slices.Contains(q.cfg.Voters, leader) && leader != q.cfg.Self {
		q.observe(now, epoch, leader, f)
		if q.role == Follower && q.leader == leader && q.epoch == epoch {
			q.pull.heard = false // it hears no more of it
			place := slices.Index(p.PreferredSuccessors, int32(q.cfg.Self))
			if place < 0 {
				place = len(p.PreferredSuccessors)
			}
			q.wait(now, int64(place)*max(q.cfg.ElectionMs/4, 1))
		}
	}
	out.LeaderID, out.LeaderEpoch = int32(q.leader), int32(q.epoch)
	resp.Topics = []kmsg.EndQuorumEpochResponseTopic{{Topic: stream.MetadataName, Partitions: []kmsg.EndQuorumEpochResponseTopicPartition{out}}}
	q.reply(f, token, resp)
}

// Answered ends a call. resp is nil where no answer came.
func (q *Quorum) Answered(now int64, call Call, resp kmsg.Response, f *Facts) {
	if q.failed {
		return
	}
	switch req := call.Body.(type) {
	case *kmsg.VoteRequest:
		if r, ok := resp.(*kmsg.VoteResponse); ok {
			q.onVote(now, call.To, req, r, f)
		}
	case *kmsg.BeginQuorumEpochRequest:
		if r, ok := resp.(*kmsg.BeginQuorumEpochResponse); ok && len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 {
			q.observe(now, record.Epoch(r.Topics[0].Partitions[0].LeaderEpoch), record.NodeID(r.Topics[0].Partitions[0].LeaderID), f)
		}
		if p := q.peers[call.To]; p != nil {
			p.asking = false
		}
	case *kmsg.FetchRequest:
		q.onFetched(now, call.To, req, resp, f)
	}
	if f.Records == nil { // else when they are durable, or refused
		q.maybeFetch(now, f)
	}
}
