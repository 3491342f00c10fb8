package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// answerLate is how much later than the client's timeout the core may answer, where it was not paused: deadlines need no disk.
const answerLate = 200 * Millisecond

// lossyLate is how much later that may be where packets between nodes are lost: what another node carries out is answered when its answer is there.
const lossyLate = Second

// heard is a request that the core has got, with what its partitions were then.
type heard struct {
	correlation int32
	at          Time
	timeoutMs   int32 // 0: none
	request     *core.Request
	parts       []heardPart
}

// heardPart is one partition that a request names.
type heardPart struct {
	topic     string
	partition int32
	serves    bool // it is here, and led
	start     record.Offset
	epoch     record.Epoch
}

// hear notes a request that the core has just got.
func (n *node) hear(r *core.Request) {
	c := n.p.conns[r.Conn]
	if c == nil || n.w.cfg.BlackBox || n.p.view.Image == nil {
		return
	}
	h := heard{correlation: r.Correlation, at: n.w.now, request: r}
	switch b := r.Body.(type) {
	case *kmsg.CreateTopicsRequest:
		h.timeoutMs = b.TimeoutMillis
	case *kmsg.DeleteTopicsRequest:
		h.timeoutMs = b.TimeoutMillis
	case *kmsg.CreatePartitionsRequest:
		h.timeoutMs = b.TimeoutMillis
	case *kmsg.ListOffsetsRequest:
		for i := range b.Topics {
			for j := range b.Topics[i].Partitions {
				h.parts = append(h.parts, n.heardPart(b.Topics[i].Topic, b.Topics[i].Partitions[j].Partition))
			}
		}
	case *kmsg.DeleteRecordsRequest:
		for i := range b.Topics {
			for j := range b.Topics[i].Partitions {
				h.parts = append(h.parts, n.heardPart(b.Topics[i].Topic, b.Topics[i].Partitions[j].Partition))
			}
		}
	case nil:
		if r.Produce == nil || r.Produce.Acks == 0 {
			return
		}
		h.timeoutMs = r.Produce.TimeoutMs
		for i := range r.Produce.Partitions {
			h.parts = append(h.parts, n.heardPart(r.Produce.Partitions[i].Topic, r.Produce.Partitions[i].Partition))
		}
	default:
		return
	}
	c.heard = append(c.heard, h)
}

func (n *node) heardPart(topic string, partition int32) heardPart {
	h := heardPart{topic: topic, partition: partition}
	t, ok := n.p.view.Image.Topic(topic)
	if !ok || int(partition) >= len(t.Partitions) {
		return h
	}
	s, ok := n.p.core.Look(stream.ID{Topic: t.ID, Partition: partition})
	h.serves, h.start, h.epoch = ok && s.Leading && !s.Failed, s.LogStart, t.Partitions[partition].LeaderEpoch
	return h
}

// overdue fails the run if a request is answered, or given up by its client, long after its own timeout.
func (c *serverConn) overdue(h *heard) {
	n := c.n
	due := h.at + Time(h.timeoutMs)*Millisecond
	if !n.w.alone() && h.request.Produce == nil {
		due += Time(h.timeoutMs) * Millisecond // it is sent on to the controller, as soon as there is one, and its time begins anew there, as with Kafka
	}
	if n.w.lossyUntil > h.at {
		due += lossyLate
	}
	if h.timeoutMs > 0 && n.w.now > due+answerLate && n.pausedUntil < h.at && !n.p.stopping {
		n.w.fail(Liveness, "L4", fmt.Sprintf("%s: %v #%d is not answered %s after its timeout", c.ch.name, h.request.Key, h.correlation, n.w.now-due))
	}
}

// unheard looks at what nobody waits for any more.
func (c *serverConn) unheard() {
	for i := range c.heard {
		c.overdue(&c.heard[i])
	}
	c.heard = nil
}

// inspectAnswer looks at an answer of the core before anybody else does.
func (c *serverConn) inspectAnswer(r *core.Reply) {
	for i := range c.heard {
		if h := c.heard[i]; h.correlation == r.Correlation {
			c.heard = append(c.heard[:i], c.heard[i+1:]...)
			c.overdue(&h)
			c.compare(&h, r)
			return
		}
	}
}

func (c *serverConn) compare(h *heard, r *core.Reply) {
	switch b := r.Body.(type) {
	case *kmsg.ListOffsetsResponse:
		c.checkLatest(h, b)
		for i := range b.Topics {
			for j := range b.Topics[i].Partitions {
				p := &b.Topics[i].Partitions[j]
				c.founded(h, b.Topics[i].Topic, p.Partition, errcode.Code(p.ErrorCode))
				if code, version := errcode.Code(p.ErrorCode), h.request.Body.GetVersion(); code == errcode.OffsetNotAvailable && version < 5 || code == errcode.LeaderNotAvailable && version >= 5 {
					c.n.w.fail(Correctness, "refused", fmt.Sprintf("%s: ListOffsets v%d is answered %v", c.ch.name, version, code))
				}
			}
		}
	case *kmsg.DeleteRecordsResponse:
		for i := range b.Topics {
			for j := range b.Topics[i].Partitions {
				p := &b.Topics[i].Partitions[j]
				c.founded(h, b.Topics[i].Topic, p.Partition, errcode.Code(p.ErrorCode))
				c.trimmed(b.Topics[i].Topic, p)
			}
		}
	case nil:
		for i := range r.Produce.Partitions {
			p := &r.Produce.Partitions[i]
			c.founded(h, p.Topic, p.Partition, p.Err)
			if p.Err == errcode.RequestTimedOut && c.n.failed(p.Topic, p.Partition) {
				c.n.w.fail(Correctness, "refused", fmt.Sprintf("%s: a produce to %s-%d is answered %v, and its directory was given up", c.ch.name, p.Topic, p.Partition, p.Err))
			}
			if p.Err == errcode.NotLeaderOrFollower {
				c.hinted(p.Topic, p.Partition, p.CurrentLeader, p.CurrentEpoch, r.Produce.Nodes)
			}
		}
	}
}

// founded: nobody is told that a partition is not led here, or unknown, while it has been served from the request to the answer.
func (c *serverConn) founded(h *heard, topic string, partition int32, code errcode.Code) {
	if code != errcode.NotLeaderOrFollower && code != errcode.UnknownTopicOrPartition {
		return
	}
	if code == errcode.UnknownTopicOrPartition && !c.n.w.alone() {
		return // the connection looked at the image before: of several nodes one hears of a topic later than its clients
	}
	now := c.n.heardPart(topic, partition)
	for _, was := range h.parts {
		if was == now && was.serves {
			c.n.w.fail(Correctness, "refused", fmt.Sprintf("%s: %v of %s-%d is answered %v, and it was served all the time", c.ch.name, h.request.Key, topic, partition, code))
		}
	}
}

// failed reports whether a partition is here and its directory was given up.
func (n *node) failed(topic string, partition int32) bool {
	t, ok := n.p.view.Image.Topic(topic)
	if !ok {
		return false
	}
	s, ok := n.p.core.Look(stream.ID{Topic: t.ID, Partition: partition})
	return ok && s.Failed
}

// trimmed: the low watermark that a DeleteRecords tells is where the log begins; of several replicas it is the least, and the leader's may be above it by now.
func (c *serverConn) trimmed(topic string, p *kmsg.DeleteRecordsResponseTopicPartition) {
	if now := c.n.heardPart(topic, p.Partition); errcode.Code(p.ErrorCode) == errcode.None && now.serves && (int64(now.start) < p.LowWatermark || c.n.w.alone() && int64(now.start) > p.LowWatermark) {
		c.n.w.fail(Correctness, "trimmed", fmt.Sprintf("%s-%d begins at %d, and DeleteRecords says at %d", topic, p.Partition, now.start, p.LowWatermark))
	}
}

// hintedFetch looks at the hints of a Fetch answer.
func (c *serverConn) hintedFetch(r *api.FetchResponse) {
	for i := range r.Partitions {
		if p := &r.Partitions[i]; p.Err == errcode.NotLeaderOrFollower || p.Err == errcode.FencedLeaderEpoch {
			topic := p.Topic
			if t, ok := c.n.p.view.Image.TopicByID(p.TopicID); topic == "" && ok {
				topic = t.Name
			}
			c.hinted(topic, p.Partition, p.CurrentLeader, p.CurrentEpoch, r.Nodes)
		}
	}
}
