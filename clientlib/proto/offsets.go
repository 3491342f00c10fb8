package proto

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// Versions of the requests for offsets: 4 of ListOffsets names the leader epoch, and so does 3 of OffsetForLeaderEpoch.
const (
	listOffsetsVersion = 8
	epochEndVersion    = 4
)

// partitionAsk is an offset asked for.
type partitionAsk struct {
	id    uint64
	p     *inPartition
	seeks uint64
	next  record.Offset // of the partition, then
}

// takeAsk returns the partition of a request for an offset; nil if it was sought elsewhere since, taken away, or a fetch that was under way has moved it: an
// answer about where it was says nothing of where it is.
func (k *Consumer) takeAsk(id uint64) *inPartition {
	i := slices.IndexFunc(k.asks, func(a partitionAsk) bool { return a.id == id })
	if i < 0 {
		return nil
	}
	a := k.asks[i]
	k.asks = slices.Delete(k.asks, i, i+1)
	if a.seeks != a.p.seeks || k.find(a.p.topic, a.p.partition) != a.p {
		return nil
	}
	a.p.asked = false
	if a.p.next != a.next {
		return nil
	}
	return a.p
}

// settle finds out where a partition is to be read from, if that is not known, and whether the leader of a new epoch has what was read (KIP-320).
func (k *Consumer) settle(c *Client, p *inPartition) {
	l, ok := c.meta.leaderOf(p.topic, p.partition)
	if !ok {
		k.missing(c, p)
		return
	}
	switch {
	case p.next == record.NoOffset:
		k.ask(c, p, l, listOffsets(p, l, p.start.timestamp(k.cfg.Reset)), listOffsetsVersion)
	case l.epoch > p.checked && l.epoch >= 0 && p.epoch >= 0:
		k.ask(c, p, l, epochEnd(p, l), epochEndVersion)
	}
}

// missing looks at why a partition has no leader.
func (k *Consumer) missing(c *Client, p *inPartition) {
	t := c.meta.topics[p.topic]
	switch {
	case t.heard < 0 || c.meta.asked:
	case t.code != errcode.None && !mayPass(t.code):
		k.fail(p, &Error{Op: "Fetch", Topic: p.topic, Partition: p.partition, Code: t.code})
	default:
		c.meta.stale = true
	}
}

// timestamp is what ListOffsets is asked for.
func (s Start) timestamp(reset Reset) record.UnixMillis {
	switch {
	case s.kind == startTime:
		return s.time
	case s.kind == startDefault && reset != ResetLatest:
		return -2
	}
	return -1
}

func listOffsets(p *inPartition, l leader, at record.UnixMillis) kmsg.Request {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = p.topic
	q := kmsg.NewListOffsetsRequestTopicPartition()
	q.Partition, q.CurrentLeaderEpoch, q.Timestamp = p.partition, int32(l.epoch), int64(at)
	t.Partitions = append(t.Partitions, q)
	req.Topics = append(req.Topics, t)
	return req
}

func epochEnd(p *inPartition, l leader) kmsg.Request {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = p.topic
	q := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	q.Partition, q.CurrentLeaderEpoch, q.LeaderEpoch = p.partition, int32(l.epoch), int32(p.epoch)
	t.Partitions = append(t.Partitions, q)
	req.Topics = append(req.Topics, t)
	return req
}

func (k *Consumer) ask(c *Client, p *inPartition, l leader, req kmsg.Request, most int16) {
	at := c.peer(l.broker, forAll)
	if at == nil || !c.reach(at) {
		return
	}
	k.last++
	if !c.ask(at, req, most, tag{ownConsumer, k.last}, c.cfg.RequestTimeout) {
		if _, validation := req.(*kmsg.OffsetForLeaderEpochRequest); validation {
			p.checked = l.epoch // an old broker, which nobody can ask
			return
		}
		k.fail(p, c.unsupported(at, api.Key(req.Key()).String(), api.Key(req.Key()), most))
		return
	}
	p.asked = true
	k.asks = append(k.asks, partitionAsk{k.last, p, p.seeks, p.next})
}

// listed takes the offset at which a partition begins.
func (k *Consumer) listed(c *Client, p *inPartition, resp *kmsg.ListOffsetsResponse) {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		k.again(c, p)
		return
	}
	told := &resp.Topics[0].Partitions[0]
	if code := errcode.Code(told.ErrorCode); code != errcode.None {
		k.refused(c, p, "ListOffsets", code)
		return
	}
	offset := record.Offset(told.Offset)
	switch {
	case offset == record.NoOffset && p.start.kind == startTime && p.start.time >= 0: // nothing is that new
		p.start = Latest(0)
		return
	case p.start.kind == startEnd && p.start.offset > 0:
		// So many before the end, but not before the log start: that is asked for next, unless it is known to lie below.
		if p.watermark = offset; offset <= p.start.offset {
			p.start = Earliest()
			return
		}
		offset -= p.start.offset
	}
	p.failures = 0
	if p.position != record.NoOffset { // nobody sought: the policy does
		c.fx.Moved = append(c.fx.Moved, Moved{p.topic, p.partition, p.position, offset})
	}
	p.next, p.position = offset, offset
	p.checked = record.Epoch(told.LeaderEpoch)
}

// epochEnds takes where the epoch of the last record that was read ends in the leader's log.
func (k *Consumer) epochEnds(c *Client, p *inPartition, resp *kmsg.OffsetForLeaderEpochResponse) {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		k.again(c, p)
		return
	}
	told := &resp.Topics[0].Partitions[0]
	if code := errcode.Code(told.ErrorCode); code != errcode.None {
		k.refused(c, p, "OffsetForLeaderEpoch", code)
		return
	}
	if end := record.Offset(told.EndOffset); end >= 0 && end < p.next {
		k.fail(p, &Error{Op: "Fetch", Topic: p.topic, Partition: p.partition, Cause: ErrTruncated,
			Hint: fmt.Sprintf("offset %d was read, epoch %d ends at %d; seek there to read what took its place", p.next-1, p.epoch, end)})
		return
	}
	p.failures = 0
	if l, ok := c.meta.leaderOf(p.topic, p.partition); ok {
		p.checked = l.epoch
	}
}
