package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// vote is who votes, and in which epoch.
type vote struct {
	by    record.NodeID
	epoch record.Epoch
}

// voteAsked names a request for a vote.
type voteAsked struct {
	conn        core.ConnID
	correlation int32
}

// ballot is what it asks for.
type ballot struct {
	epoch     record.Epoch
	candidate record.NodeID
}

// checkSpeech looks at what a node says to others of the quorum: it rests on what the platter has (Q2, Q3).
func (n *node) checkSpeech(ev *core.Event) {
	l := &n.log
	if ev.Kind == core.EvRequest {
		if b, ok := ev.Request.Body.(*kmsg.VoteRequest); ok && len(b.Topics) == 1 && len(b.Topics[0].Partitions) == 1 && !b.Topics[0].Partitions[0].PreVote {
			p := &b.Topics[0].Partitions[0]
			l.asked[voteAsked{ev.Request.Conn, ev.Request.Correlation}] = ballot{record.Epoch(p.CandidateEpoch), record.NodeID(p.CandidateID)}
		}
	}
	for i := range n.p.fx.Replies {
		n.checkReply(&n.p.fx.Replies[i])
	}
	for i := range n.p.fx.Calls {
		n.checkCall(&n.p.fx.Calls[i])
	}
}

func (n *node) checkReply(r *core.Reply) {
	key := voteAsked{r.Conn, r.Correlation}
	asked, voted := n.log.asked[key]
	delete(n.log.asked, key)
	switch b := r.Body.(type) {
	case *kmsg.VoteResponse:
		if b.ErrorCode != int16(errcode.None) || len(b.Topics) != 1 {
			return
		}
		p := &b.Topics[0].Partitions[0]
		n.says(record.Epoch(p.LeaderEpoch), "answers a request for a vote")
		if p.VoteGranted && voted {
			n.votes(asked.epoch, asked.candidate)
		}
	case *kmsg.BeginQuorumEpochResponse:
		if len(b.Topics) == 1 {
			n.says(record.Epoch(b.Topics[0].Partitions[0].LeaderEpoch), "answers a leader")
		}
	}
}

func (n *node) checkCall(c *core.Call) {
	switch b := c.Body.(type) {
	case *kmsg.VoteRequest:
		if !n.w.opt.Nodes[n.id].Voter {
			n.w.fail(Correctness, "Q1", fmt.Sprintf("%s asks for votes, and is no voter", n.name))
		}
		if p := &b.Topics[0].Partitions[0]; !p.PreVote {
			n.votes(record.Epoch(p.CandidateEpoch), n.self())
		}
	case *kmsg.BeginQuorumEpochRequest:
		n.says(record.Epoch(b.Topics[0].Partitions[0].LeaderEpoch), "says that it leads")
	case *kmsg.FetchRequest:
		if c.Lane == core.LaneQuorum && len(b.Topics) == 1 {
			p := &b.Topics[0].Partitions[0]
			n.says(record.Epoch(p.CurrentLeaderEpoch), "fetches")
			n.claims(record.Offset(p.FetchOffset))
		}
	}
}

// votes enters a vote that leaves the node: it gives one in an epoch, whatever happens to it, and the platter knows of it (Q2).
func (n *node) votes(epoch record.Epoch, candidate record.NodeID) {
	w := n.w
	if w.quorum.votes == nil {
		w.quorum.votes = map[vote]record.NodeID{}
	}
	v := vote{n.self(), epoch}
	if was, given := w.quorum.votes[v]; given && was != candidate {
		w.fail(Correctness, "Q2", fmt.Sprintf("%s votes for node %d in epoch %d, in which it voted for %d", n.name, candidate, epoch, was))
	}
	w.quorum.votes[v] = candidate
	if has := n.remembers(); has.Epoch < epoch || has.Epoch == epoch && has.Voted != candidate {
		w.fail(Correctness, "Q2", fmt.Sprintf("%s votes for node %d in epoch %d, and its platter has a vote for %d in epoch %d", n.name, candidate, epoch, has.Voted, has.Epoch))
	}
	if !w.opt.Nodes[n.id].Voter {
		w.fail(Correctness, "Q1", fmt.Sprintf("%s votes, and is no voter", n.name))
	}
}

// forget drops what a node has voted, with its disk: its budget is that nobody can ask for those votes again.
func (q *quorumWatch) forget(id record.NodeID) {
	for v := range q.votes { // any order: each by itself
		if v.by == id {
			delete(q.votes, v)
		}
	}
}

// says: an epoch that others hear of is on the platter.
func (n *node) says(epoch record.Epoch, what string) {
	if has := n.remembers(); has.Epoch < epoch {
		n.w.fail(Correctness, "Q2", fmt.Sprintf("%s %s in epoch %d, and its platter knows of epoch %d", n.name, what, epoch, has.Epoch))
	}
}

// remembers is what the platter has of quorum-state.
func (n *node) remembers() image.QuorumState {
	data, ok := n.disk.DurableData(n.rootOf(0) + core.QuorumStateSlot.Name)
	if !ok {
		return image.QuorumState{Epoch: record.NoEpoch, Voted: record.NoNode}
	}
	s, err := image.ParseQuorumState(data)
	if err != nil {
		n.w.fail(Correctness, "Q2", n.name+": "+err.Error())
	}
	return s
}

// claims: a fetch offset says that everything below is on the platter (Q3).
func (n *node) claims(offset record.Offset) {
	l := n.log.batches
	for k := len(l) - 1; k >= 0; k-- {
		if l[k].next <= offset {
			if !n.platterHas(l[k]) {
				n.w.fail(Correctness, "Q3", fmt.Sprintf("%s fetches from offset %d, and its platter has not the batch at %d of epoch %d", n.name, offset, l[k].base, l[k].epoch))
			}
			return
		}
	}
}

// checkSnapshot: a snapshot that is stored holds what the log up to its end makes (Q7).
func (n *node) checkSnapshot(s *core.Store) {
	if s.Remove || !strings.HasPrefix(s.Slot.Name, metadataFolder) || !strings.HasSuffix(s.Slot.Name, ".checkpoint") {
		return
	}
	var end record.Offset
	if _, err := fmt.Sscanf(s.Slot.Name[len(metadataFolder):], "%d-", &end); err != nil {
		n.w.fail(Correctness, "Q7", s.Slot.Name+": "+err.Error())
		return
	}
	want, seen := n.w.quorum.images[end-1]
	if !seen {
		return
	}
	img, err := replayed(s.Bytes)
	if err != nil {
		n.w.fail(Correctness, "Q7", s.Slot.Name+": "+err.Error())
	} else if n.w.quorum.sum(img) != want.sum {
		n.w.fail(Correctness, "Q7", fmt.Sprintf("%s stores %s, and the log up to there makes another image", n.name, s.Slot.Name))
	}
}

// replayed reads a snapshot.
func replayed(file []byte) (*image.Image, error) {
	p := image.NewReplayer(image.Empty())
	it := record.Batches(file)
	for it.Next() {
		if it.Batch.Control() {
			continue
		}
		records := it.Batch.Records(nil, nil)
		for records.Next() {
			r, _, err := image.ParseRecord(slices.Clone(records.Record.Value))
			if err == nil {
				err = p.Apply(r, image.At{Offset: it.Batch.BaseOffset, Epoch: it.Batch.LeaderEpoch})
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if it.Err() != nil {
		return nil, it.Err()
	}
	return p.Image()
}
