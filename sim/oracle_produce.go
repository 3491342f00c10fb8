package sim

import (
	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/stream"
)

// checkRefused checks P2 from its other side, in a Produce that is answered at once: what follows upon a producer's last batch is not refused as out of order. Clients
// would not tell: they begin anew under another id.
func (n *node) checkRefused(ev *core.Event) {
	if ev.Kind != core.EvRequest || ev.Request.Key != api.Produce {
		return
	}
	for i := range n.p.fx.Replies {
		r := &n.p.fx.Replies[i]
		if r.Produce == nil || r.Conn != ev.Request.Conn || r.Correlation != ev.Request.Correlation {
			continue
		}
		for j := range r.Produce.Partitions {
			p := &ev.Request.Produce.Partitions[j]
			o := n.watch(stream.ID{Topic: p.TopicID, Partition: p.Partition})
			if r.Produce.Partitions[j].Err != errcode.OutOfOrderSequenceNumber || o == nil || o.hurt() {
				continue
			}
			if was, known := o.producers[p.Batch.ProducerID]; known && was.epoch == p.Batch.ProducerEpoch && was.next == p.Batch.BaseSequence {
				n.broken("P2", o, "producer %d, epoch %d is refused sequence %d, which follows", p.Batch.ProducerID, was.epoch, was.next)
			}
		}
	}
}
