package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
)

// trimming deletes records of one topic's life and asks where its log begins: not below what was answered, not above what was asked for, and at 0 in a topic
// that was just made, whatever was deleted from an earlier one of its name.
type trimming struct {
	steps int // requests still to make
	busy  bool
	end   record.Offset // of what was acknowledged
	asked record.Offset // highest start asked for
	told  record.Offset // highest start answered
}

// request draws the next step: half of them look, half delete.
func (t *trimming) request(rng *prng.Source, timeoutMs int32) kmsg.Request {
	t.steps--
	if t.end == 0 || rng.IntN(2) == 0 {
		req := kmsg.NewPtrListOffsetsRequest()
		req.SetVersion(5)
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = churnTopic
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = earliest
		topic.Partitions = append(topic.Partitions, p)
		req.Topics = append(req.Topics, topic)
		return req
	}
	offset := record.Offset(rng.IntN(int(t.end) + 1))
	t.asked = max(t.asked, offset)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.SetVersion(1)
	req.TimeoutMillis = timeoutMs
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = churnTopic
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = int64(offset)
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	return req
}

// earliest is ListOffsets' timestamp for the log start.
const earliest = -2

func (t *trimming) deleted(p *kmsg.DeleteRecordsResponseTopicPartition) {
	if errcode.Code(p.ErrorCode) == errcode.None {
		t.told = max(t.told, record.Offset(p.LowWatermark))
	}
}

// listed returns what is wrong with the start that was told.
func (t *trimming) listed(p *kmsg.ListOffsetsResponseTopicPartition) string {
	start := record.Offset(p.Offset)
	if errcode.Code(p.ErrorCode) != errcode.None || start >= t.told && start <= t.asked {
		return ""
	}
	return fmt.Sprintf("topic %s begins at offset %d; the highest start asked for is %d, the highest answered %d", churnTopic, start, t.asked, t.told)
}
