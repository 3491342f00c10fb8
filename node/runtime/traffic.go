package runtime

import (
	"sync"
	"sync/atomic"
	"time"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/stream"
)

// Traffic counts what passed through the node since its start: requests that were answered, or for one topic the partitions of them, records of clients and
// the bytes of their batches.
type Traffic struct {
	ProduceRequests, FetchRequests             int64
	FailedProduceRequests, FailedFetchRequests int64 // partitions that were refused
	MessagesIn, BytesIn, BytesOut              int64
	CopiedIn, CopiedOut                        int64 // bytes of batches between replicas, of the node alone
}

// Add adds other counters.
func (t *Traffic) Add(by *Traffic) {
	t.ProduceRequests += by.ProduceRequests
	t.FetchRequests += by.FetchRequests
	t.FailedProduceRequests += by.FailedProduceRequests
	t.FailedFetchRequests += by.FailedFetchRequests
	t.MessagesIn += by.MessagesIn
	t.BytesIn += by.BytesIn
	t.BytesOut += by.BytesOut
	t.CopiedIn += by.CopiedIn
	t.CopiedOut += by.CopiedOut
}

// traffic are the counters. Whoever attends the mailbox counts a turn under one lock, which only a scrape ever contends for.
type traffic struct {
	mu     sync.Mutex
	all    Traffic
	topics map[string]*Traffic // by name
	gone   Traffic             // of topics that are deleted

	unclean atomic.Int64 // elections of the last known leader
	busy    atomic.Int64 // nanoseconds of turns
}

// topicsPruned is how many more topics than there are the counters hold before those of deleted ones go.
const topicsPruned = 64

// Traffic returns the counters of the node.
func (n *Node) Traffic() Traffic {
	n.traffic.mu.Lock()
	defer n.traffic.mu.Unlock()
	return n.traffic.all
}

// TopicTraffic returns the counters of each topic that had any, and what there was of topics that are gone.
func (n *Node) TopicTraffic() (topics map[string]Traffic, gone Traffic) {
	t := &n.traffic
	img := n.Image()
	t.mu.Lock()
	defer t.mu.Unlock()
	topics, gone = make(map[string]Traffic, len(t.topics)), t.gone
	for name, c := range t.topics { // any order: a map of sums
		if _, ok := img.Topic(name); ok {
			topics[name] = *c
		} else {
			gone.Add(c)
		}
	}
	return topics, gone
}

// Busy returns how long the node has been deciding: stepping events and handing over what follows.
func (n *Node) Busy() time.Duration { return time.Duration(n.traffic.busy.Load()) }

// UncleanElections returns how many partitions got a leader that may lack records.
func (n *Node) UncleanElections() int64 { return n.traffic.unclean.Load() }

// count counts what the effects of a turn tell. The core answers every request once, also a Produce whose client wants no answer.
func (n *Node) count() {
	if len(n.fx.Disk)+len(n.fx.Replies) == 0 {
		return
	}
	t := &n.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range n.fx.Disk {
		op := &n.fx.Disk[i]
		if op.Kind != core.DiskAppend || op.Stream == stream.Metadata {
			continue
		}
		if op.Copied {
			t.all.CopiedIn += int64(op.Batch.Size)
			continue
		}
		now := Traffic{MessagesIn: int64(op.Batch.Count), BytesIn: int64(op.Batch.Size)}
		t.all.Add(&now)
		if topic, ok := n.Image().TopicByID(op.Stream.Topic); ok {
			if c := n.trafficOf(topic.Name); c != nil {
				c.Add(&now)
			}
		}
	}
	for i := range n.fx.Replies {
		switch r := &n.fx.Replies[i]; {
		case r.Produce != nil:
			t.all.ProduceRequests++
			for j := range r.Produce.Partitions {
				p := &r.Produce.Partitions[j]
				n.countPartition(p.Topic, Traffic{ProduceRequests: 1, FailedProduceRequests: failed(p.Err)})
			}
		case r.Fetch != nil && len(r.Fetch.Partitions) == 1 && r.Fetch.Partitions[0].TopicID == stream.MetadataTopic:
			// Of another node's, not of a client's.
		case r.Fetch != nil:
			t.all.FetchRequests++
			for j := range r.Fetch.Partitions {
				p := &r.Fetch.Partitions[j]
				now := Traffic{FetchRequests: 1, FailedFetchRequests: failed(p.Err)}
				if r.Fetch.Follower {
					t.all.CopiedOut += p.Size()
				} else {
					now.BytesOut = p.Size()
				}
				n.countPartition(p.Topic, now)
			}
		}
	}
}

// countPartition counts one partition's part of a request: for the node only what is no number of requests.
func (n *Node) countPartition(topic string, now Traffic) {
	if c := n.trafficOf(topic); c != nil {
		c.Add(&now)
	}
	now.ProduceRequests, now.FetchRequests = 0, 0
	n.traffic.all.Add(&now)
}

func failed(code errcode.Code) int64 {
	if code == errcode.None {
		return 0
	}
	return 1
}

// trafficOf returns the counters of a topic; nil if there is none of that name.
func (n *Node) trafficOf(topic string) *Traffic {
	t := &n.traffic
	if c := t.topics[topic]; c != nil {
		return c
	}
	if _, ok := n.Image().Topic(topic); !ok {
		return nil
	}
	if len(t.topics) > n.Image().TopicCount()+topicsPruned {
		for name, c := range t.topics { // any order: sums
			if _, ok := n.Image().Topic(name); !ok {
				t.gone.Add(c)
				delete(t.topics, name)
			}
		}
	}
	c := new(Traffic)
	t.topics[topic] = c
	return c
}
