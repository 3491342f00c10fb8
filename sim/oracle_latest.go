package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/stream"
)

// latestOffset is the timestamp with which ListOffsets asks for the end of what is committed.
const latestOffset = -1

// checkLatest: a leader that tells the latest offset tells none below what was committed in earlier epochs. Its own high watermark may lag behind that at first: then it says
// OFFSET_NOT_AVAILABLE.
func (c *serverConn) checkLatest(h *heard, b *kmsg.ListOffsetsResponse) {
	asked, ok := h.request.Body.(*kmsg.ListOffsetsRequest)
	if !ok || c.n.w.alone() || c.n.w.cfg.BlackBox || c.n.p.view.Image == nil {
		return
	}
	for i := range b.Topics {
		t, known := c.n.p.view.Image.Topic(b.Topics[i].Topic)
		for j := range b.Topics[i].Partitions {
			told := &b.Topics[i].Partitions[j]
			if !known || errcode.Code(told.ErrorCode) != errcode.None || asksFor(asked, b.Topics[i].Topic, told.Partition) != latestOffset {
				continue
			}
			id := stream.ID{Topic: t.ID, Partition: told.Partition}
			p := c.n.w.part(id)
			if p == nil || !p.topic.Durable() {
				continue
			}
			epoch, _ := c.n.w.leaderEpoch(c.n, id)
			for _, was := range h.parts { // what was looked up may be older than the answer
				if was.topic == t.Name && was.partition == told.Partition {
					epoch = min(epoch, was.epoch)
				}
			}
			for k := len(p.committed) - 1; k >= 0; k-- {
				if p.in[k] < epoch && told.Offset < int64(p.committed[k].next) {
					c.n.w.fail(Correctness, "watermark", fmt.Sprintf("%s: %s leads in epoch %d and says that the latest offset is %d; before that %d was committed", p.name, c.n.name, epoch, told.Offset, p.committed[k].next))
					return
				} else if p.in[k] < epoch {
					break
				}
			}
		}
	}
}

func asksFor(req *kmsg.ListOffsetsRequest, topic string, partition int32) int64 {
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if p := &req.Topics[i].Partitions[j]; req.Topics[i].Topic == topic && p.Partition == partition {
				return p.Timestamp
			}
		}
	}
	return 0
}
