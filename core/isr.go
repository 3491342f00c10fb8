package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// altering is this node's part in changes of ISRs: one AlterPartition is under way. Its answer changes nothing, the committed image does; a partition whose
// proposal was refused proposes anew.
type altering struct {
	wishes  []stream.ID                 // partitions that may want another ISR
	body    *kmsg.AlterPartitionRequest // under way, or to be sent again; nil: none
	unsure  bool                        // it went out before, without an answer
	busy    bool
	unknown bool          // a follower claimed something with a broker epoch that the committed image does not have, or before all partitions are as that says
	heard   record.Offset // of the committed image by which such claims were looked at last
	resting bool          // a timer says when to send again
	begun   bool          // the timer of looks for followers that lag is set
}

// alterRetryMs is how long a refused or unanswered AlterPartition waits.
const alterRetryMs = 50

// heard takes what a follower's fetch claims: everything below the offsets that it asks for. What it asks in another epoch, or where its log has parted from this
// one, claims nothing.
func (c *Core) heard(req *api.FetchRequest) {
	registered := c.brokerEpochOf(req.ReplicaID)
	if len(c.takeUps) > 0 { // the ISR may be one of before the registration
		registered, c.altering.heard = noBroker, record.NoOffset
	}
	c.altering.unknown = c.altering.unknown || req.ReplicaEpoch != registered
	for i := range req.Partitions {
		p := &req.Partitions[i]
		rep, code := c.fetchable(req, p)
		if code != errcode.None || p.CurrentEpoch != rep.Assigned().LeaderEpoch || diverges(req, rep, p) {
			continue
		}
		var facts partition.Facts
		if rep.Heard(req.ReplicaID, req.ReplicaEpoch, registered, p.Offset, p.LogStart, c.nowMs(), &facts) {
			c.settle(rep, &facts)
			c.membersMayChange(rep)
			if len(c.deletings) > 0 {
				c.finishDeletings()
			}
		}
	}
}

// hearRegistered enters what followers claimed before their registration was known here: they need not name the partitions again.
func (c *Core) hearRegistered() {
	at := c.meta.committed.Offset()
	if !c.altering.unknown || len(c.takeUps) > 0 || c.altering.heard == at {
		return
	}
	c.altering.unknown, c.altering.heard = false, at
	for _, id := range c.sortedReplicas() {
		rep := c.replicas[id]
		var facts partition.Facts
		entered, waits := rep.Registered(c.brokerEpochOf, &facts)
		if c.altering.unknown = c.altering.unknown || waits; entered {
			c.settle(rep, &facts)
			c.membersMayChange(rep)
		}
	}
}

// brokerEpochOf is a broker's by the committed image; noBroker: it is not registered.
func (c *Core) brokerEpochOf(id record.NodeID) int64 {
	if b, ok := c.meta.committed.Broker(id); ok {
		return b.Epoch
	}
	return noBroker
}

// noBroker is no broker epoch, nor what a follower says that does not know its own.
const noBroker = -2

// hurryFollowers ends the waits of a new leader's followers, and keeps them short for a while: a fetch that is parked here does not name the partition yet, and acknowledgements
// would wait until its time is up.
func (c *Core) hurryFollowers(rep *replica) {
	for _, id := range rep.Assigned().Replicas {
		if id == c.self {
			continue
		}
		if c.hurry == nil {
			c.hurry = map[record.NodeID]Instant{}
		}
		c.hurry[id] = c.now.Mono + hurryMs*1_000_000
		for _, w := range c.followers.waiters.Of(id) {
			c.wake(w)
		}
	}
}

// hurryMs is how long a follower is expected to learn who leads now, and hurriedWaitMs the longest wait of its fetches meanwhile.
const (
	hurryMs       = 1000
	hurriedWaitMs = 10
)

// fetchWait is how long a fetch may be parked.
func (c *Core) fetchWait(req *api.FetchRequest) int64 {
	if req.ReplicaID >= 0 && c.now.Mono < c.hurry[req.ReplicaID] {
		return min(int64(req.MaxWaitMs), hurriedWaitMs)
	}
	return int64(req.MaxWaitMs)
}

// nowMs is the time by which followers lag.
func (c *Core) nowMs() int64 { return int64(c.now.Mono / 1_000_000) }

// membersMayChange looks at a partition at the end of the Step.
func (c *Core) membersMayChange(rep *replica) {
	if len(rep.Assigned().Replicas) < 2 || !rep.Leading() || rep.wishes {
		return
	}
	rep.wishes = true
	c.altering.wishes = append(c.altering.wishes, rep.ID)
	if !c.altering.begun {
		c.altering.begun = true
		c.after(timerKey{timerISR, 0}, max(c.cfg.Replication.LagMs/2, 1))
	}
}

// membersDue looks for followers that lag, in all partitions that this node leads.
func (c *Core) membersDue() {
	c.altering.begun = false
	for _, id := range c.sortedReplicas() {
		c.membersMayChange(c.replicas[id])
	}
}

// eligible says what the committed image knows of a broker, as one that may come to be in sync: it takes part, and the directory stands in which it has the replica.
func (c *Core) eligible(rep *replica, id record.NodeID) (epoch int64, ok bool) {
	b, known := c.meta.committed.Broker(id)
	t, there := c.meta.committed.TopicByID(rep.ID.Topic)
	if !known || !there || int(rep.ID.Partition) >= len(t.Partitions) {
		return -1, false
	}
	return b.Epoch, !b.Fenced && !b.InControlledShutdown && image.DirOnline(t.Partitions[rep.ID.Partition].DirectoryOf(id), b.LogDirs)
}

// mayAlter reports whether there is something to send, or to look at, and nothing in its way.
func (c *Core) mayAlter() bool {
	a := &c.altering
	return !a.busy && !a.resting && (len(a.wishes) > 0 || a.body != nil) && c.stop == serving
}

// alterSlice sends what partitions propose.
func (c *Core) alterSlice() {
	a := &c.altering
	if !c.mayAlter() || a.body == nil && !c.propose() {
		return
	}
	a.busy = true
	c.askController(a.body, (*Core).altered)
}

// propose makes a request of what up to a thousand partitions propose; false if none does.
func (c *Core) propose() bool {
	a := &c.altering
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version = 3
	req.BrokerID, req.BrokerEpoch = int32(c.self), c.brokerEpoch()
	n := min(len(a.wishes), partitionsPerFetch)
	sortIDs(a.wishes[:n])
	for _, id := range a.wishes[:n] {
		rep, ok := c.replicas[id]
		if !ok {
			continue
		}
		rep.wishes = false
		members := rep.Propose(c.nowMs(), c.cfg.Replication.LagMs, func(id record.NodeID) (int64, bool) { return c.eligible(rep, id) })
		if members == nil {
			continue
		}
		rep.Proposed(members)
		addProposal(req, rep, members)
	}
	a.wishes = a.wishes[:copy(a.wishes, a.wishes[n:])]
	if len(req.Topics) == 0 {
		return false
	}
	a.body = req
	return true
}

func addProposal(req *kmsg.AlterPartitionRequest, rep *replica, members []partition.Member) {
	if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != rep.ID.Topic {
		t := kmsg.NewAlterPartitionRequestTopic()
		t.TopicID = rep.ID.Topic
		req.Topics = append(req.Topics, t)
	}
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.Partition, p.LeaderEpoch, p.PartitionEpoch = rep.ID.Partition, int32(rep.Assigned().LeaderEpoch), rep.Assigned().PartitionEpoch
	for _, m := range members {
		e := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		e.BrokerID, e.BrokerEpoch = int32(m.ID), m.Epoch
		p.NewEpochISR = append(p.NewEpochISR, e)
	}
	t := &req.Topics[len(req.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

// altered takes the controller's answer. Without one nobody knows whether the change was committed: the same is asked again, until an answer or the committed image
// tells, and what it would add counts all that time.
func (c *Core) altered(resp kmsg.Response) {
	a := &c.altering
	a.busy = false
	r, ok := resp.(*kmsg.AlterPartitionResponse)
	if !ok || again(errcode.Code(r.ErrorCode)) {
		a.unsure = true
		c.alterLater()
		return
	}
	asked := a.body.Topics
	a.body = nil
	for i := range asked {
		for j := range asked[i].Partitions {
			id := stream.ID{Topic: asked[i].TopicID, Partition: asked[i].Partitions[j].Partition}
			code := errcode.Code(r.ErrorCode)
			if code == errcode.None {
				code = alterCode(r, id)
			}
			if refuses(code) {
				c.refused(id)
				c.alterLater()
			}
		}
	}
	a.unsure = false
}

// alterCode finds what an answer says of a partition.
func alterCode(r *kmsg.AlterPartitionResponse, id stream.ID) errcode.Code {
	for i := range r.Topics {
		if t := &r.Topics[i]; t.TopidID == id.Topic {
			for j := range t.Partitions {
				if p := &t.Partitions[j]; p.Partition == id.Partition {
					return errcode.Code(p.ErrorCode)
				}
			}
		}
	}
	return errcode.UnknownServerError
}

// refuses reports whether a proposal will never be committed. Of another partition epoch or leader the committed image is about to tell: the controller answers when
// what it goes by is committed.
func refuses(code errcode.Code) bool {
	switch code {
	case errcode.None, errcode.InvalidUpdateVersion, errcode.FencedLeaderEpoch, errcode.NewLeaderElected:
		return false
	}
	return true
}

// again reports whether a request was not decided: the node is not the controller, or was not when the answer was due.
func again(code errcode.Code) bool {
	return code == errcode.NotController || code == errcode.RequestTimedOut || code == errcode.CoordinatorNotAvailable
}

// refused ends a proposal that will never be committed.
func (c *Core) refused(id stream.ID) {
	rep, ok := c.replicas[id]
	if !ok {
		return
	}
	var facts partition.Facts
	rep.Refused(c.altering.unsure, &facts)
	c.settle(rep, &facts)
	c.membersMayChange(rep)
}

func (c *Core) alterLater() {
	if !c.altering.resting {
		c.altering.resting = true
		c.after(timerKey{timerAlter, 0}, alterRetryMs)
	}
}
