package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// checkParked: a Fetch that there is something for is not made to wait: it is answered in the same Step, or the disk is asked.
func (n *node) checkParked(ev *core.Event) {
	q := ev.Request.Fetch
	if q == nil || q.SessionEpoch > api.InitialSessionEpoch || q.MinBytes > 1 || n.p.stopping || len(n.p.fx.Jobs) > 0 || n.w.cfg.BlackBox || n.p.view.Image == nil {
		return
	}
	for i := range n.p.fx.Replies {
		if r := &n.p.fx.Replies[i]; r.Conn == ev.Request.Conn && r.Correlation == ev.Request.Correlation {
			return
		}
	}
	for i := range q.Partitions {
		p := &q.Partitions[i]
		id := stream.ID{Topic: p.TopicID, Partition: p.Partition}
		if t, ok := n.p.view.Image.Topic(p.Topic); !q.ByID && ok {
			id.Topic = t.ID
		}
		s, ok := n.p.core.Look(id)
		if end := min(s.HighWatermark, s.Written); ok && s.Leading && !s.Failed && p.Offset >= s.LogStart && p.Offset < end {
			n.w.fail(Liveness, "L4", fmt.Sprintf("%s-%d: a fetch at %d waits, and offsets below %d can be read", s.Topic, p.Partition, p.Offset, end))
		}
	}
}

// toldPart is what a fetch session was last told of a partition.
type toldPart struct {
	session   int32
	topic     record.UUID
	name      string
	partition int32
}

// toldEnds are the ends that it was told.
type toldEnds struct{ watermark, start record.Offset }

// repeated: an answer within a fetch session names only partitions of which there is news (KIP-227).
func (n *node) repeated(q *api.FetchRequest, r *api.FetchResponse) {
	if r.Err != errcode.None || r.SessionID == 0 || n.w.cfg.BlackBox || n.p.view.Image == nil {
		return
	}
	if n.p.heardInSessions == nil {
		n.p.heardInSessions = map[toldPart]toldEnds{}
	}
	for i := range q.Forgotten {
		f := &q.Forgotten[i]
		delete(n.p.heardInSessions, toldPart{q.SessionID, f.TopicID, f.Topic, f.Partition})
	}
	for i := range r.Partitions {
		p := &r.Partitions[i]
		key, ends := toldPart{r.SessionID, p.TopicID, p.Topic, p.Partition}, toldEnds{p.HighWatermark, p.LogStart}
		if r.ByID {
			key.name = ""
		}
		was, known := n.p.heardInSessions[key]
		if q.SessionEpoch > api.InitialSessionEpoch && p.Err == errcode.None && len(p.Extents) == 0 && !p.Diverges && known && was == ends {
			n.w.fail(Correctness, "session", fmt.Sprintf("%s-%d is told of again, without records: high watermark %d, log start %d as before", p.Topic, p.Partition, ends.watermark, ends.start))
		}
		if n.p.heardInSessions[key] = ends; p.Err != errcode.None {
			delete(n.p.heardInSessions, key)
		}
	}
}
