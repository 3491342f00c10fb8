package quorum

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
)

// machine boots node self of three voters on a log of 9 offsets, epochs 1 and 4, and has its state stored and its log loaded.
func machine(t *testing.T, self record.NodeID, state string) *Quorum {
	t.Helper()
	log := stream.NewLog(stream.Metadata, 0, 0, 9, 9, []stream.Segment{{}}, []stream.EpochStart{{Epoch: 1}, {Epoch: 4, Start: 5}})
	var f Facts
	q, err := Boot(Config{Self: self, Voters: []record.NodeID{1, 2, 3}, ElectionMs: 100, FetchMs: 200, BackoffMs: 50, RetryMs: 5, MaxBytes: 1 << 20, Limits: stream.RollLimits{Bytes: 1 << 20}},
		log, []byte(state), record.NoEpoch, prng.FromNumber(1, 1), 0, &f)
	if err != nil {
		t.Fatal(err)
	}
	q.Stored(0, f.Version, &f)
	q.Loaded(0, &f)
	return q
}

const follows = `{"leaderId":2,"leaderEpoch":4,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`

func voteOf(r Reply) *kmsg.VoteResponseTopicPartition {
	return &r.Body.(*kmsg.VoteResponse).Topics[0].Partitions[0]
}

// TestVoteIsStoredFirst: a vote that leaves before it is on the disk is given again after a power loss (row 37).
func TestVoteIsStoredFirst(t *testing.T) {
	q, asks := machine(t, 1, follows), machine(t, 3, follows)
	var f Facts
	q.Vote(1, 7, asks.voteRequest(1, 5, false).(*kmsg.VoteRequest), &f)
	if len(f.Replies) != 0 || f.Store == nil {
		t.Fatalf("%d replies, state %s", len(f.Replies), f.Store)
	}
	var after Facts
	q.Stored(2, f.Version, &after)
	if len(after.Replies) != 1 || !voteOf(after.Replies[0]).VoteGranted {
		t.Fatalf("after it is stored: %+v", after.Replies)
	}
	var again Facts // and nobody else gets it
	q.Vote(3, 8, machine(t, 2, follows).voteRequest(1, 5, false).(*kmsg.VoteRequest), &again)
	if len(again.Replies) != 1 || voteOf(again.Replies[0]).VoteGranted {
		t.Errorf("a second vote in epoch 5: %+v", again.Replies)
	}
}

// TestObserversDoNotStand: who is no voter asks for no vote, however long it hears nothing (row 47), and gives none.
func TestObserversDoNotStand(t *testing.T) {
	q := machine(t, 9, follows)
	for now := int64(0); now < 100_000*ms; now += 50 * ms {
		var f Facts
		q.Timeout(now, &f)
		for _, call := range f.Calls {
			if _, ok := call.Body.(*kmsg.FetchRequest); !ok {
				t.Fatalf("an observer sends %T", call.Body)
			}
			q.Answered(now, call, nil, &f)
		}
	}
	var f Facts
	q.Vote(1, 7, machine(t, 3, follows).voteRequest(9, 5, false).(*kmsg.VoteRequest), &f)
	if r := f.Replies[0].Body.(*kmsg.VoteResponse); r.ErrorCode == 0 {
		t.Error("an observer votes")
	}
}

// elect has q win epoch 5.
func elect(t *testing.T, q *Quorum) {
	t.Helper()
	var f Facts
	now := int64(1000 * ms)
	q.Timeout(now, &f)
	for range 2 { // pre-votes, then votes
		calls := f.Calls
		f = Facts{}
		for _, call := range calls {
			if req, ok := call.Body.(*kmsg.VoteRequest); ok {
				resp := req.ResponseKind().(*kmsg.VoteResponse)
				resp.Topics = []kmsg.VoteResponseTopic{{Partitions: []kmsg.VoteResponseTopicPartition{{VoteGranted: true, LeaderID: -1, LeaderEpoch: req.Topics[0].Partitions[0].CandidateEpoch}}}}
				q.Answered(now, call, resp, &f)
			}
		}
		if f.Store != nil {
			q.Stored(now, f.Version, &f)
		}
	}
	if !q.Active() || q.Epoch() != 5 {
		t.Fatalf("%v of epoch %d", q.Role(), q.Epoch())
	}
}

// TestOlderEpochsDoNotCommit: that a majority has a record of an older epoch commits nothing: another leader may still have it cut (Raft §5.4.2, row 40).
func TestOlderEpochsDoNotCommit(t *testing.T) {
	q := machine(t, 1, follows)
	elect(t, q)
	var f Facts
	for _, replica := range []record.NodeID{2, 3} {
		q.Fetch(2000*ms, Asked{Replica: replica, Epoch: 5, Offset: 9, LastEpoch: 4}, nil, nil, &f)
	}
	if q.HighWatermark() != 0 || q.Ready() {
		t.Fatalf("committed up to %d before a batch of epoch 5", q.HighWatermark())
	}
	b := record.Batch{Size: 100, Count: 1}
	q.Append(&b)
	q.OnDurable(2001*ms, q.Generation, 10, &f)
	if q.HighWatermark() != 0 {
		t.Fatalf("committed up to %d by the leader alone", q.HighWatermark())
	}
	q.Fetch(2002*ms, Asked{Replica: 2, Epoch: 5, Offset: 10, LastEpoch: 5}, nil, nil, &f)
	if q.HighWatermark() != 10 || !q.Ready() {
		t.Fatalf("committed up to %d, want 10", q.HighWatermark())
	}
}

// TestLateAnswers: an answer to a fetch of an earlier epoch says nothing of this one (row 22).
func TestLateAnswers(t *testing.T) {
	q := machine(t, 1, follows)
	var f Facts
	q.Timeout(10*ms, &f)
	old := Call{To: 2, Body: q.fetchRequest()}
	q.becomeFollower(20*ms, 6, 2, &f)
	q.Stored(21*ms, f.Version, &f)
	if !q.pull.busy {
		t.Fatal("it does not fetch from the leader of epoch 6")
	}
	resp := kmsg.NewPtrFetchResponse()
	p := kmsg.NewFetchResponseTopicPartition()
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 2, 4
	p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 1, 5
	resp.Topics = []kmsg.FetchResponseTopic{{Partitions: []kmsg.FetchResponseTopicPartition{p}}}
	var late Facts
	q.Answered(22*ms, old, resp, &late)
	if late.Cut || !q.pull.busy {
		t.Errorf("an answer of epoch 4 has the log of epoch 6 cut to %d", late.To)
	}
}

// TestFetchFromBeforeTheOldestSnapshot: a follower whose last record is of an epoch that the leader has only in snapshots takes a snapshot: where its log parts from the
// leader's the leader does not know any more, and a diverging epoch would have it cut what is committed.
func TestFetchFromBeforeTheOldestSnapshot(t *testing.T) {
	q := machine(t, 2, `{"leaderId":-1,"leaderEpoch":4,"votedId":2,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`)
	q.Start, q.role, q.leading, q.peers = 7, Leader, true, map[record.NodeID]*peer{}
	oldest, newest := &SnapshotID{End: 7, Epoch: 4}, &SnapshotID{End: 8, Epoch: 4}
	for _, c := range []struct {
		offset    record.Offset
		lastEpoch record.Epoch
		snapshot  bool
	}{{9, 1, true}, {8, 1, true}, {7, 4, false}, {9, 4, false}, {6, 4, true}} {
		var f Facts
		v := q.Fetch(0, Asked{Replica: 3, Epoch: 4, Offset: c.offset, LastEpoch: c.lastEpoch}, oldest, newest, &f)
		if got := v.Snapshot != nil; got != c.snapshot || v.Diverges {
			t.Errorf("a fetch from %d behind epoch %d: %+v", c.offset, c.lastEpoch, v)
		}
	}
}

// TestDivergenceAtTheOldestSnapshot: a follower that goes on in the epoch in which the leader's oldest snapshot ends parts from the leader there, and not at its own log's
// start: what lies between is committed.
func TestDivergenceAtTheOldestSnapshot(t *testing.T) {
	leader, follower := machine(t, 2, `{"leaderId":-1,"leaderEpoch":4,"votedId":2,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`), machine(t, 3, follows)
	log := stream.NewLog(stream.Metadata, 0, 7, 9, 9, []stream.Segment{{Base: 7}}, []stream.EpochStart{{Epoch: 5, Start: 7}})
	leader.Log, leader.epoch, leader.role, leader.leading, leader.peers = log, 5, Leader, true, map[record.NodeID]*peer{}
	oldest := &SnapshotID{End: 7, Epoch: 4}
	var f Facts
	v := leader.Fetch(0, Asked{Replica: 3, Epoch: 5, Offset: 9, LastEpoch: 4}, oldest, oldest, &f)
	if !v.Diverges || v.Epoch != 4 || v.End != 7 {
		t.Fatalf("a fetch from 9 behind epoch 4: %+v", v)
	}
	if follower.diverged(v.Epoch, v.End, &f); !f.Cut || f.To != 7 {
		t.Errorf("the follower cuts its log to %d, want 7", f.To)
	}
}

// A prospect whose log is being cut counts no votes: an answer to its round before, in the same epoch, may still come (seed 603744 of quorum: the node crashed).
func TestVoteWhileTheLogIsCut(t *testing.T) {
	for _, cutting := range []bool{true, false} {
		q := &Quorum{cfg: Config{Self: 1, Voters: []record.NodeID{1, 2, 3}}, voter: true, epoch: 4, leader: record.NoNode, voted: record.NoNode, cutting: cutting, random: prng.FromNumber(1, 1)}
		q.becomeProspective(0, record.NoNode, &Facts{})
		req, resp := q.voteRequest(2, 4, true).(*kmsg.VoteRequest), kmsg.NewPtrVoteResponse()
		p := kmsg.NewVoteResponseTopicPartition()
		p.LeaderEpoch, p.LeaderID, p.VoteGranted = 4, -1, true
		resp.Topics = []kmsg.VoteResponseTopic{{Partitions: []kmsg.VoteResponseTopicPartition{p}}}
		q.Answered(1, Call{To: 2, Body: req}, resp, &Facts{})
		if want := map[bool]Role{true: Prospective, false: Candidate}[cutting]; q.role != want {
			t.Errorf("its log is cut: %t; the role is %v, want %v", cutting, q.role, want)
		}
	}
}
