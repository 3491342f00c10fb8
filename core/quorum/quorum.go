// Package quorum is a node's part in the metadata quorum: KRaft, which is Raft by pull (KIP-595), with static voters and pre-votes (KIP-996). A node whose id is
// not among the voters is an observer: it follows and counts for nothing.
//
//	unattached ──timeout──▶ prospective ──pre-votes──▶ candidate ──votes──▶ leader ──no majority──▶ resigned
//	     └──────────── told of a leader ──▶ follower ──no answer──▶ prospective
//
// The machine is fed with requests, answers, completions of the disk and time; what it wants done it adds to Facts. The log, its replay and everything
// above it see only those.
//
// Invariants, for each node: epochs never fall; one vote in an epoch; nothing leaves that rests on a state which is not on the disk; a fetch offset is a
// durable end; the high watermark shows nothing before a batch of the leader's own epoch is durable on a majority (Raft §5.4.2), and never falls.
package quorum

import (
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
)

// Config is what holds for an incarnation.
type Config struct {
	Self       record.NodeID
	Voters     []record.NodeID // rising
	ClusterID  string
	ElectionMs int64 // controller.quorum.election.timeout.ms
	FetchMs    int64 // controller.quorum.fetch.timeout.ms
	BackoffMs  int64 // controller.quorum.election.backoff.max.ms
	RetryMs    int64 // controller.quorum.retry.backoff.ms
	MaxBytes   int32 // controller.quorum.fetch.max.bytes
	Limits     stream.RollLimits
}

// Role is what a node is in its epoch.
type Role uint8

// The roles.
const (
	Unattached Role = iota
	Prospective
	Candidate
	Follower
	Leader
	Resigned
)

// String returns the role's word.
func (r Role) String() string {
	return [...]string{"unattached", "prospective", "candidate", "follower", "leader", "resigned"}[r]
}

// Quorum is the metadata log's replica on this node.
type Quorum struct {
	stream.Log
	cfg    Config
	voter  bool
	random prng.Source

	role     Role
	epoch    record.Epoch
	leader   record.NodeID // of epoch, as far as known
	voted    record.NodeID // in epoch
	schema   int16         // of quorum-state: the level of kraft.version
	due      int64         // when the role's time is up; never: math.MaxInt64
	granted  map[record.NodeID]bool
	rejected map[record.NodeID]bool

	version uint64 // of quorum-state, as it is to be on the disk
	stored  uint64 // as it is
	held    []held // what must wait until it is

	loaded   bool // the log is read back
	leading  bool // leader, and told so
	start    record.Offset
	hw       record.Offset
	failed   bool
	stopping bool
	kraft    int16 // level of kraft.version; 1: the voters are in the log
	voters   *image.Voters

	peers   map[record.NodeID]*peer // of a leader: voters and observers
	checked int64                   // of a leader: when a majority was last known to fetch
	pull    pull
	asked   int          // of an observer: how many voters it has asked who leads
	cutting bool         // the log is being cut or replaced: Reopened ends it
	below   record.Epoch // of the last record that only a snapshot has
}

// never is a time that does not come.
const never = math.MaxInt64

// Facts are what a change asks for. The caller passes an empty one and carries it out after the call, in the order of the fields.
type Facts struct {
	Store   []byte // quorum-state to be stored, as Version; nil: none
	Version uint64
	Ended   bool          // this node's leadership has ended: the working image goes
	Cut     bool          // the log must be cut to To: what lies there and above is not the leader's
	To      record.Offset // of Cut
	Records []byte        // fetched from the leader: to be checked, accepted and appended
	Empty   *SnapshotID   // the log must be replaced by this snapshot
	Began   bool          // leadership began: the tail is to be applied, then LeaderChange appended
	Moved   bool          // the high watermark moved, or who leads
	Calls   []Call
	Replies []Reply
}

// Call is a request to another node of the quorum. Answered ends it.
type Call struct {
	To   record.NodeID
	Body kmsg.Request
}

// Reply answers the request that came with Token.
type Reply struct {
	Token uint64
	Body  kmsg.Response
}

// SnapshotID names a snapshot: everything below End is in it; Epoch is that of the last record contained.
type SnapshotID struct {
	End   record.Offset
	Epoch record.Epoch
}

// held is a call or a reply that waits for version of quorum-state.
type held struct {
	version uint64
	call    Call
	reply   Reply
}

// Boot takes up the log that recovery found and the quorum-state file, nil if there is none. facts get the state to store. A node whose log was written in a
// later epoch than its state file says has lost the file: it must not reuse that epoch either. snapshot is the epoch of its newest snapshot, NoEpoch without one.
// A state that names other voters than the configuration is refused.
func Boot(cfg Config, log stream.Log, state []byte, snapshot record.Epoch, random prng.Source, now int64, f *Facts) (*Quorum, error) {
	q := &Quorum{Log: log, cfg: cfg, voter: slices.Contains(cfg.Voters, cfg.Self), random: random, hw: log.Start, leader: record.NoNode, voted: record.NoNode, due: never, below: snapshot}
	if state != nil {
		s, err := image.ParseQuorumState(state)
		if err != nil {
			return nil, err
		}
		if len(s.Voters) > 0 && !slices.Equal(s.Voters, cfg.Voters) {
			return nil, otherVoters(s.Voters, cfg.Voters)
		}
		q.epoch, q.schema, q.leader, q.voted = s.Epoch, s.Version, s.Leader, s.Voted
	}
	if known := max(log.Epochs.Latest(), snapshot); known > q.epoch {
		q.epoch, q.leader, q.voted = known, record.NoNode, cfg.Self // as if it had voted: it may have
	}
	if q.epoch == math.MaxInt32 {
		return nil, fmt.Errorf("epoch %d is the last there is: nobody can lead the metadata log again", q.epoch)
	}
	switch {
	case q.alone():
		q.epoch++
		q.role, q.leader, q.voted = Leader, cfg.Self, record.NoNode
		q.peers = map[record.NodeID]*peer{}
	case q.leader == cfg.Self: // it led; its working image and who fetched are forgotten
		q.role = Resigned
		q.wait(now, q.electionTime())
	case q.leader != record.NoNode:
		q.role = Follower
		q.wait(now, q.fetchTime())
	default:
		q.role = Unattached
		q.wait(now, q.electionTime())
	}
	q.save(f)
	return q, nil
}

func otherVoters(has, configured []record.NodeID) error {
	return fmt.Errorf("the metadata quorum has the voters %v, and controller.quorum.voters names %v: they must be the same", has, configured)
}

// alone reports whether this node is the only voter: it leads without asking anybody.
func (q *Quorum) alone() bool { return q.voter && len(q.cfg.Voters) == 1 }

// Take notes a control record that was read back or fetched. An error: other voters than configured.
func (q *Quorum) Take(r image.Control) error {
	switch r := r.(type) {
	case *image.KRaftVersion:
		q.kraft = r.Level
	case *image.Voters:
		q.voters = r
		var ids []record.NodeID
		for i := range r.Voters {
			ids = append(ids, r.Voters[i].ID)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, q.cfg.Voters) {
			return otherVoters(ids, q.cfg.Voters)
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

// Epoch returns the epoch that this node is in.
func (q *Quorum) Epoch() record.Epoch { return q.epoch }

// Role returns what it is there.
func (q *Quorum) Role() Role { return q.role }

// LeaderID returns who leads the epoch, NoNode if this node does not know.
func (q *Quorum) LeaderID() record.NodeID { return q.leader }

// Voted returns whom this node voted for in its epoch, NoNode if nobody. A leader voted for itself.
func (q *Quorum) Voted() record.NodeID {
	if q.role == Leader {
		return q.cfg.Self
	}
	return q.voted
}

// HighWatermark returns the first offset that is not committed.
func (q *Quorum) HighWatermark() record.Offset { return q.hw }

// Active reports whether records may be appended and count as this leader's.
func (q *Quorum) Active() bool { return q.leading && !q.failed && !q.stopping }

// Ready reports whether a batch of this leadership is committed: everything before it is, too, and the controller may serve.
func (q *Quorum) Ready() bool { return q.Active() && q.hw > q.start }

// Cutting reports whether the log is about to be another one: cut, or replaced by a snapshot.
func (q *Quorum) Cutting() bool { return q.cutting }

// Observer reports whether this node is no voter.
func (q *Quorum) Observer() bool { return !q.voter }

// Deadline returns when Timeout is due; never is math.MaxInt64.
func (q *Quorum) Deadline() int64 {
	at := q.due
	if q.role == Leader {
		at = min(at, q.leaderDue())
	}
	if q.follows() && !q.pull.busy && q.Ends.Durable == q.Ends.Log {
		at = min(at, q.pull.retry)
	}
	return at
}

// Fail gives the metadata log up: its directory failed.
func (q *Quorum) Fail() { q.failed = true }

func (q *Quorum) wait(now, ms int64) { q.due = now + ms*1_000_000 }

// electionTime is drawn anew for each wait, so that voters do not all wake at once (Raft §9.3).
func (q *Quorum) electionTime() int64 {
	if !q.voter {
		return never / 2_000_000
	}
	return q.cfg.ElectionMs + int64(q.random.N(uint64(max(q.cfg.ElectionMs, 1))))
}

func (q *Quorum) fetchTime() int64 {
	if !q.voter {
		return never / 2_000_000
	}
	return q.cfg.FetchMs
}

// save has the state stored. What is added to facts from here on waits for it.
func (q *Quorum) save(f *Facts) {
	q.version++
	s := image.QuorumState{Version: q.schema, Leader: q.leader, Epoch: q.epoch, Voted: q.voted}
	if s.Version == 0 {
		s.Voters = q.cfg.Voters
	}
	f.Store, f.Version = s.Append(nil), q.version
}

// Stored tells that quorum-state is on the disk as of a version. What waited for it leaves.
func (q *Quorum) Stored(now int64, version uint64, f *Facts) {
	q.stored = max(q.stored, version)
	n := 0
	for ; n < len(q.held) && q.held[n].version <= q.stored; n++ {
		if h := &q.held[n]; h.call.Body != nil {
			f.Calls = append(f.Calls, h.call)
		} else {
			f.Replies = append(f.Replies, h.reply)
		}
	}
	q.held = q.held[:copy(q.held, q.held[n:])]
	q.maybeBegin(now, f)
	q.maybeFetch(now, f)
}

// call and reply are the only ways out: they wait for the state that they rest on (row 37 of the known bugs).
func (q *Quorum) call(f *Facts, to record.NodeID, body kmsg.Request) {
	if q.stored < q.version {
		q.held = append(q.held, held{version: q.version, call: Call{To: to, Body: body}})
		return
	}
	f.Calls = append(f.Calls, Call{To: to, Body: body})
}

func (q *Quorum) reply(f *Facts, token uint64, body kmsg.Response) {
	if q.stored < q.version {
		q.held = append(q.held, held{version: q.version, reply: Reply{Token: token, Body: body}})
		return
	}
	f.Replies = append(f.Replies, Reply{Token: token, Body: body})
}

// Loaded tells that the log is read back up to its recovered end.
func (q *Quorum) Loaded(now int64, f *Facts) {
	q.loaded = true
	q.maybeBegin(now, f)
	q.maybeFetch(now, f)
}

// lastEpoch is that of the log's last record; 0 of an empty one.
func (q *Quorum) lastEpoch() record.Epoch { return max(q.Epochs.Latest(), q.below, 0) }

// CanAppend returns why records cannot be appended now, or None.
func (q *Quorum) CanAppend() errcode.Code {
	if !q.Active() {
		return errcode.NotController
	}
	return errcode.None
}

// Append assigns offsets to a batch of metadata.
func (q *Quorum) Append(b *record.Batch) (rolled bool) {
	if !q.Active() {
		panic("invariant: metadata appended without leading")
	}
	return q.Log.Append(b, q.epoch, q.cfg.Limits, b.MaxTimestamp)
}
