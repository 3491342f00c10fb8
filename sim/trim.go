package sim

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
)

// trimming deletes records of a partition and asks where its log begins: not below what was answered, not above what was asked for, and at 0 in a topic
// that was just made, whatever was deleted from an earlier one of its name.
type trimming struct {
	topic     string
	partition int32
	steps     int // requests still to make
	busy      bool
	loose     bool // others delete, too: the start may be above what was asked for

	// Of several replicas one that was fenced meanwhile has not heard of it, and may come to lead (Kafka waits for those that live).
	replicated bool
	end        record.Offset // of what was acknowledged
	asked      record.Offset // highest start asked for
	told       record.Offset // highest start answered
}

// request draws the next step: half of them look, half delete.
func (t *trimming) request(rng *prng.Source, timeoutMs int32) kmsg.Request {
	t.steps--
	if t.end == 0 || rng.IntN(2) == 0 {
		return t.look()
	}
	return t.delete(record.Offset(rng.IntN(int(t.end)+1)), timeoutMs)
}

// look asks where the log begins.
func (t *trimming) look() kmsg.Request {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(5)
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = t.topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = t.partition, earliest
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	return req
}

// toTheWatermark has DeleteRecords delete all that is committed.
const toTheWatermark record.Offset = -1

// delete asks that the log begin at an offset.
func (t *trimming) delete(offset record.Offset, timeoutMs int32) kmsg.Request {
	if t.asked = max(t.asked, offset); offset == toTheWatermark {
		t.asked = math.MaxInt64 // wherever that is
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.SetVersion(1)
	req.TimeoutMillis = timeoutMs
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = t.topic
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = t.partition, int64(offset)
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
	if errcode.Code(p.ErrorCode) != errcode.None || (start >= t.told || t.replicated) && (start <= t.asked || t.loose) {
		return ""
	}
	return fmt.Sprintf("%s-%d begins at offset %d; the highest start asked for is %d, the highest answered %d", t.topic, t.partition, start, t.asked, t.told)
}
